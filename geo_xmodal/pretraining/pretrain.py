"""A pretraining: pairs of two sensors to encoders on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from geo_xmodal import processes
from geo_xmodal.methods.pretraining.learner import PretrainLearner
from geo_xmodal.outputs import write_json
from geo_xmodal.pretrained import FOLDER, Pretrained, PretrainedCard, load_pretrained, save_pretrained
from geo_xmodal.pretraining.preprocessing import as_published
from geo_xmodal.pretraining.probe import probe, probe_table
from geo_xmodal.pretraining.request import PretrainPlan, PretrainRequest, resolve
from geo_xmodal.samples import Storage, storage_for
from geo_xmodal.training import compute_for
from geo_xmodal.training.checkpoint import fingerprint
from geo_xmodal.training.engine import Compute, repeatable
from geo_xmodal.training.experiment import gathered
from geo_xmodal.training.files import (
    LOG,
    METRICS,
    RunLog,
    begun_run,
    check_there,
    held_run,
    recorded_store,
)
from geo_xmodal.training.loop import fit
from geo_xmodal.training.progress import reading, train_and_test
from geo_xmodal.training.run import begin_folder, data_digest, finish_folder, finished_metrics, lasting
from geo_xmodal.training.sources import Given, Learned, learned_from
from geo_xmodal.training.threads import on_threads, threads_for
from geo_xmodal.types import Progress, TrainingData
from geo_xmodal.version import VERSION
from geo_xmodal.wording import names_text


@dataclass(frozen=True)
class PretrainingRun:
    """A finished pretraining.

    Attributes:
        folder: Where it is.
        metrics: Its metrics.json: the loss of the last epoch, and `probe`, the accuracy of a linear
            classifier on frozen features against that on random weights, where there are labels.
    """

    folder: Path
    metrics: Mapping[str, Any]

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What was taken for granted about the files, a line each."""
        return tuple(self.metrics.get("assumptions", ()))

    def load(self) -> Pretrained:
        """The encoders."""
        return load_pretrained(self.folder)


def pretrain_scene(
    scenes: Given,
    out: Path | str,
    request: PretrainRequest,
    progress: Progress | None = None,
    *,
    note: Callable[[str], None] = lambda line: None,
) -> PretrainingRun:
    """Pretrain encoders of two sensors on unlabelled pairs, and write a run folder (docs/file-formats.md).

    Samples are patches around pixels that both sensors have, of scenes or of sets of chips. Those that hold a
    test pixel are left out unless `transductive` is asked for, and labels are not looked at until the end:
    where there are training labels, a linear classifier of the frozen features of the target sensor is fitted
    on them and scored on blocks held out of them, beside one on random weights.

    Among several processes that torchrun started, all call this alike; the first one alone writes and tells.

    Args:
        scenes: A scene, several, or a set of chips, with labels or without.
        out: The run folder.
        request: Method and settings.
        progress: Told of every step.
        note: Told what should be known, before anything trains.

    Returns:
        The run; `load_pretrained` gives its encoders.

    Raises:
        UsageError: An unknown method or setting, or a device that this machine has not.
        SceneError, ChipError, LabelError: As `train_scene`.
        TrainingDataError: There is no second sensor, or there are no pairs.
        OutputError: `out` cannot be written, or holds something else.
        ResumeError: `request.resume` finds a run with other options.
        ProcessError: Another process sees other files or options, or ends.
    """
    out = Path(out)
    compute = compute_for(request.device, request.precision)
    with processes.joined(compute.device):
        with processes.together():
            joined = learned_from(scenes, request.given, request.hold_out, labels_needed=False)
            plan = resolve(request, joined)
        metrics: dict[str, Any] = {}
        if processes.is_first():
            with (
                held_run(out),
                storage_for(out, recorded_store(out) if request.resume else None, note) as storage,
            ):
                data = _pairs(joined, plan, storage, reading(progress, 0, 0))
                storage.prune()
                for line in _notes(joined, data):
                    note(line)
                with begun_run(out, request.resume):
                    metrics = _run(joined, plan, data, out, request, compute, progress)
                    storage.remove()
        else:
            with storage_for(out.with_name(f"{out.name}-process-{processes.number()}")) as storage:
                data = _pairs(joined, plan, storage, None)
                _run(joined, plan, data, out, request, compute, None)
        return PretrainingRun(out, processes.told(metrics))


def _pairs(scenes: Learned, plan: PretrainPlan, storage: Storage, progress: Progress | None) -> TrainingData:
    data = gathered(scenes, plan.gather, storage, progress, labels_needed=False)
    return as_published(data) if plan.options.preprocessing == "paper" else data


def _notes(scenes: Learned, data: TrainingData) -> list[str]:
    return [*scenes.notes, f"{data.pairs:,} pairs of {data.target.name} and {cast(Any, data.auxiliary).name}"]


def _run(
    scenes: Learned,
    plan: PretrainPlan,
    data: TrainingData,
    folder: Path,
    request: PretrainRequest,
    compute: Compute,
    progress: Progress | None,
) -> dict[str, Any]:
    """Train and write; metrics where this is the first process."""
    config: dict[str, Any] = {
        "version": VERSION,
        **scenes.describe(),
        "pretraining": plan.method,
        "options": plan.options.model_dump(mode="json"),
        "target": data.target.name,
        "auxiliary": None if data.auxiliary is None else data.auxiliary.name,
        "seed": request.seed,
        "transductive": plan.gather.transductive,
        "data": {**data.notes, "sha256": data_digest(data)},
        "compute": compute.describe(),
    }
    mark = fingerprint(lasting(config))
    processes.check_alike(
        pairs=config["data"]["sha256"], options_or_versions=f"{mark}, PyTorch {torch.__version__}"
    )
    log, threads, finished = RunLog(folder / LOG), None, None
    if processes.is_first():
        finished = finished_metrics(folder, mark) if request.resume else None
        if finished is None:
            threads = begin_folder(
                folder, config | {"mark": mark}, threads_for(folder, request.resume), request.resume
            )
    if processes.told(finished is not None):
        return finished or {}
    training, after = train_and_test(progress)

    def logged(row: dict[str, Any]) -> None:
        check_there(folder)
        log.append(row)

    with on_threads(cast(int, processes.told(threads))), repeatable(compute):
        torch.manual_seed(request.seed)
        learner = PretrainLearner(data, plan.method, plan.options)
        fit(
            learner, plan.options, request.seed,
            compute=compute, mark=mark, folder=folder, resume=request.resume, log=logged, progress=training,
        )  # fmt: skip
        if not processes.is_first():
            return {}
        if not learner.stages:
            learner.settle(request.seed)
        check_there(folder)
        card = save_pretrained(folder / FOLDER, _pretrained(scenes, data, learner, config | {"mark": mark}))
        if after is not None:
            after(0, 1, "linear probe")
        metrics = {
            "method": plan.method,
            "seed": request.seed,
            "mark": mark,
            "transductive": card.transductive,
            "simulated": card.simulated,
            "dimensions": card.dimensions,
            "common": card.common,
            "pairs": data.pairs,
            "loss": rows[-1]["loss"] if (rows := log.read()) else {},
            "probe": _probes(data, learner, plan, request.seed),
            "assumptions": list(data.notes.get("assumptions", ())),
        }
    check_there(folder)
    write_json(folder / METRICS, metrics)
    finish_folder(folder, alone=False)
    if progress is not None:
        progress(1, 1, "pretrained")
    return metrics


def _pretrained(
    scenes: Learned, data: TrainingData, learner: PretrainLearner, config: dict[str, Any]
) -> Pretrained:
    sensors = learner.sensors()
    learned = scenes.training
    card = PretrainedCard(
        method=learner.method,
        dimensions=learner.options.dimensions,
        common=learner.common,
        width=learner.options.projector_width,
        sensors=(sensors[0].entry, sensors[1].entry),
        scene=names_text([one.name for one in learned]),
        simulated=any(one.simulated for one in learned),
        transductive=config["transductive"],
        training={name: config[name] for name in ("version", "seed", "options", "mark")},
    )
    return Pretrained(card, sensors)


def _probes(data: TrainingData, learner: PretrainLearner, plan: PretrainPlan, seed: int) -> dict[str, Any]:
    """The probe of what was learned, and of the same networks without learning; none of whole images."""
    if plan.options.image:
        return {}
    torch.manual_seed(seed)
    random = PretrainLearner(data, "random", plan.options)
    random.settle(seed)
    encoders = [one.sensors()[0].encoder for one in (learner, random)]
    return probe_table(*(probe(data, encoder, encoder.margin) for encoder in encoders))
