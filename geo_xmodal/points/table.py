"""The one entry point for tables of points: CSV, Parquet (GeoParquet among it), GeoPackage and GeoJSON.

CSV and Parquet are read by pyarrow, which is told which columns are numbers and which are text, so that what
a file says later contradicts no guess; vector files by the readers of `geo_xmodal.raster`, never by GDAL.
A table is a stranger's: rows, columns and bytes are bounded before they are read, and whatever a parser says
becomes one line that names the file.
"""

from __future__ import annotations

import csv
import io
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyproj
import shapely
from pyarrow import csv as arrow_csv
from pyarrow import parquet as pq

from geo_xmodal.errors import LabelError, TableError
from geo_xmodal.memory import check_memory
from geo_xmodal.raster import (
    DELIMITERS,
    Layer,
    coordinate_columns,
    few_names,
    from_wkb,
    label_text,
    open_layer,
    read_column,
    read_geometries,
)
from geo_xmodal.small_files import SmallFile, file_errors, shortened

MAX_ROWS = 5_000_000
"""Rows of a table; a series counts each of its times."""

MAX_COLUMNS = 20_000

MAX_CSV_BYTES = 4 << 30
_MAX_HEADER_BYTES = 4 << 20
_MAX_THRIFT = 64 << 20
"""Bytes of a text, and entries of a list, in the description of a Parquet file."""

_TABLE = SmallFile(
    "a table of points (CSV, Parquet, GeoParquet, GeoPackage or GeoJSON)",
    TableError,
    "write it again, or choose another",
    MAX_CSV_BYTES,
)

Numbers = npt.NDArray[np.float64]


class Table(ABC):
    """A table that may be read.

    Attributes:
        path: The file.
        columns: Names, each once.
        rows: How many; None where only reading tells.
    """

    path: Path
    columns: tuple[str, ...]
    rows: int | None

    @abstractmethod
    def read(
        self, numbers: Sequence[str], texts: Sequence[str]
    ) -> tuple[dict[str, Numbers], dict[str, list[str]]]:
        """Columns as float64, NaN where there is no number, and as text, empty where there is none.

        Raises:
            TableError: A column of numbers holds other things, or the file is damaged.
        """

    @abstractmethod
    def geometry(self) -> tuple[Numbers, str] | None:
        """(n, 2) x and y of the points, NaN without one, and their CRS ("" if not said); None without any.

        Raises:
            TableError: The geometries are no points, or the file is damaged.
        """

    def require(self, column: str, what: str) -> str:
        """`column` if the table has it.

        Raises:
            TableError: It has not.
        """
        if column in self.columns:
            return column
        raise TableError(
            f"{self.path}: no column {shortened(column)!r} for {what}; columns: {few_names(self.columns)}"
        )

    def coordinate_columns(self) -> tuple[str, str] | None:
        """The two columns that are called after coordinates, if there are such."""
        return coordinate_columns(self.columns)


def open_table(path: Path | str, layer: str | None = None) -> Table:
    """Check a table and read what its columns are called.

    Args:
        path: The file, told by its content; what is nothing else is CSV.
        layer: Of a vector file that has several.

    Raises:
        TableError: It is missing, damaged, none of the formats, or larger than can be.
        VectorError: As `geo_xmodal.raster.open_layer`.
    """
    path = Path(path)
    with _errors(path):
        if path.exists() and not path.is_file():
            raise _TABLE.refuse(path, "is no regular file")
        with path.open("rb") as file:
            head = file.read(16)
    if head.startswith(b"SQLite format 3") or path.suffix.lower() in (".geojson", ".json"):
        return _VectorTable(open_layer(path, layer))
    if layer is not None:
        raise TableError(f"{path}: has no layers, and {layer!r} was asked for: leave the layer out")
    return _ParquetTable(path) if head.startswith(b"PAR1") else _CsvTable(path)


def _errors(path: Path) -> AbstractContextManager[None]:
    return file_errors(path, _TABLE, pa.ArrowException, MemoryError, csv.Error, KeyError)


def _checked_names(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        raise _TABLE.refuse(path, "has no columns")
    if len(names) > MAX_COLUMNS:
        raise _TABLE.refuse(path, f"{len(names):,} columns, at most {MAX_COLUMNS:,} can be")
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise _TABLE.refuse(path, f"{times} columns are called {shortened(name)!r}")
    return tuple(names)


def _check_rows(path: Path, rows: int, columns: int) -> None:
    if rows > MAX_ROWS:
        raise _TABLE.refuse(path, f"{rows:,} rows, at most {MAX_ROWS:,} can be")
    if not rows:
        raise _TABLE.refuse(path, "has no rows")
    check_memory(
        f"{path}: {rows:,} rows of {columns:,} columns",
        24 * rows * max(columns, 1),
        "give fewer rows or bands",
    )


class _ParquetTable(Table):
    """A Parquet file; of GeoParquet the points of its first geometry column, too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _errors(path), self._opened() as file:
            self.columns = _checked_names(path, file.schema_arrow.names)
            self.rows = file.metadata.num_rows
            self._geo = _geo_of(file.schema_arrow.metadata)

    def _opened(self) -> Any:
        return pq.ParquetFile(
            self.path, thrift_string_size_limit=_MAX_THRIFT, thrift_container_size_limit=_MAX_THRIFT
        )

    def read(
        self, numbers: Sequence[str], texts: Sequence[str]
    ) -> tuple[dict[str, Numbers], dict[str, list[str]]]:
        """As of every table."""
        found = self._columns([*numbers, *texts])
        return (
            {name: _numbers(self.path, name, found[name]) for name in numbers},
            {name: _texts(self.path, name, found[name]) for name in texts},
        )

    def geometry(self) -> tuple[Numbers, str] | None:
        """Of the primary geometry column, or of one called `geometry` that holds well-known binary."""
        name = self._geo.get("primary_column", "geometry")
        if name not in self.columns:
            return None
        with _errors(self.path):
            blobs = self._columns([name])[name].cast(pa.binary()).to_pylist()
        geometries, _ = from_wkb(blobs)
        about = self._geo.get("columns", {})
        said = about.get(name) if isinstance(about, Mapping) else None
        crs = said.get("crs", "OGC:CRS84") if isinstance(said, Mapping) else ""
        return _point_coordinates(self.path, geometries), _crs_text(self.path, crs)

    def _columns(self, names: Sequence[str]) -> dict[str, Any]:
        """Chunked arrays of pyarrow by name."""
        wanted = sorted(set(names), key=self.columns.index)
        with _errors(self.path), self._opened() as file:
            about = file.metadata
            _check_rows(self.path, about.num_rows, len(wanted))
            places = {name: place for place, name in enumerate(file.schema_arrow.names)}
            for name in wanted:
                _check_flat(self.path, name, file.schema_arrow.field(places[name]).type)
            stored = sum(
                group.column(place).total_uncompressed_size
                for group in (about.row_group(k) for k in range(about.num_row_groups))
                for place in range(group.num_columns)
                if group.column(place).path_in_schema in wanted
            )
            check_memory(f"{self.path}: its columns", 2 * max(stored, 0), "give fewer rows or bands")
            read = file.read(columns=wanted, use_threads=False)
            read.validate(full=True)
            if read.num_rows != about.num_rows or read.column_names != wanted:
                raise _TABLE.refuse(self.path, "holds other rows or columns than it says")
            return {name: read.column(name) for name in wanted}


class _CsvTable(Table):
    """Text with a line a point, its first line the names; divided by commas, semicolons, tabs or bars."""

    def __init__(self, path: Path) -> None:
        self.path, self.rows = path, None
        with _errors(path):
            if path.stat().st_size > MAX_CSV_BYTES:
                raise _TABLE.refuse(path, f"larger than {MAX_CSV_BYTES:,} bytes")
            with path.open("rb") as file:
                head = file.readline(_MAX_HEADER_BYTES)
            if len(head) == _MAX_HEADER_BYTES:
                raise _TABLE.refuse(path, f"a first line of more than {_MAX_HEADER_BYTES:,} bytes")
            if b"\0" in head:
                raise _TABLE.refuse(path, "no text")
            line = head.decode("utf-8-sig").strip("\r\n")
            self._delimiter = max(DELIMITERS, key=line.count)
            names = next(csv.reader(io.StringIO(line), delimiter=self._delimiter, strict=True), [])
        self._names = _checked_names(path, names)
        self.columns = self._names

    def read(
        self, numbers: Sequence[str], texts: Sequence[str]
    ) -> tuple[dict[str, Numbers], dict[str, list[str]]]:
        """As of every table; a column may be read as both."""
        own = [name for name in texts if name not in numbers]
        types = dict.fromkeys(own, pa.string()) | dict.fromkeys(numbers, pa.float64())
        with _errors(self.path):
            size = self.path.stat().st_size
            check_memory(f"{self.path}: reading it", 2 * size, "give fewer rows, or write it as Parquet")
            read = arrow_csv.read_csv(
                self.path,
                read_options=arrow_csv.ReadOptions(
                    column_names=list(self._names), skip_rows=1, use_threads=False
                ),
                parse_options=arrow_csv.ParseOptions(delimiter=self._delimiter),
                convert_options=arrow_csv.ConvertOptions(
                    include_columns=list(types), column_types=types, strings_can_be_null=True
                ),
            )
        _check_rows(self.path, read.num_rows, len(types))
        self.rows = read.num_rows
        values = {name: _numbers(self.path, name, read.column(name)) for name in numbers}
        words = {name: _texts(self.path, name, read.column(name)) for name in own}
        for name in set(texts) - set(own):
            words[name] = _words(self.path, name, values[name].tolist())
        return values, words

    def geometry(self) -> None:
        """None: coordinates are columns."""
        return


@dataclass
class _VectorTable(Table):
    """A layer of a vector file."""

    layer: Layer

    def __post_init__(self) -> None:
        self.path = self.layer.path
        self.columns = _checked_names(self.path, self.layer.columns)
        self.rows = None

    def read(
        self, numbers: Sequence[str], texts: Sequence[str]
    ) -> tuple[dict[str, Numbers], dict[str, list[str]]]:
        """As of every table."""
        read = {name: read_column(self.layer, name) for name in dict.fromkeys([*numbers, *texts])}
        self.rows = max(map(len, read.values()), default=0)
        _check_rows(self.path, self.rows, len(read))
        return (
            {name: _of_objects(self.path, name, read[name]) for name in numbers},
            {name: _words(self.path, name, read[name].tolist()) for name in texts},
        )

    def geometry(self) -> tuple[Numbers, str]:
        """Of the layer."""
        crs = self.layer.space.crs
        geometries = read_geometries(self.layer)
        return _point_coordinates(self.path, geometries), "" if crs is None else crs.to_wkt()


def _check_flat(path: Path, name: str, kind: Any) -> None:
    if pa.types.is_nested(kind):
        raise _TABLE.refuse(
            path, f"column {shortened(name)!r} holds {shortened(str(kind))}, not single values"
        )


def _numbers(path: Path, name: str, column: Any) -> Numbers:
    """A column of pyarrow as float64."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not (numeric or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
        raise _TABLE.refuse(path, f"column {shortened(name)!r} holds {shortened(str(kind))}, not numbers")
    with _errors(path):
        plain = column.cast(kind) if pa.types.is_dictionary(column.type) else column
        if pa.types.is_boolean(kind):
            plain = plain.cast(pa.uint8())
        return np.asarray(plain.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)


def _texts(path: Path, name: str, column: Any) -> list[str]:
    with _errors(path):
        return _words(path, name, column.to_pylist())


def _words(path: Path, name: str, values: Sequence[object]) -> list[str]:
    """Values as they are compared (`geo_xmodal.raster.label_text`), each distinct one made text once."""
    known: dict[object, str] = {}
    words = []
    for value in values:
        key = (type(value), value)
        try:
            if key not in known:
                known[key] = label_text(value, path)
        except (LabelError, TypeError):
            raise _TABLE.refuse(
                path, f"column {shortened(name)!r} holds values of type {type(value).__name__}"
            ) from None
        words.append(known[key])
    return words


def _of_objects(path: Path, name: str, values: npt.NDArray[np.object_]) -> Numbers:
    """Numbers of a vector file, where a column may hold anything."""
    wrong = next((one for one in values if one is not None and not isinstance(one, int | float)), None)
    if wrong is not None:
        raise _TABLE.refuse(path, f"column {shortened(name)!r} holds {type(wrong).__name__}, not numbers")
    with _errors(path):
        return np.array([np.nan if one is None else float(one) for one in values], np.float64)


def _point_coordinates(path: Path, geometries: npt.NDArray[np.object_]) -> Numbers:
    """(n, 2) of points; NaN where there is none."""
    kinds = shapely.get_type_id(geometries)
    other = (kinds != -1) & (kinds != shapely.GeometryType.POINT)
    if other.any():
        found = shapely.GeometryType(kinds[other][0]).name.lower()
        raise _TABLE.refuse(path, f"its geometries are of type {found}, not points")
    return np.stack([shapely.get_x(geometries), shapely.get_y(geometries)], axis=1)


def _geo_of(metadata: Mapping[bytes, bytes] | None) -> Mapping[str, Any]:
    """What GeoParquet says of its geometries; empty where it says nothing that can be read."""
    try:
        found = json.loads((metadata or {}).get(b"geo", b"{}"))
    except (ValueError, RecursionError):
        return {}
    primary = found.get("primary_column", "geometry") if isinstance(found, dict) else None
    return found if isinstance(primary, str) else {}


def _crs_text(path: Path, crs: object) -> str:
    """A CRS of GeoParquet (PROJJSON, or a name) as text that PROJ reads."""
    if not crs:
        return ""
    with _errors(path):
        try:
            return str(pyproj.CRS.from_user_input(crs).to_wkt())
        except pyproj.exceptions.CRSError as error:
            raise _TABLE.refuse(path, f"its CRS cannot be used ({error})") from None
