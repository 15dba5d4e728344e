"""What the autoencoder baselines share: the target stream, learning without labels, then with them.

The target stream is the same `tanh_cnn` for all of them, and its last fully-connected layer is the code: what
decoders reconstruct from, what two sensors share, and what the classifier sees. Stage `pretrain` learns it by
reconstruction from every pixel, labelled or not; stage `finetune` learns the classes from labels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from geo_xmodal.methods.base import Batch, Stage
from geo_xmodal.methods.paper_options import PaperOptions
from geo_xmodal.methods.reconstruction import PatchDecoder, UnitScale, corrupted
from geo_xmodal.methods.target_branch import BranchLearner
from geo_xmodal.networks import NetworkSpec
from geo_xmodal.networks.tanh_cnn import TanhLayer, convolved
from geo_xmodal.objectives import Reconstruction, Sum, Term, Terms
from geo_xmodal.types import TrainingData


class AutoencoderOptions(PaperOptions):
    """Options of every autoencoder baseline.

    The paper gives one number of epochs for the two parts together and does not say how they divide: half and
    half here.
    """

    search: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "pretrain_share": ("0.3", "0.5", "0.7"),
        "corruption": ("0", "0.3", "0.5"),
    }

    dense: tuple[int, ...] = Field(
        (128, 64), description="features of the layers after the convolutions; the last one is the code"
    )
    pretrain_share: float = Field(0.5, gt=0, lt=1, description="share of the epochs without labels")
    corruption: float = Field(
        0.0, ge=0, lt=1, description="share of input values hidden (masking), or their noise (gaussian)"
    )
    corruption_kind: Literal["masking", "gaussian"] = Field(
        "masking", description="masking, or gaussian noise of `corruption` standard deviations"
    )

    @property
    def network(self) -> NetworkSpec:
        """`tanh_cnn`."""
        names = ("widths", "kernels", "dense", "dropout", "batch_norm")
        return NetworkSpec("tanh_cnn", {name: getattr(self, name) for name in names})


class TunedOptions(AutoencoderOptions):
    """Options of a baseline whose second stage learns from labels alone."""

    finetune: Literal["all", "head"] = Field(
        "all", description="what labels change: all of the target stream, or only the classifier on its code"
    )


class AutoencoderLearner(BranchLearner, ABC):
    """Stage `pretrain` by reconstruction, stage `finetune` by cross-entropy on the code of the target."""

    options: AutoencoderOptions

    def __init__(self, data: TrainingData, options: AutoencoderOptions) -> None:
        super().__init__(data, options)
        share = options.pretrain_share
        self.stages = (Stage("pretrain", share), Stage("finetune", 1 - share))
        self.terms = Terms(self.composed())
        self.unit = UnitScale(data.target.statistics)
        self.decoder = PatchDecoder(
            self.decoded_from[0], self.model.bands, options.kernels, options.widths, options.batch_norm
        )

    @property
    def encoder(self) -> nn.Sequential:
        """The layers of the target stream; the last one makes the code."""
        return cast(nn.Sequential, self.branch.encoder)

    @property
    def decoded_from(self) -> tuple[int, int]:
        """How many numbers the decoders of the target and of the auxiliary sensor start from: the code."""
        return self.branch.features, self.branch.features

    def corrupted(self, x: Tensor) -> Tensor:
        """Standardised input as a denoising autoencoder gets it."""
        if self.options.corruption_kind == "masking":
            return corrupted(x, self.options.corruption)
        return x + self.options.corruption * torch.randn_like(x)

    def composed(self) -> dict[str, Term]:
        """What is minimised: in the first stages reconstruction of either sensor, in the last one labels."""
        return {"target": self.difference(), "auxiliary": self.difference(), "label": self.supervised()}

    def difference(self, weight: float = 1.0) -> Sum:
        """Weighted error of one or several reconstructions."""
        weight = weight * self.options.reconstruction_weight
        return Sum([Reconstruction(self.options.reconstruction)], weight)

    def loss(self, stage: int, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """The terms of a stage."""
        if self.stages[stage].name == "finetune":
            return self.finetuning(labelled, unlabelled)
        return self.pretraining(self.stages[stage].name, labelled, unlabelled)

    @abstractmethod
    def pretraining(self, stage: str, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """The terms of a stage without labels."""

    def finetuning(self, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """Cross-entropy on the code of the target alone, which is all that there is when mapping."""
        target, label = self.augmented(labelled.target), cast(Tensor, labelled.label)
        if cast(TunedOptions, self.options).finetune == "all":
            return self.terms.of(label=(self.classified(self.embedded(target)), label))
        self.encoder.eval()
        with torch.no_grad():
            code = self.embedded(target)
        return self.terms.of(label=(self.classified(code), label))


def through(layer: TanhLayer, x: Tensor, pushed: Tensor) -> Tensor:
    """A layer whose linear part is joined by another sensor's: (n, before, ..) -> (n, width, ..).

    Args:
        layer: its linear part is applied to `x`, the rest to the sum.
        x: (n, before, row, col).
        pushed: (n, width), the other sensor's part, alike at all places.
    """
    linear, *rest = layer
    z = convolved(cast(nn.Conv2d, linear), x) + pushed[:, :, None, None]
    for part in rest:
        z = part(z)
    return z


def all_targets(labelled: Batch, unlabelled: Batch | None) -> Tensor:
    """Target patches of a step, labelled first."""
    if unlabelled is None:
        return labelled.target
    return torch.cat([labelled.target, unlabelled.target])
