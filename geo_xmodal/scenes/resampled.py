"""Any source of a sensor's values on another grid."""

from __future__ import annotations

from dataclasses import dataclass

from odc.geo.geobox import GeoBox

from geo_xmodal.scenes.band_files import BandFilesReader
from geo_xmodal.scenes.config import Resampling
from geo_xmodal.scenes.reader import RasterReader
from geo_xmodal.scenes.warp import Placement, choose_resampling
from geo_xmodal.scenes.window_reader import WindowReader
from geo_xmodal.types import FloatArray, Kind, Window


@dataclass(frozen=True)
class ResampledReader:
    """A reader's values on another grid: a mosaic is put together first, so that tiles leave no seams.

    Attributes:
        inner: What is resampled.
        grid: The grid that is wanted.
        resampling: How values come onto it; None where the pixels are the same.
    """

    inner: WindowReader
    grid: GeoBox
    resampling: Resampling | None

    @property
    def kind(self) -> Kind:
        """What the sensor measures."""
        return self.inner.kind

    @property
    def band_names(self) -> tuple[str, ...]:
        """One name a band."""
        return self.inner.band_names

    def read(self, window: Window, margin: int = 0) -> FloatArray:
        """(band, row, col) float32, NaN where there is no data or no grid."""
        placement = Placement("the input", self.inner.grid, self.grid, len(self.band_names), self.resampling)
        return placement.values(window.padded(margin), self.inner.read)


def on_grid(reader: WindowReader, grid: GeoBox, *, measured: bool = False) -> WindowReader:
    """A reader's values on another grid; a file's are resampled once, straight from its own.

    For `measured` see `geo_xmodal.scenes.warp.choose_resampling`.

    Raises:
        AlignmentError: The two do not overlap, or cannot be compared.
    """
    if isinstance(reader, RasterReader | BandFilesReader):
        return reader.on(grid, measured=measured)
    resampling = choose_resampling("the input", reader.grid, grid, measured=measured)
    return ResampledReader(reader, grid, resampling)
