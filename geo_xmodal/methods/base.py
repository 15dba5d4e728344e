"""What a method is: a way to learn a target-sensor model from pairs."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from geo_xmodal.class_shares import Floats, HeldOut
from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods.rows import Rows, rows_of
from geo_xmodal.networks import PixelModel, Tiling
from geo_xmodal.old_names import with_new_names
from geo_xmodal.patches import AbsentPatches, joined_patches
from geo_xmodal.types import IntArray, PixelGroup, Progress, TrainingData


class Options(BaseModel):
    """Options of a method: each may be set by the setting `key=value`, lists as `key=5,3`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    means: ClassVar[Mapping[str, str]] = {}
    """Which of the common means (`methods.means`) these options can take: their names, and the options'; an
    empty name takes one of a base away."""
    search: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Values that a comparison may try on validation blocks, by option; () takes those of a base away."""

    @classmethod
    def common_means(cls) -> Mapping[str, str]:
        """`means` with those of all bases."""
        return _with_bases(cls, "means")

    @classmethod
    def search_space(cls) -> Mapping[str, tuple[str, ...]]:
        """`search` with that of all bases."""
        return _with_bases(cls, "search")

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            return raw
        raw = with_new_names(raw)
        lists = {
            name
            for name, info in cls.model_fields.items()
            if "tuple" in str(info.annotation) or "list" in str(info.annotation)
        }
        return {
            key: [part for part in value.split(",") if part]
            if key in lists and isinstance(value, str)
            else value
            for key, value in raw.items()
        }

    @property
    def margin(self) -> int:
        """Radius of the target patches that the method learns from."""
        return 0

    @property
    def auxiliary_margin(self) -> int:
        """Radius of the auxiliary sensor's patches that the method learns from."""
        return 0

    @property
    def tiling(self) -> Tiling | None:
        """Tiles of a network that learns from windows; None for methods on pixels."""
        return None

    def auxiliary_seen(self, data: TrainingData) -> TrainingData:
        """Training data with the auxiliary sensor as the method sees it; as it is by default."""
        return data

    @property
    def steps(self) -> int:
        """About how long a method takes that is no loop of steps, in steps of others: for progress."""
        return 1

    @property
    def transductive(self) -> bool:
        """Whether unlabelled test pixels take part: an option `legacy` of a method means its paper's way."""
        return bool(getattr(self, "legacy", False))


def _with_bases(cls: type[Options], name: str) -> dict[str, Any]:
    """The entries of a mapping of a class and of all of its bases, which it overrides; empty ones go."""
    merged: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        merged |= vars(base).get(name, {})
    return {key: value for key, value in merged.items() if value}


def same_names(*names: str) -> Mapping[str, str]:
    """Common means that are options by the same name."""
    return dict(zip(names, names, strict=True))


class LoopOptions(Options):
    """What every method that is trained by gradient steps can be told."""

    means: ClassVar[Mapping[str, str]] = same_names(
        "epochs", "batch_size", "label_batch", "pass_over", "least_steps", "optimizer", "learning_rate",
        "weight_decay", "schedule", "warm_up",
    )  # fmt: skip
    search: ClassVar[Mapping[str, tuple[str, ...]]] = {"learning_rate": ("0.0005", "0.001", "0.002", "0.005")}

    epochs: int = Field(30, ge=1, description="passes over the training pixels, all stages together")
    batch_size: int = Field(512, ge=2, description="unlabelled pixels in a step")
    label_batch: int = Field(128, ge=2, description="labelled pixels in a step")
    pass_over: Literal["all", "labels"] = Field(
        "all", description="pixels that an epoch passes over: all, or the labelled ones (as papers count)"
    )
    least_steps: int = Field(20, ge=1, description="steps in an epoch at least")
    optimizer: Literal["adam", "adamw", "lion", "lars"] = Field(
        "adamw", description="adam, adamw, lion or lars"
    )
    learning_rate: float = Field(2e-3, gt=0, description="highest learning rate")
    weight_decay: float = Field(1e-2, ge=0, description="weight decay (decoupled in adamw)")
    schedule: Literal["cosine", "poly", "constant"] = Field(
        "cosine", description="how the learning rate falls: cosine, poly (X-ModalNet) or constant"
    )
    power: float = Field(0.98, gt=0, description="exponent of the poly schedule (X-ModalNet: 0.98)")
    warm_up: float = Field(
        0.0,
        ge=0,
        description="part of each stage in which the rate rises: a share of it, or epochs from 1 on",
    )
    accumulate: int = Field(1, ge=1, le=1000, description="batches whose gradients make one step together")
    clip: float | None = Field(None, gt=0, description="norm that all gradients together have at most")

    @property
    def by_steps(self) -> bool:
        """Whether there are steps at all: of some methods, an option decides."""
        return True


@dataclass(frozen=True)
class Stage:
    """A part of the training with its own optimiser.

    Attributes:
        name: In logs.
        share: Of the epochs.
        unlabelled: Whether its steps see unlabelled pixels, which are not drawn else.
    """

    name: str
    share: float = 1.0
    unlabelled: bool = True


@dataclass(frozen=True)
class Batch:
    """Pixels of one step. `index` says where in their pool they stand; `auxiliary` is NaN where absent."""

    index: Tensor
    target: Tensor
    auxiliary: Tensor | None
    label: Tensor | None

    def to(self, device: torch.device) -> Batch:
        """The same pixels on a device."""
        return Batch(
            self.index.to(device),
            self.target.to(device),
            None if self.auxiliary is None else self.auxiliary.to(device),
            None if self.label is None else self.label.to(device),
        )


@dataclass(frozen=True)
class Pool:
    """Pixels that batches are drawn from: a labelled or an unlabelled pool."""

    target: Rows
    auxiliary: Rows | None
    label: Tensor | None

    def __len__(self) -> int:
        return len(self.target)

    @property
    def held(self) -> bool:
        """Whether all that is known of the pixels lies in memory."""
        return self.target.held is not None and (self.auxiliary is None or self.auxiliary.held is not None)

    @property
    def chunk(self) -> int:
        """Pixels that are looked at at a time where all are."""
        return self.target.chunk if self.auxiliary is None else min(self.target.chunk, self.auxiliary.chunk)

    def draw(self, index: Tensor) -> Batch:
        """The pixels at `index` as a batch."""
        return Batch(
            index,
            self.target.take(index),
            None if self.auxiliary is None else self.auxiliary.take(index),
            None if self.label is None else self.label[index],
        )

    def empty(self) -> Pool:
        """A pool of the same kind without pixels."""
        none = torch.arange(0)
        return Pool(
            self.target.some(none),
            None if self.auxiliary is None else self.auxiliary.some(none),
            None if self.label is None else self.label[none],
        )


def joined_pool(pairs: PixelGroup, target_only: PixelGroup, labelled: bool) -> Pool:
    """Pairs first, then target-only pixels, whose `auxiliary` is NaN; None where there are no pairs."""
    target = joined_patches([pairs.target, target_only.target])
    auxiliary = None
    if pairs.auxiliary is not None and len(pairs):
        unseen = AbsentPatches((len(target_only), *pairs.auxiliary.shape[1:]))
        auxiliary = rows_of(joined_patches([pairs.auxiliary, unseen]))
    label = None
    if labelled:
        parts = [group.label for group in (pairs, target_only) if group.label is not None and len(group)]
        label = torch.from_numpy(np.concatenate(parts).astype(np.int64))
    return Pool(rows_of(target), auxiliary, label)


@dataclass(frozen=True)
class WeightGroup:
    """Weights that learn alike, such as those of a pretrained backbone.

    Attributes:
        weights: which they are.
        rate: share of the learning rate.
        decay: share of the weight decay.
    """

    weights: tuple[nn.Parameter, ...]
    rate: float = 1.0
    decay: float = 1.0


class Learner(nn.Module, ABC):
    """A method at work on one set of training data.

    Its whole state is its `state_dict` (anything that a stage computes is a buffer), so that a run can stop
    after any epoch and go on to the same bytes. All randomness in a step is torch's own, seeded by the loop.
    The loop moves the weights to a device; the pools stay in the memory of the processor.
    """

    stages: tuple[Stage, ...] = ()
    labelled: Pool
    unlabelled: Pool

    def begin(self, stage: int) -> None:
        """Called once when a stage starts (not when it is resumed), in evaluation mode."""

    def settled(self) -> bool:
        """Whether the stages that are left would change nothing; asked when one starts, after `begin`."""
        return False

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def draw(self, pool: Pool, index: Tensor) -> Batch:
        """The pixels of a pool at `index`, where the weights are."""
        return pool.draw(index).to(self.device)

    def walk(self, pool: Pool) -> Iterator[Batch]:
        """All pixels of a pool in order, some thousand at a time; one part without any of an empty pool."""
        return (self.draw(pool, index) for index in torch.split(torch.arange(len(pool)), pool.chunk))

    def groups(self) -> tuple[WeightGroup, ...]:
        """All weights, those that learn alike together; asked when a stage starts."""
        return (WeightGroup(tuple(self.parameters())),)

    @abstractmethod
    def loss(self, stage: int, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """The weighted terms to minimise, by name; their sum is followed."""

    @abstractmethod
    def pixel_model(self) -> PixelModel:
        """The model as it stands: the target sensor alone."""

    def learned_shares(self) -> Floats | None:
        """(classes,) what the labels of each class weighed in training, of any sum; None: their number.

        The probabilities of the model are those of land where classes have these shares. A class that was not
        learned has 0.
        """
        return None

    def calibration(self) -> HeldOut | None:
        """How well the model is calibrated, by labels out of fold; None where validation pixels tell."""
        return None

    def findings(self) -> dict[str, Any]:
        """What it found out beside the model, by topic, for metrics.json and the report."""
        return {}


@dataclass(frozen=True)
class Work:
    """What whoever runs a method lends it: for methods that train others on their way, and choose.

    Attributes:
        fit: trains a learner in place, as a run would: (learner, its options, seed). Nothing of it is kept.
            None where no network is to be trained on the way.
        kept: gives what was found under a name, or finds it out and keeps it, so that a run that is resumed
            does not do it again: (name, how it is found out). It is an object of JSON.
        progress: told how far it has come.
        note: told what should be known before a result is there, a line each.
        shared: what was found in this run, by name, so that another learner need not find it again.
    """

    fit: Callable[[Learner, LoopOptions, int], None] | None
    kept: Callable[[str, Callable[[], dict[str, Any]]], dict[str, Any]]
    progress: Progress | None = None
    note: Callable[[str], None] = lambda line: None
    shared: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Control:
    """What a method is held against: the same kind of model on the same pixels, without the auxiliary sensor.

    Attributes:
        method: which one it is, by its name in the registry.
        options: of that method.
        summary: what it is, for reports.
    """

    method: str
    options: Options
    summary: str


_SINGLE_PIXEL: Mapping[str, str] = {
    "contrasts": "",
    "kernels": "1,1",
    "auxiliary_radius": "0",
    "context": "",
    "openings": "",
    "single_pixels": "true",
}
"""Whichever of these settings a method has makes it look at single pixels: layers over each pixel's bands,
as many as the convolutions that they stand for, and no features of what surrounds it."""


class JointClassifier(Protocol):
    """A learner that can also say classes from both sensors; it is asked in evaluation mode.

    Attributes:
        options: of its method.
    """

    options: Any

    def pool_of(self, pixels: PixelGroup) -> Pool:
        """Pixels that have both sensors, without labels."""

    def draw(self, pool: Pool, index: Tensor) -> Batch:
        """Pixels of a pool."""

    def probabilities_of_pairs(self, batch: Batch) -> Tensor:
        """(n, classes) of pixels that have both sensors, from both."""


class Method(ABC):
    """A method of the registry."""

    name: ClassVar[str]
    summary: ClassVar[str]
    uses_auxiliary: ClassVar[bool]
    holds_out: ClassVar[bool] = True
    """Whether labels are held out of training, unless somebody says otherwise, to show how it learns."""
    needs_windows: ClassVar[bool] = False
    """Whether it learns from whole windows: it has no use for samples of single pixels."""
    chooses_start: ClassVar[bool] = False
    """Whether it chooses, by its option `init`, whether to start from a pretraining; others start from it
    where they are told to."""
    uses_unlabelled_target: ClassVar[bool] = False
    """Whether unlabelled pixels that only the target sensor sees serve it; gathered only if so."""
    recipes: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """Settings beneath those that a user gives, by the kind of the target sensor."""
    ablation: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """Settings that take a part away, by the name of the row: the ablation study of `compare`."""
    noise_rows: ClassVar[tuple[str, ...]] = ()
    """Rows of `ablation` that the noise study of `compare` shows beside the whole method."""
    joint: ClassVar[Mapping[str, str]] = {}
    """Settings with which it classifies both sensors, for the ceiling of `compare`."""
    Options: ClassVar[type[Options]]

    def beneath(self, kind: str, single_pixels: bool = False) -> dict[str, str]:
        """Settings beneath those that a user gives.

        Args:
            kind: of the target sensor.
            single_pixels: the samples have no pixels around them: nothing looks further.
        """
        return {**self.recipes.get(kind, {}), **(self.of_single_pixels() if single_pixels else {})}

    def seen(self, data: TrainingData, options: Any) -> TrainingData:
        """What it learns from: patches as far as it looks, and the auxiliary sensor only if it uses it."""
        cropped = data.cropped(options.margin, options.auxiliary_margin)
        if options.tiling is None:
            cropped = dataclasses.replace(cropped, windows=None)
        return options.auxiliary_seen(cropped) if self.uses_auxiliary else cropped.without_auxiliary()

    def of_single_pixels(self) -> dict[str, str]:
        """Settings with which it looks no further than a pixel."""
        return {key: value for key, value in _SINGLE_PIXEL.items() if key in self.Options.model_fields}

    @property
    def needs_auxiliary(self) -> bool:
        """Whether it cannot learn without the auxiliary sensor."""
        return self.uses_auxiliary

    def classifies_both(self, options: Any) -> bool:
        """Whether its learner is a `JointClassifier`, which can say a class from both sensors."""
        return False

    def controls(self, options: Any) -> Mapping[str, Control]:
        """The controls by name; none for a method that does not see the auxiliary sensor."""
        return {}

    def check(self, data: TrainingData, options: Any) -> None:  # noqa: B027  # some need nothing
        """See that there are the pixels that the method cannot do without, before anything trains.

        Raises:
            TrainingDataError: There are not; the message says why, and what would help.
        """

    @abstractmethod
    def learner(self, data: TrainingData, options: Any, seed: int, work: Work | None = None) -> Learner:
        """A learner on `data`, its weights drawn from `seed`.

        Raises:
            TrainingDataError: as `check`.
        """


def check_unlabelled(data: TrainingData) -> None:
    """See that there are pixels whose labels self-training can say.

    Raises:
        TrainingDataError: There are none.
    """
    if not data.unlabelled:
        raise TrainingDataError(
            f"self_training needs unlabelled pixels and there are none: {why_no_unlabelled(data)}"
        )


def why_no_unlabelled(data: TrainingData) -> str:
    """Why there are no unlabelled pixels, ready to follow a colon."""
    return str(data.notes.get("no_unlabelled") or "none were given")


def labels_of(data: TrainingData) -> IntArray:
    """Class indices of all labelled training pixels, pairs first."""
    groups = (data.labelled_pairs, data.labelled_target)
    return np.concatenate([group.label for group in groups if group.label is not None and len(group)])


def class_weights(label: Tensor, classes: int) -> Tensor:
    """Weights inverse to class frequency, of mean 1 over the classes that occur; 0 for the others."""
    counts = torch.bincount(label, minlength=classes).double()
    weights = torch.where(counts > 0, 1 / counts.clamp(min=1), torch.zeros_like(counts))
    return (weights / weights[counts > 0].mean()).float()
