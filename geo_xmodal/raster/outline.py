"""Where a grid lies on Earth: its outline in longitude and latitude, as GeoJSON and STAC want it.

An outline may have no image there: a grid without CRS, or on another planet; the corners of a full disc. It
may hold a pole, or cross the line of 180 degrees, where east meets west. All of these are ordinary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from odc.geo.geobox import GeoBox
from pyproj.exceptions import ProjError

from geo_xmodal.raster.ground import lies_on_ellipsoid

BoundingBox = tuple[float, float, float, float]

_Coordinates = npt.NDArray[np.float64]

_WORLD = pyproj.CRS("OGC:CRS84")
_CELLS = 64
"""Parts along a side of a grid that are placed one by one where its outline alone does not do."""

_DEGREES = 1e-7
"""A centimetre."""


@dataclass(frozen=True)
class WorldOutline:
    """Where a grid lies on Earth.

    Attributes:
        geometry: Polygon or MultiPolygon, cut where it crosses 180 degrees; None where it has no place.
        bbox: West, south, east, north; west is larger than east where it crosses 180 degrees.
        missing: Why it has no place, or why part of it has none; empty otherwise.
    """

    geometry: shapely.Geometry | None
    bbox: BoundingBox | None
    missing: str = ""


def world_outline(grid: GeoBox, side_points: int = 8) -> WorldOutline:
    """The outline of a grid in longitude and latitude (WGS 84).

    Where parts of the grid do not exist, the outline follows those that do, to a 64th of its sides.

    Args:
        grid: Any.
        side_points: Parts that each side is followed by.
    """
    if grid.crs is None:
        return WorldOutline(None, None, "no CRS")
    if not lies_on_ellipsoid(grid):
        return WorldOutline(None, None, f"{grid.crs.proj.name} is no CRS of places on Earth")
    try:
        to_world = pyproj.Transformer.from_crs(grid.crs.proj, _WORLD, always_xy=True)
    except ProjError:
        return WorldOutline(None, None, f"{grid.crs.proj.name} has no way to longitude and latitude on Earth")
    side = np.linspace(0, 1, side_points, endpoint=False)
    zero, one = np.zeros_like(side), np.ones_like(side)
    ring = np.stack([np.r_[side, one, 1 - side, zero], np.r_[zero, side, one, 1 - side]], axis=1)
    places, missing = _placed(grid, to_world, ring), ""
    plain = np.isfinite(places).all() and not _unwrapped(places) and not _holds_a_pole(grid, to_world)
    polygon = shapely.Polygon(places) if plain else shapely.Polygon()
    if polygon.is_empty or not polygon.is_valid:
        cells, whole = _cells(grid, to_world)
        if not len(cells):
            return WorldOutline(None, None, f"no place of the grid exists in {grid.crs.proj.name}")
        parts = _cut(cells)
        missing = "" if whole else f"parts of the grid do not exist in {grid.crs.proj.name}"
    else:
        parts = _cut(np.array([polygon]))
    joined = shapely.set_precision(shapely.union_all(parts, grid_size=_DEGREES), _DEGREES)
    geometry = shapely.reverse(shapely.normalize(shapely.simplify(joined, _DEGREES)))
    return WorldOutline(geometry, _box(geometry), missing)


def _placed(grid: GeoBox, to_world: pyproj.Transformer, shares: _Coordinates) -> _Coordinates:
    """Longitude and latitude (..., 2) of shares of the grid's sides (across, down), NaN where none is."""
    height, width = grid.shape
    a, b, c, d, e, f = tuple(grid.affine)[:6]
    x, y = shares[..., 0] * width, shares[..., 1] * height
    lon, lat = to_world.transform(a * x + b * y + c, d * x + e * y + f)
    found = np.stack([lon, lat], axis=-1)
    there = np.isfinite(found).all(axis=-1) & (np.abs(lat) <= 90 + _DEGREES)
    return np.where(there[..., None], found, np.nan)


def _unwrapped(rings: _Coordinates) -> npt.NDArray[np.int64]:
    """Make longitudes of rings (..., n, 2) run on where they cross 180 degrees; the turns around a pole."""
    lon = rings[..., 0]
    steps = np.roll(lon, -1, axis=-1) - lon
    steps -= 360 * np.rint(np.nan_to_num(steps) / 360)
    rings[..., 1:, 0] = lon[..., :1] + np.cumsum(steps, axis=-1)[..., :-1]
    turns: npt.NDArray[np.int64] = np.rint(np.nan_to_num(steps).sum(axis=-1) / 360).astype(np.int64)
    return turns


def _holds_a_pole(grid: GeoBox, to_world: pyproj.Transformer) -> bool:
    x, y = to_world.transform([0, 0], [90, -90], direction="INVERSE")
    height, width = grid.shape
    places = [~grid.affine @ place for place in zip(x, y, strict=True) if np.isfinite(place).all()]
    return any(0 < col < width and 0 < row < height for col, row in places)


def _cells(grid: GeoBox, to_world: pyproj.Transformer) -> tuple[npt.NDArray[np.object_], bool]:
    """The parts of a grid that exist, each as a polygon whose longitudes run on; and whether all do."""
    share = np.linspace(0, 1, _CELLS + 1)
    nodes = _placed(grid, to_world, np.stack(np.meshgrid(share, share), axis=-1))
    rings = np.stack([nodes[:-1, :-1], nodes[:-1, 1:], nodes[1:, 1:], nodes[1:, :-1]], axis=2).reshape(
        -1, 4, 2
    )
    there = np.isfinite(rings).all(axis=(1, 2))
    rings = rings[there]
    turns = _unwrapped(rings)
    polygons = shapely.polygons(rings[turns == 0])
    caps = [
        shapely.Polygon(_with_pole(ring, int(turn))) for ring, turn in zip(rings, turns, strict=True) if turn
    ]
    return shapely.make_valid(np.append(polygons, np.array(caps, object))), bool(there.all())


def _with_pole(ring: _Coordinates, turns: int) -> _Coordinates:
    """A ring around a pole as a polygon from its start, once around, and back along the pole."""
    pole = math.copysign(90, ring[:, 1].mean())
    start, end = ring[0], ring[0] + (360 * turns, 0)
    return np.array([*ring, end, (end[0], pole), (start[0], pole)])


def _cut(polygons: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """Polygons of any longitudes as parts between -180 and 180."""
    left, _, right, _ = shapely.bounds(polygons).T
    first, last = math.floor((left.min() + 180) / 360), math.ceil((right.max() - 180) / 360)
    parts = []
    for turn in range(first, last + 1):
        west = 360 * turn - 180
        near = polygons[(right > west) & (left < west + 360)]
        inside = shapely.intersection(near, shapely.box(west, -90, west + 360, 90))
        parts.append(shapely.transform(inside, partial(_back, turns=turn)))
    return np.concatenate(parts)


def _back(points: _Coordinates, turns: int) -> _Coordinates:
    return points - (360 * turns, 0)


def _box(geometry: shapely.Geometry) -> BoundingBox:
    """The box around parts, on the side of the Earth where the widest gap between them is not."""
    west, south, east, north = shapely.bounds(geometry)
    spans = sorted(part.bounds[::2] for part in shapely.get_parts(geometry))
    best, reach = west + 360 - east, spans[0][1]
    for start, end in spans[1:]:
        if start - reach > best:
            best, west, east = start - reach, start, reach
        reach = max(reach, end)
    return float(west), float(south), float(east), float(north)
