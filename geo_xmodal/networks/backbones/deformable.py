"""Deformable attention: each query looks at few positions of the map, which move with what is seen.

Xia et al., DAT++ (arXiv 2309.01430), Section 3, as the DeCUR paper (Wang et al. 2024, arXiv 2309.05300,
appendix B.1) sets it after the last two stages of a ResNet. What that paper leaves open is as in its code:
offsets are not bounded by tanh, and positions stay within the map.
"""

from __future__ import annotations

import importlib
import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEAD_WIDTH = 128
"""Channels of a head: 8 heads of 1024 channels, 16 of 2048 (DeCUR). Of widths that it does not divide, the
largest common divisor; groups are half as many as heads, as in the paper, or one of an odd number."""


class DeformableAttention(nn.Module):
    """Multi-head attention whose keys and values are sampled at learned positions.

    Args:
        channels: of the map.
        side: of the map that the position bias is laid out for; of other maps it is interpolated.
        stride: cells of the map between reference points.
        kernel: of the convolution that finds offsets.
        half_pixel: place reference points half a cell further right and down, as the released code of DAT++
            does. The paper places them on corners and evenly between: that is the default.

    Attributes:
        heads: of attention.
        groups: of channels, each with offsets of its own.
        out: the last projection.
    """

    def __init__(self, channels: int, side: int, stride: int, kernel: int, half_pixel: bool = False) -> None:
        super().__init__()
        self.heads = channels // math.gcd(channels, HEAD_WIDTH)
        self.groups = max(1, self.heads // 2) if self.heads % 2 == 0 else 1
        self.half_pixel = half_pixel
        self.query, self.key, self.value, self.out = (nn.Conv2d(channels, channels, 1) for _ in range(4))
        width = channels // self.groups
        norm = importlib.import_module("timm.layers").LayerNorm2d
        self.offset = nn.Sequential(
            nn.Conv2d(width, width, kernel, stride, kernel // 2, groups=width),
            norm(width, eps=1e-5),
            nn.GELU(),
            nn.Conv2d(width, 2, 1, bias=False),
        )
        self.bias = nn.Parameter(torch.empty(self.heads, 2 * side - 1, 2 * side - 1))
        nn.init.trunc_normal_(self.bias, std=0.01)

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """Attend.

        Args:
            x: (B, channels, h, w) the map that asks.
            other: (B, channels, h', w') the map of the same place that is looked at; `x` itself by default.

        Returns:
            (B, channels, h, w).
        """
        batch, channels, height, width = x.shape
        query = self.query(x)
        positions = self._positions(query)
        sampled = self._sampled(x if other is None else other, positions)
        count = sampled.shape[3]
        q = query.reshape(batch, self.heads, -1, height * width).transpose(2, 3)
        k = self.key(sampled).reshape(batch, self.heads, -1, count).transpose(2, 3)
        v = self.value(sampled).reshape(batch, self.heads, -1, count).transpose(2, 3)
        bias = self._position_bias(positions, height, width).to(q.dtype)
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return cast(Tensor, self.out(seen.transpose(2, 3).reshape(batch, channels, height, width)))

    def _positions(self, query: Tensor) -> Tensor:
        """(B groups, n, 2) where keys are sampled, (y, x) from -1 to 1 over the map."""
        batch, channels, height, width = query.shape
        grouped = query.reshape(batch * self.groups, channels // self.groups, height, width)
        offsets = self.offset(grouped).permute(0, 2, 3, 1)
        reference = _grid(offsets.shape[1], offsets.shape[2], offsets, self.half_pixel)
        return cast(Tensor, (offsets + reference).clamp(-1, 1).flatten(1, 2))

    def _sampled(self, source: Tensor, positions: Tensor) -> Tensor:
        """(B, channels, 1, n) of a map."""
        batch, channels, height, width = source.shape
        grouped = source.reshape(batch * self.groups, channels // self.groups, height, width)
        grid = positions[:, None].flip(3).to(source.dtype)
        return F.grid_sample(grouped, grid, "bilinear", align_corners=True).reshape(batch, channels, 1, -1)

    def _position_bias(self, positions: Tensor, height: int, width: int) -> Tensor:
        """(B, heads, h w, n) of what lies between queries and positions, from the table."""
        queries = _grid(height, width, positions).reshape(1, height * width, 1, 2)
        between = (queries - positions[:, None]) / 2
        batch = positions.shape[0] // self.groups
        table = self.bias.reshape(self.groups, -1, *self.bias.shape[1:]).repeat(batch, 1, 1, 1)
        bias = F.grid_sample(table.to(between.dtype), between.flip(3), "bilinear", align_corners=True)
        return bias.reshape(batch, self.heads, height * width, -1)


def _grid(height: int, width: int, like: Tensor, half_pixel: bool = False) -> Tensor:
    """(height, width, 2) (y, x) of the cells of a map, whose corners are -1 and 1; 0 where it has one."""
    axes = []
    for size in (height, width):
        cells = torch.arange(size, dtype=like.dtype, device=like.device) + (0.5 if half_pixel else 0.0)
        axes.append(cells / (size - 1) * 2 - 1 if size > 1 else torch.zeros_like(cells))
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
