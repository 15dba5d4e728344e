"""Any source of a sensor's values on another grid."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from geo_xmodal.raster.grid import overlap
from geo_xmodal.raster.reader import RasterReader
from geo_xmodal.raster.warp import Placement, Resampling, choose_resampling
from geo_xmodal.raster.window_reader import (
    Adaptation,
    InnerDefaults,
    WindowReader,
    grid_identity,
)
from geo_xmodal.types import FloatArray, Window


@dataclass(frozen=True)
class ResampledReader(InnerDefaults):
    """A reader's values on another grid; those of a single file are resampled by its own reader.

    Attributes:
        inner: What is resampled.
        grid: The grid that is wanted.
        resampling: How values come onto it; None where the pixels are the same.
        wanted: How a person wants them brought onto any grid, if one does.
    """

    inner: WindowReader
    grid: GeoBox
    resampling: Resampling | None
    wanted: Resampling | None = None

    @classmethod
    def of(
        cls, inner: WindowReader, grid: GeoBox, wanted: Resampling | None = None, *, measured: bool = False
    ) -> ResampledReader:
        """A reader's values on `grid`; for `wanted` and `measured` see `choose_resampling`.

        Raises:
            AlignmentError: The two do not overlap, or cannot be compared.
        """
        how = choose_resampling(inner.name, inner.grid, grid, wanted, measured=measured)
        return cls(inner, grid, how, wanted)

    @property
    def files(self) -> tuple[Path, ...]:
        """The inner reader's."""
        return self.inner.files

    def identity(self) -> Mapping[str, str]:
        """That of the inner reader, and how it comes onto the grid."""
        return {
            **{f"resampled {name}": value for name, value in self.inner.identity().items()},
            "resampling": str(self.resampling),
            "grid": grid_identity(self.grid),
        }

    def on(self, grid: GeoBox, *, measured: bool = False) -> ResampledReader:
        """The inner reader's values on another grid, resampled once."""
        return ResampledReader.of(self.inner, grid, self.wanted, measured=measured)

    def adapted(self, how: Adaptation) -> ResampledReader:
        """The inner reader, read otherwise."""
        return dataclasses.replace(self, inner=self.inner.adapted(how))

    def read(self, window: Window, margin: int = 0) -> FloatArray:
        """(band, row, col) float32, NaN where there is no data or no grid."""
        return self._placement.values(window.padded(margin), self.inner.read)

    def valid(self, window: Window, margin: int = 0) -> npt.NDArray[np.bool_]:
        """Where (row, col) every band of `window` has data."""
        return self._placement.valid(window.padded(margin), self.inner.read)

    @property
    def _placement(self) -> Placement:
        return Placement(
            self.name, self.inner.grid, self.grid, len(self.bands), self.resampling, self.product
        )


def covered_window(reader: WindowReader) -> Window:
    """The pixels of a reader's grid that may have data."""
    whole = Window(0, 0, *reader.grid.shape)
    if isinstance(reader, RasterReader):
        return overlap(reader.source, reader.grid)[1]
    return overlap(reader.inner.grid, reader.grid)[1] if isinstance(reader, ResampledReader) else whole
