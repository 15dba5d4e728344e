"""`bimodal_sdae`: denoising autoencoders of each sensor, stacked, joined and tuned with a classifier.

Source: Silberer and Lapata (2014), "Learning grounded meaning representations with autoencoders"; the loss is
from recollection of the paper:

    L = d_r L_rec + d_c CE + weight decay

Stage `pretrain` trains a denoising autoencoder of each sensor by itself. Stage `finetune` puts the bimodal
layer on top, unrolls the decoders below it, and trains all of it; masking noise may blank one sensor entirely
(`zeroing`). As in X-ModalNet (section 4.3, 5), unlabelled pixels take part in it by reconstruction only. d_r
is `reconstruction_weight`, d_c `label_weight`, and weight decay that of the optimiser (0 for all baselines
unless set).
"""

from __future__ import annotations

from typing import cast

import torch
from pydantic import Field
from torch import Tensor

from geo_xmodal.methods.autoencoders.paired import JointLearner, PairedMethod, Views, ZeroingOptions
from geo_xmodal.methods.base import Batch, Work
from geo_xmodal.networks.tanh_cnn import TanhLayer
from geo_xmodal.objectives import Term
from geo_xmodal.types import TrainingData


class BimodalSdaeOptions(ZeroingOptions):
    """Options of `bimodal_sdae`."""

    corruption: float = Field(
        0.3, ge=0, lt=1, description="share of input values hidden (masking), or their noise (gaussian)"
    )
    label_weight: float = Field(1.0, gt=0, description="weight of the labels in the second stage (d_c)")


class BimodalSdaeLearner(JointLearner):
    """Decoders start from the features below the code, where the two autoencoders were joined."""

    options: BimodalSdaeOptions

    def __init__(self, data: TrainingData, options: BimodalSdaeOptions) -> None:
        super().__init__(data, options)
        code = self.branch.features
        self.unroll, self.auxiliary_unroll = (
            TanhLayer(code, features, 1, 0.0, options.batch_norm) for features in self.decoded_from
        )

    def composed(self) -> dict[str, Term]:
        """Labels have a weight of their own."""
        return {**super().composed(), "label": self.supervised(self.options.label_weight)}

    @property
    def decoded_from(self) -> tuple[int, int]:
        """The features of each stream, below the code."""
        return (*self.options.widths, *self.options.dense)[-2], self.auxiliary_features

    def pretraining(self, stage: str, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """Each sensor from its own stream alone."""
        pixels = self.pixels(labelled, unlabelled)
        spectra = pixels.auxiliary[pixels.paired]
        patches = self.decoder(self.target_features(self.corrupted(pixels.target)))
        decoded = self.auxiliary_decoder(self.spectral_features(self.corrupted(spectra)))
        return self.terms.of(
            target=((patches, self.unit(pixels.target)),),
            auxiliary=((decoded, self.auxiliary_view.unit(spectra)),),
        )

    def finetuning(self, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """Both reconstructed from the code, and the classes of labelled pixels."""
        pixels = self.pixels(labelled, unlabelled)
        views = Views.of(pixels.paired, self.options.zeroing)
        codes = self.codes(pixels, views)
        reconstructed = self.reconstructed(pixels, views, codes)
        return reconstructed | self.classification(pixels, views, codes, labelled)

    def decoded(self, codes: Tensor) -> Tensor:
        """(n, band, p, p) target patches in 0..1."""
        return cast(Tensor, self.decoder(self.unroll(codes[:, :, None, None]).flatten(1)))

    def decoded_auxiliary(self, codes: Tensor) -> Tensor:
        """(n, band) spectra in 0..1."""
        return cast(Tensor, self.auxiliary_decoder(self.auxiliary_unroll(codes[:, :, None, None]).flatten(1)))


class BimodalSdae(PairedMethod):
    """Bimodal stacked denoising autoencoder."""

    name = "bimodal_sdae"
    summary = "stacked denoising autoencoders, joined and tuned with labels (Silberer; X-ModalNet's baseline)"
    Options = BimodalSdaeOptions

    def learner(
        self, data: TrainingData, options: BimodalSdaeOptions, seed: int, work: Work | None = None
    ) -> BimodalSdaeLearner:
        """A learner with weights drawn from `seed`."""
        self.check(data, options)
        torch.manual_seed(seed)
        return BimodalSdaeLearner(data, options)
