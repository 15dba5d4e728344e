"""What losses of pretraining have in common: embeddings of pairs in, a scalar to be minimised out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from geo_xmodal import processes
from geo_xmodal.objectives.term import Term


class PairLoss(Term, ABC):
    """A loss of embeddings (n, K) of n pairs, seen by two sensors; row i of every matrix is pair i.

    Among several processes each computes the loss of the whole batch, and its share of it is the value.

    Attributes:
        views: How many augmented views of each sensor it compares; the second ones are given only if 2.
    """

    views: ClassVar[int] = 1

    def value(
        self,
        first: Tensor,
        second: Tensor,
        first_again: Tensor | None = None,
        second_again: Tensor | None = None,
    ) -> Tensor:
        """The loss of a batch.

        Args:
            first: (n, K) embeddings of the first sensor, first view.
            second: (n, K) embeddings of the second sensor, first view.
            first_again: (n, K) embeddings of the first sensor, second view, where `views` is 2.
            second_again: (n, K) embeddings of the second sensor, second view, where `views` is 2.
        """
        whole = [
            processes.gathered(one) for one in (first, second, first_again, second_again) if one is not None
        ]
        if len(whole) != 2 * self.views:
            raise ValueError(
                f"{type(self).__name__} compares {self.views} view(s) of each of two sensors, "
                f"got {len(whole)} matrices"
            )
        return self.of_batch(*whole) / processes.count()

    @abstractmethod
    def of_batch(self, *embeddings: Tensor) -> Tensor:
        """The loss of a whole batch: first and second sensor, then both again where `views` is 2."""
