"""Folds of labelled pixels for cross-validation: whole blocks apart from training where the labels allow it.

Pixels that lie close together are alike, and their patches share pixels, so that random folds flatter
whatever overfits (Roberts et al., Ecography 40, 2017). Each fold tests whole square blocks; pixels of other
folds whose patches share pixels with a tested one do not train in that fold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from geo_xmodal.selection.blocks import blocks_of, counts_by_block, near
from geo_xmodal.types import IntArray
from geo_xmodal.wording import counted

Kind = Literal["blocks", "stratified", "none"]

SIZES = (256, 192, 128, 96, 64, 48, 32, 24, 16, 12, 8)
"""Sides of blocks in pixels that are tried, the largest first."""

MIN_LABELS = 10
"""Labels of classes that have two at least, below which nothing is held out."""

MIN_KEPT = 0.7
"""Share of the labels of the other folds that the buffer must leave to training, in every fold."""

MIN_DIVIDED = 0.75
"""Share of the classes with two labels that blocks must be able to test."""

MIN_COVERED = 0.9
"""Share of the tests of a class in a fold that a larger block may have of the most that any has."""

_DRAWS = 8
"""Ways to deal the blocks to folds, of which the one that tests most classes in most folds is taken."""

_MAX_TRIED = 5_000
"""Labels by which the size of blocks is chosen, thinned evenly where there are more."""


@dataclass(frozen=True)
class Folds:
    """Which labelled pixels train and which test, fold by fold.

    Attributes:
        kind: `blocks`; `stratified`, drawn at random class by class; or `none`, with no fold at all.
        why: what keeps the labels from blocks that are apart, in words; empty where nothing does.
        train: indices of the pixels that train, of each fold.
        test: indices of the pixels that test, of each fold; a class that does not train there is not tested.
        repeat: which repetition each fold belongs to, from 0; each pixel is tested at most once in one.
        group: (n,) block of each pixel: errors of pixels of one block go together (standard errors).
        block: side of the blocks in pixels; 0 where there are none.
        buffer: training pixels at most this many rows and columns from a tested one are left out.
    """

    kind: Kind
    why: str
    train: tuple[IntArray, ...]
    test: tuple[IntArray, ...]
    repeat: tuple[int, ...]
    group: IntArray
    block: int = 0
    buffer: int = 0

    def __len__(self) -> int:
        return len(self.train)

    @property
    def repeats(self) -> int:
        """How often the labels are divided."""
        return max(self.repeat, default=-1) + 1

    def describe(self) -> str:
        """What the folds are, in a line for reports."""
        several = f"{counted(len(self) // max(1, self.repeats), 'fold')}, repeated {self.repeats} times"
        if self.kind == "none":
            return f"no cross-validation: {self.why}"
        if self.kind == "stratified":
            return f"{several}, drawn at random class by class: {self.why}; scores are optimistic"
        apart = f"{self.buffer} pixels apart" if self.buffer else "not kept apart"
        return f"{several}, in blocks of {self.block} pixels, {apart}{f' ({self.why})' if self.why else ''}"


def block_folds(
    position: IntArray,
    label: IntArray,
    scene: IntArray | None = None,
    *,
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    reach: int = 0,
) -> Folds:
    """Divide labelled pixels for repeated cross-validation, in spatial blocks where the labels allow it.

    The buffer between tested and training pixels is `2 reach`, so that patches share no pixel. Where the
    labels lie too close for it, it is smaller, and `why` says so; where they are too few or too clustered
    for blocks at all, the folds are stratified, and their scores optimistic. Of the sizes of blocks that
    leave `MIN_KEPT` of the labels to training, the largest is taken that tests about as many classes in as
    many folds as any does.

    Args:
        position: (n, 2) row and column of each pixel, on the grid of its scene; chips lie apart.
        label: (n,) class of each pixel.
        scene: (n,) number of the scene of each pixel; None is one scene.
        folds: how many at most.
        repeats: how often the labels are divided anew, with other blocks.
        seed: of the division.
        reach: pixels on each side that a model looks at.

    Raises:
        ValueError: Fewer than 2 folds, or no repetition.
    """
    if folds < 2 or repeats < 1:
        raise ValueError(f"{folds} folds {repeats} times: cross-validation needs 2 folds and 1 repetition")
    scene = np.zeros(len(label), np.int64) if scene is None else scene
    counts = np.unique(label, return_counts=True)[1]
    counts = counts[counts > 1]
    if len(counts) < 2 or counts.sum() < MIN_LABELS:
        why = f"{counted(len(label), 'label')}, too few to hold any out"
        return Folds("none", why, (), (), (), np.arange(len(label)))
    grid = _Labels(position, label, scene)
    found, why = _best_blocks(grid, folds, seed, reach)
    if found is None:
        folds = max(2, min(folds, int(counts.min())))
        parts = [_stratified(label, folds, np.random.default_rng([seed, k])) for k in range(repeats)]
        return _folds("stratified", why, grid, parts, folds, 0, 0)
    block, buffer = found
    parts = [grid.dealt(block, folds, seed, k)[0] for k in range(repeats)]
    return _folds("blocks", why, grid, parts, folds, block, buffer)


class _Labels:
    """Labelled pixels of all scenes, on one grid on which scenes lie far apart."""

    def __init__(self, position: IntArray, label: IntArray, scene: IntArray) -> None:
        self.label = label
        low = position.min(axis=0)
        side = int((position.max(axis=0) - low).max()) + 4 * max(SIZES)
        self.position = position - low + np.stack([scene * side, np.zeros_like(scene)], 1)
        step = max(1, -(-len(label) // _MAX_TRIED))
        order = np.lexsort((self.position[:, 1], self.position[:, 0]))
        self.some = np.sort(order[::step])

    def blocks(self, block: int, offset: IntArray) -> IntArray:
        """(n,) the block of each pixel, of a grid that is moved by `offset` (2,)."""
        return blocks_of(self.position + offset, block)

    def dealt(self, block: int, folds: int, seed: int, repeat: int) -> tuple[IntArray, int]:
        """(n,) the fold of each pixel, and how many tests of a class in a fold that makes."""
        rng = np.random.default_rng([seed, repeat, block])
        block_of = self.blocks(block, rng.integers(0, block, 2))
        counts = counts_by_block(block_of, self.label)
        deals = [_deal(counts, folds, rng) for _ in range(_DRAWS)]
        covered = [_tests(counts, deal, folds) for deal in deals]
        best = int(np.argmax(covered))
        return deals[best][block_of], covered[best]


def _best_blocks(grid: _Labels, folds: int, seed: int, reach: int) -> tuple[tuple[int, int] | None, str]:
    """Side of blocks and buffer, or None; and what stands against better ones, in words."""
    wanted = 2 * reach
    dealt = {block: grid.dealt(block, folds, seed, 0) for block in SIZES}
    divided = {block: _divided(grid.label, fold_of, folds) for block, (fold_of, _) in dealt.items()}
    divisible = _divisible(grid.label)
    enough = [block for block in SIZES if divided[block] >= max(2, MIN_DIVIDED * divisible)]
    if not enough:
        return None, (
            f"the labels of most classes lie together in one place each: blocks of {min(SIZES)} pixels "
            f"divide {divided[min(SIZES)]} of {divisible} classes"
        )
    most = max(dealt[block][1] for block in enough)
    for buffer in sorted({wanted, wanted // 2, wanted // 4, 0}, reverse=True):
        fit = [
            block
            for block in enough
            if dealt[block][1] >= MIN_COVERED * most
            and _kept(grid, dealt[block][0], folds, buffer) >= MIN_KEPT
        ]
        if fit:
            whys = [f"labels lie too close for {wanted} pixels"] if buffer < wanted else []
            if lacking := divisible - divided[max(fit)]:
                whys.append(f"{lacking} of {divisible} classes lie in one place and are not tested")
            return (max(fit), buffer), "; ".join(whys)
    raise AssertionError("without a buffer every label of the other folds trains")


def _divided(label: IntArray, fold_of: IntArray, folds: int) -> int:
    """How many classes are in several folds; none where a fold is empty."""
    present = counts_by_block(fold_of, label) > 0
    return int((present.sum(axis=0) > 1).sum()) if len(np.unique(fold_of)) == folds else 0


def _divisible(label: IntArray) -> int:
    """How many classes have more than one label."""
    return int((np.unique(label, return_counts=True)[1] > 1).sum())


def _kept(grid: _Labels, fold_of: IntArray, folds: int, buffer: int) -> float:
    """Least share of the labels of other folds that the buffer leaves in a fold; 0 where a class is lost."""
    where, of, label = grid.position[grid.some], fold_of[grid.some], grid.label[grid.some]
    least = 1.0
    for fold in range(folds if buffer else 0):
        others = np.flatnonzero(of != fold)
        close = near(where[of == fold], where[others], buffer)
        if set(label[others].tolist()) - set(label[others[~close]].tolist()):
            return 0.0
        least = min(least, 1 - float(close.mean()))
    return least


def _folds(
    kind: Kind, why: str, grid: _Labels, parts: list[IntArray], folds: int, block: int, buffer: int
) -> Folds:
    sides = [
        (repeat, *side)
        for repeat, fold_of in enumerate(parts)
        for side in _sides(grid, fold_of, folds, buffer)
    ]
    group = grid.blocks(block, np.zeros(2, np.int64)) if block else np.arange(len(grid.label))
    return Folds(
        kind,
        why,
        tuple(train for _, train, _ in sides),
        tuple(test for *_, test in sides),
        tuple(repeat for repeat, *_ in sides),
        group,
        block,
        buffer,
    )


def _sides(grid: _Labels, fold_of: IntArray, folds: int, buffer: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Indices that train and that test of each fold that tests any."""
    for fold in range(folds):
        test, train = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
        if buffer:
            train = train[~near(grid.position[test], grid.position[train], buffer)]
        test = test[np.isin(grid.label[test], grid.label[train])]
        if len(test) and len(np.unique(grid.label[train])) > 1:
            yield train, test


def _tests(counts: IntArray, deal: IntArray, folds: int) -> int:
    """In how many folds each class is tested while it trains in another, added up."""
    present = np.stack([counts[deal == fold].sum(axis=0) > 0 for fold in range(folds)])
    return int(present[:, present.sum(axis=0) > 1].sum())


def _deal(counts: IntArray, folds: int, rng: np.random.Generator) -> IntArray:
    """The fold of each block, from its pixels of each class (block, class): about the same in all folds."""
    weight = counts / counts.sum(axis=0)  # a rare class counts as much as a common one
    filled = np.zeros((folds, counts.shape[1]))
    fold_of = np.zeros(len(counts), np.int64)
    # Large pieces first leaves small ones to even out; the jitter makes draws differ.
    for index in np.argsort(-weight.max(axis=1) * rng.uniform(0.5, 1.5, len(weight)), kind="stable"):
        excess = filled @ weight[index] + 1e-3 * filled.sum(axis=1)
        fold_of[index] = int(rng.choice(np.flatnonzero(excess <= excess.min() + 1e-12)))
        filled[fold_of[index]] += weight[index]
    return fold_of


def _stratified(label: IntArray, folds: int, rng: np.random.Generator) -> IntArray:
    """(n,) the fold of each pixel: those of a class go to all folds in turn."""
    fold_of = np.empty(len(label), np.int64)
    first = 0
    for one in np.unique(label):
        members = rng.permutation(np.flatnonzero(label == one))
        fold_of[members] = (np.arange(len(members)) + first) % folds
        first += len(members)
    return fold_of
