"""Honest numbers about fitted functions: folds, intervals and nulls from samples that the fit did not see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geo_xmodal.correlation.features import FeatureError
from geo_xmodal.correlation.linear_cca import FloatArray

IntArray = npt.NDArray[np.int64]

_MOST_UNITS = 1000
"""Ungrouped samples are resampled in so many random bundles at most."""


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


@dataclass(frozen=True)
class HeldOut:
    """Values of fitted functions on samples that took no part in the fit.

    Attributes:
        f: (n, k) functions of the first modality, standardised with training statistics.
        g: (n, k) functions of the second.
        fold: (n,) which fit a sample was held out from.
        groups: (n,) group ids 0..G-1 of samples that are alike (spatial blocks), or None if all are
            independent.
    """

    f: FloatArray
    g: FloatArray
    fold: IntArray
    groups: IntArray | None

    def correlations(self) -> FloatArray:
        """Pearson correlation of each pair of functions, (k,); 0 for a function that is constant."""
        return _pooled(self.f, self.g)

    def bootstrap(self, resamples: int, rng: np.random.Generator) -> FloatArray:
        """Correlations of resampled groups, (resamples, k).

        Groups, not samples, are drawn with replacement: neighbours tell the same story, and counting them as
        independent makes an interval meaninglessly tight.
        """
        n = len(self.f)
        unit = rng.permutation(n) % min(n, _MOST_UNITS) if self.groups is None else self.groups
        count = int(unit.max()) + 1
        per_sample = _sums(self.f, self.g)
        sums = np.zeros((count, *per_sample.shape[1:]))
        np.add.at(sums, unit, per_sample)
        draws = rng.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64)
        return _correlation(np.tensordot(draws, sums, axes=1))

    def permuted(self, permutations: int, rng: np.random.Generator) -> FloatArray:
        """Correlations after the pairing is broken within each fold, (permutations, k).

        The functions stay as fitted: they know nothing of the held-out samples, so under independence every
        pairing of these is as likely as the observed one. With groups, whole groups change places and the
        row is turned by a random offset, which keeps what neighbours have in common.
        """
        g = np.empty_like(self.g)
        null = np.empty((permutations, self.f.shape[1]))
        members = [np.flatnonzero(self.fold == k) for k in np.unique(self.fold)]
        for i in range(permutations):
            for rows in members:
                g[self._ordered(rows)] = self.g[self._shuffled(rows, rng)]
            null[i] = _pooled(self.f, g)
        return null

    def _ordered(self, rows: IntArray) -> IntArray:
        return rows if self.groups is None else rows[np.argsort(self.groups[rows], kind="stable")]

    def _shuffled(self, rows: IntArray, rng: np.random.Generator) -> IntArray:
        if self.groups is None:
            return rng.permutation(rows)
        place = rng.permutation(int(self.groups.max()) + 1)
        order = rows[np.argsort(place[self.groups[rows]], kind="stable")]
        return np.roll(order, rng.integers(len(order)))


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


def _pooled(f: FloatArray, g: FloatArray) -> FloatArray:
    """Correlation over all samples, (k,)."""
    sums = np.stack(
        [np.full(f.shape[1], len(f)), *(v.sum(axis=0) for v in (f, g, f * f, g * g, f * g))], axis=-1
    )
    return _correlation(sums)


def _sums(f: FloatArray, g: FloatArray) -> FloatArray:
    """Per sample 1, f, g, f^2, g^2, f g: (n, k, 6)."""
    return np.stack([np.ones_like(f), f, g, f * f, g * g, f * g], axis=-1)


def _correlation(sums: FloatArray) -> FloatArray:
    n, f, g, ff, gg, fg = np.moveaxis(sums, -1, 0)
    spread = (n * ff - f * f) * (n * gg - g * g)
    solid: npt.NDArray[np.bool_] = spread > 1e-20 * (n * n) ** 2
    return np.where(solid, (n * fg - f * g) / np.sqrt(np.where(solid, spread, 1)), 0.0)
