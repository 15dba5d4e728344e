"""SHAP values of trees, summed from context features back to bands, surroundings and kinds of feature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from geo_xmodal.explain.integrated_gradients import completeness_gap
from geo_xmodal.explain.pixels import in_parts
from geo_xmodal.networks import Average, ContextFeature, Trees, context_features, tree_contributions

MAX_LEAF_VISITS = 100_000_000
"""Leaves of all trees times pixels, at most: a minute or so on one core."""


@dataclass(frozen=True, eq=False)
class TreeValues:
    """What features add to the score of each pixel's class.

    Attributes:
        score: What is explained: `probability` (a forest's mean) or `logit` (boosting).
        share: Weight of the trees in the network; 1 where they are all of it.
        pixels: (n,) which of the pixels were explained.
        by_feature: (n, feature) SHAP values.
        features: What each feature is.
        change: (n,) score less the bias, which the sums of `by_feature` should be.
    """

    score: str
    share: float
    pixels: Tensor
    by_feature: Tensor
    features: tuple[ContextFeature, ...]
    change: Tensor

    @property
    def gap(self) -> float:
        """The completeness gap, as that of `BandAttributions`."""
        return completeness_gap(self.by_feature.sum(dim=1), self.change)

    def by_band(self, bands: int) -> Tensor:
        """(n, band): the values of a feature of several bands are divided evenly among them."""
        divided = torch.zeros(len(self.features), bands)
        for place, feature in enumerate(self.features):
            for band in feature.bands:
                divided[place, band] += 1 / len(feature.bands)
        return self.by_feature @ divided

    def by(self, key: Callable[[ContextFeature], str]) -> dict[str, Tensor]:
        """(n,) sums over the features that have the same key, in the order in which keys come."""
        keys = [key(feature) for feature in self.features]
        return {
            name: self.by_feature[:, [k for k, one in enumerate(keys) if one == name]].sum(dim=1)
            for name in dict.fromkeys(keys)
        }


def trees_of(network: nn.Module) -> list[tuple[Trees, float]]:
    """The trees in a network and their share of it: itself, or members of an average."""
    if isinstance(network, Trees):
        return [(network, 1.0)]
    if not isinstance(network, Average):
        return []
    pairs = zip(network.members, network.weight.tolist(), strict=True)
    return [(member, weight) for member, weight in pairs if isinstance(member, Trees)]


def tree_values(
    trees: Trees,
    share: float,
    patches: Tensor,
    label: Tensor,
    step: Callable[[], None] = lambda: None,
) -> TreeValues:
    """SHAP values of each pixel's own class, against all pixels together.

    Args:
        trees: The network, or a member of an average, which may look less far than it.
        share: Its weight.
        patches: (n, band, p, p) standardised.
        label: (n,) classes, from 0.
        step: Told after each class.
    """
    cut = (patches.shape[2] - 1) // 2 - trees.margin
    seen = patches[:, :, cut : patches.shape[2] - cut, cut : patches.shape[3] - cut]
    features = in_parts(trees.context, seen).numpy()
    classes = sorted(set(label.tolist()))
    most = max(1, MAX_LEAF_VISITS // len(trees.values) // len(classes))
    chosen, values, change = [], [], []
    for place in classes:
        own = (label == place).nonzero()[:most, 0]
        added, score = tree_contributions(trees, features[own.numpy()], place, features)
        chosen.append(own)
        values.append(torch.from_numpy(added[:, :-1].copy()))
        change.append(torch.from_numpy(score - added[:, -1]))
        step()
    score_name = "probability" if trees.combine == "mean" else "logit"
    what = context_features(trees.context.options, patches.shape[1])
    return TreeValues(score_name, share, torch.cat(chosen), torch.cat(values), what, torch.cat(change))


def surroundings(feature: ContextFeature) -> str:
    """What of a pixel's surroundings a feature looks at, for people."""
    return "the pixel" if feature.side == 1 else f"{feature.side} x {feature.side} pixels"
