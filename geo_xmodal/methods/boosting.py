"""Gradient-boosted trees on the target sensor's context features: XGBoost.

Chen and Guestrin 2016, "XGBoost: A Scalable Tree Boosting System" (doi:10.1145/2939672.2939785). Its models
are read as JSON and kept as tensors.
"""

from __future__ import annotations

import json
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods.base import Method, Options, Work
from geo_xmodal.methods.context_trees import (
    CONTEXT_RECIPES,
    ContextTreesOptions,
    TreesLearner,
    context_features,
)
from geo_xmodal.methods.grown_trees import GrownTree, boosted_tensors
from geo_xmodal.networks import TreeTensors
from geo_xmodal.types import FloatArray, IntArray, TrainingData

_GRADIENT_STEP = 2.0**-20
"""Gradients are whole multiples of it: their sums are exact in float64, in whatever order threads add."""


class BoostingGrowth(Options):
    """How boosted trees grow."""

    rounds: int = Field(100, ge=1, le=5000, description="trees a class")
    learning_rate: float = Field(0.1, gt=0, le=1, description="share of a tree's answer that is added")
    max_depth: int = Field(4, ge=1, le=20, description="levels of a tree at most")
    min_weight: float = Field(1.0, ge=0, description="sum of the second derivatives in a leaf at least")
    row_share: float = Field(0.8, gt=0, le=1, description="share of the pixels that a tree sees")
    split_share: float = Field(0.2, gt=0, le=1, description="share of the features tried at a split")
    regularisation: float = Field(1.0, ge=0, description="penalty on the squared answers of leaves (lambda)")
    patience: int = Field(
        0, ge=0, description="stop after so many rounds without gain on validation pixels; 0 takes all rounds"
    )


class BoostingOptions(BoostingGrowth, ContextTreesOptions):
    """Options of `boosting`."""


def fit_boosting(
    features: FloatArray,
    soft: npt.NDArray[np.floating],
    weight: npt.NDArray[np.floating],
    options: BoostingGrowth,
    seed: int,
    held_out: tuple[FloatArray, IntArray] | None = None,
) -> TreeTensors:
    """Boosted trees of pixels whose classes are known for sure or by probability.

    They reduce the weighted cross-entropy to the probabilities, one tree a class and round. The result
    depends on the seed and not on the number of threads.

    Args:
        features: (n, d).
        soft: (n, classes), rows of sum 1.
        weight: (n,), what each pixel counts.
        options: how they grow.
        seed: of everything drawn.
        held_out: features (m, d) and class indices (m,) of pixels that say when to stop.
    """
    import xgboost  # slow to import

    classes = soft.shape[1]
    rows = xgboost.DMatrix(features, label=soft, weight=weight)
    stopping: dict[str, Any] = {}
    if options.patience and held_out is not None:
        held = xgboost.DMatrix(held_out[0], label=np.eye(classes)[held_out[1]])
        stopping = {
            "evals": [(held, "held")],
            "custom_metric": _cross_entropy,
            "early_stopping_rounds": options.patience,
            "verbose_eval": False,
        }
    grown = xgboost.train(
        _settings(options, seed) | {"nthread": torch.get_num_threads()},
        rows,
        options.rounds,
        obj=_gradients,
        **stopping,
    )
    if stopping:
        grown = grown[: grown.best_iteration + 1]
    return _tensors(grown, classes)


def _settings(options: BoostingGrowth, seed: int) -> dict[str, Any]:
    return {
        "tree_method": "hist",
        "max_depth": options.max_depth,
        "learning_rate": options.learning_rate,
        "min_child_weight": options.min_weight,
        "subsample": options.row_share,
        "colsample_bynode": options.split_share,
        "reg_lambda": options.regularisation,
        "base_score": 0.0,
        "seed": seed % 2**31,
        "disable_default_eval_metric": True,
        "verbosity": 0,
    }


def _probabilities(logits: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    power = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    return cast(npt.NDArray[np.float64], power / power.sum(axis=1, keepdims=True))


def _gradients(logits: npt.NDArray[Any], rows: Any) -> tuple[FloatArray, FloatArray]:
    """First and second derivatives of the cross-entropy; the second as XGBoost's own softmax takes it."""
    soft, weight = rows.get_label().reshape(logits.shape), rows.get_weight()[:, None]
    p = _probabilities(logits)
    return _whole(weight * (p - soft)), _whole(weight * 2 * p * (1 - p))


def _whole(values: npt.NDArray[np.float64]) -> FloatArray:
    return (np.round(values / _GRADIENT_STEP) * _GRADIENT_STEP).astype(np.float32)


def _cross_entropy(logits: npt.NDArray[Any], rows: Any) -> tuple[str, float]:
    soft = rows.get_label().reshape(logits.shape)
    return "cross_entropy", float(-(soft * np.log(_probabilities(logits) + 1e-12)).sum(1).mean())


def _tensors(booster: Any, classes: int) -> TreeTensors:
    """XGBoost's trees, of which values below a threshold go left, as tensors."""
    model = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]
    trees = []
    for tree in model["trees"]:
        condition = np.array(tree["split_conditions"], np.float32)
        trees.append(
            GrownTree(
                np.array(tree["left_children"]),
                np.array(tree["right_children"]),
                np.array(tree["split_indices"]),
                condition,
                condition[:, None],  # of a leaf, its answer
            )
        )
    return boosted_tensors(trees, model["tree_info"], np.zeros(classes, np.float32))


class BoostingLearner(TreesLearner):
    """Boosted trees, grown when the learner is made."""

    def __init__(self, data: TrainingData, options: BoostingOptions, seed: int) -> None:
        super().__init__(data, options)
        held_out = None
        if options.patience:
            held = data.validation
            held_out = (
                context_features(held.target, self.statistics, self.context),
                cast(IntArray, held.label),
            )
        self.take(fit_boosting(self.features, self.soft, self.weight, options, seed, held_out))


class Boosting(Method):
    """XGBoost."""

    name = "boosting"
    summary = "gradient-boosted trees (XGBoost) on the target sensor's bands and their surroundings"
    uses_rich = False
    Options = BoostingOptions
    recipes = CONTEXT_RECIPES

    def check(self, data: TrainingData, options: BoostingOptions) -> None:
        """Stopping early needs validation pixels."""
        if options.patience and not len(data.validation):
            raise TrainingDataError(
                f"patience={options.patience} stops by validation pixels and there are none: "
                "give validation=0.2 or so, or patience=0"
            )

    def learner(
        self, data: TrainingData, options: BoostingOptions, seed: int, work: Work | None = None
    ) -> BoostingLearner:
        """Grown trees."""
        self.check(data, options)
        return BoostingLearner(data, options, seed)
