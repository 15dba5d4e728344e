"""Outlines of regions as polygons, from the corners that their pixels make.

At every crossing of pixel edges, what a region does there is known from the four pixels around it: nothing,
turn, or pass straight by a place where two other regions meet, which must be a vertex of all three or the
polygons would not fit. Along each row and each column of crossings, the ends of a region's edges then come in
pairs, and the pairs are the edges. So corners may be collected in any order, window by window.

A region must be connected by pixel edges. Its outline has one outer ring then, and rings touch in points
at most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from geo_xmodal.types import IntArray

Polygons = npt.NDArray[np.object_]

_NORTH, _EAST, _SOUTH, _WEST = range(4)

_QUADRANTS = ((_NORTH, _WEST), (_NORTH, _EAST), (_SOUTH, _WEST), (_SOUTH, _EAST))
"""Edges at a crossing that bound each of its pixels: north-west, north-east, south-west, south-east."""


@dataclass(frozen=True)
class Corners:
    """Places where outlines have a vertex, n of them.

    Attributes:
        region: (n,) whose outline.
        row: (n,) crossing, 0 above the first row of pixels.
        col: (n,).
        ends: (n, 2) the two directions in which the outline leaves.
    """

    region: IntArray
    row: IntArray
    col: IntArray
    ends: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.region)

    def take(self, which: npt.NDArray[np.bool_] | IntArray) -> Corners:
        """Some of them."""
        return Corners(self.region[which], self.row[which], self.col[which], self.ends[which])

    @classmethod
    def joined(cls, parts: list[Corners]) -> Corners:
        """All of several."""
        return cls(
            np.concatenate([part.region for part in parts]),
            np.concatenate([part.row for part in parts]),
            np.concatenate([part.col for part in parts]),
            np.concatenate([part.ends for part in parts]),
        )


def find_corners(regions: npt.NDArray[np.integer], row: int, col: int = 0) -> Corners:
    """Corners at the crossings inside (row, col) `regions`, 0 = none; its rim of pixels is for looking only.

    Args:
        regions: Numbers of regions.
        row: Crossing above the second row of pixels.
        col: Crossing left of the second column.
    """
    around = (regions[:-1, :-1], regions[:-1, 1:], regions[1:, :-1], regions[1:, 1:])
    north_west, north_east, south_west, south_east = around
    mixed = (north_west != north_east) | (north_west != south_west) | (north_west != south_east)
    rows, cols = np.nonzero(mixed)
    four = np.stack([pixels[rows, cols] for pixels in around]).astype(np.int64)
    parts = []
    for quadrant in range(4):
        region = four[quadrant]
        new = region > 0
        for earlier in range(quadrant):
            new &= four[earlier] != region
        pattern = sum((four[other] == region).astype(np.int64) << other for other in range(4))
        others = [four[one] != four[two] for one, two in _STRAIGHT_OTHERS]
        for bits, ends, straight in _CASES:
            which = new & (pattern == bits)
            if straight is not None:
                which &= others[straight]
            (index,) = np.nonzero(which)
            directions = np.broadcast_to(np.array(ends, np.int8), (len(index), 2))
            parts.append(Corners(region[index], rows[index] + row, cols[index] + col, directions))
    return Corners.joined(parts)


_STRAIGHT_OTHERS = ((0, 1), (2, 3), (0, 2), (1, 3))
"""The two pixels that are not the region's where its outline passes straight by."""


def _cases() -> list[tuple[int, tuple[int, int], int | None]]:
    """Which pixels of four are the region's (bits), the ends of its outline, and which two must differ."""
    cases: list[tuple[int, tuple[int, int], int | None]] = []
    for quadrant, ends in enumerate(_QUADRANTS):
        cases += [(1 << quadrant, ends, None), (0b1111 ^ (1 << quadrant), ends, None)]
    # two pixels corner to corner: the outline goes around each of the other two
    cases += [(0b1001, _QUADRANTS[1], None), (0b1001, _QUADRANTS[2], None)]
    cases += [(0b0110, _QUADRANTS[0], None), (0b0110, _QUADRANTS[3], None)]
    for index, (one, two) in enumerate(_STRAIGHT_OTHERS):
        ends = (_WEST, _EAST) if (one, two) in ((0, 1), (2, 3)) else (_NORTH, _SOUTH)
        cases.append((0b1111 ^ (1 << one) ^ (1 << two), ends, index))
    return cases


_CASES = _cases()


def polygons_of(corners: Corners) -> tuple[IntArray, Polygons]:
    """The regions whose corners are all there, in the order of their numbers, as polygons.

    Returns:
        (n,) numbers of regions; (n,) polygons in pixel coordinates (column, row), the outer ring first.
    """
    if not len(corners):
        return np.empty(0, np.int64), np.empty(0, object)
    corners = corners.take(np.lexsort((corners.ends[:, 0], corners.col, corners.row, corners.region)))
    order, starts = _rings(corners)
    ring = np.repeat(np.arange(len(starts)), np.diff([*starts, len(order)]))
    x, y = corners.col[order].astype(np.float64), corners.row[order].astype(np.float64)
    rings = shapely.linearrings(np.stack([x, y], axis=1), indices=ring)
    # The outer ring of a region holds all its others, so that it begins highest, and of those leftmost; and
    # rings are in the order of their first corners.
    region = corners.region[order[starts]]
    numbers, place = np.unique(region, return_inverse=True)
    return numbers, shapely.polygons(rings, indices=place)


def _rings(corners: Corners) -> tuple[IntArray, IntArray]:
    """Corners in the order of the outlines, ring after ring, and where in that each ring starts."""
    following = _following(corners)
    leaves = following.tolist()
    unseen = bytearray(b"\1") * len(corners)
    order: list[int] = []
    starts: list[int] = []
    at = 0
    while (at := unseen.find(1, at)) >= 0:
        starts.append(len(order))
        half = 2 * at
        while unseen[half >> 1]:
            unseen[half >> 1] = 0
            order.append(half >> 1)
            half = leaves[half]
    return np.array(order, np.int64), np.array(starts, np.int64)


def _following(corners: Corners) -> IntArray:
    """For each end of an edge (two a corner), the end by which the outline leaves the corner it leads to."""
    ends = corners.ends.ravel()
    at = np.repeat(np.arange(len(corners)), 2)
    region, row, col = corners.region[at], corners.row[at], corners.col[at]
    partner = np.empty(len(ends), np.int64)
    for along, line, place, back in (
        ((ends == _EAST) | (ends == _WEST), row, col, ends == _EAST),
        ((ends == _NORTH) | (ends == _SOUTH), col, row, ends == _SOUTH),
    ):
        (index,) = np.nonzero(along)
        # an edge that comes from before ends before the next begins at the same place
        index = index[np.lexsort((back[index], place[index], line[index], region[index]))]
        partner[index[0::2]], partner[index[1::2]] = index[1::2], index[0::2]
    return partner ^ 1
