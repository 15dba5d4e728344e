"""`corrnet`: three codes of a pair reconstruct both sensors, and two of them correlate.

Source: Chandar et al. (2016), "Correlational neural networks", and the authors' code for what the paper
leaves open. For a pair (x, y) with codes h(x), h(y), h(x, y):

    L = mean_i [ L(z, h(x)) + L(z, h(y)) + L(z, h(x, y)) ] - lambda sum_k corr(h_k(x), h_k(y))

where z = (x, y), L is half the squared error summed over all values of both, and the correlations of a step
are summed over the units of the code. Pixels without the auxiliary sensor reconstruct the target from h(x),
as in the code's training on one view. The authors have one hidden layer with one bias for both views: here,
the last layer of the streams, whose batch norm and bias are shared. Without the correlation this is
`bimodal_dae`.

The authors' own network, and its figures on halves of digits: `geo_xmodal.correlation.fit_corrnet`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from geo_xmodal.methods.autoencoders.learner import TunedOptions
from geo_xmodal.methods.autoencoders.paired import JointLearner, PairedMethod, Views
from geo_xmodal.methods.base import Batch, Work
from geo_xmodal.objectives import Correlation, Term
from geo_xmodal.types import TrainingData


class CorrNetOptions(TunedOptions):
    """Options of `corrnet`; reconstruction has the authors' scale, as lambda is meant for it."""

    search: ClassVar[Mapping[str, tuple[str, ...]]] = {"correlation_weight": ("0.5", "2", "5")}

    reconstruction: Literal["mean", "sum"] = Field(
        "sum", description="squared error over a pixel's values: their mean, or their sum (CorrNet)"
    )
    reconstruction_weight: float = Field(0.5, ge=0, description="weight of each reconstruction")
    correlation_weight: float = Field(2.0, ge=0, description="weight of the correlation (lambda)")


class CorrNetLearner(JointLearner):
    """All three codes of every pair, in one pass."""

    options: CorrNetOptions

    def composed(self) -> dict[str, Term]:
        """The correlation beside reconstruction."""
        return {**super().composed(), "correlation": Correlation("corrnet", self.options.correlation_weight)}

    def pretraining(self, stage: str, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """Reconstructions summed over the three codes, less the weighted correlation."""
        pixels = self.pixels(labelled, unlabelled)
        views = Views.of(pixels.paired, zeroing=True)
        codes = self.codes(pixels, views)
        target, auxiliary = views.alone
        reconstructed = self.reconstructed(pixels, views, codes)
        return reconstructed | self.terms.of(correlation=(codes[target], codes[auxiliary]))


class CorrNet(PairedMethod):
    """Correlational network."""

    name = "corrnet"
    summary = "codes of both sensors that reconstruct both and correlate (Chandar; X-ModalNet's baseline)"
    Options = CorrNetOptions

    def learner(
        self, data: TrainingData, options: CorrNetOptions, seed: int, work: Work | None = None
    ) -> CorrNetLearner:
        """A learner with weights drawn from `seed`."""
        self.check(data, options)
        torch.manual_seed(seed)
        return CorrNetLearner(data, options)
