"""Text tables of points (CSV): a row a point, with columns of coordinates whose CRS no file says."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely

from geo_xmodal.errors import VectorError
from geo_xmodal.named_options import option
from geo_xmodal.raster.class_names import number_of
from geo_xmodal.raster.features import Contents, FeatureTable, objects
from geo_xmodal.small_files import shortened

SUFFIXES = (".csv", ".tsv", ".txt")

DELIMITERS = ",;\t|"
MAX_COLUMNS = 1000
_MAX_HEADER_BYTES = 1 << 20
_MAX_LISTED = 20

_X = ("lon", "longitude", "x", "easting")
_Y = ("lat", "latitude", "y", "northing")


def coordinate_columns(names: Sequence[str]) -> tuple[str, str] | None:
    """The two columns (x, y) that are called after coordinates, if there are such."""
    folded = {name.casefold(): name for name in reversed(names)}
    pairs = zip(_X, _Y, strict=True)
    return next(((folded[x], folded[y]) for x, y in pairs if x in folded and y in folded), None)


def header(path: Path) -> tuple[tuple[str, ...], str]:
    """Names of the columns of a text table, and what divides them.

    Raises:
        VectorError: Its first line is no such list.
        UnicodeError, csv.Error, OSError: It is no text, or cannot be read.
    """
    with path.open("rb") as file:
        head = file.readline(_MAX_HEADER_BYTES)
    if b"\0" in head or len(head) == _MAX_HEADER_BYTES:
        raise VectorError(f"{path}: no table: its first line is no list of columns")
    line = head.decode("utf-8-sig").strip("\r\n")
    delimiter = max(DELIMITERS, key=line.count)
    names = tuple(next(csv.reader(io.StringIO(line), delimiter=delimiter, strict=True), []))
    if not 2 <= len(names) <= MAX_COLUMNS:
        raise VectorError(
            f"{path}: {len(names)} columns in its first line, expected 2 to {MAX_COLUMNS}, divided by "
            "commas, semicolons, tabs or bars"
        )
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise VectorError(f"{path}: {times} columns are called {shortened(name)!r}; rename them")
    return names, delimiter


def read_contents(path: Path, stamp: tuple[int, ...], coordinates: tuple[str, str] | None = None) -> Contents:
    """The points of a text table as one layer, without a CRS.

    Args:
        path: UTF-8; the first line names the columns.
        stamp: Of the file.
        coordinates: Columns of x and y; None takes those called lon and lat, longitude and latitude, x and y,
            or easting and northing.

    Raises:
        VectorError: It has no columns of coordinates, or they hold other things than numbers.
        UnicodeError, csv.Error, OSError: It is no text, or cannot be read.
    """
    table = _parsed(path, stamp, coordinates)
    return Contents(path.stem, tuple(table.columns), None, table)


@lru_cache(maxsize=2)
def _parsed(path: Path, _stamp: tuple[int, ...], coordinates: tuple[str, str] | None) -> FeatureTable:
    names, delimiter = header(path)
    xy = coordinates or coordinate_columns(names)
    if xy is None or not set(xy) <= set(names):
        listed = ", ".join(shortened(name) for name in names[:_MAX_LISTED])
        wrong = "no columns of coordinates are known" if xy is None else f"no columns {xy[0]!r} and {xy[1]!r}"
        raise VectorError(
            f"{path}: {wrong}; say which of its columns hold x and y "
            f"({option('coordinates', 'X,Y')}): {listed}"
        )
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.reader(file, delimiter=delimiter, strict=True) if row][1:]
    for number, row in enumerate(rows, 2):
        if len(row) != len(names):
            raise VectorError(
                f"{path}: row {number} has {len(row)} values, its first line {len(names)} columns"
            )
    texts = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    points = np.stack([_numbers(path, name, texts[name]) for name in xy], axis=1)
    known = np.isfinite(points).all(axis=1)
    geometries = objects([None] * len(rows))
    geometries[known] = shapely.points(points[known])
    others = {name: objects(_values(values)) for name, values in texts.items() if name not in xy}
    return FeatureTable(others, geometries)


def _numbers(path: Path, name: str, texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """Coordinates; NaN where the text is empty."""
    made = np.full(len(texts), np.nan)
    for place, text in enumerate(texts):
        plain = text.strip()
        if plain and plain.casefold() not in ("nan", "na", "null"):
            made[place] = number_of(plain)
            if math.isinf(made[place]):
                comma = ", with a decimal point" if "," in plain else ""
                raise VectorError(
                    f"{path}: column {shortened(name)!r} holds {shortened(repr(text))} in row {place + 2}, "
                    f"expected numbers{comma}"
                )
    return made


def _values(texts: Sequence[str]) -> list[object]:
    """Values of a column: numbers where all are, so that 3 and 3.0 are one."""
    numbers = [number_of(text.strip()) for text in texts if text.strip()]
    if not numbers or any(map(math.isinf, numbers)):
        return [text or None for text in texts]
    return [float(text) if text.strip() else None for text in texts]
