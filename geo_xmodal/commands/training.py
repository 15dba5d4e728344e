"""`train`: a scene to a run folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import geo_xmodal as gx
from geo_xmodal.commands import process, several
from geo_xmodal.commands.console import Console
from geo_xmodal.commands.options import key_values, learned_from
from geo_xmodal.commands.parsing import command
from geo_xmodal.commands.results import accuracy_tables
from geo_xmodal.errors import UsageError
from geo_xmodal.named_options import option
from geo_xmodal.outputs import OLD, beside, check_writable
from geo_xmodal.requests import TrainCommand, TrainOptions
from geo_xmodal.small_files import real_path

_MAX_IN_NAME = 3
"""Scenes that the default run folder names."""


@command(TrainCommand)
@several.joining
def train(request: TrainCommand, console: Console) -> None:
    """Train, and say how good it is."""
    with several.together():
        pairs = key_values(request.settings) | _budget(request.budget, request.method)
        given = learned_from(request.scenes, request.chips, request.layout, console, request.allow_addresses)
    names = [given.name] if isinstance(given, gx.ChipSet) else [one.name for one in given]
    folder = request.out or Path("runs") / f"{_short(names)}-{request.method}"
    if not process.follows():
        check_writable(folder)
    asked = gx.TrainRequest(**request.part(TrainOptions), settings=pairs)
    if not request.resume and (folder / "metrics.json").is_file():
        older = beside(real_path(folder), OLD)
        console.note(f"the run in {folder} is kept until the new one is done, meanwhile as {older}", "note")
    with console.progress(long=lambda time: _cheaper(time, asked)) as progress:
        trained = gx.train_scene(given, folder, asked, progress, note=lambda line: console.warn(line, "note"))
    if process.follows():
        return
    console.assumed(trained.assumptions)
    console.result(
        trained.metrics,
        *accuracy_tables(trained.metrics),
        f"run: {folder}",
        f"report: {folder / 'report.html'}",
        f"to map: geo-xmodal map --model {folder} {_to_map(given, request.scenes)} --out map.tif",
    )


_SECONDS = {"s": 1, "m": 60, "h": 3600}


def _budget(text: str | None, method: str) -> dict[str, str]:
    """A time as the setting of the method that has one."""
    if text is None:
        return {}
    if method != "auto":
        raise UsageError(
            f"{option('budget')} is for {option('method', 'auto')}, which compares candidates; "
            f"{method} does not"
        )
    number, unit = text[:-1], text[-1:]
    if unit not in _SECONDS or not re.fullmatch(r"\d{1,6}(\.\d+)?", number) or not float(number):
        raise UsageError(f"{option('budget', text)}: give a time such as 90s, 5m or 1h")
    return {"budget": str(float(number) * _SECONDS[unit])}


def _to_map(given: tuple[gx.Scene, ...] | gx.ChipSet, named: Sequence[str]) -> str:
    """What the model may map first: a scene that it learned from, or any raster of the sensor."""
    if isinstance(given, gx.ChipSet) or given[0].points is not None:
        return "--input FILE"
    return f"--scene {named[0] if named and len(given) == 1 else given[0].folder}"


def _short(names: list[str]) -> str:
    """Names of scenes as part of a folder's."""
    return "+".join(names) if len(names) <= _MAX_IN_NAME else f"{names[0]}+{len(names) - 1}"


def _cheaper(time: str, request: gx.TrainRequest) -> str:
    """How long it takes, and what would take less."""
    seeds = f"{request.seeds} seeds" if request.seeds > 1 else "one seed"
    controls = " with controls" if request.control else ""
    less = [
        *(["fewer seeds (--seeds 1)"] if request.seeds > 1 else []),
        *(["no controls (without --control)"] if request.control else []),
        "fewer epochs (--epochs)",
        "--method svm, which takes seconds",
    ]
    return (
        f"about {time} to go, for {seeds} of {request.method}{controls}; less with {', '.join(less)}; "
        "Ctrl-C stops it, --resume goes on"
    )
