"""GeoPackages, read from plain SQLite: a file is data here, and nothing that it says is run.

Only the standard's tables of metadata and the layer's own may be read, and only as tables: an authorizer
denies views, functions, triggers and virtual tables, whatever the schema says. The spatial index is read as
the nodes that it is stored in. The file is opened as one that cannot change, so that nothing writes to it or
beside it, and nothing that lies beside it is obeyed.
"""

from __future__ import annotations

import datetime
import shutil
import sqlite3
import stat
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pyproj.exceptions
import shapely

from geo_xmodal.errors import VectorError
from geo_xmodal.raster.crs_texts import defined_crs
from geo_xmodal.raster.features import (
    Bounds,
    Contents,
    Features,
    Ids,
    Numbers,
    ObjectArray,
    collected,
    from_wkb,
    meets,
    objects,
)
from geo_xmodal.small_files import real_path

SQLITE_MAGIC = b"SQLite format 3\0"

Stamp = tuple[int, ...]
_Schema = Mapping[str, tuple[str, str, int]]

_METADATA = frozenset({"gpkg_contents", "gpkg_geometry_columns", "gpkg_spatial_ref_sys", "sqlite_master"})
_HEADER = 8
_EMPTY = 0x10
_EXTENDED = 0x20
_ENVELOPES = (0, 32, 48, 48, 64)
"""Bytes of the envelope between header and geometry, by its code in the flags."""

_GEOMETRY_AT = tuple(
    _HEADER + _ENVELOPES[(flags >> 1) & 7]
    if (flags >> 1) & 7 < len(_ENVELOPES) and not flags & _EXTENDED
    else None
    for flags in range(256)
)
"""Where the geometry begins, by the flags in the header."""

_UNDEFINED = (-1, 0)

_CELL = np.dtype([("id", ">i8"), ("left", ">f4"), ("right", ">f4"), ("bottom", ">f4"), ("top", ">f4")])
"""A cell of a node of SQLite's R*Tree: a child or a feature, and its box, rounded outwards."""

_NODE_HEAD = 4
"""Bytes before the cells of a node: levels of the tree (in the root), and cells."""

_MAX_DEPTH = 40
"""Levels of an R*Tree, as SQLite has it."""

_FETCHED = 10_000
"""Rows fetched at a time."""

_AT_ONCE = 500
"""Variables of one statement; older SQLite allows 999."""

_SHORTEST_LIMIT = 1_000_000
_STEPS = 10_000
_FREE_STEPS = 10_000_000
_STEPS_PER_BYTE = 8
"""Instructions that SQLite may take over a sound file: a row takes half a dozen, and some dozens of bytes."""


@dataclass(frozen=True)
class GeoPackageTable:
    """A table of features.

    Attributes:
        path: The file, as the user named it.
        stamp: Of the file and what lies beside it, when the table was found.
        name: The table.
        key: The name by which the id of a row is known.
        geometry: The column of geometries.
        types: Attribute columns and their declared types.
        index: The table of nodes of the spatial index; None where none holds every feature.
        broken: Features that the index cannot hold, and what is wrong with their geometries.
    """

    path: Path
    stamp: Stamp
    name: str
    key: str
    geometry: str
    types: tuple[tuple[str, str], ...]
    index: str | None = None
    broken: tuple[tuple[int, str], ...] = ()

    def values(self, column: str) -> ObjectArray:
        """Every value of a column, in the order of feature ids."""
        with self.opened() as database:
            _, values, _ = self._columns(database, column, None, None)
        return self._of_type(column, values)

    def features(self, column: str | None, bounds: Bounds | None) -> Features:
        """The features whose bounding box meets `bounds` (None: all), in the order of their ids."""
        if bounds is None:
            return self.rows_of(column)
        if self.index is None:
            everything, boxes, broken = _boxes(self)
            ids = everything[meets(boxes, bounds)]
        else:
            broken = dict(self.broken)
            with self.opened() as database:
                ids = _indexed(database, self.index, bounds)
        found = self.rows_of(column, ids).within(bounds)
        return replace(found, broken={**found.broken, **broken})

    def opened(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection on which nothing but this table and its index can be read."""
        tables = (self.name,) if self.index is None else (self.name, self.index)
        return _opened(self.path, self.stamp, *tables)

    def rows_of(self, column: str | None, ids: Ids | None = None) -> Features:
        """The features of sorted `ids` (None: all)."""
        with self.opened() as database:
            keys, values, blobs = self._columns(database, column, self.geometry, ids)
        wkb, broken = _unwrapped(blobs)
        geometries, unread = from_wkb(wkb)
        reasons = {keys[place]: why for place, why in {**broken, **unread}.items()}
        typed = objects(values) if column is None else self._of_type(column, values)
        return collected(keys, typed, geometries, reasons)

    def _columns(
        self, database: sqlite3.Connection, column: str | None, geometry: str | None, ids: Ids | None
    ) -> tuple[list[int], list[object], list[object]]:
        """Id and two columns of the rows of sorted `ids` (None: all), in the order of their ids.

        Raises:
            sqlite3.DatabaseError: The rows hold more bytes than the file, or come again.
        """
        wanted = ", ".join("NULL" if name is None else _quoted(name) for name in (column, geometry))
        select = f"SELECT {self.key}, {wanted} FROM {_quoted(self.name)}"
        keys: list[int] = []
        values: list[object] = []
        blobs: list[object] = []
        held = 0
        for rows in _ordered(database, select, self.key, ids):
            some, of_column, of_geometry = zip(*rows, strict=True)
            held += sum(len(value) for value in of_column if isinstance(value, str | bytes))
            held += sum(len(blob) for blob in of_geometry if isinstance(blob, str | bytes))
            steps = np.diff(np.array([*keys[-1:], *some], np.int64))
            if held > self.stamp[1] + self.stamp[3] or not (steps > 0).all():
                raise sqlite3.DatabaseError("its pages lie in a loop")
            keys += some
            values += of_column
            blobs += of_geometry
        return keys, values, blobs

    def _of_type(self, column: str, values: Sequence[object]) -> ObjectArray:
        """Values as the declared type of their column says."""
        if any(isinstance(value, bytes) for value in values):
            raise VectorError(
                f"{self.path}: column {column!r} of layer {self.name!r} holds binary data, "
                "expected class ids or names"
            )
        declared = dict(self.types)[column].upper()
        if declared == "BOOLEAN":
            values = [bool(value) if isinstance(value, int) else value for value in values]
        if declared in ("DATE", "DATETIME"):
            values = [_moment(value, declared) if isinstance(value, str) else value for value in values]
        return objects(values)


def layer_names(path: Path, stamp: Stamp) -> tuple[str, ...]:
    """Layers of the GeoPackage at `path` that have geometries.

    Raises:
        VectorError: It is no GeoPackage, damaged, or in use.
    """
    with _opened(path, stamp) as database:
        return tuple(_layers(path, database, _schema(database)))


def read_contents(path: Path, stamp: Stamp, choose: Callable[[Sequence[str]], str]) -> Contents:
    """One layer of the GeoPackage at `path`, which `choose` names out of all that have geometries.

    Raises:
        VectorError: It is no GeoPackage, damaged, or in use, or the layer is no plain table of features.
    """
    with _opened(path, stamp) as database:
        schema = _schema(database)
        layers = _layers(path, database, schema)
        chosen = choose(list(layers))
        geometry, srs = layers[chosen]
        row = database.execute(
            "SELECT organization, organization_coordsys_id, definition FROM gpkg_spatial_ref_sys "
            "WHERE srs_id = ?",
            (srs,),
        ).fetchone()
    name, kind, rootpage = schema.get(chosen.casefold(), (chosen, "missing", 0))
    if kind != "table" or not rootpage:
        what = "a virtual table" if kind == "table" else kind if kind == "missing" else f"a {kind}"
        raise VectorError(
            f"{path}: layer {chosen!r} is {what}, expected a table; export it to a new GeoPackage"
        )
    table = _described(path, stamp, name, geometry)
    parts = [schema.get(f"rtree_{name}_{table.geometry}_{part}".casefold()) for part in ("node", "rowid")]
    nodes, leaves = (part[0] if part and part[1] == "table" and part[2] else None for part in parts)
    if nodes is not None and leaves is not None:
        table = _with_index(table, nodes, leaves)
    crs = None if srs in _UNDEFINED else _crs(path, row)
    return Contents(chosen, tuple(column for column, _ in table.types), crs, table)


def _schema(database: sqlite3.Connection) -> _Schema:
    return {
        str(name).casefold(): (str(name), kind, rootpage)
        for name, kind, rootpage in database.execute("SELECT name, type, rootpage FROM sqlite_master")
        if kind in ("table", "view")
    }


def _layers(path: Path, database: sqlite3.Connection, schema: _Schema) -> dict[str, tuple[str, Any]]:
    """Geometry column and CRS of each layer that has geometries."""
    if not {"gpkg_contents", "gpkg_geometry_columns", "gpkg_spatial_ref_sys"} <= schema.keys():
        raise VectorError(
            f"{path}: an SQLite database but not a GeoPackage (no table gpkg_contents); "
            f"{how_to_convert(path)}"
        )
    return {
        str(table): (str(column), srs)
        for table, column, srs in database.execute(
            "SELECT c.table_name, g.column_name, g.srs_id FROM gpkg_contents c "
            "JOIN gpkg_geometry_columns g ON c.table_name = g.table_name COLLATE NOCASE "
            "WHERE c.data_type = 'features' ORDER BY c.rowid"
        )
    }


def how_to_convert(path: Path) -> str:
    """The command that makes a GeoPackage of a file, under a name that is not its own."""
    made = path.with_suffix(".gpkg").name
    return f"convert it: ogr2ogr -f GPKG {made if made != path.name else f'{path.stem}_new.gpkg'} {path.name}"


def side_files(path: Path) -> tuple[Path, Path]:
    """Where SQLite keeps what is not yet in the file: its journal, and its write-ahead log."""
    real = real_path(path)
    return real.with_name(f"{real.name}-journal"), real.with_name(f"{real.name}-wal")


def _described(path: Path, stamp: Stamp, name: str, geometry: str) -> GeoPackageTable:
    with _opened(path, stamp, name) as database:
        found = database.execute(f"PRAGMA table_xinfo({_quoted(name)})").fetchall()
    stored = [(str(column), str(kind), pk) for _, column, kind, _, _, pk, hidden in found if not hidden]
    keys = [column for column, kind, pk in stored if pk and kind.upper() == "INTEGER"]
    of_row = keys[0] if len(keys) == 1 and sum(bool(pk) for _, _, pk in stored) == 1 else None
    names = {column.casefold(): column for column, _, _ in stored if column != of_row}
    if geometry.casefold() not in names:
        raise VectorError(
            f"{path}: layer {name!r} stores no column {geometry!r} of geometries; "
            "export it to a new GeoPackage"
        )
    key = next((word for word in ("rowid", "_rowid_", "oid") if word not in names), None)
    if key is None:
        raise VectorError(f"{path}: layer {name!r} has columns rowid, _rowid_ and oid; rename one of them")
    types = tuple(
        (column, kind) for column, kind, _ in stored if column not in (of_row, names[geometry.casefold()])
    )
    return GeoPackageTable(path, stamp, name, key, names[geometry.casefold()], types)


def _with_index(table: GeoPackageTable, nodes: str, leaves: str) -> GeoPackageTable:
    """The table with its index, if that holds every feature; what writes without the triggers misses some."""
    indexed = replace(table, index=nodes)
    with _opened(table.path, table.stamp, table.name, leaves) as database:
        of_table, of_index = (
            database.execute(f"SELECT count(*) FROM {_quoted(name)}").fetchone()[0]
            for name in (table.name, leaves)
        )
    if of_table == of_index:
        return indexed
    with indexed.opened() as database:
        known = _indexed(database, nodes, (-np.inf, -np.inf, np.inf, np.inf))
        keys, _, _ = table._columns(database, None, None, None)
    missing = table.rows_of(None, np.setdiff1d(np.array(keys, np.int64), known, assume_unique=True))
    if not (shapely.is_missing(missing.geometries) | shapely.is_empty(missing.geometries)).all():
        return table
    return replace(indexed, broken=tuple(missing.broken.items()))


@lru_cache(maxsize=2)
def _boxes(table: GeoPackageTable) -> tuple[Ids, Numbers, Mapping[int, str]]:
    """Ids and bounding boxes of all features of a table without index, and the broken ones."""
    features = table.features(None, None)
    return features.ids, shapely.bounds(features.geometries), features.broken


def _indexed(database: sqlite3.Connection, nodes: str, bounds: Bounds) -> Ids:
    """Ids of the features whose box, as the index has it, meets `bounds`; sorted."""
    select = f"SELECT nodeno, data FROM {_quoted(nodes)}"
    level, depth = np.array([1], np.int64), None
    while depth is None or depth >= 0:
        blobs = [data for rows in _ordered(database, select, "nodeno", level) for _, data in rows]
        if not blobs or not all(isinstance(data, bytes) and len(data) >= _NODE_HEAD for data in blobs):
            raise sqlite3.DatabaseError("its spatial index lacks nodes")
        if depth is None:
            (depth,) = struct.unpack_from(">H", blobs[0])
            if depth > _MAX_DEPTH:
                raise sqlite3.DatabaseError(
                    f"its spatial index has {depth} levels, at most {_MAX_DEPTH} can be"
                )
        level = _children(blobs, bounds)
        depth -= 1
        if not len(level):
            break
    return level


def _children(nodes: Sequence[bytes], bounds: Bounds) -> Ids:
    """The nodes of the next level, or features, whose cells meet `bounds`; sorted, once each."""
    left, bottom, right, top = np.array(bounds)
    cells = (node[_NODE_HEAD : _NODE_HEAD + _cell_count(node) * _CELL.itemsize] for node in nodes)
    found = np.frombuffer(b"".join(cells), _CELL)
    # float64, or bounds would be rounded to the float32 of the boxes
    box = {side: found[side].astype(np.float64) for side in ("left", "right", "bottom", "top")}
    near = (box["left"] <= right) & (box["right"] >= left) & (box["bottom"] <= top) & (box["top"] >= bottom)
    return np.unique(found["id"][near].astype(np.int64))


def _cell_count(node: bytes) -> int:
    (count,) = struct.unpack_from(">H", node, 2)
    if count * _CELL.itemsize + _NODE_HEAD > len(node):
        raise sqlite3.DatabaseError("its spatial index is damaged")
    return int(count)


def _ordered(
    database: sqlite3.Connection, select: str, key: str, ids: Ids | None = None
) -> Iterator[list[tuple[Any, ...]]]:
    """Some rows of a statement at a time, in the order of their ids: all, or those of sorted `ids`."""
    if ids is None:
        cursor = database.execute(f"{select} ORDER BY {key}")
        while rows := cursor.fetchmany(_FETCHED):
            yield rows
        return
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE].tolist()
        marks = ", ".join("?" * len(some))
        rows = database.execute(f"{select} WHERE {key} IN ({marks}) ORDER BY {key}", some).fetchall()
        if rows:
            yield rows


@contextmanager
def _opened(path: Path, stamp: Stamp, *tables: str) -> Iterator[sqlite3.Connection]:
    """A connection on which metadata and `tables` can be read and nothing else can be done.

    Raises:
        VectorError: The file is in use, or changed since `stamp`.
    """
    file = _settled(path, stamp)
    address = f"{real_path(file).as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as database:
        _confine(database, file.stat().st_size, tables)
        yield database
    _check_unchanged(path, stamp)


def _confine(database: sqlite3.Connection, size: int, tables: Sequence[str]) -> None:
    """Take from a connection whatever is not reading these tables, and without end."""
    if sys.version_info >= (3, 12):
        database.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
        database.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER, False)
        database.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_VIEW, False)
    for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0", "query_only = ON"):
        database.execute(f"PRAGMA {pragma}")
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(size, _SHORTEST_LIMIT))
    database.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    wanted = _METADATA | {table.casefold() for table in tables}

    def allow(action: int, name: str | None, what: str | None, _: str | None, source: str | None) -> int:
        if source is not None:  # a view or a trigger asks, not this module
            return sqlite3.SQLITE_DENY
        reads = action == sqlite3.SQLITE_READ and str(name).casefold() in wanted
        describes = (
            action == sqlite3.SQLITE_PRAGMA and name == "table_xinfo" and str(what).casefold() in wanted
        )
        counts = action == sqlite3.SQLITE_FUNCTION and what == "count"
        allowed = reads or describes or counts or action == sqlite3.SQLITE_SELECT
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    database.set_authorizer(allow)
    steps = iter(range((_FREE_STEPS + size * _STEPS_PER_BYTE) // _STEPS))
    database.set_progress_handler(lambda: next(steps, None) is None, _STEPS)


def _settled(path: Path, stamp: Stamp) -> Path:
    """The file that holds all that was written: the user's, or a copy with its write-ahead log put in.

    Raises:
        VectorError: A program is writing the file, or was stopped while it did.
    """
    journal, log = side_files(path)
    if _first_byte(journal, path) not in (b"", b"\0"):
        raise VectorError(
            f"{path}: {journal.name} lies beside it: a program is writing the file, or was stopped while it "
            "did; wait for it, or open and save the file in the program that wrote it"
        )
    return path if not _first_byte(log, path) else Path(_with_log(path, stamp).name) / path.name


@lru_cache(maxsize=2)
def _with_log(path: Path, stamp: Stamp) -> tempfile.TemporaryDirectory[str]:
    """A folder with a copy of the file and its log in one: QGIS keeps a log while it has a file open."""
    folder = tempfile.TemporaryDirectory(prefix="geo-xmodal-")
    copy = Path(folder.name) / path.name
    shutil.copyfile(path, copy)
    shutil.copyfile(side_files(path)[1], side_files(copy)[1])
    _check_unchanged(path, stamp)
    with closing(sqlite3.connect(copy, isolation_level=None)) as database:
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA journal_mode = DELETE")
    return folder


def _first_byte(side: Path, path: Path) -> bytes:
    """The first byte of what lies beside a file; none where it is empty or not there."""
    try:
        if not stat.S_ISREG(side.lstat().st_mode):
            raise VectorError(f"{path}: {side.name} beside it is not a regular file; take it away")
        with side.open("rb") as file:
            return file.read(1)
    except FileNotFoundError:
        return b""


def stamp_of(path: Path) -> Stamp:
    """Time of change and size of a file, and of its write-ahead log (0 where there is none).

    Raises:
        OSError: There is no such file.
    """
    found = path.stat()
    log = side_files(path)[1]
    beside = log.lstat() if log.exists() else None
    return (
        found.st_mtime_ns,
        found.st_size,
        *((0, 0) if beside is None or not beside.st_size else (beside.st_mtime_ns, beside.st_size)),
    )


def _check_unchanged(path: Path, stamp: Stamp) -> None:
    if stamp_of(path) != stamp:
        raise VectorError(f"{path}: it changed while it was read; run again when nothing writes it")


def _unwrapped(blobs: Sequence[object]) -> tuple[list[bytes | None], dict[int, str]]:
    """Well-known binary out of GeoPackage binary, and what is wrong with blobs that hold none, by place."""
    found: list[bytes | None] = []
    broken: dict[int, str] = {}
    for place, blob in enumerate(blobs):
        wkb = None
        if isinstance(blob, bytes) and len(blob) >= _HEADER and blob[:2] == b"GP":
            start = _GEOMETRY_AT[blob[3]]
            if start is None:
                broken[place] = "a geometry of an extension of the standard"
            elif not blob[3] & _EMPTY:
                wkb = blob[start:]
        elif blob is not None:
            broken[place] = "no GeoPackage geometry"
        found.append(wkb)
    return found, broken


def _moment(text: str, declared: str) -> datetime.date | str:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment.date() if declared == "DATE" else moment


def _crs(path: Path, row: tuple[str, int, str] | None) -> pyproj.CRS | None:
    if row is None:
        raise VectorError(f"{path}: its CRS is not among its own (gpkg_spatial_ref_sys)")
    organization, code, definition = row
    if str(organization).upper() == "EPSG":
        with suppress(pyproj.exceptions.CRSError):
            return pyproj.CRS.from_epsg(code)
    return defined_crs(path, str(definition))


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
