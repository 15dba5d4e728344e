"""Context features: what surrounds a pixel, as numbers that trees can split on.

Trees look at one number at a time, so the neighbourhood has to be among the numbers: local means, deviations
and extremes, gradients, texture, and openings and closings by structuring elements of several sizes
(morphological profiles, Pesaresi and Benediktsson 2001, doi:10.1109/36.905239). Everything is computed from
standardised bands by operations that are the same at every position, so a patch and a whole window give the
same numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from geo_xmodal.networks.limits import Kernel, NetworkOptions

Feature = Literal["mean", "contrast", "std", "min", "max", "texture", "gradient"]
"""`mean`, `std`, `min`, `max` of the bands in a square; `contrast`, the band minus that mean; `texture`, the
mean absolute difference of neighbours in the square; `gradient`, its magnitude at the pixel."""

Ratios = Literal["none", "difference", "index"]
"""What pairs of bands are compared by: nothing, their difference (heights; power in logarithms), or the
normalised difference (a - b) / (|a| + |b|) of values as the sensor has them."""

MAX_FEATURES = 4096
"""Context features of a pixel."""

MAX_RATIO_BANDS = 8
"""Bands that pairs are made of; of more, so many that are spread evenly."""

_TINY = 1e-12

Finite = Annotated[float, Field(allow_inf_nan=False)]


class ContextOptions(NetworkOptions):
    """Which features a pixel has beside its bands.

    Attributes:
        context: kinds of features; each but `gradient` for every size.
        sizes: sides of the squares, in pixels, odd.
        openings: sides of the structuring elements of openings and closings, odd.
        ratios: how pairs of bands are compared.
        level: of each band, the value that is 0 when standardised; empty is 0. For `index`.
        spread: of each band, the difference that is 1 when standardised; empty is 1.
    """

    context: tuple[Feature, ...] = Field(default=(), max_length=16)
    sizes: tuple[Kernel, ...] = Field(default=(), max_length=16)
    openings: tuple[Kernel, ...] = Field(default=(), max_length=16)
    ratios: Ratios = "none"
    level: tuple[Finite, ...] = Field(default=(), max_length=4096)
    spread: tuple[Finite, ...] = Field(default=(), max_length=4096)

    @model_validator(mode="after")
    def _sizes_are_odd(self) -> ContextOptions:
        if wrong := [size for size in (*self.sizes, *self.openings) if size % 2 == 0 or size < 3]:
            raise ValueError(f"sizes {wrong} must be odd, from 3 on, so that a square has a centre")
        return self

    @property
    def margin(self) -> int:
        """Pixels on each side that the features look at."""
        squares = [size // 2 for size in self.sizes if _sized(self.context)]
        return max([*squares, *(size - 1 for size in self.openings), int("gradient" in self.context)])

    def features(self, bands: int) -> int:
        """Number of features of a pixel, its bands included.

        Raises:
            ValueError: They are more than `MAX_FEATURES`, or `level` or `spread` is of other bands.
        """
        for name, values in (("level", self.level), ("spread", self.spread)):
            if values and len(values) != bands:
                raise ValueError(f"{name} has {len(values)} values for {bands} bands")
        a_band = 1 + len(_sized(self.context)) * len(self.sizes) + 2 * len(self.openings)
        a_band += "gradient" in self.context
        count = bands * a_band + (0 if self.ratios == "none" else len(_pairs(bands)))
        if count > MAX_FEATURES:
            raise ValueError(
                f"{count:,} context features of {bands} bands, {MAX_FEATURES:,} are the limit: "
                "take fewer kinds of context or fewer sizes"
            )
        return count


@dataclass(frozen=True)
class ContextFeature:
    """What one of the features is.

    Attributes:
        kind: `band`, a `Feature`, `opening`, `closing` or `ratio`.
        bands: those that it is made of, from 0: one, of a ratio two.
        side: of the square around the pixel that it looks at, in pixels.
    """

    kind: str
    bands: tuple[int, ...]
    side: int


def context_features(options: ContextOptions, bands: int) -> tuple[ContextFeature, ...]:
    """The features that `Context` gives, in its order."""
    kinds = [("band", 1)]
    kinds += [(kind, size) for size in options.sizes for kind in _sized(options.context)]
    kinds += [("gradient", 3)] if "gradient" in options.context else []
    kinds += [(kind, 2 * size - 1) for size in options.openings for kind in ("opening", "closing")]
    found = [ContextFeature(kind, (band,), side) for kind, side in kinds for band in range(bands)]
    pairs = () if options.ratios == "none" else _pairs(bands)
    return (*found, *(ContextFeature("ratio", pair, 1) for pair in pairs))


class Context(nn.Module):
    """Context features of every pixel, dense: without padding, without weights.

    Args:
        bands: of the input.
        options: which features.

    Raises:
        ValueError: They are too many, or the options are of other bands.

    Attributes:
        margin: pixels on each side that the features look at.
        features: how many there are, the bands first.
    """

    def __init__(self, bands: int, options: ContextOptions) -> None:
        super().__init__()
        self.options = options
        self.margin = options.margin
        self.features = options.features(bands)
        self._buffer("level", options.level or (0.0,) * bands)
        self._buffer("spread", options.spread or (1.0,) * bands)
        self.pairs = _pairs(bands) if options.ratios != "none" else ()

    def _buffer(self, name: str, values: tuple[float, ...]) -> None:
        tensor = torch.tensor(values, dtype=torch.float32).reshape(1, -1, 1, 1)
        self.register_buffer(name, tensor, persistent=False)

    level: Tensor
    spread: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Features.

        Args:
            x: (B, band, H + 2m, W + 2m) standardised; 0 where a value is missing.

        Returns:
            (B, features, H, W): the bands; for every size the kinds of `context` in their order; gradients;
            opening and closing of every size; ratios. Of each, all bands in their order.
        """
        return torch.cat(list(self._parts(x)), dim=1)

    def _parts(self, x: Tensor) -> Iterator[Tensor]:
        centre = self._within(x, 0)
        yield centre
        for size in self.options.sizes:
            around = self._within(x, size // 2)
            for kind in _sized(self.options.context):
                yield _LOCAL[kind](around, size)
        if "gradient" in self.options.context:
            yield _gradient(self._within(x, 1))
        for size in self.options.openings:
            around = self._within(x, size - 1)
            yield _highest(_lowest(around, size), size)
            yield _lowest(_highest(around, size), size)
        if self.pairs:
            yield self._ratios(centre)

    def _within(self, x: Tensor, margin: int) -> Tensor:
        """The input with no more surroundings than `margin` pixels."""
        cut = self.margin - margin
        return x[:, :, cut : x.shape[2] - cut, cut : x.shape[3] - cut]

    def _ratios(self, x: Tensor) -> Tensor:
        first, second = (list(side) for side in zip(*self.pairs, strict=True))
        values = x * self.spread
        if self.options.ratios == "difference":
            return values[:, first] - values[:, second]
        values = values + self.level
        a, b = values[:, first], values[:, second]
        return (a - b) / (a.abs() + b.abs()).clamp(min=_TINY)


def _sized(context: tuple[Feature, ...]) -> tuple[Feature, ...]:
    return tuple(kind for kind in context if kind != "gradient")


def _pairs(bands: int) -> tuple[tuple[int, int], ...]:
    """Pairs of bands that are compared, counted from 0."""
    count = min(bands, MAX_RATIO_BANDS)
    chosen = [round(k * (bands - 1) / max(1, count - 1)) for k in range(count)]
    return tuple(itertools.combinations(chosen, 2))


def _mean(x: Tensor, size: int) -> Tensor:
    return F.avg_pool2d(F.avg_pool2d(x, (size, 1), 1), (1, size), 1)


def _inner(x: Tensor, size: int) -> Tensor:
    cut = size // 2
    return x[:, :, cut : x.shape[2] - cut, cut : x.shape[3] - cut]


def _contrast(x: Tensor, size: int) -> Tensor:
    return _inner(x, size) - _mean(x, size)


def _deviation(x: Tensor, size: int) -> Tensor:
    mean = _mean(x, size)
    return (_mean(x * x, size) - mean * mean).clamp(min=0).sqrt()


def _highest(x: Tensor, size: int) -> Tensor:
    return F.max_pool2d(F.max_pool2d(x, (size, 1), 1), (1, size), 1)


def _lowest(x: Tensor, size: int) -> Tensor:
    return -_highest(-x, size)


def _texture(x: Tensor, size: int) -> Tensor:
    down = F.avg_pool2d((x[:, :, 1:] - x[:, :, :-1]).abs(), (size - 1, size), 1)
    across = F.avg_pool2d((x[:, :, :, 1:] - x[:, :, :, :-1]).abs(), (size, size - 1), 1)
    return (down + across) / 2


def _gradient(x: Tensor) -> Tensor:
    down = (x[:, :, 2:, 1:-1] - x[:, :, :-2, 1:-1]) / 2
    across = (x[:, :, 1:-1, 2:] - x[:, :, 1:-1, :-2]) / 2
    return (down * down + across * across).sqrt()


_LOCAL: dict[str, Callable[[Tensor, int], Tensor]] = {
    "mean": _mean,
    "contrast": _contrast,
    "std": _deviation,
    "min": _lowest,
    "max": _highest,
    "texture": _texture,
}
