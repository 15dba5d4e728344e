"""Attention after the last two stages of a backbone, by name: that of DeCUR and what its appendix compares.

Wang et al. 2024 (arXiv 2309.05300), Table 2 of the appendix. All of them see a whole map.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, cast

from torch import Tensor, nn

from geo_xmodal.networks.backbones.deformable import DeformableAttention

AttentionName = Literal["none", "rda", "deformable", "cross_modal", "cbam"]
"""`rda`: x + DA(x), residual deformable attention. `deformable`: DA(x). `cross_modal`: x + DA(x, other), keys
and values of which are from the map of the other sensor. `cbam`: Woo et al. 2018, by timm."""


class Attention(nn.Module):
    """Deformable attention, with a residual or without.

    The paper does not say how attention begins. With a residual its last projection is 0, so that a backbone
    with weights of others starts as it was published.

    Args:
        block: the attention.
        residual: whether the map itself is added.
        crosses: whether keys and values are those of the other map, where there is one. The paper does not
            say what a sensor looks at that is alone: here, at itself.
    """

    def __init__(self, block: DeformableAttention, residual: bool, crosses: bool = False) -> None:
        super().__init__()
        self.block, self.residual, self.crosses = block, residual, crosses
        if residual:
            nn.init.zeros_(block.out.weight)
            nn.init.zeros_(cast(Tensor, block.out.bias))

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        seen: Tensor = self.block(x, other if self.crosses else None)
        return x + seen if self.residual else seen


class Cbam(nn.Module):
    """Channel attention, then spatial attention (Woo et al. 2018, arXiv 1807.06521), by timm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block: nn.Module = importlib.import_module("timm.layers").get_attn("cbam")(
            channels, mlp_bias=True
        )

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        return cast(Tensor, self.block(x))


def _deformable(channels: int, side: int, last: bool) -> DeformableAttention:
    """That after the last stage, or after the one before it: strides and kernels of the paper."""
    return DeformableAttention(channels, side, stride=1 if last else 2, kernel=3 if last else 5)


ATTENTIONS: Mapping[str, Callable[[int, int, bool], nn.Module]] = MappingProxyType(
    {
        "rda": lambda channels, side, last: Attention(_deformable(channels, side, last), residual=True),
        "deformable": lambda channels, side, last: Attention(
            _deformable(channels, side, last), residual=False
        ),
        "cross_modal": lambda channels, side, last: Attention(
            _deformable(channels, side, last), residual=True, crosses=True
        ),
        "cbam": lambda channels, side, last: Cbam(channels),
    }
)
"""By name: made of the channels of a map, its side for an image of the usual size, whether it is the last."""
