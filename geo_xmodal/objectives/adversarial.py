"""The adversarial term of X-ModalNet (Eq. 7), in the three ways that it can be read."""

from __future__ import annotations

from typing import Literal, cast

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from geo_xmodal import processes
from geo_xmodal.objectives.term import Term

Reading = Literal["standard", "reversal", "cooperative"]
"""What the features do while the discriminator learns to tell real from fake.

- `standard`: fake features learn to pass for real (-log D, Goodfellow et al. 2014); real ones are let be.
- `reversal`: both work against the discriminator, by its gradient with the sign turned (Ganin et al. 2016).
- `cooperative`: both help it (the sum of Eq. 5 as printed, "the discriminator can be regarded as a
  constraint"), so that real and fake features stay different.
"""


class Adversarial(Term):
    """What discriminator and features minimise in the same step, each with its own gradient.

    Args:
        reading: What the features learn.
        weight: Of the term.
    """

    def __init__(self, reading: Reading = "standard", weight: float = 1.0) -> None:
        super().__init__(weight)
        self.reading = reading

    def value(self, discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        """Of (n, features) real and fake, and what takes them to (n, 1) logits of being real."""
        match self.reading:
            case "standard":
                fixed = {name: weight.detach() for name, weight in discriminator.named_parameters()}
                passing = _mean(F.softplus(-cast(Tensor, functional_call(discriminator, fixed, fake))))
                return _told_apart(discriminator, real.detach(), fake.detach()) + passing
            case "reversal":
                return _told_apart(discriminator, _turned(real), _turned(fake))
            case "cooperative":
                return _told_apart(discriminator, real, fake)


def _told_apart(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """-E[log D(real) + log(1 - D(fake))]: 2 log 2 when they cannot be told apart."""
    return _mean(F.softplus(-discriminator(real))) + _mean(F.softplus(discriminator(fake)))


def _mean(losses: Tensor) -> Tensor:
    return processes.mean(losses.sum(), len(losses))


def _turned(x: Tensor) -> Tensor:
    """The same values; the gradient has the other sign."""
    return 2 * x.detach() - x
