"""Soft-HGR: maximal correlation without whitening."""

from __future__ import annotations

import torch
from torch import Tensor

from geo_xmodal.correlation.features import CENTRED
from geo_xmodal.correlation.objective import Objective
from geo_xmodal.correlation.trace_term import check_sketch, inner_minus_energy


class SoftHGR(Objective):
    """Soft-HGR: E[f^T g] - 1/2 tr(cov(f) cov(g)), with E f = E g = 0.

    As it stands in the code, for centred F, G in R^{m x K}:

        U = <F, G> / (m-1)  -  1/2 ||F G^T||_F^2 / (m-1)^2

    since tr((F^T F)(G^T G)) = ||F G^T||_F^2. With its gradient the right side costs 3 products of m x m x K,
    the left 4 of m x K x K; the cheaper is taken.

    Over all feature functions the maximum is 1/2 sum_{i<=K} sigma_i^2, where sigma_i are the maximal
    correlations of the two modalities. It is reached at f = A sqrt(sigma) f*, g = A^{-T} sqrt(sigma) g* for
    any invertible A, f* and g* being the maximal correlation functions. The value is not scale-invariant,
    not bounded below, and no correlation itself: recover the sigma_i with CCA on held-out features
    (`estimate_correlation`).

    Source: Wang, Wu, Huang, Zheng, Xu, Zhang, Huang (AAAI 2019), "An Efficient Approach to Informative
    Feature Extraction from Multimodal Data", arXiv 1811.08979. More than two modalities: sum over pairs, as
    there.

    Args:
        sketch: None for the exact trace term, or the number of probes r of an unbiased random estimate that
            costs a pass over the features. Relative to the term, its standard deviation is about
            sqrt(4 / (r d) + 2 / r^2), where d is how many directions share the energy.
        generator: source of the sketch's signs; torch's own by default.
    """

    def __init__(self, sketch: int | None = None, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.sketch = check_sketch(sketch)
        self.generator = generator

    def pair(self, f: Tensor, g: Tensor) -> Tensor:
        """The objective of two modalities."""
        n = f.shape[0] - 1
        return inner_minus_energy(
            f, g, a=1 / n, b=0.5 / n**2, scaling=CENTRED, sketch=self.sketch, generator=self.generator
        )


def soft_hgr(
    *features: Tensor, sketch: int | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """Soft-HGR of two or more (m, K) feature matrices, to be maximised; see `SoftHGR`.

    Raises:
        FeatureError: shapes that do not pair up, fewer than 2 samples, or a sketch without probes.
    """
    value: Tensor = SoftHGR(sketch, generator)(*features)
    return value
