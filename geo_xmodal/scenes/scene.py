"""A scene: one reference grid, the sensors on it, classes and labels; opened by name or path."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from odc.geo.geobox import GeoBox

from geo_xmodal.errors import LabelError, SceneError
from geo_xmodal.raster import WindowReader, north_up, read_labels
from geo_xmodal.scenes import labelled
from geo_xmodal.scenes.config import (
    CONFIG_NAME,
    LabelsConfig,
    ModalityConfig,
    PointsConfig,
    SceneConfig,
    read_config,
    scene_file,
)
from geo_xmodal.scenes.sensors import Access, is_missing, sensor_file
from geo_xmodal.types import ClassArray, FloatArray, LandClass, Window

if TYPE_CHECKING:
    import xarray

DATA_VARIABLE = "GEO_XMODAL_DATA"

WITHIN_VARIABLE = "GEO_XMODAL_WITHIN"
"""Names folders, divided as in `PATH`, that files of scenes must lie in; set by who runs others' scenes."""

Source = Literal["path", "data", "sample"]
Split = Literal["train", "test", "all"]

_CHUNK = 1024


@dataclass(frozen=True)
class Scene:
    """One grid, many sensors.

    Attributes:
        folder: Where `scene.toml` and the files lie.
        config: The checked `scene.toml`.
        grid: The reference grid: the target sensor's.
        source: Where the scene was found: at a path, under `$GEO_XMODAL_DATA`, or among the samples.
        access: What its `files` may lead to.
    """

    folder: Path
    config: SceneConfig
    grid: GeoBox
    source: Source
    access: Access = field(default_factory=Access)

    @property
    def name(self) -> str:
        """Name in `scene.toml`."""
        return self.config.name

    @property
    def classes(self) -> tuple[LandClass, ...]:
        """The legend, in the order of `scene.toml`; empty for a scene without classes."""
        return self.config.legend

    @property
    def target(self) -> str:
        """Name of the modality that maps are made from."""
        return self.config.target

    @property
    def auxiliary_modalities(self) -> tuple[str, ...]:
        """Names of the modalities that only training has."""
        return tuple(name for name in self.config.modalities if name != self.target)

    @property
    def missing_modalities(self) -> tuple[str, ...]:
        """Names of the modalities whose files are not there; the scene can be mapped without them."""
        return tuple(name for name, one in self.config.modalities.items() if is_missing(one, self.folder))

    @property
    def simulated(self) -> bool:
        """Whether the scene is computed, not observed."""
        return self.config.simulated

    @property
    def points(self) -> PointsConfig | None:
        """How single samples are laid out, where the scene is made of them and makes no map."""
        return self.config.points

    @property
    def has_crs(self) -> bool:
        """Whether the reference grid lies somewhere on Earth."""
        return self.grid.crs is not None

    def modality(self, name: str) -> ModalityConfig:
        """What `scene.toml` says of modality `name`.

        Raises:
            SceneError: There is no such modality.
        """
        try:
            return self.config.modalities[name]
        except KeyError:
            known = ", ".join(self.config.modalities)
            raise SceneError(
                f"{self.folder / CONFIG_NAME}: no modality {name!r}; modalities: {known}"
            ) from None

    def path(self, name: str) -> Path | None:
        """The one file of modality `name`, there or not; None where it has several, or lies elsewhere."""
        return sensor_file(self.modality(name), self.folder)

    def reader(self, name: str) -> WindowReader:
        """How to read modality `name` on the reference grid.

        Raises:
            SceneError: A file is gone, or has changed since, or is an address that is not allowed.
            RasterError: A file is missing or cannot be read.
            AlignmentError: A file cannot be brought onto the reference grid, or files do not go together.
        """
        on_ground = self.points is None
        return self.access.reader(name, self.modality(name), self.folder, self.grid, on_ground=on_ground)

    def own_grid(self, name: str) -> GeoBox:
        """The grid of the files of modality `name`, of several that of all together.

        Raises:
            SceneError, RasterError, AlignmentError: As `reader`.
        """
        return self.access.grid(name, self.modality(name), self.folder)

    def array(self, name: str) -> xarray.DataArray:
        """Modality `name` on the reference grid as a lazy array, dims (band, y, x), float32, NaN = no data.

        `x` and `y` hold pixel centres unless the grid is rotated. `attrs` hold `crs` (WKT or None),
        `transform` (GDAL order of affine: a, b, c, d, e, f) and `kind`.
        """
        # These take most of a second to import, and the command line never asks for lazy arrays.
        import dask.array
        import xarray

        reader = self.reader(name)
        height, width = self.grid.shape
        shape = (len(reader.bands), height, width)
        # Chunks that hold all bands, because a GeoTIFF is read for all bands of a window at once.
        side = max(64, int(_CHUNK / max(1, len(reader.bands) / 4) ** 0.5))
        chunks = tuple(
            _chunks(length, size) for length, size in zip(shape, (shape[0], side, side), strict=True)
        )
        data = dask.array.map_blocks(  # type: ignore[no-untyped-call]
            _read_chunk, reader, chunks=chunks, dtype=np.float32, meta=_NO_DATA
        )
        affine = self.grid.affine
        coords: dict[str, object] = {"band": list(reader.band_names)}
        if affine.b == affine.d == 0:
            coords["x"] = affine.c + affine.a * (np.arange(width) + 0.5)
            coords["y"] = affine.f + affine.e * (np.arange(height) + 0.5)
        return xarray.DataArray(
            data,
            dims=("band", "y", "x"),
            coords=coords,
            name=name,
            attrs={
                "crs": self.grid.crs.to_wkt() if self.grid.crs is not None else None,
                "transform": tuple(affine)[:6],
                "kind": reader.kind,
            },
        )

    def has_labels(self, split: Split) -> bool:
        """Whether there are labels for `split`, in a file of their own or by `[split]`."""
        given = {name for name, _ in self.config.labels.given()}
        return bool(given) and (split in given or split == "all" or self.config.split is not None)

    def label_source(self, split: Split) -> LabelsConfig:
        """The labels named `split` in scene.toml; "all" is also the one set that `[split]` divides.

        Raises:
            LabelError: The scene has no such labels.
        """
        given = dict(self.config.labels.given())
        if split == "all" and self.config.split is not None:
            return next(iter(given.values()))
        if split not in given:
            found = ", ".join(f"labels.{name}" for name in given) or "none"
            raise LabelError(f"{self.folder / CONFIG_NAME}: no labels for {split!r}; labels given: {found}")
        return given[split]

    def read_labels(self, split: Split, window: Window) -> ClassArray:
        """Class ids (row, col) of `window` on the reference grid, 0 = unlabelled.

        "all" is training and test labels together (training first, where both label a pixel).

        Raises:
            LabelError: The scene has no such labels, or they hold values outside its classes.
        """
        if split != "all":
            return labelled.read_split(self, split, window)
        if self.config.split is None:
            train, test = (labelled.read_split(self, side, window) for side in ("train", "test"))
            return np.where(train > 0, train, test)
        source = self.label_source("all")
        path = scene_file(self.folder, source.file)
        return read_labels(source, path, self.grid, self.classes, window)


_NO_DATA = np.empty((0, 0, 0), np.float32)


def _chunks(length: int, size: int) -> tuple[int, ...]:
    return (size,) * (length // size) + ((length % size,) if length % size else ())


def _read_chunk(reader: WindowReader, block_info: Any) -> FloatArray:
    _, (row, row_end), (col, col_end) = block_info[None]["array-location"]
    return reader.read(Window(row, col, row_end - row, col_end - col))


@dataclass(frozen=True)
class SceneSummary:
    """A scene that can be opened by name, or why it cannot."""

    name: str
    folder: Path
    source: Source
    description: str
    simulated: bool
    problem: str | None = None


def open_scene(
    name_or_path: str | Path, *, addresses: bool = False, within: Sequence[Path | str] | None = None
) -> Scene:
    """The scene at a path, under `$GEO_XMODAL_DATA/NAME/`, or among the samples, in that order.

    Only `scene.toml` and what tells the target sensor's grid are read; files of others may be missing.

    Args:
        name_or_path: A scene folder or its `scene.toml`, or the name of a known scene.
        addresses: Whether `files` in scene.toml may be addresses: reading them causes requests.
        within: Folders, besides the scene's own, that its `files` must lie in, symbolic links followed.
            Without it those in `$GEO_XMODAL_WITHIN`; anywhere where that is not set.

    Raises:
        SceneError: There is no such scene (the message says where it looked), or it is not usable.
        RasterError: The target sensor's file cannot be opened.
    """
    candidates = _candidates(name_or_path)
    access = Access(addresses, _within() if within is None else tuple(map(Path, within)))
    for source, folder in candidates:
        if (folder / CONFIG_NAME).is_file():
            config = read_config(folder, within=access.within)
            target = config.modalities[config.target]
            grid = access.grid(config.target, target, folder)
            if target.file is None:
                grid = north_up(grid)  # as `align` would write a copy
            return Scene(folder, config, grid, source, access)
    names = ", ".join(sorted({summary.name for summary in list_scenes()})) or "none"
    looked = ", ".join(str(folder / CONFIG_NAME) for _, folder in candidates)
    unset = "" if os.environ.get(DATA_VARIABLE) else f" (${DATA_VARIABLE} is not set)"
    raise SceneError(f"no scene {str(name_or_path)!r}: looked for {looked}{unset}; scenes known: {names}")


def _within() -> tuple[Path, ...] | None:
    told = os.environ.get(WITHIN_VARIABLE)
    return None if told is None else tuple(Path(one) for one in told.split(os.pathsep) if one)


def list_scenes() -> list[SceneSummary]:
    """Every scene that `open_scene` finds by name; a name found first hides the same name found later."""
    found: dict[str, SceneSummary] = {}
    for source, parent in _parents():
        for config_file in sorted(parent.glob(f"*/{CONFIG_NAME}")):
            folder = config_file.parent
            if folder.name not in found:
                found[folder.name] = _summary(folder, source)
    return list(found.values())


def _summary(folder: Path, source: Source) -> SceneSummary:
    try:
        config = read_config(folder)
    except SceneError as error:
        return SceneSummary(folder.name, folder, source, "", False, str(error))
    return SceneSummary(folder.name, folder, source, config.description, config.simulated)


def _candidates(name_or_path: str | Path) -> list[tuple[Source, Path]]:
    path = Path(name_or_path).expanduser()
    candidates: list[tuple[Source, Path]] = [("path", path.parent if path.name == CONFIG_NAME else path)]
    if len(path.parts) == 1 and path.name not in ("", ".."):
        candidates += [(source, parent / path) for source, parent in _parents()]
    return candidates


def _parents() -> Iterator[tuple[Source, Path]]:
    data = os.environ.get(DATA_VARIABLE)
    if data:
        yield "data", Path(data)
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "sample_scenes", package / "_shipped" / "sample_scenes"):
        if folder.is_dir():
            yield "sample", folder
