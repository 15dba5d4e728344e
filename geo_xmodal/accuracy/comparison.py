"""Whether one method beats another, or a seed was lucky: paired tests over seeds, corrected for their number.

The same seed gives every method the same pixels, so that runs are paired. What is tested is training with
other seeds on the same scene with the same test pixels; other scenes are another question.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geo_xmodal.accuracy.gain import PairedGain, compare

_DIGITS = 12
"""Decimals of a difference of two fractions that mean anything."""


@dataclass(frozen=True)
class PairedTest:
    """A method against its control, or against another method, on one measure.

    Attributes:
        gain: method less control or reference over seeds, with standard error and 95 % interval.
        t: p of the paired t-test, two-sided; None where it is not defined (one seed, or differences that do
            not vary).
        wilcoxon: p of Wilcoxon's signed-rank test, two-sided, exact up to 50 seeds without ties; None where
            it is not defined (one seed, or no difference at all).
        t_holm: `t` after Holm's correction over the methods tested.
        wilcoxon_holm: `wilcoxon` after Holm's correction.
    """

    gain: PairedGain
    t: float | None
    wilcoxon: float | None
    t_holm: float | None
    wilcoxon_holm: float | None


def paired_tests(
    runs: Mapping[str, Sequence[Mapping[str, Any]]], reference: str, measure: str
) -> dict[str, PairedTest]:
    """Every method against the reference.

    Args:
        runs: metrics of each seed's run, by method; entry k of all methods is the same seed.
        reference: one of the methods.
        measure: what is compared, a key of the metrics.

    Returns:
        A test for each method but the reference.

    Raises:
        ValueError: if methods have no runs or not the same number.
    """
    others = {name: one for name, one in runs.items() if name != reference}
    return gain_tests(others, dict.fromkeys(others, runs[reference]), measure)


def gain_tests(
    runs: Mapping[str, Sequence[Mapping[str, Any]]],
    controls: Mapping[str, Sequence[Mapping[str, Any]]],
    measure: str,
) -> dict[str, PairedTest]:
    """Whether each method gains anything over its own control.

    Args:
        runs: metrics of each seed's run, by method.
        controls: metrics of each seed's control, by method, in the same order of seeds.
        measure: what is compared, a key of the metrics.

    Returns:
        A test for each method; Holm's correction is over all of them.

    Raises:
        ValueError: if methods have no runs, or not as many as their controls.
    """
    gains = {name: compare(one, controls[name], measure) for name, one in runs.items()}
    pairs = {
        name: []
        if gains[name].mean is None
        else [(ours[measure], theirs[measure]) for ours, theirs in zip(one, controls[name], strict=True)]
        for name, one in runs.items()
    }
    t = {name: paired_t(one) for name, one in pairs.items()}
    wilcoxon = {name: signed_rank(one) for name, one in pairs.items()}
    t_holm, wilcoxon_holm = holm(t), holm(wilcoxon)
    return {
        name: PairedTest(gains[name], t[name], wilcoxon[name], t_holm[name], wilcoxon_holm[name])
        for name in runs
    }


def paired_t(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Two-sided p of the paired t-test; None for fewer than two pairs or differences that do not vary."""
    if len({round(a - b, _DIGITS) for a, b in pairs}) < 2:
        return None
    from scipy import stats  # slow to import

    return float(stats.ttest_rel([a for a, _ in pairs], [b for _, b in pairs]).pvalue)


def signed_rank(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Two-sided p of Wilcoxon's signed-rank test; None for fewer than two pairs or no difference at all."""
    difference = [round(a - b, _DIGITS) for a, b in pairs]  # equal differences are ties, not ranks
    if len(difference) < 2 or not any(difference):
        return None
    from scipy import stats  # slow to import

    with warnings.catch_warnings():
        # ties and zeros among few seeds: the normal approximation that follows is what can be had
        warnings.simplefilter("ignore")
        return float(stats.wilcoxon(difference).pvalue)


def least_signed_rank(seeds: int) -> float:
    """The smallest two-sided p that the signed-rank test can reach, however large the differences."""
    return float(min(1.0, 2.0 ** (1 - seeds)))


def holm(p: Mapping[str, float | None]) -> dict[str, float | None]:
    """Holm's step-down correction (1979), which holds whatever depends on what; None stays None.

    The k-th smallest of m is multiplied by m + 1 - k, and is never below the one before it.
    """
    ranked = sorted((value, name) for name, value in p.items() if value is not None)
    corrected: dict[str, float | None] = dict.fromkeys(p)
    least = 0.0
    for k, (value, name) in enumerate(ranked):
        least = max(least, min(1.0, (len(ranked) - k) * value))
        corrected[name] = least
    return corrected
