"""Encoders: a spatial one for the sensor that maps, a spectral one for the sensor that teaches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def _norm(norm: str, width: int) -> nn.Module:
    return nn.BatchNorm2d(width) if norm == "batch" else nn.Identity()


class LocalContrast(nn.Module):
    """Each band, and what it is above its mean over k x k pixels, for each k: what stays when levels drift.

    A height above the ground and a backscatter against the field around it carry over to places where the
    absolute level does not. Valid like a convolution: (B, b, H + 2m, W + 2m) -> (B, b (1 + len(sizes)), H, W)
    with m = max(sizes) // 2.
    """

    def __init__(self, bands: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        self.margin = max(self.sizes, default=1) // 2
        self.features = bands * (1 + len(self.sizes))

    def forward(self, x: Tensor) -> Tensor:
        """Bands and contrasts."""
        m = self.margin
        inner = x[:, :, m : x.shape[2] - m, m : x.shape[3] - m]
        contrasts = [inner]
        for size in self.sizes:
            mean = F.avg_pool2d(x, size, stride=1)
            cut = m - size // 2
            contrasts.append(inner - mean[:, :, cut : mean.shape[2] - cut, cut : mean.shape[3] - cut])
        return torch.cat(contrasts, dim=1)


class PixelEncoder(nn.Module):
    """Local contrasts, valid convolutions, one linear layer: an embedding of each pixel in its surroundings.

    Kernels k1, k2, ... on contrasts of sizes c1, c2, ... see 2m + 1 pixels a side, m = `margin` =
    max(c) // 2 + sum(k - 1) / 2. As nothing pads, a patch gives one embedding and a window gives one for
    every inner pixel, the same numbers. Without contrasts, kernels 5, 3 of widths 32, 64 are X-ModalNet's
    feature extractor (Table 2) with ReLU in place of Tanh.
    """

    def __init__(
        self,
        bands: int,
        contrasts: Sequence[int] = (),
        widths: Sequence[int] = (32, 64),
        kernels: Sequence[int] = (5, 3),
        embedding: int = 64,
        norm: str = "batch",
    ) -> None:
        super().__init__()
        self.contrast = LocalContrast(bands, contrasts)
        before = self.contrast.features
        layers: list[nn.Module] = [_norm(norm, before)]
        for width, kernel in zip(widths, kernels, strict=True):
            layers += [nn.Conv2d(before, width, kernel, bias=norm != "batch"), _norm(norm, width), nn.ReLU()]
            before = width
        self.convolutions = nn.Sequential(*layers, nn.Conv2d(before, embedding, 1))
        self.margin = self.contrast.margin + sum(kernel - 1 for kernel in kernels) // 2
        self.features = embedding

    def forward(self, x: Tensor) -> Tensor:
        """(B, bands, H + 2m, W + 2m) standardised -> (B, embedding, H, W)."""
        return cast(Tensor, self.convolutions(self.contrast(x)))


class SpectralEncoder(nn.Sequential):
    """Layers over the bands of each pixel alone: (n, bands) -> (n, embedding).

    X-ModalNet's HSI stream (Table 2: fully-connected 160, 64) with ReLU in place of Tanh.
    """

    def __init__(
        self, bands: int, widths: Sequence[int] = (128,), embedding: int = 64, dropout: float = 0.0
    ) -> None:
        layers: list[nn.Module] = []
        before = bands
        for width in widths:
            layers += [
                nn.Linear(before, width, bias=False),
                nn.BatchNorm1d(width),
                nn.ReLU(),
                nn.Dropout(dropout),
            ]
            before = width
        super().__init__(*layers, nn.Linear(before, embedding))
        self.features = embedding
