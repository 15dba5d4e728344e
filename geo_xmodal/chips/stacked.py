"""Several sensors of a set of chips, one after the other: for models that see all of them at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox

from geo_xmodal.chips.canvas import ChipsDefaults, ChipsReader
from geo_xmodal.errors import UsageError
from geo_xmodal.raster import Adaptation, Band
from geo_xmodal.types import FloatArray, Kind, Window


@dataclass(frozen=True)
class StackedChips(ChipsDefaults):
    """The bands of several sensors of all chips on their common grid (a `WindowReader`).

    Attributes:
        readers: A sensor each, on the grid of the same target.
    """

    readers: tuple[ChipsReader, ...]

    @property
    def name(self) -> str:
        """The sensors and the set."""
        return f"{' and '.join(one.sensor for one in self.readers)} of {self.readers[0].chips.name}"

    @property
    def grid(self) -> GeoBox:
        """The grid of all chips."""
        return self.readers[0].grid

    @property
    def kind(self) -> Kind:
        """That of one sensor; of several `other`."""
        return self.readers[0].kind if len(self.readers) == 1 else "other"

    @property
    def bands(self) -> tuple[Band, ...]:
        """Those of the sensors; of several, each band is called after its sensor, too."""
        if len(self.readers) == 1:
            return self.readers[0].bands
        return tuple(
            dataclasses.replace(band, name=f"{one.sensor} {band.name}")
            for one in self.readers
            for band in one.bands
        )

    def identity(self) -> Mapping[str, str]:
        """That of each sensor."""
        return {
            f"{one.sensor} {name}": value for one in self.readers for name, value in one.identity().items()
        }

    def on(self, grid: GeoBox, *, measured: bool = False) -> StackedChips:
        """The same where the grid is that of the chips.

        Raises:
            AlignmentError: It is another one.
        """
        return StackedChips(tuple(one.on(grid, measured=measured) for one in self.readers))

    def adapted(self, how: Adaptation) -> StackedChips:
        """The same, where one sensor is read otherwise.

        Raises:
            UsageError: There are several sensors, whose bands are not to be told apart.
        """
        if len(self.readers) > 1:
            raise UsageError(f"{self.name}: several sensors are read as they are")
        return StackedChips((self.readers[0].adapted(how),))

    def read(self, window: Window, margin: int = 0) -> FloatArray:
        """(band, row, col) float32, NaN without data and between chips.

        Raises:
            ChipError, RasterError: A chip cannot be read.
        """
        return np.concatenate([one.read(window, margin) for one in self.readers])
