"""What the viewer shows, as values: layers, the scene's grid, and what comes back from the browser."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pyproj
from odc.geo.geobox import GeoBox

import geo_xmodal as gx
from geo_xmodal.types import LandClass
from geo_xmodal_app.viewer.areas import ClassArea

LayerKind = Literal["classes", "probability", "continuous", "labels"]

Affine6 = tuple[float, float, float, float, float, float]
"""a, b, c, d, e, f: x = a col + b row + c, y = d col + e row + f, at the corners of pixels."""

_SQUARE = 1e-4
"""Pixels are square when their sides differ by less than this share of a pixel over the whole grid."""

_PLACES = 9
"""Places along a side of the grid whose steps on the ground the browser gets; it interpolates."""

_SHIFT = 0.5
"""Metres by which a proj4 string may be off before its datum shift is fitted at the scene's centre."""


@dataclass(frozen=True)
class Layer:
    """One raster on the map.

    The file is a GeoTIFF in the scene's CRS that is read by range: tiled, with overviews, bands stored
    separately when only some of many are shown at once. Its pixels may be coarser than the scene's.

    Attributes:
        id: Unique among the layers of one map.
        title: Shown as text.
        url: `/files/<id>` that the registry gave to this session.
        kind: `classes` and `labels` are uint8 class ids (0: none); `probability` is one band.
        classes: Legend of `classes` and `labels`.
        bands: Names, one a band.
        wavelengths: Centre of each band in nanometres, None where it is not known; empty: not known at all.
        decibel: The file holds linear power that is shown as 10 log10.
        stretch: Lowest and highest value shown of each band, in dB where `decibel`; empty: the 2 and 98 %
            quantiles of the coarsest overview, found in the browser.
        shown_bands: Indices (from 0) of the bands shown as red, green and blue, or of one band; empty: true
            colour where the wavelengths allow it, else the first three, or the first.
        nodata: Value without meaning; NaN never has any.
        scale: A probability is value x scale (0.01 for percent).
        probability: Id of the probability layer (uint8) that a class map can be thresholded with; it has the
            same grid.
        probe_url: File that values under a click are read from, where another copy than `url` is quicker
            (an HSI with the bands of a pixel together).
        unit: Of the values.
        areas: Class areas of the whole map (`class_areas`).
        date: Of the image of a class map, as 2024-05-31; orders the maps of a time series.
        visible: Shown at first.
        opacity: At first, 0 to 1.
    """

    id: str
    title: str
    url: str
    kind: LayerKind
    classes: tuple[LandClass, ...] = ()
    bands: tuple[str, ...] = ()
    wavelengths: tuple[float | None, ...] = ()
    decibel: bool = False
    stretch: tuple[tuple[float, float], ...] = ()
    shown_bands: tuple[int, ...] = ()
    nodata: float | None = None
    scale: float = 1.0
    probability: str | None = None
    probe_url: str | None = None
    unit: str = ""
    areas: tuple[ClassArea, ...] = ()
    date: str = ""
    visible: bool = True
    opacity: float = 1.0

    @property
    def count(self) -> int:
        """Bands, where they are named; else 1."""
        return max(len(self.bands), 1)


@dataclass(frozen=True)
class Viewport:
    """The scene's grid.

    A grid without CRS, rotated, not north-up or with oblong pixels is shown in its own rows and columns;
    coordinates are the scene's all the same.

    Attributes:
        width: Columns.
        height: Rows.
        affine: From column and row to the scene's coordinates.
        crs: Name for people; "no CRS" without one.
        epsg: Code, where there is one.
        proj4: For the browser, with the datum's shift to WGS 84; None without CRS.
        unit: Of the scene's coordinates: `m`, `degree`, another unit's name, or `pixel` without CRS.
        ground: Metres on the ellipsoid from a pixel to the next one in its row, at places (row, col) spread
            evenly over the grid, its corners included; empty where the grid has no place on an ellipsoid.
    """

    width: int
    height: int
    affine: Affine6
    crs: str = "no CRS"
    epsg: int | None = None
    proj4: str | None = None
    unit: str = "pixel"
    ground: tuple[tuple[float, ...], ...] = ()

    @classmethod
    def of(cls, info: gx.RasterInfo) -> Viewport:
        """The grid of a raster (`gx.describe_raster`)."""
        affine = info.grid.affine
        six = (affine.a, affine.b, affine.c, affine.d, affine.e, affine.f)
        if info.crs is None:
            return cls(info.width, info.height, six)
        crs = pyproj.CRS(info.crs)
        unit = crs.axis_info[0].unit_name if crs.axis_info else "metre"
        x, y = _apply(six, info.width / 2, info.height / 2)
        return cls(
            info.width,
            info.height,
            six,
            crs=crs.name,
            epsg=crs.to_epsg(),
            proj4=_proj4(crs, x, y),
            unit="degree" if crs.is_geographic else _short_unit(unit),
            ground=_ground(info.grid),
        )

    @property
    def pixel_display(self) -> bool:
        """Whether the map is shown in rows and columns instead of the scene's coordinates."""
        a, b, _, d, e, _ = self.affine
        side = max(self.width, self.height)
        square = abs(a + e) * side <= _SQUARE * abs(a)
        return self.proj4 is None or b != 0 or d != 0 or a <= 0 or e >= 0 or not square

    def to_pixel(self, x: float, y: float) -> tuple[float, float]:
        """Column and row (fractions of pixels) of scene coordinates."""
        a, b, c, d, e, f = self.affine
        determinant = a * e - b * d
        return (e * (x - c) - b * (y - f)) / determinant, (a * (y - f) - d * (x - c)) / determinant

    def to_scene(self, col: float, row: float) -> tuple[float, float]:
        """Scene coordinates of a column and row."""
        return _apply(self.affine, col, row)


@dataclass(frozen=True)
class Place:
    """A pixel that was clicked.

    Attributes:
        x: Scene coordinate.
        y: Scene coordinate.
        row: Of the scene's grid.
        col: Of the scene's grid.
        values: Numbers by layer id, one a band; None where there is no data.
    """

    x: float
    y: float
    row: int
    col: int
    values: Mapping[str, tuple[float | None, ...]]


@dataclass(frozen=True)
class ViewState:
    """What came back from the browser, checked.

    Attributes:
        place: The pixel that was clicked last.
        area: Polygon or MultiPolygon (GeoJSON geometry) in the scene's CRS that was drawn or loaded last.
        hidden: Class ids that are switched off.
        threshold: Probability below which pixels are dimmed, 0 to 1.
        compare: Ids of the two class layers that are compared.
        refused: `place`, `area` or `settings` to why it was not taken.
    """

    place: Place | None = None
    area: Mapping[str, Any] | None = None
    hidden: frozenset[int] = frozenset()
    threshold: float = 0.0
    compare: tuple[str, str] | None = None
    refused: Mapping[str, str] = field(default_factory=dict)


_SHORT = MappingProxyType({"metre": "m", "foot": "ft", "US survey foot": "ft"})


def _short_unit(name: str) -> str:
    return _SHORT.get(name, name)


@lru_cache(maxsize=32)
def _ground(grid: GeoBox) -> tuple[tuple[float, ...], ...]:
    """Steps from column to column in metres; where a place does not exist, the step in the middle."""
    _, middle, unit = gx.pixel_size(grid)
    if unit != "m":
        return ()
    height, width = grid.shape
    rows, cols = (
        np.linspace(0, side - 1, min(side, _PLACES)).round().astype(int) for side in (height, width)
    )
    found = [[gx.pixel_size(grid[row : row + 1, col : col + 1]) for col in cols] for row in rows]
    return tuple(tuple(step if unit == "m" else middle for _, step, unit in line) for line in found)


def _apply(affine: Affine6, col: float, row: float) -> tuple[float, float]:
    a, b, c, d, e, f = affine
    return a * col + b * row + c, d * col + e * row + f


def _proj4(crs: pyproj.CRS, x: float, y: float) -> str | None:
    """A proj4 string, with the datum's shift fitted at one place where the string alone would lose it."""
    text = _quiet_proj4(crs)
    if not text or "+towgs84" in text or "+datum=WGS84" in text:
        return text or None
    wgs84 = pyproj.CRS("EPSG:4326")
    lon, lat = pyproj.Transformer.from_crs(crs, wgs84, always_xy=True).transform(x, y)
    own_lon, own_lat = pyproj.Proj(text)(x, y, inverse=True) if not crs.is_geographic else (x, y)
    if not all(map(math.isfinite, (lon, lat, own_lon, own_lat))):
        return text
    here = _geocentric(crs.ellipsoid, own_lon, own_lat)
    there = _geocentric(wgs84.ellipsoid, lon, lat)
    shift = [b - a for a, b in zip(here, there, strict=True)]
    if max(map(abs, shift)) < _SHIFT:
        return f"{text} +towgs84=0,0,0"
    return f"{text} +towgs84={','.join(f'{value:.3f}' for value in shift)}"


def _quiet_proj4(crs: pyproj.CRS) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it loses something: what it loses is fitted above
        return str(crs.to_proj4()).replace(" +type=crs", "")


def _geocentric(ellipsoid: Any, lon: float, lat: float) -> tuple[float, float, float]:
    """Earth-centred coordinates in metres of a point on the ellipsoid."""
    a, b = ellipsoid.semi_major_metre, ellipsoid.semi_minor_metre
    phi, lam = math.radians(lat), math.radians(lon)
    squared = 1 - (b / a) ** 2
    normal = a / math.sqrt(1 - squared * math.sin(phi) ** 2)
    return (
        normal * math.cos(phi) * math.cos(lam),
        normal * math.cos(phi) * math.sin(lam),
        normal * (1 - squared) * math.sin(phi),
    )
