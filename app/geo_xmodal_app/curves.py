"""Curves of a run while it trains: loss terms and validation, from its log.jsonl."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

COLORS = ("#332288", "#117733", "#cc6677", "#88ccee", "#ddcc77", "#aa4499", "#44aa99", "#882255")
"""That colour-blind readers tell apart."""

_HEIGHT = 280
_MEASURES = {"oa": "overall accuracy", "aa": "average accuracy", "loss": "loss"}

Rows = Sequence[Mapping[str, Any]]


def latest_log(folder: Path) -> tuple[str, list[dict[str, Any]]]:
    """Name and rows of the log of a run folder that was written last; of several seeds and controls."""
    logs = sorted(folder.rglob("log.jsonl"), key=lambda path: path.stat().st_mtime)
    if not logs:
        return "", []
    place = logs[-1].parent.relative_to(folder).as_posix()
    rows = []
    for line in logs[-1].read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return ("" if place == "." else place.replace("/", ", ").replace("_", " ")), rows


def draw_curves(rows: Rows) -> None:
    """Loss terms beside validation, over epochs."""
    left, right = st.columns(2)
    losses = [
        {"epoch": row["epoch"], "term": name, "value": value}
        for row in rows
        for name, value in row.get("loss", {}).items()
    ]
    with left:
        st.caption("Loss, by term")
        _lines(losses, "value", zero=False)
    validation = [
        {"epoch": row["epoch"], "term": _MEASURES.get(name, name), "value": value}
        for row in rows
        for name, value in row.get("validation", {}).items()
        if isinstance(value, int | float)
    ]
    with right:
        st.caption("On validation pixels, held out of the training labels")
        if validation:
            _lines(validation, "value", zero=False)
        else:
            st.caption("Comes with the last stage of the training.")


def _lines(points: Sequence[Mapping[str, Any]], value: str, *, zero: bool) -> None:
    import altair  # half a second, and only this page draws
    import pandas

    terms = list(dict.fromkeys(point["term"] for point in points))
    chart = (
        altair.Chart(pandas.DataFrame(list(points)))
        .mark_line(point={"size": 18}, strokeWidth=2)
        .encode(
            x=altair.X("epoch:Q", title="epoch", axis=altair.Axis(tickMinStep=1, format="d")),
            y=altair.Y(f"{value}:Q", title=None, scale=altair.Scale(zero=zero)),
            color=altair.Color(
                "term:N",
                title=None,
                scale=altair.Scale(domain=terms, range=[COLORS[i % len(COLORS)] for i in range(len(terms))]),
                legend=altair.Legend(orient="top"),
            ),
            tooltip=["epoch", "term", altair.Tooltip(f"{value}:Q", format=".4f")],
        )
        .properties(height=_HEIGHT)
    )
    st.altair_chart(chart, width="stretch")
