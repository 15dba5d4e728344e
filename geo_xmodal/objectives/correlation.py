"""Maximal correlation between embeddings of two sensors."""

from __future__ import annotations

from torch import Tensor

from geo_xmodal.correlation import objective
from geo_xmodal.objectives.term import Term


class Correlation(Term):
    """An objective of `geo_xmodal.correlation` with the other sign: what it maximises is minimised.

    Args:
        name: Of the objective; installed packages may add some.
        weight: Of the term.
        full_batch: Pairs from which on the weight is whole: what a few pairs have in common is mostly chance.
            None for any number.
    """

    def __init__(self, name: str, weight: float = 1.0, full_batch: int | None = None) -> None:
        super().__init__(weight)
        self.objective = objective(name)
        self.full_batch = full_batch

    def value(self, f: Tensor, g: Tensor, labels: Tensor | None = None) -> Tensor:
        """Less than 0 for (n, features) embeddings that correlate; labels are below 0 where unknown."""
        scored: Tensor = self.objective(f, g, labels=labels)
        return -scored

    def weight_of(self, f: Tensor, *others: Tensor) -> float:
        """Less than that of the term where pairs are few."""
        return self.weight * (1.0 if self.full_batch is None else min(1.0, len(f) / self.full_batch))
