"""A set of chips: many small rasters of the same sensors, each with its labels or without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from odc.geo.geobox import GeoBox

from geo_xmodal.chips.config import ChipsConfig, ChipSplit
from geo_xmodal.chips.finding import Key
from geo_xmodal.chips.label_values import read_chip_labels
from geo_xmodal.chips.patterns import BAND, filled
from geo_xmodal.errors import ChipError
from geo_xmodal.kinds import Kind
from geo_xmodal.raster import CHIP_FORMATS, WindowReader, aligned_reader, same_grid, stacked_bands
from geo_xmodal.small_files import inner_file
from geo_xmodal.types import ClassArray, LandClass

MAX_SIDE = 8_000
"""Rows or columns of a chip; tiles of ISPRS have 6,000. Larger rasters are scenes."""


@dataclass(frozen=True)
class Chip:
    """One chip.

    Attributes:
        key: The values of the placeholders in the names of its files.
        split: What it is for; None where no split names it.
        sensors: Modalities that it has files of.
        labelled: Whether it has a label file.
    """

    key: Key
    split: ChipSplit | None
    sensors: frozenset[str]
    labelled: bool

    @property
    def id(self) -> str:
        """Its name in lists and messages."""
        return "/".join(self.key)


@dataclass(frozen=True)
class ChipSet:
    """A folder of chips; nothing but names has been read.

    Attributes:
        folder: Where they lie.
        config: The description, of `chips.toml` or of a known layout.
        layout: Name of the known layout, or None.
        chips: In the order of their ids.
        notes: What should be known of it, a line each.
    """

    folder: Path
    config: ChipsConfig
    layout: str | None
    chips: tuple[Chip, ...]
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As described."""
        return self.config.name

    @property
    def classes(self) -> tuple[LandClass, ...]:
        """The legend."""
        return self.config.legend

    @property
    def target(self) -> str:
        """Name of the modality that maps are made from, unless another one is asked for."""
        return self.config.target

    @property
    def simulated(self) -> bool:
        """Whether the sensors are simulated."""
        return self.config.simulated

    def kind(self, sensor: str) -> Kind:
        """What a modality measures.

        Raises:
            ChipError: There is none of this name.
        """
        if sensor not in self.config.modalities:
            raise ChipError(
                f"{self.name} has no modality {sensor!r}; it has {', '.join(self.config.modalities)}"
            )
        return self.config.modalities[sensor].kind

    def of(self, split: ChipSplit | None) -> tuple[Chip, ...]:
        """The chips of a split, or those of none."""
        return tuple(chip for chip in self.chips if chip.split == split)

    def group(self, chip: Chip) -> str:
        """What lies together with a chip: those of one group are neighbours, or may be."""
        return self.config.group_of(chip.key)

    def reader(self, chip: Chip, sensor: str, target: str | None = None) -> WindowReader:
        """A sensor of a chip on the grid of the chip's target.

        Raises:
            ChipError: The chip has no such sensor, is too large, or has more or fewer bands than other
                chips; or one of two files without a place has another size than the other.
            RasterError, AlignmentError: A file cannot be read, or lies elsewhere.
        """
        reader = self._own(chip, sensor)
        count, first = self._counts.setdefault(sensor, (len(reader.bands), reader.name))
        if len(reader.bands) != count:
            raise ChipError(
                f"{reader.name}: has {len(reader.bands)} bands, {first} has {count}: choose the same with "
                "bands = [...]"
            )
        if sensor == (target or self.target):
            self._check_side(reader)
            return reader
        grid = self.grid(chip, target)
        if same_grid(reader.grid, grid):
            return reader
        if reader.grid.crs is not None and grid.crs is not None:
            return reader.on(grid)
        if reader.grid.shape != grid.shape:
            raise ChipError(
                f"{reader.name}: has {_size(reader.grid.shape)}, {target or self.target} of chip {chip.id} "
                f"has {_size(grid.shape)}, and no CRS says how they lie: bring both to one grid"
            )
        return reader

    def grid(self, chip: Chip, target: str | None = None) -> GeoBox:
        """The grid of a chip: that of its target.

        Raises:
            ChipError: It is too large.
            RasterError: The file cannot be read.
        """
        reader = self._own(chip, target or self.target)
        self._check_side(reader)
        return reader.grid

    def _check_side(self, reader: WindowReader) -> None:
        if max(reader.grid.shape) > MAX_SIDE:
            raise ChipError(
                f"{reader.name}: has {_size(reader.grid.shape)}, expected at most {MAX_SIDE} a side of a "
                "chip: make it a scene (geo-xmodal align)"
            )

    def labels(self, chip: Chip, target: str | None = None) -> ClassArray | None:
        """Class ids (row, col) of a chip, 0 = unlabelled; None where it has no label file.

        Raises:
            LabelError: They have another size than the chip, or hold values of no class.
            RasterError: The file cannot be read.
        """
        labels = self.config.labels
        if labels is None or not chip.labelled:
            return None
        path = self._path(chip, labels.files)
        return read_chip_labels(path, labels, self.config.classes, self.grid(chip, target).shape)

    def paths(self, chip: Chip, sensor: str) -> list[Path]:
        """The files of a sensor of a chip.

        Raises:
            ChipError: One of them leads out of the folder.
        """
        modality = self.config.modalities[sensor]
        bands = [str(one) for one in modality.bands or ()] if modality.one_a_band else [""]
        return [self._path(chip, modality.files, band) for band in bands]

    def _own(self, chip: Chip, sensor: str) -> WindowReader:
        """A sensor of a chip on its own grid."""
        kind = self.kind(sensor)
        if sensor not in chip.sensors:
            raise ChipError(f"chip {chip.id} of {self.name} has no {sensor}")
        modality = self.config.modalities[sensor]
        names: Sequence[str] = []
        numbers: Sequence[int] | None = None
        if modality.one_a_band:
            names = [str(one) for one in modality.bands or ()]
        elif modality.bands is not None:
            numbers = [int(one) for one in modality.bands]
        own = [
            aligned_reader(
                self._path(chip, modality.files, band),
                kind=kind,
                bands=numbers,
                nodata=modality.nodata,
                decibel=modality.scale == "db",
                sensor=modality.sensor,
                formats=CHIP_FORMATS,
            )
            for band in names or ("",)
        ]
        return stacked_bands(f"{sensor} of chip {chip.id}", own, names) if names else own[0]

    def _path(self, chip: Chip, pattern: str, band: str = "") -> Path:
        values: Mapping[str, str] = dict(zip(self.config.placeholders, chip.key, strict=True))
        return inner_file(self.folder, filled(pattern, {**values, BAND: band}), "folder of chips", ChipError)

    @cached_property
    def _counts(self) -> dict[str, tuple[int, str]]:
        """Bands of each sensor in the first chip that was read, and what that is called."""
        return {}


def _size(shape: Sequence[int]) -> str:
    return f"{shape[0]} x {shape[1]} pixels"
