"""`unimodal_dae`: a denoising autoencoder of the target sensor, tuned by labels; no auxiliary sensor.

Source: Chen et al. (2014), "Deep learning-based classification of hyperspectral data", and the UFLDL tutorial
that X-ModalNet names as its code (section 4.3, 3): learn to reconstruct, then tune the encoder and a softmax
on its code by labels. They train layer by layer with fully-connected layers on single pixels. Here the layers
are trained together, and are the convolutions that every baseline has.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from geo_xmodal.methods.autoencoders.learner import AutoencoderLearner, TunedOptions, all_targets
from geo_xmodal.methods.base import Batch, Method, Work
from geo_xmodal.types import TrainingData


class UnimodalDaeOptions(TunedOptions):
    """Options of `unimodal_dae`; the sources name no strength of the corruption."""

    corruption: float = Field(
        0.3, ge=0, lt=1, description="share of input values hidden (masking), or their noise (gaussian)"
    )


class UnimodalDaeLearner(AutoencoderLearner):
    """Reconstructs whole target patches from corrupted ones."""

    options: UnimodalDaeOptions

    def pretraining(self, stage: str, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """|x - g(f(x~))|^2 over labelled and unlabelled pixels."""
        target = self.augmented(all_targets(labelled, unlabelled))
        code = self.embedded(self.corrupted(target))
        return self.terms.of(target=((self.decoder(code), self.unit(target)),))


class UnimodalDae(Method):
    """Denoising autoencoder of the target."""

    name = "unimodal_dae"
    summary = "denoising autoencoder of the target sensor alone, tuned by labels (X-ModalNet's baseline)"
    uses_auxiliary = False
    uses_unlabelled_target = True
    Options = UnimodalDaeOptions

    def learner(
        self, data: TrainingData, options: UnimodalDaeOptions, seed: int, work: Work | None = None
    ) -> UnimodalDaeLearner:
        """A learner with weights drawn from `seed`."""
        torch.manual_seed(seed)
        return UnimodalDaeLearner(data, options)
