"""Whether a map's probabilities are what they say, streamed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from geo_xmodal.types import IntArray

_ROUNDING = 1e-6
"""How far above 1 a float32 softmax may come out."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Pixels whose top-1 probability is in (low, high]; the means are None where there are none."""

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


class Calibration:
    """Expected calibration error over equal-width bins of the top-1 probability (Guo et al. 2017, Eq. 3).

    ECE = sum over bins of (count / n) |accuracy - mean probability|; bins are open below and closed
    above, and the first holds 0 too.
    """

    def __init__(self, bins: int = 15) -> None:
        if bins < 1:
            raise ValueError(f"calibration needs at least one bin, got {bins}")
        self._edges = np.linspace(0.0, 1.0, bins + 1)
        self._count: IntArray = np.zeros(bins, np.int64)
        self._right: IntArray = np.zeros(bins, np.int64)
        self._probability = np.zeros(bins, np.float64)

    @property
    def n(self) -> int:
        """Pixels counted."""
        return int(self._count.sum())

    def add(self, probability: npt.NDArray[Any], correct: npt.NDArray[Any]) -> None:
        """Count pixels.

        Args:
            probability: top-1 probabilities in [0, 1], any shape, no NaN.
            correct: whether the top-1 class is the reference class; the same shape.

        Raises:
            ValueError: if shapes differ or a probability is not in [0, 1].
        """
        if probability.shape != correct.shape:
            raise ValueError(f"{probability.shape} probabilities for {correct.shape} outcomes")
        value = probability.astype(np.float64).ravel()
        if not ((value >= 0) & (value <= 1 + _ROUNDING)).all():
            raise ValueError("probabilities must be in [0, 1]: leave pixels without data out")
        value = np.minimum(value, 1.0)
        bins = len(self._count)
        index = np.digitize(value, self._edges[1:-1], right=True)
        hit = correct.astype(bool).ravel()
        self._count += np.bincount(index, minlength=bins)
        self._right += np.bincount(index[hit], minlength=bins)
        self._probability += np.bincount(index, weights=value, minlength=bins)

    def __add__(self, other: Calibration) -> Calibration:
        if len(self._count) != len(other._count):
            raise ValueError(f"cannot add {len(self._count)} and {len(other._count)} bins")
        both = Calibration(len(self._count))
        both._count = self._count + other._count
        both._right = self._right + other._right
        both._probability = self._probability + other._probability
        return both

    @property
    def ece(self) -> float | None:
        """Expected calibration error, 0-1; None before the first pixel."""
        return float(np.abs(self._right - self._probability).sum() / self.n) if self.n else None

    @property
    def curve(self) -> tuple[ReliabilityBin, ...]:
        """The reliability diagram, bin by bin from 0 to 1."""
        return tuple(
            ReliabilityBin(
                low=float(self._edges[b]),
                high=float(self._edges[b + 1]),
                count=count,
                confidence=float(self._probability[b] / count) if count else None,
                accuracy=float(self._right[b] / count) if count else None,
            )
            for b, count in enumerate(self._count.tolist())
        )
