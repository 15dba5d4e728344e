"""Training and test pixels that are fair to each other: random or by blocks, with a buffer between them.

Pixels that lie close together are alike, and their patches share pixels, so that a random split inflates
accuracy (Liang et al., arXiv 1605.05829). Blocks keep neighbours on one side, the buffer keeps patches apart:
patches of margin m share no pixel when the buffer is at least 2 m.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from geo_xmodal.selection import BoolArray, blocks_of, counts_by_block, near
from geo_xmodal.types import ClassArray, IntArray

DEFAULT_MARGIN = 10
"""Pixels on each side that a method looks at by default; the largest over all methods and kinds of sensor."""

DEFAULT_BUFFER = 2 * DEFAULT_MARGIN
DEFAULT_BLOCK = 64

_BLOCKS = (32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Sides of blocks tried for labels that come without a split; what is right depends on how they lie."""

_SMALL_BLOCK, _SMALL_BUFFER = 16, 4
"""The split of labels that cover too small an area for the buffer that is needed."""

_MIN_PER_CLASS = 5
"""Pixels of a class below which it does not count as present on a side."""

_KEPT = 0.5
"""Share of the training pixels that the buffer should leave; the smallest blocks that do are taken."""

_MAX_TRIED = 100_000
"""Pixels from which a split is chosen, thinned evenly where there are more."""

ATTEMPTS = 32
"""Draws of a block split, of which the first that has every class on both sides is taken."""

VALIDATION_BLOCKS = (64, 32, 16, 8)
"""Block sizes (pixels) tried for validation when none is asked for, largest first."""

MIN_VALIDATION_PER_CLASS = 5
"""Validation pixels a class, on average, below which a validation score says nothing."""

MAX_OVERSHOOT = 1.5
"""Times the share asked for that whole validation blocks may add up to."""


@dataclass(frozen=True)
class Partition:
    """Which pixels train and which test; a pixel in neither was dropped by the buffer.

    Attributes:
        train: (n,) mask.
        test: (n,) mask.
    """

    train: BoolArray
    test: BoolArray

    @property
    def dropped(self) -> int:
        """Number of pixels that the buffer took from training."""
        return int((~self.train & ~self.test).sum())

    def on_both_sides(self, labels: IntArray) -> int:
        """Number of classes that both train and test."""
        return len(np.intersect1d(labels[self.train], labels[self.test]))


def random_split(
    positions: IntArray, labels: IntArray, test: float, buffer: int = 0, seed: int = 0
) -> Partition:
    """Divide pixels class by class at random: at least one on each side of a class that has two.

    Args:
        positions: (n, 2) row and column, no pixel twice.
        labels: (n,) class of each pixel.
        test: Share of pixels that test, between 0 and 1.
        buffer: Training pixels at most this many rows and columns from a test pixel are dropped.
        seed: The same seed gives the same split, whatever the order of the pixels.
    """
    rng = np.random.default_rng(seed)
    order = _canonical(positions)
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        count = min(max(round(test * len(members)), 1), len(members) - 1)
        chosen[rng.permutation(members)[:count]] = True
    return _with_buffer(positions, chosen, buffer)


def block_split(
    positions: IntArray, labels: IntArray, block: int, test: float, buffer: int = 0, seed: int = 0
) -> Partition:
    """Divide pixels by whole square blocks, so that each class has about its share of test pixels.

    Blocks are dealt greedily, large ones first, each to the side that lacks its classes most; a class that
    lives in one block only cannot be on both sides, and trains.

    Args:
        positions: (n, 2) row and column, no pixel twice.
        labels: (n,) class of each pixel.
        block: Side of a block in pixels.
        test: Share of pixels that test, between 0 and 1.
        buffer: Training pixels at most this many rows and columns from a test pixel are dropped.
        seed: The same seed gives the same split, whatever the order of the pixels.
    """
    block_of = blocks_of(positions, block)
    counts = counts_by_block(block_of, labels)
    possible = int(((counts > 0).sum(axis=0) > 1).sum())
    best = nothing = Partition(np.zeros(len(labels), bool), np.zeros(len(labels), bool))
    for split in _draws(positions, block_of, counts, test, buffer, seed):
        if best is nothing or split.on_both_sides(labels) > best.on_both_sides(labels):
            best = split
        if best.on_both_sides(labels) >= possible:
            break
    return best


def default_split(positions: IntArray, labels: IntArray | ClassArray, test: float = 0.5) -> tuple[int, int]:
    """Block and buffer for pixels that nobody has divided: no window of `DEFAULT_MARGIN` reaches across.

    The blocks put most classes on both sides, leave half of the training pixels if any do, and are the
    smallest that do. Where the labels cover too small an area, so that blocks apart as far as needed would
    lose half of the classes, blocks and buffer are small, and windows overlap: `overlap_share` says how many.

    Args:
        positions: (n, 2) row and column, no pixel twice.
        labels: (n,) class of each pixel.
        test: Share of pixels that test.

    Returns:
        Block and buffer in pixels.
    """
    order = _canonical(positions)[:: max(1, -(-len(positions) // _MAX_TRIED))]
    where, of = positions[order], labels[order].astype(np.int64)

    def found(block: int, buffer: int) -> tuple[int, float]:
        split = block_split(where, of, block, test, buffer)
        trained, tested = (np.bincount(of[side], minlength=256) for side in (split.train, split.test))
        both = int(np.sum(np.minimum(trained, tested) >= _MIN_PER_CLASS))
        kept = split.train.sum() / max(1, (~split.test).sum())
        return both, min(float(kept), _KEPT)

    scores = {block: found(block, DEFAULT_BUFFER) for block in _BLOCKS}
    best = max(scores, key=lambda block: (scores[block], -block))
    possible, _ = found(_SMALL_BLOCK, _SMALL_BUFFER)
    if 2 * scores[best][0] >= possible and scores[best][0] > 1:
        return best, DEFAULT_BUFFER
    return _SMALL_BLOCK, _SMALL_BUFFER


def validation_split(
    positions: IntArray, labels: IntArray, share: float, block: int = 0, buffer: int = 0, seed: int = 0
) -> Partition:
    """Hold pixels out of the training data in blocks, and never more than training can spare.

    The rule: every class keeps at least half of its pixels in training after the buffer, and validation holds
    at least `MIN_VALIDATION_PER_CLASS` pixels a class on average (ten labels a class with a share of 0.2
    are too few). Blocks that would break it are passed over; where too little is left, validation is empty
    and every pixel trains. Without `block`, the size that puts most classes on both sides is taken, the
    largest of equals.

    Args:
        positions: (n, 2) row and column, no pixel twice.
        labels: (n,) class of each pixel.
        share: Share of pixels to hold out, 0 for none.
        block: Side of a block in pixels; 0 tries `VALIDATION_BLOCKS`.
        buffer: Training pixels at most this many rows and columns from a validation pixel are dropped.
        seed: The same seed gives the same split, whatever the order of the pixels.

    Returns:
        The split; `test` is validation.
    """
    nothing = Partition(np.ones(len(labels), bool), np.zeros(len(labels), bool))
    classes = len(np.unique(labels))
    least = MIN_VALIDATION_PER_CLASS * classes
    best = nothing
    for size in (block,) if block else VALIDATION_BLOCKS:
        split = _spared(positions, labels, size, share, buffer, np.random.default_rng(seed))
        enough = split.test.sum() >= least
        if enough and split.on_both_sides(labels) > best.on_both_sides(labels):
            best = split
        if best.on_both_sides(labels) == classes:
            break
    return best


def overlap_share(train: IntArray, test: IntArray, margin: int) -> float:
    """Share of test patches (side 2 margin + 1) that share at least one pixel with a training patch.

    Args:
        train: (n, 2) centres of training patches.
        test: (k, 2) centres of test patches.
        margin: Patch radius in pixels.

    Returns:
        Share between 0 and 1; 0 where one side is empty.
    """
    if not len(train) or not len(test):
        return 0.0
    return float(near(train, test, 2 * margin).mean())


def _canonical(positions: IntArray) -> IntArray:
    return np.lexsort((positions[:, 1], positions[:, 0]))


def _with_buffer(positions: IntArray, test: BoolArray, buffer: int) -> Partition:
    train = ~test
    if buffer > 0:
        train[train] = ~near(positions[test], positions[train], buffer)
    return Partition(train, test)


def _draws(
    positions: IntArray, block_of: IntArray, counts: IntArray, test: float, buffer: int, seed: int
) -> Iterator[Partition]:
    for attempt in range(ATTEMPTS if len(counts) else 0):
        rng = np.random.default_rng([seed, attempt])
        yield _with_buffer(positions, _deal(counts, test, rng)[block_of], buffer)


def _spared(
    positions: IntArray,
    labels: IntArray,
    block: int,
    share: float,
    buffer: int,
    rng: np.random.Generator,
) -> Partition:
    """Hold out the blocks whose classes are needed most, while every class keeps half of its pixels."""
    block_of = blocks_of(positions, block)
    counts = counts_by_block(block_of, labels)
    _, class_of = np.unique(labels, return_inverse=True)
    sizes, wanted = counts.sum(axis=0), share * len(labels)
    held = np.zeros_like(sizes)
    train, test = np.ones(len(labels), bool), np.zeros(len(labels), bool)
    jitter = rng.uniform(0.75, 1.25, len(counts))
    while held.sum() < wanted:
        need = jitter * (np.minimum(np.maximum(share * sizes - held, 0), counts) / sizes).sum(axis=1)
        chosen = int(need.argmax())
        if need[chosen] <= 0:
            break
        jitter[chosen] = 0  # taken or passed over for good: training only shrinks
        members = block_of == chosen
        lost = members | _around(positions, members, buffer)
        kept = np.bincount(class_of[train & ~lost], minlength=len(sizes))
        if held.sum() + counts[chosen].sum() <= MAX_OVERSHOOT * wanted and (2 * kept >= sizes).all():
            train &= ~lost
            test |= members
            held += counts[chosen]
    return Partition(train, test)


def _around(positions: IntArray, members: BoolArray, buffer: int) -> BoolArray:
    """Which pixels lie at most `buffer` rows and columns from any of `members`."""
    box = positions[members]
    low, high = box.min(axis=0) - buffer, box.max(axis=0) + buffer
    close: BoolArray = np.all((positions >= low) & (positions <= high), axis=1)
    close[close] = near(box, positions[close], buffer)
    return close


def _deal(counts: IntArray, test: float, rng: np.random.Generator) -> BoolArray:
    """Which blocks test, from the pixels of each class in each block (block, class)."""
    weight = counts / counts.sum(axis=0)  # a rare class counts as much as a common one
    share = np.array([1.0 - test, test])
    filled = np.zeros((2, counts.shape[1]))
    has: BoolArray = counts.astype(bool)
    alone: BoolArray = np.any(has[:, has.sum(axis=0) == 1], axis=1)  # the only block of some class
    must_train = alone & ~alone.all()
    # Large pieces first leaves small ones to even out; the jitter makes seeds differ.
    order = np.argsort(-weight.max(axis=1) * rng.uniform(0.5, 1.5, len(weight)), kind="stable")
    side = np.zeros(len(counts), np.int64)
    for index in order:
        excess = (filled / share[:, None]) @ weight[index]
        side[index] = int(excess[1] < excess[0] and not must_train[index])
        filled[side[index]] += weight[index]
    return np.equal(side, 1)
