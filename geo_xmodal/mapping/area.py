"""A part of an input: only the pixels whose centre lies in given polygons are mapped."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio.features
import shapely
from odc.geo.geobox import GeoBox

from geo_xmodal.errors import VectorError
from geo_xmodal.raster import (
    Adaptation,
    InnerDefaults,
    Layer,
    VectorHints,
    WindowReader,
    extended,
    extent_text,
    open_layer,
    read_polygons,
    vector_digest,
)
from geo_xmodal.small_files import real_path
from geo_xmodal.types import FloatArray, Window

_MAX_VERTICES = 5_000_000
"""Of the whole area, which every worker holds."""


@dataclass(frozen=True)
class AreaReader(InnerDefaults):
    """A reader cut to the bounding box of an area; what lies around it is still read as context.

    Attributes:
        inner: What is read.
        frame: The pixels of the inner grid that are mapped; they keep their places.
        area: A vector file of polygons, absolute.
        layer: Its layer, where it has several.
        crs: Authority and code of its CRS, where it has none.
    """

    inner: WindowReader
    frame: Window
    area: Path
    layer: str | None = None
    crs: str | None = None

    @property
    def grid(self) -> GeoBox:
        """The frame as a grid."""
        return extended(self.inner.grid, self.frame)

    @property
    def files(self) -> tuple[Path, ...]:
        """Those of the inner reader, and the area's."""
        return (*self.inner.files, self.area)

    def identity(self) -> Mapping[str, str]:
        """That of the inner reader, and the area's file."""
        area = {"file": str(self.area), **vector_digest(self.area)}
        area |= {} if self.layer is None else {"layer": self.layer}
        area |= {} if self.crs is None else {"crs": self.crs}
        return {
            **self.inner.identity(),
            **{f"area {name}": value for name, value in area.items()},
            "area frame": str(self.frame),
        }

    def on(self, grid: GeoBox, *, measured: bool = False) -> AreaReader:
        """The same area of the inner reader on another grid.

        Raises:
            AlignmentError, VectorError: The grid lies elsewhere.
        """
        return cut_to_area(self.inner.on(grid, measured=measured), self.area, self.layer, self.crs)

    def adapted(self, how: Adaptation) -> AreaReader:
        """The same area of the inner reader, read otherwise."""
        return dataclasses.replace(self, inner=self.inner.adapted(how))

    def read(self, window: Window, margin: int = 0) -> FloatArray:
        """(band, row, col) float32: the inner reader's values, in the area and around it.

        Where no pixel of `window` is in the area nothing is read, and all is NaN.
        """
        if not self.inside(window).any():
            padded = window.padded(margin)
            return np.full((len(self.bands), padded.height, padded.width), np.nan, np.float32)
        row, col = window.row + self.frame.row, window.col + self.frame.col
        return self.inner.read(Window(row, col, window.height, window.width), margin)

    def inside(self, window: Window) -> npt.NDArray[np.bool_]:
        """Which pixels (row, col) of `window` have their centre in the area."""
        tree = _polygons(open_layer(self.area, self.layer, VectorHints(self.crs)), self.grid)
        left, top, right, bottom = (
            window.col,
            window.row,
            window.col + window.width,
            window.row + window.height,
        )
        near = tree.geometries[tree.query(shapely.box(left, top, right, bottom))]
        # A country's outline has millions of vertices, of which a window needs a few.
        clipped = shapely.clip_by_rect(near, left - 1, top - 1, right + 1, bottom + 1)
        shapes = [shape for shape in clipped if not shape.is_empty]
        if not shapes:
            return np.zeros((window.height, window.width), np.bool_)
        mask = rasterio.features.rasterize(
            shapes,
            (window.height, window.width),
            transform=rasterio.Affine.translation(window.col, window.row),
            dtype="uint8",
        )
        return np.asarray(mask, np.bool_)


def cut_to_area(
    reader: WindowReader, area: Path, layer: str | None = None, crs: str | None = None
) -> AreaReader:
    """The part of an input that lies in the polygons of a vector file, of any CRS.

    Args:
        reader: The input.
        area: The file.
        layer: Of a file that has several.
        crs: Authority and code of the CRS of a file that has none.

    Raises:
        VectorError: The file is no such file, has no such layer, holds no polygons, or lies elsewhere.
    """
    polygons = _polygons(open_layer(area, layer, VectorHints(crs)), reader.grid).geometries
    left, top, right, bottom = shapely.total_bounds(polygons)
    box = Window(
        int(np.floor(top)),
        int(np.floor(left)),
        int(np.ceil(bottom) - np.floor(top)),
        int(np.ceil(right) - np.floor(left)),
    )
    frame = box.common(Window(0, 0, *reader.grid.shape))
    if frame is None:
        raise VectorError(
            f"{area}: does not overlap the input: the area covers {extent_text(extended(reader.grid, box))}, "
            f"the input {extent_text(reader.grid)}"
        )
    return AreaReader(reader, frame, real_path(area), layer, crs)


@lru_cache(maxsize=2)
def _polygons(layer: Layer, grid: GeoBox) -> shapely.STRtree:
    return shapely.STRtree(read_polygons(layer, grid, _MAX_VERTICES))
