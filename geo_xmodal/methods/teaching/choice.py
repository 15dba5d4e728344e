"""Which teacher the labels prefer, whether it may teach, and what it says.

Candidates that see both sensors are held against the same kinds that see the target sensor alone, on labels
that both are not trained on. A teacher that is not clearly better cannot teach: what a student would learn
from it, it could say itself.
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
from pydantic import Field

from geo_xmodal.methods.base import Work, labels_of
from geo_xmodal.methods.published_auxiliary import AuxiliaryOptions
from geo_xmodal.methods.teaching.candidates import CANDIDATES, Asked, Logits, Rows
from geo_xmodal.methods.teaching.views import View, Views, views_of
from geo_xmodal.selection import (
    Folds,
    Score,
    block_folds,
    difference,
    labelled_places,
    pooled,
    score,
    softened,
    temperature_of,
)
from geo_xmodal.types import FloatArray, IntArray, TrainingData

Probabilities = npt.NDArray[np.float64]

TeacherName = Literal["auto", "svm", "trees", "linear", "network", "average"]

AVERAGE = "average"

MAX_LABELS = 3_000
"""Labels that teachers learn from, drawn class by class where there are more."""

MIN_TESTED = 10
"""Labelled pixels with both sensors that must be held out for a teacher to be judged."""

FEW_LABELS = 200
"""Labels up to which the folds are drawn twice."""

_FOLDS = 5


class TeacherOptions(AuxiliaryOptions):
    """Which teacher, and what it sees of the auxiliary sensor."""

    teacher: TeacherName = Field(
        "auto", description="auto (chosen by cross-validation), svm, trees, linear, network or average"
    )
    components: int = Field(15, ge=1, le=4096, description="principal components of the auxiliary bands")
    auxiliary_radius: int = Field(1, ge=0, le=8, description="auxiliary pixels around that are averaged")

    @property
    def auxiliary_margin(self) -> int:
        """Radius of the auxiliary patches."""
        return max(self.auxiliary_radius, self.published_margin)


@dataclass(frozen=True)
class Entry:
    """A candidate on one view, with the auxiliary sensor or without it."""

    name: str
    view: View
    with_auxiliary: bool


@dataclass(frozen=True, eq=False)
class Teacher:
    """What a student learns from.

    Attributes:
        may_teach: whether it is better than what the target sensor says alone.
        said: in words, why it may teach or may not.
        labelled: (pairs, classes) soft labels of labelled pairs, out of fold; the label itself of a pixel
            that no fold tests.
        unlabelled: (unlabelled pairs, classes) soft labels.
        findings: the whole choice, for metrics.json and the report.
    """

    may_teach: bool
    said: str
    labelled: Probabilities
    unlabelled: Probabilities
    findings: Mapping[str, Any]


def teacher_of(
    data: TrainingData,
    *,
    teacher: str,
    components: int,
    auxiliary_radius: int,
    balance: bool,
    seed: int,
    work: Work | None,
) -> Teacher:
    """Choose a teacher by cross-validation, and ask it about every pair.

    What was chosen is kept by `work`, so that a run that is resumed does not choose again; of the same data
    it is asked once in a run.

    Args:
        data: with labelled pairs.
        teacher: a candidate, `average`, or `auto`.
        components: principal components of the auxiliary bands, at most.
        auxiliary_radius: auxiliary pixels around that are averaged.
        balance: whether classes are weighed alike.
        seed: of folds and of candidates.
        work: trains networks; None, or one that does not, does without them.

    Raises:
        TrainingDataError: Fewer than two pixels have both sensors.
        MemoryShortageError: Features do not fit into memory.
    """
    key = f"teacher {teacher} {components} {auxiliary_radius} {balance} {seed} {_word(data)}"
    if work is not None and key in work.shared:
        found: Teacher = work.shared[key]
        return found
    bench = _Bench(data, views_of(data, components, auxiliary_radius), balance, seed, work)
    findings = bench.judged(teacher) if work is None else work.kept(key, lambda: bench.judged(teacher))
    made = bench.taught(findings)
    if work is not None:
        work.shared[key] = made
        work.note(made.said)
    return made


def _word(data: TrainingData) -> str:
    """One word for the pixels that a teacher learns from and is asked about."""
    digest = hashlib.sha256(repr((data.target.statistics, data.margin)).encode())
    for group in (data.labelled_pairs, data.labelled_target, data.unlabelled_pairs):
        digest.update(np.ascontiguousarray(group.position).data)
        group.target.tell(digest.update)
        if group.label is not None:
            digest.update(np.ascontiguousarray(group.label).data)
    return digest.hexdigest()[:16]


@dataclass(eq=False)
class _Judged:
    """An entry's probabilities out of fold, (repeats, labels, classes), NaN where a pixel is not tested."""

    probability: Probabilities
    temperature: float


@dataclass(eq=False)
class _Bench:
    """Labelled pixels, pairs first, and folds of them on which entries are judged: pairs alone are tested."""

    data: TrainingData
    views: Views
    balance: bool
    seed: int
    work: Work | None
    done: dict[Entry, _Judged] = field(default_factory=dict)
    seconds: defaultdict[tuple[str, bool], float] = field(default_factory=lambda: defaultdict(float))

    def __post_init__(self) -> None:
        self.classes = len(self.data.classes)
        self.label = labels_of(self.data)
        self.pairs = len(self.data.labelled_pairs)
        self.chosen = _thinned(self.label, self.pairs, self.seed)
        places = labelled_places(self.data).take(self.chosen)
        self.folds: Folds = block_folds(
            places.position, places.label, places.scene, folds=_FOLDS, seed=self.seed,
            repeats=2 if len(places) <= FEW_LABELS else 1, reach=self.views.reach,
        )  # fmt: skip
        self.paired = self.chosen < self.pairs
        self.own = places.label

    def judged(self, asked_for: str) -> dict[str, Any]:
        """The findings: every candidate's scores, the choice, and whether it may teach; plain values."""
        found: dict[str, Any] = {
            "asked_for": asked_for, "folds": self.folds.describe(), "kind": self.folds.kind,
            "labelled_pairs": self.pairs, "candidates": [],
        }  # fmt: skip
        networks = self.work is not None and self.work.fit is not None
        possible = [name for name in CANDIDATES if name != "network" or networks]
        tested = [test[self.paired[test]] for test in self.folds.test]
        pairs = np.unique(np.concatenate(tested)) if tested else np.zeros(0, np.int64)
        if len(pairs) < MIN_TESTED or len(np.unique(self.own[pairs])) < 2:
            why = (
                f"the teacher cannot be judged, and does not teach: {len(pairs)} labelled pixels with both "
                f"sensors can be held out ({self.folds.describe()})"
            )
            return found | {"may_teach": False, "why": why, "chosen": None, "target_only": None}
        alone = self._best_views(possible, with_auxiliary=False)
        self.alone = min(alone, key=self._loss)
        both = self._best_views([asked_for] if asked_for in CANDIDATES else possible, with_auxiliary=True)
        members = {AVERAGE: both} if asked_for in ("auto", AVERAGE) else {}
        members |= {} if asked_for == AVERAGE else {entry.name: [entry] for entry in both}
        chosen = self._chosen(members)
        gain = self._gain(members[chosen], [self.alone])
        may = gain.log_loss.se is not None and gain.log_loss.value < -gain.log_loss.se
        rows = [self._row(entry.name, [entry]) for entry in (*both, *alone)]
        if AVERAGE in members:
            rows.insert(len(both), self._row(AVERAGE, both))
        return found | {
            "candidates": rows,
            "chosen": chosen,
            "members": [[entry.name, entry.view] for entry in members[chosen]],
            "target_only": self.alone.name,
            "target_only_view": self.alone.view,
            "gain": gain.as_json(),
            "may_teach": may,
            "why": _why(may, chosen, self.alone.name, gain),
        }

    def taught(self, findings: Mapping[str, Any]) -> Teacher:
        """What the teacher of the findings says of every pair; nothing if it may not teach."""
        may, why = bool(findings["may_teach"]), str(findings["why"])
        labelled = np.eye(self.classes)[self.label[: self.pairs]]
        if not may:
            nothing = np.zeros((len(self.views.auxiliary_unlabelled), self.classes))
            return Teacher(False, why, labelled, nothing, findings)
        self.alone = Entry(findings["target_only"], findings["target_only_view"], False)
        members = [Entry(name, view, True) for name, view in findings["members"]]
        final = [self._final(one) for one in members]
        said, unlabelled = (np.mean([one[part] for one in final], axis=0) for part in (0, 1))
        held_out = self._of(members)
        known = np.isfinite(held_out).all(axis=2).any(axis=0)
        thinned_away = np.setdiff1d(np.arange(self.pairs), self.chosen)
        labelled[thinned_away] = said[thinned_away]
        labelled[self.chosen[known]] = np.nanmean(held_out[:, known], axis=0)
        return Teacher(True, why, labelled, unlabelled, findings)

    def _best_views(self, names: Sequence[str], with_auxiliary: bool) -> list[Entry]:
        """Each candidate on the view on which its log loss is least."""
        return [
            min((Entry(name, view, with_auxiliary) for view in CANDIDATES[name].views), key=self._loss)
            for name in names
        ]

    def _loss(self, *entries: Entry) -> float:
        return self._score(entries).log_loss.value

    def _score(self, entries: Sequence[Entry]) -> Score:
        return score(self._of(entries), self.own, self.folds.group)

    def _gain(self, entries: Sequence[Entry], others: Sequence[Entry]) -> Score:
        return difference(self._of(entries), self._of(others), self.own, self.folds.group)

    def _chosen(self, members: Mapping[str, Sequence[Entry]]) -> str:
        """The average, unless another's log loss is lower by a standard error: few labels choose badly."""
        best = min(members, key=lambda name: self._loss(*members[name]))
        if best != AVERAGE and AVERAGE in members:
            gain = self._gain(members[best], members[AVERAGE]).log_loss
            if gain.se is None or gain.value > -gain.se:
                return AVERAGE
        return best

    def _row(self, name: str, entries: Sequence[Entry]) -> dict[str, Any]:
        one = None if name == AVERAGE else entries[0]
        return {
            "name": name,
            "title": "average of these" if one is None else CANDIDATES[name].title,
            "sensors": "both" if entries[0].with_auxiliary else "target",
            "view": one and one.view,
            **self._score(entries).as_json(),
            "temperature": one and self._judge(one).temperature,
            "seconds": sum(self.seconds[entry.name, entry.with_auxiliary] for entry in entries),
        }

    def _of(self, entries: Sequence[Entry]) -> Probabilities:
        """(repeats, labels, classes) mean probabilities out of fold, NaN where a pixel is not tested."""
        return cast(Probabilities, np.mean([self._judge(entry).probability for entry in entries], axis=0))

    def _judge(self, entry: Entry) -> _Judged:
        """An entry asked about the tested pairs of every fold, its answers calibrated on all of them."""
        if entry in self.done:
            return self.done[entry]
        if self.work is not None and self.work.progress is not None:
            sensors = "both sensors" if entry.with_auxiliary else "the target sensor"
            self.work.progress(0, 0, f"choosing a teacher: {CANDIDATES[entry.name].title} on {sensors}")
        began = time.process_time()
        logits: dict[int, Logits] = {}
        known: dict[int, IntArray] = {}
        for k, (train, test) in enumerate(zip(self.folds.train, self.folds.test, strict=True)):
            learned, asked = train[self.paired[train]] if entry.with_auxiliary else train, self.paired[test]
            known[k] = np.unique(self.own[learned]) if len(np.unique(self.own[learned])) > 1 else learned[:0]
            logits[k] = np.full((len(test), self.classes), np.nan)
            if asked.any():
                logits[k][asked] = self._answers(entry, learned, test[asked], known[k])
        together = pooled(self.folds, logits, self.classes)
        told = np.isfinite(together).all(axis=2)
        temperature = temperature_of(together[told], np.broadcast_to(self.own, told.shape)[told])
        probability = np.full_like(together, np.nan)
        probability[told] = softened(together[told], temperature)
        for k in known if entry.with_auxiliary else ():
            rows = self.folds.test[k][self.paired[self.folds.test[k]]]
            own, alone = probability[self.folds.repeat[k]], self._judge(self.alone).probability
            own[rows] = _filled(own[rows], alone[self.folds.repeat[k]][rows], known[k])
        self.done[entry] = _Judged(cast(Probabilities, probability), temperature)
        self.seconds[entry.name, entry.with_auxiliary] += time.process_time() - began
        return self.done[entry]

    def _answers(self, entry: Entry, learned: IntArray, asked: IntArray, known: IntArray) -> Logits:
        """(asked, classes) logits of labels `asked` by an entry that learned `learned`; all alike of none."""
        if not len(known):
            return np.zeros((len(asked), self.classes))
        features = self.views.labelled(entry.view, entry.with_auxiliary)
        fitted = self._fitted(entry, features[self.chosen[learned]], self.own[learned])
        return fitted(features[self.chosen[asked]])

    def _fitted(self, entry: Entry, features: FloatArray, label: IntArray) -> Asked:
        rows = Rows(features, label, self.classes, self.balance, self.seed)
        return CANDIDATES[entry.name].fit(rows, self.work)

    def _final(self, entry: Entry) -> tuple[Probabilities, Probabilities]:
        """Probabilities of all labelled pairs, and of the unlabelled ones, by an entry that learned all."""
        features = self.views.labelled(entry.view, entry.with_auxiliary)
        learned = self.chosen[self.paired] if entry.with_auxiliary else self.chosen
        asked = self._fitted(entry, features[learned], self.label[learned])
        temperature = self._judge(entry).temperature
        labelled, unlabelled = (
            softened(asked(part), temperature) if len(part) else np.zeros((0, self.classes))
            for part in (features[: self.pairs], self.views.unlabelled(entry.view, entry.with_auxiliary))
        )
        known = np.unique(self.label[learned])
        if not entry.with_auxiliary or len(known) == len(np.unique(self.label)):
            return labelled, unlabelled
        alone = self._final(self.alone)
        return _filled(labelled, alone[0], known), _filled(unlabelled, alone[1], known)


def _filled(said: Probabilities, alone: Probabilities, known: IntArray) -> Probabilities:
    """(n, classes) what a teacher says that knows some classes, and the target sensor alone of the others.

    p(c) = q(c) of a class that the teacher does not know, and p(c | it knows the class) (1 - sum of these q).
    """
    unknown = np.setdiff1d(np.arange(said.shape[1]), known)
    other = alone[:, unknown]
    found = said * (1 - other.sum(axis=1, keepdims=True))
    found[:, unknown] = other
    return cast(Probabilities, found)


def _thinned(label: IntArray, pairs: int, seed: int) -> IntArray:
    """Indices of at most `MAX_LABELS` labels: of each class as many as of any other, pairs before others."""
    if len(label) <= MAX_LABELS:
        return np.arange(len(label))
    order = np.random.default_rng(seed).permutation(len(label))
    order = order[np.argsort(order >= pairs, kind="stable")]
    turn = np.empty(len(label), np.int64)
    for one in np.unique(label):
        members = order[label[order] == one]
        turn[members] = np.arange(len(members))
    return np.sort(order[np.argsort(turn[order], kind="stable")][:MAX_LABELS])


def _why(may: bool, chosen: str, alone: str, gain: Score) -> str:
    """Whether the teacher teaches, with the figures that decide it."""
    title = "the average of all" if chosen == AVERAGE else CANDIDATES[chosen].title
    found = (
        f"on held-out labels both sensors ({title}) have a log loss of {gain.log_loss.value:+.2f} "
        f"(standard error {'unknown' if gain.log_loss.se is None else f'{gain.log_loss.se:.2f}'}) and an "
        f"accuracy of {100 * gain.oa.value:+.1f} points against the target sensor alone "
        f"({CANDIDATES[alone].title})"
    )
    if may:
        return f"the teacher may teach: {found}"
    return f"the teacher may not teach, the student learns labels alone: {found}"
