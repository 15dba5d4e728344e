"""Curves of a run while it trains: loss terms and validation, from its log.jsonl."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st

from geo_xmodal.errors import UsageError
from geo_xmodal.small_files import SmallFile, read_json_lines

COLORS = ("#332288", "#117733", "#cc6677", "#88ccee", "#ddcc77", "#aa4499", "#44aa99", "#882255")
DARK_COLORS = ("#77aadd", "#ee8866", "#eedd88", "#ffaabb", "#99ddff", "#44bb99", "#bbcc33", "#dddddd")
"""That colour-blind readers tell apart: Paul Tol's "muted" on a light page, his "light" on a dark one."""

MAX_EPOCHS = 300
"""Points of a curve: more than a screen tells apart."""

_HEIGHT = 280
_LOG = SmallFile("the log of a run, one JSON object an epoch", UsageError, "train again", 64 << 20)
_MEASURES = {"oa": "overall accuracy", "aa": "average accuracy", "loss": "loss"}

Rows = Sequence[Mapping[str, Any]]


def latest_log(folder: Path) -> tuple[str, list[dict[str, Any]]]:
    """Name and rows of the log of a run folder that was written last; of several seeds and controls."""
    logs = sorted(folder.rglob("log.jsonl"), key=lambda path: path.stat().st_mtime)
    if not logs:
        return "", []
    stat = logs[-1].stat()
    rows = _read(logs[-1], stat.st_size, stat.st_mtime_ns)
    place = logs[-1].parent.relative_to(folder).as_posix()
    return ("" if place == "." else place.replace("/", ", ").replace("_", " ")), rows


@lru_cache(maxsize=16)
def _read(log: Path, size: int, changed: int) -> list[dict[str, Any]]:
    """Rows of a log of this size and time of change; every tab asks for the same every second."""
    try:
        return read_json_lines(log, _LOG)[0]
    except UsageError:
        return []


def draw_curves(rows: Rows) -> None:
    """Loss terms beside validation, over epochs."""
    rows = thinned(rows)
    left, right = st.columns(2)
    losses = [
        {"epoch": row["epoch"], "term": name, "value": value}
        for row in rows
        for name, value in row.get("loss", {}).items()
    ]
    with left:
        st.caption("Loss, by term")
        _lines(losses)
    validation = [
        {"epoch": row["epoch"], "term": _MEASURES.get(name, name), "value": value}
        for row in rows
        for name, value in row.get("validation", {}).items()
        if isinstance(value, int | float)
    ]
    with right:
        st.caption("On validation pixels, held out of the training labels")
        if validation:
            _lines(validation)
        else:
            st.caption("Comes with the last stage of the training.")


def thinned(rows: Rows, most: int = MAX_EPOCHS) -> Rows:
    """At most so many rows, evenly spread, with the last: the page is sent them anew every second."""
    step = max(1, math.ceil(len(rows) / most))
    return rows[::-step][::-1]


def _lines(points: Sequence[Mapping[str, Any]]) -> None:
    terms = list(dict.fromkeys(point["term"] for point in points))
    colors = DARK_COLORS if st.context.theme.type == "dark" else COLORS
    # Written out: altair takes a second to import, and checks every chart against its schema.
    spec = {
        "height": _HEIGHT,
        "mark": {"type": "line", "point": {"size": 18}, "strokeWidth": 2, "tooltip": True},
        "encoding": {
            "x": {
                "field": "epoch",
                "type": "quantitative",
                "title": "epoch",
                "axis": {"tickMinStep": 1, "format": "d"},
            },
            "y": {"field": "value", "type": "quantitative", "title": None, "scale": {"zero": False}},
            "color": {
                "field": "term",
                "type": "nominal",
                "title": None,
                "scale": {"domain": terms, "range": [colors[i % len(colors)] for i in range(len(terms))]},
                "legend": {"orient": "top"},
            },
        },
    }
    st.vega_lite_chart(list(points), spec, width="stretch")
