"""Predictions without a map: at labelled pixels, and of a part of a scene to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from geo_xmodal.bundle import Bundle
from geo_xmodal.class_shares import ClassShares
from geo_xmodal.mapping.engine import Classifier
from geo_xmodal.mapping.seen import read_seen, scene_window
from geo_xmodal.mapping.shares import Shares, sampled_probabilities, shares_for
from geo_xmodal.raster import WindowReader
from geo_xmodal.types import ClassArray, FloatArray, Window, windows_over

_READ = 512


def evaluate_windows(
    model: Bundle,
    reader: WindowReader,
    labelled: Iterable[tuple[Window, ClassArray]],
    *,
    threads: int | None = None,
) -> Iterator[tuple[ClassArray, FloatArray]]:
    """Predict at labelled pixels with the class shares that the model has learned, and compute little else.

    `engine.best_of` makes classes of it, the same as a map's; `ClassShares.changed` comes before for others.

    Args:
        model: A bundle, loaded or just trained.
        reader: The target sensor.
        labelled: Windows with their label ids (row, col), 0 = unlabelled; those without labels are skipped
            unread.
        threads: As for `Classifier`.

    Yields:
        For each window with labels, its n labelled pixels row by row: class ids of the labels (n,), and
        the probability of each class (class, n), NaN where the input has no data.
    """
    classifier = Classifier(model, threads=threads)
    for window, labels in labelled:
        where = labels > 0
        if where.any():
            values = read_seen(classifier, reader, window)
            probabilities = classifier.probabilities(values, where, scene_window(reader, window))
            yield labels[where], probabilities[:, where]


def scene_shares(model: Bundle, reader: WindowReader, asked: Shares | None) -> ClassShares | None:
    """The class shares of a scene, as `map_scene` has them.

    Raises:
        ClassSharesError, UsageError: As `map_scene`.
    """
    return shares_for(model.card, asked, lambda: sampled_probabilities(Classifier(model), reader))


def preview(
    model: Bundle, reader: WindowReader, max_side: int = 1024, shares: ClassShares | None = None
) -> tuple[Window, ClassArray]:
    """The map of the middle of a scene: at most `max_side` x `max_side` pixels at full resolution.

    Args:
        model: A bundle.
        reader: The target sensor.
        max_side: Rows and columns at most.
        shares: Class shares that it has; None for those that the model has learned.

    Returns:
        The window of the grid, and its class ids (row, col), 0 where the input has no data.
    """
    rows, cols = reader.grid.shape
    height, width = min(rows, max_side), min(cols, max_side)
    window = Window((rows - height) // 2, (cols - width) // 2, height, width)
    classifier = Classifier(model, shares=shares)
    ids = np.zeros((height, width), np.uint8)
    for part in windows_over(height, width, _READ):
        there = Window(window.row + part.row, window.col + part.col, part.height, part.width)
        values = read_seen(classifier, reader, there)
        ids[part.slices], _ = classifier.classify(values, None, scene_window(reader, there))
    return window, ids
