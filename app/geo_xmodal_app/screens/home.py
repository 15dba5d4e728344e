"""The first page: the way from files to a map, and what there is already."""

from __future__ import annotations

import streamlit as st

from geo_xmodal.errors import GeoXmodalError
from geo_xmodal_app import navigation, workspace
from geo_xmodal_app.jobs import queue
from geo_xmodal_app.messages import problem
from geo_xmodal_app.parts import heading, is_active, state_words, watch
from geo_xmodal_app.remarks import shown_name
from geo_xmodal_app.sessions import current_session
from geo_xmodal_app.texts import literal

_STEPS = (
    (
        "scenes", ":material/layers:", "1. A scene",
        "Two sensors over one place, and labels: a sample, or your own GeoTIFFs.", "Choose or make a scene",
    ),
    (
        "train", ":material/model_training:", "2. A model",
        "Learns from both sensors where both exist, and maps with one of them alone.", "Train",
    ),
    (
        "map", ":material/map:", "3. A map",
        "Any scene or GeoTIFF of the same sensor becomes a land-cover map.", "Map",
    ),
    (
        "view", ":material/travel_explore:", "4. The result",
        "Classes, sensors and probabilities on one map; areas in hectares; two maps compared.", "View",
    ),
)  # fmt: skip

_MAX = 5


def show() -> None:
    """Show the page."""
    heading(
        "geo_xmodal",
        "Land-cover maps from a sensor that is everywhere, trained with one that is not.",
    )
    for column, (target, icon, title, text, button) in zip(st.columns(4), _STEPS, strict=True):
        with column.container(border=True, height="stretch"):
            st.markdown(f"#### {icon} {title}")
            st.write(text)
            if st.button(
                button, key=target, width="stretch", type="primary" if target == "scenes" else "secondary"
            ):
                navigation.go(target)
    try:
        _recent(current_session())
    except GeoXmodalError as error:
        problem(error)


def _recent(session: str) -> None:
    for job in queue().jobs(session):
        if is_active(job):
            watch(session, job)
    left, right = st.columns(2)
    with left:
        st.subheader("Your maps", anchor=False)
        maps = workspace.finished_maps(session)[:_MAX]
        for entry in maps:
            if st.button(
                literal(shown_name(entry.folder)),
                key=f"map-{entry.id}",
                icon=":material/map:",
                type="tertiary",
            ):
                navigation.go("view", map=entry.id)
        if not maps:
            st.caption(
                "None yet. The quickest way to one: **Map**, the model that comes with geo_xmodal, "
                "and the sample scene berlin."
            )
    with right:
        st.subheader("Your training runs", anchor=False)
        runs = workspace.runs(session)[:_MAX]
        for one in runs:
            words = literal(shown_name(one.folder.parent)) + state_words(session, one.folder, one.finished)
            if st.button(words, key=f"run-{one.id}", icon=":material/model_training:", type="tertiary"):
                navigation.go("train", run=one.id)
        if not runs:
            st.caption("None yet. **Train** on a sample scene is a good start.")
