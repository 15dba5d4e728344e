"""`x_modalnet`: what is left of X-ModalNet without the auxiliary sensor, from target patches to class logits.

Hong et al., "X-ModalNet", ISPRS Journal 2020 (arXiv 2006.13806), Fig. 2 and Table 2. Every layer is followed
by batch norm, dropout and Tanh, in this order.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Literal, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from geo_xmodal.networks.branch import Branch
from geo_xmodal.networks.limits import Kernel, NetworkOptions, Share, Width, check_convolutions, reach
from geo_xmodal.networks.tanh_cnn import TanhLayer, convolved, tanh_layers

ADVERSARIAL = (128, 64)
"""Layers of each half of the self-adversarial module."""

INTERACTIVE = (64, 64)
"""Layers of each perceptron of the interactive-learning module."""

PREDICTION = 128
"""Features of the first prediction layer: the embedding."""

JOINT = (256, 64)
"""Layers over the embeddings of both sensors, before the class logits."""


class XModalNetOptions(NetworkOptions):
    """Options of `x_modalnet`."""

    widths: tuple[Width, ...] = Field((32, 64), min_length=1, max_length=16)
    kernels: tuple[Kernel, ...] = Field((5, 3), min_length=1, max_length=16)
    sa: bool = True
    il: Literal["eq4", "mixed", "off"] = "eq4"
    test_head: Literal["unimodal", "joint_zero"] = "unimodal"
    dropout: Share = 0.0
    batch_norm: bool = True

    @model_validator(mode="after")
    def _sizes_are_odd_and_paired(self) -> XModalNetOptions:
        check_convolutions(self.widths, self.kernels)
        return self

    @property
    def margin(self) -> int:
        """Pixels on each side that a prediction looks at."""
        return reach(self.kernels)


class Stream(nn.Module):
    """One sensor's own layers: feature extractor, self-adversarial module, first prediction layer.

    Attributes:
        features: what `split` gives in all.
    """

    def __init__(
        self, bands: int, widths: Sequence[int], kernels: Sequence[int], options: XModalNetOptions
    ) -> None:
        super().__init__()
        drop, norm = options.dropout, options.batch_norm
        self.extractor = tanh_layers(bands, tuple(widths), tuple(kernels), drop, norm)
        self.halves = nn.ModuleList(
            tanh_layers(widths[-1], ADVERSARIAL, (1, 1), drop, norm) for _ in range(2 if options.sa else 0)
        )
        self.features = 2 * ADVERSARIAL[-1] if options.sa else widths[-1]
        interacted = self.features if options.il == "off" else INTERACTIVE[-1]
        self.predict = TanhLayer(interacted, PREDICTION, 1, drop, norm)

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        """Real and fake features of Eq. 3, (B, 64, H, W) each; without the module the extractor's alone."""
        extracted = self.extractor(x)
        return tuple(half(extracted) for half in self.halves) or (extracted,)


class JointHead(nn.Module):
    """Layers over the embeddings of both sensors: (B, 128, H, W) twice to (B, classes, H, W) logits.

    The first layer's weights on the auxiliary embedding belong to whoever has one: without it, zeros stand
    there.
    """

    def __init__(self, classes: int, options: XModalNetOptions) -> None:
        super().__init__()
        self.first = TanhLayer(PREDICTION, JOINT[0], 1, options.dropout, options.batch_norm)
        self.rest = nn.Sequential(
            TanhLayer(JOINT[0], JOINT[1], 1, options.dropout, options.batch_norm),
            nn.Conv2d(JOINT[1], classes, 1),
        )

    def forward(self, embedding: Tensor, auxiliary: Tensor | None = None) -> Tensor:
        """Logits; `auxiliary` (B, 256, H, W) is that embedding, already times its part of the first layer."""
        convolution, *after = self.first
        x = convolved(cast(nn.Conv2d, convolution), embedding)
        if auxiliary is not None:
            x = x + auxiliary
        for layer in after:
            x = layer(x)
        return cast(Tensor, self.rest(x))


class XModalNet(Branch):
    """The target stream, its way through the interactive-learning module, and the head that maps.

    `il` says what a stream's prediction layer sees of the split features z (MLP1 and MLP2 are shared by the
    sensors):

    - `eq4`, the paper's Eq. 4 as printed: MLP1(z) + MLP2(z) for either sensor, so nothing crosses over.
    - `mixed`, the code that the same author published for MDL-RS: MLP2 of both sensors added. Here, with
      the auxiliary sensor absent, MLP2(z) alone.
    - `off`: z itself.

    `test_head` is `unimodal`, one linear layer (Table 2, the unlabelled stream), or `joint_zero`, the joint
    layers with zeros for the auxiliary embedding (as MDL-RS is tested).
    """

    def __init__(self, bands: int, classes: int, options: XModalNetOptions) -> None:
        super().__init__()
        self.stream = Stream(bands, options.widths, options.kernels, options)
        self.perceptrons = nn.ModuleList(
            perceptron(self.stream.features, options)
            for _ in range({"eq4": 2, "mixed": 1, "off": 0}[options.il])
        )
        self.head = (
            nn.Conv2d(PREDICTION, classes, 1)
            if options.test_head == "unimodal"
            else JointHead(classes, options)
        )
        self.margin = options.margin
        self.features = PREDICTION

    def interacted(self, z: Tensor) -> Tensor:
        """What the interactive-learning module makes of one sensor's split features alone."""
        if not len(self.perceptrons):
            return z
        made: list[Tensor] = [one(z) for one in self.perceptrons]
        return functools.reduce(torch.add, made)

    def encode(self, prepared: Tensor) -> Tensor:
        """The embedding of each pixel: the output of the first prediction layer."""
        z = torch.cat(self.stream.split(prepared), 1)
        return cast(Tensor, self.stream.predict(self.interacted(z)))


def perceptron(features: int, options: XModalNetOptions) -> nn.Sequential:
    """One perceptron of the interactive-learning module: (B, features, H, W) -> (B, 64, H, W)."""
    return tanh_layers(features, INTERACTIVE, (1, 1), options.dropout, options.batch_norm)
