"""`correlate`: how much one sensor tells about another, before any training."""

from __future__ import annotations

import rich.table

import geo_xmodal as gx
from geo_xmodal.commands.console import Console, table
from geo_xmodal.commands.options import opened_scene
from geo_xmodal.commands.parsing import command
from geo_xmodal.errors import UsageError
from geo_xmodal.named_options import option
from geo_xmodal.outputs import check_writable
from geo_xmodal.requests import CorrelateRequest


@command(CorrelateRequest)
def correlate(request: CorrelateRequest, console: Console) -> None:
    """Estimate, and show what it says."""
    if (request.scene is None) == (request.x is None and request.y is None):
        raise UsageError(
            f"give either {option('scene')} with {option('between')}, or {option('x')} and {option('y')}"
        )
    out = request.out
    if out is not None:
        check_writable(out / "correlation.json")
    study = (
        _of_arrays(request, console) if request.scene is None else _of_scene(request, request.scene, console)
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


def _of_scene(request: CorrelateRequest, scene: str, console: Console) -> gx.Study:
    if request.between is None or request.blocks is not None:
        raise UsageError(
            f"{option('scene')} needs {option('between', 'SENSOR SENSOR')}, such as "
            f"{option('between', 'hsi sar')}"
            if request.between is None
            else f"{option('blocks')} goes with {option('x')} and {option('y')}; blocks of a scene are set "
            f"with {option('block_size')}"
        )
    opened = opened_scene(scene, console, request.allow_addresses)
    with console.progress() as progress:
        return gx.correlate_scene(
            opened,
            request.between,
            target_classes=request.target_classes,
            method=request.method,
            samples=request.samples,
            block=request.block_size,
            seed=request.seed,
            progress=progress,
        )


def _of_arrays(request: CorrelateRequest, console: Console) -> gx.Study:
    of_scenes = request.between is not None or request.target_classes or request.block_size is not None
    if request.x is None or request.y is None or of_scenes:
        raise UsageError(
            f"{option('x')} and {option('y')} go together, and without {option('between')}, "
            f"{option('target_classes')}, {option('block_size')}"
        )
    with console.progress() as progress:
        return gx.correlate_arrays(
            request.x,
            request.y,
            blocks=request.blocks,
            method=request.method,
            samples=request.samples,
            seed=request.seed,
            progress=progress,
        )


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
