import numpy as np
import pytest

from geo_xmodal.selection import beyond_chance, block_folds, difference, pooled, score


def test_scores_of_probabilities_that_can_be_counted():
    label = np.array([0, 0, 0, 0, 1, 1])
    probability = np.array([[0.9, 0.1]] * 3 + [[0.2, 0.8]] * 2 + [[0.6, 0.4]])[None]
    found = score(probability, label, np.arange(6))
    assert found.n == 6
    assert found.oa.value == pytest.approx(4 / 6)
    assert found.aa.value == pytest.approx((3 / 4 + 1 / 2) / 2)
    loss = -np.log([0.9, 0.9, 0.9, 0.2, 0.8, 0.4])
    assert found.log_loss.value == pytest.approx(loss.mean())
    assert found.log_loss.se == pytest.approx(loss.std(ddof=1) / np.sqrt(6))
    assert found.oa.se == pytest.approx(np.std([1, 1, 1, 0, 1, 0], ddof=1) / np.sqrt(6))


def test_pixels_of_a_block_count_together_for_the_standard_error():
    rng = np.random.default_rng(0)
    sure = np.where(rng.random(40)[:, None] < 0.5, [[0.9, 0.1]], [[0.1, 0.9]])
    label = np.zeros(40, np.int64)
    alone = score(sure[None], label, np.arange(40))
    ten_times = score(np.repeat(sure, 10, 0)[None], np.repeat(label, 10), np.repeat(np.arange(40), 10))
    assert ten_times.oa.se == pytest.approx(alone.oa.se)
    assert score(sure[None], label, np.zeros(40)).oa.se is None


def test_repetitions_are_averaged_pixel_by_pixel_and_pixels_not_tested_left_out():
    label = np.array([0, 1, 0])
    right, wrong, none = [0.8, 0.2], [0.2, 0.8], [np.nan, np.nan]
    found = score(np.array([[right, right, none], [wrong, none, none]]), label, np.arange(3))
    assert (found.n, found.oa.value) == (2, pytest.approx((0.5 + 0) / 2))


def test_a_difference_is_paired():
    rng = np.random.default_rng(1)
    label = rng.integers(3, size=200)
    first = rng.dirichlet(np.ones(3), 200)[None]
    same = difference(first, first, label, np.arange(200))
    assert (same.oa.value, same.oa.se, same.aa.value, same.log_loss.value) == (0, 0, 0, 0)
    better = first.copy()
    better[0, :20] = np.eye(3)[label[:20]]
    gain = difference(better, first, label, np.arange(200))
    assert gain.oa.value > 0 > gain.log_loss.value
    assert gain.oa.se < score(first, label, np.arange(200)).oa.se


def test_a_sure_error_costs_no_more_than_a_million_to_one():
    found = score(np.array([[[0.0, 1.0]]]), np.array([0]), np.array([0]))
    assert found.log_loss.value == pytest.approx(np.log(1e6))


def test_folds_are_pooled_where_their_pixels_are():
    rng = np.random.default_rng(0)
    position, label = rng.integers(0, 100, (60, 2)), np.arange(60) % 3
    folds = block_folds(position, label, repeats=2)
    parts = {k: np.full((len(test), 3), float(k)) for k, test in enumerate(folds.test) if k != 1}
    out = pooled(folds, parts, 3)
    assert out.shape == (2, 60, 3)
    assert np.isnan(out[0, folds.test[1]]).all()
    assert all((out[folds.repeat[k], folds.test[k]] == k).all() for k in parts)


def test_nothing_tested_is_no_score():
    with pytest.raises(ValueError, match="nothing to score"):
        score(np.full((1, 3, 2), np.nan), np.zeros(3, np.int64), np.arange(3))


@pytest.mark.parametrize("blocks", [3, 4, 20])
def test_of_two_that_are_equally_good_the_first_is_seldom_said_to_be_better(blocks: int) -> None:
    rng = np.random.default_rng(blocks)
    group = np.repeat(np.arange(blocks), 40)
    label = np.tile([0, 1], 20 * blocks)
    said = 0
    for _ in range(400):
        right = rng.uniform(0.4, 0.9, (2, blocks))  # of a block as a whole, whatever the candidate
        hits = rng.random((2, len(group))) < right[:, group]
        first, second = (np.eye(2)[np.where(hit, label, 1 - label)][None] for hit in hits)
        said += beyond_chance(difference(first, second, label, group), 0.1)
    assert 0.04 < said / 400 < 0.16


def test_a_single_block_proves_nothing() -> None:
    label = np.zeros(9, np.int64)
    right, wrong = np.eye(2)[np.zeros((1, 9), int)], np.eye(2)[np.ones((1, 9), int)]
    assert not beyond_chance(difference(right, wrong, label, label), 0.1)
    assert beyond_chance(difference(right, wrong, label, np.arange(9)), 0.1)
