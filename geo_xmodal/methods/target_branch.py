"""The branch that maps: one network on the target sensor, shared by every method that trains one.

The controls are honest only if they train the same branch, with the same pixels, augmentation and steps, so
all of that lives here.
"""

from __future__ import annotations

import dataclasses
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Literal, Self, cast

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from geo_xmodal import processes
from geo_xmodal.class_shares import Floats, learned_of_counts, maximised, ratios
from geo_xmodal.errors import TrainingDataError
from geo_xmodal.kinds import KINDS
from geo_xmodal.methods.base import (
    Learner,
    LoopOptions,
    Pool,
    WeightGroup,
    class_weights,
    joined_pool,
    same_names,
)
from geo_xmodal.methods.rows import CHUNK, StoredRows
from geo_xmodal.methods.start_options import StartOptions
from geo_xmodal.networks import (
    Branch,
    NetworkSpec,
    PixelModel,
    Standardize,
    branch_help,
    check_spec,
    checked_branch,
)
from geo_xmodal.networks.backbones import AttentionName
from geo_xmodal.objectives import Supervised
from geo_xmodal.patches import FloatArray, LocalFunction
from geo_xmodal.types import TrainingData

_ROUNDS = 3
"""Of expectation maximisation, for the class shares behind soft labels."""


class BranchOptions(StartOptions, LoopOptions, ABC):
    """Options of how a target branch is trained; which network it is, a subclass says."""

    means: ClassVar[Mapping[str, str]] = same_names("augment", "noise", "balance")

    augment: bool = Field(True, description="turn and mirror patches")
    noise: float = Field(0.1, ge=0, description="noise on standardised input, in standard deviations")
    balance: bool = Field(True, description="weigh classes alike, however many labels each has")

    @property
    @abstractmethod
    def network(self) -> NetworkSpec:
        """The network of the target sensor: the controls train the same."""

    @model_validator(mode="after")
    def _network_exists(self) -> Self:
        check_spec(self.network)
        return self

    @property
    def margin(self) -> int:
        """Radius of the target patches."""
        return self.network.margin


class PixelBranchOptions(BranchOptions):
    """The branch of `hgr` and `cnn`: a network, which says which options are its own."""

    means: ClassVar[Mapping[str, str]] = same_names(
        "encoder", "contrasts", "kernels", "widths", "embedding", "dropout"
    )
    search: ClassVar[Mapping[str, tuple[str, ...]]] = {"dropout": ("0.1", "0.3", "0.5")}

    encoder: str = Field("pixel_cnn", description=branch_help())
    patch: int = Field(11, ge=1, description="side of the patches that backbones see, in pixels")
    attention: AttentionName = Field(
        "none",
        description="what follows the last two stages of a backbone: none, rda (residual deformable), "
        "deformable, cross_modal or cbam",
    )
    published: str = Field(
        "decur_s1", description="which of the encoders that others trained, where the encoder is `published`"
    )
    published_bands: tuple[str, ...] = Field(
        (), description="bands of the scene in the order of the published encoder, - for one that is missing"
    )
    wavelengths: tuple[float, ...] = Field(
        (), description="nanometres of each band, for a published encoder that takes any bands"
    )
    resized: int = Field(
        64, ge=8, le=512, description="side to which patches are enlarged for a published encoder, in pixels"
    )
    linear_head: bool = Field(
        False, description="classify the embedding of a backbone by a linear layer alone"
    )
    contrasts: tuple[int, ...] = Field((7, 15), description="sizes of the means that bands are held against")
    kernels: tuple[int, ...] = Field((5, 3), description="sizes of the valid convolutions")
    widths: tuple[int, ...] = Field((32, 64), description="features of each convolution")
    embedding: int = Field(64, ge=1, le=4096, description="features that a pixel is described by")
    dropout: float = Field(0.3, ge=0, lt=1, description="share of embedding features dropped in training")

    @property
    def network(self) -> NetworkSpec:
        """The encoder with those of the options that are its own."""
        return NetworkSpec.chosen(self.encoder, {name: getattr(self, name) for name in _BRANCH_SETTINGS})

    @field_validator("encoder")
    @classmethod
    def _encoder_exists(cls, name: str) -> str:
        return checked_branch(name)


_BRANCH_SETTINGS = PixelBranchOptions.model_fields.keys() - BranchOptions.model_fields.keys() - {"encoder"}


BRANCH_RECIPES: Mapping[str, Mapping[str, str]] = {
    kind.name: kind.branch for kind in KINDS.values() if kind.branch
}
"""Settings of the branch that did better on validation blocks, by kind of target sensor (docs/results.md)."""


class TaughtOptions(BranchOptions):
    """Options of methods that label the unlabelled pixels by a model, and learn these soft labels."""

    teacher_share: float = Field(1 / 3, gt=0, lt=1, description="share of the epochs for the teacher")
    distill_weight: float = Field(1.0, ge=0, description="weight of the soft labels of unlabelled pixels")
    soft_shares: Literal["labels", "unlabelled"] = Field(
        "labels",
        description="class shares behind soft labels: labels as they are weighed, or unlabelled (estimated)",
    )


class BranchLearner(Learner):
    """A learner with a target branch.

    Its pools hold what the branch's encoder sees: patches that are standardised and prepared, as both are the
    same in every step.
    """

    def __init__(self, data: TrainingData, options: BranchOptions) -> None:
        super().__init__()
        self.options = options
        self.data_classes = len(data.classes)
        self.statistics = data.target.statistics
        self.kind = data.target.kind
        self.model = self.fresh_model()
        labelled = joined_pool(data.labelled_pairs, data.labelled_target, labelled=True)
        unlabelled = joined_pool(data.unlabelled_pairs, data.unlabelled_target, labelled=False)
        self.labelled, self.unlabelled = self._prepared(labelled), self._prepared(unlabelled)
        label = cast(Tensor, labelled.label)
        self.class_weight: Tensor
        self.register_buffer(
            "class_weight",
            class_weights(label, self.data_classes) if options.balance else torch.ones(self.data_classes),
        )

    def fresh_model(self) -> PixelModel:
        """The branch with new weights, or those of the user's file."""
        model = PixelModel(self.options.network, self.statistics, self.data_classes)
        branch = cast(Branch, model.network)
        if self.options.weights is None and branch.wanted:
            raise TrainingDataError(branch.wanted)
        try:
            self.taken_for_granted = branch.fit_input(self.statistics, self.kind)
            if self.options.frozen:
                branch.freeze()
        except ValueError as error:
            raise TrainingDataError(str(error)) from None
        self.options.start(branch.start_from)
        return model

    def groups(self) -> tuple[WeightGroup, ...]:
        """All weights; those of a backbone apart where they learn more slowly."""
        slow = self.branch.pretrained() if self.options.backbone_rate < 1 else ()
        if not slow:
            return super().groups()
        known = {id(weight) for weight in slow}
        others = tuple(weight for weight in self.parameters() if id(weight) not in known)
        return WeightGroup(others), WeightGroup(slow, rate=self.options.backbone_rate)

    @property
    def branch(self) -> Branch:
        """The network behind the standardisation."""
        return cast(Branch, self.model.network)

    def _prepared(self, pool: Pool) -> Pool:
        """Patches as the encoder sees them.

        Of patches on disk this lies beside them, too; unless it is no more than their bands standardised.
        """
        standardize, prepare = Standardize(self.statistics), self.branch.prepare

        def prepared(patches: Tensor) -> Tensor:
            return prepare(standardize(patches).contiguous())

        def of_images(images: FloatArray) -> FloatArray:
            made = prepared(torch.from_numpy(images.copy()).movedim(-1, 1))
            return cast(FloatArray, made.movedim(1, -1).numpy())

        if not isinstance(pool.target, StoredRows) or self._prepared_size == (self.model.bands, 0):
            return dataclasses.replace(pool, target=pool.target.mapped(prepared, CHUNK))
        word = hashlib.sha256(repr((self.statistics, self.options.network)).encode()).hexdigest()[:16]
        patches = pool.target.patches.derived(LocalFunction(word, *self._prepared_size, of_images))
        return dataclasses.replace(pool, target=StoredRows(patches))

    @property
    def _prepared_size(self) -> tuple[int, int]:
        """How many numbers a pixel is prepared to, and how many pixels are lost on each side."""
        side = 2 * self.branch.margin + 1
        _, features, left, _ = self.branch.prepare(torch.zeros(1, self.model.bands, side, side)).shape
        return features, (side - left) // 2

    def embedded(self, prepared: Tensor) -> Tensor:
        """(n, embedding) of prepared patches."""
        return self.branch.encode(prepared).flatten(1)

    def classified(self, embedding: Tensor) -> Tensor:
        """(n, classes) logits of embeddings."""
        return cast(Tensor, self.branch.head(embedding[:, :, None, None])).flatten(1)

    def augmented(self, x: Tensor) -> Tensor:
        """Patches turned and mirrored (the whole batch alike), with noise."""
        if self.options.augment:
            turns, mirrored = processes.agreed(torch.randint(4, (2,))).tolist()
            x = torch.rot90(x, turns, (2, 3))
            if mirrored % 2:
                x = x.flip(3)
        return x + self.options.noise * torch.randn_like(x) if self.options.noise else x

    def supervised(self, weight: float = 1.0) -> Supervised:
        """Cross-entropy on labels, classes weighed alike if asked for."""
        return Supervised(self.class_weight, weight)

    def own_shares(self, walk: Callable[[], Iterable[Tensor]]) -> Tensor:
        """(classes,) class shares of unlabelled pixels by their soft labels; 1 where nobody asks for them.

        A few rounds of the estimate: a sure model needs no more, and an unsure one would end with a single
        class.
        """
        if cast(TaughtOptions, self.options).soft_shares == "labels" or not len(self.unlabelled):
            return torch.ones(self.data_classes)
        found, _ = maximised(
            lambda: (soft.double().cpu().numpy() for soft in walk()), self.learned_shares(), _ROUNDS
        )
        return torch.from_numpy(found)

    def taught(self, soft: Tensor, shares: Tensor) -> Tensor:
        """Soft labels (n, classes) of unlabelled pixels, brought to the class shares that these have."""
        if cast(TaughtOptions, self.options).soft_shares == "labels" or not len(soft):
            return soft
        ratio = ratios(self.learned_shares(), shares.double().cpu().numpy())
        odds = soft.double() * torch.from_numpy(ratio).to(soft.device)
        return (odds / odds.sum(1, keepdim=True)).to(soft.dtype)

    def learned_shares(self) -> Floats:
        """(classes,) number of labels, or 1 for each class that has any where classes are weighed alike."""
        counts = torch.bincount(cast(Tensor, self.labelled.label), minlength=self.data_classes).numpy()
        return learned_of_counts(counts, balanced=self.options.balance)

    def findings(self) -> dict[str, Any]:
        """What was taken for granted about values that an encoder of others sees."""
        return {"published": {"taken": self.taken_for_granted}} if self.taken_for_granted else {}

    def pixel_model(self) -> PixelModel:
        """The branch with its standardisation."""
        return self.model
