"""Integrated Gradients: what each band adds to a number that a network gives.

Sundararajan, Taly and Yan 2017, "Axiomatic attribution for deep networks" (arXiv 1703.01365), by captum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from geo_xmodal.networks import Average, Trees

_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class BandAttributions:
    """What each band adds.

    Attributes:
        by_band: (n, band) float32, summed over the patch; its unit is that of the output.
        change: (n,) the output less that of the baseline, which the sums of `by_band` should be.
    """

    by_band: Tensor
    change: Tensor

    @property
    def gap(self) -> float:
        """The completeness gap: how far the sums are from `change`, as a share of its size; 0 is exact."""
        return completeness_gap(self.by_band.sum(dim=1), self.change)


def completeness_gap(sums: Tensor, change: Tensor) -> float:
    """Sum |sums - change| / sum |change| over pixels; 0 where both are 0."""
    off, size = (sums - change).abs().sum().item(), change.abs().sum().item()
    return off / size if size else float(off > 0)


def integrated_gradients(
    forward: Callable[[Tensor], Tensor], x: Tensor, output: Tensor, steps: int = 64
) -> BandAttributions:
    """Attributions of one output an input, against a baseline of zeros: the mean of the training pixels.

    Args:
        forward: (n, band, row, col) standardised -> (n, outputs), differentiable.
        x: (n, band, row, col) standardised.
        output: (n,) which output of each input, from 0.
        steps: Points of the Gauss-Legendre quadrature on the way from the baseline; more make the gap smaller
            where a network has kinks.
    """
    from captum.attr import IntegratedGradients  # slow to import

    method = IntegratedGradients(forward)
    by_band, change = [], []
    for part, which in zip(torch.split(x, _AT_ONCE), torch.split(output, _AT_ONCE), strict=True):
        found = method.attribute(
            part, baselines=0.0, target=which, n_steps=steps, internal_batch_size=max(steps, 8 * _AT_ONCE)
        )
        by_band.append(found.detach().flatten(2).sum(dim=2).float())
        with torch.no_grad():
            there, baseline = forward(part), forward(torch.zeros_like(part[:1]))
            change.append((there - baseline).gather(1, which[:, None])[:, 0])
    return BandAttributions(torch.cat(by_band), torch.cat(change))


def class_scores(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """(n, band, p, p) -> (n, classes): logits at the centre less their mean over classes.

    A constant that is added to all logits changes no probability: without it, what is explained is what
    decides the class.
    """

    def scores(x: Tensor) -> Tensor:
        logits = cast(Tensor, network(x)).flatten(1)
        return logits - logits.mean(dim=1, keepdim=True)

    return scores


def differentiable(network: nn.Module) -> tuple[nn.Module, float] | None:
    """What of a network has gradients, and its share of the whole; None where nothing has.

    Of an average that holds trees, it is the average of its other members.
    """
    if isinstance(network, Trees):
        return None
    if not isinstance(network, Average):
        return network, 1.0
    chosen = [k for k, member in enumerate(network.members) if not isinstance(member, Trees)]
    if not chosen:
        return None
    if len(chosen) == len(network.members):
        return network, 1.0
    return network.of_members(chosen), float(network.weight[chosen].sum())
