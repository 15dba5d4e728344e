"""`train`: a scene to a run folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

import geo_xmodal as gx
from geo_xmodal.commands import process, several
from geo_xmodal.commands.console import Console
from geo_xmodal.commands.options import (
    AllowAddresses,
    AnySceneNames,
    Chips,
    Device,
    HoldOut,
    Json,
    Layout,
    Precision,
    Resume,
    Shares,
    key_values,
    learned_from,
)
from geo_xmodal.commands.results import accuracy_tables
from geo_xmodal.errors import UsageError
from geo_xmodal.outputs import OLD, beside, check_writable
from geo_xmodal.small_files import real_path

_MAX_IN_NAME = 3
"""Scenes that the default run folder names."""


@several.joining
def train(
    scenes: AnySceneNames = None,
    chips: Chips = None,
    layout: Layout = None,
    hold_out: HoldOut = None,
    method: Annotated[str, typer.Option(help="How to learn: see geo-xmodal methods.")] = "auto",
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="How long auto may compare candidates: 90s, 5m or 1h (default: 5m); training what was "
            "chosen comes after.",
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="The sensor to map from (default: the scene's target).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run folder (default: runs/SCENE-METHOD).", show_default=False)
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the training pixels.")] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0, help="The first seed. It gives the same model on as many threads (OMP_NUM_THREADS)."
        ),
    ] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds, from --seed on.")] = 1,
    control: Annotated[
        bool, typer.Option("--control", help="Also train without the second sensor, to know its worth.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting: see geo-xmodal methods NAME."),
    ] = None,
    device: Device = "auto",
    precision: Precision = "float32",
    shares: Shares = None,
    resume: Resume = False,
    allow_addresses: AllowAddresses = False,
    json: Json = False,
) -> None:
    """Train on two sensors; what comes out maps with one."""
    console = Console(json, silent=process.follows())
    with several.together():
        pairs = key_values(settings or []) | _budget(budget, method)
        given = learned_from(scenes, chips, layout, console, allow_addresses)
    names = [given.name] if isinstance(given, gx.ChipSet) else [one.name for one in given]
    folder = out or Path("runs") / f"{_short(names)}-{method}"
    if not process.follows():
        check_writable(folder)
    request = gx.TrainRequest(
        method=method,
        target=target,
        epochs=epochs,
        seed=seed,
        seeds=seeds,
        control=control,
        settings=pairs,
        resume=resume,
        device=device,
        precision=precision,
        hold_out=tuple(hold_out or ()),
        shares=shares,
    )
    if not resume and (folder / "metrics.json").is_file():
        older = beside(real_path(folder), OLD)
        console.note(f"the run in {folder} is kept until the new one is done, meanwhile as {older}", "note")
    with console.progress(long=lambda time: _cheaper(time, request)) as progress:
        trained = gx.train_scene(
            given, folder, request, progress, note=lambda line: console.warn(line, "note")
        )
    if process.follows():
        return
    console.assumed(trained.assumptions)
    console.result(
        trained.metrics,
        *accuracy_tables(trained.metrics),
        f"run: {folder}",
        f"report: {folder / 'report.html'}",
        f"to map: geo-xmodal map --model {folder} {_to_map(given, scenes)} --out map.tif",
    )


_SECONDS = {"s": 1, "m": 60, "h": 3600}


def _budget(text: str | None, method: str) -> dict[str, str]:
    """A time as the setting of the method that has one."""
    if text is None:
        return {}
    if method != "auto":
        raise UsageError(f"--budget is for --method auto, which compares candidates; {method} does not")
    number, unit = text[:-1], text[-1:]
    if unit not in _SECONDS or not re.fullmatch(r"\d{1,6}(\.\d+)?", number) or not float(number):
        raise UsageError(f"--budget {text}: give a time such as 90s, 5m or 1h")
    return {"budget": str(float(number) * _SECONDS[unit])}


def _to_map(given: tuple[gx.Scene, ...] | gx.ChipSet, named: list[str] | None) -> str:
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
