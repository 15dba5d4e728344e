"""The one shape of every term: outputs of networks in, a weighted scalar to be minimised out."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from geo_xmodal.correlation import full_precision


class Term(nn.Module, ABC):
    """A weight times a value that falls as a model gets better.

    Subclasses define `value`, which is given outputs in float32 (or more) whatever autocast says. Among
    several processes it is given those of one, and its value is their part of that of the whole batch: the
    sum over the processes is the value (`geo_xmodal.processes`).

    Attributes:
        weight: What the value is multiplied by.
    """

    value: Callable[..., Tensor]

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, *outputs: Any) -> Tensor:
        """The weighted value of what networks put out."""
        tensors = [one for one in outputs if isinstance(one, Tensor)]
        with full_precision(tensors[0].device if tensors else torch.device("cpu")):
            return self.weight_of(*outputs) * self.value(*map(_full, outputs))

    def weight_of(self, *outputs: Any) -> float:
        """The weight of these outputs: that of the term, unless a term says otherwise."""
        return self.weight


class Sum(Term):
    """Values of one or several terms added up, such as those of all teachers.

    Args:
        parts: What is added; one part may be asked any number of times.
        weight: Of the sum.
    """

    def __init__(self, parts: Sequence[Term], weight: float = 1.0) -> None:
        super().__init__(weight)
        self.parts = nn.ModuleList(parts)

    def value(self, *outputs: tuple[Any, ...]) -> Tensor:
        """The sum over `outputs`, each a tuple for the part of its turn, or for the only one."""
        parts = [*self.parts] * (len(outputs) if len(self.parts) == 1 else 1)
        return torch.stack([part(*one) for part, one in zip(parts, outputs, strict=True)]).sum()


class Terms(nn.ModuleDict):
    """The terms that a method composes, by name; those of weight 0 are not there."""

    def __init__(self, terms: Mapping[str, Term]) -> None:
        super().__init__({name: term for name, term in terms.items() if term.weight})

    def of(self, **outputs: tuple[Any, ...]) -> dict[str, Tensor]:
        """The weighted values, by name: each term that is there, of its outputs."""
        return {name: self[name](*one) for name, one in outputs.items() if name in self}


def _full(output: Any) -> Any:
    """Half of a float is brought to a whole one: sums over a batch need its digits."""
    if isinstance(output, Tensor) and output.dtype in (torch.bfloat16, torch.float16):
        return output.float()
    return output
