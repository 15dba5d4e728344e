"""Scenes: what there is, what one holds, and the way to a new one."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

import geo_xmodal as gx
from geo_xmodal.errors import GeoXmodalError
from geo_xmodal_app import navigation, workspace
from geo_xmodal_app.drafts import ROOM as DRAFTS
from geo_xmodal_app.drafts import ClassEdit, SceneEdits, drafts, edit_scene
from geo_xmodal_app.fields import Form
from geo_xmodal_app.findings import legend_entries, show_findings
from geo_xmodal_app.inspection import (
    LabelFinding,
    RasterFinding,
    assumed_of_scene,
    inspect_labels,
    inspect_raster,
)
from geo_xmodal_app.messages import problem
from geo_xmodal_app.parts import ORIGINS, choose, command_line, heading, job_of, removal, scene_label, watch
from geo_xmodal_app.points import show_points
from geo_xmodal_app.screens import wizard
from geo_xmodal_app.sessions import current_session, new_id
from geo_xmodal_app.sources import source_files
from geo_xmodal_app.texts import literal
from geo_xmodal_app.workspace import SceneEntry


def show() -> None:
    """Show the page: the scenes, one of them, or the wizard."""
    try:
        session = current_session()
        if "new" in st.query_params:
            wizard.show(session, st.query_params["new"])
            return
        heading("Scenes", "One place on one grid: a target sensor, mostly an auxiliary sensor, and labels.")
        entries = {entry.id: entry for entry in workspace.scenes(session)}
        wanted = st.query_params.get("scene")
        item = workspace.making(session, wanted)
        left, right = st.columns([4, 1], vertical_alignment="bottom")
        with left:
            labels = {id_: scene_label(entry) for id_, entry in entries.items()}
            picked = choose("scenes", "Scene", labels, "scene", known=None if item is None else wanted)
        if right.button("New scene", icon=":material/add:", type="primary", width="stretch"):
            navigation.go("scenes", new=new_id())
        if item is not None and picked is None:
            _making(session, item)
        elif picked is None:
            _unfinished(session)
            _drafts(session)
            _all(list(entries.values()))
        else:
            _one(session, entries[picked])
    except GeoXmodalError as error:
        problem(error)


def _all(entries: list[SceneEntry]) -> None:
    st.dataframe(
        [
            {
                "scene": entry.name,
                "from": ORIGINS[entry.origin],
                "data": "unusable" if entry.problem else "simulated" if entry.simulated else "real",
                "description": entry.problem or entry.description,
            }
            for entry in entries
        ],
        hide_index=True,
        height="content",
    )
    st.caption("Choose one above, or make your own from two GeoTIFFs and labels with **New scene**.")


def _unfinished(session: str) -> None:
    """Scenes whose job has not made them: to look at, to go on with, or to remove."""
    for item in workspace.unmade(session):
        words, look = st.columns([5, 1], vertical_alignment="center")
        words.markdown(f"Not there yet: **{literal(item.name)}**")
        if look.button("Look at it", key=f"unmade {item.name}", width="stretch"):
            navigation.go("scenes", scene=f"yours:{item.name}")


def _drafts(session: str) -> None:
    """Scenes that were begun: to go on with, or to remove."""
    sources = source_files(session)
    for id_, draft in drafts(session).items():
        words, on, remove = st.columns([4, 1, 1], vertical_alignment="center")
        files = [sources[file].name for file in draft.files if file in sources]
        words.markdown(f"Begun: **{literal(draft.name or 'new scene')}** · {literal(', '.join(files))}")
        if on.button("Go on", key=f"draft {id_}", width="stretch"):
            navigation.go("scenes", new=id_)
        if remove.button("Remove", key=f"remove draft {id_}", width="stretch"):
            workspace.remove(session, DRAFTS, id_)
            st.rerun()


def _making(session: str, item: Path) -> None:
    job = job_of(session, item)
    if job is None:
        problem("making this scene was interrupted; make it anew")
    else:
        watch(session, job)
    command_line(str(workspace.about(item).get("command", "")))
    left, right, _ = st.columns([1, 1, 2])
    if left.button("Back to its files", width="stretch"):
        navigation.go("scenes", new=str(workspace.about(item).get("draft") or new_id()))
    with right:
        removal(session, "scenes", item, "scenes", job)


def _one(session: str, entry: SceneEntry) -> None:
    if entry.problem is not None:
        problem(entry.problem)
        if entry.origin == "yours":
            removal(session, "scenes", entry.folder.parent, "scenes")
        return
    scene = entry.opened()
    if entry.description:
        st.caption(literal(entry.description))
    columns = st.columns(5)
    for column, (target, label, icon) in zip(columns, _NEXT, strict=False):
        blocked = not scene.has_labels("train") if target == "train" else scene.points is not None
        if column.button(label, icon=icon, key=target, width="stretch", disabled=blocked):
            navigation.go(target, scene=entry.id)
    if entry.origin == "yours":
        with columns[4]:
            removal(session, "scenes", entry.folder.parent, "scenes")
    if scene.points is not None:
        show_points(scene)
    else:
        reference, others, labels = _findings(scene)
        legend = [(str(land.id), land.name, land.color) for land in scene.classes]
        show_findings(reference, others, labels, legend, assumed_of_scene(scene))
    if entry.origin == "yours" and scene.classes:
        _edit(entry, scene)


_NEXT = (
    ("train", "Train on it", ":material/model_training:"),
    ("map", "Map it", ":material/map:"),
    ("view", "View it", ":material/travel_explore:"),
    ("draw", "Draw labels", ":material/draw:"),
)


def _findings(scene: gx.Scene) -> tuple[RasterFinding, list[RasterFinding], list[LabelFinding]]:
    present = [name for name in scene.config.modalities if name not in scene.missing_modalities]
    for name in scene.missing_modalities:
        problem(f"{name}: {scene.modality(name).named} is not there")
    found = {name: inspect_raster(_first_file(scene, name), name) for name in present}
    labels = []
    for split, source in scene.config.labels.given():
        title = "labels" if split == "all" else f"{split} labels"
        path = scene.folder / source.file
        try:
            labels.append(inspect_labels(path, title + path.suffix, source.column, source.layer))
        except GeoXmodalError as error:
            problem(error)
    return found.pop(scene.target), list(found.values()), labels


def _first_file(scene: gx.Scene, name: str) -> Path:
    """The file of a sensor, or the first of several."""
    return scene.path(name) or scene.reader(name).files[0]


def _edit(entry: SceneEntry, scene: gx.Scene) -> None:
    with st.expander("Names and colours of the classes"):
        legend = [(str(land.id), land.name, land.color) for land in scene.classes]
        edited = legend_entries(legend, {}, Form("scenes", entry.id))
        if st.button("Save", key="save classes"):
            classes = tuple(
                ClassEdit(id=int(id_), name=name or id_, color=color) for id_, (name, color) in edited.items()
            )
            edit_scene(entry.folder, SceneEdits(classes=classes))
            st.rerun()
