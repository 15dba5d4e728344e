"""Seeds and controls: every claim of gain is measured beside what the target sensor does alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from geo_xmodal import bundle, processes
from geo_xmodal.accuracy import MEASURES, ConfusionMatrix, metrics, paired_gain, spread
from geo_xmodal.chips import ChipSource
from geo_xmodal.methods.pretrained_start import Start
from geo_xmodal.outputs import as_json, drop_lock, mark_unfinished, output_errors, write_text
from geo_xmodal.samples import STORED, GatherOptions, Storage, gather, storage_for, warnings_of
from geo_xmodal.training.engine import Compute, compute_for
from geo_xmodal.training.files import (
    CONFIG,
    METRICS,
    REPORT,
    WAY_OUT,
    begun_run,
    check_there,
    held_run,
    is_finished,
    recorded_store,
)
from geo_xmodal.training.loop import expected_steps
from geo_xmodal.training.progress import RunsProgress, reading
from geo_xmodal.training.report import run_report
from geo_xmodal.training.request import Plan, TrainRequest, Variant, checked_plan, resolve
from geo_xmodal.training.result import TrainedRun
from geo_xmodal.training.run import RunResult, run_variant
from geo_xmodal.training.sources import Given, Learned, learned_from
from geo_xmodal.training.threads import recorded_threads, threads_for
from geo_xmodal.types import LandClass, Progress, TrainingData


def train_scene(
    scenes: Given,
    out: Path | str,
    request: TrainRequest,
    progress: Progress | None = None,
    *,
    note: Callable[[str], None] = lambda line: None,
) -> TrainedRun:
    """Train on a scene or several, test, and write a run folder (docs/file-formats.md).

    With several seeds each has a run folder `seed-K`, and `model/` is that of the first seed, never the best
    on test. With `request.control` the same kind of model learns from the same pixels with the same seeds,
    without the auxiliary sensor (`controls/target_only/seed-K`, `controls/self_training/seed-K`), and the
    gain over each is paired seed by seed. A control that there is not, or that the pixels do not suffice for,
    is left out, and a note says why.

    Several scenes, each on its own grid, are learned from as one (`geo_xmodal.scenes.join_scenes`), and
    accuracy is told of all test pixels and of each scene's. Those of `request.hold_out` only test, with all
    of their labels. Of a set of chips, those of its split train and test.

    Among several processes that torchrun started (docs/several-processes.md), all call this alike and train
    together; the first one alone writes and tells.

    Args:
        scenes: what to learn from: a scene, several, or a set of chips.
        out: the run folder.
        request: method, seeds, controls and settings.
        progress: told of every step, counted over all seeds and controls.
        note: told what should be known, before anything trains.

    Returns:
        The run: its figures, and its model.

    Raises:
        UsageError: an unknown method or setting, a device that this machine has not, a scene that comes
            twice, or one to hold out that is none.
        BundleError, ModelMismatchError: `request.init` is no pretraining, or one of another sensor or bands.
        SceneError: sensors or pixel sizes of the scenes do not fit together.
        ChipError: no chip trains or tests, or one cannot be learned from.
        LabelError, TrainingDataError: if the scene's labels or pixels do not suffice.
        OutputError: if `out` cannot be written, or holds something else.
        ResumeError: if `request.resume` finds a run with other options.
        ProcessError: if another process sees other files or options, or ends.
    """
    out = Path(out)
    compute = compute_for(request.device, request.precision)
    with processes.joined(compute.device):
        with processes.together():
            joined = learned_from(scenes, request.given, request.hold_out)
            start = None if request.init is None else Start.of(request.init, _target(joined), joined.kind)
            plan = resolve(request, joined.kind, joined.single_pixels, start)
        scores: dict[str, Any] = {}
        if processes.is_first():
            scores = _lead(joined, plan, out, compute, request.resume, progress, note)
        else:
            _follow(joined, plan, out, compute, request.resume)
        return TrainedRun.of(out, processes.told(scores))


def _follow(scenes: Learned, plan: Plan, out: Path, compute: Compute, resume: bool) -> None:
    """The part of a process that neither writes nor speaks: values that it cannot hold are beside `out`."""
    with storage_for(out.with_name(f"{out.name}-process-{processes.number()}")) as storage:
        data = _data(scenes, plan, plan.seeds[0], storage, None)
        with processes.together():
            plan = checked_plan(plan, data)
        _train_runs(scenes, data, out, plan, None, compute, resume, None, lambda line: None, storage)


def _lead(
    scenes: Learned,
    plan: Plan,
    out: Path,
    compute: Compute,
    resume: bool,
    progress: Progress | None,
    note: Callable[[str], None],
) -> dict[str, Any]:
    """The part of the process that writes, or that is alone."""
    with (
        held_run(out),
        storage_for(out, recorded_store(out) if resume else None, note) as storage,
    ):
        data = _data(scenes, plan, plan.seeds[0], storage, reading(progress, 0, 0))
        storage.prune()
        with processes.together():
            plan = checked_plan(plan, data)
        threads = threads_for(out, resume)
        begun = recorded_threads(out) if resume and not is_finished(out) else None
        plan = dataclasses.replace(
            plan, notes=(*scenes.notes, *warnings_of(data), *plan.notes, *_lacking_threads(begun, threads))
        )
        for line in (*plan.notes, *_other_threads(begun, threads)):
            note(line)
        with begun_run(out, resume):
            scores = _train(scenes, data, out, plan, threads, compute, resume, progress, note, storage)
            storage.remove()
            return scores


def _target(scenes: Learned) -> str:
    """The name of the sensor that maps."""
    return scenes.target_name if isinstance(scenes, ChipSource) else scenes.target


def _data(
    scenes: Learned, plan: Plan, seed: int, storage: Storage, progress: Progress | None
) -> TrainingData:
    """What a seed learns from, as the pretrained encoder sees it where there is one."""
    data = gathered(scenes, plan.gather_for(seed), storage, progress)
    if plan.start is None:
        return data
    with processes.together():
        return plan.start.seen_by(plan.main.method, data)


def gathered(
    scenes: Learned,
    options: GatherOptions,
    storage: Storage,
    progress: Progress | None,
    *,
    labels_needed: bool = True,
) -> TrainingData:
    """What is learned from: by the first process, then by the others, who keep values where it does.

    Args and errors are those of `geo_xmodal.samples.gather`.
    """
    data = None
    with processes.together():
        if processes.is_first():
            data = gather(scenes, options, progress, storage, labels_needed=labels_needed)
    stored = processes.told(data is not None and data.notes.get("values") == STORED)
    with processes.together():
        if data is None:
            storage.begun = stored
            data = gather(scenes, options, progress, storage, labels_needed=labels_needed)
    return data


def _lacking_threads(begun: int | None, threads: int) -> list[str]:
    """What the result differs by, where a run cannot go on with as many threads as it was begun on."""
    if begun in (None, threads):
        return []
    return [
        f"the run was begun on {begun} threads and goes on with {threads}, as there are no more processors: "
        "the model is another one than without the interruption"
    ]


def _other_threads(begun: int | None, threads: int) -> list[str]:
    """What is done otherwise than the machine is set, so that the result does not differ."""
    if begun != threads or threads == torch.get_num_threads():
        return []
    return [
        f"going on with the {threads} threads that the run was begun on, not {torch.get_num_threads()}: "
        "another number would give another model"
    ]


def _train(
    scenes: Learned,
    first: TrainingData,
    out: Path,
    plan: Plan,
    threads: int,
    compute: Compute,
    resume: bool,
    progress: Progress | None,
    note: Callable[[str], None],
    storage: Storage,
) -> dict[str, Any]:
    """All seeds of all variants; `first` is what the first seed learns from."""
    known = recorded_threads(out) if is_finished(out) else threads
    files = {}
    if len(plan.seeds) > 1:
        said = {} if known is None else {"threads": known}  # older runs do not know it
        files[CONFIG] = as_json({**_named(scenes), **plan.describe(), **said})
        if not is_finished(out):
            write_text(out / CONFIG, files[CONFIG])
    results = _train_runs(scenes, first, out, plan, threads, compute, resume, progress, note, storage)
    main = results.pop(plan.main.name)
    tested = {name: [one.metrics for one in several] for name, several in results.items()}
    scores = _summary([one.metrics for one in main], tested, first.classes)
    if plan.notes:
        scores["notes"] = list(plan.notes)
    shipped = bundle.load(main[0].folder / "model")
    files[METRICS] = as_json(scores)
    files[REPORT] = run_report(scenes, plan, main, results, shipped, known)
    _put_in_place(out, files, shipped if len(plan.seeds) > 1 else None)
    return scores


def _train_runs(
    scenes: Learned,
    first: TrainingData,
    out: Path,
    plan: Plan,
    threads: int | None,
    compute: Compute,
    resume: bool,
    progress: Progress | None,
    note: Callable[[str], None],
    storage: Storage,
) -> dict[str, list[RunResult]]:
    """The runs of every variant, by its name, one a seed; alike in all processes."""
    variants = (plan.main, *plan.controls)
    results: dict[str, list[RunResult]] = {variant.name: [] for variant in variants}
    runs = RunsProgress(progress, [expected_steps(one.options, first) for one in variants], len(plan.seeds))
    for seed in plan.seeds:
        data = first
        if seed != plan.seeds[0]:
            data = _data(scenes, plan, seed, storage, runs.reading())
        for variant in variants:
            result = run_variant(
                scenes,
                variant.seen(data),
                variant,
                seed,
                _folder(out, variant, plan, seed),
                transductive=plan.transductive,
                shares=plan.shares,
                resume=resume,
                threads=threads,
                compute=compute,
                alone=_folder(out, variant, plan, seed) != out,
                progress=runs.next(f"seed {seed}, {variant.name}"),
                note=_noted(note, f"seed {seed}, {variant.name}"),
            )
            results[variant.name].append(result)
    return results


def _noted(note: Callable[[str], None], who: str) -> Callable[[str], None]:
    """The same, told by one of several runs."""
    return lambda line: note(f"{who}: {line}")


def _put_in_place(out: Path, files: Mapping[str, str], model: bundle.Bundle | None) -> None:
    """Write what all seeds and variants make together; a finished run that has all of it stays untouched."""
    changed = {name: text for name, text in files.items() if _text(out / name) != text}
    moved = model is not None and (
        not (out / "model").is_dir() or bundle.read_card(out / "model") != model.card
    )
    if (changed or moved) and is_finished(out):
        with output_errors(out):
            mark_unfinished(out, WAY_OUT)
    check_there(out)
    if model is not None and moved:
        bundle.save(out / "model", model.model, model.card)
    elif model is not None:
        drop_lock(out / "model")
    for name, text in changed.items():
        write_text(out / name, text)


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _folder(out: Path, variant: Variant, plan: Plan, seed: int) -> Path:
    if variant is not plan.main:
        return out / "controls" / variant.name / f"seed-{seed}"
    return out / f"seed-{seed}" if len(plan.seeds) > 1 else out


def _named(scenes: Learned) -> dict[str, Any]:
    """The scenes in the config.json of several seeds."""
    return scenes.describe() if scenes.several else {"scene": scenes.name}


def _summary(
    main: Sequence[Mapping[str, Any]],
    controls: Mapping[str, Sequence[Mapping[str, Any]]],
    classes: Sequence[LandClass],
) -> dict[str, Any]:
    """metrics.json: means over seeds; classes and confusion from the counts of all seeds together.

    Every seed is tested on the same pixels, so that `n`, `unmapped` and supports are those of one seed, and
    `confusion` is the mean over seeds, with the same sum; `confusion_pooled` keeps the whole numbers. Each of
    several scenes has all of that of its own.
    """
    # a finished run of one seed holds them already, maybe of controls that are not asked for now
    scores = {key: value for key, value in main[0].items() if key not in ("controls", "gain", "notes")}
    if len(main) > 1:
        counts = np.sum([one["confusion"] for one in main], axis=0, dtype=np.int64)
        pooled = metrics(ConfusionMatrix.from_counts(counts), classes, split=scores["split"])
        several = spread(main)
        per_class = [
            {**one, "support": first["support"]}
            for one, first in zip(pooled["per_class"], scores["per_class"], strict=True)
        ]
        once = {key: scores[key] for key in (*_OF_ANY_SEED, *_OF_FIRST_SEED) if key in scores} | {
            "per_class": per_class,
            "confusion": (counts / len(main)).tolist(),
            "confusion_pooled": counts.tolist(),
        }
        scores = {**pooled, **several["mean"], **several, **once}
    if controls:
        scores["controls"] = {name: brief(one) for name, one in controls.items()}
        scores["gain"] = {name: paired_gain(main, one) for name, one in controls.items()}
    if all("shares" in one for one in main):
        scores["shares"] = _shares_summary(main)
    if "scenes" in main[0]:
        scores["scenes"] = {
            name: _summary(
                of_scene(main, name),
                {control: of_scene(one, name) for control, one in controls.items()},
                classes,
            )
            for name in main[0]["scenes"]
        }
    return scores


def _shares_summary(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Every choice of class shares over seeds; one that a seed does not have has no figures."""
    first: dict[str, Any] = runs[0]["shares"]
    if len(runs) == 1:
        return first
    choices = {}
    for name in first["choices"]:
        several = [one["shares"]["choices"].get(name, {}) for one in runs]
        refused = [one["refused"] for one in several if "refused" in one]
        if refused:
            choices[name] = {"refused": f"with {len(refused)} of {len(runs)} seeds: {refused[0]}"}
        else:
            choices[name] = brief(
                [{"seed": run["seed"], **one} for run, one in zip(runs, several, strict=True)]
            )
    return first | {"choices": choices}


_OF_ANY_SEED = (
    "n", "unmapped", "transductive", "assumptions", "joined_classes", "held_out", "simulated",
)  # fmt: skip
"""What is the same whatever the seed."""

_OF_FIRST_SEED = ("choice", "teacher")
"""What the first seed's method found out, whose model is the run's."""


def of_scene(runs: Sequence[Mapping[str, Any]], name: str) -> list[dict[str, Any]]:
    """The metrics of one of several scenes, of each run."""
    return [{"seed": run["seed"], **run["scenes"][name]} for run in runs]


def brief(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means, standard deviations and the measures of each seed, without classes and confusion."""
    measures = (*MEASURES, "ece")
    several = spread(runs)
    seeds = [{key: run[key] for key in ("seed", *measures)} for run in runs]
    return {**several["mean"], "mean": several["mean"], "sd": several["sd"], "seeds": seeds}
