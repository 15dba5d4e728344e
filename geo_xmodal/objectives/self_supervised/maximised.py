"""Correlation objectives as losses of pretraining."""

from __future__ import annotations

from torch import Tensor

from geo_xmodal.correlation import objective
from geo_xmodal.objectives.self_supervised.pair_loss import PairLoss


class Maximised(PairLoss):
    """An objective of `geo_xmodal.correlation` between one view of each sensor, with its sign turned.

    `vicreg` is pretrained with this: the published loss but for the means of the embeddings, which are free,
    and a constant.

    Args:
        name: Of the objective.
        weight: Of the term.
    """

    def __init__(self, name: str, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.objective = objective(name)

    def of_batch(self, *embeddings: Tensor) -> Tensor:
        """Loss of (n, K) embeddings of both sensors."""
        scored: Tensor = self.objective(*embeddings)
        return -scored
