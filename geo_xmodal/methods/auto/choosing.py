"""Which candidate maps, or which average: by what they said of labels that were held out."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from geo_xmodal import processes
from geo_xmodal.class_shares import equal_shares, held_out_calibration
from geo_xmodal.methods.auto.candidates import Candidate
from geo_xmodal.methods.auto.initialisation import PRETRAINED
from geo_xmodal.methods.auto.judging import FIRST_FOLDS, MAX_FINALISTS, Bench, Judged, judge
from geo_xmodal.methods.base import Work
from geo_xmodal.selection import (
    Probabilities,
    Score,
    beyond_chance,
    difference,
    pooled,
    score,
    softened,
    temperature_of,
)
from geo_xmodal.wording import names_text

MAX_ERROR = 0.025
"""Probability with which a single candidate that is no better than the average may be taken for better."""

MIN_WEIGHT = 0.05
"""What would weigh less in the average is left out of it."""


@dataclass(frozen=True)
class Standing:
    """A candidate as it stands after its folds.

    Attributes:
        judged: what it said.
        temperature: at which the labels are most likely.
        probability: (repeats, n, class) at that temperature, of land where all classes have the same share;
            NaN where a pixel was not tested.
        score: of these, on land with the shares of the labels.
    """

    judged: Judged
    temperature: float
    probability: Probabilities
    score: Score

    @property
    def value(self) -> float:
        """What candidates are ranked by: the mean of overall and average accuracy."""
        return _value(self.score)


def choose(
    candidates: Sequence[Candidate],
    bench: Bench,
    budget: float,
    work: Work,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any] | None:
    """Judge the candidates within a budget and choose.

    All are judged in `FIRST_FOLDS` folds, and the best of each kind of model with the next best in all of
    them. The average of these, in which each weighs exp(-loss), is chosen unless the best single one is
    better in the same folds beyond chance (`clearly_better`).

    Args:
        candidates: two at least, the first of which is judged first.
        bench: labels and folds; there is one fold at least.
        budget: seconds, after which no further candidate is judged in a fold.
        work: trains them.
        clock: seconds.

    Returns:
        As JSON: `chosen` (names and weights), `temperatures`, whether the auxiliary sensor takes part
        (`auxiliary`) and what it is worth (`gain`), and every candidate with scores and seconds; None where
        no candidate could learn from the labels of the folds.
    """
    began = clock()
    everyone = finalists = [Judged(one) for one in candidates]
    first = min(FIRST_FOLDS, len(bench.folds))
    total, done = len(everyone) * first + MAX_FINALISTS * (len(bench.folds) - first), 0
    stopped = ""
    for folds in (range(first), range(first, len(bench.folds))):
        finalists = _finalists(everyone, bench) if folds.start else everyone
        for fold, one in itertools.product(folds, finalists):
            spent = bool(processes.told(clock() - began > budget))  # all stop, or none
            if spent and any(other.logits for other in everyone):
                stopped = f"stopped after {budget:g} seconds, the budget"
                break
            if work.progress is not None:
                work.progress(done, max(total, done), f"choosing: {one.candidate.name}, fold {fold + 1}")
            judge(one, bench, fold, work)
            done += 1
    standing = ranked(finalists, bench)
    if not standing:
        return None
    members, weights, average = averaged(standing, bench)
    if average is None or clearly_better(standing[0], members, weights, bench):
        members, weights = [standing[0]], [1.0]
    found = _findings(everyone, standing, members, weights, average, bench, stopped)
    return found | {"calibration": _calibration(_mean(members, weights), bench)}


def clearly_better(
    best: Standing, members: Sequence[Standing], weights: Sequence[float], bench: Bench
) -> bool:
    """Whether the best single one is better than the average beyond chance: few labels choose badly.

    It was picked among several by the same labels, so that the probability of error is divided by how many
    they are (Bonferroni); and one whose log loss is higher is right more often, but knows less.
    """
    single, together = (_on_land(one, bench) for one in (best.probability, _mean(members, weights)))
    gain = difference(single, together, bench.places.label, bench.folds.group)
    return gain.log_loss.value <= 0 and beyond_chance(gain, MAX_ERROR / len(members))


def _mean(members: Sequence[Standing], weights: Sequence[float]) -> Probabilities:
    """(repeats, n, class) of the average."""
    parts = [w * one.probability for w, one in zip(weights, members, strict=True)]
    return np.asarray(np.sum(parts, axis=0))


def _calibration(probability: Probabilities, bench: Bench) -> dict[str, Any] | None:
    """How well what maps is calibrated out of fold, as `geo_xmodal.class_shares.HeldOut` has it."""
    tested = np.isfinite(probability).all(axis=(0, 2))
    alike = equal_shares(bench.shares.tolist())
    said = probability[:, tested].mean(axis=0)
    found = held_out_calibration(said, bench.places.label[tested], alike)
    return None if found is None else asdict(found)


def _finalists(everyone: Sequence[Judged], bench: Bench) -> list[Judged]:
    """The best candidate of each kind of model, and the next best up to `MAX_FINALISTS`; the best first."""
    standing = [one.judged for one in ranked(everyone, bench)]
    firsts = {one.candidate.maps: one for one in reversed(standing)}
    chosen = [one for one in standing if firsts[one.candidate.maps] is one]
    chosen += [one for one in standing if one not in chosen]
    return sorted(chosen[:MAX_FINALISTS], key=standing.index)


def ranked(judged: Sequence[Judged], bench: Bench) -> list[Standing]:
    """Candidates by the folds that all of them were judged in, the best first; equals in the order given."""
    those = [one for one in judged if one.logits and not one.failed]
    if not those:
        return []
    folds = set.intersection(*(set(one.logits) for one in those))
    return sorted((_standing(one, bench, folds) for one in those), key=lambda one: -one.value)


def _standing(judged: Judged, bench: Bench, folds: Iterable[int]) -> Standing:
    label = bench.places.label
    logits = {fold: judged.logits[fold] for fold in sorted(folds)}
    tested = np.concatenate([bench.folds.test[fold] for fold in logits])
    temperature = temperature_of(np.concatenate(list(logits.values())), label[tested], bench.shares)
    parts = {fold: softened(one, temperature) for fold, one in logits.items()}
    probability = pooled(bench.folds, parts, len(bench.data.classes))
    return Standing(judged, temperature, probability, _scored(probability, bench))


def _scored(probability: Probabilities, bench: Bench) -> Score:
    """Scores of probabilities (repeats, n, class) of alike classes, on land with the shares of the labels."""
    return score(_on_land(probability, bench), bench.places.label, bench.folds.group)


def _on_land(probability: Probabilities, bench: Bench) -> Probabilities:
    odds = probability * bench.shares
    return np.asarray(odds / odds.sum(axis=2, keepdims=True))


def _weights(standing: Sequence[Standing]) -> list[float]:
    """exp(-loss) of each, made to sum to 1; the loss is the log loss in nats a pixel.

    As in Bayesian model averaging by held-out data (Yao et al., "Using stacking to average Bayesian
    predictive distributions", Bayesian Analysis 13, 2018, section 2.3), with the mean over pixels in place of
    the sum: pixels of a few blocks are about as good as one.
    """
    loss = np.array([one.score.log_loss.value for one in standing])
    weight = np.exp(loss.min() - loss)
    return [float(one) for one in weight / weight.sum()]


def averaged(finalists: Sequence[Standing], bench: Bench) -> tuple[list[Standing], list[float], Score | None]:
    """The average: its members, their weights, and its score; None if it is of a single one."""
    weighed = [
        (one, weight)
        for one, weight in zip(finalists, _weights(finalists), strict=True)
        if weight >= MIN_WEIGHT
    ]
    members = [one for one, _ in weighed]
    weights = [weight / sum(weight for _, weight in weighed) for _, weight in weighed]
    if len(members) == 1:
        return members, [1.0], None
    return members, weights, _scored(_mean(members, weights), bench)


def _value(scored: Score) -> float:
    return (scored.oa.value + scored.aa.value) / 2


def _findings(
    everyone: Sequence[Judged],
    finalists: Sequence[Standing],
    members: Sequence[Standing],
    weights: Sequence[float],
    average: Score | None,
    bench: Bench,
    stopped: str,
) -> dict[str, Any]:
    chosen = {one.judged.candidate.name: w for one, w in zip(members, weights, strict=True)}
    standing = {one.candidate.name: _standing(one, bench, one.logits) for one in everyone if one.logits}
    rows = []
    for one in everyone:
        name = one.candidate.name
        row: dict[str, Any] = {
            "name": name,
            "method": one.candidate.method.name,
            "auxiliary": one.candidate.uses_auxiliary,
            "pretraining": None
            if one.candidate.initialisation is None
            else one.candidate.initialisation.says,
            "folds": len(one.logits),
            "seconds": round(one.seconds, 1),
            "weight": chosen.get(name, 0.0),
        }
        if one.failed:
            row["failed"] = one.failed
        if name in standing:
            row |= standing[name].score.as_json() | {"temperature": standing[name].temperature}
        rows.append(row)
    with_it, without = (
        [one for one in finalists if one.judged.candidate.uses_auxiliary == side] for side in (True, False)
    )
    gain = None
    if with_it and without:
        first, second = (_on_land(one[0].probability, bench) for one in (with_it, without))
        gain = difference(first, second, bench.places.label, bench.folds.group)
    pretraining = _pretraining(everyone, members, bench)
    return {
        "says": _sentence(members, gain) + ("" if pretraining is None else f" {pretraining['says']}"),
        "folds": bench.folds.describe(),
        "kind": bench.folds.kind,
        "labels": len(bench.places),
        "candidates": rows,
        "chosen": chosen,
        "temperatures": {one.judged.candidate.name: one.temperature for one in members},
        "average": None if average is None else average.as_json(),
        "auxiliary": any(one.judged.candidate.uses_auxiliary for one in members),
        "gain": None if gain is None else gain.as_json(),
        "pretraining": pretraining,
        "stopped": stopped,
    }


def _sentence(members: Sequence[Standing], gain: Score | None) -> str:
    """What was chosen, and what the auxiliary sensor did for it, in words."""
    named = names_text([one.judged.candidate.name for one in members])
    what = f"the average of {named}" if len(members) > 1 else named
    takes_part = any(one.judged.candidate.uses_auxiliary for one in members)
    if gain is None:
        beside = "with the auxiliary sensor" if takes_part else "on the target sensor alone"
        return f"The map is made by {what}, trained {beside}."
    if not takes_part:
        return f"The auxiliary sensor did not help here{_less(gain)}: the map is made by {what}, without it."
    error = ((gain.oa.se or 0) + (gain.aa.se or 0)) / 2
    helped = "helped" if _value(gain) > error else "made no clear difference"
    if _value(gain) < -error:
        helped = "did not help"
    return f"The auxiliary sensor {helped} on held-out labels{_less(gain)}: the map is made by {what}."


def _pretraining(
    everyone: Sequence[Judged], members: Sequence[Standing], bench: Bench
) -> dict[str, Any] | None:
    """Whether a candidate that starts from a pretraining maps, and what it gained over the same without.

    The best of those that start so is held against what it is without pretraining, or where that was not
    judged, against the best of the others, in the folds that both were judged in.

    Returns:
        As JSON: `won`, `candidate`, `over`, `gain` and a sentence; None where none was asked for.
    """
    asked = [one for one in everyone if one.candidate.initialisation is not None]
    if not asked:
        return None
    won = any(one.judged.candidate.initialisation is not None for one in members)
    found: dict[str, Any] = {"won": won, "candidate": None, "over": None, "gain": None}
    starting = ranked(asked, bench)
    if not starting:
        return found | {"says": "No candidate that starts from a pretraining could be judged."}
    best = starting[0].judged
    others = [one for one in everyone if one.candidate.initialisation is None]
    like = [one for one in others if one.candidate.name == PRETRAINED[best.candidate.name]]
    rivals = ranked(like, bench) or ranked(others, bench)
    verdict = "takes part in the map" if won else "has no part in the map"
    start = best.candidate.initialisation
    named = f"{best.candidate.name} ({'' if start is None else start.says})"
    if not rivals:
        return found | {"candidate": best.candidate.name, "says": f"Pretraining {verdict}: {named}."}
    over = rivals[0].judged
    pair = {one.judged.candidate.name: one for one in ranked([best, over], bench)}
    first, second = (_on_land(pair[one.candidate.name].probability, bench) for one in (best, over))
    gain = difference(first, second, bench.places.label, bench.folds.group)
    return found | {
        "candidate": best.candidate.name,
        "over": over.candidate.name,
        "gain": gain.as_json(),
        "says": f"Pretraining {verdict}: {named} less {over.candidate.name} on held-out labels is "
        f"{_points(gain)}.",
    }


def _less(gain: Score) -> str:
    return f" (the best candidate with it, less the best without: {_points(gain)})"


def _points(gain: Score) -> str:
    overall, average = (
        f"{100 * one.value:+.1f}" + ("" if one.se is None else f" ± {100 * one.se:.1f}")
        for one in (gain.oa, gain.aa)
    )
    return f"{overall} points of overall accuracy, {average} of average accuracy"
