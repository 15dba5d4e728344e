"""Backbones by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from torch import Tensor

from geo_xmodal.networks.backbones.attention import AttentionName
from geo_xmodal.networks.backbones.backbone import Backbone
from geo_xmodal.networks.backbones.mit import Mit
from geo_xmodal.networks.backbones.resnet import ResNet
from geo_xmodal.networks.backbones.vit import Vit

BACKBONES: Mapping[str, type[Backbone]] = MappingProxyType(
    {
        "resnet18": ResNet,
        "resnet50": ResNet,
        "vit_s16": Vit,
        **{f"mit_b{size}": Mit for size in range(6)},
    }
)
"""Kinds of backbone by the names of their sizes."""

SIZE = 224
"""Side of the images, in pixels, that published weights were trained on."""


def make_backbone(
    name: str,
    bands: int,
    weights: Mapping[str, Tensor] | None = None,
    size: int = SIZE,
    attention: AttentionName = "none",
) -> Backbone:
    """A backbone with fresh weights, or those that others trained.

    Args:
        name: in `BACKBONES`.
        bands: of the images.
        weights: by their names in a file; see `Backbone.start_from`.
        size: side of the images, in pixels, that a position embedding is laid out for.
        attention: what follows the last two stages.

    Raises:
        ValueError: The name is unknown, or the weights are not for this backbone.
    """
    if name not in BACKBONES:
        raise ValueError(f"unknown backbone '{name}': choose one of {', '.join(BACKBONES)}")
    made = BACKBONES[name](name, bands, size)
    made.attend(attention)
    if weights is not None:
        made.start_from(weights)
    return made
