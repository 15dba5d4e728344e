"""Segmentation of chips from one sensor or several, and mIoU over the whole set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from geo_xmodal.accuracy import ConfusionMatrix, metrics
from geo_xmodal.bundle import Bundle, Card, ClassEntry, NetworkEntry, describe_target
from geo_xmodal.chips import on_grid
from geo_xmodal.errors import TrainingDataError
from geo_xmodal.mapping import best_of, evaluate_windows
from geo_xmodal.methods.segformer import SegFormerOptions
from geo_xmodal.methods.segmentation import SegmentationLearner
from geo_xmodal.networks import NetworkSpec
from geo_xmodal.samples import GatherOptions, WindowSource, chip_places, gather_windows, windows_of_chips
from geo_xmodal.transfer.request import TransferRequest
from geo_xmodal.transfer.sensors import Sensors, joined_statistics
from geo_xmodal.transfer.weights import start_encoders
from geo_xmodal.types import ClassArray, Window, windows_over

_TEST_WINDOW = 512


class SegmentationTransferOptions(SegFormerOptions):
    """Options of the network and of its training; none of a method that users choose."""

    head: Literal["fcn", "segformer", "cmx"] = "fcn"
    sensors: tuple[int, ...] = ()

    @property
    def network(self) -> NetworkSpec:
        """The head on backbones, one a sensor."""
        decoder = () if self.head == "fcn" else ("width", "dropout")
        names = ("backbone", "tile", "overlap", "blend", "sensors", *decoder)
        return NetworkSpec(self.head, self.settings_of(names))


def segmentation_learner(
    sensors: Sensors, numbers: Sequence[int], request: TransferRequest, weights: Mapping[int, Path], seed: int
) -> tuple[SegmentationLearner, SegmentationTransferOptions]:
    """A learner on the windows of some chips, its weights drawn from a seed or taken from files.

    Raises:
        TrainingDataError: Weights are not for the backbone, or no chip holds a label.
    """
    statistics = sensors.statistics(numbers)
    options = SegmentationTransferOptions.model_validate(
        {
            "head": request.head,
            "sensors": tuple(len(one.bands) for one in statistics),
            "backbone": request.backbone,
            "tile": request.tile,
            "overlap": request.overlap,
            "frozen": request.frozen,
            "epochs": request.epochs,
            "least_steps": request.least_steps,
            "label_batch": request.batch,
            "learning_rate": request.rate,
            "weight_decay": request.weight_decay,
        }
    )
    gather = GatherOptions.model_validate({"tile": request.tile, "overlap": request.overlap})
    places = chip_places(sensors.source, request.overlap)
    windows = windows_of_chips(sensors.source, numbers, places, gather)
    made = gather_windows(
        [WindowSource(sensors.reader, windows, [], places, places)], gather, dense=True
    ).train
    if made is None:
        raise TrainingDataError(f"{sensors.source.chips.folder}: none of {len(numbers)} chips holds a label")
    torch.manual_seed(seed)
    joined = joined_statistics(statistics, sensors.names)
    learner = SegmentationLearner(made, joined, len(sensors.source.classes), options)
    start_encoders(learner.segmenter.encoders, weights)
    return learner, options


def segmentation_scores(learner: SegmentationLearner, sensors: Sensors) -> dict[str, Any]:
    """Measures of all labelled pixels of the test chips, from one confusion matrix of the whole set."""
    legend = sensors.source.classes
    ids = [land.id for land in legend]
    confusion = ConfusionMatrix(len(legend))
    for reference, probabilities in evaluate_windows(
        _bundle(learner, sensors), sensors.reader, _test_windows(sensors)
    ):
        predicted, _ = best_of(probabilities, np.array(ids, np.uint8))
        confusion.add(reference, predicted, ids)
    return dict(metrics(confusion, legend, None, "test"))


def _test_windows(sensors: Sensors) -> Iterator[tuple[Window, ClassArray]]:
    chips = sensors.source.chips
    for number in sensors.chips("test"):
        labels = chips.labels(chips.chips[number], sensors.source.target_name)
        if labels is None:
            continue
        for window in windows_over(labels.shape[0], labels.shape[1], _TEST_WINDOW):
            yield on_grid(number, window), labels[window.slices]


def _bundle(learner: SegmentationLearner, sensors: Sensors) -> Bundle:
    """The model as it is mapped with; never on disk: it may need several sensors."""
    model = learner.pixel_model()
    card = Card(
        method="transfer",
        network=NetworkEntry(name=model.spec.name, options=dict(model.spec.options)),
        margin=model.margin,
        target=describe_target(
            " and ".join(sensors.names), sensors.reader.kind, "", model.standardize.statistics
        ),
        classes=tuple(
            ClassEntry(id=one.id, name=one.name, color=one.color) for one in sensors.source.classes
        ),
        auxiliary=None,
        resolution_unit="",
        scene=sensors.source.name,
        simulated=sensors.source.chips.simulated,
    )
    return Bundle(card, model)
