"""`cmx`: two sensors fused stage by stage on SegFormer (Zhang et al. 2023, CMX, arXiv 2203.04838).

After each stage of two backbones, each map is rectified by the other (the paper's CM-FRM); the rectified maps
go on to the next stages, and a fusion of both (its FFM) goes to the decoder. Both sensors are needed wherever
it predicts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from geo_xmodal.networks.backbones import Backbone
from geo_xmodal.networks.backbones.backbone import Encoded
from geo_xmodal.networks.segmentation.segformer import MlpDecoder, SegFormerOptions
from geo_xmodal.networks.segmentation.segmenter import Segmenter

_SHARE = 0.5
"""The paper's lambda_C = lambda_S."""

_REDUCTION = 1
"""Of hidden channels, in both modules (the authors' code)."""

_HEAD_WIDTH = 64
"""Channels of a head of the cross-attention, about: SegFormer's heads of stages 2 to 4."""


class Rectification(nn.Module):
    """Cross-modal feature rectification: each map gains from the other what channels and places ask for.

    Weights of channels come from averages and maxima of both maps over the image, by an MLP and a sigmoid;
    weights of places from both maps, by two 1 x 1 convolutions and a sigmoid. A map becomes itself plus half
    of the other one under each of the weights.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = 4 * width // _REDUCTION
        self.channels = nn.Sequential(
            nn.Linear(4 * width, hidden), nn.ReLU(), nn.Linear(hidden, 2 * width), nn.Sigmoid()
        )
        self.places = nn.Sequential(
            nn.Conv2d(2 * width, width // _REDUCTION, 1), nn.ReLU(), nn.Conv2d(width // _REDUCTION, 2, 1),
            nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h, w) of two sensors -> the same, rectified."""
        both = torch.cat([first, second], dim=1)
        channels = self.channels(torch.cat([both.mean((2, 3)), both.amax((2, 3))], dim=1))
        of_first, of_second = channels[:, :, None, None].chunk(2, dim=1)
        at_first, at_second = self.places(both).chunk(2, dim=1)
        return (
            first + _SHARE * (of_second + at_second) * second,
            second + _SHARE * (of_first + at_first) * first,
        )


class _Exchange(nn.Module):
    """One sensor's part of the cross-attention: a residual vector, and one whose context the other asks."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.split = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU())
        self.keys_values = nn.Linear(width, 2 * width, bias=False)
        self.end = nn.Linear(2 * width, width)
        self.norm = nn.LayerNorm(width)

    def of_heads(self, x: Tensor) -> Tensor:
        """(B, n, C) -> (B, heads, n, C / heads)."""
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def context(self, interactive: Tensor) -> Tensor:
        """(B, n, C) -> (B, heads, c, c): keys by values, with a softmax over the keys' channels."""
        keys, values = (self.of_heads(one) for one in self.keys_values(interactive).chunk(2, dim=2))
        return torch.softmax((keys.transpose(2, 3) @ values) * self.scale, dim=2)

    def joined(self, before: Tensor, residual: Tensor, attended: Tensor) -> Tensor:
        """(B, n, C) of what was before, and what it and the other sensor add."""
        both = torch.cat([residual, attended], dim=2)
        return cast(Tensor, self.norm(before + self.end(both)))


class Fusion(nn.Module):
    """Feature fusion: the sensors exchange global contexts by cross-attention, and are merged.

    Attention is linear in the pixels: each sensor's queries meet the context of the other,
    a matrix of channels by channels. The merge is a 1 x 1 convolution beside one with a depth-wise 3 x 3
    convolution, added and normalised.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        heads = max(1, next(k for k in range(max(1, width // _HEAD_WIDTH), 0, -1) if width % k == 0))
        self.first, self.second = _Exchange(width, heads), _Exchange(width, heads)
        hidden = width // _REDUCTION
        self.residual = nn.Conv2d(2 * width, width, 1, bias=False)
        self.embedding = nn.Sequential(
            nn.Conv2d(2 * width, hidden, 1),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, width, 1),
            nn.BatchNorm2d(width),
        )
        self.norm = nn.BatchNorm2d(width)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """(B, C, h, w) of two sensors -> (B, C, h, w)."""
        tokens = [one.flatten(2).transpose(1, 2) for one in (first, second)]
        parts = [part.split(x).chunk(2, dim=2) for part, x in zip((self.first, self.second), tokens)]  # noqa: B905
        contexts = [part.context(inter) for part, (_, inter) in zip((self.first, self.second), parts)]  # noqa: B905
        merged = []
        for part, x, (residual, inter), other in zip(
            (self.first, self.second), tokens, parts, contexts[::-1], strict=True
        ):
            attended = (part.of_heads(inter) @ other).transpose(1, 2).flatten(2)
            merged.append(part.joined(x, residual, attended).transpose(1, 2).reshape(first.shape))
        both = torch.cat(merged, dim=1)
        return cast(Tensor, self.norm(self.residual(both) + self.embedding(both)))


class Cmx(Segmenter):
    """Two backbones that rectify each other stage by stage, their fusions, and SegFormer's decoder."""

    two_sensors = True

    def __init__(self, bands: int, classes: int, options: SegFormerOptions) -> None:
        super().__init__(bands, options)
        self.rectifications = nn.ModuleList(Rectification(width) for width in self.widths)
        self.fusions = nn.ModuleList(Fusion(width) for width in self.widths)
        self.head = MlpDecoder(self.widths, classes, options.width, options.dropout)

    def maps(self, images: Sequence[Tensor]) -> list[Tensor]:
        """The fused map of each stage."""
        encoders = [cast(Backbone, encoder) for encoder in self.encoders]
        encoded = [encoder.begin(image) for encoder, image in zip(encoders, images, strict=True)]
        found = []
        for index, (rectify, fuse) in enumerate(zip(self.rectifications, self.fusions, strict=True)):
            encoded = [encoder.stage(index, one) for encoder, one in zip(encoders, encoded, strict=True)]
            first, second = rectify(encoded[0].map, encoded[1].map)
            encoded = [Encoded(first, encoded[0].tokens), Encoded(second, encoded[1].tokens)]
            found.append(fuse(first, second))
        return found
