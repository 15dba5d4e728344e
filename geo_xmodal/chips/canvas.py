"""All chips on one grid, far apart, so that what works on a scene works on thousands of chips.

Every chip has a square of `SLOT` pixels a side to itself, in which it lies at the upper left. What lies
between chips has no data, and windows around pixels of two chips never meet. Nothing of it is ever made: it
is a way to count pixels.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio import Affine

from geo_xmodal.chips.chip_set import Chip, ChipSet
from geo_xmodal.errors import AlignmentError, ChipError
from geo_xmodal.raster import Adaptation, Assumption, Band, ReaderDefaults, WindowReader
from geo_xmodal.types import FloatArray, IntArray, Kind, Window

SLOT = 8_192
"""Pixels from a chip to the next; between two of the largest lies more than any method looks."""

_COLUMNS = 1_024
"""Chips in a row of the grid, so that numbers of rows and columns stay below 2**32 for millions of chips."""


def placed(number: int, position: IntArray) -> IntArray:
    """Pixels (n, 2) of the chip of a number, from 0, on the grid of all."""
    moved: IntArray = position + np.array(_corner(number))
    return moved


def numbers_of(position: IntArray) -> IntArray:
    """The number of the chip that each pixel (n, 2) of the grid of all belongs to."""
    row, col = (position // SLOT).T
    return np.asarray(row * _COLUMNS + col)


def on_grid(number: int, window: Window) -> Window:
    """A window of a chip on the grid of all."""
    row, col = _corner(number)
    return Window(row + window.row, col + window.col, window.height, window.width)


def grid_for(count: int) -> GeoBox:
    """The grid of so many chips, without a place."""
    rows = -(-count // _COLUMNS)
    return GeoBox((rows * SLOT, min(count, _COLUMNS) * SLOT), Affine.identity(), None)


def _corner(number: int) -> tuple[int, int]:
    down, across = divmod(number, _COLUMNS)
    return down * SLOT, across * SLOT


class ChipsDefaults(ReaderDefaults):
    """What a `WindowReader` of many chips says of its files."""

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """None: they are told chip by chip (`chip_assumptions`)."""
        return ()

    @property
    def files(self) -> tuple[Path, ...]:
        """None: chips are too many to be listed."""
        return ()


@dataclass(frozen=True)
class ChipsReader(ChipsDefaults):
    """A sensor of all chips of a set on their common grid (a `WindowReader`).

    Attributes:
        chips: The set.
        sensor: The modality.
        target: That whose pixels are the chips'.
        how: How each file is read otherwise, one after the other.
    """

    chips: ChipSet
    sensor: str
    target: str
    how: tuple[Adaptation, ...] = ()

    @property
    def name(self) -> str:
        """The sensor and the set."""
        return f"{self.sensor} of {self.chips.name}"

    @property
    def grid(self) -> GeoBox:
        """The grid of all chips."""
        return grid_for(len(self.chips.chips))

    @property
    def kind(self) -> Kind:
        """What the sensor measures."""
        return self.chips.kind(self.sensor)

    @property
    def bands(self) -> tuple[Band, ...]:
        """Those of the first chip that has the sensor."""
        return self._bands

    def identity(self) -> Mapping[str, str]:
        """The description of the set, and names, sizes and times of all files of the sensor."""
        digest = hashlib.sha256(self.chips.config.model_dump_json().encode())
        for chip in self.chips.chips:
            if self.sensor in chip.sensors:
                for path in self.chips.paths(chip, self.sensor):
                    stat = path.stat() if path.is_file() else None
                    known = (str(path), stat and (stat.st_size, stat.st_mtime_ns))
                    digest.update(repr(known).encode())
        return {"chips": digest.hexdigest(), "sensor": f"{self.sensor} {self.target} {self.how}"}

    def on(self, grid: GeoBox, *, measured: bool = False) -> ChipsReader:
        """The same where the grid is that of the chips.

        Raises:
            AlignmentError: It is another one.
        """
        if grid != self.grid:
            raise AlignmentError(f"{self.name}: chips lie on no grid in common: map them one by one")
        return self

    def adapted(self, how: Adaptation) -> ChipsReader:
        """The same chips, read otherwise."""
        return dataclasses.replace(self, how=(*self.how, how))

    def of(self, chip: Chip) -> WindowReader | None:
        """The reader of one chip; None where it has no such sensor."""
        if self.sensor not in chip.sensors:
            return None
        reader = self.chips.reader(chip, self.sensor, self.target)
        for how in self.how:
            reader = reader.adapted(how)
        return reader

    def read(self, window: Window, margin: int = 0) -> FloatArray:
        """(band, row, col) float32, NaN without data and between chips.

        Raises:
            ChipError, RasterError: A chip cannot be read.
        """
        window = window.padded(margin)
        out = np.full((len(self.bands), window.height, window.width), np.nan, np.float32)
        for number in _met(window, len(self.chips.chips)):
            reader = self.of(self.chips.chips[number])
            if reader is None:
                continue
            rows, cols = reader.grid.shape
            whole = on_grid(number, Window(0, 0, int(rows), int(cols)))
            if (common := window.common(whole)) is not None:
                there = common.seen_from(window)
                out[(slice(None), *there.slices)] = reader.read(common.seen_from(whole))
        return out

    @cached_property
    def _bands(self) -> tuple[Band, ...]:
        first = next((chip for chip in self.chips.chips if self.sensor in chip.sensors), None)
        reader = None if first is None else self.of(first)
        if reader is None:
            raise ChipError(f"{self.chips.folder}: no chip has {self.sensor}")
        return reader.bands


def _met(window: Window, count: int) -> Iterator[int]:
    """The numbers of the chips whose squares a window meets."""
    rows = range(max(0, window.row // SLOT), (window.row + window.height - 1) // SLOT + 1)
    cols = range(max(0, window.col // SLOT), (window.col + window.width - 1) // SLOT + 1)
    for down in rows:
        for across in cols:
            if across < _COLUMNS and (number := down * _COLUMNS + across) < count:
                yield number
