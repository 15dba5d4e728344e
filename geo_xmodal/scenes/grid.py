"""The reference grid: small functions over `odc.geo.geobox.GeoBox` (shape, affine, CRS or None).

The affine may be rotated or not north-up, and the CRS may be missing; every function here allows both.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyproj
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from geo_xmodal.errors import AlignmentError
from geo_xmodal.types import Window

_SAME = 0.01
"""Grids are one when no corner is further apart than this share of a pixel."""

_EDGE_POINTS = 64
"""Points on each side of a footprint, so that its curved image in another CRS is followed."""


def grid_of(dataset: rasterio.DatasetReader) -> GeoBox:
    """The grid of an open raster."""
    crs = dataset.crs.to_wkt() if dataset.crs else None
    return GeoBox((dataset.height, dataset.width), dataset.transform, crs)


def same_grid(a: GeoBox, b: GeoBox) -> bool:
    """Whether the pixels of `a` and `b` are the same, to a hundredth of a pixel."""
    return a.shape == b.shape and pixel_offset(a, b) == (0, 0)


def pixel_offset(a: GeoBox, b: GeoBox) -> tuple[int, int] | None:
    """Row and column on `b` of the first pixel of `a` where the two share pixels, else None.

    They share pixels when CRS, pixel size and rotation are the same and the shift is whole pixels, to a
    hundredth of a pixel over the whole of `a`.
    """
    if a.crs != b.crs:
        return None
    across = ~b.affine * a.affine
    row, col = round(across.f), round(across.c)
    shift = Affine.translation(col, row)
    height, width = a.shape
    for x, y in ((0, 0), (width, 0), (0, height), (width, height)):
        (x1, y1), (x2, y2) = across * (x, y), shift * (x, y)
        if not math.hypot(x1 - x2, y1 - y2) < _SAME:
            return None
    return row, col


def pixel_size(grid: GeoBox) -> tuple[float, float, Literal["m", "unit"]]:
    """Distance between rows and between columns of pixels, and its unit.

    Metres wherever there is a CRS (for a geographic one, on its ellipsoid at the centre of the grid);
    `unit` where there is none.
    """
    affine = grid.affine
    row_step, col_step = (affine.b, affine.e), (affine.a, affine.d)
    if grid.crs is None:
        return math.hypot(*row_step), math.hypot(*col_step), "unit"
    crs: pyproj.CRS = grid.crs.proj
    if crs.is_geographic:
        geod = crs.get_geod() or pyproj.Geod(ellps="WGS84")
        degrees = _unit_factor(crs) * 180 / math.pi
        x, y = affine * (grid.shape[1] / 2, grid.shape[0] / 2)
        sizes = [
            geod.inv(x * degrees, y * degrees, (x + dx) * degrees, (y + dy) * degrees)[2]
            for dx, dy in (row_step, col_step)
        ]
        return sizes[0], sizes[1], "m"
    factor = _unit_factor(crs)
    return math.hypot(*row_step) * factor, math.hypot(*col_step) * factor, "m"


def _unit_factor(crs: pyproj.CRS) -> float:
    axes = crs.axis_info
    return float(axes[0].unit_conversion_factor) if axes else 1.0


def extent_text(grid: GeoBox) -> str:
    """Bounds, CRS and size of `grid`, for a message."""
    left, bottom, right, top = shapely.bounds(shapely.Polygon(_corners(grid)))
    crs = "no CRS" if grid.crs is None else f"{grid.crs.proj.name}"
    return (
        f"x {left:.6g} to {right:.6g}, y {bottom:.6g} to {top:.6g} in {crs} "
        f"({grid.shape[0]} x {grid.shape[1]} pixels)"
    )


def _corners(grid: GeoBox) -> list[tuple[float, float]]:
    height, width = grid.shape
    return [grid.affine * corner for corner in ((0, 0), (width, 0), (width, height), (0, height))]


def to_pixels(a: GeoBox, b: GeoBox, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Pixel positions (n, 2; column, row) on `a` as pixel positions on `b`; infinite where b's CRS ends.

    Raises:
        AlignmentError: One of the grids has a CRS and the other has none.
    """
    if a.crs is None or b.crs is None:
        if a.crs is b.crs:
            return np.stack(_apply(~b.affine * a.affine, points), axis=1)
        raise AlignmentError(
            f"one grid has a CRS and the other has none: {extent_text(a)}; {extent_text(b)}; "
            "give both their CRS (gdal_edit.py -a_srs) or neither"
        )
    x, y = _apply(a.affine, points)
    if a.crs != b.crs:
        x, y = a.crs.transformer_to_crs(b.crs)(x, y)
    return np.stack(_apply(~b.affine, np.stack([x, y], axis=1)), axis=1)


def _apply(
    affine: Affine, points: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    x, y = points[:, 0], points[:, 1]
    return affine.a * x + affine.b * y + affine.c, affine.d * x + affine.e * y + affine.f


def overlap(a: GeoBox, b: GeoBox) -> tuple[float, Window]:
    """Share of b's area that `a` covers, and the window of b's pixels that holds all of it.

    The window is empty (no rows, no columns) where they do not meet. Grids without CRS are compared in
    their own affine space.

    Raises:
        AlignmentError: One of the grids has a CRS and the other has none.
    """
    height, width = a.shape
    side = np.linspace(0, 1, _EDGE_POINTS, endpoint=False)
    zero, one = np.zeros_like(side), np.ones_like(side)
    ring = np.concatenate(
        [np.stack(pair, 1) for pair in ((side, zero), (one, side), (1 - side, one), (zero, 1 - side))]
    )
    points = to_pixels(a, b, ring * (width, height))
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) < 3:
        return 0.0, Window(0, 0, 0, 0)
    footprint = shapely.make_valid(shapely.Polygon(points))
    rows, cols = b.shape
    common = shapely.intersection(footprint, shapely.box(0, 0, cols, rows))
    if common.area == 0:
        return 0.0, Window(0, 0, 0, 0)
    left, top, right, bottom = common.bounds
    # Rounding of a transform there and back must not add a row of pixels that is not covered.
    row, col = math.floor(top + _SAME), math.floor(left + _SAME)
    window = Window(row, col, math.ceil(bottom - _SAME) - row, math.ceil(right - _SAME) - col)
    return float(common.area / (rows * cols)), window
