"""`corr_ae`: an autoencoder of each sensor, and codes of a pair that lie near each other.

Source: Feng et al. (2014), "Cross-modal retrieval with correspondence autoencoder". The equation is from
recollection of the paper: for codes f and g of one size,

    L = (1 - a) (|p - p^|^2 + |q - q^|^2) + a |f(p) - g(q)|^2

`variant` says what a code reconstructs: its own sensor (`plain`), the other one (`cross`), or both (`full`).
The weight a is theirs by validation, 0.2 or 0.8 as far as remembered: 0.2 here, as reconstruction is what
keeps the codes from shrinking into one point. They start from restricted Boltzmann machines; here all layers
are trained together from random weights. The classifier learns from the target's codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, cast

import torch
from pydantic import Field
from torch import Tensor

from geo_xmodal.methods.autoencoders.learner import TunedOptions
from geo_xmodal.methods.autoencoders.paired import PairedLearner, PairedMethod
from geo_xmodal.methods.base import Batch, Work
from geo_xmodal.networks.tanh_cnn import TanhLayer
from geo_xmodal.objectives import Reconstruction, Term
from geo_xmodal.types import TrainingData


class CorrAeOptions(TunedOptions):
    """Options of `corr_ae`."""

    search: ClassVar[Mapping[str, tuple[str, ...]]] = {"alpha": ("0.1", "0.2", "0.5")}

    variant: Literal["plain", "cross", "full"] = Field(
        "plain", description="what a code reconstructs: its own sensor, the other one (cross), or both (full)"
    )
    alpha: float = Field(0.2, ge=0, lt=1, description="weight of the distance between the codes of a pair")


class CorrAeLearner(PairedLearner):
    """Two autoencoders, which meet only in the loss."""

    options: CorrAeOptions

    def __init__(self, data: TrainingData, options: CorrAeOptions) -> None:
        super().__init__(data, options)
        self.auxiliary_code = TanhLayer(
            self.auxiliary_features, self.branch.features, 1, options.dropout, options.batch_norm
        )

    def composed(self) -> dict[str, Term]:
        """Reconstruction and distance share one weight; both are a mean or both a sum over values."""
        alpha, kind = self.options.alpha, self.options.reconstruction
        return {
            **super().composed(),
            "target": self.difference(1 - alpha),
            "auxiliary": self.difference(1 - alpha),
            "distance": Reconstruction(kind, alpha),
        }

    def pretraining(self, stage: str, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """Reconstruction, and the distance of codes."""
        variant = self.options.variant
        pixels = self.pixels(labelled, unlabelled)
        paired = pixels.paired
        spectra = pixels.auxiliary[paired]
        f = self.embedded(self.corrupted(pixels.target))
        below = self.spectral_features(self.corrupted(spectra))
        g = cast(Tensor, self.auxiliary_code(below[:, :, None, None])).flatten(1)
        patches, spectra = self.unit(pixels.target), self.auxiliary_view.unit(spectra)
        target, auxiliary = [], []
        if variant != "cross":
            target.append((self.decoder(f), patches))
            auxiliary.append((self.auxiliary_decoder(g), spectra))
        if variant != "plain":
            target.append((self.decoder(g), patches[paired]))
            auxiliary.append((self.auxiliary_decoder(f[paired]), spectra))
        return self.terms.of(target=tuple(target), auxiliary=tuple(auxiliary), distance=(f[paired], g))


class CorrAe(PairedMethod):
    """Correspondence autoencoder."""

    name = "corr_ae"
    summary = "an autoencoder a sensor, codes of a pair near each other (Feng; X-ModalNet's baseline)"
    Options = CorrAeOptions

    def learner(
        self, data: TrainingData, options: CorrAeOptions, seed: int, work: Work | None = None
    ) -> CorrAeLearner:
        """A learner with weights drawn from `seed`."""
        self.check(data, options)
        torch.manual_seed(seed)
        return CorrAeLearner(data, options)
