"""Networks that learn from whole windows with the labels that lie in them: what `fcn` and `segformer` share.

A window need not be labelled everywhere: pixels without a label are looked at and not learned from, so that
sparse labels of a scene serve as well as chips with dense ones.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable
from typing import Any, ClassVar, Self, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor

from geo_xmodal import processes
from geo_xmodal.class_shares import Floats, learned_of_counts
from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods.base import (
    Batch,
    Learner,
    LoopOptions,
    Method,
    Pool,
    Stage,
    WeightGroup,
    Work,
    class_weights,
)
from geo_xmodal.methods.rows import rows_of
from geo_xmodal.methods.start_options import StartOptions
from geo_xmodal.networks import NetworkSpec, PixelModel, Standardize, Tiling, check_spec
from geo_xmodal.networks.segmentation import Segmenter, SegmenterOptions
from geo_xmodal.objectives import Supervised
from geo_xmodal.types import NO_LABEL, BandStatistics, LabelledWindows, TrainingData

_PREPARED_AT_ONCE = 64
"""Windows."""


class SegmentationOptions(StartOptions, LoopOptions, ABC):
    """Options of a segmentation network and of how it learns; which network it is, a subclass says."""

    means: ClassVar[dict[str, str]] = dict.fromkeys(LoopOptions.means, "")
    """None: an epoch, a batch and a learning rate of windows are others than those of pixels."""
    search: ClassVar[dict[str, tuple[str, ...]]] = {"learning_rate": ("0.0003", "0.001", "0.003")}

    network_name: ClassVar[str]
    network_settings: ClassVar[tuple[str, ...]] = ("backbone", "tile", "overlap", "blend")

    epochs: int = Field(40, ge=1, description="passes over the training windows")
    label_batch: int = Field(8, ge=2, description="images in a step")
    pass_over: Any = Field("labels", description="what an epoch passes over: the windows with labels")
    learning_rate: float = Field(1e-3, gt=0, description="highest learning rate")
    warm_up: float = Field(
        0.1,
        ge=0,
        description="part of each stage in which the rate rises: a share of it, or epochs from 1 on",
    )
    backbone: str = Field("resnet18", description="backbone: resnet18, resnet50, vit_s16, mit_b0 ... mit_b5")
    tile: int = Field(128, ge=32, le=1024, description="side of the tiles of a map, a power of two")
    overlap: int = Field(
        32, ge=0, le=512, description="pixels that the image of a tile reaches beyond it on each side"
    )
    blend: int | None = Field(
        None,
        ge=0,
        description="pixels beyond a tile in which its probabilities are averaged with the next tile's "
        "(default: half of overlap)",
    )
    augment: bool = Field(True, description="turn and mirror images")
    noise: float = Field(0.1, ge=0, description="noise on standardised input, in standard deviations")
    balance: bool = Field(True, description="weigh classes alike, however many labels each has")

    @property
    def network(self) -> NetworkSpec:
        """The network with those of the options that are its own."""
        return NetworkSpec(self.network_name, self.settings_of(self.network_settings))

    @property
    def tiling(self) -> Tiling:
        """The tiles that it maps in, and learns from."""
        return SegmenterOptions(**self.settings_of(SegmentationOptions.network_settings)).tiling

    def settings_of(self, names: Iterable[str]) -> dict[str, Any]:
        """Options of the network by name."""
        found = {name: getattr(self, name) for name in names}
        return {**found, "blend": self.overlap // 2 if self.blend is None else self.blend}

    @model_validator(mode="after")
    def _network_exists(self) -> Self:
        check_spec(self.network)
        return self


class SegmentationLearner(Learner):
    """Cross-entropy at the labelled pixels of images that are cut at random from windows.

    An image holds at least one labelled pixel among those that are predicted, drawn anew in every step.
    """

    stages = (Stage("labels", unlabelled=False),)

    def __init__(
        self,
        windows: LabelledWindows,
        statistics: BandStatistics,
        classes: int,
        options: SegmentationOptions,
    ) -> None:
        super().__init__()
        self.options = options
        self.model = PixelModel(options.network, statistics, classes)
        options.start(self.segmenter.start_from)
        self.labelled = _pool(windows, Standardize(statistics))
        self.unlabelled = self.labelled.empty()
        label = torch.from_numpy(windows.label)
        self.counts = torch.bincount(label[label != NO_LABEL].long(), minlength=classes)
        weight = _balanced(self.counts) if options.balance else torch.ones(classes)
        self.class_weight: Tensor
        self.register_buffer("class_weight", weight)
        self.supervised = Supervised(weight)
        if options.frozen:
            self.segmenter.encoders.requires_grad_(False)

    @property
    def segmenter(self) -> Segmenter:
        """The network behind the standardisation."""
        return cast(Segmenter, self.model.network)

    def train(self, mode: bool = True) -> Self:
        """Training mode, but for a backbone that is frozen: its batch norms keep their statistics."""
        super().train(mode)
        if self.options.frozen:
            self.segmenter.encoders.eval()
        return self

    def groups(self) -> tuple[WeightGroup, ...]:
        """The backbone, and the rest."""
        backbone = tuple(self.segmenter.encoders.parameters())
        known = set(backbone)
        rest = tuple(weight for weight in self.parameters() if weight not in known)
        return WeightGroup(backbone, self.options.backbone_rate), WeightGroup(rest)

    def loss(self, stage: int, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """Cross-entropy on labels."""
        assert labelled.label is not None
        images, label = self._cut(labelled.target, labelled.label)
        if self.options.augment:
            turns, mirrored = processes.agreed(torch.randint(4, (2,))).tolist()
            images, label = (torch.rot90(x, turns, (-2, -1)) for x in (images, label))
            if mirrored % 2:
                images, label = images.flip(-1), label.flip(-1)
        images = images + self.options.noise * torch.randn_like(images)
        logits = self.segmenter(images).movedim(1, -1)
        m = self.segmenter.margin
        inner = label[:, m : label.shape[1] - m, m : label.shape[2] - m].long()
        known = inner != NO_LABEL
        return {"label": self.supervised(logits[known], inner[known])}

    def _cut(self, windows: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """An image of each window, or several if there are few windows: around a labelled pixel of each."""
        side, m = self.options.tiling.image, self.segmenter.margin
        images, labels = [], []
        for k in range(len(windows)):
            places = (label[k] != NO_LABEL).nonzero()
            for _ in range(max(1, self.options.label_batch // max(1, processes.count() * len(windows)))):
                place = places[int(torch.randint(len(places), ()))].tolist()
                starts = [_start(at, side, m, label.shape[1 + axis]) for axis, at in enumerate(place)]
                rows, cols = (slice(start, start + side) for start in starts)
                images.append(windows[k, :, rows, cols])
                labels.append(label[k, rows, cols])
        return torch.stack(images), torch.stack(labels)

    def pixel_model(self) -> PixelModel:
        """The network with its standardisation."""
        return self.model

    def learned_shares(self) -> Floats:
        """(classes,) number of labels in windows, or 1 for each class that has any where they weigh alike."""
        return learned_of_counts(self.counts.numpy(), balanced=self.options.balance)


class SegmentationMethod(Method):
    """A segmentation network on the target sensor alone."""

    uses_auxiliary = False
    needs_windows = True

    def check(self, data: TrainingData, options: SegmentationOptions) -> None:
        """There must be windows with labels."""
        _windows(data)

    def learner(
        self, data: TrainingData, options: SegmentationOptions, seed: int, work: Work | None = None
    ) -> SegmentationLearner:
        """A learner with weights drawn from `seed`."""
        windows = _windows(data)
        torch.manual_seed(seed)
        return SegmentationLearner(windows, data.target.statistics, len(data.classes), options)


def _windows(data: TrainingData) -> LabelledWindows:
    if data.windows is None or data.windows.train is None:
        raise TrainingDataError("a network on windows needs windows with labels, and there are none")
    return data.windows.train


def _pool(windows: LabelledWindows, standardize: Standardize) -> Pool:
    """Standardised windows with their labels."""
    rows = rows_of(windows.target).mapped(standardize, _PREPARED_AT_ONCE)
    return Pool(rows, None, torch.from_numpy(windows.label))


def _balanced(counts: Tensor) -> Tensor:
    """`class_weights` of so many labels of each class."""
    return class_weights(torch.repeat_interleave(torch.arange(len(counts)), counts), len(counts))


def _start(place: int, side: int, margin: int, length: int) -> int:
    """A random start of an image in which a place is predicted, inside of a window."""
    low = max(0, place - (side - margin) + 1)
    high = min(length - side, place - margin)
    return int(torch.randint(low, high + 1, ())) if high > low else max(0, min(low, length - side))
