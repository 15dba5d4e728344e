from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_xmodal.scenes.splits import (
    DEFAULT_MARGIN,
    MIN_VALIDATION_PER_CLASS,
    Partition,
    block_split,
    default_split,
    near,
    overlap_share,
    random_split,
    validation_split,
)
from geo_xmodal.types import IntArray


def full_grid(side: int) -> IntArray:
    return np.argwhere(np.ones((side, side), bool))


def scattered(seed: int, count: int = 400, side: int = 120, classes: int = 4) -> tuple[IntArray, IntArray]:
    rng = np.random.default_rng(seed)
    flat = rng.choice(side * side, count, replace=False)
    positions = np.stack(np.divmod(flat, side), axis=1)
    return positions, rng.integers(0, classes, count)


def closest(first: IntArray, second: IntArray) -> int:
    """Smallest Chebyshev distance between two sets, by brute force."""
    return int(np.abs(first[:, None] - second[None]).max(axis=2).min())


def test_overlap_share_counts_patches_that_share_a_pixel() -> None:
    train = np.array([[10, 10]])
    # Patches of radius 3 are 7 wide: at distance 6 they share one column, at 7 nothing.
    test = np.array([[10, 16], [10, 17], [16, 16], [17, 10], [10, 10]])
    assert overlap_share(train, test, 3) == pytest.approx(3 / 5)
    assert overlap_share(train, test, 0) == pytest.approx(1 / 5)


def test_overlap_share_of_nothing_is_zero() -> None:
    none = np.empty((0, 2), np.int64)
    assert overlap_share(none, np.array([[1, 1]]), 2) == 0.0
    assert overlap_share(np.array([[1, 1]]), none, 2) == 0.0


@given(seed=st.integers(0, 1000), margin=st.integers(0, 6))
@settings(max_examples=30, deadline=None)
def test_overlap_share_is_that_of_masks_painted_on_a_grid(seed: int, margin: int) -> None:
    positions, _ = scattered(seed, count=30, side=60)
    train, test = positions[:10], positions[10:]
    painted = np.zeros((80, 80), bool)
    for row, col in train + margin:
        painted[row - margin : row + margin + 1, col - margin : col + margin + 1] = True
    touched = [
        painted[row - margin : row + margin + 1, col - margin : col + margin + 1].any()
        for row, col in test + margin
    ]
    assert overlap_share(train, test, margin) == pytest.approx(np.mean(touched))


def test_near_is_chebyshev() -> None:
    assert near(np.array([[0, 0]]), np.array([[2, 2], [3, 0], [0, -2]]), 2).tolist() == [True, False, True]


def test_blocks_go_whole_to_one_side() -> None:
    positions = full_grid(40)
    labels = np.ones(len(positions), np.int64)
    split = block_split(positions, labels, block=10, test=0.5, seed=3)
    for block in np.unique(positions // 10, axis=0):
        inside = (positions // 10 == block).all(axis=1)
        assert split.test[inside].all() or split.train[inside].all()
    assert split.test.sum() == 800
    assert split.dropped == 0


def test_block_split_balances_every_class() -> None:
    positions = full_grid(64)
    # Four classes in stripes of 4 columns, one of them ten times rarer.
    labels = positions[:, 1] // 4 % 3
    labels[(labels == 0) & (positions[:, 0] % 10 == 0)] = 3
    split = block_split(positions, labels, block=8, test=0.3, seed=0)
    for label in range(4):
        assert split.test[labels == label].mean() == pytest.approx(0.3, abs=0.08)


def test_a_class_of_two_small_blocks_is_on_both_sides_for_every_seed() -> None:
    positions = full_grid(64)
    labels = np.zeros(len(positions), np.int64)
    labels[(positions == (1, 1)).all(axis=1) | (positions == (60, 60)).all(axis=1)] = 1
    for seed in range(20):
        split = block_split(positions, labels, block=16, test=0.2, seed=seed)
        assert split.on_both_sides(labels) == 2


def test_a_class_of_one_block_trains() -> None:
    positions = full_grid(64)
    labels = np.zeros(len(positions), np.int64)
    labels[(positions < 5).all(axis=1)] = 1
    for seed in range(20):
        split = block_split(positions, labels, block=16, test=0.8, seed=seed)
        assert split.train[labels == 1].all()
        assert split.test.any()


def test_two_classes_of_one_block_each_train() -> None:
    positions = full_grid(64)
    labels = np.zeros(len(positions), np.int64)
    labels[(positions < 5).all(axis=1)] = 1
    labels[(positions > 58).all(axis=1)] = 2
    for seed in range(10):
        split = block_split(positions, labels, block=16, test=0.5, seed=seed)
        assert split.train[labels > 0].all() and split.test.any()


def test_a_rare_class_is_dealt_as_evenly_as_a_common_one() -> None:
    positions = full_grid(64)
    labels = np.zeros(len(positions), np.int64)
    blocks = np.random.default_rng(0).choice(64, 10, replace=False)
    for row, col in zip(*np.divmod(blocks, 8), strict=True):
        labels[(positions == (8 * row + 3, 8 * col + 3)).all(axis=1)] = 1
    for seed in range(12):
        split = block_split(positions, labels, block=8, test=0.5, seed=seed)
        assert 4 <= split.test[labels == 1].sum() <= 6


@given(seed=st.integers(0, 10_000), test=st.sampled_from([0.1, 0.3, 0.5]))
@settings(max_examples=40, deadline=None)
def test_as_many_classes_as_possible_are_on_both_sides(seed: int, test: float) -> None:
    rng = np.random.default_rng(seed)
    # Each of five classes lives in two of ten blocks, so that some choices exclude each other.
    places = np.array([rng.choice(10, 2, replace=False) for _ in range(5)])
    positions = np.stack([np.repeat(np.arange(5), 2), 10 * places.ravel()], axis=1)
    labels = np.repeat(np.arange(5), 2)
    sides = np.arange(2**10)[:, None] >> np.arange(10) & 1
    best = (sides[:, places[:, 0]] != sides[:, places[:, 1]]).sum(axis=1).max()
    split = block_split(positions, labels, block=10, test=test, seed=seed)
    assert split.on_both_sides(labels) == best


@pytest.mark.parametrize("margin", [0, 1, 3])
def test_a_buffer_of_two_margins_leaves_no_overlap(margin: int) -> None:
    positions, labels = full_grid(60), full_grid(60)[:, 1] // 7 % 3
    for split in (
        block_split(positions, labels, block=12, test=0.4, buffer=2 * margin, seed=1),
        random_split(positions[::37], labels[::37], test=0.1, buffer=2 * margin, seed=1),
    ):
        chosen = positions if len(split.train) == len(positions) else positions[::37]
        assert split.train.any() and split.test.any()
        assert overlap_share(chosen[split.train], chosen[split.test], margin) == 0.0


def test_the_buffer_takes_from_training_only() -> None:
    positions, labels = full_grid(48), full_grid(48)[:, 0] % 2
    with_buffer = block_split(positions, labels, block=12, test=0.5, buffer=3, seed=5)
    without = block_split(positions, labels, block=12, test=0.5, buffer=0, seed=5)
    assert (with_buffer.test == without.test).all()
    assert 0 < with_buffer.dropped == (without.train & ~with_buffer.train).sum()


def test_a_random_split_takes_the_share_of_each_class() -> None:
    positions = full_grid(30)
    labels = np.repeat([0, 1, 2], [600, 290, 10])
    split = random_split(positions, labels, test=0.3, seed=0)
    assert [int(split.test[labels == label].sum()) for label in range(3)] == [180, 87, 3]


def test_a_random_split_keeps_classes_on_both_sides() -> None:
    positions = full_grid(3)
    labels = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2])
    split = random_split(positions, labels, test=0.01, seed=0)
    assert split.on_both_sides(labels) == 2
    assert split.train[labels == 2].all()


def splitters(positions: IntArray, labels: IntArray, seed: int, buffer: int) -> list[Partition]:
    return [
        random_split(positions, labels, 0.4, buffer, seed),
        block_split(positions, labels, 15, 0.4, buffer, seed),
        validation_split(positions, labels, 0.2, 15, buffer, seed),
        validation_split(positions, labels, 0.2, 0, buffer, seed),
    ]


@given(seed=st.integers(0, 10_000), buffer=st.integers(0, 5), order=st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_splits_are_disjoint_buffered_and_free_of_row_order(
    seed: int, buffer: int, order: random.Random
) -> None:
    positions, labels = scattered(seed)
    shuffled = np.array(order.sample(range(len(labels)), len(labels)))
    plain = splitters(positions, labels, seed, buffer)
    moved = splitters(positions[shuffled], labels[shuffled], seed, buffer)
    for one, other in zip(plain, moved, strict=True):
        assert not (one.train & one.test).any()
        assert (one.train[shuffled] == other.train).all()
        assert (one.test[shuffled] == other.test).all()
        if one.test.any() and one.train.any():
            assert closest(positions[one.train], positions[one.test]) > buffer


def test_seeds_make_different_splits() -> None:
    positions, labels = scattered(0, count=2000)
    for split in (
        lambda seed: random_split(positions, labels, 0.5, seed=seed),
        lambda seed: block_split(positions, labels, 15, 0.5, seed=seed),
        lambda seed: validation_split(positions, labels, 0.2, 15, seed=seed),
    ):
        assert (split(0).test == split(0).test).all()
        assert len({split(seed).test.tobytes() for seed in range(5)}) >= 4


@given(seed=st.integers(0, 10_000), buffer=st.integers(0, 8))
@settings(max_examples=30, deadline=None)
def test_validation_leaves_half_of_every_class(seed: int, buffer: int) -> None:
    positions, labels = scattered(seed, count=600, classes=5)
    split = validation_split(positions, labels, share=0.4, block=0, buffer=buffer, seed=seed)
    for label in range(5):
        assert 2 * split.train[labels == label].sum() >= (labels == label).sum()
    assert split.test.sum() == 0 or split.test.sum() >= 5 * MIN_VALIDATION_PER_CLASS


def test_validation_takes_about_its_share_with_every_class() -> None:
    positions = full_grid(128)
    labels = positions[:, 1] // 5 % 4
    split = validation_split(positions, labels, share=0.2, block=0, buffer=2, seed=0)
    assert 0.18 * len(labels) < split.test.sum() < 0.3 * len(labels)
    assert split.on_both_sides(labels) == 4
    # With this much room, the largest blocks do.
    assert len(np.unique(positions[split.test] // 32, axis=0)) <= 4


def test_ten_labels_a_class_are_too_few_for_validation() -> None:
    positions, _ = scattered(1, count=40)
    labels = np.repeat(np.arange(4), 10)
    split = validation_split(positions, labels, share=0.2)
    assert not split.test.any()
    assert split.train.all()


def test_blocks_much_larger_than_the_share_are_not_held_out() -> None:
    positions = full_grid(128)
    labels = positions[:, 1] // 5 % 4
    assert not validation_split(positions, labels, share=0.1, block=64).test.any()
    assert validation_split(positions, labels, share=0.2, block=64).test.sum() == 64 * 64


def test_a_share_of_zero_means_no_validation() -> None:
    positions, labels = scattered(1)
    assert validation_split(positions, labels, share=0.0).train.all()


def test_nothing_can_be_split() -> None:
    none, labels = np.empty((0, 2), np.int64), np.empty(0, np.int64)
    for split in splitters(none, labels, 0, 2):
        assert len(split.train) == len(split.test) == 0


def test_the_default_split_keeps_windows_apart_where_there_is_room() -> None:
    rng = np.random.default_rng(3)
    classes = np.kron(rng.integers(1, 5, (20, 20)), np.ones((20, 20), np.int64))
    positions = np.argwhere(classes)
    labels = classes.ravel()
    block, buffer = default_split(positions, labels)
    split = block_split(positions, labels, block, 0.5, buffer)
    assert overlap_share(positions[split.train], positions[split.test], DEFAULT_MARGIN) == 0
    assert split.on_both_sides(labels) == 4
    assert split.train.sum() > 0.4 * (~split.test).sum()


def test_the_default_split_of_a_small_place_overlaps_but_tests_its_classes() -> None:
    classes = np.kron(np.array([[1, 2], [2, 1]]), np.ones((12, 12), np.int64))
    positions, labels = np.argwhere(classes), classes.ravel()
    block, buffer = default_split(positions, labels)
    split = block_split(positions, labels, block, 0.5, buffer)
    assert split.train.any() and split.test.any()
    assert overlap_share(positions[split.train], positions[split.test], DEFAULT_MARGIN) > 0


def test_the_default_split_of_very_many_pixels_is_that_of_some() -> None:
    classes = np.kron(np.random.default_rng(0).integers(1, 4, (16, 16)), np.ones((40, 40), np.int64))
    positions, labels = np.argwhere(classes), classes.ravel()
    assert (
        default_split(positions[::2], labels[::2])[1]
        == default_split(positions, labels)[1]
        == 2 * DEFAULT_MARGIN
    )
