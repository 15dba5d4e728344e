"""Polygons of a map's regions as they get whole, from the top: plain, or simplified together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import shapely

from geo_xmodal.export.class_map import MapReader
from geo_xmodal.export.outlines import Corners, Polygons, find_corners, polygons_of
from geo_xmodal.export.regions import Labels, RegionMap, label
from geo_xmodal.types import IntArray

BLOCK = 1024
"""Side of the blocks that are simplified together; anchored to the map, so that strips do not show."""

Finished = tuple[float, IntArray, Polygons]
"""Share of the map that is done, numbers of regions from 1, and their polygons in pixels (column, row)."""


def finished_polygons(found: RegionMap, reader: MapReader, shape: tuple[int, int]) -> Iterator[Finished]:
    """Exact outlines; a vertex wherever an outline turns or two neighbours meet.

    Yields:
        After each strip the regions that end in it, in the order of their last rows and their numbers.
    """
    height, width = shape
    waiting = find_corners(np.zeros((2, 2), np.int32), 0)
    above = np.zeros((1, width), np.int32)
    for index, strip in enumerate(found.strips):
        numbers = found.read(reader, index)
        rows = [above, numbers]
        end = strip.row + strip.height
        if end == height:
            rows.append(np.zeros((1, width), np.int32))
        seen = np.pad(np.concatenate(rows), ((0, 0), (1, 1)))
        waiting = Corners.joined([waiting, find_corners(seen, strip.row)])
        # A region's lowest corners lie below its last row, in the next strip's first crossings.
        whole = found.regions.last_row[waiting.region - 1] < end - (end < height)
        yield end / height, *_in_order(found, *polygons_of(waiting.take(whole)))
        waiting = waiting.take(~whole)
        above = numbers[-1:]


def finished_simplified(
    found: RegionMap, reader: MapReader, shape: tuple[int, int], tolerance: float
) -> Iterator[Finished]:
    """Outlines without small detail; what two neighbours share they still share.

    Each block is simplified as a whole, "no data" too, with its rim unchanged; then pieces of a region
    become one where blocks meet.

    Args:
        found: The regions.
        reader: The map.
        shape: Rows and columns.
        tolerance: In pixels.

    Yields:
        As `finished_polygons`, after each row of blocks.
    """
    height, width = shape
    pieces: dict[int, list[shapely.Geometry]] = {}
    for row, band in _bands(found, reader, width):
        for col in range(0, width, BLOCK):
            seen = band[:, col : col + BLOCK + 2]
            numbers, polygons = _simplified(seen, row, col, tolerance)
            for number, polygon in zip(numbers.tolist(), polygons, strict=True):
                pieces.setdefault(number, []).append(polygon)
        end = row + len(band) - 2
        ready = sorted(number for number in pieces if found.regions.last_row[number - 1] < end)
        whole = [_union(pieces.pop(number)) for number in ready]
        made = np.empty(len(whole), object)
        made[:] = whole
        yield end / height, *_in_order(found, np.array(ready, np.int64), made)


def _in_order(found: RegionMap, numbers: IntArray, polygons: Polygons) -> tuple[IntArray, Polygons]:
    order = np.lexsort((numbers, found.regions.last_row[numbers - 1]))
    return numbers[order], polygons[order]


def _bands(found: RegionMap, reader: MapReader, width: int) -> Iterator[tuple[int, Labels]]:
    """Rows of blocks of region numbers with a rim of one pixel, whatever the strips."""
    outside = np.zeros((1, width), np.int32)
    kept, row = outside, 0
    for index in range(len(found.strips) + 1):
        last = index == len(found.strips)
        kept = np.concatenate([kept, outside if last else found.read(reader, index)])
        while len(kept) >= BLOCK + 2 or (last and len(kept) > 2):
            yield row, np.pad(kept[: BLOCK + 2], ((0, 0), (1, 1)))
            kept, row = kept[BLOCK:], row + BLOCK


def _simplified(seen: Labels, row: int, col: int, tolerance: float) -> tuple[IntArray, Polygons]:
    """Simplified pieces of the regions of a block, without those of no data.

    On the block's rim there is a vertex wherever regions change on either side, so that blocks fit.
    """
    numbers = seen[1:-1, 1:-1]
    pieces, _ = label(numbers)
    with_rim = -1 - seen  # other regions, which are told apart and get no outline
    with_rim[1:-1, 1:-1] = pieces + 1
    _, polygons = polygons_of(find_corners(with_rim, row, col))
    first = np.unique(pieces, return_index=True)[1]
    region = numbers.ravel()[first].astype(np.int64)
    simple: npt.NDArray[np.object_] = shapely.coverage_simplify(polygons, tolerance, simplify_boundary=False)
    return region[region > 0], simple[region > 0]


def _union(pieces: list[shapely.Geometry]) -> shapely.Geometry:
    return pieces[0] if len(pieces) == 1 else shapely.coverage_union_all(pieces)
