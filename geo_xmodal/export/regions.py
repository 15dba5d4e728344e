"""Connected components of one class, of a map of any size: found strip by strip, joined at the seams.

Two pixels are connected where they share an edge. Regions are numbered by their first pixel, row by row, so
that nothing depends on how the map was cut. Memory grows with the number of regions, not of pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geo_xmodal.mapping.attribute_table import NO_CLASS
from geo_xmodal.mapping.layers import NO_PROBABILITY
from geo_xmodal.raster import PixelAreas
from geo_xmodal.types import ClassArray, IntArray, Window

Labels = npt.NDArray[np.int32]

_SHIFT = 32
_LOW = (1 << _SHIFT) - 1


class ClassReader(Protocol):
    """Class ids of a map, window by window."""

    def read(self, window: Window) -> tuple[ClassArray, ClassArray | None]:
        """Class ids (row, col), 0 = no data, and percent (row, col), 255 = unknown, where there is any."""


@dataclass(frozen=True)
class Regions:
    """What is known of the regions, one entry a region, in the order of their first pixels.

    Attributes:
        class_id: (n,) uint8.
        pixels: (n,).
        parts: (n,) area, in the parts of the map's `PixelAreas`.
        own: (n,) pixels that had the region's class from the start and a known probability.
        percent: (n,) sum of their percent.
        last_row: (n,) the lowest row that it reaches.
    """

    class_id: ClassArray
    pixels: IntArray
    parts: IntArray
    own: IntArray
    percent: IntArray
    last_row: IntArray

    def __len__(self) -> int:
        return len(self.class_id)

    def joined(self, group: IntArray, class_id: ClassArray) -> Regions:
        """Regions of a group as one, whose class is given for each group; groups in order of first pixels."""
        own = self.class_id == class_id[group]
        last_row = np.zeros(len(class_id), np.int64)
        np.maximum.at(last_row, group, self.last_row)
        parts = np.zeros(len(class_id), np.int64)
        np.add.at(parts, group, self.parts)
        return Regions(
            class_id=class_id,
            pixels=_sums(group, self.pixels, len(class_id)),
            parts=parts,
            own=_sums(group, np.where(own, self.own, 0), len(class_id)),
            percent=_sums(group, np.where(own, self.percent, 0), len(class_id)),
            last_row=last_row,
        )


@dataclass(frozen=True)
class Borders:
    """Which regions share how many pixel edges; a pair may come more than once."""

    first: Labels
    second: Labels
    length: Labels

    @classmethod
    def of(cls, first: IntArray, second: IntArray) -> Borders:
        """The two sides of each pixel edge, in any order."""
        pairs = sums_of_pairs(np.minimum(first, second), np.maximum(first, second), np.ones_like(first))
        return cls(*(one.astype(np.int32) for one in pairs))

    def renumbered(self, number: IntArray) -> Borders:
        """The same under other numbers, where two may have become one; pairs may come more than once."""
        first, second = number[self.first].astype(np.int32), number[self.second].astype(np.int32)
        different = first != second
        return Borders(first[different], second[different], self.length[different])


def sums_of_pairs(
    first: npt.NDArray[np.integer], second: npt.NDArray[np.integer], values: npt.NDArray[np.integer]
) -> tuple[IntArray, IntArray, IntArray]:
    """Each pair once, in order, with the sum of its values."""
    pairs, place = np.unique((first.astype(np.int64) << _SHIFT) | second, return_inverse=True)
    return pairs >> _SHIFT, pairs & _LOW, _sums(place, values, len(pairs))


@dataclass(frozen=True)
class RegionMap:
    """A map's regions, and how to find each pixel's region again.

    Attributes:
        regions: What they are.
        borders: Between regions that have data; None if not asked for.
        number: Provisional label of a strip's pixels -> region.
        offsets: First provisional label of each strip.
        strips: Rows that were read together, from the top.
    """

    regions: Regions
    borders: Borders | None
    number: IntArray
    offsets: tuple[int, ...]
    strips: tuple[Window, ...]

    def read(self, reader: ClassReader, strip: int) -> Labels:
        """(row, col) number of the region from 1 on, 0 = no data, of a strip."""
        ids, _ = reader.read(self.strips[strip])
        labels, _ = label(ids)
        numbers = self.number[self.offsets[strip] + labels.astype(np.int64)] + 1
        return np.where(ids == NO_CLASS, 0, numbers).astype(np.int32)


def strips_of(shape: tuple[int, int], rows: int) -> tuple[Window, ...]:
    """Full-width windows of so many rows."""
    height, width = shape
    return tuple(Window(row, 0, min(rows, height - row), width) for row in range(0, height, rows))


def find_regions(
    reader: ClassReader, areas: PixelAreas, strips: Sequence[Window], with_borders: bool, most: int
) -> Iterator[RegionMap | int]:
    """Go over a map once; yields the number of regions so far after each strip, then the regions.

    Args:
        reader: The map.
        areas: Of its pixels.
        strips: From the top.
        with_borders: Whether common borders are asked for.
        most: Regions in a map at which it is given up, and the number so far is the last thing that comes.
    """
    found: list[_Strip] = []
    seams: list[npt.NDArray[np.int64]] = []
    borders: list[Borders] = []
    offset, above = 0, None
    for strip in strips:
        ids, percent = reader.read(strip)
        labels, count = label(ids)
        numbered = labels.astype(np.int64) + offset
        found.append(_describe(ids, percent, labels, count, strip, areas))
        if above is not None:
            above_ids, above_labels = above
            same = (above_ids == ids[0]) & (ids[0] != NO_CLASS)
            pairs = np.stack([above_labels[same], numbered[0][same]], axis=1)
            seams.append(np.unique(pairs, axis=0))
            if with_borders:
                borders.append(_between(above_ids, ids[0], above_labels, numbered[0]))
        if with_borders:
            borders.append(_between(ids[:, :-1], ids[:, 1:], numbered[:, :-1], numbered[:, 1:]))
            borders.append(_between(ids[:-1], ids[1:], numbered[:-1], numbered[1:]))
        above = (ids[-1].copy(), numbered[-1].copy())
        offset += count
        yield offset
        if offset > most:
            return
    yield _joined(found, seams, borders if with_borders else None, strips)


def label(ids: npt.NDArray[np.integer]) -> tuple[Labels, int]:
    """Number the areas of equal value of (row, col) `ids`, in the order of their first pixels.

    Runs of equal pixels in a row are the nodes of a graph; runs that touch from row to row are its edges.
    """
    height, width = ids.shape
    starts = np.ones((height, width), bool)
    starts[:, 1:] = ids[:, 1:] != ids[:, :-1]
    run = (np.cumsum(starts.ravel(), dtype=np.int64) - 1).reshape(height, width)
    touch = ids[1:] == ids[:-1]
    # one pair for each stretch of columns: where either run starts
    touch &= starts[1:] | starts[:-1]
    pairs = np.stack([run[:-1][touch], run[1:][touch]])
    count = int(run[-1, -1]) + 1
    number, of_run = components(pairs[0], pairs[1], count)
    return of_run[run].astype(np.int32), number


def components(
    first: npt.NDArray[np.integer], second: npt.NDArray[np.integer], count: int
) -> tuple[int, IntArray]:
    """Groups of nodes that edges join, numbered by their lowest node."""
    graph = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(count, count))
    number, group = connected_components(graph, directed=False)
    lowest = np.full(number, count, np.int64)
    np.minimum.at(lowest, group, np.arange(count))
    rank = np.empty(number, np.int64)
    rank[np.argsort(lowest)] = np.arange(number)
    return int(number), rank[group]


@dataclass(frozen=True)
class _Strip:
    class_id: ClassArray
    pixels: IntArray
    parts: IntArray
    own: IntArray
    percent: IntArray
    last_row: IntArray
    first_pixel: IntArray


def _describe(
    ids: ClassArray,
    percent: ClassArray | None,
    labels: Labels,
    count: int,
    strip: Window,
    areas: PixelAreas,
) -> _Strip:
    flat = labels.ravel()
    pixels = np.bincount(flat, minlength=count)
    weights = np.broadcast_to(areas.parts(strip), labels.shape).ravel()
    parts = np.bincount(flat, weights, count).astype(np.int64)
    own, sums = np.zeros((2, count), np.int64)
    if percent is not None:
        known = np.where(percent == NO_PROBABILITY, 0, 1).ravel()
        own = np.bincount(flat, known, count).astype(np.int64)
        sums = np.bincount(flat, percent.ravel() * known, count).astype(np.int64)
    first = np.full(count, ids.size, np.int64)
    backwards = np.arange(ids.size - 1, -1, -1)
    first[flat[::-1]] = backwards  # the last write to a place, its first pixel, stays
    last = np.zeros(count, np.int64)
    last[flat] = np.arange(ids.size) // ids.shape[1]
    origin = strip.row * strip.width
    return _Strip(ids.ravel()[first], pixels, parts, own, sums, last + strip.row, first + origin)


def _between(ids_a: ClassArray, ids_b: ClassArray, labels_a: IntArray, labels_b: IntArray) -> Borders:
    edge = (ids_a != ids_b) & (ids_a != NO_CLASS) & (ids_b != NO_CLASS)
    return Borders.of(labels_a[edge], labels_b[edge])


def _joined(
    found: Sequence[_Strip],
    seams: Sequence[IntArray],
    borders: Sequence[Borders] | None,
    strips: Sequence[Window],
) -> RegionMap:
    counts = [len(one.pixels) for one in found]
    offsets = np.cumsum([0, *counts])
    whole = Regions(
        class_id=np.concatenate([one.class_id for one in found]),
        pixels=np.concatenate([one.pixels for one in found]),
        parts=np.concatenate([one.parts for one in found]),
        own=np.concatenate([one.own for one in found]),
        percent=np.concatenate([one.percent for one in found]),
        last_row=np.concatenate([one.last_row for one in found]),
    )
    pairs = np.concatenate([np.empty((0, 2), np.int64), *seams])
    # provisional labels are in the order of first pixels within a strip, and strips in theirs
    number, group = components(pairs[:, 0], pairs[:, 1], int(offsets[-1]))
    class_id = np.zeros(number, np.uint8)
    class_id[group] = whole.class_id
    regions = whole.joined(group, class_id)
    joined = None
    if borders is not None:
        joined = Borders(
            np.concatenate([one.first for one in borders]),
            np.concatenate([one.second for one in borders]),
            np.concatenate([one.length for one in borders]),
        ).renumbered(group)
    return RegionMap(regions, joined, group, tuple(int(one) for one in offsets[:-1]), tuple(strips))


def _sums(group: IntArray, values: npt.NDArray[np.integer], count: int) -> IntArray:
    """Sum of integers a group, exact to 2**53."""
    return np.bincount(group, values, count).astype(np.int64)
