"""Spectral response functions from files: GeoJSON without places (as EnMAP-Box ships them), and CSV."""

from __future__ import annotations

import csv
import itertools
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from geo_xmodal.errors import ResponseError
from geo_xmodal.raster import to_nanometres
from geo_xmodal.simulate.response import SpectralResponse, joined
from geo_xmodal.small_files import SmallFile, parse_json, read_text, validated

_FILE = SmallFile(
    "spectral responses (GeoJSON or CSV)",
    ResponseError,
    "give one feature a band with properties.response, or a table with the wavelength first",
    8 << 20,  # those of real sensors have one or two millions
)

_MAX_BANDS = 4096
_DELIMITERS = ",;\t"

_Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
_Numbers = Annotated[list[float], Field(min_length=2)]


class _Curve(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)
    x: _Numbers
    y: _Numbers
    xUnit: str = ""  # noqa: N815 - the key in the file


class _Properties(BaseModel):
    name: _Name
    response: _Curve


class _Feature(BaseModel):
    properties: _Properties


class _Collection(BaseModel):
    name: str = ""
    description: str = ""
    features: Annotated[list[_Feature], Field(min_length=1, max_length=_MAX_BANDS)]


def read_response(path: Path | str) -> SpectralResponse:
    """Spectral responses from a GeoJSON or a CSV file.

    A GeoJSON has one feature a band: `properties.name`, and `properties.response` with the lists `x`
    (wavelengths) and `y`, and `xUnit`. A CSV has a header, the wavelength in its first column and one
    column a band, divided by comma, semicolon or tab. Without a unit (`xUnit`, or in the header of the
    CSV's first column), wavelengths below 100 are micrometres and others nanometres.

    Raises:
        ResponseError: Missing, too large, or not such a file (what is wrong, and where).
    """
    path = Path(path)
    text = read_text(path, _FILE)
    is_json = text.lstrip().startswith("{")
    collection = validated(_Collection, parse_json(text, path, _FILE), path, _FILE) if is_json else None
    try:
        return _from_csv(text, path.stem) if collection is None else _from_geojson(collection, path.stem)
    except ResponseError as error:
        raise ResponseError(f"{path}: {error}") from None


def _from_geojson(collection: _Collection, stem: str) -> SpectralResponse:
    curves = [feature.properties for feature in collection.features]
    for curve in curves:
        if len(curve.response.x) != len(curve.response.y):
            raise ResponseError(
                f"band {curve.name!r}: {len(curve.response.x)} wavelengths for {len(curve.response.y)} values"
            )
    return _response(
        [(curve.name, curve.response.x, curve.response.y, curve.response.xUnit) for curve in curves],
        collection.name or stem,
    )


def _from_csv(text: str, stem: str) -> SpectralResponse:
    lines = text.splitlines()
    delimiter = max(_DELIMITERS, key=lambda mark: lines[0].count(mark) if lines else 0)
    try:
        table = [row for row in csv.reader(lines, delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise ResponseError(f"no spectral responses in CSV: {' '.join(str(error).split())}") from None
    header, rows = (table[0] if table else []), table[1:]
    if not 2 <= len(header) <= _MAX_BANDS or len(rows) < 2:
        raise ResponseError(
            f"{len(header)} columns and {len(rows)} rows below the header, expected a column of wavelengths, "
            "one column a band, and at least 2 rows"
        )
    numbers = np.array([_values(row, number, len(header)) for number, row in enumerate(rows, 2)])
    unit = re.search(r"\b(nm|nano\w*|um|µm|μm|micro\w*)\b", header[0].replace("_", " "), re.IGNORECASE)
    nm = numbers[:, 0].tolist()
    return _response(
        [
            (name.strip(), nm, column.tolist(), unit[1] if unit else "")
            for name, column in zip(header[1:], numbers[:, 1:].T, strict=True)
        ],
        stem,
    )


def _values(row: Sequence[str], number: int, columns: int) -> list[float]:
    try:
        values = [float(cell) for cell in row]
    except ValueError as error:
        raise ResponseError(f"row {number}: {error}") from None
    if len(values) != columns or not all(map(math.isfinite, values)):
        raise ResponseError(f"row {number}: expected {columns} numbers, found {', '.join(row)[:80]}")
    return values


def _response(
    bands: Sequence[tuple[str, Sequence[float], Sequence[float], str]], sensor: str
) -> SpectralResponse:
    curves = []
    for name, x, y, unit in bands:
        if not name.isprintable() or not name:
            raise ResponseError(f"band name {name[:40]!r}: expected printable text")
        if not all(a < b for a, b in itertools.pairwise(x)):
            raise ResponseError(f"band {name!r}: wavelengths must rise")
        factor = to_nanometres(x[-1], unit) / x[-1] if x[-1] > 0 else 1.0
        curves.append((name, factor * np.array(x), np.array(y)))
    words = " ".join(sensor.split())
    return joined(curves, words if words.isprintable() else "")
