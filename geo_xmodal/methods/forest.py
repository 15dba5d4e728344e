"""Forests on the target sensor's context features: extremely randomised trees, or a random forest.

Breiman 2001, "Random Forests" (doi:10.1023/A:1010933404324); Geurts, Ernst and Wehenkel 2006, "Extremely
randomized trees" (doi:10.1007/s10994-006-6226-1).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from geo_xmodal.methods.base import Method, Options, Work
from geo_xmodal.methods.context_trees import CONTEXT_RECIPES, ContextTreesOptions, TreesLearner
from geo_xmodal.networks import TreeTensors
from geo_xmodal.networks.trees import MAX_DEPTH
from geo_xmodal.types import FloatArray, TrainingData


class ForestGrowth(Options):
    """How a forest grows."""

    kind: Literal["extra_trees", "random_forest"] = Field(
        "extra_trees", description="extra_trees (random thresholds, all pixels) or random_forest"
    )
    trees: int = Field(300, ge=1, le=5000, description="number of trees")
    max_depth: int = Field(25, ge=1, le=MAX_DEPTH, description="levels of a tree at most")
    min_leaf: int = Field(1, ge=1, description="pixels in a leaf at least")
    split_share: float | None = Field(
        None, gt=0, le=1, description="share of the features tried at a split; by default their square root"
    )


class ForestOptions(ForestGrowth, ContextTreesOptions):
    """Options of `forest`."""


def fit_forest(
    features: FloatArray,
    soft: npt.NDArray[np.floating],
    weight: npt.NDArray[np.floating],
    options: ForestGrowth,
    seed: int,
) -> TreeTensors:
    """A forest of pixels whose classes are known for sure or by probability.

    Trees reduce the weighted squared error of the probabilities of all classes, which for sure labels is the
    Gini impurity. The result depends on the seed and not on the number of threads.

    Args:
        features: (n, d).
        soft: (n, classes), rows of sum 1.
        weight: (n,), what each pixel counts.
        options: how it grows.
        seed: of everything drawn.
    """
    from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor  # slow to import

    kind = ExtraTreesRegressor if options.kind == "extra_trees" else RandomForestRegressor
    forest = kind(
        n_estimators=options.trees,
        max_depth=options.max_depth,
        min_samples_leaf=options.min_leaf,
        max_features=options.split_share or "sqrt",
        n_jobs=torch.get_num_threads(),
        random_state=seed % 2**32,
    )
    forest.fit(features, soft, sample_weight=weight)
    return _tensors([one.tree_ for one in forest.estimators_])


def _tensors(trees: list[Any]) -> TreeTensors:
    """scikit-learn's trees as tensors."""
    roots, features, thresholds, children, values = [], [], [], [], []
    nodes = leaves = 0
    for tree in trees:
        order, first = _by_level(tree)
        is_leaf = tree.children_left[order] < 0
        held = np.flatnonzero(is_leaf)
        child = np.where(is_leaf, np.cumsum(is_leaf) - 1 + leaves, first + nodes)
        roots.append(nodes)
        features.append(np.where(is_leaf, -1, tree.feature[order]))
        thresholds.append(np.where(is_leaf, 0, _rounded_down(tree.threshold[order])))
        children.append(child)
        values.append(tree.value[order[held], :, 0])
        nodes, leaves = nodes + len(order), leaves + len(held)
    probabilities = np.clip(np.concatenate(values), 0, 1).astype(np.float16)
    return TreeTensors(
        roots=torch.tensor(roots, dtype=torch.int32),
        feature=torch.from_numpy(np.concatenate(features).astype(np.int16)),
        threshold=torch.from_numpy(np.concatenate(thresholds).astype(np.float32)),
        child=torch.from_numpy(np.concatenate(children).astype(np.int32)),
        values=torch.from_numpy(probabilities),
        output=torch.zeros(0, dtype=torch.int16),
        base=torch.zeros(0),
    )


def _by_level(tree: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """A tree's nodes level by level, children side by side, and where each one's first child comes."""
    order, first = [np.zeros(1, np.int64)], []
    placed = 1
    while len(order[-1]):
        inner = tree.children_left[order[-1]] >= 0
        first.append(np.where(inner, placed + 2 * (np.cumsum(inner) - 1), -1))
        parents = order[-1][inner]
        order.append(np.stack([tree.children_left[parents], tree.children_right[parents]], 1).ravel())
        placed += len(order[-1])
    return np.concatenate(order), np.concatenate(first)


def _rounded_down(threshold: npt.NDArray[np.float64]) -> FloatArray:
    """The largest float32 up to each: the same float32 values lie below."""
    near = threshold.astype(np.float32)
    return np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near)


class ForestLearner(TreesLearner):
    """A forest, grown when it is made."""

    def __init__(self, data: TrainingData, options: ForestOptions, seed: int) -> None:
        super().__init__(data, options)
        self.take(fit_forest(self.features, self.soft, self.weight, options, seed))


class Forest(Method):
    """Extra trees or a random forest."""

    name = "forest"
    summary = "extra trees or a random forest on the target sensor's bands and their surroundings"
    uses_rich = False
    Options = ForestOptions
    recipes = CONTEXT_RECIPES

    def learner(
        self, data: TrainingData, options: ForestOptions, seed: int, work: Work | None = None
    ) -> ForestLearner:
        """A grown forest."""
        return ForestLearner(data, options, seed)
