"""Validate: check points on the image one by one, or labels of one's own, and what they say of a map."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

import geo_xmodal as gx
from geo_xmodal.errors import GeoXmodalError, UsageError
from geo_xmodal.requests import EvaluateRequest
from geo_xmodal.small_files import SmallFile, read_json_object
from geo_xmodal.types import LandClass, Window
from geo_xmodal_app import check_points, navigation, workspace
from geo_xmodal_app.check_points import MAX_POINTS, CheckPoint, CheckPoints
from geo_xmodal_app.chips import chip
from geo_xmodal_app.fields import Field, Form
from geo_xmodal_app.images import show_image
from geo_xmodal_app.inspection import inspect_labels, is_vector
from geo_xmodal_app.layers import map_legend
from geo_xmodal_app.messages import problem
from geo_xmodal_app.parts import (
    ask_layer,
    choose,
    command_line,
    download,
    heading,
    is_active,
    job_of,
    shown_command,
    start,
    uploaded,
    watch,
)
from geo_xmodal_app.reports import show_report
from geo_xmodal_app.request_fields import given, option_fields
from geo_xmodal_app.sessions import current_session
from geo_xmodal_app.sources import source_files
from geo_xmodal_app.texts import literal
from geo_xmodal_app.uploader import upload_files
from geo_xmodal_app.vector_hints import ask_hints, hint_options
from geo_xmodal_app.viewer import class_areas
from geo_xmodal_app.workspace import MapEntry

_POINTS, _LABELS = "Check points", "Labels that I have"
_FOLDER, _KEPT, _REFERENCE = "validation", "points.json", "reference.tif"
_METRICS = SmallFile("the accuracy of a map", UsageError, "evaluate it again", 64 << 20)
_CLOSE, _WIDE, _SIDE = 12, 60, 420
_PER_ROW = 2
_MEASURES = {"oa": "Overall accuracy", "aa": "Average accuracy", "macro_f1": "Macro F1", "kappa": "Kappa"}


def show() -> None:
    """Show the page."""
    heading("Validate", "How far a map can be trusted: accuracies, and areas with intervals.")
    try:
        session = current_session()
        maps = {entry.id: entry for entry in workspace.finished_maps(session)}
        picked = choose(
            "validate", "Map", {id_: id_ for id_ in maps}, "map", empty="Choose a map", first=True
        )
        if picked is None:
            if not maps:
                st.info("Make a map first: on the page **Map**.", icon=":material/map:")
            return
        entry, form = maps[picked], Form("validate", picked)
        asked = Field("with", "choice", "Validate with", _POINTS, {one: one for one in (_POINTS, _LABELS)})
        if form.ask(asked, look="buttons", hide_label=True) == _POINTS:
            _points(session, entry, form)
        else:
            _labels(session, entry, form)
    except GeoXmodalError as error:
        names = {one.path: one.name for one in source_files(current_session()).values()}
        problem(error, names)


def _points(session: str, entry: MapEntry, form: Form) -> None:
    folder = entry.folder / _FOLDER
    kept = check_points.load(folder / _KEPT)
    if kept is None:
        _draw(entry, form)
        return
    if kept.next is not None and not form.value("enough"):
        _ask_point(session, entry, form, kept)
    _evaluate_points(session, entry, form, kept)
    with st.popover("Draw other points", icon=":material/delete:"):
        st.write("The answers are removed.")
        if st.button("Remove the answers", type="primary"):
            shutil.rmtree(folder, ignore_errors=True)
            form.put("enough", False)
            st.rerun()


def _draw(entry: MapEntry, form: Form) -> None:
    legend = map_legend(entry.classes)
    counts = {one.id: one.pixels for one in class_areas(entry.classes, legend) if one.id}
    st.write(
        "Points are drawn at random within each class of the map. You see each on the image, without what "
        "the map says, and say what lies there: so errors of the map can be counted, and its areas corrected."
    )
    count: int = form.ask(_COUNT)
    seed: int = form.ask(_SEED)
    st.caption(f"{sum(min(count, pixels) for pixels in counts.values()):,} points of {len(counts)} classes")
    if st.button("Draw the points", type="primary", icon=":material/casino:"):
        points = check_points.draw(entry.classes, counts, count, seed)
        check_points.save(points, entry.folder / _FOLDER / _KEPT)
        st.rerun()


_COUNT = Field(
    "count", "integer", "Points of each class", 30, low=1, high=MAX_POINTS,
    help="50 or more of each class are usual for a map that is published.",
)  # fmt: skip
_SEED = Field(
    "seed", "integer", "Seed", 0, low=0, high=2**31 - 1, help="The same seed draws the same points."
)


def _ask_point(session: str, entry: MapEntry, form: Form, kept: CheckPoints) -> None:
    at = kept.next
    assert at is not None
    one = kept.points[at]
    st.progress(kept.answered / len(kept.points), text=f"Point {kept.answered + 1} of {len(kept.points)}")
    images = _images(session, entry)
    left, middle, right = st.columns([2, 2, 1.6])
    if images:
        shown = form.ask(
            Field("image", "choice", "Image", _with_data(images, one), {name: name for name in images})
        )
        for column, reach, words in ((left, _CLOSE, "close"), (middle, _WIDE, "around")):
            with column:
                show_image(chip(images[shown], one.row, one.col, reach, _SIDE), f"The point, {words}", _SIDE)
    else:
        left.caption("What the map was made from is not here any more: look the place up elsewhere.")
    with right:
        st.markdown("**What lies in the frame?**")
        st.caption(_place(entry, one.row, one.col))
        picked = _answer(map_legend(entry.classes))
        back, enough = st.columns(2)
        previous = at - 1
        if back.button("Back", disabled=previous < 0, width="stretch"):
            check_points.save(kept.with_answer(previous, None), entry.folder / _FOLDER / _KEPT)
            st.rerun()
        if enough.button("Stop here", width="stretch", disabled=not kept.answered):
            form.put("enough", True)
            st.rerun()
    if picked is not None:
        check_points.save(kept.with_answer(at, picked), entry.folder / _FOLDER / _KEPT)
        st.rerun()


def _with_data(images: Mapping[str, gx.WindowReader], one: CheckPoint) -> str:
    """The first sensor that has data at a point; an auxiliary sensor may cover a part of the map."""
    here = Window(one.row, one.col, 1, 1)
    for name, reader in images.items():
        if np.isfinite(reader.read(here)).any():
            return name
    return next(iter(images))


def _answer(legend: tuple[LandClass, ...]) -> int | None:
    """The class that was pressed; 0 for one that nobody can tell, None before."""
    picked = None
    columns = st.columns(_PER_ROW)
    for number, land in enumerate(legend):
        if columns[number % _PER_ROW].button(literal(land.name), key=f"answer-{land.id}", width="stretch"):
            picked = land.id
    if st.button("Cannot tell", width="stretch", type="tertiary"):
        picked = 0
    return picked


def _place(entry: MapEntry, row: int, col: int) -> str:
    grid = gx.describe_raster(entry.classes).grid
    x, y = grid.affine @ (col + 0.5, row + 0.5)
    return f"row {row}, column {col}" + ("" if grid.crs is None else f" · {x:.6g}, {y:.6g}")


def _images(session: str, entry: MapEntry) -> Mapping[str, gx.WindowReader]:
    """Sensors on the grid of a map, by name: those of its scene, or the file that it was made from."""
    grid = gx.describe_raster(entry.classes).grid
    scene = workspace.scene(session, str(entry.about.get("scene") or ""))
    file = source_files(session).get(str(entry.about.get("file") or ""))
    found: dict[str, gx.WindowReader] = {}
    if scene is not None and scene.problem is None:
        opened = scene.opened()
        for name in (*opened.auxiliary_modalities, opened.target):
            if name not in opened.missing_modalities:
                found[name.upper()] = opened.reader(name)
    elif file is not None:
        found[file.name] = gx.aligned_reader(file.path, kind=entry.about.get("kind") or "other")
    return {name: reader for name, reader in found.items() if reader.grid == grid}


def _evaluate_points(session: str, entry: MapEntry, form: Form, kept: CheckPoints) -> None:
    told = [one for one in kept.points if one.answer]
    unsure = sum(one.answer == 0 for one in kept.points)
    if kept.next is not None and not form.value("enough"):
        return
    st.write(f"{len(told)} of {len(kept.points)} points have an answer; {unsure} could not be told.")
    if kept.next is not None and st.button("Go on with the points"):
        form.put("enough", False)
        st.rerun()
    folder = entry.folder / _FOLDER
    reference = folder / _REFERENCE
    asked = {"map": entry.classes, "reference": str(reference), "sampled": True}
    write = partial(check_points.write_reference, entry.classes, kept.points, reference)
    if told:
        _ask_start(session, entry, asked, f"points of {entry.id}", "points", write)
    _result(session, entry, "points")


def _labels(session: str, entry: MapEntry, form: Form) -> None:
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    files = {id_: one for id_, one in source_files(session).items() if one.labels or one.is_raster}
    names = {id_: one.name for id_, one in files.items()}
    with right.popover("Upload labels", icon=":material/upload:", width="stretch"):
        upload_files(
            "Labels (GeoTIFF, GeoPackage, GeoJSON, zipped shapefile, KML, CSV)",
            "labels",
            key="validate-labels",
        )
        uploaded(session, "labels")
    asked = Field(
        "labels", "choice", "Labels", None, names, help="In any CRS; none that the model learned from."
    )
    picked = form.ask(asked, left, placeholder="Choose a file")
    if picked is None:
        return
    one, place = files[picked], ""
    hints: dict[str, Any] = {}
    if is_vector(one.name):
        own = Form("validate", picked)
        layer = ask_layer(own, left, gx.layer_names(one.path), "layer")
        crs = gx.describe_raster(entry.classes).crs
        known = {crs: "as the map"} if crs and crs.startswith("EPSG:") else {}
        told = ask_hints(own, one.path, one.name, layer, known)
        if told is None:
            return
        hints = hint_options(told)
        columns = {column: column for column in gx.open_layer(one.path, layer, told).columns}
        likely = inspect_labels(one.path, one.name, layer=layer, hints=told).column
        column = own.ask(Field(f"column of {layer}", "choice", "Class column", likely, columns), left)
        place = "".join(f":{part}" for part in (layer, column) if part)
    asked_for: dict[str, Any] = {"map": entry.classes, "reference": f"{one.path}{place}", "out": None}
    asked_for |= hints
    values = form.ask_all(option_fields(EvaluateRequest, asked_for).values())
    _ask_start(session, entry, asked_for | given(values), f"{one.name} of {entry.id}", "labels")
    _result(session, entry, "labels")


def _ask_start(
    session: str,
    entry: MapEntry,
    asked: Mapping[str, Any],
    what: str,
    out: str,
    prepare: Callable[[], None] = lambda: None,
) -> None:
    """A button that evaluates, once `prepare` has written what the command reads."""
    folder = entry.folder / _FOLDER / out
    names = {
        entry.classes: "map.tif",
        entry.folder / _FOLDER / _REFERENCE: _REFERENCE,
        **{one.path: one.name for one in source_files(session).values()},
    }
    job = job_of(session, folder)
    if job is not None and is_active(job):
        return
    shown, request = (EvaluateRequest.checked({**asked, "out": place}) for place in ("accuracy", folder))
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        command_line(shown_command(shown.argv(), session, names))
    if right.button("Evaluate", type="primary", width="stretch", icon=":material/play_arrow:"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        prepare()
        if start(session, f"Evaluate {what}", request.argv(), folder):
            st.rerun()


def _result(session: str, entry: MapEntry, out: str) -> None:
    folder = entry.folder / _FOLDER / out
    job = job_of(session, folder)
    if job is not None and (is_active(job) or job.state != "done"):
        watch(session, job, dismissible=True)
        if is_active(job):
            return
    report = folder / "report.html"
    if not report.is_file():
        return
    metrics = read_json_object(folder / "metrics.json", _METRICS)
    for column, (key, label) in zip(st.columns(len(_MEASURES)), _MEASURES.items(), strict=True):
        value = metrics.get(key)
        column.metric(label, "-" if value is None else f"{100 * value:.1f} %", border=True)
    download(session, report, "report", "Report", f"{entry.id}-accuracy.html")
    show_report(report)
    if st.button("To the map", icon=":material/travel_explore:"):
        navigation.go("view", map=entry.id)
