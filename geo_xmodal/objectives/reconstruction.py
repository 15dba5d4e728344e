"""What a sensor measured, from what a network made of it."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from geo_xmodal import processes
from geo_xmodal.objectives.term import Term


class Reconstruction(Term):
    """Squared error, the mean over pixels.

    Args:
        kind: Over the values of one pixel: `sum` as X-ModalNet's Eq. 6 has it, which grows with bands and
            patch area until cross-entropy hardly counts beside it (196 values a SAR patch, 244 a spectrum),
            or their `mean`.
        weight: Of the term.
    """

    def __init__(self, kind: Literal["mean", "sum"] = "mean", weight: float = 1.0) -> None:
        super().__init__(weight)
        self.kind = kind

    def value(self, decoded: Tensor, wanted: Tensor) -> Tensor:
        """Of (n, ...) to (n, ...): what a decoder says, and values in 0..1."""
        values = decoded.shape[1:].numel() if self.kind == "mean" else 1
        return processes.mean(F.mse_loss(decoded, wanted, reduction="sum") / values, len(decoded))
