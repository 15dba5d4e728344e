"""One estimate, with no more columns than its samples can bear."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from geo_xmodal.correlation import CorrelationEstimate, estimate_correlation
from geo_xmodal.correlation.linear_cca import principal_components

Nonlinear = Literal["ace", "neural"]

FloatArray = npt.NDArray[np.float64]
BlockIds = npt.NDArray[Any]

SAMPLES_PER_COMPONENT = 100
MIN_COMPONENTS = 4
MAX_COMPONENTS = 32
"""Bounds on the columns that networks are given."""


def estimate(
    x: FloatArray,
    y: FloatArray,
    method: Nonlinear | Literal["cca"],
    *,
    components: int,
    groups: BlockIds | None,
    seed: int,
) -> CorrelationEstimate:
    """Estimate the correlation of paired samples (n, dx) and (n, dy).

    Networks get one principal component for every `SAMPLES_PER_COMPONENT` samples; the other methods bear
    more columns. Components look at each side alone, so the held-out pairing stays unseen.
    """
    if method == "neural":
        x, y = leading_components(x), leading_components(y)
    return estimate_correlation(x, y, method, groups=groups, seed=seed, components=components)


def is_shown(found: CorrelationEstimate) -> bool:
    """Whether dependence is shown: independent data reach as much with probability 1 - `level` at most."""
    return found.p_value <= 1 - found.level + 1e-9


def leading_components(z: FloatArray) -> FloatArray:
    """The leading principal components of standardised columns, or the columns if they are few enough."""
    most = min(max(len(z) // SAMPLES_PER_COMPONENT, MIN_COMPONENTS), MAX_COMPONENTS)
    return z if z.shape[1] <= most else principal_components(z, most)
