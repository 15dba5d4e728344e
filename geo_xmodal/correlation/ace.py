"""Alternating conditional expectations: nonlinear maximal correlation without a network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg

from geo_xmodal.correlation.linear_cca import (
    Affine,
    FloatArray,
    FunctionPair,
    standardiser,
    whitened_cross,
    whitening_root,
)

_CHUNK = 16384
"""Rows expanded at a time: the basis of a whole scene would not fit in memory."""


_RARE = 0.005
"""Share of the samples below which one of few values gets no knot of its own."""


def alternate(
    t: FloatArray, components: int, *, seed: int = 0, tolerance: float = 1e-12, limit: int = 2000
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Alternate f <- E[g | X], g <- E[f | Y] until the functions stand still.

    As it stands in the code: U <- orth(T V), V <- orth(T^T U), where T is the conditional expectation
    operator in orthonormal coordinates (B of a discrete distribution, or whitened cross-covariance of two
    bases); at the end U^T T V is diagonalised. Two functions more than asked for travel along, which speeds
    up convergence.

    Source: Breiman and Friedman (JASA 1985), "Estimating optimal transformations for multiple regression and
    correlation".

    Args:
        t: (p, q) operator with the constant functions taken out.
        components: how many functions k.
        seed: of the random start.
        tolerance: largest change of a correlation between rounds.
        limit: most rounds; with the gap between correlations nil, functions keep turning but values stand.

    Returns:
        U (p, k), correlations (k,) falling, V (q, k).
    """
    k = min(*t.shape, components + 2)
    v = np.linalg.qr(np.random.default_rng(seed).standard_normal((t.shape[1], k)))[0]
    before = np.zeros(k)
    for _ in range(limit):
        u = np.linalg.qr(t @ v)[0]
        v, triangle = np.linalg.qr(t.T @ u)
        values = np.linalg.svd(triangle, compute_uv=False)
        if np.abs(values - before).max() <= tolerance:
            break
        before = values
    left, values, right = np.linalg.svd(u.T @ t @ v)
    return (u @ left)[:, :components], values[:components], (v @ right.T)[:, :components]


@dataclass(frozen=True)
class AdditiveBasis:
    """Functions sum_j phi_j(x_j): for each column hat functions on quantile knots, or one step per value.

    Attributes:
        project: affine map applied first (standardisation, and principal components of wide data).
        knots: rising knots of each projected column; a column with few values has the frequent ones as knots,
            so that the hats are its indicators.
    """

    project: Affine
    knots: tuple[FloatArray, ...]

    @classmethod
    def fit(cls, x: FloatArray, *, knots: int, most_columns: int) -> AdditiveBasis:
        """Place the knots where the data are."""
        project = standardiser(x)
        if x.shape[1] > most_columns:
            z = project(x)
            _, vectors = np.linalg.eigh(z.T @ z)
            leading = vectors[:, ::-1][:, :most_columns]
            project = Affine(project.offset, project.weights @ leading)
        columns = project(x).T
        return cls(project, tuple(_knots(column, knots) for column in columns))

    @property
    def size(self) -> int:
        """How many functions."""
        return sum(len(k) for k in self.knots)

    def __call__(self, x: FloatArray) -> FloatArray:
        """Evaluate: (n, d) -> (n, size)."""
        return np.concatenate(
            [_hats(column, k) for column, k in zip(self.project(x).T, self.knots, strict=True)], axis=1
        )


def fit_ace(
    x: FloatArray,
    y: FloatArray,
    components: int,
    *,
    knots: int = 12,
    most_columns: int = 32,
    ridge: float = 1e-3,
    seed: int = 0,
) -> FunctionPair:
    """Additive functions of the columns whose correlation is largest in the training data.

    As it stands in the code: conditional expectations are ridge regressions on `AdditiveBasis`, alternated by
    `alternate`. For one column a side this is maximal correlation up to the resolution of the knots; for
    more it sees no interactions between columns.

    Args:
        x: (n, dx) samples.
        y: (n, dy) samples, paired with x.
        components: how many pairs of functions.
        knots: most knots a column.
        most_columns: wider data are reduced to so many principal components.
        ridge: relative to the mean variance of a basis function.
        seed: of the start.

    Returns:
        The fitted pair.
    """
    basis_x = AdditiveBasis.fit(x, knots=knots, most_columns=most_columns)
    basis_y = AdditiveBasis.fit(y, knots=knots, most_columns=most_columns)
    mean, second = _moments(x, y, basis_x, basis_y)
    covariance = second - np.outer(mean, mean)
    p = basis_x.size
    root_x = whitening_root(covariance[:p, :p], ridge)
    root_y = whitening_root(covariance[p:, p:], ridge)
    left, _, right = alternate(whitened_cross(covariance[:p, p:], root_x, root_y), components, seed=seed)
    to_f = Affine(mean[:p], scipy.linalg.solve_triangular(root_x.T, left, lower=False))
    to_g = Affine(mean[p:], scipy.linalg.solve_triangular(root_y.T, right, lower=False))
    return FunctionPair(lambda z: to_f(basis_x(z)), lambda z: to_g(basis_y(z)))


def _moments(
    x: FloatArray, y: FloatArray, basis_x: AdditiveBasis, basis_y: AdditiveBasis
) -> tuple[FloatArray, FloatArray]:
    size = basis_x.size + basis_y.size
    mean, second = np.zeros(size), np.zeros((size, size))
    for start in range(0, len(x), _CHUNK):
        rows = slice(start, start + _CHUNK)
        values = np.concatenate([basis_x(x[rows]), basis_y(y[rows])], axis=1)
        mean += values.sum(axis=0)
        second += values.T @ values
    return mean / len(x), second / len(x)


def _knots(column: FloatArray, most: int) -> FloatArray:
    """Where the hats of one column stand: on its frequent values if it has few, else on quantiles.

    Rare values get none: an indicator of one sample fits that sample.
    """
    distinct, counts = np.unique(column, return_counts=True)
    frequent = distinct[counts >= _RARE * len(column)]
    if len(distinct) <= 4 * most and 0 < len(frequent) <= most:
        return frequent
    return np.unique(np.quantile(column, np.linspace(0, 1, most)))


def _hats(column: FloatArray, knots: FloatArray) -> FloatArray:
    """Piecewise linear functions that are 1 at one knot and 0 at the others; constant beyond the ends."""
    values = np.zeros((len(column), len(knots)))
    if len(knots) == 1:
        return values + 1
    inside = np.clip(column, knots[0], knots[-1])
    left = np.clip(np.searchsorted(knots, inside, side="right") - 1, 0, len(knots) - 2)
    share: npt.NDArray[np.float64] = (inside - knots[left]) / (knots[left + 1] - knots[left])
    rows = np.arange(len(column))
    values[rows, left] = 1 - share
    values[rows, left + 1] = share
    return values
