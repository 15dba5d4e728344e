"""Sizes on the ground: how large the pixels of a grid are on the ellipsoid of its CRS, of whatever planet.

Coordinates are no measure: a metre of Web Mercator at 60 degrees north is half a metre, a degree of
longitude shrinks to nothing at the pole, and UTM is off by up to a thousandth. So one rule holds for every
CRS: lengths and areas are those on its ellipsoid, found from where small steps on the grid lead. Places that
a CRS does not have (beyond the limb of a full disc, at 274 degrees north) have no size. Grids without CRS,
and those of an engineering CRS, have no place on any ellipsoid: they keep their own units.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyproj
from odc.geo.geobox import GeoBox

from geo_xmodal.types import IntArray, Window

MIN_PIXEL, MAX_PLACE = 1e-12, 1e12
"""No unit has pixels or places beyond these, and no number holds the squares of what is far beyond."""

Floats = npt.NDArray[np.floating[Any]]
Unit = Literal["m", "unit"]

_STEP = 1000.0
"""Metres (along the equator for degrees) of the steps that tell how long a pixel is: they are curved by a
hundred-millionth, as much as a projection's rounding of a hundredth of a millimetre."""

_LARGE = 5000.0
"""Metres of a pixel above which its size in the middle does not stand for the whole of it."""

_CELL = 40_000.0
"""Metres on whose square areas change as a polynomial of second degree does."""

_MAX_SIDE = 256
"""Pixels a side of such a square at most: where a polynomial does not do, all of them are computed."""

_MIN_SIDE = 4
"""Pixels a side of such a square below which nothing is gained."""

_NODES = 33
"""Places along a side of the grid that tell how areas change over it."""

_ALIKE = 2e-8
"""Share by which areas may differ and still count as the same: what the steps above can tell."""

_EQUAL_AREA = 1e-7
"""Share by which a grid's own area of a pixel may be off and still be taken as exact."""

_EXACT = 1e-7
"""Share by which an interpolated area may be off."""

_SIZE_TOLERANCE = 0.1
"""Share by which pixels may be larger or smaller than others and still show the same."""

SQUARE_METRES = 10_000
"""In a hectare."""

_BITS, _MAX_BITS = 30, 62
"""Parts of the largest pixel, and of a whole grid, are below two to the power of these."""

_STRIP = 1 << 15
"""Pixels that are counted together: they stay in the processor's cache."""

_GAUSS = np.array([-1, 1]) / math.sqrt(12)
"""Two places that stand for a whole side of a pixel, from its middle; exact for cubic functions."""


_Rows = Callable[[slice], Floats]
"""Areas (height or 1, width or 1) of some rows of a window; 0 where there is no such place."""


class _Areas(Protocol):
    """How large pixels are."""

    def __call__(self, window: Window) -> _Rows:
        """The areas of the pixels of a window, strip by strip: all at once would not stay in a cache."""


@dataclass(frozen=True)
class PixelAreas:
    """Areas of a grid's pixels, in whole parts of a quantum: sums of integers, so that no order shows.

    Attributes:
        unit: `m`, or `unit` where the grid has no place on an ellipsoid.
        quantum: Square metres, or square units, of a part.
    """

    unit: Unit
    quantum: float
    _areas: _Areas

    def parts(self, window: Window) -> Floats:
        """Parts of each pixel, whole numbers (height or 1, width or 1); 0 where there is no such place."""
        return self._whole(self._areas(window)(slice(0, window.height)))

    def count(
        self, values: npt.NDArray[np.integer], window: Window, size: int = 256
    ) -> tuple[IntArray, IntArray]:
        """Pixels and parts, (size,) each, of each value from 0 in `values` (row, col) at `window`."""
        areas = self._areas(window)
        pixels, sums = np.zeros((2, size), np.int64)
        rows = max(1, _STRIP // window.width)
        for top in range(0, window.height, rows):
            strip = values[top : top + rows]
            found = np.bincount(strip.ravel(), minlength=size)
            parts = self._whole(areas(slice(top, top + len(strip))))
            pixels += found
            if parts.size == 1:
                sums += found * int(parts[0, 0])
            else:
                weights = np.broadcast_to(parts, strip.shape).ravel()
                sums += np.bincount(strip.ravel(), weights, size).astype(np.int64)
        return pixels, sums

    def _whole(self, areas: Floats) -> Floats:
        parts: Floats = np.rint(areas / self.quantum)
        return parts

    def area(self, parts: npt.NDArray[np.integer]) -> Floats:
        """Square metres, or square units, of sums of parts."""
        return np.asarray(parts, np.float64) * self.quantum

    def hectares(self, parts: npt.NDArray[np.integer]) -> Floats | None:
        """The same in hectares; None where the grid has no place on an ellipsoid."""
        return self.area(parts) / SQUARE_METRES if self.unit == "m" else None


@lru_cache(maxsize=32)
def pixel_areas(grid: GeoBox) -> PixelAreas:
    """The areas of a grid's pixels on its CRS's ellipsoid, whatever its size; few of them are computed."""
    own = abs(grid.affine.determinant)
    crs = _on_ellipsoid(grid)
    if crs is None:
        return PixelAreas("unit", own, _Constant(own))
    height, width = grid.shape
    rows, cols = (np.linspace(0.5, side - 0.5, min(side, _NODES)) for side in (height, width))
    sample = _exact(grid, rows, cols)
    most = float(sample.max())
    if not most:
        return PixelAreas("unit", own, _Constant(own))
    if sample.min() > (1 - _ALIKE) * most:
        nominal = own * _metres(crs) ** 2
        one = nominal if abs(most / nominal - 1) < _EQUAL_AREA else float(sample.mean())
        return PixelAreas("m", one, _Constant(one))
    quantum = 1.01 * most / 2.0 ** min(_BITS, _MAX_BITS - math.ceil(math.log2(height * width)))
    down, across = (float(np.ptp(sample, axis).max()) for axis in (0, 1))
    if across < _ALIKE * most:
        return PixelAreas("m", quantum, _Lines(_exact(grid, np.arange(height) + 0.5, cols[:1])))
    if down < _ALIKE * most:
        return PixelAreas("m", quantum, _Lines(_exact(grid, rows[:1], np.arange(width) + 0.5)))
    return PixelAreas("m", quantum, _Cells(grid, _cell_side(grid)))


def lies_on_ellipsoid(grid: GeoBox) -> bool:
    """Whether a grid has places on the ellipsoid of a CRS: not without CRS, nor in an engineering one."""
    return _on_ellipsoid(grid) is not None


def pixel_size(grid: GeoBox) -> tuple[float, float, Unit]:
    """Distance on the ground between rows and between columns of pixels, and its unit.

    Metres on the CRS's ellipsoid in the middle of the grid, or at the place nearest to it that exists;
    `unit`, and the grid's own steps, where there is none.
    """
    height, width = grid.shape
    if _on_ellipsoid(grid) is not None:
        middle = np.array([[width / 2, height / 2]])
        lattice = np.meshgrid(*(np.linspace(0, side, 33)[1::2] for side in (width, height)))
        others = np.stack([one.ravel() for one in lattice], axis=1)
        others = others[np.argsort(((others / (width, height) - 0.5) ** 2).sum(axis=1), kind="stable")]
        for points in (middle, others):
            sizes = np.linalg.norm(_tangents(grid, points), axis=2)
            known = np.isfinite(sizes).all(axis=1) & (sizes > 0).all(axis=1)
            if known.any():
                col, row = sizes[np.argmax(known)]
                return float(row), float(col), "m"
    affine = grid.affine
    return math.hypot(affine.b, affine.e), math.hypot(affine.a, affine.d), "unit"


def size_text(grid: GeoBox) -> str:
    """Size of a grid's pixels, for a message."""
    rows, cols, unit = pixel_size(grid)
    return f"{rows:.4g} x {cols:.4g} {unit}"


def sizes_differ(expected: tuple[float, float], found: tuple[float, float]) -> bool:
    """Whether pixels of sizes (row, column) are too unlike for one model: by more than a tenth."""
    return any(abs(other / one - 1) > _SIZE_TOLERANCE for one, other in zip(expected, found, strict=True))


@dataclass(frozen=True)
class _Constant:
    one: float

    def __call__(self, window: Window) -> _Rows:
        return lambda rows: np.full((1, 1), self.one)


@dataclass(frozen=True)
class _Lines:
    """Of a grid whose pixels change from row to row, or from column to column, but not both."""

    areas: Floats

    def __call__(self, window: Window) -> _Rows:
        down, across = window.slices
        part = self.areas[:, across] if len(self.areas) == 1 else self.areas[down]
        return lambda rows: part if len(part) == 1 else part[rows]


@dataclass(frozen=True)
class _Cells:
    """Of any grid: a polynomial in each cell of so many pixels a side; cells do not depend on windows.

    Where it does not do, as at the limb of a full disc, every pixel is computed.
    """

    grid: GeoBox
    side: int

    def __call__(self, window: Window) -> _Rows:
        if self.side < _MIN_SIDE:
            middles = _middles(window)
            return lambda rows: _exact(self.grid, middles[0][rows], middles[1])
        (first_row, y, down), (first_col, x, across) = (
            self._along(*span) for span in ((window.row, window.height), (window.col, window.width))
        )
        nodes = _exact(self.grid, y, x)
        cells = np.lib.stride_tricks.sliding_window_view(nodes, (3, 3))[::2, ::2]
        checks = _exact(self.grid, *(places[:-1:2] + self.side / 4 for places in (y, x)))
        off = np.einsum("p,ijpq,q->ij", _QUARTER, cells, _QUARTER) - checks
        rough = [
            (part.seen_from(window), _exact(self.grid, *_middles(part)))
            for i, j in np.argwhere(~(np.abs(off) < _EXACT * cells.min((2, 3))))
            if (part := self._cell(first_row, first_col, i, j).common(window)) is not None
        ]
        picked = 2 * ((np.arange(window.height) + window.row - first_row) // self.side)
        by_row = np.einsum("rpn,rp->rn", nodes[picked[:, None] + np.arange(3)], down)

        def areas(rows: slice) -> Floats:
            found: Floats = np.empty((rows.stop - rows.start, window.width))
            for number in range(cells.shape[1]):
                start = first_col + number * self.side - window.col
                place = slice(max(start, 0), min(start + self.side, window.width))
                found[:, place] = by_row[rows, 2 * number : 2 * number + 3] @ across[place].T
            for part, values in rough:
                top, end = max(part.row, rows.start), min(part.row + part.height, rows.stop)
                if top < end:
                    place = slice(part.col, part.col + part.width)
                    found[top - rows.start : end - rows.start, place] = values[
                        top - part.row : end - part.row
                    ]
            return found

        return areas

    def _cell(self, first_row: int, first_col: int, down: int, across: int) -> Window:
        return Window(
            first_row + int(down) * self.side, first_col + int(across) * self.side, self.side, self.side
        )

    def _along(self, first: int, length: int) -> tuple[int, Floats, Floats]:
        """Where a span's first cell starts, the nodes of its cells, and what they weigh (length, 3)."""
        start = first // self.side * self.side
        count = -(-(first + length - start) // self.side)
        nodes = start + np.arange(2 * count + 1) * (self.side / 2)
        share = ((np.arange(length) + first - start) % self.side + 0.5) / self.side
        return start, nodes, _parabola(share)


def _middles(window: Window) -> tuple[Floats, Floats]:
    rows, cols = window.slices
    return np.arange(rows.start, rows.stop) + 0.5, np.arange(cols.start, cols.stop) + 0.5


def _parabola(share: Floats) -> Floats:
    """What start, middle and end weigh (n, 3) at these shares of the way."""
    return np.stack(
        [(2 * share - 1) * (share - 1), 4 * share * (1 - share), share * (2 * share - 1)], axis=-1
    )


_QUARTER = _parabola(np.array([0.25]))[0]


def _cell_side(grid: GeoBox) -> int:
    return max(1, min(_MAX_SIDE, int(_CELL / max(pixel_size(grid)[:2]))))


def _exact(grid: GeoBox, rows: Floats, cols: Floats) -> Floats:
    """Areas (rows, cols) of pixels around these places; of one at the limb, that of the part that exists."""
    inner = _GAUSS if max(pixel_size(grid)[:2]) > _LARGE else np.zeros(1)
    total = np.zeros((len(rows), len(cols)))
    for down in inner:
        for across in inner:
            x, y = np.meshgrid(cols + across, rows + down)
            to_col, to_row = _tangents(grid, np.stack([x.ravel(), y.ravel()], axis=1)).swapaxes(0, 1)
            squares = (to_col * to_col).sum(1) * (to_row * to_row).sum(1) - (to_col * to_row).sum(1) ** 2
            total += np.nan_to_num(np.sqrt(np.maximum(squares, 0))).reshape(total.shape)
    return total / len(inner) ** 2


def _tangents(grid: GeoBox, points: Floats) -> Floats:
    """Where a step to the next column and one to the next row lead, in metres: (n, 2, 3).

    Args:
        grid: Has a CRS with an ellipsoid.
        points: (n, 2) columns and rows.

    Returns:
        Vectors in space; NaN where a place does not exist.
    """
    crs = _on_ellipsoid(grid)
    assert crs is not None
    affine = grid.affine
    steps = np.array([[affine.a, affine.d], [affine.b, affine.e]])
    x, y = points.T
    places = np.stack(
        [affine.a * x + affine.b * y + affine.c, affine.d * x + affine.e * y + affine.f], axis=1
    )
    if crs.is_geographic and not crs.is_derived:
        return _geographic_tangents(crs, places, steps)
    reach = _STEP / _metres(crs)
    share = reach / np.linalg.norm(steps, axis=1)
    ends = []
    for step, part in zip(steps, share, strict=True):
        there, back = (_in_space(crs, places + sign * part * step) for sign in (1, -1))
        ends.append((there - back) / (2 * part))
    return np.stack(ends, axis=1)


def _geographic_tangents(crs: pyproj.CRS, places: Floats, steps: Floats) -> Floats:
    factor = _radians(crs)
    a, squared = _ellipsoid(crs)
    lat = places[:, 1] * factor
    root = np.sqrt(1 - squared * np.sin(lat) ** 2)
    east, north = a * np.cos(lat) / root, a * (1 - squared) / root**3
    there = np.abs(lat) <= math.pi / 2 * (1 + 1e-12)
    found = np.stack(
        [np.stack([east * dx, north * dy, 0 * lat], axis=1) for dx, dy in steps * factor], axis=1
    )
    return np.where(there[:, None, None], found, np.nan)


def _in_space(crs: pyproj.CRS, places: Floats) -> Floats:
    """Places of a CRS as points on its ellipsoid around the centre of its planet, in metres; else NaN."""
    transformer, factor = _to_geodetic(crs)
    lon, lat = transformer.transform(*places.T)
    known = np.isfinite(lon) & np.isfinite(lat)
    lon, lat = (np.where(known, one, np.nan) * factor for one in (lon, lat))
    a, squared = _ellipsoid(crs)
    normal = a / np.sqrt(1 - squared * np.sin(lat) ** 2)
    flat = normal * np.cos(lat)
    return np.stack([flat * np.cos(lon), flat * np.sin(lon), normal * (1 - squared) * np.sin(lat)], axis=1)


@lru_cache(maxsize=32)
def _to_geodetic(crs: pyproj.CRS) -> tuple[pyproj.Transformer, float]:
    """To longitude and latitude of the same datum, and radians in a unit of them."""
    base = crs.geodetic_crs
    assert base is not None
    return pyproj.Transformer.from_crs(crs, base, always_xy=True), _radians(base)


def _ellipsoid(crs: pyproj.CRS) -> tuple[float, float]:
    """Half the long axis in metres, and the eccentricity squared."""
    ellipsoid = crs.ellipsoid
    assert ellipsoid is not None
    a, b = ellipsoid.semi_major_metre, ellipsoid.semi_minor_metre
    return a, 1 - (b / a) ** 2


@lru_cache(maxsize=64)
def _on_ellipsoid(grid: GeoBox) -> pyproj.CRS | None:
    """The horizontal CRS of a grid that lies on an ellipsoid, or None."""
    if grid.crs is None:
        return None
    crs: pyproj.CRS = grid.crs.proj
    while crs.is_bound and crs.source_crs is not None:
        crs = crs.source_crs
    if crs.is_compound:
        crs = crs.sub_crs_list[0]
    flat = crs.is_projected or (crs.is_geographic and not crs.is_geocentric)
    return crs if flat and crs.geodetic_crs is not None and crs.ellipsoid is not None else None


def _radians(crs: pyproj.CRS) -> float:
    axes = crs.axis_info
    return float(axes[0].unit_conversion_factor) if axes else math.radians(1)


def _metres(crs: pyproj.CRS) -> float:
    """Metres in a unit of the CRS, along the equator for degrees."""
    axes = crs.axis_info
    factor = float(axes[0].unit_conversion_factor) if axes else 1.0
    return factor * _ellipsoid(crs)[0] if crs.is_geographic else factor
