"""Networks of encoders that others trained: images that they expect to one vector an image."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from geo_xmodal.errors import UsageError
from geo_xmodal.networks.backbones import make_backbone
from geo_xmodal.networks.backbones.backbone import check_layout
from geo_xmodal.networks.published import wavelengths
from geo_xmodal.networks.published.catalogue import Published


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
        UsageError: torchgeo, which holds the code of its network, is not installed.
    """
    if published.architecture == "croma":
        return _Croma(published, side)
    if published.architecture == "dofa":
        return _Dofa(published, side, given)
    if published.architecture == "panopticon":
        return _Panopticon(published, side, given)
    return _Timm(published, bands, side)


def side_of(published: Published, side: int) -> int:
    """The side of images next to one that is asked for, in whole tokens."""
    token = {"croma": 8, "dofa": 16, "panopticon": 14, "vit_s16": 16}.get(published.architecture, 1)
    return max(1, round(side / token)) * token


def _torchgeo(name: str) -> Any:
    try:
        return importlib.import_module(f"torchgeo.models.{name}")
    except ImportError:
        raise UsageError(
            f"torchgeo, which holds the network of {name}, is not installed: "
            "pip install 'geo_xmodal[torchgeo]'"
        ) from None


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


class _Torchgeo(nn.Module):
    """A network of torchgeo, and the names of its weights that no file holds."""

    net: nn.Module
    features: int
    fresh: tuple[str, ...] = ()

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        own = self.net.state_dict()
        found = dict(self.named(weights))
        found |= {name: own[name] for name in self.fresh if name in own and name not in found}
        check_layout(type(self).__name__.strip("_"), own, found)
        self.net.load_state_dict(found)

    def named(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The weights by the names of the network."""
        return weights

    def _resampled(self, position: Tensor) -> Tensor:
        """A position embedding (1, 1 + tokens, width) for the network's own number of tokens."""
        side = round((cast(Tensor, self.net.get_parameter(self.position)).shape[1] - 1) ** 0.5)
        resample = importlib.import_module("timm.layers").resample_abs_pos_embed
        return cast(Tensor, resample(position, [side, side], num_prefix_tokens=1))

    position = "pos_embed"


class _Croma(_Torchgeo):
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


class _Dofa(_Torchgeo):
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
            found[self.position] = self._resampled(found[self.position])
        return found


class _Panopticon(_Torchgeo):
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
            found[self.position] = self._resampled(found[self.position])
        return found
