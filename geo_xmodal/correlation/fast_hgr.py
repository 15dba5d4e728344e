"""UniFast-HGR and OptFast-HGR: RECONSTRUCTIONS. The paper's equations, tables and code are not public.

Public are the abstract and reviews of "UniFast-HGR: Scalable and Efficient Maximal Correlation for Multimodal
Models" (ICLR 2026 submission 20073, https://openreview.net/forum?id=PiB9VXYFZE, rejected) and of its
predecessor (ICLR 2025, YrxhSkfHh0, rejected). They state: covariance is replaced by cosine similarity,
diagonal elements are removed against a "self-correlation bias", l2 normalisation is the variance constraint,
and OptFast-HGR has fewer normalisation steps. INFERRED here: the normaliser m(m-1), which matrices the trace
term multiplies (`trace`), that features are centred over the batch (without it independent modalities score
by collapsing), and which normalisation OptFast-HGR drops. No accuracy published under these names speaks
about this code.
"""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from geo_xmodal.correlation.features import UNIT_ROWS, UNIT_SPREAD, Scaling
from geo_xmodal.correlation.objective import Objective
from geo_xmodal.correlation.trace_term import check_sketch, inner_minus_energy
from geo_xmodal.errors import UsageError

Trace = Literal["similarity", "soft_hgr"]


class UniFastHGR(Objective):
    """UniFast-HGR (reconstruction): mean cosine less half the off-diagonal trace of similarity matrices.

    As it stands in the code, for rows f_i, g_i of centred features divided by their norms:

        U = 1/m sum_i f_i . g_i  -  1/2 1/(m(m-1)) sum_{i != j} T_ij

        trace="similarity":  T_ij = (f_i . f_j)(g_i . g_j)
        trace="soft_hgr":    T_ij = (f_i . g_j)^2

    "similarity" agrees best with what reviewers say of the paper (the correlation between the similarity
    matrices of two modalities). Because sum_ij T_ij = ||F^T G||_F^2 there, it penalises the cross-covariance:
    it is near to Barlow Twins, not to Soft-HGR. "soft_hgr" is the Gram form of Soft-HGR, whose i = j terms
    pair the same sample and so bias an average that is meant for independent pairs.

    Unlike Soft-HGR both are unchanged when a modality is multiplied by a number, and 1/m sum_i f_i . g_i is
    at most 1. A mean cosine is no maximal correlation: for K = 1 it counts agreeing signs, which is
    (2/pi) arcsin(rho) for Gaussians.

    Source: see the module; reconstruction.

    Args:
        trace: which matrices the trace term multiplies, "similarity" or "soft_hgr".
        sketch: None for the exact trace term, or the number of probes of an unbiased random estimate.
        generator: source of the sketch's signs; torch's own by default.
    """

    scaling: ClassVar[Scaling] = UNIT_ROWS

    def __init__(
        self,
        trace: Trace = "similarity",
        sketch: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if trace not in get_args(Trace):
            raise UsageError(f"trace must be one of {', '.join(get_args(Trace))}, got {trace!r}")
        self.trace = trace
        self.sketch = check_sketch(sketch)
        self.generator = generator

    def pair(self, f: Tensor, g: Tensor) -> Tensor:
        """The objective of two modalities."""
        m = f.shape[0]
        weight = 0.5 / (m * (m - 1))
        across = self.trace == "similarity"
        return inner_minus_energy(
            f,
            g,
            a=1 / m,
            b=weight,
            diagonal=weight if across else 0.0,
            norms=weight if across else 0.0,
            scaling=self.scaling,
            across=across,
            sketch=self.sketch,
            generator=self.generator,
        )


class OptFastHGR(UniFastHGR):
    """OptFast-HGR (reconstruction): UniFast-HGR with one norm per modality instead of one per sample.

    The formula of `UniFastHGR` with f_i divided by sqrt(1/m sum_j ||f_j||^2): one number a modality instead
    of m, after which 1/m sum_i f_i . g_i is still at most 1 (Cauchy-Schwarz) and scale still does not
    matter. That this is the step which the paper drops is a guess.

    Source: see the module; reconstruction.

    Args:
        trace: as for `UniFastHGR`.
        sketch: as for `UniFastHGR`.
        generator: as for `UniFastHGR`.
    """

    scaling = UNIT_SPREAD
