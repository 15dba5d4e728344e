"""ViT-S/16 (Dosovitskiy et al. 2021, arXiv 2010.11929; widths of Touvron et al. 2021), by timm."""

from __future__ import annotations

import importlib
from typing import Any, cast

import torch
from torch import Tensor

from geo_xmodal.networks.backbones.backbone import Backbone, Encoded, applied, timm_model

_TIMM = {"vit_s16": "vit_small_patch16_224"}

_STAGES = 4
"""Groups of blocks whose maps are tapped; a Vision Transformer has no stages of its own."""


class Vit(Backbone):
    """Twelve blocks in four groups, all of stride 16; the vector of an image is its class token.

    With attention after the last groups, which class tokens take no part in, it is the mean of the map.

    The position embedding is that of images of `size` pixels, and is interpolated for others. Images are
    padded with zeros, below and on the right, to whole tokens.
    """

    firsts = ("patch_embed.proj.weight",)
    last = "head"

    def __init__(self, name: str, bands: int, size: int) -> None:
        super().__init__(name, bands, size)
        net = self.net = timm_model(
            _TIMM[name], in_chans=bands, img_size=size, dynamic_img_size=True, dynamic_img_pad=True
        )
        self.features = cast(int, net.embed_dim)
        self.depth = len(cast(Any, net.blocks))
        ends = [self.depth * (k + 1) // _STAGES for k in range(_STAGES)]
        self.taps = tuple(f"block{end}" for end in ends)
        self.strides = (16,) * _STAGES
        self.widths = (self.features,) * _STAGES
        self.radii = (None,) * _STAGES

    depth: int

    def begin(self, x: Tensor) -> Encoded:
        """Tokens of 16 x 16 pixels with their positions, and the class token."""
        net = cast(Any, self.net)
        embedded = net.patch_embed(x)
        height, width = embedded.shape[1:3]
        tokens = net.norm_pre(net.patch_drop(net._pos_embed(embedded)))
        return _apart(tokens, height, width)

    def stage(self, index: int, before: Encoded) -> Encoded:
        """A group of blocks."""
        first, end = (self.depth * k // _STAGES for k in (index, index + 1))
        blocks = cast(Any, self.net).blocks[first:end]
        return _apart(applied(blocks, _together(before)), *before.map.shape[2:])

    def finish(self, encoded: Encoded) -> Encoded:
        """The norm of all tokens."""
        return _apart(cast(Any, self.net).norm(_together(encoded)), *encoded.map.shape[2:])

    def pooled(self, encoded: Encoded) -> Tensor:
        """The class token, or the mean of the map that attention had a part in."""
        return super().pooled(encoded) if self.attention else cast(Tensor, encoded.tokens)[:, 0]

    def _translated(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Position embeddings of other sizes are interpolated, as timm does it."""
        if self.firsts[0] not in weights:
            return weights
        translate = importlib.import_module("timm.models.vision_transformer").checkpoint_filter_fn
        return cast(dict[str, Tensor], translate(weights, self.net))


def _apart(tokens: Tensor, height: int, width: int) -> Encoded:
    """(B, 1 + h w, C) -> map and class token."""
    rest = tokens[:, 1:].transpose(1, 2).reshape(tokens.shape[0], -1, height, width)
    return Encoded(rest, tokens[:, :1])


def _together(encoded: Encoded) -> Tensor:
    return torch.cat([cast(Tensor, encoded.tokens), encoded.map.flatten(2).transpose(1, 2)], 1)
