"""Which pixels of a set of chips train: drawn from chips that are read one after the other.

What is kept in memory is bounded by the pixels asked for, and so is the number of chips that are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geo_xmodal.chips import Chip, ChipSource, placed
from geo_xmodal.errors import LabelError, TrainingDataError
from geo_xmodal.samples.pools import PixelPool, drawn
from geo_xmodal.scenes import LabelledPixels
from geo_xmodal.types import IntArray, Progress, Window, windows_over
from geo_xmodal.wording import counted

LABELS_PER_CLASS = 1_000
"""Training labels a class where nobody says how many: every pixel of a chip has one, billions of a set."""

MIN_VALIDATION = 5
"""Validation pixels a class below which a score says nothing."""

MAX_OVERSHOOT = 1.5
"""Times the share asked for that whole groups of chips may add up to."""

_WINDOW = 1_024
_APART = 0x5EED
"""Added to the seed of what is drawn without regard to labels, so that the two draws are independent."""

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ChipDraw:
    """Pixels on the grid of all chips, in row-major order.

    Attributes:
        labelled: Of the chips that train.
        validation: Of chips that are held out.
        pairs: Unlabelled pixels of both sensors.
        target: Unlabelled pixels of the target sensor alone.
        labels: Labelled pixels of each class id, with target data, that were drawn from.
        without_data: Labelled pixels that were passed over for want of target data.
        notes: What should be known, a line each.
        trained: Numbers of the chips that labels were drawn from.
    """

    labelled: LabelledPixels
    validation: LabelledPixels
    pairs: IntArray
    target: IntArray
    labels: Mapping[int, int]
    without_data: int
    notes: tuple[str, ...]
    trained: tuple[int, ...]


def draw_chips(
    source: ChipSource,
    *,
    most: int,
    labels_per_class: int | None,
    validation: float,
    unlabelled: int,
    unlabelled_target: int,
    seed: int,
    progress: Progress | None = None,
    labels_needed: bool = True,
) -> ChipDraw:
    """Draw pixels uniformly from chips that are drawn uniformly.

    Args:
        source: The chips, with the sensors that are learned from.
        most: Chips read of each kind: with labels, of any kind, held out.
        labels_per_class: Training labels a class, those for validation among them; None is a default.
        validation: Share of the labels a class, and of the chips with labels, that is held out: whole groups
            of chips, or the chips that the set has for it.
        unlabelled: Most unlabelled pixels of both sensors.
        unlabelled_target: Most unlabelled pixels of the target alone.
        seed: The same seed draws the same pixels.
        progress: Told after every chip.
        labels_needed: Whether it is an error that there are no labels, or of one class only.

    Raises:
        LabelError: No chip that was read has a training label, or all are of one class.
        TrainingDataError: The target has no data at any of them.
        ChipError, RasterError: A chip cannot be read.
    """
    size = LABELS_PER_CLASS if labels_per_class is None else labels_per_class
    held = round(validation * size)
    every = source.chips.of("train")
    own = source.chips.of("validation") if held >= MIN_VALIDATION else ()
    groups = frozenset[str]()
    if held >= MIN_VALIDATION and not own:
        groups = _held_out(source, every, validation, seed)
        own = tuple(chip for chip in every if source.group(chip) in groups)
    training = [chip for chip in every if source.group(chip) not in groups]
    held = held if any(source.usable(chip) and chip.labelled for chip in own) else 0
    numbers = {chip.key: number for number, chip in enumerate(source.chips.chips)}
    labelled = _some([one for one in training if one.labelled], source, most, seed)
    any_ = _some(training, source, most, seed) if unlabelled or unlabelled_target else []
    tested = _some([one for one in own if one.labelled], source, most, seed) if held else []
    to_read = sorted({*labelled, *any_, *tested}, key=lambda chip: numbers[chip.key])
    wanted = (frozenset(labelled), frozenset(any_), frozenset(tested))

    classes = [land.id for land in source.classes]
    train_pools = {id_: PixelPool(size - held, seed) for id_ in classes}
    test_pools = {id_: PixelPool(held, seed) for id_ in classes}
    spare = size * len(classes)  # labelled pixels that may be among those drawn without regard to labels
    pairs = PixelPool(unlabelled + spare if unlabelled else 0, seed + _APART)
    alone = PixelPool(unlabelled_target + spare if unlabelled_target else 0, seed + _APART)
    without_data = seen = 0
    for done, chip in enumerate(to_read, start=1):
        number = numbers[chip.key]
        pools = train_pools if chip in wanted[0] else test_pools if chip in wanted[2] else None
        for part in _windows(source, chip, pools is not None):
            if pools is not None and part.ids is not None:
                without_data += int((part.ids[~part.target] > 0).sum())
                seen += int((part.ids > 0).sum())
                ids = np.where(part.target, part.ids, 0)
                for id_ in np.unique(ids[ids > 0]).tolist():
                    pools[id_].add(placed(number, part.positions(ids == id_)))
            if chip in wanted[1]:
                pairs.add(placed(number, part.positions(part.both)))
                alone.add(placed(number, part.positions(part.target & ~part.both)))
        if progress is not None:
            progress(done, len(to_read), "reading chips")
    found, validated = _together(train_pools), _together(test_pools)
    if labels_needed:
        _check(source, found, seen)
    return ChipDraw(
        found,
        validated,
        _without(pairs.positions, found.position, unlabelled, seed + _APART),
        _without(alone.positions, found.position, unlabelled_target, seed + _APART),
        {id_: train_pools[id_].shown + test_pools[id_].shown for id_ in classes},
        without_data,
        tuple(_notes(source, training, labelled, labels_per_class, held)),
        tuple(numbers[chip.key] for chip in labelled),
    )


@dataclass(frozen=True)
class _Part:
    """A window of a chip: class ids, where the target has data, and where both sensors have."""

    window: Window
    ids: npt.NDArray[np.uint8] | None
    target: BoolArray
    both: BoolArray

    def positions(self, where: BoolArray) -> IntArray:
        """Pixels (n, 2) of the chip."""
        inside: IntArray = np.argwhere(where)
        inside += np.array([self.window.row, self.window.col])
        return inside


def _windows(source: ChipSource, chip: Chip, with_labels: bool) -> Iterator[_Part]:
    reader = source.reader(chip, source.target_name)
    auxiliary = None
    if source.auxiliary_name is not None and source.auxiliary_name in chip.sensors:
        auxiliary = source.reader(chip, source.auxiliary_name)
    ids = source.chips.labels(chip, source.target_name) if with_labels else None
    height, width = reader.grid.shape
    for window in windows_over(int(height), int(width), _WINDOW):
        target = reader.valid(window)
        both = (
            np.zeros_like(target)
            if auxiliary is None or not target.any()
            else target & auxiliary.valid(window)
        )
        yield _Part(window, None if ids is None else ids[window.slices], target, both)


def _held_out(source: ChipSource, chips: Sequence[Chip], share: float, seed: int) -> frozenset[str]:
    """Groups of chips with labels that hold about a share of them; single chips where there is one group."""
    sizes: dict[str, int] = {}
    for chip in chips:
        if chip.labelled and source.usable(chip):
            sizes[source.group(chip)] = sizes.get(source.group(chip), 0) + 1
    total = sum(sizes.values())
    wanted, held, chosen = share * total, 0, set[str]()
    for group in sorted(sizes, key=lambda name: _key(name, seed)):
        if held >= wanted or len(chosen) + 1 == len(sizes):
            break
        if held + sizes[group] <= max(MAX_OVERSHOOT * wanted, 1):
            chosen.add(group)
            held += sizes[group]
    return frozenset(chosen)


def _some(chips: Sequence[Chip], source: ChipSource, most: int, seed: int) -> list[Chip]:
    usable = [chip for chip in chips if source.usable(chip)]
    if len(usable) <= most:
        return usable
    return sorted(usable, key=lambda chip: _key(chip.id, seed))[:most]


def _key(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{name}".encode()).digest()


def _together(pools: dict[int, PixelPool]) -> LabelledPixels:
    position = [pool.positions for pool in pools.values()]
    label = [np.full(len(one), id_, np.uint8) for id_, one in zip(pools, position, strict=True)]
    return LabelledPixels.of(np.concatenate(position), np.concatenate(label))


def _without(pool: IntArray, taken: IntArray, size: int, seed: int) -> IntArray:
    """At most so many of the pixels that are not among those taken."""
    own, others = (one[:, 0] * 2**32 + one[:, 1] for one in (pool, taken))
    left = pool[~np.isin(own, others)]
    return left[np.sort(drawn(left, size, seed))]


def _check(source: ChipSource, found: LabelledPixels, seen: int) -> None:
    folder = source.chips.folder
    if not seen:
        raise LabelError(
            f"{folder}: no training label in the chips that were read: see geo-xmodal info {folder}"
        )
    if not len(found):
        raise TrainingDataError(
            f"{folder}: {source.target_name} has no value in every band at any of {seen:,} labelled pixels"
        )
    present = np.unique(found.label)
    if len(present) < 2:
        name = next(land.name for land in source.classes if land.id == present[0])
        raise LabelError(
            f"{folder}: all labelled training pixels with data are of class {name!r}; at least two classes "
            "are needed"
        )


def _notes(
    source: ChipSource,
    training: Sequence[Chip],
    read: Sequence[Chip],
    labels_per_class: int | None,
    held: int,
) -> Iterator[str]:
    labelled = sum(chip.labelled and source.usable(chip) for chip in training)
    if len(read) < labelled:
        chips = counted(labelled, "training chip")
        yield f"{len(read):,} of {chips} are read, drawn at random (the setting chips=N reads N)"
    if labels_per_class is None:
        yield f"{LABELS_PER_CLASS:,} labels a class are drawn (the setting labels_per_class=N draws N)"
    if not held:
        yield "no chip is held out for validation"
