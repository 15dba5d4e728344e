"""Scene classification with several labels a chip, and mean average precision over the whole set.

Wang et al. 2024 (DeCUR), appendix B.2: the vectors of all sensors' backbones are joined, and one linear layer
gives a score for each class; MultiLabelSoftMarginLoss.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geo_xmodal import processes
from geo_xmodal.chips import on_grid
from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods.base import Batch, Learner, LoopOptions, Pool, Stage
from geo_xmodal.methods.rows import StoredRows
from geo_xmodal.networks import PixelModel, Standardize
from geo_xmodal.networks.backbones import make_backbone
from geo_xmodal.samples import ReadPatches
from geo_xmodal.transfer.labels import chip_classes
from geo_xmodal.transfer.request import TransferRequest
from geo_xmodal.transfer.scores import average_precisions
from geo_xmodal.transfer.sensors import Sensors, joined_statistics
from geo_xmodal.transfer.weights import start_encoders
from geo_xmodal.types import BandStatistics, Window

_SCALE = (0.8, 1.0)
"""Of the random crop, as a share of the chip's area."""

_SPREAD = 0.01
"""Standard deviation of the linear layer's first weights (the authors' code)."""


class ChipClassifier(nn.Module):
    """Backbones, one a sensor, and a linear layer on their vectors: (B, bands, H, W) -> (B, classes)."""

    def __init__(self, backbone: str, sensors: Sequence[int], classes: int, size: int) -> None:
        super().__init__()
        self.sensors = list(sensors)
        made = [make_backbone(backbone, bands, size=size) for bands in sensors]
        self.encoders = nn.ModuleList(made)
        self.head = nn.Linear(sum(one.features for one in made), classes)
        nn.init.normal_(self.head.weight, std=_SPREAD)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of classes."""
        images = torch.split(x, self.sensors, dim=1)
        vectors = [encoder(image) for encoder, image in zip(self.encoders, images, strict=True)]
        scores: Tensor = self.head(torch.cat(vectors, dim=1))
        return scores


class ClassificationLearner(Learner):
    """Multi-label scores of whole chips."""

    stages = (Stage("labels", unlabelled=False),)

    def __init__(
        self,
        pool: Pool,
        statistics: Sequence[BandStatistics],
        names: Sequence[str],
        classes: int,
        request: TransferRequest,
    ) -> None:
        super().__init__()
        self.request = request
        self.labelled, self.unlabelled = pool, pool.empty()
        self.standardize = Standardize(joined_statistics(statistics, names))
        bands = [len(one.bands) for one in statistics]
        self.network = ChipClassifier(request.backbone, bands, classes, request.size)
        # torchvision is slow to import, and only this needs it
        v2 = importlib.import_module("torchvision.transforms.v2")
        self.views = v2.Compose(
            [v2.RandomResizedCrop(request.size, scale=_SCALE, antialias=True), v2.RandomHorizontalFlip()]
        )
        if request.frozen:
            self.network.encoders.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Training mode, but for backbones that are frozen."""
        super().train(mode)
        if self.request.frozen:
            self.network.encoders.eval()
        return self

    def loss(self, stage: int, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """Mean over chips and classes of the binary cross-entropy (MultiLabelSoftMarginLoss)."""
        assert labelled.label is not None
        images = torch.stack([self.views(one) for one in self.standardize(labelled.target)])
        losses = F.multilabel_soft_margin_loss(self.network(images), labelled.label, reduction="none")
        return {"label": processes.mean(losses.sum(), len(losses))}

    @torch.no_grad()
    def scores(self, chips: Tensor) -> Tensor:
        """(n, classes) of whole chips (n, band, row, col), raw values, resampled to the images' size."""
        side = (self.request.size, self.request.size)
        images = F.interpolate(self.standardize(chips), side, mode="bilinear", antialias=True)
        found: Tensor = self.network(images)
        return found

    def pixel_model(self) -> PixelModel:
        """None: it knows chips and no pixels."""
        raise TrainingDataError("a classifier of whole chips maps no pixels")


def classification_learner(
    sensors: Sensors, numbers: Sequence[int], request: TransferRequest, weights: Mapping[int, Path], seed: int
) -> tuple[ClassificationLearner, LoopOptions]:
    """A learner on some chips, its weights drawn from a seed or taken from files.

    Raises:
        TrainingDataError: Weights are not for the backbone.
        LabelError: No chip holds a class.
    """
    options = LoopOptions.model_validate(
        {
            "epochs": request.epochs,
            "least_steps": request.least_steps,
            "label_batch": request.batch,
            "pass_over": "labels",
            "learning_rate": request.rate,
            "weight_decay": request.weight_decay,
        }
    )
    chips = [sensors.source.chips.chips[number] for number in numbers]
    label = torch.from_numpy(chip_classes(sensors.source, chips))
    pool = Pool(StoredRows(_images(sensors, numbers)), None, label)
    torch.manual_seed(seed)
    learner = ClassificationLearner(
        pool, sensors.statistics(numbers), sensors.names, len(sensors.source.classes), request
    )
    start_encoders(learner.network.encoders, weights)
    return learner, options


def classification_scores(learner: ClassificationLearner, sensors: Sensors) -> dict[str, Any]:
    """Average precisions over all test chips."""
    learner.eval()
    numbers = sensors.chips("test")
    images = _images(sensors, numbers)
    parts = np.array_split(np.arange(len(numbers)), -(-len(numbers) // learner.request.batch))
    scores = [learner.scores(torch.from_numpy(images.take(part))).numpy() for part in parts]
    truth = chip_classes(sensors.source, [sensors.source.chips.chips[number] for number in numbers])
    return average_precisions(truth, np.concatenate(scores), [land.name for land in sensors.source.classes])


def _images(sensors: Sensors, numbers: Sequence[int]) -> ReadPatches:
    """Whole chips, as large as the largest of them; what lies beyond a chip has no data."""
    shapes = [sensors.whole(number) for number in numbers]
    height, width = max(one.height for one in shapes), max(one.width for one in shapes)
    windows = tuple(on_grid(number, Window(0, 0, height, width)) for number in numbers)
    return ReadPatches(sensors.reader, windows, (height, width))
