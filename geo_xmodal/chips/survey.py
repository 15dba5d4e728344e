"""What a set of chips holds: read chip by chip, and what does not fit told instead of raised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from geo_xmodal.chips.chip_set import Chip, ChipSet
from geo_xmodal.chips.config import ChipSplit
from geo_xmodal.errors import GeoXmodalError
from geo_xmodal.raster import pixel_size
from geo_xmodal.types import IntArray, Progress

MAX_SURVEYED = 1_000
"""Chips of a split whose rasters `survey` opens; of more it takes as many, spread evenly."""

SPLITS: tuple[ChipSplit, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class SensorSurvey:
    """One modality of the chips that were opened.

    Attributes:
        chips: How many have it, of all chips.
        band_names: Of the first.
        pixel: Rows and columns of a pixel and their unit, of the first.
    """

    chips: int
    band_names: tuple[str, ...]
    pixel: tuple[float, float, str]


@dataclass(frozen=True)
class SplitSurvey:
    """The chips of a split.

    Attributes:
        chips: How many.
        labelled: How many have labels.
        pairs: How many have an auxiliary sensor.
        opened: How many were opened.
        pixels: (class,) labelled pixels of each class in those, in the order of the legend.
    """

    chips: int
    labelled: int
    pairs: int
    opened: int
    pixels: IntArray


@dataclass(frozen=True)
class ChipSurvey:
    """What a set holds.

    Attributes:
        sensors: By name.
        splits: By name; those without chips are left out.
        sizes: Rows and columns of the smallest and the largest chip that was opened.
        problems: What keeps a chip from being learned from, a line each.
    """

    sensors: dict[str, SensorSurvey]
    splits: dict[ChipSplit, SplitSurvey]
    sizes: tuple[tuple[int, int], tuple[int, int]]
    problems: tuple[str, ...]


def survey(chips: ChipSet, progress: Progress | None = None, most: int = MAX_SURVEYED) -> ChipSurvey:
    """Open chips one after the other and count what is in them.

    Args:
        chips: The set.
        progress: Told after every chip.
        most: Chips opened of each split.

    Raises:
        GeoXmodalError: Not one chip can be opened.
    """
    problems: list[str] = []
    shapes: list[tuple[int, int]] = []
    splits: dict[ChipSplit, SplitSurvey] = {}
    first: GeoXmodalError | None = None
    for split in SPLITS:
        members = chips.of(split)
        if not members:
            continue
        opened = spread(members, most)
        pixels = np.zeros(len(chips.classes), np.int64)
        for done, chip in enumerate(opened, start=1):
            try:
                shapes.append(_looked_at(chips, chip, pixels))
            except GeoXmodalError as error:
                first = first or error
                problems.append(str(error))
            if progress is not None:
                progress(done, len(opened), f"reading {split} chips")
        splits[split] = SplitSurvey(
            len(members),
            sum(chip.labelled for chip in members),
            sum(len(chip.sensors) > 1 for chip in members),
            len(opened),
            pixels,
        )
    if not shapes and first is not None:
        raise first
    sizes = (min(shapes), max(shapes)) if shapes else ((0, 0), (0, 0))
    return ChipSurvey(dict(_sensors(chips)), splits, sizes, tuple(problems))


def spread(chips: Sequence[Chip], most: int) -> list[Chip]:
    """At most so many of the chips, spread evenly over them."""
    if len(chips) <= most:
        return list(chips)
    return [chips[place] for place in np.linspace(0, len(chips) - 1, most).astype(int).tolist()]


def _looked_at(chips: ChipSet, chip: Chip, pixels: IntArray) -> tuple[int, int]:
    """Rows and columns of a chip that can be learned from; its labels are added to `pixels`."""
    for sensor in sorted(chip.sensors):
        chips.reader(chip, sensor)
    ids = chips.labels(chip)
    if ids is not None:
        counts = np.bincount(ids.ravel(), minlength=256)
        pixels += counts[[land.id for land in chips.classes]]
    rows, cols = chips.grid(chip).shape
    return int(rows), int(cols)


def _sensors(chips: ChipSet) -> Iterator[tuple[str, SensorSurvey]]:
    for name in chips.config.modalities:
        having = [chip for chip in chips.chips if name in chip.sensors]
        reader = _first_reader(chips, having, name)
        if reader is not None:
            bands, pixel = reader
            yield name, SensorSurvey(len(having), bands, pixel)


def _first_reader(
    chips: ChipSet, having: Iterable[Chip], name: str
) -> tuple[tuple[str, ...], tuple[float, float, str]] | None:
    for chip in having:
        try:
            reader = chips.reader(chip, name)
        except GeoXmodalError:
            continue
        return reader.band_names, pixel_size(reader.grid)
    return None
