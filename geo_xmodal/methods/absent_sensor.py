"""Networks on both sensors that learn to do without the auxiliary one: what methods of this kind share.

Their papers classify images that have all sensors or lack some. Here the target sensor is always there, and
what is left of each network without the auxiliary sensor is a branch like any other: it maps, and its
controls train the same.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, cast

import torch
from pydantic import Field
from torch import Tensor

from geo_xmodal import processes
from geo_xmodal.methods.base import Batch, Control, Method
from geo_xmodal.methods.cnn import branch_controls
from geo_xmodal.methods.pairs import MIN_PAIRS, PairLearner, PairOptions, check_pairs
from geo_xmodal.methods.target_branch import BRANCH_RECIPES
from geo_xmodal.types import TrainingData


class AbsentSensorOptions(PairOptions):
    """Options of methods whose network may lack the auxiliary sensor.

    The papers train on labelled images alone, some hundred epochs, with learning rates of about 0.001. An
    epoch passes over the labelled pixels, as in the papers.
    """

    epochs: int = Field(100, ge=1, description="passes over the labelled pixels, all stages together")
    label_batch: int = Field(64, ge=2, description="labelled pixels in a step")
    pass_over: Literal["all", "labels"] = Field(
        "labels", description="pixels that an epoch passes over: all, or the labelled ones (as papers count)"
    )
    optimizer: Literal["adam", "adamw", "lion"] = Field("adam", description="adam, adamw or lion")
    learning_rate: float = Field(1e-3, gt=0, description="highest learning rate")
    weight_decay: float = Field(0.0, ge=0, description="weight decay (decoupled in adamw)")
    noise: float = Field(0.0, ge=0, description="noise on standardised input, in standard deviations")
    balance: bool = Field(False, description="weigh classes alike, however many labels each has")
    auxiliary_width: int = Field(
        128, ge=1, le=4096, description="hidden features of the auxiliary sensor's encoder"
    )


class DroppedOptions(AbsentSensorOptions):
    """Options of methods that drop the auxiliary sensor of some pixels in every step."""

    search: ClassVar[Mapping[str, tuple[str, ...]]] = {"drop": ("0.3", "0.5", "0.7")}

    drop: float = Field(
        0.5, ge=0, le=1, description="share of pixels whose auxiliary sensor is dropped in a step"
    )


@dataclass(frozen=True)
class Seen:
    """Pixels of a step, labelled first.

    Attributes:
        target: (n, ...) prepared patches, augmented.
        auxiliary: (pairs, ...) what pools hold of the auxiliary sensor, of those pixels that have it.
        paired: (n,) which have it.
        label: (labels,) classes of the first pixels.
    """

    target: Tensor
    auxiliary: Tensor
    paired: Tensor
    label: Tensor

    @property
    def labelled_pairs(self) -> int:
        """How many of the pairs have a label; they come first."""
        return int(self.paired[: len(self.label)].sum())

    @property
    def pair_label(self) -> Tensor:
        """(labelled pairs,) their classes."""
        return self.label[self.paired[: len(self.label)]]


class AbsentSensorLearner(PairLearner, ABC):
    """A branch and an encoder of the auxiliary sensor, of pixels that may lack it."""

    options: AbsentSensorOptions

    def __init__(self, data: TrainingData, options: AbsentSensorOptions) -> None:
        super().__init__(data, options)
        self.auxiliary_encoder = self.new_auxiliary_encoder(options.auxiliary_width)

    def seen(self, labelled: Batch, unlabelled: Batch | None = None) -> Seen:
        """The pixels of a step, with some labelled pairs added where hardly any is there."""
        pairs = int((labelled.index < self.labelled_pairs).sum())
        label = cast(Tensor, labelled.label)
        batches = [labelled]
        if processes.whole_number(pairs) < MIN_PAIRS:
            first = torch.arange(min(self.labelled_pairs, self.options.label_batch))
            batches.append(self.draw(self.labelled, processes.share(first)))
            label = torch.cat([label, cast(Tensor, batches[-1].label)])
        if unlabelled is not None:
            batches.append(unlabelled)
        auxiliary = torch.cat([cast(Tensor, batch.auxiliary) for batch in batches])
        paired = auxiliary.isfinite().all(1)
        target = self.augmented(torch.cat([batch.target for batch in batches]))
        return Seen(target, auxiliary[paired], paired, label)

    def kept(self, seen: Seen, share: float) -> Tensor:
        """(pairs, 1): 1 for the pairs that keep the auxiliary sensor in this step, 0 for the others."""
        drawn = torch.rand(len(seen.auxiliary), 1, device=seen.auxiliary.device)
        return (drawn >= share).to(seen.auxiliary.dtype)


def joined(f: Tensor, g: Tensor, paired: Tensor) -> Tensor:
    """(n, features): embeddings of the target plus those of the auxiliary sensor, where a pixel has one.

    A linear layer of the two side by side is the sum of a layer of each; the encoders end in one, so that
    nothing is lost by the sum. An absent sensor adds nothing, and what is left is the branch by itself.
    """
    added = torch.zeros_like(f)
    added[paired] = g
    return f + added


class AbsentSensorMethod(Method):
    """A method that learns from labelled pairs how to do without the auxiliary sensor."""

    uses_auxiliary = True
    recipes: ClassVar[Mapping[str, Mapping[str, str]]] = BRANCH_RECIPES

    def controls(self, options: AbsentSensorOptions) -> Mapping[str, Control]:
        """The branch by itself."""
        return branch_controls(options)

    def check(self, data: TrainingData, options: AbsentSensorOptions) -> None:
        """Both sensors are met in labelled pairs."""
        check_pairs(data, self.name)
