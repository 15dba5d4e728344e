"""What teachers see of a pixel: components of the auxiliary sensor, and the target sensor at two reaches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from geo_xmodal.methods.auxiliary_side import CHUNK, AuxiliaryInput
from geo_xmodal.methods.context_trees import context_features
from geo_xmodal.networks import ContextOptions
from geo_xmodal.patches import FloatArray, Patches, joined_patches
from geo_xmodal.types import BandStatistics, TrainingData

View = Literal["near", "context"]
"""`near`: the mean of the 3 x 3 target pixels; `context`: the target's context features."""

SIZES = (3, 7, 15)
"""Squares that context features are taken in, as far as the patches of the method reach."""


@dataclass(frozen=True, eq=False)
class Views:
    """Features of labelled pixels, pairs first, and of unlabelled pairs.

    Attributes:
        auxiliary: (pairs, components) of the labelled pairs.
        auxiliary_unlabelled: (unlabelled pairs, components).
        target: by view, (labelled pixels, features).
        target_unlabelled: by view, (unlabelled pairs, features).
        reach: target pixels on each side that the farther view looks at.
    """

    auxiliary: FloatArray
    auxiliary_unlabelled: FloatArray
    target: Mapping[View, FloatArray]
    target_unlabelled: Mapping[View, FloatArray]
    reach: int

    def labelled(self, view: View, with_auxiliary: bool) -> FloatArray:
        """Rows of labelled pixels: of the pairs with the auxiliary sensor, of all without it."""
        if not with_auxiliary:
            return self.target[view]
        return np.concatenate([self.auxiliary, self.target[view][: len(self.auxiliary)]], 1)

    def unlabelled(self, view: View, with_auxiliary: bool) -> FloatArray:
        """Rows of the unlabelled pairs."""
        seen = self.target_unlabelled[view]
        return np.concatenate([self.auxiliary_unlabelled, seen], 1) if with_auxiliary else seen


def views_of(data: TrainingData, components: int, auxiliary_radius: int) -> Views:
    """Features of all pixels that a teacher learns from or is asked about.

    Args:
        data: with an auxiliary sensor.
        components: principal components of the auxiliary bands, at most.
        auxiliary_radius: auxiliary pixels around that are averaged.

    Raises:
        TrainingDataError: Fewer than two pixels have both sensors.
        MemoryShortageError: The features do not fit into memory.
    """
    auxiliary_input = AuxiliaryInput(data, components, auxiliary_radius)
    sizes = tuple(size for size in SIZES if size // 2 <= data.margin)
    context = ContextOptions(context=("mean", "std", "min", "max") if sizes else (), sizes=sizes)
    near = ContextOptions(context=("mean",), sizes=(3,)) if data.margin else ContextOptions()
    labelled = joined_patches([data.labelled_pairs.target, data.labelled_target.target])
    target, unlabelled = (
        {
            "near": _near(patches, data.target.statistics, near),
            "context": context_features(patches, data.target.statistics, context),
        }
        for patches in (labelled, data.unlabelled_pairs.target)
    )
    return Views(
        _components(data.labelled_pairs.auxiliary, auxiliary_input),
        _components(data.unlabelled_pairs.auxiliary, auxiliary_input),
        target,  # type: ignore[arg-type]
        unlabelled,  # type: ignore[arg-type]
        context.margin,
    )


def _near(patches: Patches, statistics: BandStatistics, options: ContextOptions) -> FloatArray:
    """(n, band): the mean around, which follows the bands themselves where patches have surroundings."""
    return context_features(patches, statistics, options)[:, -len(statistics.bands) :]


def _components(auxiliary: Patches | None, auxiliary_input: AuxiliaryInput) -> FloatArray:
    if auxiliary is None or not len(auxiliary):
        return np.zeros((0, auxiliary_input.features), np.float32)
    with torch.inference_mode():
        parts = [auxiliary_input(torch.from_numpy(part)).numpy() for part in auxiliary.parts(CHUNK)]
    return np.concatenate(parts)
