"""Where points lie on the grid of a scene that has no ground: places apart, those near each other together.

Spatial blocks of pixels are what validation, cross-validation and splits are made of. So each place has a
square of `pitch` x `pitch` pixels, its points in the upper left `block` x `block` of it, and squares follow
each other along a Z-order curve of where the places are: a block of `pitch` is a place, blocks of twice that
are up to four neighbours. Between two places lie at least as many pixels as the default buffer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geo_xmodal.errors import TableError
from geo_xmodal.scenes import DEFAULT_BUFFER
from geo_xmodal.types import IntArray

MIN_BLOCK = 8
"""Side of the square of a small place: the smallest blocks that validation tries."""

MAX_PIXELS = 1 << 28
"""Of the grid; what lies between places takes no room in files, but is looked at."""

GROUP = MIN_BLOCK * MIN_BLOCK
"""Points that share a square where there are no places."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """Pixels of points.

    Attributes:
        position: (n, 2) row and column of each point, no pixel twice.
        shape: Rows and columns of the grid.
        block: Side of the square that the points of a place lie in.
        pitch: From a place to the next.
    """

    position: IntArray
    shape: tuple[int, int]
    block: int
    pitch: int


def lay_out(place: IntArray, coordinates: Floats) -> Layout:
    """Give every point a pixel.

    Args:
        place: (n,) the place of each point, numbered from 0 without gaps.
        coordinates: (n, 2) x and y; NaN where they are not known.

    Raises:
        TableError: There are more places than the grid can hold.
    """
    counts = np.bincount(place)
    block = MIN_BLOCK
    while block * block < counts.max():
        block *= 2
    pitch = block
    while pitch - block < DEFAULT_BUFFER:
        pitch *= 2
    rank = _ranks(place, coordinates, len(counts))
    row, col = _on_curve(rank[place])
    within = _number_within(place)
    position = np.stack([row * pitch + within // block, col * pitch + within % block], axis=1)
    rows, cols = ((int(one.max()) + 1) * pitch for one in (row, col))
    if rows * cols > MAX_PIXELS:
        raise TableError(
            f"{len(counts):,} places of up to {counts.max():,} points take a grid of {rows:,} x {cols:,}, "
            f"more than {MAX_PIXELS:,} pixels: take larger cells, or divide at random"
        )
    return Layout(position.astype(np.int64), (rows, cols), block, pitch)


def groups_along_curve(coordinates: Floats) -> IntArray:
    """(n,) numbers of groups of neighbours, `GROUP` points each, for points that belong to no place."""
    order = np.empty(len(coordinates), np.int64)
    order[np.argsort(_z_order(coordinates), kind="stable")] = np.arange(len(coordinates))
    return order // GROUP


def _ranks(place: IntArray, coordinates: Floats, count: int) -> IntArray:
    """The number of each place along the curve."""
    known = np.isfinite(coordinates).all(axis=1)
    sizes = np.bincount(place[known], minlength=count)
    with np.errstate(invalid="ignore"):
        centre = np.stack(
            [np.bincount(place[known], axis[known], count) / sizes for axis in coordinates.T], axis=1
        )
    rank = np.empty(count, np.int64)
    rank[np.argsort(_z_order(centre), kind="stable")] = np.arange(count)
    return rank


def _z_order(places: Floats) -> npt.NDArray[np.uint64]:
    """Numbers along a Z-order curve over the extent of (n, 2); those without coordinates come last."""
    known = np.isfinite(places).all(axis=1)
    out = np.full(len(places), np.iinfo(np.uint64).max, np.uint64)
    if known.any():
        low, high = places[known].min(axis=0), places[known].max(axis=0)
        extent = max(float((high - low).max()), np.finfo(np.float64).tiny)
        steps = ((places[known] - low) / extent * 0xFFFF).astype(np.uint64)
        out[known] = _spread(steps[:, 0]) | (_spread(steps[:, 1]) << np.uint64(1))
    return out


def _spread(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A zero before each of 16 bits."""
    for shift, mask in ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
        bits = (bits | (bits << np.uint64(shift))) & np.uint64(mask)
    return bits


def _on_curve(rank: IntArray) -> tuple[IntArray, IntArray]:
    """Row and column of numbers along a Z-order curve."""
    row, col = np.zeros_like(rank), np.zeros_like(rank)
    for bit in range(32):
        col |= ((rank >> (2 * bit)) & 1) << bit
        row |= ((rank >> (2 * bit + 1)) & 1) << bit
    return row, col


def _number_within(place: IntArray) -> IntArray:
    """How many points before it belong to the same place."""
    order = np.argsort(place, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(place))[:-1]])
    within = np.empty(len(place), np.int64)
    within[order] = np.arange(len(place)) - starts[place[order]]
    return within
