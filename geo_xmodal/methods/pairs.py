"""What methods share that train a target branch beside an encoder of the auxiliary sensor, pair by pair."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, Self, cast

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods.auxiliary_side import AuxiliaryInput
from geo_xmodal.methods.base import Pool, joined_pool, same_names
from geo_xmodal.methods.published_auxiliary import AuxiliaryOptions
from geo_xmodal.methods.rows import absent
from geo_xmodal.methods.target_branch import BranchLearner, PixelBranchOptions
from geo_xmodal.networks import SpectralEncoder, branch_class
from geo_xmodal.types import PixelGroup, TrainingData

MIN_PAIRS = 2
"""Labelled pairs that an encoder needs: batch norm has no variance of one."""


def check_pairs(data: TrainingData, name: str, instead: str = "cnn") -> None:
    """See that there are labelled pairs for a method to learn from.

    Args:
        data: what it learns from.
        name: of the method.
        instead: of one that does without them.

    Raises:
        TrainingDataError: There are fewer than `MIN_PAIRS`.
    """
    if data.auxiliary is None or len(data.labelled_pairs) < MIN_PAIRS:
        raise TrainingDataError(
            f"{len(data.labelled_pairs)} labelled pixels have both sensors, {name} needs {MIN_PAIRS}: "
            f"label pixels where the auxiliary sensor has data, or use `{instead}`, which learns without it"
        )


class PairOptions(AuxiliaryOptions, PixelBranchOptions):
    """Options of a target branch, and of what is seen of the auxiliary sensor."""

    means: ClassVar[Mapping[str, str]] = same_names("components", "auxiliary_radius")

    components: int = Field(15, ge=1, le=4096, description="principal components of the auxiliary bands")
    auxiliary_radius: int = Field(1, ge=0, le=8, description="auxiliary pixels around that are averaged")

    @property
    def auxiliary_margin(self) -> int:
        """Radius of the auxiliary patches."""
        around = 0 if self.patch_encoder is None else self.margin
        return max(self.auxiliary_radius, around, self.published_margin)

    @model_validator(mode="after")
    def _auxiliary_has_one_encoder(self) -> Self:
        if self.auxiliary_encoder is not None and self.patch_encoder is not None:
            raise ValueError(
                f"{self.encoder} embeds patches of the auxiliary sensor itself, so that auxiliary_encoder "
                "has no place; choose an encoder such as pixel_cnn or published"
            )
        return self

    @property
    def patch_encoder(self) -> type[nn.Module] | None:
        """What embeds patches of the auxiliary sensor, where the branch sees patches as pictures."""
        return branch_class(self.encoder).patch_encoder


class PairLearner(BranchLearner):
    """A branch learner whose pools hold the auxiliary sensor as the few numbers that networks read.

    A subclass that embeds them sets `auxiliary_encoder` to `new_auxiliary_encoder(width)`.
    """

    options: PairOptions
    auxiliary_encoder: nn.Module

    def __init__(self, data: TrainingData, options: PairOptions) -> None:
        super().__init__(data, options)
        self.labelled_pairs = len(data.labelled_pairs)
        self.auxiliary_input = AuxiliaryInput(data, options.components, options.auxiliary_radius)
        self.labelled, self.unlabelled = self._condensed(self.labelled), self._condensed(self.unlabelled)

    def pool_of(self, pixels: PixelGroup) -> Pool:
        """Pixels that have both sensors, as its own pools hold them; without labels."""
        none = pixels.take(np.empty(0, np.int64)).without_auxiliary()
        return self._condensed(self._prepared(joined_pool(pixels, none, labelled=False)))

    def new_auxiliary_encoder(self, width: int) -> nn.Module:
        """An encoder of the auxiliary sensor, as wide as the branch's embedding, with new weights."""
        options, features = self.options, self.auxiliary_input.features
        if options.patch_encoder is None:
            return SpectralEncoder(features, (width,), options.embedding, options.dropout)
        return options.patch_encoder(features, options.embedding)

    def _condensed(self, pool: Pool) -> Pool:
        """Auxiliary patches as the few numbers a pixel that networks read; NaN rows stay NaN.

        An encoder of patches reads these numbers of the pixels around, too: they follow as a patch.
        """
        size = self.auxiliary_input.features
        if self.options.patch_encoder is not None:
            size += size * (2 * self.options.auxiliary_margin + 1) ** 2
        if pool.auxiliary is None:
            return dataclasses.replace(pool, auxiliary=absent(len(pool), size))
        around = self.options.patch_encoder is not None
        return dataclasses.replace(pool, auxiliary=self.auxiliary_input.condensed(pool.auxiliary, around))

    def auxiliary_embedded(self, auxiliary: Tensor) -> Tensor:
        """(n, embedding) of what the pools hold of the auxiliary sensor, with noise."""
        noisy = auxiliary + self.options.noise * torch.randn_like(auxiliary)
        return cast(Tensor, self.auxiliary_encoder(self.auxiliary_seen(noisy)))

    def auxiliary_seen(self, auxiliary: Tensor) -> Tensor:
        """What an encoder sees of what the pools hold: numbers of the pixel, or those around as a patch."""
        if self.options.patch_encoder is None:
            return auxiliary
        side = 2 * self.options.auxiliary_margin + 1
        return auxiliary[:, self.auxiliary_input.features :].reshape(len(auxiliary), -1, side, side)
