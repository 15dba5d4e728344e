"""Small regions join a neighbour: the smallest first, each the neighbour that it shares most border with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geo_xmodal.export.regions import Borders, RegionMap, components, sums_of_pairs
from geo_xmodal.types import ClassArray, IntArray


def join_small(found: RegionMap, least: int, least_parts: int = 0) -> tuple[RegionMap, int]:
    """Join regions of fewer than `least` pixels, or of less area, with a neighbour, until none has one.

    Regions of one number of pixels are joined together, the smallest first. Each chooses the neighbour with
    the longest common border; of those alike the largest, then the first. Those that choose one another take
    the class of the first. Regions of one class that come to touch become one. A region with nothing but "no
    data" around it stays.

    Args:
        found: The regions and their borders.
        least: Pixels.
        least_parts: Area, in the parts of the map's `PixelAreas`.

    Returns:
        The regions that are left, numbered by their first pixels; and the pixels that changed their class.
    """
    if found.borders is None:
        return found, 0
    regions, borders = found.regions, found.borders
    count = len(regions)
    group = np.arange(count)
    # of each group, under its lowest number
    class_id, pixels, parts = regions.class_id.copy(), regions.pixels.copy(), regions.parts.copy()
    size = 0
    while True:
        has_neighbour = np.zeros(count, bool)
        has_neighbour[borders.first] = has_neighbour[borders.second] = True
        small = (pixels < least) | (parts < least_parts)
        sizes = pixels[has_neighbour & small & (pixels > size)]
        if not len(sizes):
            break
        size = int(sizes.min())
        chosen = _chosen(borders, pixels, small & (pixels == size))
        merged, class_id = _merged(chosen, class_id, pixels, count)
        group, borders = merged[group], borders.renumbered(merged)
        alike = class_id[borders.first] == class_id[borders.second]
        if alike.any():
            merged, _ = _lowest(borders.first[alike], borders.second[alike], count)
            group, borders = merged[group], borders.renumbered(merged)
        pixels = np.bincount(group, regions.pixels, count).astype(np.int64)
        parts = np.zeros(count, np.int64)
        np.add.at(parts, group, regions.parts)
    kept, place = np.unique(group, return_inverse=True)
    joined = regions.joined(place, class_id[kept])
    changed = int(regions.pixels[class_id[group] != regions.class_id].sum())
    return RegionMap(joined, None, place[found.number], found.offsets, found.strips), changed


def _chosen(borders: Borders, pixels: IntArray, small: npt.NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    """Small groups that have a neighbour, and the neighbour that each chooses."""
    forth, back = small[borders.first], small[borders.second]
    chooser = np.concatenate([borders.first[forth], borders.second[back]])
    neighbour = np.concatenate([borders.second[forth], borders.first[back]])
    chooser, neighbour, length = sums_of_pairs(
        chooser, neighbour, np.concatenate([borders.length[forth], borders.length[back]])
    )
    order = np.lexsort((neighbour, -pixels[neighbour], -length, chooser))
    first = np.ones(len(order), bool)
    first[1:] = chooser[order][1:] != chooser[order][:-1]
    best = order[first]
    return chooser[best], neighbour[best]


def _merged(
    chosen: tuple[IntArray, IntArray], class_id: ClassArray, pixels: IntArray, count: int
) -> tuple[IntArray, ClassArray]:
    """The lowest number of each group's new group, and the class of these."""
    merged, groups = _lowest(*chosen, count)
    # the largest of a new group gives the class; of those alike the first
    members = groups
    order = np.lexsort((members, -pixels[members], merged[members]))
    members = members[order]
    first = np.ones(len(members), bool)
    first[1:] = merged[members][1:] != merged[members][:-1]
    class_id = class_id.copy()
    class_id[merged[members[first]]] = class_id[members[first]]
    return merged, class_id


def _lowest(
    first: npt.NDArray[np.integer], second: npt.NDArray[np.integer], count: int
) -> tuple[IntArray, IntArray]:
    """For every number the lowest that it is joined with, and the numbers that are joined at all."""
    members, place = np.unique(np.concatenate([first, second]), return_inverse=True)
    _, group = components(place[: len(first)], place[len(first) :], len(members))
    lowest = np.full(int(group.max(initial=-1)) + 1, count, np.int64)
    np.minimum.at(lowest, group, members)
    merged = np.arange(count)
    merged[members] = lowest[group]
    return merged, members
