"""Areas and accuracies of a map from a probability sample: Olofsson et al. 2014 (RSE 148:42-57).

The sample is stratified by the map's classes. Dense reference labels (every pixel of an area, or
polygons that somebody found convenient) are no such sample: their counts have no sampling variance,
and intervals computed from them mean nothing. Other strata need the estimators of Stehman 2014.

Where pixels differ in size on the ground, as in degrees or in Web Mercator, a stratum weighs by its area and
a sample unit by its own: shares within a stratum are ratios of areas, with the variance of a ratio (Stehman
2014, Int. J. Remote Sensing 35:4923-4939; Cochran 1977, Sampling Techniques, section 2.11). With pixels of
one size these are the equations of Olofsson et al.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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


@dataclass(frozen=True)
class GroundAreas:
    """Areas of a map and of the sample units on it, in the unit that estimates shall have.

    Attributes:
        mapped: (class,) area of each class in the whole map.
        units: (reference, map) sums of the areas of the units that a confusion matrix counts.
        squares: the same, of squared areas.
    """

    mapped: npt.NDArray[np.floating]
    units: npt.NDArray[np.floating]
    squares: npt.NDArray[np.floating]

    @classmethod
    def of_equal_pixels(
        cls, confusion: ConfusionMatrix, mapped_pixels: Sequence[int], pixel_area: float
    ) -> GroundAreas:
        """Those of a map whose pixels are all of one size."""
        counts = confusion.counts * float(pixel_area)
        return cls(np.asarray(mapped_pixels) * float(pixel_area), counts, counts * pixel_area)


def area_estimates(
    confusion: ConfusionMatrix,
    classes: Sequence[LandClass],
    mapped_pixels: Sequence[int],
    areas: GroundAreas | float,
) -> AreaEstimates:
    """Error-adjusted areas and accuracies with their standard errors.

    A class with mapped pixels and no sample unit leaves every overall figure undefined; with one unit,
    every overall standard error. A class without reference units has no producer's accuracy.

    Args:
        confusion: counts of sample units (rows = reference, columns = map, so that a column is a stratum).
        classes: the classes, in the order of the matrix.
        mapped_pixels: pixels of each class in the whole map (N_i of the paper).
        areas: of the classes and the sample units, or of every pixel, in the unit that areas shall have.

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
    if not isinstance(areas, GroundAreas):
        areas = GroundAreas.of_equal_pixels(confusion, mapped_pixels, areas)
    total = areas.mapped.sum()
    if total == 0:
        raise ValueError("no pixel is mapped: there is no area to estimate")
    units, squares = areas.units.T, areas.squares.T
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = areas.mapped / total
        within = units / units.sum(axis=1)[:, None]
        # Variance of each cell's share in its stratum, the kernel of Eqs. 5-7 and 10: of a ratio of areas,
        # p (1 - p) / (n - 1) where all are the same.
        others = squares.sum(axis=1)[:, None] - squares
        residuals = (1 - within) ** 2 * squares + within**2 * others
        correction = size / np.where(size > 1, size - 1, np.nan)
        variance = residuals * (correction / units.sum(axis=1) ** 2)[:, None]
        # A stratum that the map does not have weighs nothing, whatever its 0/0 shares are.
        share = np.where(weight[:, None] > 0, weight[:, None] * within, 0.0)
        share_variance = np.where(weight[:, None] > 0, weight[:, None] ** 2 * variance, 0.0)

        users = within.diagonal()
        area_share = share.sum(axis=0)  # Eq. 9
        area_variance = share_variance.sum(axis=0)  # Eq. 10
        producers = share.diagonal() / area_share  # Eq. 3
        own = share_variance.diagonal()
        rest = area_variance - own
        # Eq. 7, with numerator and denominator divided by the squared number of map pixels.
        producers_variance = ((1 - producers) ** 2 * own + producers**2 * rest) / area_share**2

    return AreaEstimates(
        overall_accuracy=_estimate(share.trace(), share_variance.trace()),  # Eqs. 1 and 5
        classes=tuple(
            ClassArea(
                id=land.id,
                name=land.name,
                mapped_area=float(areas.mapped[k]),
                area=_estimate(area_share[k] * total, area_variance[k] * total**2),  # Eq. 11
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
