"""The target sensor alone: the two controls that every claim of gain is held against."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods.base import Batch, Method, Stage
from geo_xmodal.methods.target_branch import BranchLearner, BranchOptions, soft_cross_entropy
from geo_xmodal.types import TrainingData


class CnnOptions(BranchOptions):
    """Options of `cnn`."""

    mode: Literal["target_only", "self_training"] = Field(
        "target_only",
        description="target_only (labels alone) or self_training",
    )
    teacher_share: float = Field(
        1 / 3, gt=0, lt=1, description="share of the epochs that train the teacher of self_training"
    )
    distill_weight: float = Field(1.0, ge=0, description="weight of the self-given soft labels")


class CnnLearner(BranchLearner):
    """`target_only` learns from labels; `self_training` then teaches a fresh branch what the first one says.

    The soft labels of the unlabelled pixels come from the first branch, in evaluation mode; the second
    branch, with new weights, learns them beside the labels.
    """

    options: CnnOptions

    def __init__(self, data: TrainingData, options: CnnOptions) -> None:
        super().__init__(data, options)
        self.stages = (Stage("target_only"),)
        if options.mode == "self_training":
            if not len(self.unlabelled):
                side = 2 * self.model.margin + 1
                raise TrainingDataError(
                    "self_training needs unlabelled pixels and there are none: where test labels are dense, "
                    f"each patch of {side} x {side} pixels holds one; smaller ones (--set contrasts=) may not"
                )
            self.stages = (
                Stage("labels", options.teacher_share),
                Stage("self_training", 1 - options.teacher_share),
            )
            self.soft: Tensor
            self.register_buffer("soft", torch.zeros(len(self.unlabelled), self.data_classes))

    def begin(self, stage: int) -> None:
        """Label the unlabelled pixels and start with new weights."""
        if stage == 1:
            self.soft.copy_(self.predicted(self.unlabelled.target))
            self.model = self.fresh_model()

    def loss(self, stage: int, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """Cross-entropy on labels, and on soft labels in the second stage."""
        assert labelled.label is not None
        if stage == 0 or unlabelled is None:
            logits = self.classified(self.embedded(self.augmented(labelled.target)))
            return {"label": self.supervised(logits, labelled.label)}
        both = self.augmented(torch.cat([labelled.target, unlabelled.target]))
        logits = self.classified(self.embedded(both))
        count = len(labelled.target)
        return {
            "label": self.supervised(logits[:count], labelled.label),
            "distill": self.options.distill_weight
            * soft_cross_entropy(logits[count:], self.soft[unlabelled.index]),
        }


class Cnn(Method):
    """The target sensor alone."""

    name = "cnn"
    summary = "target sensor alone, on labels (target_only) or self-trained (self_training): the controls"
    uses_rich = False
    uses_unlabelled_target = True
    Options = CnnOptions

    def learner(self, data: TrainingData, options: CnnOptions, seed: int) -> CnnLearner:
        """A learner with weights drawn from `seed`."""
        torch.manual_seed(seed)
        return CnnLearner(data, options)
