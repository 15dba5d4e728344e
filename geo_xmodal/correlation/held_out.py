"""Honest numbers about held-out scores: folds, broken pairings, and an interval that knows of both."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from geo_xmodal.correlation.features import FeatureError
from geo_xmodal.correlation.linear_cca import FloatArray

IntArray = npt.NDArray[np.int64]


def assign_folds(groups: IntArray, folds: int, rng: np.random.Generator) -> IntArray:
    """Deal whole groups into folds of about equal size.

    Args:
        groups: (n,) group ids 0..G-1.
        folds: how many folds.
        rng: decides among groups of equal size.

    Returns:
        (n,) fold of each sample.
    """
    sizes = np.bincount(groups)
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    load, fold_of = np.zeros(folds), np.zeros(len(sizes), dtype=np.int64)
    for group in order:
        fold_of[group] = np.argmin(load)
        load[fold_of[group]] += sizes[group]
    return fold_of[groups]


def group_ids(groups: npt.ArrayLike | None, n: int, folds: int) -> IntArray | None:
    """Number the groups 0..G-1.

    Raises:
        FeatureError: a wrong length, or fewer groups than folds.
    """
    if groups is None:
        return None
    values = np.asarray(groups)
    if values.shape != (n,):
        raise FeatureError(f"groups must hold one id for each of {n} samples, got shape {values.shape}")
    ids = np.unique(values, return_inverse=True)[1].astype(np.int64)
    if ids.max() + 1 < folds:
        raise FeatureError(
            f"{folds} folds need at least {folds} groups, got {ids.max() + 1}; "
            "cut smaller blocks or use fewer folds"
        )
    return ids


def broken_pairing(n: int, groups: IntArray | None, rng: np.random.Generator) -> IntArray:
    """Which sample of the second modality each sample of the first gets when the pairing is broken.

    Without groups all samples change places. With groups, groups change places as wholes, so that neighbours
    stay together: the samples of a group get those of one other group in their order. Where that one is
    larger some are left out, where it is smaller some come more than once.

    Args:
        n: samples.
        groups: (n,) group ids 0..G-1, or None.
        rng: of the draw.

    Returns:
        (n,) indices.
    """
    if groups is None:
        return rng.permutation(n)
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups))[:-1])
    order = np.empty(n, dtype=np.int64)
    for rows, other in zip(members, rng.permutation(len(members)), strict=True):
        order[rows] = members[other][np.arange(len(rows)) * len(members[other]) // len(rows)]
    return order


def score_sums(f: FloatArray, g: FloatArray) -> FloatArray:
    """Per sample 1, f, g, f^2, g^2, f g, which add up to what `correlation` needs: (n, k) to (n, k, 6)."""
    return np.stack([np.ones_like(f), f, g, f * f, g * g, f * g], axis=-1)


def correlation(sums: FloatArray) -> FloatArray:
    """Pearson correlation from sums (..., 6) of standardised scores; 0 for a function that is constant."""
    n, f, g, ff, gg, fg = np.moveaxis(sums, -1, 0)
    spread = (n * ff - f * f) * (n * gg - g * g)
    solid: npt.NDArray[np.bool_] = spread > 1e-20 * (n * n) ** 2
    return np.where(solid, (n * fg - f * g) / np.sqrt(np.where(solid, spread, 1)), 0.0)


def jackknife_variance(sums: FloatArray, groups: IntArray | None) -> tuple[float, int]:
    """Variance of `fisher` of the pooled correlation, by leaving out one group at a time.

    Args:
        sums: (n, 6) of `score_sums`, of one pair of functions.
        groups: (n,) group ids 0..G-1, or None if every sample is its own.

    Returns:
        The variance, and how many groups it is from.
    """
    units = sums
    if groups is not None:
        units = np.zeros((int(groups.max()) + 1, 6))
        np.add.at(units, groups, sums)
    total = units.sum(axis=0)
    apart = fisher(correlation(total - units)) - fisher(correlation(total))
    count = len(units)
    return float((count - 1) / count * (apart**2).sum()), count


def fisher(correlations: FloatArray) -> FloatArray:
    """Fisher's z = artanh r, on which the spread of a correlation does not depend on it; finite at 1."""
    return np.arctanh(np.clip(correlations, -1 + 1e-12, 1 - 1e-12))


def t_interval(estimate: float, variance: float, count: int, level: float) -> tuple[float, float]:
    """Student's t-interval of a correlation, symmetric in Fisher's z.

    Args:
        estimate: the correlation.
        variance: of its `fisher`.
        count: independent units that the variance was taken over.
        level: confidence level.
    """
    half = stdtrit(count - 1, (1 + level) / 2) * np.sqrt(variance)
    middle = float(fisher(np.array(estimate)))
    return float(np.tanh(middle - half)), float(np.tanh(middle + half))
