"""Encoders: spatial ones for the sensor that maps, spectral ones for the sensor that teaches."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn


def _norm(norm: str, width: int) -> nn.Module:
    return nn.BatchNorm2d(width) if norm == "batch" else nn.Identity()


class PixelEncoder(nn.Sequential):
    """Valid convolutions, then 1 x 1 layers: features of each pixel from its surroundings.

    A stack of kernels k1, k2, ... sees a patch of side 1 + sum(k - 1) = 2m + 1, `m` being `margin`.
    As no convolution pads, a patch gives one feature vector and a window gives one for every inner pixel,
    the same numbers (X-ModalNet Table 2 has kernels 5, 3 with widths 32, 64).
    """

    def __init__(
        self,
        bands: int,
        widths: Sequence[int] = (32, 64),
        kernels: Sequence[int] = (5, 3),
        hidden: Sequence[int] = (64,),
        dropout: float = 0.0,
        norm: str = "batch",
    ) -> None:
        layers: list[nn.Module] = []
        before = bands
        for width, kernel in [*zip(widths, kernels, strict=True), *((width, 1) for width in hidden)]:
            layers += [nn.Conv2d(before, width, kernel, bias=norm != "batch"), _norm(norm, width), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
            before = width
        super().__init__(*layers)
        self.margin = sum(kernel - 1 for kernel in kernels) // 2
        self.features = before


class SpectralEncoder(nn.Sequential):
    """Layers over the bands of each pixel alone: (B, bands, H, W) -> (B, features, H, W).

    With `dropout`, whole features are dropped between the layers, as in the fully-connected HSI stream of
    X-ModalNet Table 2 (widths 160, 64).
    """

    def __init__(
        self, bands: int, widths: Sequence[int] = (160, 64), dropout: float = 0.0, norm: str = "batch"
    ) -> None:
        layers: list[nn.Module] = []
        before = bands
        for width in widths:
            layers += [nn.Conv2d(before, width, 1, bias=norm != "batch"), _norm(norm, width), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
            before = width
        super().__init__(*layers)
        self.features = before
