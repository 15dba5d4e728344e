"""Draw: labels drawn on the image, kept while they are drawn, and the way from them to a first map."""

from __future__ import annotations

import streamlit as st

import geo_xmodal as gx
from geo_xmodal.errors import GeoXmodalError
from geo_xmodal_app import drawings, first_map, navigation, workspace
from geo_xmodal_app.drawings import Drawing, drawing_id
from geo_xmodal_app.first_map import Progress
from geo_xmodal_app.layers import scene_layers, target_file
from geo_xmodal_app.messages import note, problem
from geo_xmodal_app.parts import choose, command_line, heading, is_active, job_of, scene_label, watch
from geo_xmodal_app.sessions import current_session
from geo_xmodal_app.settings import settings
from geo_xmodal_app.texts import literal
from geo_xmodal_app.viewer import Viewport, view
from geo_xmodal_app.waiting import show_waiting
from geo_xmodal_app.workspace import SceneEntry

_HEIGHT = 620


def show() -> None:
    """Show the page: a scene to draw on, or one that is being made."""
    heading("Draw labels", "Draw what you see, then train on it: a few areas of each class make a first map.")
    try:
        session = current_session()
        entries = {entry.id: entry for entry in workspace.scenes(session) if entry.problem is None}
        item = workspace.making(session, st.query_params.get("scene"))
        labels = {id_: scene_label(entry) for id_, entry in entries.items()}
        known = None if item is None else st.query_params["scene"]
        picked = choose("draw", "Scene", labels, "scene", first=True, known=known)
        if item is not None and picked is None:
            job = job_of(session, item)
            if job is not None:
                watch(session, job)
        elif picked is not None:
            _draw(session, entries[picked])
    except GeoXmodalError as error:
        problem(error)


def _draw(session: str, entry: SceneEntry) -> None:
    scene = entry.opened()
    if scene.points is not None:
        problem(f"{scene.name} is made of single samples: there is no image to draw on")
        return
    drawings.begin(session, entry.id, scene)  # what the browser asks for is there
    shown = scene_layers(session, scene, visible=True)
    with st.container():  # what comes and goes above must not move what is below
        show_waiting(shown, lambda: scene_layers(session, scene, visible=True))
    address = f"/drawing/{drawing_id(entry.id)}"
    if shown.layers:
        view(
            shown.layers,
            Viewport.of(target_file(scene)),
            f"draw-{entry.id}",
            basemap=settings().basemap,
            height=_HEIGHT,
            drawing=address,
        )
    # the browser may have saved since this run of the page began
    _train(session, entry, scene, drawings.begin(session, entry.id, scene), address)


def _train(session: str, entry: SceneEntry, scene: gx.Scene, drawing: Drawing, address: str) -> None:
    way = first_map.go_on(session, drawing)
    busy = way is not None and way.job is not None and is_active(way.job)
    count = len(drawing.drawn_classes)
    words, save, train = st.columns([3, 1, 1], vertical_alignment="center")
    words.write(_tested(drawing) if count > 1 else "Draw areas of two classes at least.")
    if drawing.polygons:
        save.link_button(
            "GeoPackage", f"{address}/package", icon=":material/download:", width="stretch",
            help="What is drawn, in the scene's CRS, with names and colours.",
        )  # fmt: skip
    if train.button(
        "Train on these labels", type="primary", width="stretch", icon=":material/model_training:",
        disabled=count < 2 or busy,
        help="Makes a scene of them, trains auto with quick candidates, and maps the scene.",
    ):  # fmt: skip
        first_map.begin(session, entry, scene, drawings.begin(session, entry.id, scene))
        st.rerun()
    if way is not None:
        _progress(session, way)
    if count > 1:
        command_line("\n".join(first_map.commands(session, entry, scene, drawing)))


def _tested(drawing: Drawing) -> str:
    """How labels that are drawn will be tested, in words."""
    places = drawing.places
    single = [literal(one.name) for one in drawing.drawn_classes if places[one.id] < 2]
    if not single:
        return (
            "Part of what is drawn is kept for the test, in blocks apart from what is trained on. The more "
            "places of each class, the more the accuracy tells."
        )
    return (
        f"At one place alone: {', '.join(single)}. What lies in one place is trained on and **not tested**: "
        "the accuracy says nothing of it. Draw it in another place, too, to have it tested."
    )


def _progress(session: str, way: Progress) -> None:
    if way.map is not None:
        left, middle, right = st.columns(3)
        if left.button("View the map", type="primary", width="stretch", icon=":material/travel_explore:"):
            navigation.go("view", map=way.map)
        if middle.button("How well it does", width="stretch", icon=":material/fact_check:"):
            navigation.go("train", run=way.steps.run)
        if right.button("Train another method", width="stretch", icon=":material/model_training:"):
            navigation.go("train", scene=f"yours:{way.steps.scene}")
    elif way.job is not None:
        watch(session, way.job)
    else:
        note("what was trained on these labels before is not there any more: train again")
