"""The explanation of a run's model: asked for, watched, and shown as pictures and sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from geo_xmodal.errors import GeoXmodalError, UsageError
from geo_xmodal.outputs import unfinished
from geo_xmodal.requests import ExplainRequest
from geo_xmodal.requests.explaining import RUN_FOLDER
from geo_xmodal.small_files import SmallFile, read_json_object
from geo_xmodal_app import navigation, workspace
from geo_xmodal_app.fields import Form
from geo_xmodal_app.images import show_image
from geo_xmodal_app.layers import ROUTINE_TITLES
from geo_xmodal_app.messages import note, problem
from geo_xmodal_app.parts import command_line, download, is_active, job_of, shown_command, start, watch
from geo_xmodal_app.request_fields import given, option_fields
from geo_xmodal_app.texts import literal
from geo_xmodal_app.workspace import RunEntry

_JSON, _PAGE = "explanation.json", "explanation.html"
_FILE = SmallFile("the numbers of an explanation", UsageError, "explain again", 64 << 20)
_WIDTH = 1000
_OWN = ("model", "scene", "out")
"""What this page decides."""


def explained(run: RunEntry) -> bool:
    """Whether a whole explanation of the run's model is there."""
    folder = _folder(run)
    return (folder / _JSON).is_file() and unfinished(folder) is None


def maps_of(run: RunEntry) -> list[Path]:
    """The maps of an explanation, each a GeoTIFF on the scene's grid."""
    return sorted(_folder(run).glob("*.tif"))


def show_explanation(session: str, run: RunEntry) -> None:
    """Show what the model of a finished run looks at, or what an explanation needs."""
    job = job_of(session, _folder(run))
    if job is not None and (is_active(job) or not explained(run)):
        watch(session, job)
        if is_active(job):
            return
    if explained(run):
        _found(session, run)
        with st.expander("Explain again"):
            _ask(session, run)
    else:
        st.caption("Which bands and places decide: figures, numbers, and maps of where the model looks.")
        _ask(session, run)


def _folder(run: RunEntry) -> Path:
    return run.folder / RUN_FOLDER


def _ask(session: str, run: RunEntry) -> None:
    scene = workspace.scene(session, str(run.about.get("scene", "")))
    if scene is None:
        problem("the scene of this run is not here any more; there is nothing to explain the model on")
        return
    form = Form("explain", run.id)
    values = form.ask_all(option_fields(ExplainRequest, dict.fromkeys(_OWN)).values())
    asked = {"model": str(run.folder), "scene": str(scene.folder), **given(values)}
    try:
        request = ExplainRequest.checked(asked)
    except GeoXmodalError as error:
        problem(error)
        return
    command_line(shown_command(request.argv(), session, {scene.folder: scene.name}))
    if st.button("Explain", type="primary", icon=":material/psychology:") and start(
        session, f"Explain {run.id}", request.argv(), _folder(run)
    ):
        st.rerun()


def _found(session: str, run: RunEntry) -> None:
    folder = _folder(run)
    numbers = read_json_object(folder / _JSON, _FILE)
    for line in numbers.get("notes", ()):
        note(str(line))
    for name, routine in _routines(numbers).items():
        title = ROUTINE_TITLES.get(name, name)
        st.markdown(f"**{literal(title)}**")
        st.write(literal(str(routine.get("says", ""))))
        picture = folder / f"{name}.png"
        if picture.is_file():
            show_image(picture, f"{title}: {routine.get('says', '')}", _WIDTH)
    for name, why in numbers.get("left_out", {}).items():
        st.caption(literal(f"{ROUTINE_TITLES.get(name, name)}: left out, {why}"))
    left, right, numbers_column = st.columns(3)
    with left:
        download(session, folder / _PAGE, "report", "Explanation", f"{run.id}-explanation.html")
    with right:
        download(session, folder / _JSON, "other", "Numbers (JSON)", f"{run.id}-explanation.json")
    if maps_of(run) and numbers_column.button(
        "Show on the map", width="stretch", icon=":material/travel_explore:"
    ):
        navigation.go("view", scene=str(run.about.get("scene", "")), explained=run.id)


def _routines(numbers: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = numbers.get("routines")
    return found if isinstance(found, dict) else {}
