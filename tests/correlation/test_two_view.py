from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from torchvision.datasets import MNIST

from geo_xmodal.correlation import FeatureError, corrnet_benchmark, fit_corrnet, two_view_benchmark
from geo_xmodal.correlation.neural import Schedule
from geo_xmodal.errors import UsageError


@pytest.fixture(scope="module")
def halves() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    digits = load_digits()
    return digits.images[:, :, :4].reshape(-1, 32), digits.images[:, :, 4:].reshape(-1, 32), digits.target


def test_learned_features_share_more_than_linear_ones(halves: tuple) -> None:
    linear, untrained, broken, soft = two_view_benchmark(*halves, objectives=["soft_hgr"])
    assert (linear.objective, soft.objective) == ("linear_cca", "soft_hgr")
    assert soft.total_correlation > linear.total_correlation + 1
    assert min(soft.transfer_to_x, soft.transfer_to_y) > max(linear.transfer_to_x, linear.transfer_to_y)
    assert len(soft.spectrum) == 10
    assert soft.total_correlation == pytest.approx(sum(soft.spectrum))
    assert (untrained.objective, broken.objective) == ("untrained", "broken_pairing")
    assert soft.total_correlation > untrained.total_correlation + 1
    assert abs(broken.total_correlation) < 1
    for found in (soft.recall_to_y, soft.recall_to_x):
        assert 5 * broken.recall_to_y[10] < found[10] and found[1] < found[5] < found[10] <= 1
    assert soft.own_x is not None and soft.own_x > (soft.transfer_to_x or 0) - 0.05


def test_nothing_is_shared_when_the_pairing_is_broken(halves: tuple) -> None:
    x, y, labels = halves
    order = np.random.default_rng(0).permutation(len(x))
    schedule = Schedule(epochs=5)
    for result in two_view_benchmark(x, y[order], labels, objectives=["soft_hgr"], schedule=schedule):
        assert abs(result.total_correlation) < 1
        assert result.transfer_to_y < 0.3
        assert result.recall_to_y[10] < 0.08  # chance is 0.02


def test_same_seed_same_result(halves: tuple) -> None:
    runs = [
        two_view_benchmark(*halves, objectives=["deep_lda"], schedule=Schedule(epochs=2), seed=3)[3]
        for _ in range(2)
    ]
    assert runs[0].spectrum == runs[1].spectrum


def test_every_objective_is_offered_and_views_may_differ_in_width(halves: tuple) -> None:
    x, y, labels = (v[:300] for v in halves)
    results = two_view_benchmark(x, y[:, :20], labels, components=3, schedule=Schedule(epochs=1, batch=64))
    assert len(results) == 16
    assert all(-3 <= r.total_correlation <= 3 for r in results)


def test_refuses_views_that_do_not_pair_up(halves: tuple) -> None:
    x, y, labels = halves
    with pytest.raises(FeatureError, match="paired row by row"):
        two_view_benchmark(x, y[:-1], labels)
    with pytest.raises(UsageError, match="deep_lda needs labels"):
        two_view_benchmark(x, y, objectives=["dot", "deep_lda"])
    with pytest.raises(UsageError, match="unknown"):
        two_view_benchmark(x, y, labels, objectives=["hrg"])


@pytest.fixture(scope="module")
def split(halves: tuple) -> tuple[tuple, tuple, np.ndarray]:
    """Views of seven tenths of the digits, of the rest, and the labels of the rest; values in 0..1."""
    order = np.random.default_rng(0).permutation(len(halves[0]))
    x, y, labels = (values[order] for values in halves)
    count = round(0.7 * len(x))
    return (x[:count] / 16, y[:count] / 16), (x[count:] / 16, y[count:] / 16), labels[count:]


def test_corrnets_codes_correlate_and_classifiers_move_across(split: tuple) -> None:
    untied = {"tied": False, "epochs": 30}
    correlated = corrnet_benchmark(*split, **untied)
    plain = corrnet_benchmark(*split, weight=0.0, **untied)
    assert correlated.objective == "corrnet_reference"
    assert len(correlated.spectrum) == 50
    assert correlated.total_correlation == pytest.approx(sum(correlated.spectrum))
    assert 50 >= correlated.total_correlation > plain.total_correlation + 20
    for there, without in (
        (correlated.transfer_to_y, plain.transfer_to_y),
        (correlated.transfer_to_x, plain.transfer_to_x),
    ):
        assert there > max(without + 0.05, 0.4)  # chance is 0.1


def test_tied_decoders_are_the_encoders(split: tuple) -> None:
    tied, untied = (corrnet_benchmark(*split, tied=tied, epochs=2, units=8) for tied in (True, False))
    assert tied.spectrum != untied.spectrum
    again = corrnet_benchmark(*split, epochs=2, units=8)
    assert again.spectrum == tied.spectrum


def test_codes_of_a_view_need_the_other_only_in_training(split: tuple) -> None:
    (x, y), test, _ = split
    pair = fit_corrnet(x, y, units=6, epochs=1)
    codes = pair.f(test[0])
    assert codes.shape == (len(test[0]), 6)
    assert np.all((codes > 0) & (codes < 1))
    assert not np.allclose(codes, pair.g(test[1]), atol=0.05)


def test_corrnet_refuses_what_it_cannot_reconstruct(halves: tuple, split: tuple) -> None:
    with pytest.raises(FeatureError, match="got 0 to 16; scale them first"):
        fit_corrnet(halves[0], halves[1])
    with pytest.raises(FeatureError, match="must be paired"):
        corrnet_benchmark(split[0], split[1], split[2][1:], epochs=1)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_corrnets_published_figures(real_data: Path) -> None:
    """Halves of MNIST digits, as in the example of the authors; their 50,000 are taken to be the first."""
    if not (real_data / "MNIST" / "raw").is_dir():
        pytest.skip(f"no MNIST as torchvision keeps it in {real_data}")
    training, test = (MNIST(real_data, train=train) for train in (True, False))
    views = []
    for images in (training.data[:50_000], test.data):
        values = images.double().numpy() / 255
        views.append(tuple(half.reshape(len(values), -1) for half in np.split(values, 2, axis=2)))
    result = corrnet_benchmark(views[0], views[1], test.targets.numpy())
    assert result.total_correlation == pytest.approx(42.57, abs=2)
    assert result.transfer_to_y == pytest.approx(0.7705, abs=0.03)
    assert result.transfer_to_x == pytest.approx(0.7881, abs=0.03)
