"""Which of a few settings a method does best with, on validation blocks of the training labels."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods.base import LoopOptions
from geo_xmodal.outputs import write_json
from geo_xmodal.training.checkpoint import fingerprint
from geo_xmodal.training.engine import ON_PROCESSOR, Compute, repeatable
from geo_xmodal.training.files import read_json
from geo_xmodal.training.learned import has_held_out
from geo_xmodal.training.loop import fit
from geo_xmodal.training.progress import part_of
from geo_xmodal.training.request import Variant
from geo_xmodal.training.run import validator
from geo_xmodal.training.work import work_in
from geo_xmodal.types import Progress, TrainingData
from geo_xmodal.version import VERSION

FILE = "trials.json"


@dataclass(frozen=True)
class Trial:
    """A setting that was tried.

    Attributes:
        settings: what it changes; nothing for the method as it comes.
        oa: overall accuracy on the validation blocks.
        aa: average accuracy there.
    """

    settings: Mapping[str, str]
    oa: float
    aa: float

    @property
    def score(self) -> float:
        """By which settings are chosen: the mean of overall and average accuracy."""
        return (self.oa + self.aa) / 2

    def as_json(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {"settings": dict(self.settings), "oa": self.oa, "aa": self.aa}


def settings_to_try(
    space: Mapping[str, tuple[str, ...]], trials: int, seed: int
) -> Iterator[Mapping[str, str]]:
    """The method as it comes, then settings drawn from all of its search space, each once.

    The first of many are those of a few.
    """
    yield {}
    every = list(itertools.product(*space.values()))
    if not space:
        return
    order = np.random.default_rng(seed).permutation(len(every))
    for k in order[: max(0, trials - 1)]:
        yield dict(zip(space, every[k], strict=True))


def tried(
    variant: Variant,
    space: Mapping[str, tuple[str, ...]],
    trials: int,
    data: TrainingData,
    seed: int,
    folder: Path,
    *,
    compute: Compute = ON_PROCESSOR,
    progress: Progress | None = None,
) -> tuple[Trial, ...]:
    """Train a variant with each of a few settings, and score it on validation blocks.

    What was tried is kept in `folder`, and not tried again for the same pixels, options, seed and version.

    Args:
        variant: the method with its options.
        space: values of options that may be tried.
        trials: how many settings, the variant as it is among them.
        data: what it learns from, with validation pixels that it does not learn from.
        seed: of the settings that are drawn, and of each training.
        folder: where the scores are kept.
        compute: on which device, and in which precision.
        progress: told of each step.

    Raises:
        TrainingDataError: there are no validation pixels.
    """
    if not has_held_out(data):
        raise TrainingDataError(
            "settings are chosen on validation blocks, and no label is held out for them: set `validation`, "
            "the share of the labels, above 0, or take one trial, the methods as they come"
        )
    asked = list(settings_to_try(space, trials, seed))
    mark = fingerprint(
        {
            "version": VERSION,
            "method": variant.method.name,
            "options": variant.options.model_dump(mode="json"),
            "pixels": str(data.notes.get("pixels")),
            "seed": seed,
            "compute": compute.describe(),
        }
    )
    kept = _kept(folder / FILE, mark)
    found: list[Trial] = []
    with repeatable(compute):
        for k, settings in enumerate(asked):
            known = next((one for one in kept if one.settings == settings), None)
            if known is None:
                part = part_of(progress, k, 1, len(asked), f"trial {k + 1} of {len(asked)}")
                known = Trial(settings, **_scores(changed(variant, settings), data, seed, compute, part))
            found.append(known)
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / FILE, {"mark": mark, "trials": [one.as_json() for one in found]})
    return tuple(found)


def changed(variant: Variant, settings: Mapping[str, str]) -> Variant:
    """The variant with other settings."""
    given = {**variant.options.model_dump(), **settings}
    return Variant(variant.name, variant.method, type(variant.options).model_validate(given), variant.summary)


def best(trials: tuple[Trial, ...]) -> Trial:
    """The one with the highest score; the earliest of those that share it."""
    return max(trials, key=lambda one: one.score)


def _scores(
    variant: Variant, data: TrainingData, seed: int, compute: Compute, progress: Progress | None
) -> dict[str, float]:
    learner = variant.method.learner(data, variant.options, seed, work_in(None, compute=compute))
    if learner.stages:
        fit(learner, cast(LoopOptions, variant.options), seed, compute=compute, progress=progress)
    learner.eval()
    return validator(data)(learner)


def _kept(path: Path, mark: str) -> list[Trial]:
    """What was tried before of the same; nothing where `path` does not hold it."""
    content = read_json(path) if path.is_file() else None
    try:
        if content is None or content["mark"] != mark:
            return []
        return [Trial(dict(one["settings"]), float(one["oa"]), float(one["aa"])) for one in content["trials"]]
    except (KeyError, TypeError, ValueError):
        return []
