"""The ceiling: a classifier that sees both sensors at test time, on the test pixels that have both.

What a method could reach if the map had the auxiliary sensor. It is no method: it maps nothing where that
sensor has no data, is never saved as a model, and no other part of the package knows it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from geo_xmodal.accuracy import Calibration, ConfusionMatrix, metrics
from geo_xmodal.comparison.cells import CELLS, gather_pixels
from geo_xmodal.comparison.request import Cell, ComparisonPlan, Fold
from geo_xmodal.methods.base import JointClassifier, LoopOptions
from geo_xmodal.outputs import write_json
from geo_xmodal.patches import HeldPatches
from geo_xmodal.samples import Storage, read_patches
from geo_xmodal.scenes import Member
from geo_xmodal.training.checkpoint import fingerprint
from geo_xmodal.training.engine import Compute, repeatable
from geo_xmodal.training.files import METRICS, read_json
from geo_xmodal.training.loop import fit
from geo_xmodal.training.progress import part_of
from geo_xmodal.types import IntArray, PixelGroup, Progress, TrainingData
from geo_xmodal.version import VERSION

_CHUNK = 2048
"""Test pixels that are read at a time."""


@dataclass(frozen=True)
class CeilingRun:
    """What one training of the classifier is worth: measures of metrics.json, and `n` tested pixels."""

    metrics: Mapping[str, Any]


CeilingRuns = Mapping[str, Sequence[CeilingRun]]
"""By the name of the cell: one a seed, fold by fold; nothing where no test pixel has both sensors."""


def run_ceiling(
    folds: Sequence[Fold],
    out: Path,
    plan: ComparisonPlan,
    first: Mapping[bool, TrainingData],
    compute: Compute,
    storage: Storage,
    progress: Progress | None = None,
) -> CeilingRuns:
    """Train and test the classifiers of all tables; what is finished stays in `out/cells`.

    Args:
        folds: scenes to train and test on.
        out: folder of the comparison.
        plan: what is compared.
        first: pixels of the first fold and seed.
        compute: on which device, and in which precision.
        storage: of values that do not fit into memory.
        progress: told of each step.
    """
    cells = {cell.name: cell for cell in plan.ceilings()}
    if not cells or not all(_tested(fold) for fold in folds):
        return {}
    runs: dict[str, list[CeilingRun]] = {name: [] for name in cells}
    asked = list(itertools.product(folds, plan.seeds))
    for k, (fold, seed) in enumerate(asked):
        begun = (fold, seed) == (folds[0], plan.seeds[0])
        pixels = first if begun else gather_pixels(fold.scenes, plan, seed, None, storage)
        for name, cell in cells.items():
            folder = out / CELLS / name / (fold.left_out or "") / f"seed-{seed}"
            part = part_of(progress, k, 1, len(asked), f"seed {seed}, ceiling")
            runs[name].append(_run(fold, cell, pixels[cell.gather.transductive], seed, folder, compute, part))
    return runs


def _tested(fold: Fold) -> bool:
    """Whether any test pixel has both sensors."""
    return any(len(label) for member in fold.judged for _, label in _both(member, 0, 0))


def _run(
    fold: Fold,
    cell: Cell,
    data: TrainingData,
    seed: int,
    folder: Path,
    compute: Compute,
    progress: Progress | None,
) -> CeilingRun:
    mark = fingerprint(
        {
            "version": VERSION,
            "cell": cell.name,
            "pixels": str(data.notes.get("pixels")),
            "seed": seed,
            "compute": compute.describe(),
            "tested": [member.name for member in fold.judged],
        }
    )
    kept = read_json(folder / METRICS) if (folder / METRICS).is_file() else None
    if kept is not None and kept.get("mark") == mark:
        return CeilingRun(kept)
    seen = cell.variant.seen(data)
    with repeatable(compute):
        learner = cell.variant.method.learner(seen, cell.variant.options, seed)
        options = cast(LoopOptions, cell.variant.options)
        fit(learner, options, seed, compute=compute, progress=progress)
        found = _scores(fold, cast(JointClassifier, learner.eval()), data)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / METRICS, {**found, "seed": seed, "mark": mark})
    return CeilingRun(read_json(folder / METRICS) or {})


def _scores(fold: Fold, learner: JointClassifier, data: TrainingData) -> dict[str, Any]:
    """Measures on the test pixels that have both sensors."""
    confusion, calibration = ConfusionMatrix(len(data.classes)), Calibration()
    ids = [land.id for land in data.classes]
    options = learner.options
    for member in fold.judged:
        for pixels, label in _both(member, options.margin, options.auxiliary_margin):
            for batch, reference in _batches(learner, pixels, label):
                probability = learner.probabilities_of_pairs(batch).cpu().numpy()
                predicted = np.array(ids)[probability.argmax(1)]
                confusion.add(reference, predicted, ids)
                calibration.add(probability.max(1), predicted == reference)
    return dict(metrics(confusion, data.classes, calibration, "test"))


def _batches(learner: JointClassifier, pixels: PixelGroup, label: IntArray) -> Iterator[tuple[Any, IntArray]]:
    pool = learner.pool_of(pixels)
    for index in torch.split(torch.arange(len(pool)), pool.chunk):
        yield learner.draw(pool, index), label[index.numpy()]


def _both(member: Member, margin: int, auxiliary_margin: int) -> Iterator[tuple[PixelGroup, IntArray]]:
    """Test pixels of a scene that have both sensors, with their class ids, some at a time."""
    if member.auxiliary is None:
        return
    tested = member.labels("test")
    target, auxiliary = member.reader(member.target), member.reader(member.auxiliary)
    for start in range(0, len(tested), _CHUNK):
        position = tested.position[start : start + _CHUNK]
        label = tested.label[start : start + _CHUNK].astype(np.int64)
        patches, spectra = (
            read_patches(reader, position, radius)
            for reader, radius in ((target, margin), (auxiliary, auxiliary_margin))
        )
        there = _middle_finite(patches) & _middle_finite(spectra)
        pixels = PixelGroup(position[there], HeldPatches(patches[there]), HeldPatches(spectra[there]))
        yield pixels, label[there]


def _middle_finite(patches: Any) -> Any:
    middle = patches.shape[-1] // 2
    return np.isfinite(patches[:, :, middle, middle]).all(axis=1)
