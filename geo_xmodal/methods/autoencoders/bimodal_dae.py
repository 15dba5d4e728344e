"""`bimodal_dae`: one code for both sensors, that must reconstruct both from either.

Source: Ngiam et al. (2011), "Multimodal deep learning". From the published abstract and recollection of the
paper: two encoders meet in a shared layer, two decoders leave it; a third of the training set has both
modalities, in a third the one is zeroed, in a third the other, and always both are reconstructed. Their
layers start from sparse restricted Boltzmann machines; here all are trained together from random weights.

Labels then train the classifier on the code of the target alone: their setting "cross-modality learning"
(both in feature learning, one in supervised training and test), which is what X-ModalNet compares.
X-ModalNet's own description (section 4.3, 4) does not mention the zeroing: `zeroing=False` leaves it out, and
the code of the target alone is then first met by the labels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from geo_xmodal.methods.autoencoders.learner import TunedOptions
from geo_xmodal.methods.autoencoders.paired import JointLearner, PairedMethod, Views, ZeroingOptions
from geo_xmodal.methods.base import Batch, Work
from geo_xmodal.types import TrainingData


class BimodalDaeOptions(ZeroingOptions, TunedOptions):
    """Options of `bimodal_dae`."""


class BimodalDaeLearner(JointLearner):
    """Reconstruction of both sensors from codes that saw both, or one alone."""

    options: BimodalDaeOptions

    def pretraining(self, stage: str, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """|x1 - x1^|^2 + |x2 - x2^|^2; pixels without the auxiliary sensor reconstruct the target."""
        pixels = self.pixels(labelled, unlabelled)
        views = Views.of(pixels.paired, self.options.zeroing)
        return self.reconstructed(pixels, views, self.codes(pixels, views))


class BimodalDae(PairedMethod):
    """Bimodal deep autoencoder."""

    name = "bimodal_dae"
    summary = "one code that reconstructs both sensors from either (Ngiam; X-ModalNet's baseline)"
    Options = BimodalDaeOptions

    def learner(
        self, data: TrainingData, options: BimodalDaeOptions, seed: int, work: Work | None = None
    ) -> BimodalDaeLearner:
        """A learner with weights drawn from `seed`."""
        self.check(data, options)
        torch.manual_seed(seed)
        return BimodalDaeLearner(data, options)
