"""`dsensd`: a classifier for each sensor, averaged; sensors dropped at random, and taught by the average.

DSensD+: Mena et al. (2025), "Multi-sensor model for Earth observation robust to missing data via sensor
dropout and mutual distillation", IEEE Access 13. The paper was not at hand: what follows is what the public
code of the authors (fmenat/DSensDp) and its example configuration say. For logits l_v of each sensor v of V,
and their average over the sensors that are there,

    CE(average of the sensors kept) + CE(average of all)
      + 1/V sum_v CE(l_v) + 1/V sum_v T^2 KL(softmax(average / T) || softmax(l_v / T))

where the average in the last term is a constant, and T is 0.5.

Chosen here: sensors are dropped pixel by pixel (the code draws once for a batch), and all kept ones are
averaged (the code takes the first one). The code brings the logits of each sensor to zero mean and unit
variance over the classes before averaging; that changes no class that the target alone predicts, bounds its
confidence, and leaves two classes without a gradient: it is left out. The code has labels alone: with
`unlabelled_pairs` the last term, which needs none, is of all pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor

from geo_xmodal.methods.absent_sensor import AbsentSensorLearner, AbsentSensorMethod, DroppedOptions
from geo_xmodal.methods.auxiliary_side import embedding_head
from geo_xmodal.methods.base import Batch, Stage, Work, same_names
from geo_xmodal.objectives import Distillation, Sum, Terms
from geo_xmodal.types import TrainingData

SENSORS = 2


class DsensdOptions(DroppedOptions):
    """Options of `dsensd`; batch, rate and dropout are those of the authors' example."""

    means: ClassVar[Mapping[str, str]] = same_names("unlabelled_pairs")
    search: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "temperature": ("0.5", "1", "2"),
        "mutual_weight": ("0.3", "1", "3"),
    }

    label_batch: int = Field(256, ge=2, description="labelled pixels in a step")
    augment: bool = Field(False, description="turn and mirror patches")
    balance: bool = Field(True, description="weigh classes alike, however many labels each has")
    dropout: float = Field(0.2, ge=0, lt=1, description="share of embedding features dropped in training")
    drop: float = Field(0.5, ge=0, lt=1, description="probability that a sensor is dropped; one always stays")
    temperature: float = Field(0.5, gt=0, description="of the soft labels that the sensors learn")
    individual_weight: float = Field(1.0, ge=0, description="weight of each sensor's own labels")
    mutual_weight: float = Field(1.0, ge=0, description="weight of what each sensor learns of their average")
    unlabelled_pairs: bool = Field(
        False, description="whether terms that need no labels learn from unlabelled pairs, too"
    )


class DsensdLearner(AbsentSensorLearner):
    """Logits of each sensor; the target's are those of the branch."""

    options: DsensdOptions

    def __init__(self, data: TrainingData, options: DsensdOptions) -> None:
        super().__init__(data, options)
        self.stages = (Stage("joint", unlabelled=options.unlabelled_pairs),)
        self.auxiliary_head = embedding_head(options.embedding, len(data.classes), options.dropout)
        individual = options.individual_weight / SENSORS
        mutual = options.mutual_weight * options.temperature**2 / SENSORS
        self.terms = Terms(
            {
                "kept": self.supervised(),
                "all": self.supervised(),
                "individual": Sum([self.supervised()], individual),
                "mutual": Sum([Distillation()], mutual),
            }
        )

    def loss(self, stage: int, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """The four terms of a step."""
        seen = self.seen(labelled, unlabelled)
        target = self.classified(self.embedded(seen.target))
        auxiliary = cast(Tensor, self.auxiliary_head(self.auxiliary_embedded(seen.auxiliary)))
        known = len(seen.label)
        every = average(target, auxiliary, seen.paired)
        kept = average(target, auxiliary, seen.paired, self._weights(seen.paired))
        own = auxiliary[: seen.labelled_pairs]
        hot = self.options.temperature
        soft = (every[seen.paired].detach() / hot).softmax(1)
        return self.terms.of(
            kept=(kept[:known], seen.label),
            all=(every[:known], seen.label),
            individual=((target[:known], seen.label), (own, seen.pair_label)),
            mutual=tuple((logits / hot, soft) for logits in (target[seen.paired], auxiliary)),
        )

    def _weights(self, paired: Tensor) -> Tensor:
        """(pairs, 2): 1 for each sensor that a pair keeps; one at least, alike for both."""
        drop = self.options.drop
        drawn = torch.rand(int(paired.sum()), 1, device=paired.device)
        lone = drop / (1 + drop)  # of the three ways to keep any: (1 - p) p of each alone, (1 - p)^2 both
        return torch.cat([(drawn >= lone), (drawn < 1 - lone)], 1)


def average(target: Tensor, auxiliary: Tensor, paired: Tensor, weights: Tensor | None = None) -> Tensor:
    """(n, classes): logits averaged over the sensors that each pixel has, or that its pair keeps.

    Args:
        target: (n, classes) logits.
        auxiliary: (pairs, classes) logits of the pixels that have the auxiliary sensor.
        paired: (n,) which have it.
        weights: (pairs, 2), 1 or 0 for the target and the auxiliary sensor; None keeps both.
    """
    if weights is None:
        weights = auxiliary.new_ones(len(auxiliary), SENSORS)
    weights = weights.to(auxiliary.dtype)
    both = (target[paired] * weights[:, :1] + auxiliary * weights[:, 1:]) / weights.sum(1, keepdim=True)
    mean = target.clone()
    mean[paired] = both
    return mean


class Dsensd(AbsentSensorMethod):
    """Sensor dropout with mutual distillation."""

    name = "dsensd"
    summary = "a classifier for each sensor, dropped at random and taught by their average (DSensD+)"
    Options = DsensdOptions

    def learner(
        self, data: TrainingData, options: DsensdOptions, seed: int, work: Work | None = None
    ) -> DsensdLearner:
        """A learner with weights drawn from `seed`."""
        self.check(data, options)
        torch.manual_seed(seed)
        return DsensdLearner(data, options)
