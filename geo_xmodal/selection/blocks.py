"""Pixels by square blocks, and which lie near which: what keeps neighbours on one side of a split."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geo_xmodal.types import IntArray

BoolArray = npt.NDArray[np.bool_]

_MAX_DRAWN = 64
"""Pixels of the box around some for each of them, up to which a box is drawn and no tree of them searched."""


def blocks_of(positions: IntArray, block: int) -> IntArray:
    """The block of each pixel, numbered from 0 without gaps, row by row.

    Args:
        positions: (n, 2) row and column, none negative.
        block: Side of a block in pixels.
    """
    rows, cols = (positions // block).T
    # one number a block: rows of two take NumPy ten times as long
    _, block_of = np.unique(rows * (int(cols.max(initial=0)) + 1) + cols, return_inverse=True)
    return np.asarray(block_of.reshape(-1))


def counts_by_block(block_of: IntArray, labels: IntArray) -> IntArray:
    """Pixels of each class that occurs in each block, (block, class)."""
    classes, class_of = np.unique(labels, return_inverse=True)
    shape = (int(block_of.max(initial=-1)) + 1, len(classes))
    counts = np.bincount(block_of * shape[1] + class_of.reshape(-1), minlength=shape[0] * shape[1])
    return counts.reshape(shape)


def near(pixels: IntArray, others: IntArray, distance: int) -> BoolArray:
    """Which of `others` lie at most `distance` rows and columns from any of `pixels` (both (n, 2))."""
    if not len(pixels) or not len(others):
        return np.zeros(len(others), bool)
    first = np.minimum(pixels.min(axis=0), others.min(axis=0))
    shape = np.maximum(pixels.max(axis=0), others.max(axis=0)) - first + 1
    if shape.prod() <= _MAX_DRAWN * (len(pixels) + len(others)):
        return _drawn_near(pixels - first, others - first, distance, shape)
    from scipy.spatial import cKDTree  # scipy.spatial takes 0.4 s to import

    # Half a pixel more, because the tree's bound is exclusive and distances here are whole.
    found, _ = cKDTree(pixels).query(others, p=np.inf, distance_upper_bound=distance + 0.5)
    return np.asarray(np.isfinite(found))


def _drawn_near(pixels: IntArray, others: IntArray, distance: int, shape: IntArray) -> BoolArray:
    """`near`, of pixels drawn on a raster of `shape` and grown: a third of the tree's time where many are."""
    drawn = np.zeros(shape, bool)
    drawn[tuple(pixels.T)] = True
    for grown in (drawn, drawn.T):
        reached = 0
        while reached < min(distance, len(grown) - 1):
            step = min(reached + 1, distance - reached, len(grown) - 1)
            before = grown.copy(order="K")
            grown[step:] |= before[:-step]
            grown[:-step] |= before[step:]
            reached += step
    return np.asarray(drawn[tuple(others.T)])
