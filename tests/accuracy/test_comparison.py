from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from geo_xmodal.accuracy import least_signed_rank, paired_tests
from geo_xmodal.accuracy.comparison import holm, paired_t, signed_rank

# Student's sleep data (1908), as in R: extra hours of sleep of ten patients under two drugs.
FIRST = (0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0)
SECOND = (1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4)


def test_the_t_test_gives_what_r_gives_for_the_sleep_data() -> None:
    pairs = list(zip(SECOND, FIRST, strict=True))
    assert paired_t(pairs) == pytest.approx(0.002833, abs=5e-7)
    assert paired_t(pairs) == pytest.approx(stats.ttest_rel(SECOND, FIRST).pvalue)


@pytest.mark.parametrize(("seeds", "least"), [(2, 0.5), (3, 0.25), (5, 0.0625), (6, 0.03125), (10, 2 / 1024)])
def test_five_seeds_cannot_reach_five_percent_by_ranks(seeds: int, least: float) -> None:
    every_seed_better = [(0.5 + 0.01 * (k + 1), 0.5) for k in range(seeds)]
    assert signed_rank(every_seed_better) == pytest.approx(least)
    assert least_signed_rank(seeds) == pytest.approx(least)


def test_signed_ranks_by_hand() -> None:
    # ranks 1 (negative), 2, 3, 4: W = 1; of 16 sign patterns 2 have a sum of ranks <= 1: p = 2 * 2 / 16
    assert signed_rank([(0.0, 0.1), (0.3, 0.1), (0.4, 0.1), (0.5, 0.1)]) == pytest.approx(4 / 16)


def test_what_is_not_defined_is_none() -> None:
    assert paired_t([(0.5, 0.4)]) is None
    assert signed_rank([(0.5, 0.4)]) is None
    assert signed_rank([(0.5, 0.5), (0.6, 0.6)]) is None
    # the same difference twice, up to rounding: 0.3 - 0.2 is not 0.2 - 0.1 in binary
    assert paired_t([(0.2, 0.1), (0.3, 0.2)]) is None


def test_holm_by_hand() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": None}) == {
        "a": pytest.approx(0.03), "b": pytest.approx(0.06), "c": pytest.approx(0.06), "d": None,
    }  # fmt: skip
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.999))
def test_holm_rejects_what_stepping_down_rejects(values: list[float], level: float) -> None:
    corrected = holm({str(k): value for k, value in enumerate(values)})
    rejected = set()
    for step, (value, k) in enumerate(sorted((value, k) for k, value in enumerate(values))):
        if value * (len(values) - step) > level:
            break
        rejected.add(k)
    assert {int(k) for k, value in corrected.items() if value is not None and value <= level} == rejected
    in_order = [corrected[str(k)] or 0.0 for _, k in sorted((v, k) for k, v in enumerate(values))]
    assert all(a <= b for a, b in pairwise(in_order))


def test_methods_against_a_reference() -> None:
    def runs(*values: float | None) -> list[dict[str, float | None]]:
        return [{"oa": value} for value in values]

    found = paired_tests(
        {
            "ours": runs(0.5, 0.6, 0.7), "better": runs(0.6, 0.75, 0.78), "same": runs(0.5, 0.6, 0.7),
            "unknown": runs(0.5, None, 0.7),
        },
        "ours",
        "oa",
    )  # fmt: skip
    assert list(found) == ["better", "same", "unknown"]
    difference = [0.1, 0.15, 0.08]
    better = found["better"]
    assert better.gain.mean == pytest.approx(sum(difference) / 3)
    assert better.t == pytest.approx(stats.ttest_1samp(difference, 0).pvalue)
    assert better.t_holm == better.t  # the others are not defined, so that there is one test
    assert better.wilcoxon == pytest.approx(0.25)
    for name in ("same", "unknown"):
        assert (found[name].t, found[name].wilcoxon, found[name].t_holm) == (None, None, None)
    assert found["unknown"].gain.mean is None


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=8))
def test_tests_are_symmetric_and_probabilities(pairs: list[tuple[float, float]]) -> None:
    turned = [(b, a) for a, b in pairs]
    for test in (paired_t, signed_rank):
        p = test(pairs)
        assert p is None or (0 <= p <= 1 and not math.isnan(p))
        assert test(turned) == (None if p is None else pytest.approx(p, rel=1e-6, abs=1e-9))
