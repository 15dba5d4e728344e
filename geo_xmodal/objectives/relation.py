"""How alike the pixels of a batch are to a student, and to its teacher."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from geo_xmodal import processes
from geo_xmodal.objectives.term import Term


class MarginAwareDistillation(Term):
    """Similarities within a batch as the teacher has them, pixels that it is unsure of before others.

    Wei et al. (2023), "MMANet", margin-aware distillation: with features F (n, d) and G = F F^T, whose rows
    are brought to length 1,

        sum_i w_i sum_j (G_ij - G^teacher_ij)^2,   w_i = H_i / sum_k H_k

    where H_i is the entropy of the teacher's class probabilities of pixel i: pixels near the boundaries of
    classes weigh most.
    """

    def value(self, student: Tensor, teacher: Tensor, logits: Tensor) -> Tensor:
        """Of (n, d) features of both, which may differ in d, and the teacher's logits (n, classes)."""
        ours, theirs, said = (processes.gathered(one) for one in (student, teacher, logits))
        entropy = torch.special.entr(said.softmax(1)).sum(1)
        squared = (_similarities(ours) - _similarities(theirs)).square().sum(1)
        weighed: Tensor = (entropy * squared).sum() / entropy.sum().clamp(min=torch.finfo(entropy.dtype).tiny)
        return weighed / processes.count()  # each process computes all of it


def _similarities(features: Tensor) -> Tensor:
    return F.normalize(features @ features.T, dim=1)
