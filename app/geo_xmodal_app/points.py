"""A scene of points on its page: how many of each class there are, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

import geo_xmodal as gx
from geo_xmodal.errors import SceneError
from geo_xmodal_app.messages import problem
from geo_xmodal_app.texts import literal

_MAX_SHOWN = 5_000
"""Points of the chart; more are drawn over each other, and take long to send."""

_MAX_READ = 2_000_000
_COLUMNS = ("x", "y", "class", "part")


def show_points(scene: gx.Scene) -> None:
    """Sensors, counts of classes, and a chart of the coordinates."""
    points = scene.points
    assert points is not None
    st.caption(
        f"{points.count:,} points at {points.places:,} places. They train and test, and make no map: a model "
        "trained on them maps a raster of the same bands."
    )
    st.dataframe(
        [
            {"sensor": name, "kind": one.kind, "use": "mapping" if name == scene.target else "training only"}
            for name, one in scene.config.modalities.items()
        ],
        hide_index=True,
        height="content",
    )
    try:
        found = _read(scene)
    except SceneError as error:
        problem(error)
        return
    classes = found[found["class"] != ""]
    st.dataframe(pd.crosstab(classes["class"], classes["part"]), height="content")
    placed = found.dropna(subset=["x", "y"])
    if len(placed):
        shown = placed.sample(min(len(placed), _MAX_SHOWN), random_state=0)
        st.scatter_chart(shown.assign(**{"class": shown["class"].map(_named)}), **_CHART)
        if len(shown) < len(placed):
            st.caption(literal(f"{len(shown):,} of {len(placed):,} points, drawn at random"))


_CHART: Mapping[str, Any] = {"x": "x", "y": "y", "color": "class", "size": 20}


def _named(name: str) -> str:
    return name or "without label"


def _read(scene: gx.Scene) -> pd.DataFrame:
    """The rows of points.csv, of a folder that anybody may have written.

    Raises:
        SceneError: It cannot be read.
    """
    assert scene.points is not None
    path = scene.folder / scene.points.file  # which lies there, or the scene would not have been opened
    try:
        return pd.read_csv(
            path,
            usecols=list(_COLUMNS),
            nrows=_MAX_READ,
            dtype={"x": float, "y": float, "class": str, "part": str},
            na_filter=True,
        ).fillna({"class": "", "part": ""})
    except (OSError, ValueError) as error:
        raise SceneError(f"{path}: cannot be read ({' '.join(str(error).split())[:200]})") from None
