"""From positions to values: patches in memory or in a store, and what their bands look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from geo_xmodal.errors import UsageError
from geo_xmodal.kinds import KINDS, Kind
from geo_xmodal.memory import check_memory, in_words, least
from geo_xmodal.patches import HeldPatches, Patches
from geo_xmodal.raster import WindowReader, described
from geo_xmodal.samples.options import GatherOptions
from geo_xmodal.samples.patches import read_patches
from geo_xmodal.samples.statistics import centre_statistics
from geo_xmodal.samples.storage import Storage
from geo_xmodal.types import IntArray, LandClass, ModalitySummary, PixelGroup, Progress

STORED = "store"
"""What notes say of `values` that lie on disk."""

_COPIES = 3
"""Patches in memory are gathered, joined and prepared: so many times they are there while a method begins."""


@dataclass(frozen=True)
class Pixels:
    """A group before its patches are read."""

    position: IntArray
    index: IntArray | None
    pair: bool


def needed(
    groups: dict[str, Pixels], target: WindowReader, auxiliary: WindowReader | None, options: GatherOptions
) -> tuple[int, int]:
    """Pixels of all groups, and bytes that their patches take."""
    count = sum(len(group.position) for group in groups.values())
    values = count * len(target.bands) * (2 * options.margin + 1) ** 2
    if auxiliary is not None:
        pairs = sum(len(group.position) for group in groups.values() if group.pair)
        values += pairs * len(auxiliary.bands) * (2 * options.auxiliary_margin + 1) ** 2
    return count, 4 * values


def beyond_memory(pixels: int, needed: int, memory: float, storage: Storage | None) -> bool:
    """Whether patches go into the storage, which is then told why."""
    beyond = needed > memory * 2**30
    if storage is None and beyond:
        raise UsageError(
            f"patches of {pixels} pixels take {needed / 2**30:.3g} GiB, more than memory = {memory:g}; lower "
            "labels_per_class, unlabelled, margin or auxiliary_margin, or raise memory"
        )
    if storage is None or storage.begun is False:
        check_memory(
            f"patches of {pixels} pixels",
            needed,
            "lower labels_per_class, unlabelled, margin or auxiliary_margin",
        )
        return False
    room = least()
    if beyond:
        why = f"more than memory = {memory:g}"
    elif _COPIES * needed > room.free:
        why = f"{_COPIES} times that while they are prepared, and {room}"
    elif storage.begun:
        why = "the run was begun so"
    else:
        return False
    storage.say(
        f"patches of {pixels:,} pixels take {in_words(needed)} of memory ({why}): their values are kept on "
        f"disk, in {storage.place}, until the run is finished"
    )
    return True


def read_groups(
    groups: dict[str, Pixels],
    target: WindowReader,
    auxiliary: WindowReader | None,
    options: GatherOptions,
    kept: Storage | None,
    progress: Progress | None,
) -> dict[str, PixelGroup]:
    """Every group with its patches; all groups at once, so that no block of a file is read twice."""
    with_auxiliary = {name: group for name, group in groups.items() if group.pair}
    targets = _patches(groups, target, options.margin, kept, progress)
    auxiliaries = (
        {}
        if auxiliary is None
        else _patches(with_auxiliary, auxiliary, options.auxiliary_margin, kept, progress)
    )
    return {
        name: PixelGroup(group.position, targets[name], auxiliaries.get(name), group.index)
        for name, group in groups.items()
    }


def _patches(
    groups: dict[str, Pixels],
    reader: WindowReader,
    margin: int,
    kept: Storage | None,
    progress: Progress | None,
) -> dict[str, Patches]:
    positions = [group.position for group in groups.values()]
    if kept is not None:
        return dict(zip(groups, kept.patches(reader, margin, positions, progress), strict=True))
    together = read_patches(reader, np.concatenate(positions), margin, progress)
    parts = np.split(together, np.cumsum([len(part) for part in positions])[:-1])
    return dict(zip(groups, map(HeldPatches, parts), strict=True))


def summary_of(
    name: str,
    kind: Kind,
    sensor: str,
    readers: Sequence[WindowReader],
    patches: Sequence[Patches],
    kept: Storage | None,
) -> ModalitySummary:
    """A modality as a model sees it; words are those of the first reader.

    Args:
        name: Of the modality.
        kind: What it measures.
        sensor: In words.
        readers: Of all scenes that train.
        patches: Of the pixels that train.
        kept: Where they lie; None for memory.
    """
    first = readers[0]
    statistics = centre_statistics(patches, first.band_names, kind, kept)
    units = {band.unit for band in first.bands}
    return ModalitySummary(
        name,
        kind,
        described(sensor, first.product),
        statistics,
        unit=units.pop() if len(units) == 1 and units != {""} else KINDS[kind].unit,
        scaled=any(band.tagged for one in readers for band in one.bands),
    )


def counts_of(
    groups: dict[str, Pixels], classes: Sequence[LandClass], labels: Mapping[int, int]
) -> dict[str, Any]:
    """Pixels of every group, and of each class of those with labels: plain values, ready for JSON.

    Args:
        groups: What was gathered.
        classes: The legend.
        labels: Training labels of each class id that there were before any were drawn or left out.
    """
    return {
        "counts": {name: len(group.position) for name, group in groups.items()},
        "per_class": {
            name: {entry.name: int((group.index == place).sum()) for place, entry in enumerate(classes)}
            for name, group in groups.items()
            if group.index is not None
        }
        | {"labels": {entry.name: int(labels.get(entry.id, 0)) for entry in classes}},
    }
