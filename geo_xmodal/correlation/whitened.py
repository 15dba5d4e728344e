"""Objectives that whiten: HGR by singular values, Deep CCA.

The canonical weights come from a Cholesky factor and a singular value decomposition WITHOUT gradient. The
value is then written as a Lagrangian in which those weights are constants; because they are stationary, its
gradient is the gradient of the singular values (envelope theorem). So nothing is differentiated through a
decomposition: repeated singular values, where gradients of eigenvectors are infinite, are harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, combinations

import torch
from torch import Tensor

from geo_xmodal.correlation.features import FeatureError, centre, sum_over_pairs
from geo_xmodal.correlation.objective import Objective
from geo_xmodal.correlation.trace_term import inner
from geo_xmodal.errors import UsageError


class _Whitened:
    """A centred modality X in coordinates Z = X B with Z^T Z / n + (ridge) = I; B lives in the smaller space.

    With m > K, B = L^{-T} for S + rho I = L L^T (K x K). With m <= K, X X^T / n = E diag(l) E^T (m x m) and
    Z = E diag(sqrt(n l / (l + rho))): the same singular values without a K x K matrix.
    """

    def __init__(self, x: Tensor, ridge: float) -> None:
        self.x, self.n = x, x.shape[0] - 1
        self.rho = relative_ridge(x, ridge)
        self.gram = x.shape[0] <= x.shape[1]
        if self.gram:
            values, vectors = torch.linalg.eigh(x @ x.t() / self.n)
            values = values.clamp_min(0)
            solid = values > values[-1] * x.shape[0] * torch.finfo(x.dtype).eps
            self.reduced = vectors
            self.scales = torch.where(solid, (self.n * values / (values + self.rho)).sqrt(), 0)
            self.lift = torch.where(solid, (self.n * values * (values + self.rho)).rsqrt(), 0)
        else:
            self.reduced = x
            covariance = x.t() @ x / self.n
            covariance.diagonal().add_(self.rho)
            self.factor = torch.linalg.cholesky(covariance)

    def cross(self, other: _Whitened) -> Tensor:
        """Z^T Z' / n."""
        product = self.reduced.t() @ other.reduced / self.n
        return other._scale_right(self._scale_right(product.t()).t())

    def weights(self, directions: Tensor) -> Tensor:
        """B U: the canonical weights (K, k) of directions (d, k)."""
        weights: Tensor
        if self.gram:
            weights = self.x.t() @ (self.reduced @ (directions * self.lift[:, None]))
        else:
            weights = torch.linalg.solve_triangular(self.factor.t(), directions, upper=True)
        return weights

    def _scale_right(self, product: Tensor) -> Tensor:
        if self.gram:
            return product * self.scales
        solved: Tensor = torch.linalg.solve_triangular(self.factor.t(), product, upper=True, left=False)
        return solved


def relative_ridge(x: Tensor, ridge: float) -> Tensor:
    """Rho = ridge tr(S) / K + eps: relative, so that scaling the features changes nothing."""
    mean_variance = x.square().sum() / ((x.shape[0] - 1) * x.shape[1])
    return ridge * mean_variance + torch.finfo(x.dtype).eps


@torch.no_grad()
def canonical_weights(
    views: Sequence[Tensor], ridge: float, components: int | None
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Canonical correlations of centred modalities and their weights.

    Args:
        views: two or more centred (m, K_i) matrices.
        ridge: relative ridge, see `relative_ridge`.
        components: how many; None for min(K_i).

    Returns:
        The k largest stationary values l of sum_{i != j} w_i^T S_ij w_j subject to
        sum_i w_i^T (S_ii + rho_i I) w_i = 1, and the weights w_i, each (K_i, k).

    Raises:
        FeatureError: values that are not finite, or a singular covariance with ridge 0.
    """
    if not all(bool(torch.isfinite(x).all()) for x in views):
        raise FeatureError("features hold NaN or infinity; mask such samples, or lower the learning rate")
    k = components or min(x.shape[1] for x in views)
    try:
        whitened = [_Whitened(x, ridge) for x in views]
        if len(views) == 2:
            left, values, right = torch.linalg.svd(whitened[0].cross(whitened[1]), full_matrices=False)
            directions = [left / 2**0.5, right.t() / 2**0.5]
        else:
            sizes = [w.reduced.shape[1] for w in whitened]
            values, vectors = torch.linalg.eigh(_off_diagonal_blocks(whitened, sizes))
            values, vectors = values.flip(0), vectors.flip(1)
            directions = list(vectors.split(sizes))
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
        raise FeatureError(
            f"the covariance of {views[0].shape[0]} samples is singular with ridge {ridge:g}; raise the ridge"
        ) from error
    weights = tuple(w.weights(u[:, :k]) for w, u in zip(whitened, directions, strict=True))
    return values[:k], weights


def _off_diagonal_blocks(whitened: Sequence[_Whitened], sizes: Sequence[int]) -> Tensor:
    """All Z_i^T Z_j / n, i != j, as one symmetric matrix with zero blocks on its diagonal."""
    ends = list(accumulate(sizes, initial=0))
    joint = whitened[0].x.new_zeros(ends[-1], ends[-1])
    for i, j in combinations(range(len(sizes)), 2):
        rows, columns = slice(ends[i], ends[i + 1]), slice(ends[j], ends[j + 1])
        joint[rows, columns] = whitened[i].cross(whitened[j])
        joint[columns, rows] = joint[rows, columns].t()
    return joint


def canonical_sum(views: Sequence[Tensor], ridge: float, components: int | None) -> Tensor:
    """Sum of the k largest canonical correlations of centred modalities, differentiable.

    As it stands in the code, with weights W_i and correlations l held constant and z_i = x_i W_i:

        sum_k  sum_{i != j} <z_ik, z_jk> / n  -  l_k (sum_i <z_ik, z_ik> / n + rho_i |w_ik|^2  -  1)
    """
    values, weights = canonical_weights(views, ridge, components)
    n = views[0].shape[0] - 1
    variates = [x @ w for x, w in zip(views, weights, strict=True)]
    gain = 2 * sum_over_pairs(inner, variates) / n
    spent = torch.stack(
        [
            z.square().sum(dim=0) / n + relative_ridge(x, ridge) * w.square().sum(dim=0)
            for x, z, w in zip(views, variates, weights, strict=True)
        ]
    ).sum(dim=0)
    # Directions without variance have zero weights: they spend nothing, and have nothing to give.
    return gain - torch.dot(values, spent - (spent.detach() > 0.5).to(spent.dtype))


class HGR(Objective):
    """HGR: sum of the maximal correlations, by singular values of the whitened cross-covariance.

    As it stands in the code, S with 1/(m-1) and centred features:

        U = sum_{i<=k} sigma_i(L_f^{-1} S_fg L_g^{-T}),   L_f L_f^T = S_ff + r tr(S_ff)/K I

    This is max E[f^T g] subject to E f = E g = 0, cov f = cov g = I, over linear functions of the features.
    Over all feature functions its maximum is sum_{i<=k} sigma_i, the first of which is the HGR maximal
    correlation. Invariant to invertible linear maps of each modality (exactly for r = 0). In a batch of m
    samples it is biased upwards, to K for m <= K: use m >= 4K, and never report it as a correlation.

    Source: Renyi (1959), "On measures of dependence"; Witsenhausen (1975). More than two modalities: sum over
    pairs.

    Args:
        components: how many singular values k; None for all.
        ridge: ridge r, relative to the mean variance of a feature.
    """

    same_width = False

    def __init__(self, components: int | None = None, ridge: float = 1e-3) -> None:
        super().__init__()
        if components is not None and components < 1:
            raise UsageError(f"components must be at least 1, got {components}")
        if ridge < 0:
            raise UsageError(f"ridge must not be negative, got {ridge:g}")
        self.components = components
        self.ridge = ridge

    def score(self, views: tuple[Tensor, ...], labels: Tensor | None) -> Tensor:
        """Centre each modality once, then sum over pairs."""
        return super().score(tuple(centre(x) for x in views), labels)

    def pair(self, f: Tensor, g: Tensor) -> Tensor:
        """The objective of two centred modalities."""
        return canonical_sum((f, g), self.ridge, self.components)


class DeepCCA(HGR):
    """Deep CCA: trace norm of the whitened cross-covariance, k components; joint for more modalities.

    As it stands in the code, for two modalities:

        U = ||T||_tr = sum_{i<=k} sigma_i(T),   T = (S_ff + rho_f I)^{-1/2} S_fg (S_gg + rho_g I)^{-1/2}

    which is `HGR` (a Cholesky factor whitens as well as a symmetric root). For more it is deep generalised
    CCA: the sum of the k largest eigenvalues of the block matrix of all T_ij, i != j; with two modalities
    these are the sigma_i, and in general the eigenvalues of the summed projections less 1. Libraries
    disagree here: cca-zoo sums SQUARED singular values, and an absolute ridge, common elsewhere, makes the
    value depend on scale.

    Source: Andrew, Arora, Bilmes, Livescu (ICML 2013), "Deep Canonical Correlation Analysis"; Benton et al.
    (2019), "Deep Generalized Canonical Correlation Analysis".

    Args:
        components: how many components k; None for all.
        ridge: ridge relative to the mean variance of a feature.
    """

    def score(self, views: tuple[Tensor, ...], labels: Tensor | None) -> Tensor:
        """Centre each modality, then decompose all of them together."""
        return canonical_sum(tuple(centre(x) for x in views), self.ridge, self.components)
