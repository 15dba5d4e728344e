"""Areas and accuracies of a map from a probability sample: Olofsson et al. 2014 (RSE 148:42-57).

The sample is stratified by the map's classes. Dense reference labels (every pixel of an area, or
polygons that somebody found convenient) are no such sample: their counts have no sampling variance,
and intervals computed from them mean nothing. Other strata need the estimators of Stehman 2014.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geo_xmodal.accuracy.confusion import ConfusionMatrix
from geo_xmodal.types import LandClass

_Z = 1.96
"""The paper's factor for 95 % intervals."""


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error and 95 % interval; None where the sample cannot give it."""

    value: float | None
    se: float | None

    @property
    def half_width(self) -> float | None:
        """1.96 standard errors: the interval is value +- this."""
        return None if self.se is None else _Z * self.se

    @property
    def interval(self) -> tuple[float, float] | None:
        """Lower and upper end, not clipped."""
        if self.value is None or self.se is None:
            return None
        return self.value - _Z * self.se, self.value + _Z * self.se


@dataclass(frozen=True)
class ClassArea:
    """One class: area as counted in the map, as estimated from the sample, and its accuracies."""

    id: int
    name: str
    mapped_area: float
    area: Estimate
    users_accuracy: Estimate
    producers_accuracy: Estimate


@dataclass(frozen=True)
class AreaEstimates:
    """Overall accuracy weighted by mapped area, and the classes in the order of the matrix."""

    overall_accuracy: Estimate
    classes: tuple[ClassArea, ...]


def area_estimates(
    confusion: ConfusionMatrix,
    classes: Sequence[LandClass],
    mapped_pixels: Sequence[int],
    pixel_area: float,
) -> AreaEstimates:
    """Error-adjusted areas and accuracies with their standard errors.

    A class with mapped pixels and no sample unit leaves every overall figure undefined; with one unit,
    every overall standard error. A class without reference units has no producer's accuracy.

    Args:
        confusion: counts of sample units (rows = reference, columns = map, so that a column is a stratum).
        classes: the classes, in the order of the matrix.
        mapped_pixels: pixels of each class in the whole map (N_i of the paper).
        pixel_area: area of a pixel, in the unit that areas shall have.

    Raises:
        ValueError: if lengths differ, nothing is mapped, or a stratum has more sample units than pixels.
    """
    if not len(classes) == len(mapped_pixels) == confusion.classes:
        raise ValueError(
            f"{len(classes)} classes and {len(mapped_pixels)} pixel counts "
            f"for a matrix of {confusion.classes}"
        )
    n = confusion.counts.T.astype(np.float64)
    size = n.sum(axis=1)
    pixels = np.asarray(mapped_pixels, np.float64)
    if (size > pixels).any():
        raise ValueError("a class has more sample units than mapped pixels: they are not of one map")
    total = pixels.sum()
    if total == 0:
        raise ValueError("no pixel is mapped: there is no area to estimate")
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = pixels / total
        within = n / size[:, None]
        # Variance of each cell's share in its stratum, the kernel of Eqs. 5-7 and 10.
        variance = within * (1 - within) / np.where(size > 1, size - 1, np.nan)[:, None]
        # A stratum that the map does not have weighs nothing, whatever its 0/0 shares are.
        share = np.where(weight[:, None] > 0, weight[:, None] * within, 0.0)
        share_variance = np.where(weight[:, None] > 0, weight[:, None] ** 2 * variance, 0.0)

        users = within.diagonal()
        area_share = share.sum(axis=0)  # Eq. 9
        area_variance = share_variance.sum(axis=0)  # Eq. 10
        producers = share.diagonal() / area_share  # Eq. 3
        own = share_variance.diagonal()
        others = area_variance - own
        # Eq. 7, with numerator and denominator divided by the squared number of map pixels.
        producers_variance = ((1 - producers) ** 2 * own + producers**2 * others) / area_share**2

    scale = total * pixel_area
    return AreaEstimates(
        overall_accuracy=_estimate(share.trace(), share_variance.trace()),  # Eqs. 1 and 5
        classes=tuple(
            ClassArea(
                id=land.id,
                name=land.name,
                mapped_area=float(pixels[k] * pixel_area),
                area=_estimate(area_share[k] * scale, area_variance[k] * scale**2),  # Eq. 11
                users_accuracy=_estimate(users[k], variance[k, k]),  # Eqs. 2 and 6
                producers_accuracy=_estimate(producers[k], producers_variance[k]),
            )
            for k, land in enumerate(classes)
        ),
    )


def _estimate(value: float, variance: float) -> Estimate:
    if not math.isfinite(value):
        return Estimate(None, None)
    # Differences of sums can fall a rounding error below zero.
    return Estimate(float(value), math.sqrt(max(variance, 0.0)) if math.isfinite(variance) else None)
