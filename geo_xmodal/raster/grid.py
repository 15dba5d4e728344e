"""The reference grid: small functions over `odc.geo.geobox.GeoBox` (shape, affine, CRS or None).

The affine may be rotated or not north-up, and the CRS may be missing; every function here allows both.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
import rasterio
import shapely
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj.exceptions import ProjError
from rasterio import Affine

from geo_xmodal.errors import AlignmentError
from geo_xmodal.raster.control_points import ControlGrid, WarpGcps, fit_control_points
from geo_xmodal.raster.ground import pixel_size as pixel_size
from geo_xmodal.types import Window

Points = npt.NDArray[np.float64]

PixelPlaces = GeoBox | ControlGrid
"""Where the pixels of a file lie: on a grid, or by ground control points."""

_NAMELESS = frozenset(["unknown", "unnamed", "undefined", ""])
"""What programs call a CRS that has no name."""

_PLANE = 2
"""Axes of a CRS without heights."""

_SAME = 0.01
"""Grids are one when no corner is further apart than this share of a pixel."""

_NOWHERE = Window(0, 0, 0, 0)

_EDGE_POINTS = 64
"""Points on each side of a footprint, so that its curved image in another CRS is followed."""

_INSIDE = np.stack(np.meshgrid((0.25, 0.5, 0.75), (0.25, 0.5, 0.75)), axis=-1).reshape(-1, 2)
"""Shares of the sides at which an outline is seen to go around the inside."""

_TORN = 16.0
"""Times the usual size from which the image of a part lies on both sides of a seam, such as 180 degrees."""


def grid_of(dataset: rasterio.DatasetReader) -> GeoBox:
    """The grid of an open raster: heights that its CRS also tells are no part of it."""
    crs = _horizontal(dataset.crs.to_wkt()) if dataset.crs else None
    return GeoBox((dataset.height, dataset.width), dataset.transform, crs)


@lru_cache(maxsize=64)
def _horizontal(wkt: str) -> str:
    """A CRS without heights, or two files of one place would not have the same pixels."""
    crs = pyproj.CRS(wkt)
    if crs.is_compound:
        return crs.sub_crs_list[0].to_wkt()
    return crs.to_2d().to_wkt() if len(crs.axis_info) > _PLANE else wkt


def places_of(
    dataset: rasterio.DatasetReader, name: str = "", warp_gcps: WarpGcps | None = None
) -> PixelPlaces:
    """Where the pixels of an open raster lie; with `warp_gcps` by its ground control points, if it has them.

    Raises:
        RasterError: As `fit_control_points`.
    """
    fit = None if warp_gcps is None else fit_control_points(dataset, name, warp_gcps)
    return grid_of(dataset) if fit is None else fit.grid


def grid_over(places: PixelPlaces) -> GeoBox:
    """The grid that a file is read on where no other is asked for."""
    return places.regular() if isinstance(places, ControlGrid) else places


def same_grid(a: GeoBox, b: GeoBox) -> bool:
    """Whether the pixels of `a` and `b` are the same, to a hundredth of a pixel."""
    return a.shape == b.shape and pixel_offset(a, b) == (0, 0)


def pixel_offset(a: PixelPlaces, b: GeoBox) -> tuple[int, int] | None:
    """Row and column on `b` of the first pixel of `a` where the two share pixels, else None.

    They share pixels when CRS, pixel size and rotation are the same and the shift is whole pixels, to a
    hundredth of a pixel at every corner.
    """
    if a.crs != b.crs or isinstance(a, ControlGrid):
        return None
    corners = _corners(a)
    there = _on(b, _places(a, corners))
    col, row = np.rint(there[0])
    if not (np.abs(there - corners - (col, row)) < _SAME).all():
        return None
    return int(row), int(col)


def upside_down(grid: GeoBox) -> GeoBox:
    """The same pixels with their rows in the opposite order."""
    turned = Affine.translation(0, grid.shape[0]) @ Affine.scale(1, -1)
    return GeoBox(grid.shape, grid.affine @ turned, grid.crs)


def north_up(grid: GeoBox) -> GeoBox:
    """The same pixels with the northernmost row first, where rows run from south to north."""
    affine = grid.affine
    south_up = grid.crs is not None and affine.b == affine.d == 0 and affine.e > 0
    return upside_down(grid) if south_up else grid


def crs_name(crs: CRS) -> str:
    """`EPSG:n`, or the name of a CRS; of one without a name that of its projection."""
    if crs.epsg:
        return f"EPSG:{crs.epsg}"
    name = str(crs.proj.name)
    operation = crs.proj.coordinate_operation
    if name.lower() not in _NAMELESS or operation is None:
        return name
    return f"{operation.method_name} (without a name)"


def extent_text(grid: PixelPlaces) -> str:
    """Bounds, CRS and size of `grid`, for a message."""
    corners = _places(grid, _corners(grid))
    (left, bottom), (right, top) = corners.min(axis=0), corners.max(axis=0)
    crs = "no CRS" if grid.crs is None else f"{grid.crs.proj.name}"
    return (
        f"x {left:.6g} to {right:.6g}, y {bottom:.6g} to {top:.6g} in {crs} "
        f"({grid.shape[0]} x {grid.shape[1]} pixels)"
    )


def to_pixels(a: PixelPlaces, b: PixelPlaces, points: Points) -> Points:
    """Pixel positions (n, 2; column, row) on `a` as pixel positions on `b`; infinite where b's CRS ends.

    Raises:
        AlignmentError: One of the grids has a CRS and the other has none.
    """
    places = _places(a, points)
    if a.crs is None or b.crs is None:
        if a.crs is b.crs:
            return _on(b, places)
        raise AlignmentError(
            f"one grid has a CRS and the other has none: {extent_text(a)}; {extent_text(b)}; "
            "give both their CRS (gdal_edit.py -a_srs) or neither"
        )
    if a.crs != b.crs:
        try:
            places = np.stack(a.crs.transformer_to_crs(b.crs)(*places.T), axis=1)
        except ProjError:
            raise AlignmentError(
                f"no way from {a.crs.proj.name} to {b.crs.proj.name}: one of them is a local grid or of "
                "another planet; give files of one CRS"
            ) from None
    return _on(b, places)


def _corners(grid: PixelPlaces) -> Points:
    height, width = grid.shape
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)


def _places(grid: PixelPlaces, points: Points) -> Points:
    """Coordinates in the grid's CRS of positions in pixels."""
    return grid.places(points) if isinstance(grid, ControlGrid) else _apply(grid.affine, points)


def _on(grid: PixelPlaces, places: Points) -> Points:
    """Positions in pixels of coordinates in the grid's CRS."""
    return grid.pixels(places) if isinstance(grid, ControlGrid) else _apply(~grid.affine, places)


def _apply(affine: Affine, points: Points) -> Points:
    x, y = points.T
    a, b, c, d, e, f = tuple(affine)[:6]
    with np.errstate(invalid="ignore"):  # infinite where a CRS ends
        return np.stack([a * x + b * y + c, d * x + e * y + f], axis=1)


def overlap(a: PixelPlaces, b: PixelPlaces) -> tuple[float, Window]:
    """Share of b's area that `a` covers, and the window of b's pixels that holds all of it.

    The window is empty (no rows, no columns) where they do not meet. Grids without CRS are compared in
    their own affine space.

    Raises:
        AlignmentError: One of the grids has a CRS and the other has none.
    """
    rows, cols = b.shape
    common = shapely.intersection(footprint(a, b), shapely.box(0, 0, cols, rows))
    window = _around(common)
    return (0.0, _NOWHERE) if window is None else (float(common.area / (rows * cols)), window)


def placed(a: GeoBox, b: GeoBox) -> Window:
    """The window of b's pixels, inside `b` or not, that holds all of `a`.

    Raises:
        AlignmentError: One of the grids has a CRS and the other has none, or `a` has no place in b's CRS.
    """
    window = _around(footprint(a, b))
    if window is None:
        raise AlignmentError(f"{extent_text(a)}: has no place on the grid {extent_text(b)}")
    return window


def extended(grid: GeoBox, window: Window) -> GeoBox:
    """The pixels `window` of a grid, which may lie outside it, as a grid."""
    return GeoBox(
        (window.height, window.width), grid.affine @ Affine.translation(window.col, window.row), grid.crs
    )


def columns_of_turn(grid: GeoBox) -> float | None:
    """Columns of a full turn of longitude; None where columns are not steps of longitude alone."""
    affine = grid.affine
    if grid.crs is None or not grid.crs.geographic or affine.b or affine.d:
        return None
    return _full_turn(grid) / abs(affine.a)


def turned_round(grid: GeoBox, turns: int) -> GeoBox:
    """The same pixels of a geographic grid, their longitudes full turns further in direction of columns."""
    step = math.copysign(_full_turn(grid), grid.affine.a)
    return GeoBox(grid.shape, Affine.translation(turns * step, 0) @ grid.affine, grid.crs)


def _full_turn(grid: GeoBox) -> float:
    """360 degrees in the unit of a geographic CRS."""
    assert grid.crs is not None
    return 2 * math.pi / float(grid.crs.proj.axis_info[0].unit_conversion_factor)


def with_pixels(grid: GeoBox, rows: float, cols: float) -> GeoBox:
    """The same extent from the same first corner, in pixels `rows` times as high and `cols` times as wide.

    The last row and column reach beyond the extent where it is no whole number of the new pixels.
    """
    height, width = grid.shape
    shape = (max(1, math.ceil(height / rows - _SAME)), max(1, math.ceil(width / cols - _SAME)))
    return GeoBox(shape, grid.affine @ Affine.scale(cols, rows), grid.crs)


def footprint(a: PixelPlaces, b: PixelPlaces, grown: float = 0.0) -> shapely.Geometry:
    """The area of `a`, `grown` pixels larger on every side, in pixels of `b`; empty where it is nowhere.

    It is that of the outline of `a` where all of that exists on `b` and goes around its inside: not so for a
    full disc, whose corners lie in space, or around a pole. Then it is put together of the parts, a 64th of
    the sides, of `a` that exist on `b` and of `b` that lie on `a`.
    """
    height, width = a.shape
    side = np.linspace(0, 1, _EDGE_POINTS, endpoint=False)
    zero, one = np.zeros_like(side), np.ones_like(side)
    ring = np.concatenate(
        [np.stack(pair, 1) for pair in ((side, zero), (one, side), (1 - side, one), (zero, 1 - side))]
    )
    outline = to_pixels(a, b, ring * (width + 2 * grown, height + 2 * grown) - grown)
    inside = to_pixels(a, b, _INSIDE * (width, height))
    if np.isfinite(outline).all() and np.isfinite(inside).all():
        area = shapely.Polygon(outline)
        if area.is_valid and shapely.contains_xy(area, *inside.T).all():
            return area
    return shapely.make_valid(shapely.union_all(np.concatenate([_parts_on(a, b), _parts_within(b, a)])))


def _parts_on(a: PixelPlaces, b: PixelPlaces) -> npt.NDArray[np.object_]:
    """The parts of `a` that exist on `b`, in pixels of `b`; not those that a seam of its CRS tears apart."""
    cells = _cells(to_pixels(a, b, _nodes(a)))
    cells = cells[np.isfinite(cells).all(axis=(1, 2))]
    if not len(cells):
        return np.empty(0, object)
    sizes = np.ptp(cells, axis=1)
    whole = (sizes <= _TORN * np.median(sizes, axis=0)).all(axis=1)
    return np.asarray(shapely.polygons(cells[whole]))


def _parts_within(b: PixelPlaces, a: PixelPlaces) -> npt.NDArray[np.object_]:
    """The parts of `b`, in its pixels, of which a corner lies on `a`."""
    nodes = _nodes(b)
    there = to_pixels(b, a, nodes)
    height, width = a.shape
    with np.errstate(invalid="ignore"):
        within = np.all((there >= 0) & (there <= (width, height)), axis=1, keepdims=True)
    return np.asarray(shapely.polygons(_cells(nodes)[_cells(within).any(axis=(1, 2))]))


def _nodes(grid: PixelPlaces) -> Points:
    """The corners of the parts of a grid (n, 2; column, row), row by row."""
    height, width = grid.shape
    share = np.linspace(0, 1, _EDGE_POINTS + 1)
    return np.stack(np.meshgrid(share * width, share * height), axis=-1).reshape(-1, 2)


def _cells(of_nodes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What belongs to the four corners of every part (part, 4, ...), of what belongs to nodes."""
    nodes = of_nodes.reshape(_EDGE_POINTS + 1, _EDGE_POINTS + 1, -1)
    corners = (nodes[:-1, :-1], nodes[:-1, 1:], nodes[1:, 1:], nodes[1:, :-1])
    return np.stack(corners, axis=2).reshape(_EDGE_POINTS**2, 4, -1)


def _around(area: shapely.Geometry) -> Window | None:
    """The smallest window of whole pixels that holds `area`."""
    if area.is_empty:
        return None
    left, top, right, bottom = area.bounds
    # Rounding of a transform there and back must not add a row of pixels that is not covered.
    row, col = math.floor(top + _SAME), math.floor(left + _SAME)
    height, width = math.ceil(bottom - _SAME) - row, math.ceil(right - _SAME) - col
    return Window(row, col, height, width) if height > 0 and width > 0 else None
