"""`modality_dropout`: one network on both sensors, the auxiliary one dropped at random in training.

Source: Neverova et al. (2016), "ModDrop: adaptive multi-modal gesture recognition", IEEE TPAMI 38: the input
of a whole modality is zeroed by a Bernoulli draw for each sample. "Input sensor dropout" in Earth observation
(Mena et al. 2024, arXiv 2407.15512) is the same.

Chosen here: what is zeroed is the sensor's contribution to the fused features, not its standardised input,
which would be its mean spectrum. The target sensor is never dropped, as a map always has it. Pixels without
the auxiliary sensor are as those that it was dropped of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, cast

import torch
from torch import Tensor

from geo_xmodal.methods.absent_sensor import (
    AbsentSensorLearner,
    AbsentSensorMethod,
    DroppedOptions,
    joined,
)
from geo_xmodal.methods.base import Batch, Stage, Work
from geo_xmodal.objectives import Terms
from geo_xmodal.types import TrainingData


class ModalityDropoutOptions(DroppedOptions):
    """Options of `modality_dropout`; `drop=0` is a joint classifier that never learns to do without."""


class ModalityDropoutLearner(AbsentSensorLearner):
    """The sum of both embeddings is classified."""

    options: ModalityDropoutOptions

    def __init__(self, data: TrainingData, options: ModalityDropoutOptions) -> None:
        super().__init__(data, options)
        self.stages = (Stage("joint", unlabelled=False),)
        self.terms = Terms({"label": self.supervised()})

    def loss(self, stage: int, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """Cross-entropy on labels, with the auxiliary sensor or without."""
        seen = self.seen(labelled)
        g = self.auxiliary_embedded(seen.auxiliary) * self.kept(seen, self.options.drop)
        fused = joined(self.embedded(seen.target), g, seen.paired)
        return self.terms.of(label=(self.classified(fused), seen.label))

    @torch.no_grad()
    def probabilities_of_pairs(self, batch: Batch) -> Tensor:
        """(n, classes) of pixels that have both sensors, from both; call it in evaluation mode."""
        f = self.embedded(batch.target)
        g = self.auxiliary_encoder(self.auxiliary_seen(cast(Tensor, batch.auxiliary)))
        return self.classified(f + g).softmax(1)


class ModalityDropout(AbsentSensorMethod):
    """Modality dropout."""

    name = "modality_dropout"
    summary = "one network on both sensors, the auxiliary one dropped at random in training (ModDrop)"
    Options = ModalityDropoutOptions
    joint: ClassVar[Mapping[str, str]] = {"drop": "0"}

    def classifies_both(self, options: ModalityDropoutOptions) -> bool:
        """Always."""
        return True

    def learner(
        self, data: TrainingData, options: ModalityDropoutOptions, seed: int, work: Work | None = None
    ) -> ModalityDropoutLearner:
        """A learner with weights drawn from `seed`."""
        self.check(data, options)
        torch.manual_seed(seed)
        return ModalityDropoutLearner(data, options)
