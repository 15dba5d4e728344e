"""Gradient-boosted trees on the target sensor's context features: XGBoost.

Chen and Guestrin 2016, "XGBoost: A Scalable Tree Boosting System" (doi:10.1145/2939672.2939785). Its models
are read as JSON and kept as tensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, model_validator

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods.base import Method, Work
from geo_xmodal.methods.boosting_cluster import Part, fit_on_cluster
from geo_xmodal.methods.boosting_steps import (
    BoostingGrowth,
    booster_tensors,
    gradients,
    probabilities,
    settings_of,
)
from geo_xmodal.methods.context_trees import (
    CONTEXT_RECIPES,
    ContextTreesOptions,
    TreesLearner,
    context_features,
    feature_parts,
)
from geo_xmodal.networks import TreeTensors
from geo_xmodal.types import FloatArray, IntArray, TrainingData


class BoostingOptions(BoostingGrowth, ContextTreesOptions):
    """Options of `boosting`."""

    search: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "learning_rate": ("0.05", "0.1", "0.2"),
        "max_depth": ("2", "4", "6"),
        "rounds": ("50", "100", "200"),
    }

    scheduler: str | None = Field(
        None, description="address of a Dask scheduler whose workers grow the trees, for pixels beyond memory"
    )

    @model_validator(mode="after")
    def _patience_is_of_one_machine(self) -> BoostingOptions:
        if self.scheduler and self.patience:
            raise ValueError("patience stops by pixels of this machine: a scheduler's workers do all rounds")
        return self


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
        settings_of(options, seed) | {"nthread": torch.get_num_threads()},
        rows,
        options.rounds,
        obj=gradients,
        **stopping,
    )
    if stopping:
        grown = grown[: grown.best_iteration + 1]
    return booster_tensors(grown, classes)


def _cross_entropy(logits: npt.NDArray[Any], rows: Any) -> tuple[str, float]:
    soft = rows.get_label().reshape(logits.shape)
    return "cross_entropy", float(-(soft * np.log(probabilities(logits) + 1e-12)).sum(1).mean())


class BoostingLearner(TreesLearner):
    """Boosted trees, grown when the learner is made."""

    def __init__(self, data: TrainingData, options: BoostingOptions, seed: int) -> None:
        super().__init__(data, options)
        if options.scheduler is not None:
            self.take(fit_on_cluster(self._parts(), options, seed, options.scheduler))
            return
        held_out = None
        if options.patience:
            held = data.validation
            held_out = (
                context_features(held.target, self.statistics, self.context),
                cast(IntArray, held.label),
            )
        self.take(fit_boosting(self.features(), self.soft, self.weight, options, seed, held_out))

    def _parts(self) -> Iterator[Part]:
        start = 0
        for part in feature_parts(self.patches, self.statistics, self.context):
            rows = slice(start, start := start + len(part))
            yield part, self.soft[rows], self.weight[rows]


class Boosting(Method):
    """XGBoost."""

    name = "boosting"
    summary = "gradient-boosted trees (XGBoost) on the target sensor's bands and their surroundings"
    uses_auxiliary = False
    holds_out = False
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
