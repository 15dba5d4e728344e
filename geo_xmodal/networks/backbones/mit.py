"""MiT, the encoder of SegFormer (Xie et al. 2021, arXiv 2105.15203, Table 6), by timm.

timm has no model of this name, but the same network under another: its Pyramid Vision Transformer v2 with
MiT's depths, widths and expansion ratios (4 in every stage) is MiT, operation by operation. Weights are taken
over in timm's layout, in that of the authors' code, and in that of `transformers`, whose norms have an
epsilon of 1e-5 where the authors and this network have 1e-6.
"""

from __future__ import annotations

import importlib
import re
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from geo_xmodal.networks.backbones.backbone import Backbone, Encoded

_SIZES = {
    "mit_b0": ((2, 2, 2, 2), (32, 64, 160, 256)),
    "mit_b1": ((2, 2, 2, 2), (64, 128, 320, 512)),
    "mit_b2": ((3, 4, 6, 3), (64, 128, 320, 512)),
    "mit_b3": ((3, 4, 18, 3), (64, 128, 320, 512)),
    "mit_b4": ((3, 8, 27, 3), (64, 128, 320, 512)),
    "mit_b5": ((3, 6, 40, 3), (64, 128, 320, 512)),
}
"""Blocks and widths by stage."""


class Mit(Backbone):
    """Four stages of strides 4 to 32; attention looks at the whole image from the first stage on."""

    firsts = ("patch_embed.proj.weight", "patch_embed1.proj.weight", "patch_embeddings.0.proj.weight")
    last = "head"
    smallest = 32  # the first stage reduces its keys by 8, on a map of stride 4

    def __init__(self, name: str, bands: int, size: int) -> None:
        super().__init__(name, bands, size)
        module = importlib.import_module("timm.models.pvt_v2")
        depths, widths = _SIZES[name]
        self.net = module.PyramidVisionTransformerV2(
            in_chans=bands, num_classes=0, depths=depths, embed_dims=widths, num_heads=(1, 2, 5, 8),
            sr_ratios=(8, 4, 2, 1), mlp_ratios=(4, 4, 4, 4), norm_layer=partial(nn.LayerNorm, eps=1e-6),
        )  # fmt: skip
        self.taps = tuple(f"stage{k}" for k in range(1, 5))
        self.strides, self.widths, self.features = (4, 8, 16, 32), widths, widths[-1]
        self.radii = (None,) * 4

    def begin(self, x: Tensor) -> Encoded:
        """Overlapping patches of 7 x 7 pixels, 4 pixels apart."""
        return Encoded(cast(Any, self.net).patch_embed(x))

    def stage(self, index: int, before: Encoded) -> Encoded:
        """Blocks of attention over reduced keys, and a norm."""
        return Encoded(cast(Any, self.net).stages[index](before.map))

    def _translated(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        if "patch_embeddings.0.proj.weight" in weights:
            weights = _authors_names(weights)
        translate = importlib.import_module("timm.models.pvt_v2").checkpoint_filter_fn
        return cast(dict[str, Tensor], translate(weights, self.net)) if weights else {}


_RENAMED = (
    (r"^patch_embeddings\.(\d)\.proj", lambda m: f"patch_embed{int(m[1]) + 1}.proj"),
    (r"^patch_embeddings\.(\d)\.layer_norm", lambda m: f"patch_embed{int(m[1]) + 1}.norm"),
    (r"^block\.(\d)\.", lambda m: f"block{int(m[1]) + 1}."),
    (r"^layer_norm\.(\d)", lambda m: f"norm{int(m[1]) + 1}"),
    (r"\.layer_norm_(\d)\.", lambda m: f".norm{m[1]}."),
    (r"\.attention\.self\.query\.", lambda m: ".attn.q."),
    (r"\.attention\.self\.sr\.", lambda m: ".attn.sr."),
    (r"\.attention\.self\.layer_norm\.", lambda m: ".attn.norm."),
    (r"\.attention\.output\.dense\.", lambda m: ".attn.proj."),
    (r"\.mlp\.dense(\d)\.", lambda m: f".mlp.fc{m[1]}."),
)
"""From names of `transformers` to those of the authors' code, but for keys and values."""


def _authors_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, value in weights.items():
        if ".attention.self.value." in name:
            continue
        if ".attention.self.key." in name and (other := name.replace(".key.", ".value.")) in weights:
            value, name = torch.cat([value, weights[other]]), name.replace("attention.self.key", "attn.kv")
        for pattern, renamed in _RENAMED:
            name = re.sub(pattern, renamed, name)
        found[name] = value
    return found
