"""GeoJSON, parsed here: a file asks for nothing, neither from the disk nor from the network.

A FeatureCollection, or features one after the other (newline-delimited GeoJSON, text sequences of RFC 8142).
Geometries are made while the text is parsed, so that no tree of lists of a whole file is ever held.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from geo_xmodal.errors import VectorError
from geo_xmodal.raster.crs_texts import named_crs
from geo_xmodal.raster.features import Bounds, Contents, Features, ObjectArray, collected, objects
from geo_xmodal.small_files import LONE_SURROGATE, shortened

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
RECORD_SEPARATOR = "\x1e"

_BETWEEN = re.compile(rf"[\s{RECORD_SEPARATOR}]*")
_STANDARD_CRS = "OGC:CRS84"
_ATOMS = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class GeoJson:
    """The features of a GeoJSON file.

    Attributes:
        path: The file.
        stamp: Of the file when it was found.
    """

    path: Path
    stamp: tuple[int, ...]

    def values(self, column: str) -> ObjectArray:
        """Every value of a column, in the order of feature ids."""
        return self.features(column, None).values

    def features(self, column: str | None, bounds: Bounds | None) -> Features:
        """The features whose bounding box meets `bounds` (None: all), in the order of their ids."""
        features = _column(self.path, self.stamp, column)
        return features if bounds is None else features.within(bounds)


@dataclass(frozen=True)
class _Broken:
    """A geometry that cannot be made, and why."""

    why: str


@dataclass(frozen=True)
class _Parsed:
    name: str
    crs: pyproj.CRS | None
    ids: Sequence[int]
    properties: Sequence[Mapping[str, Any]]
    geometries: ObjectArray
    broken: Mapping[int, str]


def looks_like(head: bytes) -> bool:
    """Whether a file that begins with `head` may be GeoJSON."""
    start = head.removeprefix(BYTE_ORDER_MARK).lstrip()
    return start.removeprefix(RECORD_SEPARATOR.encode()).lstrip().startswith(b"{")


def read_contents(path: Path, stamp: tuple[int, ...]) -> Contents:
    """The layer of a GeoJSON.

    Raises:
        VectorError: It is no GeoJSON, or its CRS lies elsewhere.
        ValueError, RecursionError: It is no JSON, or nests too deeply.
    """
    parsed = _parsed(path, stamp)
    columns = dict.fromkeys(key for properties in parsed.properties for key in properties)
    return Contents(parsed.name, tuple(columns), parsed.crs, GeoJson(path, stamp))


@lru_cache(maxsize=2)
def _column(path: Path, stamp: tuple[int, ...], column: str | None) -> Features:
    parsed = _parsed(path, stamp)
    values = [None if column is None else _value(path, column, row.get(column)) for row in parsed.properties]
    return collected(parsed.ids, objects(values), parsed.geometries, parsed.broken)


def _value(path: Path, column: str, value: object) -> object:
    if not isinstance(value, _ATOMS):
        kind = "lists" if isinstance(value, list) else "objects"
        raise VectorError(f"{path}: column {column!r} holds {kind}, expected class ids or names")
    # more digits than any number has here
    return str(value) if isinstance(value, int) and abs(value) >= 2**63 else value


@lru_cache(maxsize=2)
def _parsed(path: Path, stamp: tuple[int, ...]) -> _Parsed:
    text = path.read_bytes().removeprefix(BYTE_ORDER_MARK).decode("utf-8")
    roots = list(_documents(text))
    features: list[Mapping[str, Any]] = []
    crs: object = _STANDARD_CRS
    name = path.stem
    for root in roots:
        features += _features(path, root)
        if isinstance(root, Mapping):
            crs = root.get("crs", crs)
            name = root["name"] if isinstance(root.get("name"), str) and len(roots) == 1 else name
    ids = [feature.get("id") for feature in features]
    given = all(type(one) is int and abs(one) < 2**63 for one in ids) and len(set(ids)) == len(ids)
    keys: Sequence[Any] = ids if given else range(len(features))
    properties = [_properties(feature, named=not given) for feature in features]
    shapes = [feature.get("geometry") for feature in features]
    broken = {
        key: shape.why if isinstance(shape, _Broken) else "no GeoJSON geometry"
        for key, shape in zip(keys, shapes, strict=True)
        if not (shape is None or isinstance(shape, shapely.Geometry))
    }
    geometries = objects([shape if isinstance(shape, shapely.Geometry) else None for shape in shapes])
    return _Parsed(name, _crs(path, crs), keys, properties, geometries, broken)


def _documents(text: str) -> Iterator[Any]:
    """The values of a text: one, or one after the other."""
    decoder = json.JSONDecoder(object_pairs_hook=_object)
    at = _next(text, 0)
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        yield value
        at = _next(text, at)


def _next(text: str, at: int) -> int:
    found = _BETWEEN.match(text, at)
    return at if found is None else found.end()


def _object(pairs: list[tuple[str, Any]]) -> Any:
    """An object of the text: a geometry where it is one, else a table.

    Raises:
        ValueError: A key comes twice, or a text cannot be written again.
    """
    made = dict(pairs)
    if len(made) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)
        raise ValueError(f"an object has the key {shortened(repr(twice))} more than once")
    for text in (*made, *made.values()):
        if isinstance(text, str) and not text.isascii() and LONE_SURROGATE.search(text):
            raise ValueError(f"{shortened(repr(text))} holds half of a surrogate pair")
    kind = made.get("type")
    if kind == "GeometryCollection" and "geometries" in made:
        return _collection(made["geometries"])
    maker = _MAKERS.get(kind) if isinstance(kind, str) and "coordinates" in made else None
    if maker is None:
        return made
    try:
        return maker(made["coordinates"])
    except (ValueError, TypeError, OverflowError, shapely.errors.ShapelyError) as error:
        return _Broken(" ".join(str(error).split()))


def _collection(parts: object) -> shapely.Geometry | _Broken:
    if not isinstance(parts, list):
        return _Broken("a collection without a list of geometries")
    for part in parts:
        if isinstance(part, _Broken):
            return part
        if not isinstance(part, shapely.Geometry):
            return _Broken("a collection of something else than geometries")
    return shapely.GeometryCollection(parts)


def _vertices(positions: object) -> npt.NDArray[np.float64]:
    """(n, 2) x and y of a list of positions, which may have heights.

    Raises:
        ValueError, TypeError: They are no such list.
    """
    with suppress(ValueError):  # positions of two and of three numbers together
        found = np.array(positions)
        if found.ndim == 2 and found.shape[1] >= 2 and found.dtype.kind in "iuf":
            return found[:, :2].astype(np.float64)
    for position in _listed(positions):
        if len(_listed(position)) < 2 or not all(type(number) in (int, float) for number in position[:2]):
            raise ValueError("a position does not begin with two numbers")
    return np.array([position[:2] for position in _listed(positions)], np.float64).reshape(-1, 2)


def _listed(values: object) -> list[Any]:
    if not isinstance(values, list):
        raise TypeError("coordinates that are no list")
    return values


def _point(position: object) -> shapely.Point:
    return shapely.Point() if position == [] else shapely.Point(_vertices([position])[0])


def _line(positions: object) -> shapely.LineString:
    return shapely.LineString(_vertices(positions))


def _polygon(rings: object) -> shapely.Polygon:
    made = [shapely.LinearRing(_vertices(ring)) for ring in _listed(rings)]
    return shapely.Polygon(made[0], made[1:]) if made else shapely.Polygon()


_MAKERS: Mapping[str, Callable[[object], shapely.Geometry]] = {
    "Point": _point,
    "LineString": _line,
    "Polygon": _polygon,
    "MultiPoint": lambda positions: shapely.MultiPoint(_vertices(positions)),
    "MultiLineString": lambda parts: shapely.MultiLineString([_line(part) for part in _listed(parts)]),
    "MultiPolygon": lambda parts: shapely.MultiPolygon([_polygon(part) for part in _listed(parts)]),
}
"""Coordinates of each type of geometry, in two dimensions."""


def _features(path: Path, root: object) -> list[Mapping[str, Any]]:
    """The features of one value of a text."""
    if isinstance(root, shapely.Geometry | _Broken):
        return [{"geometry": root}]
    kind = root.get("type") if isinstance(root, Mapping) else None
    if isinstance(root, Mapping) and kind == "Feature":
        return [root]
    found = root.get("features") if isinstance(root, Mapping) and kind == "FeatureCollection" else None
    if not isinstance(found, list) or not all(
        isinstance(one, Mapping) and one.get("type") == "Feature" for one in found
    ):
        raise VectorError(
            f"{path}: not a GeoJSON: its type is {kind!r}, expected a FeatureCollection whose features "
            "are a list, or features"
        )
    return found


def _properties(feature: Mapping[str, Any], named: bool) -> Mapping[str, Any]:
    """The attributes of a feature; its id is one where it only names it."""
    properties = feature.get("properties")
    made = properties if isinstance(properties, Mapping) else {}
    return {"id": feature["id"], **made} if named and "id" in feature else made


def _crs(path: Path, member: object) -> pyproj.CRS | None:
    """The CRS that a `crs` member names; a missing one is the standard's, longitude and latitude.

    Raises:
        VectorError: It lies at an address, or is not named by an authority and a code.
    """
    if member is None:
        return None
    name: object = member
    if isinstance(member, Mapping):
        kind, properties = member.get("type"), member.get("properties")
        inside = properties if isinstance(properties, Mapping) else {}
        if kind == "link":
            raise VectorError(
                f"{path}: its CRS is a link to {str(inside.get('href'))!r}, which is not followed; "
                'name it ("crs": {"type": "name", ...}), or convert it with: ogr2ogr -a_srs EPSG:...'
            )
        name = f"EPSG:{inside.get('code')}" if kind == "EPSG" else inside.get("name")
    found = named_crs(name) if isinstance(name, str) else None
    if found is None:
        raise VectorError(f"{path}: its CRS {str(name)!r} is not understood, expected a name like EPSG:32633")
    return found
