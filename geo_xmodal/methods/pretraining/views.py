"""Augmented views of samples: what may change in them without changing what they show, by kind of sensor."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from geo_xmodal.kinds import Kind
from geo_xmodal.networks import Standardize
from geo_xmodal.types import BandStatistics

SIMILAR: Mapping[Kind, frozenset[str]] = MappingProxyType(
    {
        "msi": frozenset({"light", "grey", "blur", "solarize"}),
        "hsi": frozenset({"light", "grey", "blur", "solarize"}),
        "sar": frozenset({"grey", "blur"}),
        "thermal": frozenset({"blur"}),
        "lidar": frozenset(),
        "dem": frozenset(),
        "embedding": frozenset(),
        "other": frozenset(),
    }
)
"""What is changed beside crops and flips, by kind (DeCUR, appendix B.1): no colour of radar, no light on
heights. Thermal values are blurred only, and embeddings and unknown values stay as they are."""

_LIGHT, _LIGHT_SHARE = 0.4, 0.8
_GREY_SHARE = _SOLARIZE_SHARE = 0.2
_BLUR_SHARE, _BLUR = 0.5, (0.1, 2.0)
_MIN_BLURRED = 3


class Views(nn.Module):
    """Random views of samples of one sensor, by `torchvision.transforms.v2`, of any number of bands.

    Crops (enlarged to the encoder's patch), flips, and what `SIMILAR` names for the kind. Colour operations
    see values between 0 and 1, where bands are clipped, so that nothing is cut off. Colours are never
    rotated, as bands are no red, green and blue; grey is the mean of the bands in each of them.

    Args:
        kind: Of the sensor.
        statistics: By which samples are standardised.
        side: Of a view, in pixels.
        crop: Least share of a sample's area that a view shows; 1 cuts the middle out.
        noise: Standard deviation of noise on standardised values.
        draws: Parts of a batch with random numbers of their own: the transforms draw for a whole tensor.
    """

    def __init__(
        self, kind: Kind, statistics: BandStatistics, side: int, *, crop: float, noise: float, draws: int
    ) -> None:
        super().__init__()
        self.side, self.noise, self.draws = side, noise, draws
        low, high = _range(statistics)
        self.low: Tensor
        self.span: Tensor
        self.register_buffer("low", low, persistent=False)
        self.register_buffer("span", (high - low).clamp(min=1e-6), persistent=False)
        v2: Any = importlib.import_module("torchvision.transforms.v2")  # slow to import
        self._crop: Callable[[Tensor], Tensor] = (
            v2.RandomResizedCrop(side, scale=(crop, 1.0), antialias=True)
            if crop < 1 and side > 1
            else v2.CenterCrop(side)
        )
        self._flips: tuple[Any, ...] = (
            (v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()) if side > 1 else ()
        )
        similar = SIMILAR[kind]
        steps: list[Any] = []
        if "light" in similar:
            steps.append(_Sometimes(_Light(v2), _LIGHT_SHARE))
        if "grey" in similar:
            steps.append(_Sometimes(_grey, _GREY_SHARE))
        if "blur" in similar and side >= _MIN_BLURRED:
            steps.append(_Sometimes(v2.GaussianBlur(max(3, side // 10 | 1), _BLUR), _BLUR_SHARE))
        if "solarize" in similar:
            steps.append(_Sometimes(lambda u: v2.functional.solarize(u, 0.5), _SOLARIZE_SHARE))
        self._steps = tuple(steps)

    @torch.no_grad()
    def forward(self, samples: Tensor) -> Tensor:
        """(n, bands, s, s) standardised -> (n, bands, side, side), s >= side."""
        views = torch.cat([self._view(part) for part in samples.chunk(self.draws)])
        return views + self.noise * torch.randn_like(views) if self.noise else views

    def _view(self, samples: Tensor) -> Tensor:
        view = self._crop(samples)
        for flip in self._flips:
            view = flip(view)
        if not self._steps:
            return view
        unit = ((view - self.low) / self.span).clamp(0, 1)
        for step in self._steps:
            unit = step(unit)
        return unit * self.span + self.low


class _Sometimes:
    """A change with a probability; `v2.RandomApply` takes modules alone."""

    def __init__(self, change: Callable[[Tensor], Tensor], share: float) -> None:
        self.change, self.share = change, share

    def __call__(self, unit: Tensor) -> Tensor:
        return self.change(unit) if float(torch.rand(())) < self.share else unit


class _Light:
    """Brightness and contrast of all bands together: `v2.ColorJitter` takes one band or three."""

    def __init__(self, v2: Any) -> None:
        self.jitter = v2.ColorJitter(brightness=_LIGHT, contrast=_LIGHT)

    def __call__(self, unit: Tensor) -> Tensor:
        n, bands, rows, cols = unit.shape
        changed: Tensor = self.jitter(unit.reshape(n, 1, bands * rows, cols))
        return changed.reshape(unit.shape)


def _grey(unit: Tensor) -> Tensor:
    return unit.mean(1, keepdim=True).expand_as(unit)


def _range(statistics: BandStatistics) -> tuple[Tensor, Tensor]:
    """(1, bands, 1, 1) least and largest standardised value of each band: where values are clipped."""
    ends = [torch.tensor(end, dtype=torch.float32) for end in (statistics.low, statistics.high)]
    standardize = Standardize(statistics)
    low, high = (standardize(end.reshape(1, -1, 1, 1)) for end in ends)
    return low, high
