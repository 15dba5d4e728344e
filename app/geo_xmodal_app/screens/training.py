"""Train: a scene, a method and its options to a run; live curves, then the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

import geo_xmodal as gx
from geo_xmodal.errors import GeoXmodalError
from geo_xmodal.requests import TrainCommand
from geo_xmodal_app import navigation, workspace
from geo_xmodal_app.curves import draw_curves, latest_log
from geo_xmodal_app.explanations import show_explanation
from geo_xmodal_app.fields import Field, Form
from geo_xmodal_app.findings import show_assumed
from geo_xmodal_app.inspection import assumed_of_scene
from geo_xmodal_app.measures import MEASURES, run_metrics
from geo_xmodal_app.messages import note, problem
from geo_xmodal_app.methods import ask_options, check_options, methods
from geo_xmodal_app.parts import (
    asked_or_shown,
    choose,
    command_line,
    download,
    earlier,
    heading,
    is_active,
    job_of,
    removal,
    scene_label,
    shown_command,
    start,
    state_words,
    watch,
)
from geo_xmodal_app.remarks import shown_name
from geo_xmodal_app.reports import show_report
from geo_xmodal_app.request_fields import given, option_fields
from geo_xmodal_app.shares import ask_shares
from geo_xmodal_app.texts import literal
from geo_xmodal_app.workspace import RUN, RunEntry, SceneEntry

DEFAULT_METHOD = "auto"
_MAX_SEEDS = 20


def show() -> None:
    """Show the page: one run, or what is to be trained."""
    heading("Train", "Learn from both sensors; what comes out maps with the target sensor alone.")
    asked_or_shown("train", "run", _ask, workspace.run, _run)


def _ask(session: str) -> None:
    _earlier(session)
    entries = {entry.id: entry for entry in workspace.scenes(session) if entry.problem is None}
    left, right = st.columns(2)
    with left:
        labels = {id_: scene_label(entry) for id_, entry in entries.items()}
        picked = choose("train", "Scene", labels, "scene", first=True)
    if picked is None:
        st.info("Choose a scene. Your own are made on the page **Scenes**.", icon=":material/layers:")
        return
    scene = entries[picked].opened()
    if not scene.has_labels("train"):
        problem(f"{scene.name} has no labels to train on; it can be mapped with a model that exists")
        return
    with right:
        method = choose_method()
    _options(session, entries[picked], scene, method)


def choose_method() -> str:
    """The method that the address names, the default where it names none."""
    with st.spinner("Looking up the methods ..."):
        known = methods()
    names = {name: name for name in sorted(known, key=lambda name: name != DEFAULT_METHOD)}
    method = choose("train", "Method", names, "method", first=True) or DEFAULT_METHOD
    st.caption(literal(known[method].summary))
    return method


def _options(session: str, entry: SceneEntry, scene: gx.Scene, method: str) -> None:
    known = methods()[method]
    settings: dict[str, str] = {}
    sensors = [name for name in scene.config.modalities if name not in scene.missing_modalities]
    columns = st.columns(4, vertical_alignment="bottom")
    form = Form("train", entry.id)
    choices = {name: name for name in sensors}
    target: str = form.ask(
        Field("target", "choice", "Target sensor", scene.target, choices, help="The sensor that maps."),
        columns[0],
    )
    others, used = [name for name in sensors if name != target], [target]
    if known.needs_auxiliary and not others:
        problem(f"{method} learns from two sensors, and {scene.name} has one: take auto, forest or svm")
        return
    if known.uses_auxiliary and others:
        asked_of = Field(
            "auxiliary", "choice", "Auxiliary sensor", others[0], {name: name for name in others},
            help="In training only.",
        )  # fmt: skip
        auxiliary = form.ask(asked_of, columns[1])
        used.append(auxiliary)
        if len(others) > 1:
            settings["auxiliary"] = auxiliary
    fields = option_fields(TrainCommand, dict.fromkeys(_OWN))
    seeds = replace(fields.pop("seeds"), high=_MAX_SEEDS)
    control = fields.pop("control")
    values = {"seeds": form.ask(seeds, columns[2]), "control": form.ask(control, columns[3])}
    settings |= ask_options(known.options, Form("train", method))
    values |= form.ask_all(fields.values(), folded="Options of the run")
    shares = ask_shares("what follows from how the labels were drawn", scene.classes, form)
    if shares.problem:
        problem(shares.problem)
        return
    names = {entry.folder: entry.name}
    try:
        check_options(method, settings)
        epochs = settings.pop("epochs", None)
        words = tuple(f"{key}={value}" for key, value in settings.items())
        asked: dict[str, Any] = {
            "scenes": (str(entry.folder),),
            "method": method,
            "target": target,
            "settings": words,
        }
        asked |= given({"epochs": epochs, **values})
        out = Path("runs", f"{scene.name}-{method}")
        shown = TrainCommand.checked({**asked, **shares.asked, "out": out})
        show_assumed(assumed_of_scene(scene, used))
    except GeoXmodalError as error:
        problem(error)
        return
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    line = shown_command(shown.argv(), session, names)
    with left:
        command_line(line)
    if right.button("Start training", type="primary", width="stretch", icon=":material/play_arrow:"):
        told = {"scene": entry.id, "method": method, "target": target, "command": line}
        item = workspace.new_item(session, "runs", f"{scene.name}-{method}", told)
        title = f"Train {method} on {scene.name}"
        request = TrainCommand.checked({**asked, **shares.written(item), "out": item / RUN})
        if start(session, title, request.argv(), item / RUN):
            navigation.go("train", run=item.name)


_OWN = ("scenes", "method", "target", "epochs", "budget", "settings", "shares", "out")
"""What this page asks for in its own way, or decides; epochs and the time for the choice are among the
settings of methods."""


def _earlier(session: str) -> None:

    def line(one: RunEntry) -> str:
        name = literal(shown_name(one.folder.parent))
        return f"**{name}**{state_words(session, one.folder, one.finished)}"

    lines = {one.id: line(one) for one in workspace.runs(session)}
    earlier("Earlier runs", lines, lambda id_: navigation.go("train", run=id_))


def _run(session: str, found: RunEntry) -> None:
    title, back = st.columns([5, 1], vertical_alignment="center")
    title.subheader(literal(found.id), anchor=False)
    if back.button("New run", icon=":material/add:", width="stretch"):
        navigation.go("train")
    job = job_of(session, found.folder)
    if job is not None and (is_active(job) or not found.finished):
        watch(session, job, lambda: _live(found))
        command_line(str(found.about.get("command", "")))
        removal(session, "runs", found.folder.parent, "train", job)
        return
    if not found.finished:
        problem("this run was interrupted, and no job is there to resume; start it anew")
        removal(session, "runs", found.folder.parent, "train", job)
        return
    _finished(session, found)


def _live(found: RunEntry) -> None:
    name, rows = latest_log(found.folder)
    if not rows:
        st.caption("The first curve comes after the first epoch; reading pixels comes before.")
        return
    if name:
        st.caption(f"Now: {literal(name)}")
    draw_curves(rows)


def _finished(session: str, found: RunEntry) -> None:
    metrics = run_metrics(found.folder)
    _measures(metrics)
    show_assumed(metrics.get("assumptions", ()))
    _gain(found, metrics)
    columns = st.columns(3)
    if columns[0].button("Map with this model", type="primary", width="stretch", icon=":material/map:"):
        navigation.go("map", model=f"run:{found.id}", scene=str(found.about.get("scene", "")))
    with columns[1]:
        download(session, found.folder / "report.html", "report", "Report", f"{found.id}-report.html")
    if columns[2].button("All files of this run", width="stretch", icon=":material/folder:"):
        navigation.go("files", run=found.id)
    with columns[2]:
        removal(session, "runs", found.folder.parent, "train", job_of(session, found.folder))
    report, curves, explained = st.tabs(["Report", "Curves", "Explanation"])
    with report:
        show_report(found.folder / "report.html")
    with curves:
        name, rows = latest_log(found.folder)
        st.caption(literal(name))
        draw_curves(rows)
    with explained:
        show_explanation(session, found)


def _measures(metrics: dict[str, Any]) -> None:
    mean, sd = metrics.get("mean", metrics), metrics.get("sd", {})
    for column, (key, label) in zip(st.columns(len(MEASURES)), MEASURES.items(), strict=True):
        value, spread = mean.get(key), sd.get(key)
        shown = "-" if value is None else f"{100 * value:.1f} %"
        column.metric(label, shown if spread is None else f"{shown} ± {100 * spread:.1f}", border=True)
    if metrics.get("transductive"):
        note("transductive: test pixels took part in training, unlabelled")


def _gain(found: RunEntry, metrics: dict[str, Any]) -> None:
    for line in metrics.get("notes", ()):
        note(line)
    if not metrics.get("gain"):
        if not metrics.get("notes"):
            st.caption(
                "What the auxiliary sensor is worth is not known: train with **Controls** to measure it."
            )
        return
    rows = [
        {
            "gain over": control.replace("_", " "),
            **{words: _points(gain.get(key)) for key, words in _GAINS.items()},
        }
        for control, gain in metrics["gain"].items()
    ]
    st.markdown("**What the auxiliary sensor is worth** (percentage points)")
    st.caption(_spread_words(metrics))
    st.dataframe(rows, hide_index=True, height="content")
    _better_control(found, metrics["gain"])


def _better_control(found: RunEntry, gains: dict[str, Any]) -> None:
    """The control that is ahead of the method by most, and a way to map with it."""
    measured = {name: one["oa"] for name, one in gains.items() if (one.get("oa") or {}).get("mean")}
    best = min(measured, key=lambda name: measured[name]["mean"], default=None)
    if best is None or measured[best]["mean"] >= 0:
        return
    loss, error = -measured[best]["mean"], measured[best].get("se")
    if error is None:
        told = "in one repetition, which may be luck"
    else:
        told = (
            "which is within the standard error"
            if loss <= error
            else "the auxiliary sensor did not help here"
        )
    note(
        f"the control {best.replace('_', ' ')} is ahead by {100 * loss:.1f} percentage points of overall "
        f"accuracy: {told}"
    )
    known = best in found.controls
    if known and st.button(f"Map with the control {best.replace('_', ' ')}", icon=":material/map:"):
        navigation.go("map", model=workspace.control_id(found, best), scene=str(found.about.get("scene", "")))


def _spread_words(metrics: dict[str, Any]) -> str:
    """What the numbers after ± are, and what one repetition cannot tell."""
    if len(metrics.get("seeds", ())) > 1:
        return "Mean ± standard error over repetitions. Negative: the control is the better model."
    return (
        "Of one repetition, so without a standard error: how much of it is luck, only several can tell. "
        "Negative: the control is the better model."
    )


_GAINS = {"oa": "overall accuracy", "aa": "average accuracy", "miou": "mean IoU"}


def _points(gain: dict[str, float | None] | None) -> str:
    if not gain or gain["mean"] is None:
        return "-"
    error = gain.get("se")
    return f"{100 * gain['mean']:+.1f}" + ("" if error is None else f" ± {100 * error:.1f}")
