import numpy as np
import pytest

from geo_xmodal.selection import block_folds, near


def _scattered(n=300, side=200, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    flat = rng.choice(side * side, n, replace=False)
    return np.stack([flat // side, flat % side], 1), rng.integers(classes, size=n)


def test_blocks_are_apart_and_test_every_pixel_once_in_each_repetition():
    position, label = _scattered()
    folds = block_folds(position, label, folds=4, repeats=3, reach=3)
    assert (folds.kind, folds.why, folds.buffer, len(folds), folds.repeats) == ("blocks", "", 6, 12, 3)
    for train, test in zip(folds.train, folds.test, strict=True):
        assert not near(position[train], position[test], 6).any()
        assert set(label[test]) == set(label[train]) == {0, 1, 2, 3}
    for repeat in range(3):
        tested = np.concatenate([t for t, r in zip(folds.test, folds.repeat, strict=True) if r == repeat])
        assert sorted(tested) == list(range(300))
    first, other = (
        {t.tobytes() for t, r in zip(folds.test, folds.repeat, strict=True) if r == k} for k in (0, 1)
    )
    assert not first & other


def test_a_training_pixel_is_left_out_for_the_buffer_alone():
    position, label = _scattered()
    folds = block_folds(position, label, folds=4, reach=3)
    for train, test in zip(folds.train, folds.test, strict=True):
        others = np.setdiff1d(np.arange(300), test)
        dropped = np.setdiff1d(others, train)
        assert np.array_equal(dropped, others[near(position[test], position[others], folds.buffer)])


def test_the_same_seed_divides_alike():
    position, label = _scattered()
    folds = block_folds(position, label, seed=5)
    again = block_folds(position, label, seed=5)
    other = block_folds(position, label, seed=6)
    assert all(np.array_equal(a, b) for a, b in zip(folds.test, again.test, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(folds.test, other.test, strict=True))


def test_pixels_of_two_scenes_share_no_block_and_no_buffer():
    position, label = _scattered(n=200)
    twice = np.concatenate([position, position])
    scene = np.repeat([0, 1], 200)
    folds = block_folds(twice, np.concatenate([label, label]), scene, reach=3)
    assert not set(folds.group[scene == 0]) & set(folds.group[scene == 1])
    apart = [
        (np.isin(train[train >= 200] - 200, test[test < 200])).any()
        for train, test in zip(folds.train, folds.test, strict=True)
    ]
    assert any(apart)  # the same row and column of another scene may train


def test_a_buffer_that_the_labels_do_not_allow_is_smaller_and_said():
    position, label = _scattered(n=300, side=60)
    folds = block_folds(position, label, reach=10)
    assert folds.kind == "blocks"
    assert 0 <= folds.buffer < 20
    assert "too close for 20 pixels" in folds.describe()


def test_labels_of_a_class_in_one_place_are_stratified():
    corner = np.array([[0, 0], [0, 150], [150, 0]])
    position = np.concatenate([c + np.argwhere(np.ones((4, 4))) for c in corner])
    label = np.repeat(np.arange(3), 16)
    folds = block_folds(position, label)
    assert (folds.kind, folds.block) == ("stratified", 0)
    assert "in one place" in folds.why
    assert "optimistic" in folds.describe()
    assert all(set(label[test]) == {0, 1, 2} for test in folds.test)
    assert sorted(np.concatenate(folds.test)) == list(range(48))


def test_one_class_in_one_place_does_not_keep_the_others_from_blocks():
    position, label = _scattered(n=300, classes=5)
    position = np.concatenate([position, np.argwhere(np.ones((2, 2)))])
    label = np.concatenate([label, np.full(4, 9)])
    folds = block_folds(position, label)
    assert folds.kind == "blocks"
    assert "1 of 6 classes" in folds.why
    for train, test in zip(folds.train, folds.test, strict=True):
        assert set(label[test]) <= set(label[train])


@pytest.mark.parametrize("label", [[0, 0, 0, 1, 1, 1], [0] * 20, [0] * 20 + [1], []])
def test_too_few_labels_are_not_divided(label):
    label = np.array(label, np.int64)
    position = np.stack([10 * np.arange(len(label)), np.zeros(len(label), int)], 1)
    folds = block_folds(position, label)
    assert (folds.kind, len(folds), folds.repeats) == ("none", 0, 0)
    assert "too few" in folds.describe()


def test_ten_labels_of_seven_classes_in_a_small_window_make_blocks():
    position, _ = _scattered(n=70, side=100, seed=3)
    folds = block_folds(position, np.arange(70) % 7, reach=7, repeats=2)
    assert folds.kind == "blocks"
    assert min(len(train) for train in folds.train) >= 35
    assert all(len(np.unique(np.arange(70)[train] % 7)) == 7 for train in folds.train)
