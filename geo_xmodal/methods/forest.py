"""Forests on the target sensor's context features: extremely randomised trees, or a random forest.

Breiman 2001, "Random Forests" (doi:10.1023/A:1010933404324); Geurts, Ernst and Wehenkel 2006, "Extremely
randomized trees" (doi:10.1007/s10994-006-6226-1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from geo_xmodal.methods.base import Method, Options, Work
from geo_xmodal.methods.context_trees import CONTEXT_RECIPES, ContextTreesOptions, TreesLearner
from geo_xmodal.methods.grown_trees import GrownTree, forest_tensors
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

    search: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "min_leaf": ("1", "3", "5"),
        "max_depth": ("8", "15", "25"),
        "kind": ("extra_trees", "random_forest"),
    }


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
    trees = [one.tree_ for one in forest.estimators_]
    return forest_tensors(
        [
            GrownTree(
                tree.children_left,
                tree.children_right,
                tree.feature,
                _above(tree.threshold),
                tree.value.reshape(tree.node_count, -1),
            )
            for tree in trees
        ]
    )


def _above(threshold: npt.NDArray[np.float64]) -> FloatArray:
    """The least float32 above each: the same float32 values lie below as were up to the threshold."""
    near = threshold.astype(np.float32)
    return np.where(near > threshold, near, np.nextafter(near, np.float32(np.inf)))


class ForestLearner(TreesLearner):
    """A forest, grown when it is made."""

    def __init__(self, data: TrainingData, options: ForestOptions, seed: int) -> None:
        super().__init__(data, options)
        self.take(fit_forest(self.features(), self.soft, self.weight, options, seed))


class Forest(Method):
    """Extra trees or a random forest."""

    name = "forest"
    summary = "extra trees or a random forest on the target sensor's bands and their surroundings"
    uses_auxiliary = False
    holds_out = False
    Options = ForestOptions
    recipes = CONTEXT_RECIPES

    def learner(
        self, data: TrainingData, options: ForestOptions, seed: int, work: Work | None = None
    ) -> ForestLearner:
        """A grown forest."""
        return ForestLearner(data, options, seed)
