"""What an import found, and in what that differs from what is published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geo_xmodal.errors import SceneError
from geo_xmodal.published.catalogue import KnownCounts, PublishedScene, Sensor
from geo_xmodal.published.images import Image
from geo_xmodal.published.labelling import LabelMap, closest_counts


@dataclass(frozen=True)
class ClassCount:
    """Labelled pixels of a class in one map.

    Attributes:
        id: Of the class.
        name: Of the class.
        split: `train`, `test` or `all`.
        found: Pixels in the files.
        expected: Pixels as published; None where that is not known.
    """

    id: int
    name: str
    split: str
    found: int
    expected: int | None


@dataclass(frozen=True)
class ImportReport:
    """What `import_scene` found and made.

    Attributes:
        name: Of the published scene.
        out: The scene folder.
        target: The modality that maps are made from.
        files: Modality, or `labels.train` and so on, to file and variable.
        shapes: Modality to bands, rows, columns.
        counts: Labelled pixels of every class.
        compared_with: The published split whose numbers are closest, and where they come from.
        differences: In what the files are not as published, one line each; empty where nothing differs.
        notes: What had to be decided, one line each.
        checked: Which real files the reader was run on.
    """

    name: str
    out: Path
    target: str
    files: Mapping[str, str]
    shapes: Mapping[str, tuple[int, int, int]]
    counts: tuple[ClassCount, ...]
    compared_with: str
    differences: tuple[str, ...]
    notes: tuple[str, ...]
    checked: str


def refuse_another_scene(
    scene: PublishedScene, images: Mapping[str, Image], known: Sequence[PublishedScene], folder: Path
) -> None:
    """Refuse a folder in which an image has neither the bands nor the size of the scene's sensor.

    Raises:
        SceneError: It is another scene, named if it is a known one.
    """
    for sensor in scene.sensors:
        image = images.get(sensor.name)
        if image is None or _fits(sensor, image):
            continue
        others = [
            other.name
            for other in known
            if any(image.shape[0] in one.bands and image.shape[1:] in one.shapes for one in other.sensors)
        ]
        looks = f"; it looks like {others[0]}" if others else ""
        raise SceneError(
            f"{folder}: not {scene.name}: {image.origin} has {_size(image.shape)}, "
            f"expected {_sizes(sensor)}{looks}"
        )


def compare(
    scene: PublishedScene, images: Mapping[str, Image], labels: Mapping[str, LabelMap]
) -> tuple[tuple[ClassCount, ...], KnownCounts | None, tuple[str, ...]]:
    """The counts of classes, the published split they are compared with, and all differences."""
    found = {split: one.counts(len(scene.classes)) for split, one in labels.items()}
    split_known, expected = closest_counts(scene.counts, found)
    counts = tuple(
        ClassCount(land.id, land.name, split, number, expected[split][order] if split in expected else None)
        for split, numbers in found.items()
        for order, (land, number) in enumerate(zip(scene.classes, numbers, strict=True))
    )
    differences = (*_sizes_differ(scene, images), *_counts_differ(counts), *_labels_overlap(labels))
    return counts, split_known, differences


def _sizes_differ(scene: PublishedScene, images: Mapping[str, Image]) -> Iterator[str]:
    for sensor in scene.sensors:
        image = images.get(sensor.name)
        if image is not None and (image.shape[0] not in sensor.bands or image.shape[1:] not in sensor.shapes):
            yield f"{sensor.name}: {_size(image.shape)}, published {_sizes(sensor)}"


def _counts_differ(counts: Sequence[ClassCount]) -> Iterator[str]:
    for one in counts:
        if one.expected is not None and one.found != one.expected:
            yield f"{one.split} {one.name}: {one.found} pixels, published {one.expected}"


def _labels_overlap(labels: Mapping[str, LabelMap]) -> Iterator[str]:
    if {"train", "test"} <= set(labels):
        train, test = labels["train"].values, labels["test"].values
        both = int(np.sum((train > 0) & (test > 0))) if train.shape == test.shape else 0
        if both:
            yield f"{both} pixels are in training and in test"


def _fits(sensor: Sensor, image: Image) -> bool:
    return image.shape[0] in sensor.bands or image.shape[1:] in sensor.shapes


def _size(shape: tuple[int, int, int]) -> str:
    return f"{shape[0]} band{'s' * (shape[0] != 1)} of {shape[1]} x {shape[2]} pixels"


def _sizes(sensor: Sensor) -> str:
    bands = " or ".join(map(str, sensor.bands))
    shapes = " or ".join(f"{rows} x {cols}" for rows, cols in sensor.shapes)
    return f"{bands} band{'s' * (bands != '1')} of {shapes}"
