"""Small models of trees, grown on made-up pixels."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from geo_xmodal.methods.boosting import fit_boosting
from geo_xmodal.methods.boosting_steps import BoostingGrowth
from geo_xmodal.methods.context_trees import trees_model
from geo_xmodal.methods.forest import ForestGrowth, fit_forest
from geo_xmodal.networks import ContextOptions, PixelModel
from geo_xmodal.types import BandStatistics


def small_trees(
    statistics: BandStatistics,
    classes: int,
    kind: Literal["forest", "boosting"] = "forest",
    trees: int = 12,
    **context: Any,
) -> PixelModel:
    """Trees on some context of bands that are standardised; classes lie along sums of the features."""
    options = ContextOptions(**{"context": ("mean", "std"), "sizes": (3, 5), "openings": (3,), **context})
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60 * classes, options.features(len(statistics.bands)))).astype(np.float32)
    order = np.argsort(features.sum(1) + rng.normal(size=len(features)))
    label = np.empty(len(features), np.int64)
    label[order] = np.arange(len(features)) * classes // len(features)
    soft, weight = np.eye(classes)[label], np.ones(len(label))
    if kind == "forest":
        grown = fit_forest(features, soft, weight, ForestGrowth(trees=trees, max_depth=8), 0)
    else:
        growth = BoostingGrowth(rounds=trees, max_depth=3, learning_rate=0.3)
        grown = fit_boosting(features, soft, weight, growth, 0)
    return trees_model(statistics, classes, options, grown)
