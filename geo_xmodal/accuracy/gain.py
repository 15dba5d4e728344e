"""What the auxiliary sensor is worth: differences between runs with and without it, paired by seed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from scipy.special import stdtrit

from geo_xmodal.accuracy.metrics import MEASURES

Outcome = Literal["gain", "no gain shown", "loss", "undecided"]

LEVEL = 0.95
"""Confidence of intervals."""


@dataclass(frozen=True)
class PairedGain:
    """A mean difference over seeds, in the measure's own unit (fractions).

    Attributes:
        mean: mean of the paired differences; None where a run lacks the measure.
        se: its standard error, sd(ddof=1) / sqrt(n); None for fewer than two seeds.
        low: lower end of the 95 % interval of Student's t with n - 1 degrees of freedom.
        high: its upper end.
    """

    mean: float | None
    se: float | None
    low: float | None
    high: float | None

    @property
    def outcome(self) -> Outcome:
        """What the interval decides: it lies above zero, around it, or below it; without one, nothing."""
        if self.low is None or self.high is None:
            return "undecided"
        if self.low > 0:
            return "gain"
        return "loss" if self.high < 0 else "no gain shown"


def compare(
    with_auxiliary: Sequence[Mapping[str, Any]], control: Sequence[Mapping[str, Any]], measure: str
) -> PairedGain:
    """The gain of one measure; entry k of both sequences is the same seed.

    Raises:
        ValueError: if the sequences are empty or of different length.
    """
    if not with_auxiliary or len(with_auxiliary) != len(control):
        raise ValueError(f"{len(with_auxiliary)} runs cannot be paired with {len(control)} control runs")
    pairs = [(run[measure], other[measure]) for run, other in zip(with_auxiliary, control, strict=True)]
    if any(value is None for pair in pairs for value in pair):
        return PairedGain(None, None, None, None)
    difference = [ours - theirs for ours, theirs in pairs]
    mean = statistics.fmean(difference)
    n = len(difference)
    if n < 2:
        return PairedGain(mean, None, None, None)
    se = statistics.stdev(difference) / math.sqrt(n)
    reach = float(stdtrit(n - 1, (1 + LEVEL) / 2)) * se
    return PairedGain(mean, se, mean - reach, mean + reach)


def paired_gain(
    with_auxiliary: Sequence[Mapping[str, Any]], control: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, float | None]]:
    """Gain over a control for every measure, as metrics.json has it: `{"oa": {"mean", "se"}, ...}`.

    Args:
        with_auxiliary: metrics of each seed's run.
        control: metrics of each seed's control, in the same order of seeds.

    Raises:
        ValueError: if the sequences are empty or of different length.
    """
    gains = {measure: compare(with_auxiliary, control, measure) for measure in MEASURES}
    return {measure: {"mean": gain.mean, "se": gain.se} for measure, gain in gains.items()}


def gains_by_seed(
    with_auxiliary: Sequence[Mapping[str, Any]], control: Sequence[Mapping[str, Any]]
) -> list[dict[str, float | None]]:
    """The gain of each seed in every measure; None where a run lacks it."""
    return [
        {
            measure: None if None in (run[measure], other[measure]) else run[measure] - other[measure]
            for measure in MEASURES
        }
        for run, other in zip(with_auxiliary, control, strict=True)
    ]


def spread(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation (ddof=1) over seeds, and the seeds themselves.

    Returns:
        `{"mean": {measure: value}, "sd": {measure: value}, "seeds": [metrics of each seed]}` over
        `MEASURES` and `ece`. None where a seed lacks the measure, and for the sd of one seed.

    Raises:
        ValueError: if there is no run.
    """
    if not runs:
        raise ValueError("no run to take the mean of")
    columns = {measure: [run.get(measure) for run in runs] for measure in (*MEASURES, "ece")}
    moments = {measure: mean_and_sd(values) for measure, values in columns.items()}
    return {
        "mean": {measure: mean for measure, (mean, _) in moments.items()},
        "sd": {measure: sd for measure, (_, sd) in moments.items()},
        "seeds": [dict(run) for run in runs],
    }


def mean_and_sd(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Mean and sd (ddof=1) of a measure over seeds; (None, None) where a seed lacks it."""
    defined = [value for value in values if value is not None]
    if len(defined) < len(values) or not defined:
        return None, None
    return statistics.fmean(defined), statistics.stdev(defined) if len(defined) > 1 else None
