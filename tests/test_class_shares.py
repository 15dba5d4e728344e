"""Class shares: Bayes and expectation maximisation where the answer is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from geo_xmodal.class_shares import (
    MAX_ROUNDS,
    ClassShares,
    as_shares,
    calibrated,
    equal_shares,
    estimated_shares,
    held_out_calibration,
    learned_of_counts,
    maximised,
    ratios,
)
from geo_xmodal.errors import ClassSharesError

Floats = npt.NDArray[np.float64]

LAND = (0.7, 0.2, 0.08, 0.02)
EQUAL = (0.25,) * 4


def drawn(shares: tuple[float, ...], pixels: int = 40_000, apart: float = 2.0, seed: int = 0) -> tuple:
    """Classes of pixels, and likelihoods (n, class) of their values: unit Gaussians around `apart` e_c."""
    rng = np.random.default_rng(seed)
    label = rng.choice(len(shares), size=pixels, p=shares)
    values = apart * np.eye(len(shares))[label] + rng.normal(size=(pixels, len(shares)))
    return label, np.exp(apart * values)


def posterior(likelihood: Floats, shares: tuple[float, ...] | Floats) -> Floats:
    odds = likelihood * np.array(shares)
    return odds / odds.sum(1, keepdims=True)


def test_changed_shares_are_bayes_rule() -> None:
    label, likelihood = drawn(LAND)
    equal, best = posterior(likelihood, EQUAL), posterior(likelihood, LAND)
    changed = ClassShares("labels", LAND, EQUAL).changed(equal.T).T
    np.testing.assert_allclose(changed, best, rtol=1e-9)
    right = [(one.argmax(1) == label).mean() for one in (equal, changed, best)]
    assert right[1] == right[2] > right[0] + 0.03  # nothing is better than Bayes on such land
    equally = [
        np.mean([(one.argmax(1) == c)[label == c].mean() for c in range(4)]) for one in (equal, changed)
    ]
    assert equally[0] > equally[1] + 0.03


def test_the_estimate_finds_the_shares_of_the_land() -> None:
    for seed in range(3):
        _, likelihood = drawn(LAND, 20_000, seed=seed)
        found = estimated_shares(posterior(likelihood, EQUAL), EQUAL)
        np.testing.assert_allclose(found, LAND, atol=0.02)


def test_the_estimate_finds_them_from_uncalibrated_probabilities_with_held_out_labels() -> None:
    label, likelihood = drawn(EQUAL, 2_000, seed=1)
    sure = calibrated(posterior(likelihood, EQUAL), 1 / 3)  # logits are three times too large
    held_out = held_out_calibration(sure, label, EQUAL)
    assert held_out is not None
    assert held_out.temperature == pytest.approx(3, rel=0.1)
    assert held_out.missed < 0.03
    _, likelihood = drawn(LAND, 20_000, seed=2)
    land = calibrated(posterior(likelihood, EQUAL), 1 / 3)
    np.testing.assert_allclose(estimated_shares(land, EQUAL, held_out), LAND, atol=0.02)
    assert np.abs(np.array(estimated_shares(land, EQUAL)) - LAND).max() > 0.02


def test_a_temperature_changes_classes_as_calibrated_probabilities_would() -> None:
    _, likelihood = drawn(LAND, 2_000)
    equal = posterior(likelihood, EQUAL)
    sure = calibrated(equal, 1 / 3)
    changed = ClassShares("labels", LAND, EQUAL, temperature=3.0).changed(sure.T).T
    np.testing.assert_allclose(calibrated(changed, 3.0), posterior(likelihood, LAND), rtol=1e-6, atol=1e-12)


def test_flat_probabilities_are_refused() -> None:
    _, likelihood = drawn(LAND, 5_000, apart=0.3)
    with pytest.raises(ClassSharesError, match=r"too flat .* give a table of known areas"):
        estimated_shares(posterior(likelihood, EQUAL), EQUAL)


def test_an_estimate_that_ends_with_a_single_class_is_refused() -> None:
    soft = np.tile([0.6, 0.4], (1000, 1))
    with pytest.raises(ClassSharesError, match="end with a single class"):
        estimated_shares(soft, (0.5, 0.5))


def test_an_estimate_that_does_not_settle_is_refused() -> None:
    # at the edge: one class explains all pixels as well as both do, and shares creep towards it
    ratio = np.array([0.8, 1.0, 1.2])
    soft = np.stack([ratio, np.ones(3)], 1) / (1 + ratio)[:, None]
    with pytest.raises(ClassSharesError, match=f"do not settle within {MAX_ROUNDS} rounds"):
        estimated_shares(soft, (0.5, 0.5))


def test_probabilities_that_miss_the_shares_of_held_out_labels_are_refused() -> None:
    label, likelihood = drawn(EQUAL, 2_000, seed=1)
    odds = posterior(likelihood, (0.9, 0.05, 0.04, 0.01))  # as if the first class were nearly everywhere
    held_out = held_out_calibration(odds, label, EQUAL)
    assert held_out is not None
    with pytest.raises(ClassSharesError, match=r"badly calibrated .* 2,000 held-out labels"):
        estimated_shares(odds, EQUAL, held_out)


def test_few_held_out_labels_say_nothing() -> None:
    label, likelihood = drawn(EQUAL, 49)
    assert held_out_calibration(posterior(likelihood, EQUAL), label, EQUAL) is None


def test_a_class_without_labels_or_land_is_never_predicted() -> None:
    shares = ClassShares("table", (0.5, 0.5, 0.0, 0.0), (0.25, 0.25, 0.5, 0.0))
    soft = np.array([[0.1], [0.1], [0.2], [0.6]], np.float32)
    np.testing.assert_allclose(shares.changed(soft)[:, 0], [0.5, 0.5, 0, 0])
    assert shares.offsets is not None
    assert shares.offsets[2:] == (-np.inf, -np.inf)


def test_equal_shares_leave_a_balanced_model_as_it_is() -> None:
    learned = as_shares(learned_of_counts(np.array([7, 0, 13, 120]), balanced=True))
    shares = ClassShares("equal", equal_shares(learned), learned)
    assert shares.offsets is None
    soft = np.array([[0.2], [0.3], [0.4], [0.1]], np.float32)
    assert shares.changed(soft) is soft


def test_soft_labels_of_a_few_rounds_come_near() -> None:
    _, likelihood = drawn(LAND, 4_000, apart=3.0)
    equal = posterior(likelihood, EQUAL)
    learned = np.ones(4)
    whole, _ = maximised(lambda: [equal], learned, 3)
    in_parts, _ = maximised(lambda: np.array_split(equal, 7), learned, 3)
    np.testing.assert_allclose(whole, in_parts, rtol=1e-12)
    odds = equal * ratios(learned, whole)
    assert np.abs(odds / odds.sum(1, keepdims=True) - posterior(likelihood, LAND)).mean() < 0.01


positive = st.floats(0.01, 100)


@given(
    arrays.arrays(np.float64, (6, 3), elements=positive),
    arrays.arrays(np.float64, 3, elements=positive),
    arrays.arrays(np.float64, 3, elements=positive),
    st.floats(0.2, 5),
)
def test_there_and_back_are_the_probabilities_again(
    odds: Floats, learned: Floats, wanted: Floats, temperature: float
) -> None:
    soft = (odds / odds.sum(1, keepdims=True)).T
    before, after = as_shares(learned), as_shares(wanted)
    there = ClassShares("table", after, before, temperature).changed(soft)
    np.testing.assert_allclose(there.sum(0), 1)
    back = ClassShares("table", before, after, temperature).changed(there)
    np.testing.assert_allclose(back, soft, rtol=1e-6)


@given(arrays.arrays(np.float64, (40, 3), elements=positive), arrays.arrays(np.float64, 3, elements=positive))
def test_no_round_makes_predictions_less_likely(odds: Floats, learned: Floats) -> None:
    soft = odds / odds.sum(1, keepdims=True)
    likelihoods = []
    for rounds in range(4):
        shares, _ = maximised(lambda: [soft], learned, rounds)
        assert shares.sum() == pytest.approx(1)
        likelihoods.append(np.log((soft * ratios(learned, shares)).sum(1)).mean())
    assert (np.diff(likelihoods) >= -1e-9).all()
