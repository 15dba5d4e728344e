"""Classes: what labels say, and what a teacher says."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from geo_xmodal import processes
from geo_xmodal.objectives.term import Term


class Supervised(Term):
    """Cross-entropy on labels.

    Args:
        class_weight: (classes,) what a pixel of each class counts.
        weight: Of the term.
    """

    class_weight: Tensor

    def __init__(self, class_weight: Tensor, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.register_buffer("class_weight", class_weight, persistent=False)

    def value(self, logits: Tensor, label: Tensor) -> Tensor:
        """The mean over (n, classes) logits and (n,) class indices, each pixel by the weight of its class."""
        losses = F.cross_entropy(logits, label, weight=self.class_weight, reduction="sum")
        return processes.mean(losses, self.class_weight[label].sum())


class Distillation(Term):
    """Cross-entropy to soft labels."""

    def value(self, logits: Tensor, soft: Tensor) -> Tensor:
        """-mean_i sum_c soft_ic log p_ic of (n, classes) logits and (n, classes) shares."""
        return processes.mean(-(soft * logits.log_softmax(1)).sum(), len(logits))
