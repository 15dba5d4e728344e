"""`correlate`: how much one sensor tells about another, before any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import rich.table

import geo_xmodal as gx
from geo_xmodal.commands.console import Console, table
from geo_xmodal.commands.options import opened_scene
from geo_xmodal.commands.parsing import command
from geo_xmodal.errors import UsageError
from geo_xmodal.named_options import option
from geo_xmodal.outputs import check_writable
from geo_xmodal.requests import CorrelateRequest

_BENCHMARK = ("test", "test_share", "components", "epochs", "seeds")
_TIMING = ("batches", "dimensions", "device")
_PAIRS = ("scene", "between", "x", "y", "labels", "blocks", "block_size", "target_classes", "samples")
"""Options of one of the things that the command does, where they are refused elsewhere."""


@command(CorrelateRequest)
def correlate(request: CorrelateRequest, console: Console) -> None:
    """Estimate, and show what it says."""
    if request.timing:
        _timing(request, console)
        return
    if (request.scene is None) == (request.x is None and request.y is None):
        raise UsageError(
            f"give either {option('scene')} with {option('between')}, or {option('x')} and {option('y')}"
        )
    if given := _given(request, _TIMING):
        raise UsageError(f"{option(given[0])} goes with {option('timing')}")
    if request.labels is not None or request.objectives is not None:
        _two_views(request, console)
        return
    if given := _given(request, _BENCHMARK):
        raise UsageError(f"{option(given[0])} goes with {option('labels')} or {option('objectives')}")
    if request.out is not None:
        check_writable(request.out / "correlation.json")
    study = (
        _of_arrays(request, console) if request.scene is None else _of_scene(request, request.scene, console)
    )
    parts: list[rich.table.Table | str] = [*_samples(study), _views(study), _spectrum(study)]
    if study.classes is not None:
        parts.append(_classes(study))
    console.assumed(study.data.get("assumptions", ()))
    _finish(study, request, console, parts)


def _finish(
    study: gx.Study | gx.TwoViewStudy | gx.TimingStudy,
    request: CorrelateRequest,
    console: Console,
    parts: list[rich.table.Table | str],
) -> None:
    parts.append(study.reading)
    if request.out is not None:
        gx.save_study(study, request.out)
        parts.append(f"plot: {request.out / study.file_name}.png")
    console.result(study.as_dict(), *parts)


def _two_views(request: CorrelateRequest, console: Console) -> None:
    """The benchmark of objectives."""
    x, y = _both_files(request)
    if request.out is not None:
        check_writable(request.out / f"{gx.TwoViewStudy.file_name}.json")
    with console.progress(long=_cheaper) as progress:
        study = gx.compare_objectives(
            x,
            y,
            request.labels,
            blocks=request.blocks,
            test=request.test,
            objectives=_objectives(request),
            components=request.components,
            epochs=request.epochs,
            test_share=request.test_share,
            samples=request.samples,
            seeds=request.seeds,
            seed=request.seed,
            progress=progress,
        )
    data = study.data
    dropped = data["dropped_rows"]
    note = (
        f"{data['training_rows']:,} rows train and {data['test_rows']:,} test, of {data['rows']:,}: "
        f"{data['split']}; seeds {', '.join(map(str, data['seeds']))}"
    )
    tables: list[rich.table.Table | str] = [
        note + (f"; {dropped:,} rows with NaN or infinity dropped" if dropped else ""),
        _transfer(study),
        _retrieval(study),
    ]
    _finish(study, request, console, tables)


def _timing(request: CorrelateRequest, console: Console) -> None:
    """What objectives cost."""
    if given := _given(request, (*_PAIRS, *_BENCHMARK)):
        raise UsageError(f"{option('timing')} is on random features: leave {option(given[0])} out")
    if request.out is not None:
        check_writable(request.out / f"{gx.TimingStudy.file_name}.json")
    with console.progress() as progress:
        study = gx.time_correlation(
            _objectives(request),
            samples=_sizes("batches", request.batches),
            features=_sizes("dimensions", request.dimensions),
            device=request.device,
            alone=True,
            progress=progress,
        )
    widths = sorted({size.features for size in study.sizes})
    tables: list[rich.table.Table | str] = [_costs(study, features) for features in widths]
    _finish(study, request, console, tables)


def _given(request: CorrelateRequest, names: Sequence[str]) -> list[str]:
    """Those of some options that are not as by default."""
    described = type(request).describe()
    return [name for name in names if getattr(request, name) != described[name].default]


def _both_files(request: CorrelateRequest) -> tuple[Path, Path]:
    of_scenes = request.between is not None or request.target_classes or request.block_size is not None
    if request.x is None or request.y is None or of_scenes:
        raise UsageError(
            f"{option('x')} and {option('y')} go together, and without {option('between')}, "
            f"{option('target_classes')}, {option('block_size')}"
        )
    return request.x, request.y


def _objectives(request: CorrelateRequest) -> tuple[str, ...]:
    """Names as asked; none for all."""
    names = [part.strip() for part in (request.objectives or "all").split(",") if part.strip()]
    return () if names == ["all"] else tuple(dict.fromkeys(names))


def _sizes(name: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise UsageError(f"{option(name, text)}: expected whole numbers, such as 64,256,1024") from None


def _cheaper(time: str) -> str:
    return f"about {time} to go; less with fewer objectives, seeds, epochs or samples; Ctrl-C stops it"


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
    x, y = _both_files(request)
    with console.progress() as progress:
        return gx.correlate_arrays(
            x,
            y,
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


def _transfer(study: gx.TwoViewStudy) -> rich.table.Table:
    measures = ("total_correlation", "transfer_to_y", "transfer_to_x", "own_x", "own_y", "seconds")
    majority = study.chance("majority")
    digits = {"total_correlation": 2, "seconds": 1}
    rows = [
        (_called(study, name), *(_spread(study.spread(name, one), digits.get(one, 3)) for one in measures))
        for name in study.names
    ]
    if majority is not None:
        rows.append(("largest class", "", *(f"{majority:.3f}",) * 4, ""))
    x, y = study.first, study.second
    return table(
        "objective",
        f"correlation, sum of {study.data['components']}",
        f"{x} to {y}",
        f"{y} to {x}",
        f"{x} to itself",
        f"{y} to itself",
        "seconds",
        rows=rows,
        title="held-out correlation; accuracy of a classifier of one view, asked about another",
    )


def _retrieval(study: gx.TwoViewStudy) -> rich.table.Table:
    ways = (("y", study.second), ("x", study.first))
    rows = [
        (
            _called(study, name),
            *(_spread(study.recall(name, way, k), 3) for way, _ in ways for k in study.ranks),
        )
        for name in study.names
    ]
    chance = [study.chance(f"chance_to_{way}", k) for way, _ in ways for k in study.ranks]
    rows.append(("chance", *(f"{one:.3f}" for one in chance if one is not None)))
    return table(
        "objective",
        *(f"{name} @ {k}" for _, name in ways for k in study.ranks),
        rows=rows,
        title="recall at k (@ k): the view named is among the k most similar to the other view of its row",
    )


def _called(study: gx.TwoViewStudy, name: str) -> str:
    return f"{name} (control)" if name in study.controls else name


def _spread(found: Mapping[str, float | None], digits: int) -> str:
    mean, deviation = found["mean"], found["sd"]
    if mean is None:
        return "-"
    return f"{mean:.{digits}f}" + ("" if deviation is None else f" ± {deviation:.{digits}f}")


def _costs(study: gx.TimingStudy, features: int) -> rich.table.Table:
    sizes = [size for size in study.sizes if size.features == features]

    def cell(size: gx.TimedSize, name: str) -> str:
        if name not in size.costs:
            return "too slow"
        cost = size.costs[name]
        if name == study.baseline:
            return f"{1e3 * cost.seconds:.3g} ms, {cost.peak / 2**20:.3g} MiB"
        return f"{size.time_ratio(name):.3g}, {size.memory_ratio(name):.3g}"

    return table(
        "objective",
        *(f"m = {size.samples}" for size in sizes),
        rows=[(name, *(cell(size, name) for size in sizes)) for name in study.names],
        title=f"K = {features}: time and peak memory of value and gradient, by those of {study.baseline}",
    )


def _with_interval(estimate: gx.CorrelationEstimate | None) -> str:
    if estimate is None:
        return "too few"
    return f"{estimate.estimate:.2f} {_interval(estimate.interval, 2)}, p {estimate.p_value:.3f}"


def _interval(ends: tuple[float, float], digits: int = 3) -> str:
    return f"[{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]"
