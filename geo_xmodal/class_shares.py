"""Class shares: those that a classifier has learned, those that its predictions are to have, and estimates.

A classifier trained on labels of which class c weighs l_c gives probabilities p_c for land where class c has
the share l_c. On land with other shares w_c, by Bayes' rule (Saerens, Latinne and Decaestecker, "Adjusting
the outputs of a classifier to new a priori probabilities", Neural Computation 14, 2002, Eq. 2.4),

    p'_c = p_c (w_c / l_c) / sum_k p_k (w_k / l_k),

if the distribution of the values within each class is the same. Unknown shares are estimated from
predictions by expectation maximisation (ibid., Eq. 2.9). That needs calibrated probabilities: a temperature T
is fitted on held-out labels (Guo et al. 2017), and all of the above is done with softmax(z / T) in place of
softmax(z). Since the map goes on showing the probabilities of the model itself, T log(w_c / l_c) is added to
its logits z: the class of a pixel is the same as with calibrated probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from geo_xmodal.errors import ClassSharesError

Choice = Literal["labels", "equal", "estimated", "table"]
"""Whose class shares predictions have."""

QUESTION = "What should the map be right about?"
"""As every form asks it."""

CHOICES: Mapping[Choice, str] = {
    "labels": "the land, of which the labels are a fair sample",
    "equal": "every class alike",
    "estimated": "the land, as its image tells",
    "table": "the land, whose areas are known",
}
"""What each choice of class shares means."""

Drawn = Literal["as they lie", "class by class"]
"""How training labels were drawn from those that there were: all of them, or so many per class."""

Floats = npt.NDArray[np.float64]

MAX_ROUNDS = 1000
"""Of expectation maximisation."""

_SETTLED = 1e-5
"""Change of every share in a round below which the estimate has settled."""

_MAX_SHARE = 0.99
"""A share above which an estimate has ended with a single class."""

_MIN_INFORMATION = 0.1
"""Part of the uncertainty about the class of a pixel that its predictions must take away."""

_MAX_MISSED = 0.1
"""Area that an estimate from held-out labels may give to wrong classes, beside what chance explains."""

_MIN_HELD_OUT = 50
"""Held-out labels from which a calibration is fitted."""

_MIN = 1e-6
_LOG_TEMPERATURES = (math.log(0.05), math.log(20.0))

Walk = Callable[[], Iterable[npt.NDArray[np.floating]]]
"""Gives probabilities (n, class) of all pixels, some at a time; may be called again."""


@dataclass(frozen=True)
class ClassShares:
    """Class shares that predictions are to have, and those that their model has learned.

    Attributes:
        choice: Whose they are.
        wanted: (class,) shares, in the order of the model's classes; they sum to 1.
        learned: (class,) what the labels of each class weighed in training; they sum to 1, 0 for a class
            without labels.
        temperature: That calibrates the model's logits.
    """

    choice: Choice
    wanted: tuple[float, ...]
    learned: tuple[float, ...]
    temperature: float = 1.0

    @property
    def offsets(self) -> tuple[float, ...] | None:
        """(class,) what is added to the model's logits; None where that would change nothing.

        A class of no share, or without labels, has -inf: it is never predicted.
        """
        ratio = ratios(np.array(self.learned), np.array(self.wanted))
        learned = np.array(self.learned) > 0
        if np.ptp(ratio[learned]) == 0:
            return None
        with np.errstate(divide="ignore"):
            found: Floats = self.temperature * np.log(ratio)
        return tuple(found.tolist())

    def changed(self, probabilities: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Probabilities (class, ...) of the model as they are with these shares."""
        if self.offsets is None:
            return probabilities
        factor = np.exp(np.array(self.offsets)).reshape(-1, *(1,) * (probabilities.ndim - 1))
        odds = probabilities * factor
        total = odds.sum(axis=0)
        # Nothing is left where float32 has no number for the classes that may be predicted.
        found = np.where(total > 0, odds / np.where(total > 0, total, 1), factor / factor.sum())
        return np.where(np.isnan(total), np.nan, found).astype(probabilities.dtype)


@dataclass(frozen=True)
class HeldOut:
    """How well probabilities are calibrated, by labels that took no part in training.

    Attributes:
        labels: How many there are.
        temperature: That their logits are divided by.
        missed: Half the sum of the differences between their class shares as estimated from their
            probabilities and as they are, 0-1.
        chance: What it would be on average, were the probabilities what they say.
        gain: Overall accuracy on these labels with their own class shares, less that with the learned ones.
        gain_error: Its standard error.
    """

    labels: int
    temperature: float
    missed: float
    chance: float
    gain: float = 0.0
    gain_error: float = 0.0

    @property
    def trusted(self) -> bool:
        """Whether class shares may be estimated from such probabilities."""
        return self.missed <= _MAX_MISSED + self.chance


def as_shares(weights: Sequence[float] | Floats) -> tuple[float, ...]:
    """Weights from 0 up as shares that sum to 1."""
    total = math.fsum(weights)
    return tuple(float(one) / total for one in weights)


def learned_of_counts(counts: npt.NDArray[np.integer], *, balanced: bool) -> Floats:
    """(class,) what labels weigh in training, of any sum: their number, or alike for all classes that occur.

    Args:
        counts: (class,) labels.
        balanced: Whether a label weighs the inverse of the number of those of its class.
    """
    return (counts > 0).astype(np.float64) if balanced else counts.astype(np.float64)


def equal_shares(learned: Sequence[float]) -> tuple[float, ...]:
    """The same share for every class that was learned."""
    return as_shares([float(one > 0) for one in learned])


def ratios(learned: Floats, wanted: Floats) -> Floats:
    """(class,) wanted over learned shares, of weights with any sum; 0 for a class that was not learned."""
    known = learned > 0
    before, after = learned / learned.sum(), wanted / wanted.sum()
    return np.where(known, after / np.where(known, before, 1), 0)


def maximised(walk: Walk, learned: Floats, rounds: int) -> tuple[Floats, float]:
    """Class shares of pixels by rounds of expectation maximisation.

    Starts from the learned shares, so that what predictions cannot tell apart keeps its learned proportion.

    Args:
        walk: Probabilities of the model; walked over once a round.
        learned: (class,) weights of the classes in its training, of any sum; 0 for a class not learned.
        rounds: At most; fewer where the shares settle.

    Returns:
        Shares (class,), and how far the last round moved the one that moved most.
    """
    shares: Floats = learned / learned.sum()
    moved = math.inf
    for _ in range(rounds):
        ratio = ratios(learned, shares)
        total, count = np.zeros(len(learned)), 0
        for part in walk():
            odds = part * ratio
            total += (odds / odds.sum(1, keepdims=True)).sum(0)
            count += len(part)
        moved = float(np.abs(total / count - shares).max())
        shares = total / count
        if moved < _SETTLED:
            break
    return shares, moved


def calibrated(probabilities: npt.NDArray[np.floating], temperature: float) -> Floats:
    """Probabilities (n, class) of logits that are divided by a temperature."""
    with np.errstate(divide="ignore"):
        logits = np.log(probabilities.astype(np.float64)) / temperature
    odds = np.exp(logits - logits.max(1, keepdims=True))
    found: Floats = odds / odds.sum(1, keepdims=True)
    return found


def held_out_calibration(
    probabilities: npt.NDArray[np.floating], label: npt.NDArray[np.integer], learned: Sequence[float]
) -> HeldOut | None:
    """Fit a temperature on held-out labels, and see how well their class shares are estimated from it.

    A label weighs so that classes have the shares that the model has learned.

    Args:
        probabilities: (n, class) of the model.
        label: (n,) class indices.
        learned: (class,) shares.

    Returns:
        None for too few labels.
    """
    from scipy.optimize import minimize_scalar  # slow to import

    before = np.array(learned)
    known = before[label] > 0
    probabilities, label = probabilities[known], label[known]
    if len(label) < _MIN_HELD_OUT:
        return None
    counts = np.bincount(label, minlength=len(before))
    weight = before[label] / counts[label]
    own = np.arange(len(label))

    def loss(log_temperature: float) -> float:
        likelihood = calibrated(probabilities, math.exp(log_temperature))[own, label]
        return float(-(weight * np.log(np.maximum(likelihood, 1e-300))).sum())

    temperature = math.exp(minimize_scalar(loss, bounds=_LOG_TEMPERATURES, method="bounded").x)
    soft = calibrated(probabilities, temperature)
    own_shares = soft * ratios(before, counts.astype(float))
    difference = (own_shares.argmax(1) == label).astype(float) - (soft.argmax(1) == label)
    found, _ = maximised(lambda: [soft], before, MAX_ROUNDS)
    missed = float(np.abs(found - counts / counts.sum()).sum() / 2)
    odds = soft * ratios(before, found)
    odds /= odds.sum(1, keepdims=True)
    # The mean of |x| is sqrt(2 / pi) standard deviations for the normal distribution.
    chance = float(np.sqrt(2 / np.pi * (odds * (1 - odds)).sum(0)).sum() / (2 * len(label)))
    error = difference.std(ddof=1) / math.sqrt(len(label))
    return HeldOut(len(label), temperature, missed, chance, float(difference.mean()), float(error))


def estimated_shares(
    probabilities: npt.NDArray[np.floating], learned: Sequence[float], held_out: HeldOut | None = None
) -> tuple[float, ...]:
    """Class shares of pixels, estimated from predictions until they settle.

    Args:
        probabilities: (n, class) of a sample of the pixels, as the model gives them.
        learned: (class,) shares that it has learned.
        held_out: How well it is calibrated; None where nobody knows.

    Returns:
        (class,) shares to six digits; none is below 1e-6.

    Raises:
        ClassSharesError: The probabilities do not suffice; the message says why.
    """
    before = np.array(learned)
    if held_out is not None and not held_out.trusted:
        raise _refused(
            f"the probabilities are badly calibrated (of {held_out.labels:,} held-out labels, whose shares "
            f"are known, the estimate gives {held_out.missed:.0%} to wrong classes; at most "
            f"{_MAX_MISSED + held_out.chance:.0%} may be)"
        )
    soft = calibrated(probabilities, 1.0 if held_out is None else held_out.temperature)
    shares, moved = maximised(lambda: [soft], before, MAX_ROUNDS)
    if moved >= _SETTLED:
        raise _refused(
            f"they do not settle within {MAX_ROUNDS} rounds (a share still moves by {moved:.2g} a round)"
        )
    if shares.max() > _MAX_SHARE:
        raise _refused(f"they end with a single class, which has {shares.max():.1%}")
    odds = soft * ratios(before, shares)
    information = 1 - _entropy(odds / odds.sum(1, keepdims=True)) / _entropy(shares[None])
    if information < _MIN_INFORMATION:
        raise _refused(
            f"the probabilities are too flat (they take away {information:.0%} of the uncertainty about the "
            f"class of a pixel, at least {_MIN_INFORMATION:.0%} is needed)"
        )
    return tuple(float(f"{max(one, _MIN):.6g}") if one > 0 else 0.0 for one in as_shares(shares))


def _entropy(probabilities: Floats) -> float:
    """Mean over rows, in nats."""
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(probabilities > 0, -probabilities * np.log(probabilities), 0)
    return float(parts.sum(1).mean())


def _refused(why: str) -> ClassSharesError:
    return ClassSharesError(
        f"class shares cannot be estimated: {why}: choose the shares of the labels, equal shares, or give a "
        "table of known areas"
    )
