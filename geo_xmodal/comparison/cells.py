"""The runs of a comparison: every distinct one once, seed by seed on common pixels; finished ones stay."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from geo_xmodal.comparison.request import Cell, ComparisonPlan, Fold
from geo_xmodal.errors import OutputError, ResumeError
from geo_xmodal.named_options import option
from geo_xmodal.outputs import (
    AGAIN,
    UNFINISHED,
    check_no_links,
    check_writable,
    mark_unfinished,
    output_errors,
)
from geo_xmodal.samples import GatherOptions, Storage, gather
from geo_xmodal.scenes import SceneSet
from geo_xmodal.training.checkpoint import FILE as CHECKPOINT
from geo_xmodal.training.engine import ON_PROCESSOR, Compute
from geo_xmodal.training.files import FINDINGS, METRICS
from geo_xmodal.training.loop import expected_steps
from geo_xmodal.training.progress import RunsProgress
from geo_xmodal.training.run import RunResult, run_variant
from geo_xmodal.training.trials import FILE as TRIALS
from geo_xmodal.training.trials import Trial, best, changed, tried
from geo_xmodal.types import PixelGroup, Progress, TrainingData

CELLS, JSON_NAME = "cells", "comparison.json"

Results = Mapping[str, Sequence[RunResult]]
"""Runs by the name of their cell: one a seed, fold by fold."""


def check_folder(out: Path) -> None:
    """See that `out` may be written, and holds nothing but an earlier comparison.

    Raises:
        OutputError: It cannot, or it does.
    """
    check_writable(out)
    check_no_links(out, lambda name: name in (CELLS, UNFINISHED))
    found = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if found - {UNFINISHED} and not (out / CELLS).is_dir():
        raise OutputError(f"{out} is not empty and holds no comparison: choose another {option('out')}")


def gather_pixels(
    scenes: SceneSet,
    plan: ComparisonPlan,
    seed: int,
    progress: Progress | None = None,
    storage: Storage | None = None,
) -> dict[bool, TrainingData]:
    """What the cells of one seed learn from: without and, where one asks so, with test pixels among it.

    Values that do not fit into memory go into `storage`.

    Raises:
        LabelError, TrainingDataError: if the scene's labels or pixels do not suffice.
    """
    options = {cell.gather.transductive: cell.gather for cell in (*plan.cells(), *plan.ceilings())}
    return {
        transductive: _gathered(scenes, one, seed, progress, storage) for transductive, one in options.items()
    }


def run_cells(
    folds: Sequence[Fold],
    out: Path,
    plan: ComparisonPlan,
    first: Mapping[bool, TrainingData],
    progress: Progress | None = None,
    compute: Compute = ON_PROCESSOR,
    storage: Storage | None = None,
) -> Results:
    """Train and test whatever is not finished yet; `first` are the pixels of the first fold and seed.

    Where a cell has settings to try, they are tried on validation blocks before its run, seed by seed; the
    run is then one with the best of them, and its metrics say which (`trials`).

    Values of other seeds that do not fit into memory go into `storage`.

    Raises:
        LabelError, TrainingDataError: if the scenes' labels or pixels do not suffice.
        ResumeError: if the folder holds runs of other data, or of another version.
    """
    cells = plan.cells()
    results: dict[str, list[RunResult]] = {cell.name: [] for cell in cells}
    steps = [_steps(cell, first[cell.gather.transductive]) for cell in cells]
    runs = RunsProgress(progress, steps, len(plan.seeds) * len(folds))
    for fold, seed in itertools.product(folds, plan.seeds):
        begun = (fold, seed) == (folds[0], plan.seeds[0])
        pixels = first if begun else gather_pixels(fold.scenes, plan, seed, runs.reading(), storage)
        for cell in cells:
            folder = out / CELLS / cell.name / (fold.left_out or "") / f"seed-{seed}"
            without = "" if fold.left_out is None else f"without {fold.left_out}, "
            _begin(out)
            with _nothing_left_before_the_first_epoch(out, folder), _explained(out):
                data = cell.seen(pixels)
                part = runs.next(f"{without}seed {seed}, {cell.variant.name}")
                trials = _tried(cell, data, seed, folder, compute, part)
                result = run_variant(
                    fold.scenes,
                    data,
                    changed(cell.variant, best(trials).settings) if trials else cell.variant,
                    seed,
                    folder,
                    transductive=cell.transductive,
                    resume=True,
                    compute=compute,
                    progress=part,
                )
            said = tuple(one.as_json() for one in trials)
            results[cell.name].append(dataclasses.replace(result, trials=said))
    return results


def _steps(cell: Cell, data: TrainingData) -> int:
    """About how many steps a run takes, with its trials."""
    runs = 1 + (min(cell.trials, math.prod(map(len, cell.space.values())) + 1) if cell.space else 0)
    return runs * expected_steps(cell.variant.options, data)


def _tried(
    cell: Cell, data: TrainingData, seed: int, folder: Path, compute: Compute, part: Progress | None
) -> tuple[Trial, ...]:
    """The trials of a cell; none where there is nothing to try."""
    if not cell.space:
        return ()
    return tried(cell.variant, cell.space, cell.trials, data, seed, folder, compute=compute, progress=part)


def _begin(out: Path) -> None:
    """A comparison is not finished before its first files; a finished one stays so while runs are added."""
    with output_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        if not (out / JSON_NAME).is_file():
            mark_unfinished(out, AGAIN)


def _gathered(
    scenes: SceneSet, options: GatherOptions, seed: int, progress: Progress | None, storage: Storage | None
) -> TrainingData:
    """The pixels of one seed; their notes say by one word which they are, whoever looks how far."""
    data = gather(scenes, options.model_copy(update={"seed": seed}), progress, storage)
    return dataclasses.replace(data, notes={**data.notes, "pixels": _places(data)})


def _places(data: TrainingData) -> str:
    """One word for the places and labels of all training pixels."""
    digest = hashlib.sha256()
    alone = data.without_auxiliary()
    groups: tuple[PixelGroup, ...] = (alone.labelled_target, alone.unlabelled_target, alone.validation)
    for group in groups:
        for array in (group.position, group.label):
            if array is not None:
                digest.update(np.ascontiguousarray(array).data)
    for name, part in data.notes.get("scenes", {}).items():  # the same place is another one in another scene
        digest.update(repr((name, part.get("counts"))).encode())
    return digest.hexdigest()[:16]


@contextmanager
def _explained(out: Path) -> Iterator[None]:
    try:
        yield
    except ResumeError:
        raise ResumeError(
            f"{out} holds runs of a scene that has changed since, of another version, device or precision: "
            f"choose another {option('out')}"
        ) from None


@contextmanager
def _nothing_left_before_the_first_epoch(out: Path, folder: Path) -> Iterator[None]:
    """A run that fails before there is anything to resume takes its files with it."""
    try:
        yield
    except BaseException:
        if not any((folder / name).exists() for name in (CHECKPOINT, FINDINGS, METRICS, TRIALS)):
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # what else is there, stays
                for place in (one for one in folder.parents if one.is_relative_to(out / CELLS)):
                    place.rmdir()
                (out / UNFINISHED).unlink(missing_ok=True)
                out.rmdir()
        raise
