"""Retrieval across two views: is the other view of a sample among those that its features are nearest to?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from geo_xmodal.correlation.held_out import IntArray
from geo_xmodal.correlation.linear_cca import FloatArray

RANKS = (1, 5, 10)
"""Ranks k at which recall is given."""

_SCORES = 2**23
"""Similarities that are computed at a time."""


def repeated(rows: FloatArray) -> IntArray:
    """(n,) numbers 0..N-1 of the N distinct rows of (n, d)."""
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def recall_at(
    f: FloatArray, g: FloatArray, queries: IntArray, items: IntArray, ranks: Sequence[int] = RANKS
) -> Mapping[int, float]:
    """Share of queries that have a partner among the k items of largest cosine similarity.

    Every query and every item counts once: of an image with five captions, all five are its partners, and it
    is the one partner of each of them (the protocol of text-image retrieval on COCO). Items that are as
    similar as a partner rank before it, so that features that are all alike find nothing.

    Args:
        f: (n, k) features of the one view.
        g: (n, k) features of the other, row by row partners of f.
        queries: (n,) numbers 0..Q-1; rows with the same one have the same features f.
        items: (n,) numbers 0..N-1; rows with the same one have the same features g.
        ranks: k.

    Returns:
        Recall by k, fractions 0 to 1.
    """
    first, asked = _once(f, queries)
    gallery = _once(g, items)[1]
    partners = _partners(queries, items)
    best = np.empty(len(first), dtype=np.int64)
    step = max(1, _SCORES // len(gallery))
    for start in range(0, len(asked), step):
        similarity = asked[start : start + step] @ gallery.T
        for row, scores in enumerate(similarity, start):
            own = partners[row]
            others = np.delete(scores, own)
            best[row] = (others >= scores[own].max()).sum()
    return {k: float((best < k).mean()) for k in ranks}


def chance_recall(queries: IntArray, items: IntArray, ranks: Sequence[int] = RANKS) -> Mapping[int, float]:
    """What `recall_at` is expected to be for items in random order."""
    count = int(items.max()) + 1
    partners = np.array([len(own) for own in _partners(queries, items)])
    found: dict[int, float] = {}
    for k in ranks:
        drawn = np.arange(min(k, count))
        missed = np.clip(count - partners[:, None] - drawn, 0, None) / (count - drawn)
        found[k] = float(1 - missed.prod(axis=1).mean())
    return found


def _once(features: FloatArray, numbers: IntArray) -> tuple[IntArray, FloatArray]:
    """The first row of each number, and its features divided by their norm."""
    first = np.unique(numbers, return_index=True)[1]
    rows = features[first]
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return first, rows / np.where(norms > 0, norms, 1)


def _partners(queries: IntArray, items: IntArray) -> list[npt.NDArray[np.int64]]:
    """For each query the items that are its partners."""
    pairs = np.unique(np.stack([queries, items], axis=1), axis=0)
    ends = np.cumsum(np.bincount(pairs[:, 0]))[:-1]
    return np.split(pairs[:, 1], ends)
