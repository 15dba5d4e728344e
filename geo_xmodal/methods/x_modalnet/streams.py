"""The parts of X-ModalNet that only training needs, and how a batch goes through all."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from geo_xmodal.methods.reconstruction import PatchDecoder, SpectrumDecoder
from geo_xmodal.methods.x_modalnet.options import XModalNetOptions
from geo_xmodal.networks.x_modalnet import (
    ADVERSARIAL,
    JOINT,
    PREDICTION,
    JointHead,
    Stream,
    XModalNet,
    perceptron,
)
from geo_xmodal.networks.x_modalnet import XModalNetOptions as BranchShape

STREAMS = ("auxiliary", "target", "unlabelled")
"""The paper's o, t and u; t and u share all weights but the discriminator's."""


@dataclass(frozen=True)
class Features:
    """A batch on its way; all are (pixels, features, 1, 1).

    Attributes:
        target: real and fake features of every target pixel; one entry without the adversarial module.
        auxiliary: those of every pair.
        embedding: first prediction layer of every target pixel, of the target sensor alone.
        auxiliary_embedding: first prediction layer of the auxiliary stream, for every pair.
        paired_embedding: that of the target stream, for every pair: `embedding`, unless the
            interactive-learning module mixes the sensors.
    """

    target: tuple[Tensor, ...]
    auxiliary: tuple[Tensor, ...]
    embedding: Tensor
    auxiliary_embedding: Tensor
    paired_embedding: Tensor


class Discriminator(nn.Sequential):
    """(n, features) -> (n, 1), the logit of being real; the paper gives no layers: 64, 64, 1."""

    def __init__(self, features: int) -> None:
        super().__init__(nn.Linear(features, features), nn.LeakyReLU(0.2), nn.Linear(features, 1))


class TrainingParts(nn.Module):
    """Everything beside the branch that maps.

    Attributes:
        auxiliary: the auxiliary sensor's stream, fully-connected.
        second_head: the head that does not map: the joint layers, or the unlabelled stream's own.
        discriminators: one a stream; none without the adversarial module.
    """

    def __init__(
        self, target_bands: int, auxiliary_bands: int, classes: int, options: XModalNetOptions
    ) -> None:
        super().__init__()
        shape = BranchShape.model_validate(dict(options.network.options))
        widths, norm = options.auxiliary_widths, options.batch_norm
        self.auxiliary = Stream(auxiliary_bands, widths, [1] * len(widths), shape)
        self.mixer = perceptron(self.auxiliary.features, shape) if options.il == "mixed" else None
        self.auxiliary_joint = nn.Conv2d(PREDICTION, JOINT[0], 1, bias=False)
        self.second_head = (
            JointHead(classes, shape)
            if options.test_head == "unimodal"
            else nn.Conv2d(PREDICTION, classes, 1)
        )
        self.patch_decoder = PatchDecoder(PREDICTION, target_bands, options.kernels, options.widths, norm)
        self.spectrum_decoder = SpectrumDecoder(PREDICTION, auxiliary_bands, widths, norm)
        self.discriminators = nn.ModuleDict(
            {name: Discriminator(ADVERSARIAL[-1]) for name in STREAMS if options.sa}
        )

    def features(
        self, branch: XModalNet, target: Tensor, auxiliary: Tensor, paired: Tensor, crossing: bool = True
    ) -> Features:
        """A batch through both streams.

        Layers that the sensors share see both in one call: their batch norm then has one mean and variance
        in training and in evaluation, instead of two that it alternates between.

        Args:
            branch: the target sensor's.
            target: (n, band, p, p) standardised patches.
            auxiliary: (m, band) standardised spectra.
            paired: (m,) where in `target` they belong.
            crossing: False keeps the sensors apart where they would mix.
        """
        halves, auxiliary_halves = (
            branch.stream.split(target),
            self.auxiliary.split(auxiliary[:, :, None, None]),
        )
        own, auxiliary_own = torch.cat(halves, 1), torch.cat(auxiliary_halves, 1)
        n = len(own)
        if branch.perceptrons:
            both = torch.cat([own, auxiliary_own])
            own, auxiliary_own = branch.interacted(both).tensor_split([n])
            if self.mixer is not None:
                crossed, auxiliary_crossed = self.mixer(both).tensor_split([n])
                if crossing:
                    own = torch.cat([own, own[paired] + auxiliary_own])
                    auxiliary_crossed = auxiliary_crossed + crossed[paired]
                auxiliary_own = auxiliary_crossed
        embedding, mixed = branch.stream.predict(own).tensor_split([n])
        return Features(
            target=halves,
            auxiliary=auxiliary_halves,
            embedding=embedding,
            auxiliary_embedding=self.auxiliary.predict(auxiliary_own),
            paired_embedding=mixed if len(mixed) else embedding[paired],
        )
