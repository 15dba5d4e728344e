"""One run: a method on training data, to a bundle, tested on pixels that it never saw."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from geo_xmodal import bundle
from geo_xmodal.accuracy import Calibration, ConfusionMatrix, ReliabilityBin, metrics
from geo_xmodal.errors import ResumeError
from geo_xmodal.mapping import evaluate_windows
from geo_xmodal.methods.base import Learner, LoopOptions
from geo_xmodal.networks import PixelModel, input_ranges
from geo_xmodal.outputs import UNFINISHED, mark_unfinished, output_errors, write_json
from geo_xmodal.raster import WindowReader, pixel_size
from geo_xmodal.scenes import Scene, labelled_windows
from geo_xmodal.training.checkpoint import FILE as CHECKPOINT
from geo_xmodal.training.checkpoint import fingerprint
from geo_xmodal.training.engine import ON_PROCESSOR, Compute, repeatable
from geo_xmodal.training.files import CONFIG, LOG, METRICS, WAY_OUT, RunLog, check_there, read_json
from geo_xmodal.training.loop import fit
from geo_xmodal.training.progress import train_and_test
from geo_xmodal.training.request import Variant
from geo_xmodal.training.threads import on_threads, recorded_threads, threads_for
from geo_xmodal.types import ClassArray, FloatArray, IntArray, PixelGroup, Progress, TrainingData, Window
from geo_xmodal.version import VERSION

TEST_WINDOW = 512
_MANY = 4096


@dataclass(frozen=True)
class RunResult:
    """What one run left behind; `metrics` is its metrics.json."""

    folder: Path
    metrics: dict[str, Any]
    log: tuple[dict[str, Any], ...]
    data_notes: Mapping[str, Any]

    @property
    def reliability(self) -> tuple[ReliabilityBin, ...]:
        """The reliability diagram of the tested pixels."""
        return tuple(ReliabilityBin(**one) for one in self.metrics["reliability"])


def run_variant(
    scene: Scene,
    data: TrainingData,
    variant: Variant,
    seed: int,
    folder: Path,
    *,
    transductive: bool = False,
    resume: bool = False,
    threads: int | None = None,
    compute: Compute = ON_PROCESSOR,
    alone: bool = True,
    progress: Progress | None = None,
) -> RunResult:
    """Train, save and test one variant with one seed.

    Writes config.json, log.jsonl, model/ and metrics.json into `folder`, which says until the end that it is
    not finished. A finished run of the same mark is not done again with `resume`; an unfinished one goes on
    after its last epoch.

    Args:
        scene: what to learn from, and to test on.
        data: the pixels to learn from.
        variant: the method with its options.
        seed: of everything drawn.
        folder: where it goes.
        transductive: whether test pixels are among the unlabelled ones.
        resume: go on with what an earlier run left, on as many threads.
        threads: what to train on otherwise; None for PyTorch's number.
        compute: on which device and in which precision, where there are steps to compute.
        alone: the folder is finished with this; else whoever calls has more to write, and says so then.
        progress: told of each epoch.

    Raises:
        OutputError: if the folder cannot be written, or is taken away meanwhile.
        ResumeError: if what is in the folder was asked for otherwise.
    """
    config: dict[str, Any] = {
        "version": VERSION,
        "scene": {"name": scene.name, "simulated": scene.simulated},
        "variant": variant.name,
        "method": variant.method.name,
        "options": variant.options.model_dump(mode="json"),
        "target": data.target.name,
        "rich": None if data.rich is None else data.rich.name,
        "seed": seed,
        "transductive": transductive,
        "data": {**data.notes, "sha256": _digest(data)},
    }
    if isinstance(variant.options, LoopOptions):
        config |= {"compute": compute.describe()}
    # names of classes may change between a run and its resumption: the digest knows pixels and labels
    lasting = {key: value for key, value in config["data"].items() if key != "per_class"}
    mark = fingerprint(config | {"data": lasting})
    log = RunLog(folder / LOG)
    if resume:
        finished = read_json(folder / METRICS)
        if finished is not None and finished.get("mark") == mark:
            _finish(folder, alone)
            return RunResult(folder, finished, tuple(log.read()), data.notes)
        if finished is not None:
            raise ResumeError(
                f"{folder} holds a finished run with other options, data or version: "
                "choose another --out, or train anew without --resume"
            )
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        mark_unfinished(folder, WAY_OUT)
    if threads is None or recorded_threads(folder) is not None:
        threads = threads_for(folder, resume)
    write_json(folder / CONFIG, config | {"threads": threads, "mark": mark})
    training, testing = train_and_test(progress)

    def logged(row: dict[str, Any]) -> None:
        check_there(folder)
        log.append(row)

    with on_threads(threads), repeatable(compute):
        learner = variant.method.learner(data, variant.options, seed)
        if learner.stages:
            fit(
                learner,
                cast(LoopOptions, variant.options),
                seed,
                compute=compute,
                mark=mark,
                folder=folder,
                resume=resume,
                validate=_validator(data.validation) if len(data.validation) else None,
                log=logged,
                progress=training,
            )
        model = learner.pixel_model()
    check_there(folder)
    bundle.save(folder / "model", model, _card(scene, data, variant, model, config | {"mark": mark}))
    scores = test_scores(scene, bundle.load(folder / "model"), scene.reader(data.target.name), testing)
    scores |= {"seed": seed, "mark": mark, "transductive": transductive}
    scores |= {"assumptions": list(data.notes.get("assumptions", ()))}
    check_there(folder)
    write_json(folder / METRICS, scores)
    _finish(folder, alone)
    if progress is not None:
        progress(1, 1, "tested")
    return RunResult(folder, scores, tuple(log.read()), data.notes)


def _finish(folder: Path, alone: bool) -> None:
    with output_errors(folder):
        (folder / CHECKPOINT).unlink(missing_ok=True)
        if alone:
            (folder / UNFINISHED).unlink(missing_ok=True)


def _card(
    scene: Scene, data: TrainingData, variant: Variant, model: PixelModel, config: dict[str, Any]
) -> bundle.Card:
    row_size, col_size, unit = pixel_size(scene.grid)
    target = data.target
    return bundle.Card(
        method=variant.name,
        network=bundle.NetworkEntry(name=model.spec.name, options=dict(model.spec.options)),
        margin=model.margin,
        target=bundle.describe_target(
            target.name, target.kind, target.sensor, target.statistics, target.unit, target.scaled
        ),
        rich=None if data.rich is None else data.rich.kind,
        classes=tuple(bundle.ClassEntry(id=c.id, name=c.name, color=c.color) for c in data.classes),
        resolution=(row_size, col_size),
        resolution_unit=unit,
        scene=scene.name,
        simulated=scene.simulated,
        ranges=dict(input_ranges(model, _some_patches(data))),
        transductive=config["transductive"],
        training={key: config[key] for key in ("version", "seed", "options", "mark")},
    )


def _some_patches(data: TrainingData) -> FloatArray:
    """Training pixels of all kinds, a few thousand of each at most."""
    groups = (data.labelled_pairs, data.labelled_target, data.unlabelled_pairs, data.unlabelled_target)
    return np.concatenate(
        [group.target.take(np.arange(0, len(group), max(1, len(group) // _MANY))) for group in groups]
    )


def test_scores(
    scene: Scene, trained: bundle.Bundle, reader: WindowReader, progress: Progress | None = None
) -> dict[str, Any]:
    """Metrics on the test pixels of a scene, of the model as it is on disk, from what `reader` gives."""
    legend = trained.card.legend
    confusion, calibration = ConfusionMatrix(len(legend)), Calibration()
    ids = [land.id for land in legend]
    windows = _told(labelled_windows(scene, "test", TEST_WINDOW), scene.grid.shape[0], progress)
    for reference, predicted, probability in evaluate_windows(trained, reader, windows):
        confusion.add(reference, predicted, ids)
        mapped = predicted > 0
        calibration.add(probability[mapped], (predicted == reference)[mapped])
    scores = dict(metrics(confusion, legend, calibration, "test"))
    bins = [dataclasses.asdict(one) for one in calibration.curve]
    return scores | {"unmapped": int(np.sum(confusion.unmapped)), "reliability": bins}


def _told(
    windows: Iterator[tuple[Window, ClassArray]], rows: int, progress: Progress | None
) -> Iterator[tuple[Window, ClassArray]]:
    """The windows, which come row by row, each told when its turn comes."""
    for window, labels in windows:
        if progress is not None:
            progress(window.row, rows, "testing")
        yield window, labels


def _validator(pixels: PixelGroup) -> Callable[[Learner], dict[str, float]]:
    label = cast(IntArray, pixels.label)

    def validate(learner: Learner) -> dict[str, float]:
        model = learner.pixel_model()
        parts = np.array_split(np.arange(len(pixels)), max(1, len(pixels) // TEST_WINDOW))
        patches = (torch.from_numpy(pixels.target.take(part)).to(learner.device) for part in parts)
        best = [model.probabilities(part).flatten(1).argmax(1) for part in patches]
        predicted = torch.cat(best).cpu().numpy()
        recalls = [float((predicted[label == c] == c).mean()) for c in np.unique(label)]
        return {"oa": float((predicted == label).mean()), "aa": float(np.mean(recalls))}

    return validate


def _digest(data: TrainingData) -> str:
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
        if group.rich is not None:
            group.rich.tell(digest.update)
        if group.label is not None:
            digest.update(np.ascontiguousarray(group.label).data)
    return digest.hexdigest()[:16]
