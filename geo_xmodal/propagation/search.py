"""The nearest neighbours of every row: the same ones whatever the number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import faiss
import numpy as np

from geo_xmodal.types import FloatArray, IntArray

Search = Literal["auto", "exact", "approximate"]
"""Compare every pair of rows; look into the nearest clusters only; or decide by the number of rows."""

EXACT_ROWS = 30_000
"""`auto` compares every pair up to here: three seconds on two cores at 64 dimensions."""

LISTS_PER_ROOT = 1.5
"""Clusters of the approximate search, times the square root of the rows."""

PROBES = 16
"""Clusters that the approximate search looks into."""


@dataclass(frozen=True)
class Neighbours:
    """Who is near whom, among rows in a new order in which neighbours lie close in memory.

    Attributes:
        order: (m,) the row at each place; the others speak of places.
        index: (m, k + 1) neighbours of each place, itself among them; -1 where fewer were found.
        squared: (m, k + 1) squared Euclidean distances, ascending.
    """

    order: IntArray
    index: IntArray
    squared: FloatArray


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keeps matrix products on one thread: divided otherwise they may round otherwise, and move a cluster."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def nearest_neighbours(rows: FloatArray, k: int, search: Search = "auto", seed: int = 0) -> Neighbours:
    """The `k` nearest other rows of every row, by Euclidean distance.

    The approximate search clusters the rows by k-means and compares a row with the members of the nearest
    clusters (faiss IVF); the exact one is the same with a single cluster. Both sum squared differences, not
    norms and products, which lose small distances; threads share out rows and never a sum.

    Args:
        rows: (m, d), all different.
        k: from 1 to m - 1.
        search: which.
        seed: of the clustering.

    Returns:
        The neighbours.
    """
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    m, d = rows.shape
    exact = search == "exact" or (search == "auto" and m <= EXACT_ROWS)
    lists = 1 if exact else min(m, max(1, round(LISTS_PER_ROOT * m**0.5)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(d), d, lists)
    index.nprobe = min(PROBES, lists)
    index.cp.seed = seed % 2**31
    index.cp.niter = 10
    index.cp.max_points_per_centroid = 64  # centres need no more, and k-means takes as long as its sample
    index.cp.min_points_per_centroid = 1
    with _one_thread():
        index.train(rows)
        distance, cluster = index.quantizer.search(rows, index.nprobe)
        # Rows of one cluster in turn read the same clusters: half the time of a search in any order.
        order = np.argsort(cluster[:, 0], kind="stable")
        rows = rows[order]
        index.add(rows)
    squared, neighbour = index.search_preassigned(rows, k + 1, cluster[order], distance[order])
    return Neighbours(order, neighbour, squared)
