"""`vit_s16`: a small Vision Transformer (ViT-S/16) around each pixel."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import cast

from torch import Tensor

from geo_xmodal.networks.patch_branch import PatchBranch, PatchEncoder


class VitEncoder(PatchEncoder):
    """ViT-S/16 (Dosovitskiy et al. 2021; widths of Touvron et al. 2021) over whole patches.

    Patches of a few pixels are smaller than one of its tokens: they are enlarged to four by four tokens. Its
    position embedding, in weights that others trained of another size, is interpolated, as timm does it.
    """

    name = "vit_small_patch16_224"
    size = 64
    first = "patch_embed.proj.weight"
    last = "head"

    def _named(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        named = super()._named(weights)
        translated = importlib.import_module("timm.models.vision_transformer").checkpoint_filter_fn
        return cast(dict[str, Tensor], translated(named, self.backbone)) if self.first in named else named


class VitS16(PatchBranch):
    """`VitEncoder` at every pixel: some 370 million multiply-adds."""

    tile = 8
    choice = "vit_s16 (a small Vision Transformer; 4000 times the work)"
    patch_encoder = VitEncoder
