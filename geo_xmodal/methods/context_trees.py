"""What `forest` and `boosting` share: context features of training pixels, and trees as a pixel model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, ValidationError, field_validator
from torch import Tensor

from geo_xmodal.class_shares import Floats, learned_of_counts
from geo_xmodal.errors import TrainingDataError
from geo_xmodal.kinds import KINDS
from geo_xmodal.memory import check_memory
from geo_xmodal.methods.base import Batch, Learner, Options, class_weights, joined_pool, same_names
from geo_xmodal.methods.rows import CHUNK
from geo_xmodal.methods.svm import label_of, labelled_patches
from geo_xmodal.networks import (
    Context,
    ContextOptions,
    NetworkSpec,
    PixelModel,
    Standardize,
    Trees,
    TreeTensors,
)
from geo_xmodal.networks.context import Feature, Ratios
from geo_xmodal.patches import Patches
from geo_xmodal.small_files import first_problem
from geo_xmodal.types import BandStatistics, FloatArray, TrainingData

_SOLVER_COPIES = 3
"""Features as they are computed, as they are joined, and what a solver makes of them."""


class ContextTreesOptions(Options):
    """Options of methods that train trees on context features."""

    means: ClassVar[Mapping[str, str]] = same_names("balance")

    context: tuple[Feature, ...] = Field(
        ("mean", "std", "min", "max"),
        description="features of the surroundings: mean, contrast, std, min, max, texture, gradient; or none",
    )
    sizes: tuple[int, ...] = Field((3, 7, 15), description="sizes of the squares that they are taken in")
    openings: tuple[int, ...] = Field((3, 7, 11), description="sizes of grey-scale openings and closings")
    ratios: Ratios = Field("none", description="pairs of bands: none, difference or index (a - b) / (a + b)")
    balance: bool = Field(True, description="weigh classes alike, however many labels each has")

    @field_validator("sizes", "openings")
    @classmethod
    def _sizes_can_be(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        try:
            ContextOptions(sizes=sizes)
        except ValidationError as error:
            raise ValueError(first_problem(error)) from None
        return sizes

    @property
    def margin(self) -> int:
        """Radius of the target patches."""
        return ContextOptions(context=self.context, sizes=self.sizes, openings=self.openings).margin

    def context_of(self, statistics: BandStatistics) -> ContextOptions:
        """The features of bands with these statistics.

        Raises:
            TrainingDataError: They are too many.
        """
        made = ContextOptions(
            context=self.context,
            sizes=self.sizes,
            openings=self.openings,
            ratios=self.ratios,
            level=statistics.mean if self.ratios == "index" else (),
            spread=statistics.std if self.ratios != "none" else (),
        )
        try:
            made.features(len(statistics.bands))
        except ValueError as error:
            raise TrainingDataError(str(error)) from None
        return made


CONTEXT_RECIPES: Mapping[str, Mapping[str, str]] = {
    kind.name: kind.context for kind in KINDS.values() if kind.context
}
"""Settings of the context that did better on validation blocks, by kind of target sensor."""


def context_features(patches: Patches, statistics: BandStatistics, options: ContextOptions) -> FloatArray:
    """Features of the middle pixels of patches of raw values.

    Returns:
        (n, features).

    Raises:
        MemoryShortageError: They do not fit into memory.
    """
    context = Context(len(statistics.bands), options)
    check_memory(
        f"trees on {context.features} features of {len(patches):,} pixels",
        _SOLVER_COPIES * 4 * len(patches) * context.features,
        "lower labels_per_class or unlabelled, or take fewer kinds of context",
    )
    return np.concatenate(list(feature_parts(patches, statistics, options)))


def feature_parts(
    patches: Patches, statistics: BandStatistics, options: ContextOptions
) -> Iterator[FloatArray]:
    """The same, some thousand pixels at a time."""
    context, standardize = Context(len(statistics.bands), options), Standardize(statistics)
    near = patches.cropped(context.margin)
    for part in near.parts(near.chunk(CHUNK)):
        with torch.inference_mode():
            made = context(standardize(torch.from_numpy(part))).flatten(1)
        yield made.numpy()


def trees_model(
    statistics: BandStatistics, classes: int, context: ContextOptions, trees: TreeTensors
) -> PixelModel:
    """A pixel model of trees that were fitted on `context_features`."""
    # Lists: what a card says of the network when it is read again.
    settings = context.model_dump(mode="json", exclude_defaults=True)
    model = PixelModel(NetworkSpec("trees", {**settings, **trees.sizes}), statistics, classes)
    network = model.network
    assert isinstance(network, Trees)
    network.fill(trees)
    return model.eval()


class TreesLearner(Learner):
    """Trees fitted when they are made: there are no stages.

    Attributes:
        patches: around the labelled pixels.
        soft: (n, classes), their labels as probabilities.
        weight: (n,), what each counts.
    """

    model: PixelModel

    def __init__(self, data: TrainingData, options: ContextTreesOptions) -> None:
        super().__init__()
        self.statistics, self.classes = data.target.statistics, len(data.classes)
        self.labelled = joined_pool(data.labelled_pairs, data.labelled_target, labelled=True)
        self.unlabelled = self.labelled.empty()
        self.context = options.context_of(self.statistics)
        self.patches = labelled_patches(data)
        label = label_of(self.labelled)
        counts = np.bincount(label, minlength=self.classes)
        self._learned = learned_of_counts(counts, balanced=options.balance)
        self.soft: npt.NDArray[np.float64] = np.eye(self.classes)[label]
        self.weight = np.ones(len(label))
        if options.balance:
            self.weight = class_weights(torch.from_numpy(label), self.classes).numpy().astype(float)[label]

    def features(self) -> FloatArray:
        """(n, features) of the labelled pixels.

        Raises:
            MemoryShortageError: They do not fit into memory.
        """
        return context_features(self.patches, self.statistics, self.context)

    def take(self, trees: TreeTensors) -> None:
        """Keep the trees that were fitted; what they were fitted on goes."""
        self.model = trees_model(self.statistics, self.classes, self.context, trees)
        del self.patches, self.soft, self.weight

    def loss(self, stage: int, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """Nothing is left to learn."""
        return {}

    def learned_shares(self) -> Floats:
        """(classes,) number of labels, or 1 for each class that has any where classes are weighed alike."""
        return self._learned

    def pixel_model(self) -> PixelModel:
        """The trees."""
        return self.model
