"""`correlate`: how much one sensor tells about another, before any training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import rich.table
import typer

import geo_xmodal as gx
from geo_xmodal.commands.console import Console, table
from geo_xmodal.commands.options import AllowAddresses, Json, opened_scene
from geo_xmodal.errors import UsageError
from geo_xmodal.outputs import check_writable

Estimator = Literal["ace", "neural"]


def correlate(
    scene: Annotated[
        str | None,
        typer.Option(metavar="NAME_OR_PATH", help="A scene folder, or the name of a known scene."),
    ] = None,
    between: Annotated[
        tuple[str, str] | None, typer.Option(metavar="SENSOR SENSOR", help="Two sensors of the scene.")
    ] = None,
    target_classes: Annotated[
        bool, typer.Option("--target-classes", help="Also: what each sensor tells of each class.")
    ] = False,
    x: Annotated[Path | None, typer.Option(help="A .npy file of floats (samples, columns).")] = None,
    y: Annotated[Path | None, typer.Option(help="Another, with the same samples in the same order.")] = None,
    blocks: Annotated[
        Path | None,
        typer.Option(
            help="For --x and --y: a .npy file with a block id a row; without it rows are "
            "taken as exchangeable."
        ),
    ] = None,
    block_size: Annotated[
        int | None, typer.Option(min=2, help="For --scene: side of a block in pixels (default: chosen).")
    ] = None,
    method: Annotated[
        Estimator,
        typer.Option(help="The nonlinear estimator, beside linear CCA: ace, or neural (slower)."),
    ] = "ace",
    samples: Annotated[int, typer.Option(min=100, max=100_000, help="Most samples.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="Of every random draw.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for correlation.json and correlation.png.")] = None,
    allow_addresses: AllowAddresses = False,
    json: Json = False,
) -> None:
    """Say how much one sensor tells about another: held-out estimate, interval, null, spectrum."""
    console = Console(json)
    if (scene is None) == (x is None and y is None):
        raise UsageError("give either --scene with --between, or --x and --y")
    if out is not None:
        check_writable(out / "correlation.json")
    if scene is not None:
        if between is None or blocks is not None:
            raise UsageError(
                "--scene needs --between SENSOR SENSOR, such as --between hsi sar"
                if between is None
                else "--blocks goes with --x and --y; blocks of a scene are set with --block-size"
            )
        opened = opened_scene(scene, console, allow_addresses)
        with console.progress() as progress:
            study = gx.correlate_scene(
                opened,
                between,
                target_classes=target_classes,
                method=method,
                samples=samples,
                block=block_size,
                seed=seed,
                progress=progress,
            )
    else:
        if x is None or y is None or between is not None or target_classes or block_size is not None:
            raise UsageError("--x and --y go together, and without --between, --target-classes, --block-size")
        with console.progress() as progress:
            study = gx.correlate_arrays(
                x, y, blocks=blocks, method=method, samples=samples, seed=seed, progress=progress
            )
    parts: list[rich.table.Table | str] = [*_samples(study), _views(study), _spectrum(study)]
    if study.classes is not None:
        parts.append(_classes(study))
    parts.append(study.reading)
    if out is not None:
        gx.save_study(study, out)
        parts.append(f"plot: {out / 'correlation.png'}")
    console.assumed(study.data.get("assumptions", ()))
    console.result(study.as_dict(), *parts)


def _samples(study: gx.Study) -> list[str]:
    data = study.data
    if "scene" not in data:
        blocks = "exchangeable rows" if data["blocks"] is None else f"rows in {data['blocks']} blocks"
        dropped = data["dropped_rows"]
        note = f"{data['samples']:,} of {data['rows']:,} rows, {blocks}"
        return [note + (f"; {dropped:,} rows with NaN or infinity dropped" if dropped else "")]
    side = data["block_pixels"]
    return [
        f"{data['samples']:,} pixels with both sensors, in {data['blocks']} blocks of {side} x {side} "
        "pixels; no window around them holds a test pixel"
    ]


def _views(study: gx.Study) -> rich.table.Table:
    return table(
        study.second,
        "columns",
        "method",
        "estimate",
        "interval",
        "95 % of null below",
        "p",
        "shown",
        rows=[
            (
                view.name,
                view.columns[1],
                method,
                f"{one.estimate:.3f}",
                _interval(one.interval),
                f"{one.spectrum_null[0]:.3f}",
                f"{one.p_value:.3f}",
                view.shows(method),
            )
            for view in study.views
            for method, one in view.estimates.items()
        ],
        title=f"how much {study.first} ({study.views[0].columns[0]} columns) tells about {study.second}",
    )


def _spectrum(study: gx.Study) -> rich.table.Table:
    headline = study.headline
    return table(
        "pair of functions",
        "correlation",
        "95 % of null below",
        rows=[
            (number, f"{value:.3f}", f"{null:.3f}")
            for number, (value, null) in enumerate(
                zip(headline.spectrum, headline.spectrum_null, strict=True), start=1
            )
        ],
        title=f"spectrum ({study.method}, {study.views[-1].name})",
    )


def _classes(study: gx.Study) -> rich.table.Table:
    sensors = (study.first, study.second)
    return table(
        "class",
        "training pixels",
        "blocks",
        *sensors,
        rows=[
            (
                one.land_class.name,
                one.samples,
                one.blocks,
                *(_with_interval(one.estimates.get(sensor)) for sensor in sensors),
            )
            for one in study.classes or ()
        ],
        title=f"what each sensor tells of each class ({study.method}; training labels in blocks of "
        f"{study.data['class_block_pixels']} x {study.data['class_block_pixels']} pixels)",
    )


def _with_interval(estimate: gx.CorrelationEstimate | None) -> str:
    if estimate is None:
        return "too few"
    return f"{estimate.estimate:.2f} {_interval(estimate.interval, 2)}, p {estimate.p_value:.3f}"


def _interval(ends: tuple[float, float], digits: int = 3) -> str:
    return f"[{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]"
