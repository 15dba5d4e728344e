"""Occlusion: what is lost when a model does not see some bands (Zeiler and Fergus 2014, arXiv 1311.2901)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from geo_xmodal.explain.bands import BandGroup
from geo_xmodal.explain.pixels import in_parts


@dataclass(frozen=True, eq=False)
class Occlusion:
    """What is lost without each group of bands.

    Attributes:
        accuracy: Share of the pixels that the model gets right when it sees all bands.
        probability: Mean probability that it gives to the right class then.
        accuracy_drop: (group,) how much lower the share is without the group.
        probability_drop: (group,) how much lower the mean probability is.
        by_pixel: (group, n) the drop in probability of each pixel.
    """

    accuracy: float
    probability: float
    accuracy_drop: Tensor
    probability_drop: Tensor
    by_pixel: Tensor


def occlusion(
    network: nn.Module,
    patches: Tensor,
    label: Tensor,
    groups: Sequence[BandGroup],
    step: Callable[[str], None] = lambda name: None,
) -> Occlusion:
    """Replace each group of bands by the training mean, all over the patch, and see what is lost.

    Args:
        network: (n, band, p, p) standardised -> (n, classes, 1, 1) logits.
        patches: (n, band, p, p) standardised, so that the training mean is 0.
        label: (n,) the right classes, from 0.
        groups: Of bands.
        step: Told the name of each group that is done.
    """
    right = torch.arange(len(label)), label
    seen = in_parts(network, patches).softmax(dim=1)
    hits, given = (seen.argmax(dim=1) == label).float(), seen[right]
    hits_without, given_without = [], []
    for group, hidden in _occluded(patches, groups):
        without = in_parts(network, hidden).softmax(dim=1)
        hits_without.append((without.argmax(dim=1) == label).float())
        given_without.append(without[right])
        step(group.name)
    by_pixel = given - torch.stack(given_without)
    return Occlusion(
        accuracy=hits.mean().item(),
        probability=given.mean().item(),
        accuracy_drop=(hits - torch.stack(hits_without)).mean(dim=1),
        probability_drop=by_pixel.mean(dim=1),
        by_pixel=by_pixel,
    )


def _occluded(patches: Tensor, groups: Sequence[BandGroup]) -> Iterator[tuple[BandGroup, Tensor]]:
    for group in groups:
        hidden = patches.clone()
        hidden[:, list(group.places)] = 0
        yield group, hidden
