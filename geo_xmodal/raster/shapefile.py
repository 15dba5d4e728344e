"""Shapefiles: geometries (.shp) and attributes (.dbf), with their CRS (.prj) and encoding (.cpg).

Read here, by the specification (ESRI Shapefile Technical Description, 1998; dBASE III), because what reads
them elsewhere trusts the lengths that a file gives for its records. Heights and measures are left out.
"""

from __future__ import annotations

import codecs
import datetime
import struct
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from geo_xmodal.errors import VectorError
from geo_xmodal.raster.crs_texts import defined_crs
from geo_xmodal.raster.features import Contents, FeatureTable, ObjectArray, objects

MAGIC = b"\0\0\x27\x0a"
"""First bytes: the file code 9994."""

PARTS = (".shp", ".dbf", ".prj", ".cpg")
"""The files that are one shapefile, by their endings; the index (.shx) tells nothing new."""

_HEADER = 100
_POINT, _MULTIPOINT, _LINE, _POLYGON = 1, 8, 3, 5
_NULL = 0
_BOX_BYTES = 32
_FIELD_BYTES = 32
_FIELDS_END = 0x0D
_DELETED = b"*"
_TRUE, _FALSE = b"YyTt", b"NnFf"
_TEXT = ("utf-8", "cp1252")
"""Encodings of attributes without a .cpg, in the order in which they are tried."""

_MAX_SIDE_FILE = 1 << 16
"""Bytes of a .prj or .cpg."""


def read_contents(path: Path, stamp: tuple[int, ...]) -> Contents:
    """The layer of the shapefile whose .shp is at `path`; its other files are found by its name.

    Raises:
        VectorError: Its .dbf is missing, or holds other features.
        struct.error, ValueError, OSError: It is damaged, or cannot be read.
    """
    table, crs = _parsed(path, stamp)
    return Contents(path.stem, tuple(table.columns), crs, table)


def beside(path: Path, suffix: str) -> Path | None:
    """The file of a shapefile with that ending, in small letters or capitals; None where there is none."""
    for ending in (suffix, suffix.upper()):
        found = path.with_suffix(ending)
        if found.is_file():
            return found
    return None


@lru_cache(maxsize=2)
def _parsed(path: Path, _stamp: tuple[int, ...]) -> tuple[FeatureTable, pyproj.CRS | None]:
    attributes = beside(path, ".dbf")
    if attributes is None:
        raise VectorError(
            f"{path}: {path.stem}.dbf is not beside it, which holds the attributes; keep the files of a "
            "shapefile together, or zip them"
        )
    geometries, broken = _geometries(path.read_bytes())
    columns, kept = _attributes(attributes.read_bytes(), _encoding(path))
    if len(kept) != len(geometries):
        raise VectorError(
            f"{path}: {len(geometries)} geometries and {len(kept)} rows of attributes, which do not belong "
            "together; export it again"
        )
    places = np.flatnonzero(kept)
    moved = {int(old): new for new, old in enumerate(places)}
    reasons = {moved[place]: why for place, why in broken.items() if place in moved}
    table = FeatureTable(
        {name: values[places] for name, values in columns.items()}, geometries[places], reasons
    )
    return table, _crs(path)


def _crs(path: Path) -> pyproj.CRS | None:
    definition = _side_text(path, ".prj")
    if not definition:
        return None
    crs = defined_crs(path, definition)
    code = None if crs is None else crs.to_epsg()  # Esri's names are others, the CRS is the same
    return crs if code is None else pyproj.CRS.from_epsg(code)


def _encoding(path: Path) -> tuple[str, ...]:
    named = _side_text(path, ".cpg")
    if not named:
        return _TEXT
    number = named.removeprefix("ANSI ").strip()
    with suppress(LookupError):
        return (codecs.lookup(f"cp{number}" if number.isdecimal() else number).name,)
    raise VectorError(f"{path}: its .cpg names the encoding {named[:40]!r}, which is not known")


def _side_text(path: Path, suffix: str) -> str:
    side = beside(path, suffix)
    if side is None:
        return ""
    with side.open("rb") as file:
        return file.read(_MAX_SIDE_FILE).decode("utf-8-sig", "replace").strip("\0 \r\n\t")


def _geometries(data: bytes) -> tuple[ObjectArray, dict[int, str]]:
    """Geometry of each record, and what is wrong with those that cannot be made, by their places."""
    made: list[shapely.Geometry | None] = []
    broken = {}
    for place, content in enumerate(_records(data)):
        try:
            made.append(_geometry(content))
        except (struct.error, ValueError, shapely.errors.ShapelyError) as error:
            made.append(None)
            broken[place] = " ".join(str(error).split())
    return objects(made), broken


def _records(data: bytes) -> Iterator[bytes]:
    at = _HEADER
    while at < len(data):
        (words,) = struct.unpack_from(">i", data, at + 4)
        end = at + 8 + 2 * words
        if words < 2 or end > len(data):
            raise ValueError(f"record at byte {at} has {2 * words} bytes, {len(data) - at - 8} are there")
        yield data[at + 8 : end]
        at = end


def _geometry(content: bytes) -> shapely.Geometry | None:
    (code,) = struct.unpack_from("<i", content)
    kind = code % 10  # 11 to 18 have heights, 21 to 28 measures
    if code == _NULL:
        return None
    if code not in (*range(1, 9), *range(11, 19), *range(21, 29)):
        raise ValueError(f"geometries of type {code} (surfaces in space), expected points or polygons")
    if kind == _POINT:
        return shapely.Point(*struct.unpack_from("<2d", content, 4))
    if kind == _MULTIPOINT:
        (count,) = struct.unpack_from("<i", content, 4 + _BOX_BYTES)
        return shapely.MultiPoint(_vertices(content, 8 + _BOX_BYTES, count))
    if kind not in (_LINE, _POLYGON):
        raise ValueError(f"geometries of type {code}, expected points or polygons")
    parts, count = struct.unpack_from("<2i", content, 4 + _BOX_BYTES)
    starts = np.frombuffer(content, "<i4", max(parts, 0), 12 + _BOX_BYTES)
    vertices = _vertices(content, 12 + _BOX_BYTES + 4 * len(starts), count)
    if not len(starts):
        return None
    if starts[0] != 0 or (np.diff(starts) <= 0).any() or starts[-1] >= count:
        raise ValueError("parts that do not follow one another")
    pieces = np.split(vertices, starts[1:])
    if kind == _LINE:
        return shapely.MultiLineString(pieces)
    rings = [shapely.LinearRing(piece) for piece in pieces]
    # outlines and holes lie in one list: what an odd number of rings goes around is inside
    return shapely.Polygon(rings[0]) if len(rings) == 1 else shapely.build_area(shapely.union_all(rings))


def _vertices(content: bytes, at: int, count: int) -> npt.NDArray[np.float64]:
    return np.frombuffer(content, "<f8", 2 * max(count, 0), at).reshape(-1, 2)


def _attributes(
    data: bytes, encodings: tuple[str, ...]
) -> tuple[dict[str, ObjectArray], npt.NDArray[np.bool_]]:
    """Columns of a dBASE table, and which of its rows are not marked as deleted."""
    count, head, size = struct.unpack_from("<IHH", data, 4)
    fields = []
    at, width = 32, 1
    while at < min(head, len(data)) and data[at] != _FIELDS_END:
        raw, kind, length, decimals = struct.unpack_from("<11sc4xBB", data, at)
        fields.append((raw.partition(b"\0")[0], kind.decode("ascii"), width, length, decimals))
        at, width = at + _FIELD_BYTES, width + length
    if width > size or head + count * size > len(data):
        raise ValueError(f"{count} rows of {size} bytes in {max(len(data) - head, 0)}")
    rows = np.frombuffer(data, f"S{size}", count, head) if count else np.empty(0, "S1")
    kept = rows.astype("S1") != _DELETED
    cells = rows.view(np.uint8).reshape(count, -1) if count else np.empty((0, width), np.uint8)
    columns = {}
    for raw, kind, start, length, decimals in fields:
        if kind not in "CNFLDM" or not length:
            continue
        texts = [row.tobytes().strip(b"\0 ") for row in cells[:, start : start + length]]
        columns[_decoded([raw], encodings)[0]] = objects(_values(texts, kind, decimals, encodings))
    return columns, kept


def _values(texts: list[bytes], kind: str, decimals: int, encodings: tuple[str, ...]) -> list[object]:
    if kind in "NF":
        return [_number(text, decimals) for text in texts]
    if kind == "L":
        return [True if text in _TRUE else False if text in _FALSE else None for text in map(_flag, texts)]
    words = _decoded(texts, encodings)
    if kind == "D":
        return [_date(word) for word in words]
    return [word or None for word in words]


def _flag(text: bytes) -> bytes:
    return text[:1] or b"?"


def _decoded(texts: list[bytes], encodings: tuple[str, ...]) -> list[str]:
    for encoding in encodings[:-1]:
        with suppress(UnicodeDecodeError):
            return [text.decode(encoding) for text in texts]
    return [text.decode(encodings[-1]) for text in texts]


def _number(text: bytes, decimals: int) -> int | float | None:
    """A number; None where it is blank, or stars (a value that was too long for its column)."""
    with suppress(ValueError):
        return float(text) if decimals or b"." in text or b"e" in text.lower() else int(text)
    return None


def _date(word: str) -> datetime.date | str | None:
    with suppress(ValueError):
        return datetime.datetime.strptime(word, "%Y%m%d").date()
    return word.strip("0") or None
