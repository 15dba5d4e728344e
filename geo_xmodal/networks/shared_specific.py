"""`shared_specific`: what is left of ShaSpec without the auxiliary sensor.

Wang et al., "Multi-modal learning with missing modality via shared-specific feature modelling", CVPR 2023
(arXiv 2307.14126), section 3.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from geo_xmodal.networks.branch import Branch
from geo_xmodal.networks.encoders import LocalContrast
from geo_xmodal.networks.tanh_cnn import TanhCnnOptions, TanhLayer, tanh_layers


class SharedSpecificOptions(TanhCnnOptions):
    """Options of `shared_specific`: those of `tanh_cnn`, whose layers come first."""


class Fusion(nn.Module):
    """Shared features, and a residue of shared and specific ones: s + W [s, p], (B, features, H, W).

    One for all sensors.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.residual = nn.Conv2d(2 * features, features, 1)

    def forward(self, shared: Tensor, specific: Tensor) -> Tensor:
        """Fused features of one sensor."""
        return cast(Tensor, shared + self.residual(torch.cat([shared, specific], 1)))


class SharedSpecific(Branch):
    """The layers of `tanh_cnn`, then shared and specific features; a linear layer sees two fused sensors.

    The auxiliary sensor's place is taken by the shared features of the target, as the paper has it for a
    sensor that is absent. `shared` is one layer for both sensors. It has no batch norm: its running mean
    would belong to neither.
    """

    def __init__(self, bands: int, classes: int, options: SharedSpecificOptions) -> None:
        super().__init__()
        features = options.dense[-1]
        self.contrast = LocalContrast(bands, options.contrasts)
        self.stem = tanh_layers(
            self.contrast.features,
            (*options.widths, *options.dense),
            (*options.kernels, *(1 for _ in options.dense)),
            options.dropout,
            options.batch_norm,
        )
        self.shared = TanhLayer(features, features, 1, options.dropout, batch_norm=False)
        self.specific = TanhLayer(features, features, 1, options.dropout, options.batch_norm)
        self.fusion = Fusion(features)
        self.features = 2 * features
        self.head = nn.Conv2d(self.features, classes, 1)
        self.margin = options.margin

    def prepare(self, x: Tensor) -> Tensor:
        """Bands and their local contrasts."""
        return cast(Tensor, self.contrast(x))

    def parts(self, prepared: Tensor) -> tuple[Tensor, Tensor]:
        """Shared and specific features of the target, (B, features, H, W) each."""
        h = self.stem(prepared)
        return self.shared(h), self.specific(h)

    def encode(self, prepared: Tensor) -> Tensor:
        """Fused features of the target, then its shared ones in place of the auxiliary sensor's."""
        shared, specific = self.parts(prepared)
        return torch.cat([self.fusion(shared, specific), shared], 1)
