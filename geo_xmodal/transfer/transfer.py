"""A transfer study: every share of the labels, every draw, tested on all test chips."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geo_xmodal import processes
from geo_xmodal.chips import ChipSet
from geo_xmodal.errors import UsageError
from geo_xmodal.methods.base import Learner, LoopOptions
from geo_xmodal.methods.weights_file import weights_checksum
from geo_xmodal.outputs import check_writable, held, write_json
from geo_xmodal.pretrained import encoder_file
from geo_xmodal.training.checkpoint import FILE as CHECKPOINT
from geo_xmodal.training.checkpoint import fingerprint
from geo_xmodal.training.engine import Compute, compute_for, repeatable
from geo_xmodal.training.files import METRICS, read_json
from geo_xmodal.training.loop import fit
from geo_xmodal.training.progress import part_of
from geo_xmodal.transfer.classification import (
    ClassificationLearner,
    classification_learner,
    classification_scores,
)
from geo_xmodal.transfer.draws import drawn, seeds_of
from geo_xmodal.transfer.request import TransferRequest
from geo_xmodal.transfer.segmentation import segmentation_learner, segmentation_scores
from geo_xmodal.transfer.sensors import Sensors
from geo_xmodal.types import Progress
from geo_xmodal.version import VERSION

FILE = "transfer.json"

MEASURES = {"segmentation": ("oa", "miou"), "classification": ("map_macro", "map_micro")}
"""Of each task, for the table."""


@dataclass(frozen=True)
class TransferResult:
    """A finished study.

    Attributes:
        folder: where it is.
        runs: one a share and draw: `fraction`, `seed`, `chips` and the measures.
        summary: by share, as text, the mean and the standard deviation over draws of each measure.
    """

    folder: Path
    runs: Sequence[Mapping[str, Any]]
    summary: Mapping[str, Mapping[str, Any]]


def transfer_chips(
    chips: ChipSet, out: Path | str, request: TransferRequest, progress: Progress | None = None
) -> TransferResult:
    """Learn from shares of the labels of a set of chips, and test on all of its test chips.

    Every share and draw is a training of its own, resumed exactly after any epoch; what is finished is not
    done again. Measures are those of the whole test set at once: one confusion matrix, or one ranking of all
    chips, and not a mean over batches. Test chips take part in nothing else.

    Args:
        chips: the set, with labels and splits.
        out: the folder; `transfer.json` holds all figures.
        request: task, sensors, network and shares.
        progress: told of each step.

    Raises:
        ChipError: The set lacks a sensor, or chips that train or test.
        UsageError: Weights are named for a sensor that takes no part, or a device is not to be had.
        TrainingDataError: Weights are not for the backbone.
        LabelError, RasterError: A chip cannot be read.
        OutputError: `out` cannot be written.
    """
    out = Path(out)
    if processes.launched() > 1:
        raise UsageError("a transfer study runs in one process: start it without torchrun")
    check_writable(out)
    compute = compute_for(request.device, request.precision)
    sensors = Sensors.of(chips, request.sensors)
    weights = _weights(sensors.names, request.weights)
    train = sensors.chips("train")
    if len(train) > request.max_chips:
        train = [train[k] for k in drawn(len(train), request.max_chips / len(train), request.seed)]
    asked = [(share, seed) for share in request.fractions for seed in seeds_of(request.seed, request.draws)]
    runs = []
    with held(out):
        for k, (share, seed) in enumerate(asked):
            numbers = [train[one] for one in drawn(len(train), share, seed)]
            folder = out / f"labels-{share:g}" / f"draw-{seed}"
            part = part_of(progress, k, 1, len(asked), f"{share:.3g} of the labels, draw {seed}")
            found = _run(sensors, numbers, request, weights, seed, folder, compute, part)
            runs.append({"fraction": share, "seed": seed, "chips": len(numbers), **found})
        summary = _summary(runs, MEASURES[request.task])
        write_json(out / FILE, {**_described(request, sensors, weights), "summary": summary, "runs": runs})
    return TransferResult(out, tuple(runs), summary)


def _weights(names: Sequence[str], files: Mapping[str, Path]) -> dict[int, Path]:
    """Files by the number of their sensor; of a pretraining run, that of the sensor's encoder."""
    for name in files:
        if name not in names:
            raise UsageError(f"weights for {name}, which takes no part: sensors are {', '.join(names)}")
    return {number: _file(Path(files[name]), name) for number, name in enumerate(names) if name in files}


def _file(path: Path, sensor: str) -> Path:
    return encoder_file(path, sensor) if path.is_dir() else path


def _run(
    sensors: Sensors,
    numbers: Sequence[int],
    request: TransferRequest,
    weights: Mapping[int, Path],
    seed: int,
    folder: Path,
    compute: Compute,
    progress: Progress | None,
) -> dict[str, Any]:
    """One training and its test; what is finished of the same is read."""
    digest = hashlib.sha256(repr([sensors.source.chips.chips[one].key for one in numbers]).encode())
    identity = sorted(sensors.reader.identity().items())
    mark = fingerprint(
        {
            **_described(request, sensors, weights),
            "seed": seed,
            "chips": digest.hexdigest(),
            "files": hashlib.sha256(repr(identity).encode()).hexdigest(),
            "compute": compute.describe(),
        }
    )
    path = folder / METRICS
    kept = read_json(path) if request.resume and path.is_file() else None
    if kept is not None and kept.get("mark") == mark:
        return {key: value for key, value in kept.items() if key != "mark"}
    folder.mkdir(parents=True, exist_ok=True)
    learner: Learner
    options: LoopOptions
    with repeatable(compute):
        if request.task == "segmentation":
            segmenter, options = segmentation_learner(sensors, numbers, request, weights, seed)
            learner = segmenter
        else:
            learner, options = classification_learner(sensors, numbers, request, weights, seed)
        fit(
            learner,
            options,
            seed,
            compute=compute,
            mark=mark,
            folder=folder,
            resume=request.resume,
            progress=progress,
        )
        if isinstance(learner, ClassificationLearner):
            found = classification_scores(learner, sensors)
        else:
            found = segmentation_scores(segmenter, sensors)
    write_json(path, {**found, "mark": mark})
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return dict(found)


def _described(request: TransferRequest, sensors: Sensors, weights: Mapping[int, Path]) -> dict[str, Any]:
    """Everything that decides what comes out, but the share and the draw."""
    asked = request.model_dump(
        mode="json", exclude={"resume", "device", "fractions", "draws", "seed", "weights", "sensors"}
    )
    return {
        "version": VERSION,
        "set": sensors.source.name,
        **asked,
        "learning_rate": request.rate,
        "sensors": list(sensors.names),
        "weights": {sensors.names[number]: weights_checksum(path) for number, path in weights.items()},
    }


def _summary(runs: Sequence[Mapping[str, Any]], measures: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Means and standard deviations over draws, by share."""
    found: dict[str, dict[str, Any]] = {}
    for share in dict.fromkeys(run["fraction"] for run in runs):
        own = [run for run in runs if run["fraction"] == share]
        found[f"{share:g}"] = {"chips": own[0]["chips"], "draws": len(own)}
        for name in measures:
            values = [run[name] for run in own if run[name] is not None]
            spread = statistics.stdev(values) if len(values) > 1 else None
            found[f"{share:g}"][name] = {
                "mean": statistics.fmean(values) if values else None,
                "sd": spread,
            }
    return found
