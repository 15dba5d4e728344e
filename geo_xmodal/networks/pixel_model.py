"""A pixel model: raw target-sensor values in, class logits out, whole in itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from geo_xmodal.errors import ModelMismatchError
from geo_xmodal.networks.average import Average
from geo_xmodal.networks.registry import NetworkSpec, build_network
from geo_xmodal.networks.standardize import Standardize
from geo_xmodal.networks.tiling import Tiling
from geo_xmodal.types import BandStatistics


class PixelModel(nn.Module):
    """What every method delivers: `(B, bands, H + 2m, W + 2m) -> (B, classes, H, W)`, `m` = `margin`.

    Input is raw values with NaN where there is none; standardisation is part of the model.

    Attributes:
        margin: `m`, pixels on each side that are seen and not predicted.
        tiling: the tiles that it maps in, where a prediction depends on where in the input a pixel lies; None
            where it does not.
    """

    def __init__(self, spec: NetworkSpec, statistics: BandStatistics, classes: int) -> None:
        super().__init__()
        self.spec = spec
        self.classes = classes
        self.bands = len(statistics.bands)
        self.standardize = Standardize(statistics)
        self.network = build_network(spec, self.bands, classes)
        self.margin = cast(int, self.network.margin)
        self.tiling = cast("Tiling | None", getattr(self.network, "tiling", None))

    def forward(self, x: Tensor) -> Tensor:
        """Class logits.

        Raises:
            ModelMismatchError: if `x` has another number of bands, or is smaller than one patch.
        """
        side = 2 * self.margin + 1
        if x.ndim != 4 or x.shape[1] != self.bands or min(x.shape[2:]) < side:
            raise ModelMismatchError(
                f"input of shape {tuple(x.shape)}; the model needs (batch, {self.bands}, >={side}, >={side})"
            )
        return cast(Tensor, self.network(self.standardize(x)))

    @property
    def size(self) -> int:
        """How many numbers were learned: weights, or those of trees."""
        weights = sum(weight.numel() for weight in self.parameters())
        return weights or sum(table.numel() for table in self.state_dict().values())

    @torch.no_grad()
    def probabilities(self, x: Tensor) -> Tensor:
        """(B, classes, H, W) class probabilities, batch norm and dropout in evaluation mode."""
        was_training = self.training
        self.eval()
        try:
            return cast(Tensor, self(x)).softmax(dim=1)
        finally:
            self.train(was_training)


def average_model(
    models: Sequence[PixelModel], weights: Sequence[float], temperatures: Sequence[float]
) -> PixelModel:
    """Models of the same bands and classes as one, whose probabilities are a weighted mean of theirs.

    Args:
        models: the members; copied, not shared.
        weights: of their probabilities, made to sum to 1.
        temperatures: what the logits of each are divided by.
    """
    first = models[0]
    members = [{"name": one.spec.name, "options": dict(one.spec.options)} for one in models]
    made = PixelModel(
        NetworkSpec("average", {"members": members}), first.standardize.statistics, first.classes
    )
    network = cast(Average, made.network)
    for member, model in zip(network.members, models, strict=True):
        member.load_state_dict(model.network.state_dict())
    share = torch.tensor(weights, dtype=torch.float32)
    network.weight.copy_(share / share.sum())
    network.temperature.copy_(torch.tensor(temperatures, dtype=torch.float32))
    return made.eval()


def linear_model(
    statistics: BandStatistics, weight: npt.NDArray[np.floating], bias: npt.NDArray[np.floating]
) -> PixelModel:
    """A linear classifier of single pixels, as a dense model.

    Args:
        statistics: how raw bands become the features that the classifier was fitted on.
        weight: (classes, band).
        bias: (classes,).
    """
    model = PixelModel(NetworkSpec("linear"), statistics, len(bias))
    with torch.no_grad():
        model.network.weight.copy_(torch.as_tensor(weight)[:, :, None, None])  # type: ignore[operator]
        model.network.bias.copy_(torch.as_tensor(bias))  # type: ignore[operator]
    return model
