from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from geo_xmodal.correlation import FeatureError, two_view_benchmark
from geo_xmodal.correlation.neural import Schedule
from geo_xmodal.errors import UsageError


@pytest.fixture(scope="module")
def halves() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    digits = load_digits()
    return digits.images[:, :, :4].reshape(-1, 32), digits.images[:, :, 4:].reshape(-1, 32), digits.target


def test_learned_features_share_more_than_linear_ones(halves: tuple) -> None:
    linear, soft = two_view_benchmark(*halves, objectives=["soft_hgr"])
    assert (linear.objective, soft.objective) == ("linear_cca", "soft_hgr")
    assert soft.total_correlation > linear.total_correlation + 1
    assert min(soft.transfer_to_x, soft.transfer_to_y) > max(linear.transfer_to_x, linear.transfer_to_y)
    assert len(soft.spectrum) == 10
    assert soft.total_correlation == pytest.approx(sum(soft.spectrum))


def test_nothing_is_shared_when_the_pairing_is_broken(halves: tuple) -> None:
    x, y, labels = halves
    order = np.random.default_rng(0).permutation(len(x))
    schedule = Schedule(epochs=5)
    for result in two_view_benchmark(x, y[order], labels, objectives=["soft_hgr"], schedule=schedule):
        assert abs(result.total_correlation) < 1
        assert result.transfer_to_y < 0.3


def test_same_seed_same_result(halves: tuple) -> None:
    runs = [
        two_view_benchmark(*halves, objectives=["deep_lda"], schedule=Schedule(epochs=2), seed=3)[1]
        for _ in range(2)
    ]
    assert runs[0].spectrum == runs[1].spectrum


def test_every_objective_is_offered_and_views_may_differ_in_width(halves: tuple) -> None:
    x, y, labels = (v[:300] for v in halves)
    results = two_view_benchmark(x, y[:, :20], labels, components=3, schedule=Schedule(epochs=1, batch=64))
    assert len(results) == 14
    assert all(-3 <= r.total_correlation <= 3 for r in results)


def test_refuses_views_that_do_not_pair_up(halves: tuple) -> None:
    x, y, labels = halves
    with pytest.raises(FeatureError, match="paired row by row"):
        two_view_benchmark(x, y[:-1], labels)
    with pytest.raises(UsageError, match="unknown"):
        two_view_benchmark(x, y, labels, objectives=["hrg"])
