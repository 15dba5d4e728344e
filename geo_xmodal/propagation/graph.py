"""A weighted graph that joins every sample to its nearest neighbours in feature space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from geo_xmodal.errors import TrainingDataError, UsageError
from geo_xmodal.propagation.search import Neighbours, Search, nearest_neighbours
from geo_xmodal.types import FloatArray, IntArray

MIN_DISTANCE = 1e-19
"""Below it the squared distance is zero in single precision."""

FAINTEST = 1e-100
"""Below it a similarity counts as none: what the solver divides by it would be no number."""

MAX_FEATURE = 1e16
"""Above it squared distances may be infinite in single precision."""


@dataclass(frozen=True)
class NeighbourGraph:
    """Similarities of samples; samples with equal features share a node.

    Attributes:
        weights: (nodes, nodes) float64 similarities in (0, 1], symmetric, nothing on the diagonal.
        node: (n,) the node of every sample.
    """

    weights: sparse.csr_array
    node: IntArray


def neighbour_graph(
    features: npt.ArrayLike,
    k: int = 15,
    *,
    sigma: float | None = None,
    search: Search = "auto",
    seed: int = 0,
) -> NeighbourGraph:
    """Joins every sample to its `k` nearest neighbours, for `propagate`.

    The similarities are those of X-ModalNet (Hong et al. 2020, section 3.1.4, Eq. 1), exp(-d^2 / sigma^2),
    with three departures:

    - Only the `k` nearest neighbours of either end are joined: the paper's matrix of all pairs would be
      0.9 TB for the Berlin scene. `k` = n - 1 with `search="exact"` gives the paper's.
    - By default each sample has its own scale (Zelnik-Manor and Perona 2004): exp(-d^2 / (s_i s_j)), with
      s_i the distance from i to its `k`-th neighbour. The paper's grid of sigma (0.001 to 100) presumes
      features of unit scale; a `sigma` far below the distances leaves samples without neighbours.
    - The diagonal is zero. With Eq. 1's S_ii = 1 and a small sigma the transfer matrix of Eq. 2 is almost the
      identity, and the paper's loop stops before anything has moved; where it ends is the same without.

    Samples with exactly equal features (a sensor that was upsampled by nearest neighbour) would be each
    other's `k` neighbours at distance 0. They share a node instead: `k` counts different features, and
    `propagate` gives the node the weight of all its samples. Features that are equal but for rounding are
    different ones.

    The same features, options and seed give the same graph whatever the number of threads.

    Args:
        features: (n, d) numbers, taken as float32; best of unit scale, none above 1e16.
        k: neighbours of a sample; all others if there are fewer.
        sigma: scale of all distances, or None for one scale a sample.
        search: "exact" compares every pair, "approximate" finds nearly all neighbours in far less time,
            "auto" is exact for 30,000 different features and fewer.
        seed: of the approximate search.

    Returns:
        The graph.

    Raises:
        TrainingDataError: features that are no table of such numbers.
        UsageError: `k` or `sigma` that are not positive.
    """
    if k < 1:
        raise UsageError(f"a neighbour graph needs k >= 1 neighbours, got {k}")
    if sigma is not None and not 0 < sigma < np.inf:
        raise UsageError(f"sigma must be a positive number, or None for a scale of each sample, got {sigma}")
    rows, node = _distinct(_checked(features))
    if len(rows) == 1:
        return NeighbourGraph(sparse.csr_array((1, 1), dtype=np.float64), node)
    neighbours = nearest_neighbours(rows, min(k, len(rows) - 1), search, seed)
    place = np.empty_like(neighbours.order)
    place[neighbours.order] = np.arange(len(rows))
    return NeighbourGraph(_similarities(neighbours, sigma), place[node])


def _checked(features: npt.ArrayLike) -> FloatArray:
    with np.errstate(over="ignore"):
        table = np.asarray(features, dtype=np.float32)
    if table.ndim != 2 or 0 in table.shape:
        raise TrainingDataError(
            f"a neighbour graph needs features (n, d), got an array of shape {table.shape}"
        )
    usable = (np.abs(table) <= MAX_FEATURE).all(axis=1)
    if not usable.all():
        raise TrainingDataError(
            f"features must be numbers up to {MAX_FEATURE:g}: {(~usable).sum()} of {len(table)} samples "
            f"have NaN or more, the first is sample {usable.argmin()}; leave such samples out of the graph"
        )
    return table


def _distinct(table: FloatArray) -> tuple[FloatArray, IntArray]:
    """Every different row once, and which of them each row is."""
    table = np.ascontiguousarray(table + np.float32(0))  # -0 becomes 0: rows are compared as bytes
    whole = table.view(np.dtype((np.void, table.itemsize * table.shape[1])))[:, 0]
    _, first, node = np.unique(whole, return_index=True, return_inverse=True)
    return table[first], node


def _similarities(neighbours: Neighbours, sigma: float | None) -> sparse.csr_array:
    m, width = neighbours.index.shape
    row = np.repeat(np.arange(m), width)
    column = neighbours.index.ravel()
    edge = (column >= 0) & (column != row)
    row, column, squared = row[edge], column[edge], neighbours.squared.ravel()[edge].astype(np.float64)
    if sigma is None:
        scale = np.full(m, MIN_DISTANCE)
        np.maximum.at(scale, row, np.sqrt(squared))
        exponent = squared / (scale[row] * scale[column])
    else:
        exponent = squared / sigma**2
    similarity = np.exp(-exponent)
    similarity[similarity < FAINTEST] = 0.0
    directed = sparse.csr_array((similarity, (row, column)), shape=(m, m))
    return sparse.csr_array(directed.maximum(directed.T))
