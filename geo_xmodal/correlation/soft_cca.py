"""SoftCCA: decorrelation by a penalty instead of whitening."""

from __future__ import annotations

import torch
from torch import Tensor

from geo_xmodal.correlation.features import sum_over_pairs, unit_columns
from geo_xmodal.correlation.objective import Objective
from geo_xmodal.correlation.trace_term import inner
from geo_xmodal.errors import UsageError


class SoftCCA(Objective):
    """SoftCCA: alignment of batch-normalised features, less the L1 norm of off-diagonal covariance.

    As it stands in the code, for z = (x - mean) / sd over the batch (1/m):

        U = sum_k <z_fk, z_gk> / m  -  w/(K-1) sum_modalities sum_{i != j} |C_ij|
        C_acc <- a C_acc + Z^T Z / m,   c <- a c + 1,   C = C_acc / c      (in training mode)
        C = Z^T Z / m                                                      (in evaluation mode)

    The first term is K - ||z_f - z_g||^2 / (2m), the published l2 alignment with the constant that makes
    collapsed features score 0 instead of best. The gradient flows through the current batch only. The state
    starts anew when the number of features or modalities changes; it is part of the `state_dict`.

    Source: Chang, Xiang, Hospedales (CVPR 2018), "Scalable and Effective Deep CCA via Soft Decorrelation",
    arXiv 1707.09669. cca-zoo takes the mean of squares and of |C_ij|, and keeps no running covariance.

    Args:
        weight: weight w of the decorrelation; 0.25 matches cca-zoo's proportions with its default 0.5.
        momentum: forgetting factor a of the running covariance, in [0, 1).
    """

    def __init__(self, weight: float = 0.5, momentum: float = 0.9) -> None:
        super().__init__()
        if not 0 <= momentum < 1:
            raise UsageError(f"momentum must be in [0, 1), got {momentum:g}")
        self.weight = weight
        self.momentum = momentum
        self._accumulated: tuple[Tensor, ...] = ()
        self._count = 0.0

    def get_extra_state(self) -> Tensor:
        """The running covariances as one tensor: c, modalities, features, then their values."""
        shape = (len(self._accumulated), len(self._accumulated[0]) if self._accumulated else 0)
        head = torch.tensor([self._count, *shape], dtype=torch.float64)
        return torch.cat([head, *(c.detach().cpu().double().flatten() for c in self._accumulated)])

    def set_extra_state(self, state: Tensor) -> None:
        """Go on from what `get_extra_state` gave."""
        self._count = float(state[0])
        views, width = int(state[1]), int(state[2])
        self._accumulated = tuple(state[3:].reshape(views, width, width)) if views else ()

    def score(self, views: tuple[Tensor, ...], labels: Tensor | None) -> Tensor:
        """Alignment summed over pairs, decorrelation over modalities."""
        normalised = [unit_columns(x) for x in views]
        m, width = views[0].shape
        aligned = sum_over_pairs(inner, normalised) / m
        covariances = self._running(tuple(z.t() @ z / m for z in normalised))
        off_diagonal = torch.stack([_norm(c) - _norm(c.diagonal()) for c in covariances]).sum()
        return aligned - self.weight / max(width - 1, 1) * off_diagonal

    def _running(self, current: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        if not self.training:
            return current
        if [c.shape for c in self._accumulated] != [c.shape for c in current]:
            self._accumulated, self._count = tuple(torch.zeros_like(c) for c in current), 0.0
        total = tuple(
            self.momentum * old.to(new) + new for old, new in zip(self._accumulated, current, strict=True)
        )
        self._accumulated = tuple(c.detach() for c in total)
        self._count = self.momentum * self._count + 1
        return tuple(c / self._count for c in total)


def _norm(x: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(x, ord=1)
    return norm
