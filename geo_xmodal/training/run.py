"""One run: a method on training data, to a bundle, tested on pixels that it never saw."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from geo_xmodal import bundle, processes
from geo_xmodal.accuracy import ReliabilityBin
from geo_xmodal.errors import ResumeError
from geo_xmodal.methods.base import Learner, LoopOptions
from geo_xmodal.named_options import option
from geo_xmodal.networks import PixelModel, input_ranges
from geo_xmodal.outputs import UNFINISHED, mark_unfinished, output_errors, write_json
from geo_xmodal.patches import Patches, joined_patches
from geo_xmodal.raster import pixel_size
from geo_xmodal.training.checkpoint import FILE as CHECKPOINT
from geo_xmodal.training.checkpoint import checked_header, fingerprint
from geo_xmodal.training.engine import ON_PROCESSOR, Compute, repeatable
from geo_xmodal.training.files import CONFIG, FINDINGS, LOG, METRICS, WAY_OUT, RunLog, check_there, read_json
from geo_xmodal.training.learned import (
    AskedShares,
    described_shares,
    has_held_out,
    held_out_probabilities,
    shares_entry,
)
from geo_xmodal.training.loop import fit
from geo_xmodal.training.progress import train_and_test
from geo_xmodal.training.request import Variant
from geo_xmodal.training.sources import Learned
from geo_xmodal.training.testing import test_scores
from geo_xmodal.training.threads import on_threads, recorded_threads, threads_for
from geo_xmodal.training.work import work_in
from geo_xmodal.types import Progress, TrainingData
from geo_xmodal.version import VERSION
from geo_xmodal.wording import names_text

TEST_WINDOW = 512
_MANY = 4096
_AT_ONCE = 256


@dataclass(frozen=True)
class RunResult:
    """What one run left behind.

    Attributes:
        folder: where.
        metrics: its metrics.json.
        log: rows of its log.jsonl.
        data_notes: of the pixels that it learned from.
        trials: settings that were tried before it, with their scores on validation blocks.
    """

    folder: Path
    metrics: dict[str, Any]
    log: tuple[dict[str, Any], ...]
    data_notes: Mapping[str, Any]
    trials: tuple[Mapping[str, Any], ...] = ()

    @property
    def reliability(self) -> tuple[ReliabilityBin, ...]:
        """The reliability diagram of the tested pixels."""
        return tuple(ReliabilityBin(**one) for one in self.metrics["reliability"])


def run_variant(
    scenes: Learned,
    data: TrainingData,
    variant: Variant,
    seed: int,
    folder: Path,
    *,
    transductive: bool = False,
    shares: AskedShares = None,
    resume: bool = False,
    threads: int | None = None,
    compute: Compute = ON_PROCESSOR,
    alone: bool = True,
    progress: Progress | None = None,
    note: Callable[[str], None] = lambda line: None,
) -> RunResult:
    """Train, save and test one variant with one seed.

    Writes config.json, log.jsonl, model/ and metrics.json into `folder`, which says until the end that it is
    not finished. A finished run of the same mark is not done again with `resume`; an unfinished one goes on
    after its last epoch. Among several processes all call this alike, and train together; the first one alone
    writes, tests and has metrics to return.

    Args:
        scenes: what to learn from, and to test on.
        data: the pixels to learn from.
        variant: the method with its options.
        seed: of everything drawn.
        folder: where it goes.
        transductive: whether test pixels are among the unlabelled ones.
        shares: what maps of the model are right about unless asked otherwise; None follows from the labels.
        resume: go on with what an earlier run left, on as many threads.
        threads: what to train on otherwise; None for PyTorch's number.
        compute: on which device and in which precision, where there are steps to compute.
        alone: the folder is finished with this; else whoever calls has more to write, and says so then.
        progress: told of each epoch.
        note: told what the method finds out that should be known, before it trains.

    Raises:
        OutputError: if the folder cannot be written, or is taken away meanwhile.
        ResumeError: if what is in the folder was asked for otherwise.
        ProcessError: if another process sees other pixels or options, or ends.
    """
    config: dict[str, Any] = {
        "version": VERSION,
        **scenes.describe(),
        "variant": variant.name,
        "method": variant.method.name,
        "options": variant.options.model_dump(mode="json"),
        "target": data.target.name,
        "auxiliary": None if data.auxiliary is None else data.auxiliary.name,
        "seed": seed,
        "transductive": transductive,
        "data": {**data.notes, "sha256": data_digest(data)},
    }
    if shares is not None:
        config |= {"shares": described_shares(shares)}
    if isinstance(variant.options, LoopOptions):
        config |= {"compute": compute.describe()}
    mark = fingerprint(lasting(config))
    processes.check_alike(
        training_pixels=config["data"]["sha256"], options_or_versions=f"{mark}, PyTorch {torch.__version__}"
    )
    log = RunLog(folder / LOG)
    finished = None
    if processes.is_first():
        finished = finished_metrics(folder, mark) if resume else None
        if finished is not None:
            finish_folder(folder, alone)
        else:
            threads = begin_folder(folder, config | {"mark": mark}, threads, resume)
    if processes.told(finished is not None):
        return RunResult(folder, finished or {}, tuple(log.read()) if finished else (), data.notes)
    threads = cast(int, processes.told(threads))
    training, testing = train_and_test(progress)

    def logged(row: dict[str, Any]) -> None:
        check_there(folder)
        log.append(row)

    with on_threads(threads), repeatable(compute):
        work = work_in(folder, mark, resume=resume, compute=compute, progress=training, note=note)
        learner = variant.method.learner(data, variant.options, seed, work)
        if learner.stages:
            fit(
                learner,
                cast(LoopOptions, variant.options),
                seed,
                compute=compute,
                mark=mark,
                folder=folder,
                resume=resume,
                validate=validator(data) if has_held_out(data) else None,
                log=logged,
                progress=training,
            )
        model = learner.pixel_model()
    if not processes.is_first():
        return RunResult(folder, {}, (), data.notes)
    check_there(folder)
    card = _card(scenes, data, variant, model, config | {"mark": mark})
    entry = shares_entry(shares, data, learner)
    bundle.save(folder / "model", model, card.model_copy(update={"shares": entry}))
    scores = test_scores(scenes, bundle.load(folder / "model"), testing)
    scores |= {"seed": seed, "mark": mark, "transductive": transductive}
    scores |= {"assumptions": list(data.notes.get("assumptions", ())), **learner.findings()}
    check_there(folder)
    write_json(folder / METRICS, scores)
    finish_folder(folder, alone)
    if progress is not None:
        progress(1, 1, "tested")
    return RunResult(folder, scores, tuple(log.read()), data.notes)


def finished_metrics(folder: Path, mark: str) -> dict[str, Any] | None:
    """The metrics of a finished run of this mark; None where there is no finished run."""
    finished = read_json(folder / METRICS)
    if finished is not None and finished.get("mark") != mark:
        raise ResumeError(
            f"{folder} holds a finished run with other options, data or version: "
            f"choose another {option('out')}, or train anew without {option('resume')}"
        )
    return finished


def begin_folder(folder: Path, config: dict[str, Any], threads: int | None, resume: bool) -> int:
    """Make the folder one of a run that is not finished; on how many threads it trains.

    Raises:
        OutputError: The folder cannot be written.
        ResumeError: What is to be resumed was asked for otherwise, or begun on other devices.
    """
    if resume:  # before the folder says what is asked for now
        _check_compute(folder, config.get("compute"))
        checked_header(folder, config["mark"])
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        mark_unfinished(folder, WAY_OUT)
    if threads is None or recorded_threads(folder) is not None:
        threads = threads_for(folder, resume)
    write_json(folder / CONFIG, config | {"threads": threads})
    return threads


def _check_compute(folder: Path, compute: Mapping[str, Any] | None) -> None:
    begun = (read_json(folder / CONFIG) or {}).get("compute")
    if isinstance(begun, dict) and compute is not None and begun != compute:
        before, now = (", ".join(f"{key} {value}" for key, value in one.items()) for one in (begun, compute))
        raise ResumeError(
            f"{folder} was begun on {before}, not on {now}, which gives another model: resume with the same "
            f"{option('device')}, {option('precision')} and number of processes, or train anew "
            f"without {option('resume')}"
        )


def finish_folder(folder: Path, alone: bool) -> None:
    """Drop what only an unfinished run needs; `alone`, the folder says no more that it is unfinished."""
    with output_errors(folder):
        for name in (CHECKPOINT, FINDINGS):
            (folder / name).unlink(missing_ok=True)
        if alone:
            (folder / UNFINISHED).unlink(missing_ok=True)


def lasting(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a run and its resumption have in common: names of classes may change between the two.

    The digest of the data knows pixels and labels.
    """
    data = {key: value for key, value in config["data"].items() if key != "per_class"}
    if "scenes" in data:
        data["scenes"] = {
            name: {key: value for key, value in one.items() if key != "per_class"}
            for name, one in data["scenes"].items()
        }
    joined = [
        {key: value for key, value in one.items() if key != "name"} for one in config.get("classes", ())
    ]
    return {**config, "data": data, **({"classes": joined} if joined else {})}


def _card(
    scenes: Learned, data: TrainingData, variant: Variant, model: PixelModel, config: dict[str, Any]
) -> bundle.Card:
    learned = scenes.training
    grid = next((one.grid for one in learned if not one.single_pixels), None)
    row_size, col_size, unit = (0.0, 0.0, "") if grid is None else pixel_size(grid)
    target = data.target
    return bundle.Card(
        method=variant.name,
        network=bundle.NetworkEntry(name=model.spec.name, options=dict(model.spec.options)),
        margin=model.margin,
        target=bundle.describe_target(
            target.name, target.kind, target.sensor, target.statistics, target.unit, target.scaled
        ),
        auxiliary=None if data.auxiliary is None else data.auxiliary.kind,
        classes=tuple(bundle.ClassEntry(id=c.id, name=c.name, color=c.color) for c in data.classes),
        resolution=None if grid is None else (row_size, col_size),
        resolution_unit=unit,
        scene=names_text([one.name for one in learned]),
        simulated=any(one.simulated for one in learned),
        scenes=tuple(
            bundle.SceneEntry(name=one.name, simulated=one.simulated, ids=dict(one.ids)) for one in learned
        )
        if len(learned) > 1
        else (),
        ranges=dict(input_ranges(model, _some_patches(data).parts(_AT_ONCE))) if model.tiling is None else {},
        transductive=config["transductive"],
        training={key: config[key] for key in ("version", "seed", "options", "mark")},
    )


def _some_patches(data: TrainingData) -> Patches:
    """Training pixels of all kinds, a few thousand of each at most."""
    groups = (data.labelled_pairs, data.labelled_target, data.unlabelled_pairs, data.unlabelled_target)
    return joined_patches(
        [group.target.chosen(np.arange(0, len(group), max(1, len(group) // _MANY))) for group in groups]
    )


def validator(data: TrainingData) -> Callable[[Learner], dict[str, float]]:
    """Overall and average accuracy of what a learner would map of the pixels held out."""

    def validate(learner: Learner) -> dict[str, float]:
        probabilities, label = held_out_probabilities(learner, data)
        predicted = probabilities.argmax(1)
        recalls = [float((predicted[label == c] == c).mean()) for c in np.unique(label)]
        return {"oa": float((predicted == label).mean()), "aa": float(np.mean(recalls))}

    return validate


def data_digest(data: TrainingData) -> str:
    """One word for all training pixels: a resumed run must find the same."""
    digest = hashlib.sha256()
    for group in (
        data.labelled_pairs,
        data.labelled_target,
        data.unlabelled_pairs,
        data.unlabelled_target,
        data.validation,
    ):
        digest.update(np.ascontiguousarray(group.position).data)
        group.target.tell(digest.update)
        if group.auxiliary is not None:
            group.auxiliary.tell(digest.update)
        if group.label is not None:
            digest.update(np.ascontiguousarray(group.label).data)
    for windows in (data.windows.train, data.windows.held_out) if data.windows is not None else ():
        if windows is not None:
            windows.target.tell(digest.update)
            digest.update(np.ascontiguousarray(windows.label).data)
    return digest.hexdigest()[:16]
