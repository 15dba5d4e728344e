"""Raw band values to network input, as part of the network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from geo_xmodal.types import BandStatistics


class Standardize(nn.Module):
    """Clip, transform and standardise each band; missing values become the training mean.

    The formula is that of `geo_xmodal.types.BandStatistics`. Its numbers are plain attributes, not weights:
    they travel in the bundle's card, where people can read them, and are rebuilt from there.
    """

    def __init__(self, statistics: BandStatistics) -> None:
        super().__init__()
        self.statistics = statistics
        kinds = statistics.transform
        self._buffer("scale", statistics.scale)
        self._buffer("low", statistics.low)
        self._buffer("high", statistics.high)
        self._buffer("mean", statistics.mean)
        self._buffer("std", statistics.std)
        self._buffer("is_log", [float(kind == "log") for kind in kinds])
        self._buffer("is_asinh", [float(kind == "asinh") for kind in kinds])

    def _buffer(self, name: str, values: Sequence[float]) -> None:
        tensor = torch.tensor(values, dtype=torch.float32).reshape(1, -1, 1, 1)
        self.register_buffer(name, tensor, persistent=False)

    scale: Tensor
    low: Tensor
    high: Tensor
    mean: Tensor
    std: Tensor
    is_log: Tensor
    is_asinh: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Standardise.

        Args:
            x: (batch, band, row, col) raw values, NaN where there is no data.

        Returns:
            The same shape, finite: 0 (the training mean) where `x` was not finite.
        """
        present = torch.isfinite(x)
        clipped = torch.where(present, x, self.mean).clamp(min=self.low, max=self.high)
        t = clipped
        if "log" in self.statistics.transform:
            t = torch.where(self.is_log > 0, clipped.clamp(min=self.scale).log(), t)
        if "asinh" in self.statistics.transform:
            t = torch.where(self.is_asinh > 0, (clipped / self.scale).asinh(), t)
        return torch.where(present, (t - self.mean) / self.std, torch.zeros_like(t))
