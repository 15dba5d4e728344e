"""Features as a vector file holds them: ids, values, and geometries from whatever bytes they came in.

A geometry that cannot be (a ring of one point, a coordinate that is no number) ends nothing: it is left out,
and its feature and what is wrong with it are kept, so that whoever reads can say it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

Bounds = tuple[float, float, float, float]
Numbers = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]
ObjectArray = npt.NDArray[np.object_]

MAX_COORDINATE = 1e12
"""In the units of the CRS; beyond every planet, and small enough for exact parts of a pixel."""

MAX_NESTING = 32
"""Geometries within geometries; GEOS descends by recursion and falls off its stack at some thousands."""

_COLLECTION = 7
_MULTI = (4, 5, 6, _COLLECTION)
_PLAIN = frozenset(
    struct.pack(f"{order}BI", order == "<", 1000 * numbers + kind)
    for order in "<>"
    for numbers in range(4)
    for kind in (1, 2, 3)
)
"""How a point, line or polygon begins."""

_CURVES = {
    8: "CircularString",
    9: "CompoundCurve",
    10: "CurvePolygon",
    11: "MultiCurve",
    12: "MultiSurface",
    13: "Curve",
    14: "Surface",
    15: "PolyhedralSurface",
    16: "TIN",
    17: "Triangle",
}


@dataclass(frozen=True)
class Features:
    """Features of a layer, in the order of their ids.

    Attributes:
        ids: (n,) feature ids.
        values: (n,) values of one column, None where there is none or none was asked for.
        geometries: (n,) in two dimensions, None where the file has none or none that can be.
        broken: Feature id to what is wrong with its geometry.
    """

    ids: Ids
    values: ObjectArray
    geometries: ObjectArray
    broken: Mapping[int, str] = field(default_factory=dict)

    def within(self, bounds: Bounds) -> Features:
        """Those whose bounding box meets `bounds`."""
        near = meets(shapely.bounds(self.geometries), bounds)
        return Features(self.ids[near], self.values[near], self.geometries[near], self.broken)


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """A layer that is held whole: of formats that are read from their first byte to their last.

    Attributes:
        columns: Name to the values of every feature.
        geometries: (n,) in two dimensions.
        broken: Place of a feature to what is wrong with its geometry.
    """

    columns: Mapping[str, ObjectArray]
    geometries: ObjectArray
    broken: Mapping[int, str] = field(default_factory=dict)

    def values(self, column: str) -> ObjectArray:
        """Every value of a column, in the order of the features."""
        return self.columns[column]

    def features(self, column: str | None, bounds: Bounds | None) -> Features:
        """The features whose bounding box meets `bounds` (None: all), in their order."""
        count = len(self.geometries)
        values = objects([None] * count) if column is None else self.columns[column]
        found = collected(range(count), values, self.geometries, self.broken)
        return found if bounds is None else found.within(bounds)


class Source(Protocol):
    """A layer of a file, as its format is read."""

    def values(self, column: str) -> ObjectArray:
        """Every value of a column, in the order of feature ids."""

    def features(self, column: str | None, bounds: Bounds | None) -> Features:
        """The features whose bounding box meets `bounds` (None: all)."""


@dataclass(frozen=True)
class Contents:
    """What a vector file says of one layer: its name, attribute columns and CRS, and how it is read."""

    name: str
    columns: tuple[str, ...]
    crs: pyproj.CRS | None
    source: Source


def meets(boxes: Numbers, bounds: Bounds) -> npt.NDArray[np.bool_]:
    """Which boxes (n, 4: left, bottom, right, top) meet `bounds`; a box of NaN meets nothing."""
    left, bottom, right, top = bounds
    return np.asarray(
        (boxes[:, 0] <= right) & (boxes[:, 2] >= left) & (boxes[:, 1] <= top) & (boxes[:, 3] >= bottom)
    )


def objects(values: Sequence[object]) -> ObjectArray:
    """A sequence as an array of objects of one dimension, whatever it holds."""
    made = np.empty(len(values), object)
    made[:] = values
    return made


def collected(
    ids: Sequence[int], values: ObjectArray, geometries: ObjectArray, broken: Mapping[int, str]
) -> Features:
    """Features in the order of their ids; geometries that are not finite join the broken ones."""
    keys = np.asarray(ids, np.int64)
    flat = shapely.force_2d(geometries) if _more_than_flat(geometries) else geometries.copy()
    coordinates, owner = shapely.get_coordinates(flat, return_index=True)
    with np.errstate(invalid="ignore"):
        far = ~(np.abs(coordinates) < MAX_COORDINATE).all(axis=1)
    beyond = {}
    for place in np.unique(owner[far]):
        col, row = coordinates[far & (owner == place)][0]
        beyond[int(keys[place])] = f"a vertex at {col:g}, {row:g}"
        flat[place] = None
    order = np.argsort(keys, kind="stable")
    return Features(keys[order], values[order], flat[order], {**broken, **beyond})


def _more_than_flat(geometries: ObjectArray) -> bool:
    return bool((shapely.has_z(geometries) | shapely.has_m(geometries)).any())


def from_wkb(blobs: Sequence[bytes | None]) -> tuple[ObjectArray, dict[int, str]]:
    """Geometries from well-known binary, and what is wrong with those that cannot be, by place.

    Rings that are not closed are closed.
    """
    broken = {place: why for place, blob in enumerate(blobs) if blob is not None and (why := _unsafe(blob))}
    safe = objects([None if place in broken else blob for place, blob in enumerate(blobs)])
    with np.errstate(invalid="ignore"):  # GEOS computes with coordinates that are no number
        made = shapely.from_wkb(safe, on_invalid="fix")
    for place, blob in enumerate(safe):
        if blob is not None and made[place] is None:
            broken[place] = _reason(blob)
    return made, broken


def _reason(blob: bytes) -> str:
    try:
        shapely.from_wkb(blob)
    except shapely.errors.ShapelyError as error:
        return " ".join(str(error).split())
    return "no geometry"


def _unsafe(blob: bytes) -> str | None:
    """Why a geometry is not given to GEOS at all, if so."""
    if blob[:5] in _PLAIN:
        return None
    try:
        kind, _ = _type(blob, 0)
        # Each level takes nine bytes, and curves inside a collection pass the parser.
        walked = kind == _COLLECTION or (kind in _MULTI and len(blob) > 9 * MAX_NESTING)
        return _walk(blob) if walked else None
    except (struct.error, IndexError):
        return "cut short"
    except ValueError as error:
        return str(error)


def _walk(blob: bytes) -> str | None:
    """Whether geometries nest deeper than `MAX_NESTING`.

    Raises:
        ValueError: A part of another kind than those that have straight edges.
    """
    unread: list[int] = []
    at = 0
    while True:
        kind, vertex = _type(blob, at)
        if kind in _MULTI:
            unread.append(_count(blob, at, at + 5))
            at += 9
            if len(unread) > MAX_NESTING:
                return f"geometries within geometries, more than {MAX_NESTING} deep"
        else:
            at = _end(blob, at, kind, vertex)
        while unread and not unread[-1]:
            unread.pop()
        if not unread:
            return None
        unread[-1] -= 1


def _type(blob: bytes, at: int) -> tuple[int, int]:
    """Kind (1 to 7) and bytes a vertex of the geometry that begins at `at`."""
    code = _count(blob, at, at + 1)
    kind, numbers = code % 1000, code // 1000
    if kind in _CURVES:
        raise ValueError(f"a {_CURVES[kind]}, expected straight edges (ogr2ogr -nlt CONVERT_TO_LINEAR)")
    if blob[at] > 1 or numbers > 3 or not 1 <= kind <= 7:
        raise ValueError("no well-known binary of the ISO standard")
    return kind, (16, 24, 24, 32)[numbers]


def _end(blob: bytes, at: int, kind: int, vertex: int) -> int:
    """Where the point, line or polygon that begins at `at` ends; a vertex takes `vertex` bytes."""
    if kind == 1:
        return at + 5 + vertex
    count = _count(blob, at, at + 5)
    if kind == 2:
        return at + 9 + count * vertex
    end = at + 9
    for _ in range(count):
        end += 4 + _count(blob, at, end) * vertex
    return end


def _count(blob: bytes, at: int, place: int) -> int:
    """The number at `place`, in the byte order of the geometry that begins at `at`."""
    (count,) = struct.unpack_from("<I" if blob[at] else ">I", blob, place)
    return int(count)
