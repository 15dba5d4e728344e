"""Seeds and controls: every claim of gain is measured beside what the target sensor does alone."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from geo_xmodal import bundle
from geo_xmodal.accuracy import MEASURES, ConfusionMatrix, metrics, paired_gain, spread
from geo_xmodal.outputs import check_writable, write_json, write_text
from geo_xmodal.scenes import Scene
from geo_xmodal.scenes.groups import gather, warnings_of
from geo_xmodal.training.checkpoint import FILE as CHECKPOINT
from geo_xmodal.training.files import CONFIG, LOG, METRICS, REPORT, check_is_run, clear_run
from geo_xmodal.training.loop import expected_steps
from geo_xmodal.training.progress import RunsProgress, reading
from geo_xmodal.training.report import run_report
from geo_xmodal.training.request import Plan, TrainRequest, Variant, checked_plan, resolve, target_kind
from geo_xmodal.training.run import RunResult, run_variant
from geo_xmodal.types import LandClass, Progress, TrainingData


def train_scene(
    scene: Scene,
    out: Path | str,
    request: TrainRequest,
    progress: Progress | None = None,
    *,
    note: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Train on a scene, test, and write a run folder (docs/file-formats.md).

    With several seeds each has a run folder `seed-K`, and `model/` is that of the first seed, never the best
    on test. With `request.control` the same kind of model learns from the same pixels with the same seeds,
    without the auxiliary sensor (`controls/target_only/seed-K`, `controls/self_training/seed-K`), and the
    gain over each is paired seed by seed. A control that there is not, or that the pixels do not suffice for,
    is left out, and a note says why.

    Args:
        scene: what to learn from.
        out: the run folder.
        request: method, seeds, controls and settings.
        progress: told of every step, counted over all seeds and controls.
        note: told what should be known, before anything trains.

    Returns:
        The content of metrics.json.

    Raises:
        UsageError: an unknown method or setting.
        LabelError, TrainingDataError: if the scene's labels or pixels do not suffice.
        OutputError: if `out` cannot be written, or holds something else.
        ResumeError: if `request.resume` finds a run with other options.
    """
    out = Path(out)
    plan = resolve(request, target_kind(scene, request.settings, request.target))
    _refuse_other_content(out, request.resume)
    data = gather(scene, plan.gather_for(plan.seeds[0]), reading(progress, 0, 0))
    plan = checked_plan(plan, data)
    plan = dataclasses.replace(plan, notes=(*warnings_of(data), *plan.notes))
    for line in plan.notes:
        note(line)
    with _nothing_left_before_the_first_epoch(out, request.resume):
        return _train(scene, data, out, plan, request.resume, progress)


def _train(
    scene: Scene, first: TrainingData, out: Path, plan: Plan, resume: bool, progress: Progress | None
) -> dict[str, Any]:
    """All seeds of all variants; `first` is what the first seed learns from."""
    if not resume:
        clear_run(out)
    variants = (plan.main, *plan.controls)
    results: dict[str, list[RunResult]] = {variant.name: [] for variant in variants}
    if len(plan.seeds) > 1:
        write_json(out / CONFIG, {"scene": scene.name, **plan.describe()})
    runs = RunsProgress(progress, [expected_steps(one.options, first) for one in variants], len(plan.seeds))
    for seed in plan.seeds:
        data = first if seed == plan.seeds[0] else gather(scene, plan.gather_for(seed), runs.reading())
        for variant in variants:
            result = run_variant(
                scene,
                variant.seen(data),
                variant,
                seed,
                _folder(out, variant, plan, seed),
                transductive=plan.gather.transductive,
                resume=resume,
                progress=runs.next(f"seed {seed}, {variant.name}"),
            )
            results[variant.name].append(result)
    main = results.pop(plan.main.name)
    scores = _summary([one.metrics for one in main], results, first.classes)
    if plan.notes:
        scores["notes"] = list(plan.notes)
    if len(plan.seeds) > 1:
        shipped = bundle.load(main[0].folder)
        bundle.save(out / "model", shipped.model, shipped.card)
    write_json(out / METRICS, scores)
    write_text(out / REPORT, run_report(scene, plan, main, results, out))
    return scores


def _refuse_other_content(out: Path, resume: bool) -> None:
    """See that `out` may be written, and holds nothing but an earlier run."""
    check_writable(out)
    if out.is_dir() and any(out.iterdir()) and not resume:
        check_is_run(out)


@contextmanager
def _nothing_left_before_the_first_epoch(out: Path, resume: bool) -> Iterator[None]:
    """A run that fails before there is anything to resume takes its files with it."""
    existed, continued = out.exists(), resume and (out / CONFIG).exists()
    try:
        yield
    except BaseException:
        begun = any(path.name in (LOG, CHECKPOINT, METRICS) for path in out.rglob("*"))
        if not (continued or begun):
            clear_run(out)
            if not existed:
                shutil.rmtree(out, ignore_errors=True)
        raise


def _folder(out: Path, variant: Variant, plan: Plan, seed: int) -> Path:
    if variant is not plan.main:
        return out / "controls" / variant.name / f"seed-{seed}"
    return out / f"seed-{seed}" if len(plan.seeds) > 1 else out


def _summary(
    main: Sequence[Mapping[str, Any]],
    controls: Mapping[str, Sequence[RunResult]],
    classes: Sequence[LandClass],
) -> dict[str, Any]:
    """metrics.json: means over seeds; classes and confusion from the counts of all seeds together.

    Every seed is tested on the same pixels, so that `n`, `unmapped` and supports are those of one seed, and
    `confusion` is the mean over seeds, with the same sum; `confusion_pooled` keeps the whole numbers.
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
        once = {key: scores[key] for key in ("n", "unmapped", "transductive", "assumptions")} | {
            "per_class": per_class,
            "confusion": (counts / len(main)).tolist(),
            "confusion_pooled": counts.tolist(),
        }
        scores = {**pooled, **several["mean"], **several, **once}
    if controls:
        runs = {name: [one.metrics for one in results] for name, results in controls.items()}
        scores["controls"] = {name: brief(one) for name, one in runs.items()}
        scores["gain"] = {name: paired_gain(main, one) for name, one in runs.items()}
    return scores


def brief(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means, standard deviations and the measures of each seed, without classes and confusion."""
    measures = (*MEASURES, "ece")
    several = spread(runs)
    seeds = [{key: run[key] for key in ("seed", *measures)} for run in runs]
    return {**several["mean"], "mean": several["mean"], "sd": several["sd"], "seeds": seeds}
