"""`auto`: the method, or the average of methods, that is best on blocks of the training labels.

Every scene has another winner: trees on one, networks on the next, with the auxiliary sensor or without it.
So candidates are compared by cross-validation in spatial blocks of the training labels, within a budget, and
what is best there is trained on all labels. Test pixels have no part in it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, cast

import numpy as np
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from geo_xmodal.class_shares import Floats, HeldOut, learned_of_counts
from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods.auto.candidates import (
    CANDIDATES,
    FALLBACKS,
    Candidate,
    candidates_of,
    reach_of,
    self_trained,
)
from geo_xmodal.methods.auto.choosing import choose
from geo_xmodal.methods.auto.initialisation import (
    PRETRAINED,
    FromPairs,
    FromRun,
    in_turn,
    pretrained_candidates,
)
from geo_xmodal.methods.auto.judging import Bench, learned, trained
from geo_xmodal.methods.base import (
    Batch,
    Control,
    Learner,
    Method,
    Options,
    Work,
    check_unlabelled,
    joined_pool,
)
from geo_xmodal.methods.pretrained_start import Start
from geo_xmodal.networks import PixelModel, average_model
from geo_xmodal.pretrained import read_pretrained_card
from geo_xmodal.types import ModalitySummary, Progress, TrainingData

__all__ = ["Auto", "AutoOptions"]


class AutoOptions(Options):
    """Options of `auto`."""

    budget: float = Field(300.0, gt=0, description="seconds for choosing; what is chosen is trained after it")
    candidates: tuple[str, ...] = Field(
        tuple(CANDIDATES), description=f"what is chosen among: {', '.join(CANDIDATES)}"
    )
    sensors: Literal["both", "target"] = Field(
        "both", description="both, or target: only candidates that learn without the auxiliary sensor"
    )
    self_training: bool = Field(
        False,
        description="what the target sensor alone chooses also learns its own answers for unlabelled pixels",
    )
    epochs: int | None = Field(
        None, ge=1, description="of the networks among the candidates (default: as of their methods)"
    )
    single_pixels: bool = Field(False, description="no candidate looks further than a pixel")
    folds: int = Field(5, ge=2, le=20, description="parts of the training labels, each held out in turn")
    pretraining: Literal["none", "decur", "barlow_twins", "simclr", "clip", "vicreg"] = Field(
        "none",
        description="candidates that start from a pretraining on the scene's own pairs, without labels",
    )
    pretraining_epochs: int = Field(20, ge=1, description="passes of that over the pairs")
    init: str | None = Field(
        None, description="candidates that start from this run of pretrain: given as such, not as a setting"
    )

    @model_validator(mode="after")
    def _begin_once(self) -> Self:
        if self.init is not None and self.pretraining != "none":
            raise ValueError(
                "candidates start from a run or from a pretraining of their own: give one of them"
            )
        return self

    @field_validator("candidates")
    @classmethod
    def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in names if name not in CANDIDATES]:
            raise ValueError(f"no candidate '{unknown[0]}'; choose some of {', '.join(CANDIDATES)}")
        if not names:
            raise ValueError(f"none is left to choose among; name some of {', '.join(CANDIDATES)}")
        return tuple(dict.fromkeys(names))

    @property
    def margin(self) -> int:
        """Radius of the target patches: that of the candidate that looks furthest."""
        own = reach_of(self._names_like, self.single_pixels)[0]
        if self.init is None:
            return own
        return max(own, *(one.margin for one in read_pretrained_card(self.init).sensors))

    @property
    def auxiliary_margin(self) -> int:
        """The same of the auxiliary sensor's."""
        return reach_of(self._names_like, self.single_pixels)[1]

    @property
    def _names_like(self) -> tuple[str, ...]:
        """Candidates, and what those that start from a pretraining are without it."""
        begins = self.init is not None or self.pretraining != "none"
        return (*self.candidates, *(PRETRAINED.values() if begins else ()))

    @property
    def steps(self) -> int:
        """As many as a network that is trained for a while."""
        return 1000

    def candidates_for(
        self, target: ModalitySummary, names: Sequence[str] | None = None
    ) -> tuple[Candidate, ...]:
        """Candidates for a target sensor: all, or some by name, in their order.

        Raises:
            UsageError, BundleError, ModelMismatchError: The run to start from is for another sensor.
        """
        some = self.candidates if names is None else [one for one in names if one in CANDIDATES]
        made = candidates_of(some, target.kind, self.epochs, self.single_pixels)
        initialisation: FromRun | FromPairs
        if self.init is not None:
            initialisation = FromRun(Start.of(Path(self.init), target.name, target.kind))
        elif self.pretraining != "none":
            initialisation = FromPairs(self.pretraining, self.pretraining_epochs)
        else:
            return made
        pretrained = pretrained_candidates(initialisation, target.kind, self.epochs, self.single_pixels)
        if names is None:
            return in_turn(made, pretrained)
        found = {one.name: one for one in (*made, *pretrained)}
        return tuple(found[one] for one in names)


_CHOOSING = 0.7
"""Share of the work that choosing takes, about."""


def _part(progress: Progress | None, first: float, last: float, steps: int) -> Progress | None:
    """Progress of a part of the work, from one share of it to another, in so many steps of the whole."""
    if progress is None:
        return None
    tell = progress

    def part(done: int, total: int, message: str) -> None:
        tell(round(steps * (first + (last - first) * done / max(1, total))), steps, message)

    return part


class AutoLearner(Learner):
    """What was chosen, trained when it is made: there are no stages."""

    def __init__(self, data: TrainingData, options: AutoOptions, seed: int, work: Work) -> None:
        super().__init__()
        self.labelled = joined_pool(data.labelled_pairs, data.labelled_target, labelled=True)
        self.unlabelled = self.labelled.empty()
        choosing, training = (
            dataclasses.replace(work, progress=_part(work.progress, first, last, options.steps))
            for first, last in ((0, _CHOOSING), (_CHOOSING, 1))
        )
        self.choice = work.kept("choice", lambda: _chosen(data, options, seed, choosing))
        members = options.candidates_for(data.target, list(self.choice["chosen"]))
        self.found: dict[str, Any] = {"choice": self.choice}
        models = []
        for done, one in enumerate(members):
            if training.progress is not None:
                training.progress(done, len(members), f"training {one.name}, which was chosen")
            alone = dataclasses.replace(training, progress=None)
            if options.self_training and not one.uses_auxiliary:
                method, own = self_trained(one, data.target.kind)
                learner = trained(method, own, one.method.seen(data, one.options), seed, alone)
            else:
                learner = learned(one, one.options, data, seed, alone)
            self.found = {**learner.findings(), **self.found}
            models.append(learner.pixel_model().eval())
        self.model = average_model(
            models,
            list(self.choice["chosen"].values()),
            [self.choice["temperatures"][one.name] for one in members],
        )

    def loss(self, stage: int, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """Nothing is left to learn."""
        return {}

    def learned_shares(self) -> Floats:
        """(classes,) 1 for each class that has labels: all candidates weigh classes alike."""
        counts = np.bincount(cast(Tensor, self.labelled.label).numpy(), minlength=self.model.classes)
        return learned_of_counts(counts, balanced=True)

    def calibration(self) -> HeldOut | None:
        """That of the average, out of fold."""
        found = self.choice["calibration"]
        return None if found is None else HeldOut(**found)

    def pixel_model(self) -> PixelModel:
        """The average, of one or several."""
        return self.model

    def findings(self) -> dict[str, Any]:
        """Every candidate with its scores on labels that were held out, and what those chosen found out."""
        return self.found


def _chosen(data: TrainingData, options: AutoOptions, seed: int, work: Work) -> dict[str, Any]:
    """Names of what is chosen with their weights and temperatures, and how it came about."""
    names = _possible(data, options)
    candidates = options.candidates_for(data.target, names)
    reach = max(one.options.margin for one in candidates)
    bench = Bench.of(data, options.folds, reach, seed)
    why = "there is nothing else to choose"
    if len(candidates) > 1:
        why = bench.folds.why
        if bench.folds.kind == "blocks":
            found = choose(candidates, bench, options.budget, work)
            if found is not None:
                return found
            why = "no candidate learns from what is left of the labels where some are held out"
    name = next((one for one in FALLBACKS if one in names), names[0])
    return {
        "says": f"The map is made by {name}, which was not chosen on this scene ({why}).",
        "folds": bench.folds.describe(),
        "kind": bench.folds.kind,
        "labels": len(bench.places),
        "candidates": [],
        "chosen": {name: 1.0},
        "temperatures": {name: 1.0},
        "average": None,
        "auxiliary": options.candidates_for(data.target, [name])[0].uses_auxiliary,
        "gain": None,
        "pretraining": None,
        "stopped": "",
        "calibration": None,
    }


def _possible(data: TrainingData, options: AutoOptions) -> list[str]:
    """Candidates that can learn from the pixels at all.

    Raises:
        TrainingDataError: None can; the message is that of the first.
    """
    possible, first, target = [], "", data.without_auxiliary()
    for one in options.candidates_for(data.target):
        if one.uses_auxiliary and options.sensors == "target":
            continue
        try:
            if one.initialisation is not None:
                one.initialisation.check(data)
            one.method.check(data if one.uses_auxiliary else target, one.options)
        except TrainingDataError as error:
            first = first or f"{one.name}: {error}"
        else:
            possible.append(one.name)
    if not possible:
        raise TrainingDataError(first or "no candidate is left that learns from the target sensor alone")
    return possible


class Auto(Method):
    """The best of the candidates on blocks of the training labels, or their average."""

    name = "auto"
    summary = "chosen on blocks of training labels: trees and networks, with the auxiliary sensor or without"
    uses_auxiliary = True
    holds_out = False
    chooses_start = True
    Options = AutoOptions

    @property
    def needs_auxiliary(self) -> bool:
        """Some of the candidates do without."""
        return False

    def controls(self, options: AutoOptions) -> Mapping[str, Control]:
        """The same choice among what learns without the auxiliary sensor."""
        summaries = {
            "target_only": "the same choice among candidates that learn from the target sensor alone",
            "self_training": "what that choice finds, taught its own answers for the unlabelled pixels, too",
        }
        return {
            name: Control(
                "auto",
                options.model_copy(update={"sensors": "target", "self_training": name == "self_training"}),
                summary,
            )
            for name, summary in summaries.items()
        }

    def check(self, data: TrainingData, options: AutoOptions) -> None:
        """One candidate must be able to learn, and self-training needs pixels to label."""
        _possible(data, options)
        if options.self_training:
            check_unlabelled(data)

    def learner(
        self, data: TrainingData, options: AutoOptions, seed: int, work: Work | None = None
    ) -> AutoLearner:
        """A learner that has chosen."""
        if work is None:
            raise TypeError("auto trains its candidates: it needs work to be lent")
        return AutoLearner(data, options, seed, work)
