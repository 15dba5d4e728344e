"""SimCLR and CLIP across sensors: the other half of a pair is to be told from the rest of the batch."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geo_xmodal.objectives.self_supervised.pair_loss import PairLoss

_MAX_SCALE = 100.0
"""What CLIP multiplies cosines by at most."""


class SimCLR(PairLoss):
    """NT-Xent over the 2n embeddings of both sensors: the rows of a pair are each other's positives.

    Negatives are the other 2n - 2 rows, of either sensor. Embeddings are divided by their norms.

    Source: Chen, Kornblith, Norouzi, Hinton (ICML 2020), "A Simple Framework for Contrastive Learning of
    Visual Representations", Eq. 1; across sensors as in the rows "SimCLR" of DeCUR's tables.

    Args:
        temperature: What cosines are divided by. The paper's is 0.5 for CIFAR-10 and 0.1 for ImageNet.
        weight: Of the term.
    """

    def __init__(self, temperature: float = 0.1, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.temperature = temperature

    def of_batch(self, *embeddings: Tensor) -> Tensor:
        """Loss of (n, K) embeddings of both sensors."""
        rows = F.normalize(torch.cat(embeddings), dim=1)
        cosines = (rows @ rows.t()) / self.temperature
        cosines = cosines.masked_fill(torch.eye(len(rows), dtype=torch.bool, device=rows.device), -math.inf)
        partner = torch.arange(len(rows), device=rows.device).roll(len(rows) // 2)
        return F.cross_entropy(cosines, partner)


class CLIP(PairLoss):
    """Symmetric cross-entropy over the n x n cosines of both sensors, with a learned scale.

    Negatives are rows of the other sensor only.

    Source: Radford et al. (ICML 2021), "Learning Transferable Visual Models From Natural Language
    Supervision", Figure 3; the scale begins at 1 / 0.07 and stays below 100 (section 2.5).

    Args:
        weight: Of the term.
    """

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def of_batch(self, *embeddings: Tensor) -> Tensor:
        """Loss of (n, K) embeddings of both sensors."""
        first, second = (F.normalize(one, dim=1) for one in embeddings)
        logits = self.log_scale.exp().clamp(max=_MAX_SCALE) * (first @ second.t())
        same = torch.arange(len(first), device=first.device)
        return (F.cross_entropy(logits, same) + F.cross_entropy(logits.t(), same)) / 2
