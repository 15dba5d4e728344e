"""Candidates judged on labels that are held out of training, in spatial blocks."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods.auto.candidates import Candidate
from geo_xmodal.methods.base import Learner, LoopOptions, Method, Options, Work
from geo_xmodal.networks import PixelModel
from geo_xmodal.selection import Folds, Places, block_folds, labelled_places, near, unlabelled_places
from geo_xmodal.types import FloatArray, PixelGroup, TrainingData

MAX_LABELS = 3_000
"""Labels that judge, drawn evenly where there are more: more would not change the order of candidates."""

MAX_PAIRS = 4_000
"""Unlabelled pairs that a candidate learns from while it is judged."""

FIRST_FOLDS = 2
"""Folds in which every candidate is judged; a few then go on to the others: that is successive
halving (Jamieson and Talwalkar, "Non-stochastic best arm identification", AISTATS 2016)."""

MAX_FINALISTS = 5
"""Candidates that go on to the other folds: the best of each kind of model, then the next best."""

_CHUNK = 1024

Logits = npt.NDArray[np.float32]


@dataclass
class Judged:
    """A candidate with what it said of the pixels that were held out.

    Attributes:
        candidate: which.
        logits: (fold's test pixels, class) by the number of the fold.
        seconds: that its folds took.
        failed: why it cannot learn from these labels; empty if it can.
    """

    candidate: Candidate
    logits: dict[int, Logits] = field(default_factory=dict)
    seconds: float = 0.0
    failed: str = ""


@dataclass(frozen=True)
class Bench:
    """The labels that candidates are judged on.

    Attributes:
        data: what they are drawn from, all groups.
        places: of the labels, pairs first.
        folds: of these.
        seed: of whatever is drawn.
    """

    data: TrainingData
    places: Places
    folds: Folds
    seed: int

    @classmethod
    def of(cls, data: TrainingData, folds: int, reach: int, seed: int) -> Bench:
        """Folds of the training labels of `data`, of at most `MAX_LABELS` of them."""
        data = _thinned(data, seed)
        places = labelled_places(data)
        divided = block_folds(
            places.position, places.label, places.scene, folds=folds, seed=seed, reach=reach
        )
        return cls(data, places, divided, seed)

    @property
    def shares(self) -> FloatArray:
        """(classes,) of the labels: what candidates, all of which weigh classes alike, are judged with.

        Labels that were drawn class by class have about the same; for others that is what a map has unless
        asked otherwise (`geo_xmodal.class_shares`).
        """
        counts = np.bincount(self.places.label, minlength=len(self.data.classes))
        return np.asarray(counts / counts.sum(), np.float32)

    def word(self, fold: int) -> str:
        """One word for the pixels that train and that test in a fold."""
        sensors = (self.data.target, self.data.auxiliary)
        digest = hashlib.sha256(repr((sensors, self.folds.block, self.folds.buffer)).encode())
        for array in (
            self.places.position,
            self.places.label,
            self.places.scene,
            self.data.unlabelled_pairs.position,
            self.folds.train[fold],
            self.folds.test[fold],
        ):
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def training(self, fold: int) -> TrainingData:
        """What trains in a fold: labels that are not held out, and unlabelled pairs away from those."""
        pairs = len(self.data.labelled_pairs)
        train, test = self.folds.train[fold], self.folds.test[fold]
        unlabelled = unlabelled_places(self.data)
        distance = max(self.folds.block // 2, self.folds.buffer)
        free = np.ones(len(unlabelled.position), bool)
        for scene in np.unique(self.places.scene[test]):
            there = np.flatnonzero(unlabelled.scene == scene)
            tested = self.places.position[test[self.places.scene[test] == scene]]
            free[there] = ~near(tested, unlabelled.position[there], distance)
        draw = np.random.default_rng([self.seed, fold])
        chosen = np.flatnonzero(free)
        if len(chosen) > MAX_PAIRS:
            chosen = np.sort(draw.choice(chosen, MAX_PAIRS, replace=False))
        return dataclasses.replace(
            self.data,
            labelled_pairs=self.data.labelled_pairs.take(train[train < pairs]),
            labelled_target=self.data.labelled_target.take(train[train >= pairs] - pairs),
            unlabelled_pairs=self.data.unlabelled_pairs.take(chosen),
        )

    def held_out(self, fold: int) -> PixelGroup:
        """The pixels that test in a fold, as the target sensor alone knows them."""
        return self.data.without_auxiliary().labelled_target.take(self.folds.test[fold])


def judge(judged: Judged, bench: Bench, fold: int, work: Work) -> None:
    """Train a candidate on a fold and ask it about the pixels that were held out.

    A candidate that cannot learn from these labels has failed; it is not asked again.
    """
    if judged.failed or fold in judged.logits:
        return
    candidate, began = judged.candidate, time.perf_counter()
    begins = "" if candidate.initialisation is None else candidate.initialisation.says
    key = (bench.word(fold), candidate.name, begins, repr(candidate.quick), bench.seed)
    try:
        if key not in _REMEMBERED:
            _REMEMBERED[key] = _said(candidate, bench, fold, work), time.perf_counter() - began
            while len(_REMEMBERED) > _MAX_REMEMBERED:
                _REMEMBERED.popitem(last=False)
        judged.logits[fold], seconds = _REMEMBERED[key]
        judged.seconds += seconds
    except TrainingDataError as error:
        judged.failed = str(error)


_REMEMBERED: OrderedDict[tuple[object, ...], tuple[Logits, float]] = OrderedDict()
"""What candidates said in this process: the control of `auto` judges the same ones on the same folds."""

_MAX_REMEMBERED = 256


def _said(candidate: Candidate, bench: Bench, fold: int, work: Work) -> Logits:
    work = _quick(work, candidate)
    learner = learned(candidate, candidate.quick, bench.training(fold), bench.seed, work)
    return logits_of(learner.pixel_model().eval(), bench.held_out(fold))


def _quick(work: Work, candidate: Candidate) -> Work:
    """Work in a fold, whose teacher is no result: it is not told of, and trees have one without networks."""
    networks = None if candidate.maps == "trees" else work.fit
    return dataclasses.replace(work, fit=networks, progress=None, note=lambda line: None)


def learned(candidate: Candidate, options: Options, data: TrainingData, seed: int, work: Work) -> Learner:
    """A learner that was trained as a candidate is, from where its network starts.

    Args:
        candidate: which.
        options: its own, or the quick ones.
        data: all groups; the candidate sees what its method sees.
        seed: of whatever is drawn.
        work: trains.

    Raises:
        TrainingDataError: It cannot learn from `data`.
    """
    with tempfile.TemporaryDirectory(prefix="geo-xmodal-") as folder:
        if candidate.initialisation is not None:
            options, data = candidate.initialisation.prepared(
                candidate, options, data, seed, work, Path(folder)
            )
        seen = candidate.method.seen(data, options)
        candidate.method.check(seen, options)
        return trained(candidate.method, options, seen, seed, work)


def trained(method: Method, options: Options, data: TrainingData, seed: int, work: Work) -> Learner:
    """A learner that was trained with `options` on what its method sees of the data."""
    learner = method.learner(data, options, seed, work)
    if learner.stages:
        assert work.fit is not None and isinstance(options, LoopOptions)
        work.fit(learner, options, seed)
    return learner


@torch.no_grad()
def logits_of(model: PixelModel, pixels: PixelGroup) -> Logits:
    """(n, class) of the pixels that the target sensor sees."""
    parts = pixels.target.cropped(model.margin).parts(_CHUNK)
    said = [model(torch.from_numpy(part).contiguous()).flatten(1).numpy() for part in parts]
    return np.concatenate(said).astype(np.float32)


def _thinned(data: TrainingData, seed: int) -> TrainingData:
    """The data with at most `MAX_LABELS` labels, drawn as they lie, but of every class."""
    places = labelled_places(data)
    if len(places) <= MAX_LABELS:
        return data
    order = np.random.default_rng(seed).permutation(len(places))
    _, firsts = np.unique(places.label[order], return_index=True)
    kept = np.sort(np.concatenate([order[firsts], np.delete(order, firsts)[: MAX_LABELS - len(firsts)]]))
    pairs = len(data.labelled_pairs)
    return dataclasses.replace(
        data,
        labelled_pairs=data.labelled_pairs.take(kept[kept < pairs]),
        labelled_target=data.labelled_target.take(kept[kept >= pairs] - pairs),
    )
