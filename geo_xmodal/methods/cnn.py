"""The target sensor alone: the two controls that every claim of gain is held against."""

from __future__ import annotations

import copy
from typing import Any, Literal, cast

import torch
from pydantic import Field
from torch import Tensor

from geo_xmodal.methods.base import Batch, Control, Method, Stage, Work, check_unlabelled
from geo_xmodal.methods.target_branch import (
    BRANCH_RECIPES,
    BranchLearner,
    BranchOptions,
    PixelBranchOptions,
    TaughtOptions,
)
from geo_xmodal.networks import Branch, NetworkSpec, PixelModel
from geo_xmodal.objectives import Distillation, Terms
from geo_xmodal.types import TrainingData


class SelfTrainingOptions(TaughtOptions):
    """With or without the unlabelled pixels of the target sensor."""

    mode: Literal["target_only", "self_training"] = Field(
        "target_only",
        description="target_only (labels alone) or self_training",
    )


class CnnOptions(SelfTrainingOptions, PixelBranchOptions):
    """Options of `cnn`."""


class ControlOptions(SelfTrainingOptions):
    """Options of a control: the branch and the training of another method, without the auxiliary sensor."""

    network_name: str
    network_options: dict[str, Any]

    @property
    def network(self) -> NetworkSpec:
        """The other method's."""
        return NetworkSpec(self.network_name, self.network_options)


def control_options(options: BranchOptions, mode: str) -> ControlOptions:
    """The same branch, augmentation, steps and optimiser as `options` ask for, in one of the two modes."""
    # labels alone make nothing of soft labels: methods that differ in these have one control
    names = SelfTrainingOptions.model_fields if mode == "self_training" else BranchOptions.model_fields
    shared = {name: getattr(options, name) for name in names if hasattr(options, name)}
    spec = options.network
    network = {"network_name": spec.name, "network_options": dict(spec.options)}
    return ControlOptions.model_validate({**shared, **network, "mode": mode})


def branch_controls(options: BranchOptions) -> dict[str, Control]:
    """Both controls of a method that trains a branch and sees the auxiliary sensor."""
    summaries = {
        "target_only": "the same network on the target sensor's labels alone",
        "self_training": "the same network, which also learns its own answers for the unlabelled pixels",
    }
    return {
        mode: Control("cnn", control_options(options, mode), summary) for mode, summary in summaries.items()
    }


class CnnLearner(BranchLearner):
    """`target_only` learns from labels; `self_training` then teaches a fresh branch what the first one says.

    The soft labels of the unlabelled pixels come from the first branch, in evaluation mode; the second
    branch, with new weights, learns them beside the labels.
    """

    options: SelfTrainingOptions

    def __init__(self, data: TrainingData, options: SelfTrainingOptions) -> None:
        super().__init__(data, options)
        self.terms = Terms({"label": self.supervised(), "distill": Distillation(options.distill_weight)})
        self.stages = (Stage("target_only", unlabelled=False),)
        if options.mode == "self_training":
            self.stages = (
                Stage("labels", options.teacher_share, unlabelled=False),
                Stage("self_training", 1 - options.teacher_share),
            )
            self.soft: Tensor
            self.shares: Tensor
            if self.unlabelled.held:
                self.register_buffer("soft", torch.zeros(len(self.unlabelled), self.data_classes))
            else:
                self.teacher = copy.deepcopy(self.model).requires_grad_(False)
                self.register_buffer("shares", torch.ones(self.data_classes))

    def begin(self, stage: int) -> None:
        """Label the unlabelled pixels and start with new weights."""
        if stage == 1:
            if self.unlabelled.held:
                said = torch.cat([self._said(self.model, part).cpu() for part in self.walk(self.unlabelled)])
                self.soft.copy_(self.taught(said, self.own_shares(lambda: [said])))
            else:
                self.teacher.load_state_dict(self.model.state_dict())
                self.shares.copy_(
                    self.own_shares(
                        lambda: (self._said(self.teacher, part) for part in self.walk(self.unlabelled))
                    )
                )
            self.model = self.fresh_model()

    @torch.no_grad()
    def _said(self, model: PixelModel, pixels: Batch) -> Tensor:
        """(n, classes) probabilities of pixels, in evaluation mode."""
        model.eval()
        branch = cast(Branch, model.network)
        return cast(Tensor, branch.head(branch.encode(pixels.target))).flatten(1).softmax(1)

    def _soft(self, unlabelled: Batch) -> Tensor:
        """(n, classes): what the first branch said of the pixels, or says now where they are on disk."""
        if self.unlabelled.held:
            return self.soft[unlabelled.index]
        return self.taught(self._said(self.teacher, unlabelled), self.shares)

    def loss(self, stage: int, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """Cross-entropy on labels, and on soft labels in the second stage."""
        assert labelled.label is not None
        if stage == 0 or unlabelled is None:
            logits = self.classified(self.embedded(self.augmented(labelled.target)))
            return self.terms.of(label=(logits, labelled.label))
        both = self.augmented(torch.cat([labelled.target, unlabelled.target]))
        logits = self.classified(self.embedded(both))
        count = len(labelled.target)
        return self.terms.of(
            label=(logits[:count], labelled.label),
            distill=(logits[count:], self._soft(unlabelled)),
        )


class Cnn(Method):
    """The target sensor alone."""

    name = "cnn"
    summary = "target sensor alone, on labels (target_only) or self-trained (self_training): the controls"
    uses_auxiliary = False
    uses_unlabelled_target = True
    Options = CnnOptions
    recipes = BRANCH_RECIPES

    def check(self, data: TrainingData, options: SelfTrainingOptions) -> None:
        """Self-training needs pixels to label."""
        if options.mode == "self_training":
            check_unlabelled(data)

    def learner(
        self, data: TrainingData, options: SelfTrainingOptions, seed: int, work: Work | None = None
    ) -> CnnLearner:
        """A learner with weights drawn from `seed`."""
        self.check(data, options)
        torch.manual_seed(seed)
        return CnnLearner(data, options)
