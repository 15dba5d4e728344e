"""Cross-validation of labelled pixels in spatial blocks: folds, and scores of probabilities out of fold."""

from __future__ import annotations

from geo_xmodal.selection.blocks import BoolArray, blocks_of, counts_by_block, near
from geo_xmodal.selection.calibration import softened, temperature_of
from geo_xmodal.selection.folds import Folds, block_folds
from geo_xmodal.selection.places import Places, labelled_places, unlabelled_places
from geo_xmodal.selection.scores import (
    Measure,
    Probabilities,
    Score,
    beyond_chance,
    difference,
    pooled,
    score,
)

__all__ = [
    "BoolArray",
    "Folds",
    "Measure",
    "Places",
    "Probabilities",
    "Score",
    "beyond_chance",
    "block_folds",
    "blocks_of",
    "counts_by_block",
    "difference",
    "labelled_places",
    "near",
    "pooled",
    "score",
    "softened",
    "temperature_of",
    "unlabelled_places",
]
