"""Accuracy on test pixels with every choice of class shares, from one pass over a model's predictions."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from geo_xmodal import bundle
from geo_xmodal.accuracy import Calibration, ConfusionMatrix, metrics
from geo_xmodal.class_shares import Choice, ClassShares
from geo_xmodal.errors import ClassSharesError
from geo_xmodal.mapping import NAMED_SHARES, best_of, evaluate_windows, known_shares, scene_shares
from geo_xmodal.raster import WindowReader
from geo_xmodal.training.learned import default_shares
from geo_xmodal.training.sources import Learned
from geo_xmodal.types import ClassArray, LandClass, Progress, Window

TEST_WINDOW = 512


@dataclass
class _Tally:
    """What was counted of test pixels."""

    confusion: ConfusionMatrix
    calibration: Calibration

    def __add__(self, other: _Tally) -> _Tally:
        return _Tally(self.confusion + other.confusion, self.calibration + other.calibration)

    def scores(self, legend: Sequence[LandClass]) -> dict[str, Any]:
        """The measures, and how many pixels the map has no data for."""
        found = dict(metrics(self.confusion, legend, self.calibration, "test"))
        return found | {"unmapped": int(np.sum(self.confusion.unmapped))}


@dataclass
class _Tested:
    """A scene's test pixels, with every choice of class shares.

    Attributes:
        shares: By choice; None for those that the model has learned.
        refused: Why a choice cannot be had.
        tallies: By choice.
    """

    shares: Mapping[Choice, ClassShares | None]
    refused: Mapping[Choice, str]
    tallies: dict[Choice, _Tally]


def test_scores(
    scenes: Learned,
    trained: bundle.Bundle,
    progress: Progress | None = None,
    *,
    seen: Callable[[WindowReader], WindowReader] = lambda reader: reader,
    shares: Choice | None = None,
) -> dict[str, Any]:
    """Metrics on the test pixels of all scenes, and of each of several, of the model as it is on disk.

    The measures are those of a map that is right about what the model's card says, or of `shares`; below
    `shares` are those of every choice, that one first. Estimated class shares are those of the whole image
    of each scene: a sample of it, whatever is labelled.

    Args:
        scenes: what is tested.
        trained: the model.
        progress: told of each window.
        seen: what the model sees of a scene's target sensor.
        shares: the choice in place of the card's.
    """
    tested = {member.name: member for member in scenes.members if member.tests}
    tested = tested or {scenes.members[0].name: scenes.members[0]}
    rows = [member.rows for member in tested.values()]
    found: dict[str, _Tested] = {}
    for k, (name, member) in enumerate(tested.items()):
        reader = seen(member.reader(member.target))
        windows = _told(member.test_windows(TEST_WINDOW), sum(rows[:k]), sum(rows), progress)
        found[name] = _counted(trained, reader, windows)
    together = _joined(list(found.values()))
    entry = trained.card.shares
    chosen = shares or (None if entry is None else entry.default)
    scores = _scores(together, trained.card, chosen)
    first = next(iter(together.tallies)) if entry is None else scores["shares"]["chosen"]
    bins = [dataclasses.asdict(one) for one in together.tallies[first].calibration.curve]
    scores |= {"reliability": bins}
    if scenes.several:
        scores["scenes"] = {
            name: _scores(one, trained.card, first)
            | {"held_out": tested[name].held_out, "simulated": tested[name].simulated}
            for name, one in found.items()
        }
        scores["joined_classes"] = scenes.joined_classes()
    return scores


def usable_shares(
    trained: bundle.Bundle, reader: WindowReader, choice: Choice | None = None
) -> ClassShares | None:
    """The class shares of a map of a scene: where they cannot be estimated, those that the labels suggest."""
    try:
        return scene_shares(trained, reader, choice)
    except ClassSharesError:
        entry = trained.card.shares
        return None if entry is None else known_shares(trained.card, _default(entry)[0])


def _counted(
    trained: bundle.Bundle, reader: WindowReader, windows: Iterator[tuple[Window, ClassArray]]
) -> _Tested:
    legend = trained.card.legend
    ids = [land.id for land in legend]
    shares, refused = _choices(trained, reader)
    tallies = {name: _Tally(ConfusionMatrix(len(legend)), Calibration()) for name in shares}
    for reference, probabilities in evaluate_windows(trained, reader, windows):
        for name, one in shares.items():
            changed = probabilities if one is None else one.changed(probabilities)
            predicted, probability = best_of(changed, np.array(ids, np.uint8))
            tallies[name].confusion.add(reference, predicted, ids)
            mapped = predicted > 0
            tallies[name].calibration.add(probability[mapped], (predicted == reference)[mapped])
    return _Tested(shares, refused, tallies)


def _choices(
    trained: bundle.Bundle, reader: WindowReader
) -> tuple[dict[Choice, ClassShares | None], dict[Choice, str]]:
    """Every choice that there is for a scene, and why others are not."""
    entry = trained.card.shares
    if entry is None:  # an older card, which knows of no choice: the model as it is, by any name
        return {"equal": None}, {}
    shares: dict[Choice, ClassShares | None] = {}
    refused: dict[Choice, str] = {}
    if entry.table is not None:
        shares["table"] = known_shares(trained.card, None)
    for name in NAMED_SHARES:
        try:
            shares[name] = scene_shares(trained, reader, name)
        except ClassSharesError as error:
            refused[name] = str(error)
    return shares, refused


def _joined(parts: Sequence[_Tested]) -> _Tested:
    """All scenes together; a choice that one of several does not have, all together do not have."""
    if len(parts) == 1:
        return parts[0]
    refused = functools.reduce(operator.or_, (dict(one.refused) for one in reversed(parts)))
    tallies = {
        name: functools.reduce(operator.add, (one.tallies[name] for one in parts))
        for name in parts[0].tallies
        if name not in refused
    }
    return _Tested({}, refused, tallies)


def _scores(tested: _Tested, card: bundle.Card, chosen: Choice | None) -> dict[str, Any]:
    """The measures of one choice, and below `shares` those of all, that one first."""
    legend, entry = card.legend, card.shares
    if entry is None or chosen is None:
        (tally,) = tested.tallies.values()
        return tally.scores(legend)
    default, why = _default(entry)
    found = chosen if chosen in tested.tallies else default
    order = [found, *(name for name in ("table", *NAMED_SHARES) if name != found)]
    choices: dict[str, Any] = {}
    for name in order:
        if name in tested.refused:
            choices[name] = {"refused": tested.refused[name]}
        elif name in tested.tallies:
            own = tested.shares.get(name)
            wanted = {} if own is None else {"shares": _by_id(legend, own.wanted)}
            choices[name] = tested.tallies[name].scores(legend) | wanted
    about = {
        "chosen": found,
        "asked": chosen,
        "default": default,
        "drawn": entry.drawn,
        "why_default": why,
        "learned": _by_id(legend, entry.learned),
        "held_out": None if entry.held_out is None else entry.held_out.model_dump(),
        "choices": choices,
    }
    return tested.tallies[found].scores(legend) | {"shares": about}


def _default(entry: bundle.SharesEntry) -> tuple[Choice, str]:
    return default_shares(entry.drawn, entry.learned, entry.calibration)


def _by_id(legend: Sequence[LandClass], shares: Sequence[float]) -> dict[str, float]:
    return {str(land.id): round(share, 6) for land, share in zip(legend, shares, strict=True)}


def _told(
    windows: Iterator[tuple[Window, ClassArray]], before: int, rows: int, progress: Progress | None
) -> Iterator[tuple[Window, ClassArray]]:
    """The windows, which come row by row, each told when its turn comes."""
    for window, labels in windows:
        if progress is not None:
            progress(before + window.row, rows, "testing")
        yield window, labels
