"""Linear CCA with a relative ridge, and the pair of maps that every estimator fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg

FloatArray = npt.NDArray[np.float64]

_MAX_COLUMNS = 512


@dataclass(frozen=True)
class FunctionPair:
    """Functions f of one modality and g of the other, in falling order of their training correlation.

    Attributes:
        f: maps (n, dx) to (n, k).
        g: maps (n, dy) to (n, k).
    """

    f: Callable[[FloatArray], FloatArray]
    g: Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Affine:
    """x -> (x - offset) W.

    Attributes:
        offset: (d,).
        weights: (d, k).
    """

    offset: FloatArray
    weights: FloatArray

    def __call__(self, x: FloatArray) -> FloatArray:
        """Map (n, d) to (n, k)."""
        return (x - self.offset) @ self.weights


def standardiser(x: FloatArray, floor: float = 0.0) -> Affine:
    """Zero mean and unit variance for each column; columns that are constant to rounding become 0.

    Args:
        x: (n, d) training samples.
        floor: standard deviation up to which a column counts as constant.
    """
    deviation = x.std(axis=0)
    solid = deviation > np.maximum(floor, 1e-12 * np.abs(x).max(axis=0))
    return Affine(x.mean(axis=0), np.diag(np.where(solid, 1 / np.where(solid, deviation, 1), 0.0)))


def principal_components(x: FloatArray, most: int) -> FloatArray:
    """The `most` leading principal components of standardised columns, (n, min(d, most)), not rescaled."""
    z = standardiser(x)(x)
    vectors = np.linalg.eigh(z.T @ z)[1]
    leading: FloatArray = z @ vectors[:, ::-1][:, :most]
    return leading


def linear_features(x: FloatArray) -> FloatArray:
    """Standardised columns; of more than 512 the leading principal components, which bounds the time."""
    return principal_components(x, _MAX_COLUMNS) if x.shape[1] > _MAX_COLUMNS else standardiser(x)(x)


def whitening_root(covariance: FloatArray, ridge: float) -> FloatArray:
    """L of S + r tr(S)/K I = L L^T (lower triangular): a ridge relative to the mean variance."""
    size = len(covariance)
    rho = ridge * np.trace(covariance) / size + np.finfo(np.float64).eps
    root: FloatArray = scipy.linalg.cholesky(covariance + rho * np.eye(size), lower=True)
    return root


def whitened_cross(cross: FloatArray, root_x: FloatArray, root_y: FloatArray) -> FloatArray:
    """T = L_x^{-1} S_xy L_y^{-T}."""
    half = scipy.linalg.solve_triangular(root_x, cross, lower=True)
    whitened: FloatArray = scipy.linalg.solve_triangular(root_y, half.T, lower=True).T
    return whitened


def fit_cca(x: FloatArray, y: FloatArray, components: int, ridge: float = 1e-3) -> FunctionPair:
    """Canonical variates: the linear functions whose correlation is largest in the training data.

    As it stands in the code, on standardised columns: T = L_x^{-1} S_xy L_y^{-T} = U diag(sigma) V^T, weights
    L_x^{-T} U and L_y^{-T} V.

    Source: Hotelling (1936), "Relations between two sets of variates"; Vinod (1976) for the ridge.

    Args:
        x: (n, dx) samples.
        y: (n, dy) samples, paired with x.
        components: how many pairs; fewer come back if dx or dy is smaller.
        ridge: relative to the mean variance of a standardised column.

    Returns:
        The fitted pair. Its training correlations are biased upwards and therefore not kept.
    """
    to_x, to_y = standardiser(x), standardiser(y)
    zx, zy = to_x(x), to_y(y)
    root_x, root_y = (whitening_root(z.T @ z / len(z), ridge) for z in (zx, zy))
    left, _, right = np.linalg.svd(whitened_cross(zx.T @ zy / len(x), root_x, root_y), full_matrices=False)
    weights_x = scipy.linalg.solve_triangular(root_x.T, left[:, :components], lower=False)
    weights_y = scipy.linalg.solve_triangular(root_y.T, right[:components].T, lower=False)
    return FunctionPair(
        Affine(to_x.offset, to_x.weights @ weights_x), Affine(to_y.offset, to_y.weights @ weights_y)
    )
