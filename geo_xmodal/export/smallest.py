"""The smallest area that a map shows: its regions, of which small ones have joined their neighbours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from geo_xmodal.errors import RasterError, UsageError
from geo_xmodal.export.regions import ClassReader, RegionMap, find_regions, strips_of
from geo_xmodal.export.sieve import join_small
from geo_xmodal.named_options import option
from geo_xmodal.raster import SQUARE_METRES, PixelAreas
from geo_xmodal.types import Progress, Window

MAX_REGIONS = 20_000_000
"""Areas in a map above which it is refused: what is known of them is held in memory."""

STEPS = 500
"""Of the progress of finding regions."""

_STRIP_PIXELS = 1 << 21
_MOST = 1e12


@dataclass(frozen=True)
class Smallest:
    """The smallest area that is kept: the larger of both counts.

    Attributes:
        mmu: In hectares, the minimum mapping unit.
        sieve: In pixels.
    """

    mmu: float = 0.0
    sieve: int = 0

    def __bool__(self) -> bool:
        return self.sieve > 1 or self.mmu > 0

    def parts(self, areas: PixelAreas, what: str) -> int:
        """The area in parts of a map's `PixelAreas`: the least that is not less than so many hectares.

        Raises:
            UsageError: The map has no place on the ground; `what` names it.
        """
        if not self.mmu:
            return 0
        if areas.unit != "m":
            raise UsageError(
                f"{what}: no CRS, or none with a place on the ground, so that hectares mean nothing: give "
                f"{option('sieve')} in pixels"
            )
        return math.ceil(round(self.mmu * SQUARE_METRES / areas.quantum, 6))


def check_sizes(**sizes: float) -> None:
    """See that sizes are numbers that sizes can be.

    Raises:
        UsageError: One is negative, or no number.
    """
    for name, value in sizes.items():
        if not 0 <= value < _MOST:
            raise UsageError(f"{option(name, str(value))}: give a number from 0 up")


def joined_regions(
    reader: ClassReader,
    areas: PixelAreas,
    shape: tuple[int, int],
    smallest: Smallest,
    what: str,
    *,
    strip_rows: int | None = None,
    progress: Progress | None = None,
) -> tuple[RegionMap, int]:
    """The regions of a map, and how many pixels changed their class as small ones joined neighbours.

    Args:
        reader: The map.
        areas: Of its pixels.
        shape: Rows and columns.
        smallest: The smallest area that is kept.
        what: Names the map in messages.
        strip_rows: Rows that are read together; None for about 2 million pixels.
        progress: Told of `STEPS` steps of twice as many.

    Raises:
        UsageError: Hectares for a map without a place on the ground.
        RasterError: More than `MAX_REGIONS` areas.
    """
    height, width = shape
    least_parts = smallest.parts(areas, what)
    strips = strips_of((height, width), strip_rows or max(1, _STRIP_PIXELS // width))
    found = _found(reader, areas, strips, bool(smallest), what, progress)
    return join_small(found, smallest.sieve, least_parts)


def _found(
    reader: ClassReader,
    areas: PixelAreas,
    strips: Sequence[Window],
    with_borders: bool,
    what: str,
    progress: Progress | None,
) -> RegionMap:
    for done, found in enumerate(find_regions(reader, areas, strips, with_borders, MAX_REGIONS), start=1):
        if isinstance(found, RegionMap):
            return found
        if progress is not None:
            progress(STEPS * done // len(strips), 2 * STEPS, "finding areas")
    raise RasterError(
        f"{what}: more than {MAX_REGIONS:,} areas, which no GIS shows as polygons: "
        "smooth the map first (gdal_sieve.py)"
    )
