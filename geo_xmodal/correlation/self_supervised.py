"""Barlow Twins and VICReg: self-supervised losses that are relatives of CCA."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from geo_xmodal.correlation.features import UNIT_COLUMNS, centre, sum_over_pairs
from geo_xmodal.correlation.objective import Objective
from geo_xmodal.correlation.trace_term import inner_minus_energy, self_energy

_VARIANCE_EPS = 1e-4


class BarlowTwins(Objective):
    """Barlow Twins: the cross-correlation matrix of the features should be the identity.

    As it stands in the code, for C = Z_f^T Z_g / m of batch-normalised features:

        U = K - sum_i (1 - C_ii)^2 - w sum_{i != j} C_ij^2
          = sum_i (2 C_ii - C_ii^2) - w (||C||_F^2 - sum_i C_ii^2)

    the published loss subtracted from its value K at collapsed features, so that these score 0.

    Source: Zbontar, Jing, Misra, LeCun, Deny (ICML 2021), "Barlow Twins". Sum over pairs.

    Args:
        weight: weight w of the off-diagonal elements.
    """

    def __init__(self, weight: float = 5e-3) -> None:
        super().__init__()
        self.weight = weight

    def pair(self, f: Tensor, g: Tensor) -> Tensor:
        """The objective of two modalities."""
        return f.shape[1] - redundancy(f, g, target=1.0, off_diagonal=self.weight)


def redundancy(f: Tensor, g: Tensor, *, target: float, off_diagonal: float) -> Tensor:
    """How far the cross-correlation matrix C of two modalities is from a multiple of the identity.

        sum_i (t - C_ii)^2 + w sum_{i != j} C_ij^2,    C = Z_f^T Z_g / m

    for features Z of zero mean and unit variance over the batch. C itself is made only where the batch is not
    much smaller than the number of dimensions.

    Args:
        f: (m, K) features.
        g: (m, K) features of the same pairs.
        target: t; 1 makes dimensions of the two agree (Barlow Twins), 0 makes them unrelated (DeCUR).
        off_diagonal: weight w.

    Returns:
        A scalar, differentiable once; 0 of no dimensions.
    """
    m, dimensions = f.shape
    if not dimensions:
        return f.new_zeros(())
    # C = P / m for the products P of the transposes
    near = inner_minus_energy(
        f,
        g,
        a=2 * target / m,
        b=off_diagonal / m**2,
        diagonal=1 / m**2,
        scaling=UNIT_COLUMNS,
        across=True,
    )
    return dimensions * target**2 - near


class VICReg(Objective):
    """VICReg: features should agree (invariance), vary (variance) and not repeat each other (covariance).

    As it stands in the code, for centred features, s_k^2 = var_k + 1e-4 and covariance S (1/(m-1)):

        U = - u sum_pairs mean (f - g)^2
            + v sum_modalities (mean_k min(1, s_k) - 0.01)
            - c sum_modalities sum_{i != j} S_ij^2 / K

    the published loss with its sign turned and the constant added that makes collapsed features score 0.
    Unlike the published one the means of the features are free, as they are in every objective here.

    Source: Bardes, Ponce, LeCun (ICLR 2022), "VICReg". Invariance is summed over pairs.

    Args:
        invariance: weight u.
        variance: weight v.
        covariance: weight c.
    """

    def __init__(self, invariance: float = 25.0, variance: float = 25.0, covariance: float = 1.0) -> None:
        super().__init__()
        self.invariance = invariance
        self.variance = variance
        self.covariance = covariance

    def score(self, views: tuple[Tensor, ...], labels: Tensor | None) -> Tensor:
        """Invariance summed over pairs, the rest over modalities."""
        centred = [centre(x) for x in views]
        apart = sum_over_pairs(lambda f, g: (f - g).square().mean(), centred)
        spread, repeated = (torch.stack(terms).sum() for terms in zip(*map(_within, centred), strict=True))
        return self.variance * spread - self.invariance * apart - self.covariance * repeated


def _within(x: Tensor) -> tuple[Tensor, Tensor]:
    """How much the columns of a centred modality vary, and how much they repeat each other."""
    n = x.shape[0] - 1
    variances = x.square().sum(dim=0) / n
    spread = (variances + _VARIANCE_EPS).sqrt().clamp_max(1).mean() - math.sqrt(_VARIANCE_EPS)
    return spread, (self_energy(x) / n**2 - variances.square().sum()) / x.shape[1]
