"""What each feature adds to what trees say of a pixel: SHAP values of trees as tensors.

Lundberg et al. 2020, "From local explanations to global understanding with explainable AI for trees"
(doi:10.1038/s42256-019-0138-9), algorithm 2 (path-dependent TreeSHAP), as XGBoost computes it.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from geo_xmodal.networks.trees import MAX_DEPTH, Trees, TreeTensors, booster, node_levels
from geo_xmodal.types import FloatArray

_UNSEEN = 1e-3
"""What comes to a leaf that no pixel of the background reaches: SHAP values divide by it."""


def tree_contributions(
    trees: Trees, features: FloatArray, output: int, background: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """SHAP values of one class's score.

    The score is what trees add up before anything is made of it: of a forest the mean probability of the
    class, of boosting its logit. A feature that is not known takes both ways at a node, as often as the
    background does: a bundle keeps no counts of its training pixels.

    Args:
        trees: A network of trees.
        features: (n, features) context features of the pixels to explain.
        output: Which class, from 0.
        background: (m, features) of the pixels that the explanation is against; its mean score is the bias.

    Returns:
        (n, features + 1): what each feature adds to the score, and last the bias; and (n,) the scores
        themselves, from the same trees.
    """
    from xgboost import DMatrix  # slow to import

    tensors = trees.tensors
    of_class = _of_class(tensors, output)
    base = float(tensors.base[output]) if tensors.combine == "sum" else 0.0
    if of_class is None:
        alone = np.zeros((len(features), features.shape[1] + 1), np.float32)
        alone[:, -1] = base
        return alone, alone[:, -1].copy()
    walked = booster(of_class, trees.context.features, 1, tree_cover(of_class, background))
    rows = DMatrix(np.ascontiguousarray(features, np.float32), nthread=1)
    added = walked.predict(rows, pred_contribs=True, validate_features=False)
    added[:, -1] += base
    return added, walked.predict(rows, output_margin=True, validate_features=False) + np.float32(base)


def tree_cover(trees: TreeTensors, background: FloatArray) -> FloatArray:
    """(nodes,) pixels of the background that come to each node, a little more where none does.

    Args:
        trees: Of any number of outputs.
        background: (m, features).
    """
    reached = torch.zeros(len(trees.feature), dtype=torch.float64)
    feature, child = trees.feature.long(), trees.child.long()
    rows = torch.from_numpy(np.ascontiguousarray(background, np.float32))
    for root in trees.roots.tolist():
        at = torch.full((len(rows),), root)
        for _ in range(MAX_DEPTH + 1):
            inner = feature[at] >= 0
            if not inner.any():
                break
            value = rows[torch.arange(len(rows)), feature[at].clamp(min=0)]
            at = torch.where(inner, child[at] + (value >= trees.threshold[at]).long(), at)
        reached += torch.bincount(at, minlength=len(reached))
    cover = torch.where(feature < 0, reached + _UNSEEN, 0.0)
    levels = node_levels(trees.roots, trees.feature, trees.child)
    for level in range(int(levels.max()) - 1, -1, -1):
        at = ((levels == level) & (feature >= 0)).nonzero()[:, 0]
        cover[at] = cover[child[at]] + cover[child[at] + 1]
    return np.asarray(cover.numpy(), np.float32)


def _of_class(trees: TreeTensors, output: int) -> TreeTensors | None:
    """The trees that speak of one class, each with one value a leaf, to be summed; None where none does."""
    if trees.combine == "sum":
        chosen = (trees.output == output).nonzero()[:, 0]
        return _chosen(trees, chosen) if len(chosen) else None
    return dataclasses.replace(
        trees,
        values=trees.values[:, output : output + 1].float() / len(trees.roots),
        output=torch.zeros(len(trees.roots), dtype=torch.int16),
        base=torch.zeros(1),
    )


def _chosen(trees: TreeTensors, chosen: Tensor) -> TreeTensors:
    """Some of the trees, by their places."""
    ends = torch.cat([trees.roots[1:].long(), torch.tensor([len(trees.feature)])])
    starts = trees.roots.long()
    nodes = torch.cat([torch.arange(int(starts[k]), int(ends[k])) for k in chosen])
    sizes = (ends - starts)[chosen]
    roots = sizes.cumsum(0) - sizes
    moved = torch.repeat_interleave(roots - starts[chosen], sizes)
    feature = trees.feature[nodes]
    child = torch.where(feature >= 0, trees.child[nodes].long() + moved, trees.child[nodes].long())
    return dataclasses.replace(
        trees,
        roots=roots.int(),
        feature=feature,
        threshold=trees.threshold[nodes],
        child=child.int(),
        output=torch.zeros(len(chosen), dtype=torch.int16),
        base=torch.zeros(1),
    )
