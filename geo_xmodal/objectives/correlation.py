"""Maximal correlation between embeddings of two sensors."""

from __future__ import annotations

from torch import Tensor

from geo_xmodal import processes
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
        if labels is not None:
            labels = processes.gathered(labels) if self.objective.needs_labels else None
        scored: Tensor = self.objective(processes.gathered(f), processes.gathered(g), labels=labels)
        return -scored / processes.count()  # each process computes all of it

    def weight_of(self, f: Tensor, *others: Tensor) -> float:
        """Less than that of the term where pairs are few."""
        if self.full_batch is None:
            return self.weight
        return self.weight * min(1.0, processes.whole_number(len(f)) / self.full_batch)
