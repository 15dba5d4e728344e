from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_xmodal.accuracy import Calibration, ReliabilityBin


def calibration_of(probability: list[float], correct: list[bool], bins: int = 15) -> Calibration:
    calibration = Calibration(bins)
    calibration.add(np.array(probability), np.array(correct, bool))
    return calibration


def test_known_error():
    # (0.8, 1.0]: 4 pixels, mean 0.9, 2 right; (0.4, 0.6]: 1 pixel, 0.5, right.
    calibration = calibration_of([0.85, 0.95, 0.9, 0.9, 0.5], [True, True, False, False, True], bins=5)
    assert calibration.ece == pytest.approx(4 / 5 * 0.4 + 1 / 5 * 0.5)
    assert calibration.curve[2] == ReliabilityBin(pytest.approx(0.4), pytest.approx(0.6), 1, 0.5, 1.0)
    assert calibration.curve[4] == ReliabilityBin(pytest.approx(0.8), 1.0, 4, pytest.approx(0.9), 0.5)
    assert calibration.curve[0] == ReliabilityBin(0.0, pytest.approx(0.2), 0, None, None)


def test_errors_of_opposite_sign_in_different_bins_do_not_cancel():
    assert calibration_of([0.75] * 2 + [0.25] * 2, [True, True, False, False], 2).ece == pytest.approx(0.25)


def test_bins_are_closed_above_and_the_first_holds_zero():
    counts = [one.count for one in calibration_of([0.0, 0.5, 0.500001, 1.0], [True] * 4, bins=2).curve]
    assert counts == [2, 2]


def test_perfect_and_hopeless():
    assert calibration_of([1.0, 1.0], [True, True]).ece == 0
    assert calibration_of([1.0, 1.0], [False, False]).ece == 1


def test_nothing_counted_is_undefined():
    assert Calibration().ece is None
    assert len(Calibration().curve) == 15


def test_a_softmax_that_rounds_above_one_is_one():
    assert calibration_of([1 + 1e-7], [True]).ece == 0


@pytest.mark.parametrize("probability", [np.nan, -0.01, 1.01])
def test_what_is_no_probability_is_refused(probability):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        calibration_of([probability], [True])


def test_shapes_and_bins_must_fit():
    with pytest.raises(ValueError, match="outcomes"):
        calibration_of([0.5, 0.5], [True])
    with pytest.raises(ValueError, match="15 and 5"):
        Calibration() + Calibration(5)
    with pytest.raises(ValueError, match="at least one bin"):
        Calibration(0)


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1), st.integers(0, 30))
def test_chunks_add_up_and_the_error_is_bounded(pixels, cut):
    def over(part: list[tuple[float, bool]]) -> Calibration:
        return calibration_of([p for p, _ in part], [c for _, c in part])

    whole, parts = over(pixels), over(pixels[:cut]) + over(pixels[cut:])
    assert parts.n == whole.n == len(pixels)
    assert parts.ece == pytest.approx(whole.ece, abs=1e-12)
    assert 0 <= whole.ece <= 1
    # The error of the bins is at least that of all pixels taken together.
    together = abs(np.mean([c for _, c in pixels]) - np.mean([p for p, _ in pixels]))
    assert whole.ece >= together - 1e-9
