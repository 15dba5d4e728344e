"""Networks of encoders that others trained: images that they expect to one vector an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from geo_xmodal.networks.backbones import make_backbone
from geo_xmodal.networks.published import wavelengths
from geo_xmodal.networks.published.by_terratorch import Prithvi, TerraMind
from geo_xmodal.networks.published.catalogue import Published
from geo_xmodal.networks.published.galileo import TOKEN, Galileo
from geo_xmodal.networks.published.wrapped import Wrapped, module_of

_TOKENS = {"croma": 8, "dofa": 16, "galileo": TOKEN, "panopticon": 14, "terramind": 16, "vit_s16": 16}
"""Sides of the patches that become tokens, in pixels, where they are not a setting."""


class ImageEncoder(Protocol):
    """Images of one size to vectors.

    Attributes:
        features: width of a vector.
        sides: sides of its images are multiples of it, in pixels.
    """

    features: int

    def __call__(self, images: Tensor) -> Tensor:
        """(B, bands, side, side) -> (B, features)."""

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Take over weights by their names in the published file; ValueError if they are others."""


def make_network(published: Published, side: int, given: Sequence[float], bands: int) -> nn.Module:
    """The `ImageEncoder` of a published encoder, with fresh weights.

    Args:
        published: which one.
        side: of its images, in pixels.
        given: wavelengths in nanometres, for one that takes any bands.
        bands: of its images.

    Raises:
        UsageError: the package that holds the code of its network is not installed.
    """
    if published.architecture == "croma":
        return _Croma(published, side)
    if published.architecture == "dofa":
        return _Dofa(published, side, given)
    if published.architecture == "panopticon":
        return _Panopticon(published, side, given)
    if published.architecture == "prithvi":
        return Prithvi(published, side)
    if published.architecture == "terramind":
        return TerraMind(published, side)
    if published.architecture == "galileo":
        return Galileo(published, side)
    return _Timm(published, bands, side)


def side_of(published: Published, side: int) -> int:
    """The side of images next to one that is asked for, in whole tokens."""
    token = published.settings.get("patch_size") or _TOKENS.get(published.architecture, 1)
    return max(1, round(side / token)) * token


class _Timm(nn.Module):
    """A backbone of `networks.backbones`, whose layout the files have."""

    def __init__(self, published: Published, bands: int, side: int) -> None:
        super().__init__()
        self.net = make_backbone(published.architecture, bands, size=side)
        self.features = self.net.features

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.net(images))

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        # torchgeo takes Vision Transformers without their last norm as they are
        own: dict[str, Tensor] = self.net.net.state_dict()
        more: dict[str, Tensor] = {name: own[name] for name in ("norm.weight", "norm.bias") if name in own}
        self.net.start_from({**more, **weights})


def _torchgeo(name: str) -> Any:
    return module_of("torchgeo", f"torchgeo.models.{name}", name)


class _Croma(Wrapped):
    """One sensor's encoder of CROMA; the vector is what its contrastive loss sees (`GAP_FFN` of the mean)."""

    fresh = ("attn_bias",)  # made of the size of the image

    def __init__(self, published: Published, side: int) -> None:
        super().__init__()
        self.modality = "sar" if published.sensor.kind == "sar" else "optical"
        self.net = _torchgeo("croma").CROMA(
            modalities=[self.modality], patch_size=8, image_size=side, **published.settings
        )
        self.features = published.settings["encoder_dim"]

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.net(**{f"x_{self.modality}": images})[f"{self.modality}_GAP"])

    def named(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        own = "s1_" if self.modality == "sar" else "s2_"
        return {name: value for name, value in weights.items() if name.startswith(own)}


class _Dofa(Wrapped):
    """DOFA; the vector is the mean of its tokens, normalised."""

    fresh = ("fc_norm.weight", "fc_norm.bias")  # made anew by torchgeo, too

    def __init__(self, published: Published, side: int, given: Sequence[float]) -> None:
        super().__init__()
        self.net = _torchgeo("dofa").DOFA(img_size=side, patch_size=16, num_classes=0, **published.settings)
        self.features = published.settings["embed_dim"]
        self.wavelengths = wavelengths.of_dofa(published.sensor.bands, given)

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, cast(Any, self.net).forward_features(images, self.wavelengths))

    def named(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        found = {name: value for name, value in weights.items() if not name.startswith("head.")}
        if self.position in found:
            found[self.position] = self.resampled(found[self.position])
        return found


class _Panopticon(Wrapped):
    """Panopticon; the vector is its class token."""

    position = "model.pos_embed"

    def __init__(self, published: Published, side: int, given: Sequence[float]) -> None:
        super().__init__()
        self.net = _torchgeo("panopticon").Panopticon(img_size=side, **published.settings)
        self.features = cast(int, cast(Any, self.net).model.num_features)
        self.channels: Tensor
        found = wavelengths.of_panopticon(published.sensor.bands, given)
        self.register_buffer("channels", torch.tensor(found), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        channels = self.channels.repeat(images.shape[0], 1)  # a copy: the network writes into it
        return cast(Tensor, self.net({"imgs": images, "chn_ids": channels}))

    def named(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        found = {f"model.{name}": value for name, value in weights.items() if name != "mask_token"}
        if self.position in found:
            found[self.position] = self.resampled(found[self.position])
        return found
