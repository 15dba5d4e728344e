"""DeCUR: dimensions that two sensors have in common, and dimensions that each has to itself."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from geo_xmodal.correlation import Decoupling, redundancy
from geo_xmodal.objectives.self_supervised.pair_loss import PairLoss

Form = Literal["paper", "code"]
"""How the four parts of DeCUR are weighed: as in Algorithm 1 of the paper, or as in its released code."""

PUBLISHED_WEIGHT = 0.0051
"""Weight of off-diagonal elements in the released code, for all four parts; the paper names four."""


class DeCUR(PairLoss):
    """Decoupled common and unique representations.

    With z = embeddings of zero mean and unit variance over the batch, C = z_a^T z_b / n, and

        BT(C) = sum_i (1 - C_ii)^2 + w sum_{i != j} C_ij^2
        U(C)  = sum_i C_ii^2       + w sum_{i != j} C_ij^2

    the loss over the views x', x'' of the sensors 1 and 2 is, in the paper's form,

        BT(C(z1', z1'')) + BT(C(z2', z2'')) + BT(Cc) + U(Cu),

    where Cc and Cu are the blocks of C(z1', z2') of the first `common` dimensions and of the others. The
    released code computes [BT + BT + (BT(Cc) + U(Cu)) / 2] / 3: the part across sensors counts half.
    What correlates a common dimension of one sensor with a unique one of the other counts in neither.

    Source: Wang, Albrecht, Braham, Liu, Xiong, Zhu (ECCV 2024), "Decoupling Common and Unique
    Representations for Multimodal Self-supervised Learning", Algorithm 1 (appendix A).

    No matrix of K x K elements is made where the batch is smaller than K: squared norms of C are taken from
    products of n x n elements.

    Args:
        common: How many dimensions, the first ones, are common; 0 to K.
        off_diagonal: Weight w. The paper names one for each part, the released code uses one for all.
        form: `paper` or `code`.
        weight: Of the term.

    Raises:
        ValueError: `common` is below 0.
    """

    views = 2

    def __init__(
        self,
        common: int,
        off_diagonal: float = PUBLISHED_WEIGHT,
        form: Form = "paper",
        weight: float = 1.0,
    ) -> None:
        super().__init__(weight)
        if common < 0:
            raise ValueError(f"common is {common}; expected a number of dimensions, 0 or more")
        self.common = common
        self.off_diagonal = off_diagonal
        self.within, self.across = (1.0, 1.0) if form == "paper" else (1 / 3, 1 / 6)

    def of_batch(self, *embeddings: Tensor) -> Tensor:
        """Loss of (n, K) embeddings: sensors 1 and 2, then their second views.

        Raises:
            ValueError: There are more common dimensions than dimensions.
        """
        first, second, first_again, second_again = embeddings
        if self.common > first.shape[1]:
            raise ValueError(f"{self.common} common dimensions of {first.shape[1]}: expected as many at most")
        weighed = Decoupling(self.common, self.off_diagonal, self.within, self.across)
        return weighed.of(first, second, first_again, second_again)


class BarlowTwins(PairLoss):
    """Barlow Twins across sensors: every dimension is common, one view of each sensor.

    Source: Zbontar, Jing, Misra, LeCun, Deny (ICML 2021), "Barlow Twins".

    Args:
        off_diagonal: Weight of off-diagonal elements.
        weight: Of the term.
    """

    def __init__(self, off_diagonal: float = PUBLISHED_WEIGHT, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.off_diagonal = off_diagonal

    def of_batch(self, *embeddings: Tensor) -> Tensor:
        """Loss of (n, K) embeddings of both sensors."""
        first, second = embeddings
        return redundancy(first, second, target=1.0, off_diagonal=self.off_diagonal)
