"""Exact maximal correlation of a joint distribution that is known: no samples, no estimate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geo_xmodal.correlation.features import FeatureError

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DiscreteHGR:
    """Maximal correlations of two discrete variables, and the functions that reach them.

    Attributes:
        spectrum: sigma_1 >= sigma_2 >= ..., min(a, b) - 1 values; sigma_1 is the HGR maximal correlation.
        f: (a, k) values of the functions of the first variable: zero mean, unit variance, uncorrelated.
        g: (b, k) values of the functions of the second; E[f_i g_i] = sigma_i.
    """

    spectrum: FloatArray
    f: FloatArray
    g: FloatArray

    @property
    def hgr(self) -> float:
        """The HGR maximal correlation."""
        return float(self.spectrum[0]) if self.spectrum.size else 0.0


def divergence_transition_matrix(joint: npt.ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    """B(x, y) = (P(x, y) - P(x) P(y)) / sqrt(P(x) P(y)), and the marginals P(x), P(y).

    Args:
        joint: (a, b) table of probabilities or counts, not negative.

    Returns:
        B (a, b), zero where a marginal is zero; P(x) (a,); P(y) (b,).

    Raises:
        FeatureError: not a table, or entries that are negative, not finite or all zero.
    """
    table = np.asarray(joint, dtype=np.float64)
    if table.ndim != 2 or not np.isfinite(table).all() or (table < 0).any() or table.sum() <= 0:
        raise FeatureError(
            "a joint distribution must be a table of finite weights >= 0 with a positive sum, "
            f"got shape {table.shape} and sum {table.sum():g}"
        )
    table = table / table.sum()
    p, q = table.sum(axis=1), table.sum(axis=0)
    root = np.sqrt(np.outer(p, q))
    return np.divide(table - root**2, root, out=np.zeros_like(table), where=root > 0), p, q


def exact_hgr(joint: npt.ArrayLike) -> DiscreteHGR:
    """Maximal correlations of a joint distribution: the singular values of B.

    As it stands in the code: B = U diag(sigma) V^T with the constant functions (singular value 1) taken out
    beforehand; f_i(x) = U_xi / sqrt(P(x)), g_i(y) = V_yi / sqrt(P(y)).

    Source: Witsenhausen (1975), "On sequences of pairs of dependent random variables".

    Args:
        joint: (a, b) table of probabilities or counts.

    Returns:
        The spectrum and functions; functions are 0 on values that never occur.

    Raises:
        FeatureError: a table that is no distribution.
    """
    b, p, q = divergence_transition_matrix(joint)
    left, values, right = np.linalg.svd(b, full_matrices=False)
    k = min((p > 0).sum(), (q > 0).sum()) - 1
    return DiscreteHGR(
        spectrum=np.minimum(values[:k], 1.0),
        f=_over_root(left[:, :k], p),
        g=_over_root(right[:k].T, q),
    )


def _over_root(vectors: FloatArray, marginal: FloatArray) -> FloatArray:
    root = np.sqrt(marginal)[:, None]
    return np.divide(vectors, root, out=np.zeros_like(vectors), where=root > 0)
