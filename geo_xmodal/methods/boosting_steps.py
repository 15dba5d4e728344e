"""One step of boosting, wherever its pixels lie: how trees grow, gradients, and trees as tensors."""

from __future__ import annotations

import json
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from pydantic import Field

from geo_xmodal.methods.base import Options
from geo_xmodal.methods.grown_trees import GrownTree, boosted_tensors
from geo_xmodal.networks import TreeTensors
from geo_xmodal.types import FloatArray

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


def settings_of(options: BoostingGrowth, seed: int) -> dict[str, Any]:
    """What XGBoost is asked for."""
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


def probabilities(logits: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Softmax of each row."""
    power = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    return cast(npt.NDArray[np.float64], power / power.sum(axis=1, keepdims=True))


def gradients(logits: npt.NDArray[Any], rows: Any) -> tuple[FloatArray, FloatArray]:
    """First and second derivatives of the cross-entropy; the second as XGBoost's own softmax takes it."""
    soft, weight = rows.get_label().reshape(logits.shape), rows.get_weight()[:, None]
    p = probabilities(logits)
    return _whole(weight * (p - soft)), _whole(weight * 2 * p * (1 - p))


def _whole(values: npt.NDArray[np.float64]) -> FloatArray:
    return (np.round(values / _GRADIENT_STEP) * _GRADIENT_STEP).astype(np.float32)


def booster_tensors(booster: Any, classes: int) -> TreeTensors:
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
