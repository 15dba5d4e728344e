"""KML: places of Google Earth and of phones, in longitude and latitude of WGS 84.

Folders are how people sort places there, so the name of the folder is an attribute like the place's own name
and its data. A KML may name entities, styles, pictures and other KML files by address: nothing is followed,
and a document type, which entities would need, is refused.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from geo_xmodal.errors import VectorError
from geo_xmodal.raster.features import MAX_NESTING, Contents, FeatureTable, objects

_COLUMNS = ("name", "folder", "description")
_GEOMETRIES = ("Point", "LineString", "LinearRing", "Polygon", "MultiGeometry")
_OTHERS = ("Model", "Track", "MultiTrack")
_HOLDERS = ("Folder", "Document")
_MAX_DEPTH = 256
_SPACED = re.compile(r"\s*,\s*")


@dataclass
class _Node:
    """An element of a place."""

    name: str
    attributes: Mapping[str, str]
    text: list[str] = field(default_factory=list)
    inside: list[_Node] = field(default_factory=list)

    def of(self, *names: str) -> Iterator[_Node]:
        """Elements within it of some names."""
        return (one for one in self.inside if one.name in names)

    @property
    def words(self) -> str:
        return "".join(self.text).strip()


class _Places:
    """What the parser tells: the places of a document, each with the folder that it lies in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: list[_Node] = []
        self._place: list[_Node] = []
        self.found: list[tuple[_Node, str]] = []
        self.links = 0

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise VectorError(f"{self._path}: a KML with a document type, which may hold anything; save it anew")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        node = _Node(tag.rpartition("}")[2], attributes)
        if len(self._open) >= _MAX_DEPTH:
            raise VectorError(f"{self._path}: elements within elements, more than {_MAX_DEPTH} deep")
        if self._place:
            self._place[-1].inside.append(node)
        if self._place or node.name == "Placemark":
            self._place.append(node)
        self.links += node.name == "NetworkLink"
        self._open.append(node)

    def data(self, text: str) -> None:
        if self._open:
            self._open[-1].text.append(text)

    def end(self, tag: str) -> None:
        node = self._open.pop()
        if self._place:
            self._place.pop()
            if node.name == "Placemark" and not self._place:
                self.found.append((node, self._folder()))
        elif node.name == "name" and self._open and self._open[-1].name in _HOLDERS:
            self._open[-1].inside.append(node)

    def close(self) -> None:
        """Nothing is left to do at the end."""

    def _folder(self) -> str:
        names = (one.words for holder in reversed(self._open) for one in holder.of("name"))
        return next(names, "")


def looks_like(head: bytes) -> bool:
    """Whether a file that begins with `head` may be KML."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<") and b"<kml" in head.lower()


def read_contents(path: Path, stamp: tuple[int, ...]) -> Contents:
    """The places of a KML as one layer.

    Raises:
        VectorError: It is no KML, or has no places of its own.
        ValueError: It is no XML.
    """
    table = _parsed(path, stamp)
    return Contents(path.stem, tuple(table.columns), pyproj.CRS.from_epsg(4326), table)


@lru_cache(maxsize=2)
def _parsed(path: Path, _stamp: tuple[int, ...]) -> FeatureTable:
    places = _Places(path)
    parser = ElementTree.XMLParser(target=places)
    try:
        parser.feed(path.read_bytes())
        parser.close()
    except ElementTree.ParseError as error:
        raise ValueError(f"no XML: {error}") from None
    if places.links and not places.found:
        raise VectorError(
            f"{path}: it only links to other files, which are not followed; save the places themselves"
        )
    rows = [_attributes(place, folder) for place, folder in places.found]
    geometries: list[shapely.Geometry | None] = []
    broken = {}
    for number, (place, _) in enumerate(places.found):
        try:
            geometries.append(_geometry(place))
        except (ValueError, shapely.errors.ShapelyError) as error:
            geometries.append(None)
            broken[number] = " ".join(str(error).split())
    names = list(dict.fromkeys(key for row in rows for key in row))
    columns = {name: objects([row.get(name) or None for row in rows]) for name in names}
    return FeatureTable(columns, objects(geometries), broken)


def _attributes(place: _Node, folder: str) -> dict[str, str]:
    """Name, folder, description, and data, of which the file's own columns come last."""
    own = {node.name: node.words for node in place.of(*_COLUMNS)}
    row = {name: own.get(name, "") for name in _COLUMNS} | {"folder": folder}
    for extended in place.of("ExtendedData"):
        for node in extended.of("Data"):
            row[node.attributes.get("name", "")] = next((one.words for one in node.of("value")), "")
        for schema in extended.of("SchemaData"):
            row |= {node.attributes.get("name", ""): node.words for node in schema.of("SimpleData")}
    return {name: value for name, value in row.items() if name}


def _geometry(place: _Node, depth: int = 0) -> shapely.Geometry | None:
    """The geometry within an element; several are a collection."""
    if depth > MAX_NESTING:
        raise ValueError(f"geometries within geometries, more than {MAX_NESTING} deep")
    if other := next(place.of(*_OTHERS), None):
        raise ValueError(f"a {other.name}, expected points or polygons")
    made = [_shape(node, depth) for node in place.of(*_GEOMETRIES)]
    parts = [shape for shape in made if shape is not None]
    if len(parts) < 2:
        return parts[0] if parts else None
    return shapely.GeometryCollection(parts)


def _shape(node: _Node, depth: int) -> shapely.Geometry | None:
    if node.name == "MultiGeometry":
        return _geometry(node, depth + 1)
    if node.name == "Polygon":
        outer = [_vertices(ring) for edge in node.of("outerBoundaryIs") for ring in edge.of("LinearRing")]
        inner = [_vertices(ring) for edge in node.of("innerBoundaryIs") for ring in edge.of("LinearRing")]
        if len(outer) != 1:
            raise ValueError(f"a polygon with {len(outer)} outlines, expected one")
        return shapely.Polygon(outer[0], inner)
    vertices = _vertices(node)
    return shapely.Point(vertices[0]) if node.name == "Point" else shapely.LineString(vertices)


def _vertices(node: _Node) -> npt.NDArray[np.float64]:
    """(n, 2) longitude and latitude; heights are left out."""
    text = "".join(one.words for one in node.of("coordinates"))
    positions = [position.split(",") for position in _SPACED.sub(",", text).split()]
    if not positions or any(len(position) < 2 for position in positions):
        raise ValueError("a geometry without coordinates")
    return np.array([position[:2] for position in positions], np.float64)
