"""Ridge CCA on fixed features, cross-fitted: fast enough to be fitted anew for every broken pairing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from geo_xmodal.correlation.held_out import IntArray, correlation, fisher, score_sums
from geo_xmodal.correlation.linear_cca import FloatArray

Moments = tuple[FloatArray, FloatArray, FloatArray]

MIN_DEVIATION = 1e-3
"""Fitted functions have variance 1 unless the ridge holds them down; below this they are rounding noise."""

_MIN_SINGULAR = 1e-7
"""Singular values of T below which there is no function: its Gram matrix holds them to half the digits."""


@dataclass(frozen=True)
class CrossFit:
    """Linear functions of features, each fold scored by those fitted without it.

    As it stands in the code, over the samples outside the fold: T = L_x^{-1} S_xy L_y^{-T} with
    L L^T = S + ridge I; V are the leading eigenvectors of T^T T, U = T V; weights L_x^{-T} U and L_y^{-T} V,
    standardised with the statistics of these samples.

    All is computed from the moments of the folds, so that a broken pairing costs one pass over the data.

    Attributes:
        x: (n, p) features of the first modality, centred; they must not depend on the pairing.
        y: (n, q) features of the second.
        fold: (n,) fold of each sample, 0..F-1.
        components: how many pairs of functions.
        ridge: added to the variances of the features.
    """

    x: FloatArray
    y: FloatArray
    fold: IntArray
    components: int
    ridge: float

    @cached_property
    def _order(self) -> IntArray:
        return np.argsort(self.fold, kind="stable")

    @cached_property
    def _parts(self) -> list[slice]:
        """Where in `_order` each fold stands."""
        ends = np.cumsum(np.bincount(self.fold))
        return [slice(end - size, end) for end, size in zip(ends, np.bincount(self.fold), strict=True)]

    @cached_property
    def _x(self) -> FloatArray:
        """(n, 1 + p) with a column of ones, folds one after another."""
        return _with_ones(self.x)[self._order]

    @cached_property
    def _y(self) -> FloatArray:
        """(n, 1 + q) with a column of ones, as the samples lie."""
        return _with_ones(self.y)

    @cached_property
    def _observed(self) -> Moments:
        y = self._y[self._order]
        return self._moments(self._x, self._x), self._moments(y, y), self._moments(self._x, y)

    @cached_property
    def _inverse_roots(self) -> FloatArray:
        """L_x^{-1} without each fold, (F, p, p): no pairing changes them."""
        return _inverse_root(_without(self._observed[0]), self.ridge)

    @cached_property
    def _weights(self) -> tuple[FloatArray, FloatArray]:
        return self._fit(self._observed)

    @cached_property
    def _sums(self) -> FloatArray:
        """Sums of held-out scores by fold, (F, k, 6)."""
        return _scored(self._observed, self._weights)

    def spectrum(self) -> FloatArray:
        """Held-out correlation of each pair of functions, (k,)."""
        return correlation(self._sums.sum(axis=0))

    def refitted(self, order: IntArray) -> FloatArray:
        """`spectrum`, with all functions fitted anew, when sample i is paired with order[i] of y instead."""
        y = self._y[order[self._order]]
        moments = self._observed[0], self._moments(y, y), self._moments(self._x, y)
        return correlation(_scored(moments, self._fit(moments)).sum(axis=0))

    def leading_sums(self) -> FloatArray:
        """`score_sums` of the first pair of functions at every sample, (n, 6)."""
        sums = np.zeros((len(self.x), 6))
        for part, *weights in zip(self._parts, *self._weights, strict=True):
            rows = self._order[part]
            f, g = (w[0, 0] + z[rows] @ w[1:, 0] for w, z in zip(weights, (self.x, self.y), strict=True))
            sums[rows] = score_sums(f, g)
        return sums

    def coupling(self) -> float:
        """What `fisher` of the first correlation varies more because the fits share samples.

        Fold k is scored by functions that fold j helped to fit, and fold j by functions that fold k helped to
        fit, so their scores are dependent. With d_kj the part of the estimate that fold j brings fold k (the
        estimate less the estimate with fold k scored by a fit without k and j), the covariance of the two
        is E[d_kj d_jk]; returned is the sum of |d_kj d_jk| over ordered pairs, which is nothing where
        functions are stable and about as large as the variance itself where there is nothing to find.
        Takes three folds at least.
        """
        count = len(self._parts)
        total, change = self._sums.sum(axis=0), np.zeros((count, count))
        for k in range(count):
            others = np.arange(count) != k
            left = [m[others] for m in self._observed]
            inverse_root = _inverse_root(_without(left[0]), self.ridge)
            xx, yy, xy = (_without(m) for m in left)
            weights = _fitted((xx, yy, xy), inverse_root, self.components, self.ridge)
            here = [np.broadcast_to(m[k], (count - 1, *m[k].shape)) for m in self._observed]
            without = total - self._sums[k] + _scored((here[0], here[1], here[2]), weights)
            change[k, others] = (fisher(correlation(total)) - fisher(correlation(without)))[:, 0]
        return float(np.abs(change * change.T).sum())

    def _fit(self, moments: Moments) -> tuple[FloatArray, FloatArray]:
        """Weights of the functions that each fold is scored by."""
        xx, yy, xy = (_without(m) for m in moments)
        return _fitted((xx, yy, xy), self._inverse_roots, self.components, self.ridge)

    def _moments(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Sums over each fold of products, rows as in `_order`: (F, 1 + p, 1 + q)."""
        return np.stack([a[part].T @ b[part] for part in self._parts])


def _with_ones(features: FloatArray) -> FloatArray:
    return np.concatenate([np.ones((len(features), 1)), features], axis=1)


def _fitted(
    moments: Moments, inverse_root_x: FloatArray, components: int, ridge: float
) -> tuple[FloatArray, FloatArray]:
    """Fit several sets of samples at once.

    Args:
        moments: of (1, x) with itself, (1, y) with itself, and both, (sets, 1 + p, 1 + p) and so on.
        inverse_root_x: L_x^{-1} of each set, (sets, p, p).
        components: how many pairs of functions k; where T has fewer, the others are 0.
        ridge: added to variances.

    Returns:
        Weights (sets, 1 + p, k) and (sets, 1 + q, k), the constant first.
    """
    xx, yy, xy = moments
    inverse_root_y = _inverse_root(yy, ridge)
    left, right = _leading(inverse_root_x @ _covariance(xy) @ inverse_root_y.transpose(0, 2, 1), components)
    return _standardised(inverse_root_x, left, xx), _standardised(inverse_root_y, right, yy)


def _without(moments: FloatArray) -> FloatArray:
    """Of all folds but each."""
    return np.asarray(moments.sum(axis=0) - moments)


def _covariance(moments: FloatArray) -> FloatArray:
    n = moments[:, :1, :1]
    return np.asarray((moments[:, 1:, 1:] - moments[:, 1:, :1] * moments[:, :1, 1:] / n) / n)


def _inverse_root(moments: FloatArray, ridge: float) -> FloatArray:
    covariance = _covariance(moments)
    return np.asarray(np.linalg.inv(np.linalg.cholesky(covariance + ridge * np.eye(covariance.shape[1]))))


def _leading(t: FloatArray, components: int) -> tuple[FloatArray, FloatArray]:
    """Leading singular vectors (sets, p, k), (sets, q, k) of T; zero where T has none."""
    if t.shape[1] < t.shape[2]:
        right, left = _leading(t.transpose(0, 2, 1), components)
        return left, right
    vectors = np.linalg.eigh(t.transpose(0, 2, 1) @ t)[1][:, :, ::-1][:, :, :components]
    images = t @ vectors
    values = np.linalg.norm(images, axis=1, keepdims=True)
    found = values > _MIN_SINGULAR
    # Scores of all folds are pooled about one mean, so all fits must give a pair of functions one sign.
    peaks = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1, keepdims=True), axis=1)
    vectors, images = vectors * np.sign(peaks), images * np.sign(peaks)
    missing = ((0, 0), (0, 0), (0, components - vectors.shape[2]))
    return np.pad(images * found / np.where(found, values, 1), missing), np.pad(vectors * found, missing)


def _standardised(inverse_root: FloatArray, vectors: FloatArray, moments: FloatArray) -> FloatArray:
    """Weights of functions that have mean 0 and variance 1 in the samples of the moments."""
    weights = inverse_root.transpose(0, 2, 1) @ vectors
    variance = (weights * (_covariance(moments) @ weights)).sum(axis=1, keepdims=True)
    solid = variance > MIN_DEVIATION**2
    weights = weights * solid / np.sqrt(np.where(solid, variance, 1))
    constant = -(moments[:, :1, 1:] / moments[:, :1, :1]) @ weights
    return np.concatenate([constant, weights], axis=1)


def _scored(moments: Moments, weights: tuple[FloatArray, FloatArray]) -> FloatArray:
    """Sums of the scores in each set, (sets, k, 6)."""
    xx, yy, xy = moments
    f, g = weights
    parts = (
        np.broadcast_to(xx[:, 0, :1], f[:, 0].shape),
        (xx[:, :1] @ f)[:, 0],
        (yy[:, :1] @ g)[:, 0],
        (f * (xx @ f)).sum(axis=1),
        (g * (yy @ g)).sum(axis=1),
        (f * (xy @ g)).sum(axis=1),
    )
    return np.stack(parts, axis=-1)
