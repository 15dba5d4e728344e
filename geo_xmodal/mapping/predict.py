"""Predictions without a map: at labelled pixels, and of a part of a scene to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from geo_xmodal.bundle import Bundle
from geo_xmodal.mapping.engine import Classifier
from geo_xmodal.raster import WindowReader
from geo_xmodal.types import ClassArray, FloatArray, Window, windows_over

_READ = 512


def evaluate_windows(
    model: Bundle,
    reader: WindowReader,
    labelled: Iterable[tuple[Window, ClassArray]],
    *,
    threads: int | None = None,
) -> Iterator[tuple[ClassArray, ClassArray, FloatArray]]:
    """Predict at labelled pixels, the same numbers as a map's, and compute little else.

    Args:
        model: A bundle, loaded or just trained.
        reader: The target sensor.
        labelled: Windows with their label ids (row, col), 0 = unlabelled; those without labels are skipped
            unread.
        threads: As for `Classifier`.

    Yields:
        For each window with labels, its n labelled pixels row by row: class ids of the labels (n,), class
        ids of the model (n,), 0 where the input has no data, and their probability (n,), NaN there.
    """
    classifier = Classifier(model, threads=threads)
    for window, labels in labelled:
        where = labels > 0
        if where.any():
            ids, probability = classifier.classify(reader.read(window, classifier.margin), where)
            yield labels[where], ids[where], probability[where]


def preview(model: Bundle, reader: WindowReader, max_side: int = 1024) -> tuple[Window, ClassArray]:
    """The map of the middle of a scene: at most `max_side` x `max_side` pixels at full resolution.

    Returns:
        The window of the grid, and its class ids (row, col), 0 where the input has no data.
    """
    rows, cols = reader.grid.shape
    height, width = min(rows, max_side), min(cols, max_side)
    window = Window((rows - height) // 2, (cols - width) // 2, height, width)
    classifier = Classifier(model)
    ids = np.zeros((height, width), np.uint8)
    for part in windows_over(height, width, _READ):
        there = Window(window.row + part.row, window.col + part.col, part.height, part.width)
        ids[part.slices], _ = classifier.classify(reader.read(there, classifier.margin))
    return window, ids
