from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from geo_xmodal.accuracy import MEASURES, compare, paired_gain, spread


def runs_of(*values: float | None) -> list[dict[str, float | None]]:
    return [{**dict.fromkeys(MEASURES, value), "ece": None} for value in values]


def test_known_gain_is_paired_by_seed():
    # Differences 0.1, 0.2, 0.3: mean 0.2, sd 0.1, se 0.1 / sqrt(3), t(2, 0.975) = 4.302653.
    ours, control = runs_of(0.9, 0.6, 0.7), runs_of(0.8, 0.4, 0.4)
    gain = compare(ours, control, "oa")
    assert gain.mean == pytest.approx(0.2)
    assert gain.se == pytest.approx(0.1 / 3**0.5)
    assert (gain.low, gain.high) == (
        pytest.approx(0.2 - 4.302653 * gain.se),
        pytest.approx(0.2 + 4.302653 * gain.se),
    )
    assert paired_gain(ours, control) == {
        measure: {"mean": gain.mean, "se": gain.se} for measure in ("oa", "aa", "kappa", "miou", "macro_f1")
    }


def test_one_seed_has_a_difference_and_no_error():
    gain = compare(runs_of(0.9), runs_of(0.8), "oa")
    assert gain.mean == pytest.approx(0.1)
    assert (gain.se, gain.low, gain.high, gain.outcome) == (None, None, None, "undecided")


@pytest.mark.parametrize(
    ("ours", "outcome"),
    [
        ((0.82, 0.825, 0.83), "gain"),
        ((0.77, 0.775, 0.78), "loss"),
        ((0.79, 0.80, 0.83), "no gain shown"),
        ((0.80, 0.80, 0.80), "no gain shown"),
    ],
)
def test_the_interval_decides(ours, outcome):
    assert compare(runs_of(*ours), runs_of(0.8, 0.8, 0.8), "aa").outcome == outcome


def test_an_undefined_measure_leaves_the_gain_undefined():
    assert paired_gain(runs_of(0.9, None), runs_of(0.8, 0.8))["kappa"] == {"mean": None, "se": None}


@pytest.mark.parametrize(("ours", "control"), [(runs_of(0.9), runs_of(0.8, 0.7)), ([], [])])
def test_runs_must_pair(ours, control):
    with pytest.raises(ValueError, match="cannot be paired"):
        paired_gain(ours, control)


def test_spread_over_seeds():
    found = spread(runs_of(0.5, 0.7, 0.9))
    assert found["mean"] == {**dict.fromkeys(MEASURES, pytest.approx(0.7)), "ece": None}
    assert found["sd"] == {**dict.fromkeys(MEASURES, pytest.approx(0.2)), "ece": None}
    assert found["seeds"] == runs_of(0.5, 0.7, 0.9)


def test_spread_of_one_seed_has_no_sd():
    found = spread(runs_of(0.5))
    assert (found["mean"]["oa"], found["sd"]["oa"]) == (0.5, None)


def test_spread_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no run"):
        spread([])


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=12))
def test_agrees_with_the_paired_t_test(pairs):
    ours, control = zip(*pairs, strict=True)
    gain = compare(runs_of(*ours), runs_of(*control), "miou")
    if gain.se < 1e-9:
        return
    interval = stats.ttest_rel(ours, control).confidence_interval(0.95)
    assert gain.low == pytest.approx(interval.low, abs=1e-9)
    assert gain.high == pytest.approx(interval.high, abs=1e-9)
