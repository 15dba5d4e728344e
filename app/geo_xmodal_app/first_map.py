"""From drawn labels to a map: a scene with them, a quick model, and its map, one job after another.

Which of them there are is kept beside the drawing, so that a reload or a second tab goes on where it was. The
next job is begun by whoever looks at the page when the one before has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

import geo_xmodal as gx
from geo_xmodal.errors import UsageError
from geo_xmodal.outputs import write_text
from geo_xmodal.requests import MapRequest, TrainCommand
from geo_xmodal.small_files import SmallFile, read_json_object, validated
from geo_xmodal.types import Kind
from geo_xmodal_app import workspace
from geo_xmodal_app.drafts import SCENE, align_words
from geo_xmodal_app.drawings import PACKAGE, Drawing, folder_of, write_package
from geo_xmodal_app.jobs import Job, queue
from geo_xmodal_app.parts import job_of, shown_command
from geo_xmodal_app.workspace import MAP, PICTURE, RUN, SceneEntry

CLASSES = "classes.toml"
"""The classes that are drawn, beside the labels in the folder of the scene's item."""

_QUICK, _TAUGHT = ("forest", "linear"), "taught_forest"
"""Candidates of the method `auto` that learn in seconds; the last learns from both sensors."""

_BUDGET = "30s"
_STEPS = "steps.json"
_FILE = SmallFile("the way to a first map", UsageError, "train on the labels again", 1 << 20)
_LOCK = threading.RLock()


class Steps(BaseModel):
    """Names of the items that were begun; empty before."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scene: str
    run: str = ""
    map: str = ""


@dataclass(frozen=True)
class Progress:
    """How far the way is.

    Attributes:
        steps: What was begun.
        job: The latest job, if it is known.
        map: The map, once it is there.
    """

    steps: Steps
    job: Job | None
    map: str | None


def commands(session: str, entry: SceneEntry, scene: gx.Scene, drawing: Drawing) -> tuple[str, ...]:
    """The command lines that do the same, with files named as the user knows them.

    Raises:
        UsageError: The scene is described in a way that `align` has no option for.
    """
    names, name = {entry.folder: entry.name}, _name(scene)
    made, run = Path(name), Path(f"{name}-auto")
    lines = (
        _align(scene, Path(), made, name),
        _train(scene, made, run),
        _map(made, run, Path()),
    )
    return tuple(shown_command(line, session, names) for line in lines)


def begin(session: str, entry: SceneEntry, scene: gx.Scene, drawing: Drawing) -> None:
    """Begin with the scene; an earlier way from this drawing is left as it is, and no longer looked at.

    Raises:
        UsageError: Fewer than two classes are drawn; the scene is described in a way that `align` has no
            option for; too many jobs wait.
        OutputError: The disk takes no file.
    """
    if len(drawing.drawn_classes) < 2:
        raise UsageError(
            f"{len(drawing.drawn_classes)} classes are drawn, expected two at least: draw another"
        )
    name = _name(scene)
    with _LOCK:
        line = commands(session, entry, scene, drawing)[0]
        item = workspace.new_item(session, "scenes", name, {"command": line, "drawn on": entry.id})
        write_package(drawing, scene, item / PACKAGE)
        gx.write_classes(drawing.drawn_classes, item / CLASSES)
        argv = _align(scene, item, item / SCENE, name)
        _submit(session, f"Make scene {item.name}", argv, item, item)
        _keep(session, drawing, Steps(scene=item.name))


def go_on(session: str, drawing: Drawing) -> Progress | None:
    """How far the way from a drawing is, after its next job was begun; None before the first.

    Raises:
        UsageError: Too many jobs wait.
        OutputError: The disk takes no file.
    """
    with _LOCK:
        steps = _load(session, drawing)
        if steps is None:
            return None
        made = workspace.scene(session, f"yours:{steps.scene}")
        if made is None or made.problem is not None:
            item = workspace.making(session, f"yours:{steps.scene}")
            return Progress(steps, None if item is None else job_of(session, item), None)
        if not steps.run:
            steps = _begin_training(session, drawing, steps, made)
        run = workspace.run(session, steps.run)
        if run is None or not run.finished:
            return Progress(steps, None if run is None else job_of(session, run.folder), None)
        if not steps.map:
            steps = _begin_mapping(session, drawing, steps, made, run.folder)
        found = workspace.find_map(session, steps.map)
        job = None if found is None else job_of(session, found.folder)
        done = found is not None and found.finished and (job is None or job.state == "done")
        return Progress(steps, job, steps.map if done else None)


def _begin_training(session: str, drawing: Drawing, steps: Steps, made: SceneEntry) -> Steps:
    scene = made.opened()
    line = shown_command(_train(scene, made.folder, Path("run")), session, {made.folder: made.name})
    told = {"scene": made.id, "method": "auto", "target": scene.target, "command": line}
    item = workspace.new_item(session, "runs", f"{made.name}-auto", told)
    argv = _train(scene, made.folder, item / RUN)
    _submit(session, f"Train auto on {made.name}", argv, item / RUN, item)
    return _keep(session, drawing, steps.model_copy(update={"run": item.name}))


def _begin_mapping(session: str, drawing: Drawing, steps: Steps, made: SceneEntry, run: Path) -> Steps:
    names = {made.folder: made.name, run: steps.run}
    line = shown_command(_map(made.folder, run, Path()), session, names)
    asked = {"model": steps.run, "input": made.name, "scene": made.id, "file": None, "command": line}
    item = workspace.new_item(session, "maps", steps.run, asked)
    argv = _map(made.folder, run, item)
    _submit(session, f"Map {made.name} with {steps.run}", argv, item, item)
    return _keep(session, drawing, steps.model_copy(update={"map": item.name}))


def _submit(session: str, title: str, argv: Sequence[str], folder: Path, item: Path) -> None:
    """Queue a job; an item that gets none goes, as every look at the page would leave another."""
    try:
        queue().submit(session, title, argv, folder)
    except UsageError:
        workspace.remove(session, item.parent.name, item.name)
        raise


def _align(scene: gx.Scene, files: Path, out: Path, name: str) -> list[str]:
    """Words of `align`: the sensors of a scene, and labels and classes that lie in `files`."""
    sensors = {
        key: one for key, one in scene.config.modalities.items() if key not in scene.missing_modalities
    }
    for key, one in sensors.items():
        if one.nodata is not None or one.resampling is not None:
            raise UsageError(
                f"{scene.name}: its scene.toml sets nodata or resampling of {key}, which a new scene cannot "
                "take over: write the value into the file (gdal_edit.py -a_nodata)"
            )
    others = [key for key in sensors if key != scene.target]
    power = {one.scale for one in sensors.values() if gx.KINDS[one.kind].power}
    if len(power) > 1:
        raise UsageError(f"{scene.name}: one radar holds decibels and another linear power: convert one")
    words = align_words(
        (sensors[scene.target].kind, _file(scene, scene.target)),
        [(sensors[key].kind, _file(scene, key)) for key in others],
        {},
        {},
        "db" if power == {"db"} else None,
        name,
    )
    bands = _bands(scene, [scene.target, *others])
    labels = [f"--labels={files / PACKAGE}:{gx.LABEL_COLUMN}", f"--classes={files / CLASSES}"]
    return ["align", str(out), *words, *bands, *labels]


def _file(scene: gx.Scene, name: str) -> Path:
    places = scene.modality(name).places(scene.folder)
    if len(places) != 1 or not isinstance(places[0], Path):
        raise UsageError(
            f"{scene.name}: {name} has {len(places)} files, expected one to train from here: make the scene "
            "with copies of its sensors"
        )
    return places[0]


def _bands(scene: gx.Scene, names: Sequence[str]) -> list[str]:
    """Options for the bands that the scene uses, where these are not all; sensors as `align` names them."""
    taken: dict[Kind, int] = {}
    words = []
    for name in names:
        one = scene.modality(name)
        taken[one.kind] = taken.get(one.kind, 0) + 1
        if one.bands is None and not one.invalid_bands:
            continue
        count = gx.describe_raster(_file(scene, name)).count
        used = [band for band in one.bands or range(1, count + 1) if band not in one.invalid_bands]
        key = one.kind + (str(taken[one.kind]) if taken[one.kind] > 1 else "")
        words.append(f"--bands={key}={','.join(map(str, used))}")
    return words


def _train(scene: gx.Scene, folder: Path, out: Path) -> list[str]:
    several = len(scene.config.modalities) - len(scene.missing_modalities) > 1
    candidates = ((_TAUGHT,) if several else ()) + _QUICK
    settings = (f"candidates={','.join(candidates)}",)
    asked = {"scenes": (str(folder),), "method": "auto", "budget": _BUDGET, "settings": settings, "out": out}
    return TrainCommand.checked(asked).argv()


def _map(folder: Path, run: Path, out: Path) -> list[str]:
    outputs = {"out": out / MAP, "picture": out / PICTURE}
    asked = {"model": str(run), "scene": str(folder), "probability": True, **outputs}
    return MapRequest.checked(asked).argv()


def _name(scene: gx.Scene) -> str:
    return scene.name if scene.name.endswith("-drawn") else f"{scene.name}-drawn"


def _load(session: str, drawing: Drawing) -> Steps | None:
    path = folder_of(session, drawing) / _STEPS
    return validated(Steps, read_json_object(path, _FILE), path, _FILE) if path.is_file() else None


def _keep(session: str, drawing: Drawing, steps: Steps) -> Steps:
    write_text(folder_of(session, drawing) / _STEPS, steps.model_dump_json() + "\n")
    return steps
