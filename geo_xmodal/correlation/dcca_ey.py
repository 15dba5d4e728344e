"""DCCA-EY: canonical correlation as an unconstrained quadratic-quartic."""

from __future__ import annotations

import torch
from torch import Tensor

from geo_xmodal.correlation.features import FeatureError, centre, sum_over_pairs
from geo_xmodal.correlation.objective import Objective
from geo_xmodal.correlation.trace_term import inner, inner_minus_energy, self_energy


class DCCAEY(Objective):
    """DCCA-EY: Eckart-Young objective 2 tr(C) - tr(V V'), no decomposition.

    As it stands in the code, for n modalities with cross-covariances S_ij (1/(m-1)):

        U = 2 tr(C) - tr(V V'),   C = 1/n sum_{i != j} S_ij,   V = 1/n sum_i S_ii

    Over linear maps its maximum for two modalities is the sum of the k largest sigma_i^2, reached at
    canonical variates with covariance sigma_i; independent modalities reach 0. With `own=True` C also holds
    the S_ii, as in cca-zoo: then the maximum is the sum of (1 + sigma_i)^2, so independent modalities score
    k. With `halves=True` V and V' come from the even and the odd samples, which makes tr(V V') unbiased.

    Source: Chapman, Wells, Lawry Aguila (ICLR 2024), "Unconstrained Stochastic CCA", arXiv 2310.01012, eq.
    for the Eckart-Young loss with minimisers the top generalised eigenvectors.

    Args:
        halves: take the two factors of the penalty from two halves of the batch.
        own: count a modality's own covariance as agreement, as cca-zoo does.
    """

    def __init__(self, halves: bool = False, own: bool = False) -> None:
        super().__init__()
        self.halves = halves
        self.own = own

    def score(self, views: tuple[Tensor, ...], labels: Tensor | None) -> Tensor:
        """All modalities together."""
        count, m = len(views), views[0].shape[0]
        centred = [centre(x) for x in views]
        agreement = 2 * sum_over_pairs(inner, centred)
        if self.own:
            agreement = agreement + torch.stack([inner(x, x) for x in centred]).sum()
        reward = 2 * agreement / (count * (m - 1))
        if not self.halves:
            return reward - self_energy(torch.cat(centred)) / (count * (m - 1)) ** 2
        if m < 4:
            raise FeatureError(f"halves need at least 4 samples, got {m}; use larger batches or halves=False")
        # V = Y^T Y for stacked, scaled features Y of one half, and tr(V V') = ||Y Y'^T||_F^2.
        even, odd = (
            torch.cat([centre(x[start::2]) / (count * (len(x[start::2]) - 1)) ** 0.5 for x in views])
            for start in (0, 1)
        )
        return reward + inner_minus_energy(even, odd, a=0.0, b=1.0)
