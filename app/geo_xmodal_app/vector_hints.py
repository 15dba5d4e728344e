"""What a page asks about a vector file that does not say it: its CRS, and the columns of coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

import geo_xmodal as gx
from geo_xmodal.errors import GeoXmodalError
from geo_xmodal_app.fields import Field, Form
from geo_xmodal_app.messages import problem
from geo_xmodal_app.texts import literal, plain

_DEGREES = "EPSG:4326"
_ANOTHER = "another"


def ask_hints(
    form: Form,
    path: Path,
    name: str,
    layer: str | None = None,
    known: Mapping[str, str] | None = None,
    before: gx.VectorHints | None = None,
) -> gx.VectorHints | None:
    """What a vector file does not say, as it is answered; None while an answer is missing.

    Nothing is taken for granted: a file without a CRS is used once somebody has said which it is in.

    Args:
        form: Takes the fields.
        path: The file.
        name: As the user knows it.
        layer: Of a file that has several.
        known: CRS that are likely, and whose they are.
        before: What was answered before.
    """
    before = before or gx.VectorHints()
    coordinates = before.coordinates
    columns = gx.table_columns(path)
    if columns and gx.coordinate_columns(columns) is None:
        coordinates = _ask_columns(form, name, columns, before.coordinates)
        if coordinates is None:
            return None
    opened = gx.open_layer(path, layer, gx.VectorHints(coordinates=coordinates))
    if opened.space.crs is not None:
        return gx.VectorHints(coordinates=coordinates)
    crs = _ask_crs(form, name, known or {}, before.crs)
    if crs is None:
        return None
    hints = gx.VectorHints(crs, coordinates)
    try:
        gx.open_layer(path, layer, hints)
    except GeoXmodalError as error:
        problem(error, {path: name})
        return None
    return hints


def hint_options(told: gx.VectorHints) -> dict[str, Any]:
    """The answers as options of a command that reads one such file."""
    options: dict[str, Any] = {"assign_crs": (told.crs,)} if told.crs else {}
    return options | ({"coordinates": ",".join(told.coordinates)} if told.coordinates else {})


def _ask_columns(
    form: Form, name: str, columns: tuple[str, ...], before: tuple[str, str] | None
) -> tuple[str, str] | None:
    choices = {column: column for column in columns}
    places = st.columns(2)
    picked = [
        form.ask(
            Field(f"column of {axis}", "choice", f"{literal(name)}: column of {axis}", known, choices),
            place,
            placeholder="Choose a column",
        )
        for axis, place, known in zip(("x", "y"), places, before or (None, None), strict=True)
    ]
    return (picked[0], picked[1]) if all(picked) else None


def _ask_crs(form: Form, name: str, known: Mapping[str, str], before: str | None) -> str | None:
    choices = {crs: f"{crs} ({plain(whose)})" for crs, whose in known.items()}
    choices |= {_DEGREES: f"{_DEGREES} (longitude and latitude)", _ANOTHER: "another"}
    start = before if before in choices or before is None else _ANOTHER
    left, right = st.columns(2, vertical_alignment="bottom")
    asked = Field("crs", "choice", f"{literal(name)} has no CRS: it is in", start, choices)
    picked: str | None = form.ask(asked, left, placeholder="Choose a CRS")
    if picked != _ANOTHER:
        return picked
    text: str = form.ask(
        Field("another crs", "text", "Its code, such as EPSG:32633", before if start == _ANOTHER else ""),
        right,
    )
    return text or None
