"""Hyper-parameters as the papers choose them: ten splits of the training labels, 8 : 2, and the best mean.

X-ModalNet (section 4.2): "Ten replications are conducted to randomly split the original training set into the
new training and validation sets with the percentage of 8:2". Here the splits are five folds, twice, in blocks
that lie apart where the labels allow it (`geo_xmodal.selection`): neighbours on either side of a random split
flatter what overfits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from geo_xmodal.selection import Folds, Places, block_folds, pooled, score
from geo_xmodal.types import IntArray

FOLDS, REPEATS = 5, 2
"""Ten splits of 8 : 2."""

MAX_LABELS = 2_000
"""Labels that take part, thinned evenly where there are more: a value need not be known better."""

Predict = Callable[[float, IntArray, IntArray], IntArray]
"""Classes of the tested labels, the number of classes where it gives none, which is wrong: (value, indices of
those that train, indices of those that test)."""


@dataclass(frozen=True)
class Choice:
    """A value, and how it was chosen.

    Attributes:
        value: what did best out of fold; what stands in for it where there were no folds.
        scores: overall and average accuracy out of fold of each value; empty without folds.
        how: the folds, in words.
    """

    value: float
    scores: Mapping[float, tuple[float, float]]
    how: str

    def as_json(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        tried = [{"value": value, "oa": oa, "aa": aa} for value, (oa, aa) in self.scores.items()]
        return {"value": self.value, "how": self.how, "tried": tried}


def chosen_value(
    values: Sequence[float],
    fallback: float,
    places: Places,
    classes: int,
    predict: Callable[[IntArray], Predict],
    reach: int,
    seed: int,
) -> Choice:
    """The value with the highest overall accuracy out of fold; the earliest of those that share it.

    Args:
        values: what is tried.
        fallback: what to take where the labels are too few to hold any out.
        places: labelled pixels, which are divided.
        classes: how many there are.
        predict: given the indices of the labels that take part, gives what trains and predicts: its own
            indices count among these.
        reach: pixels on each side that a prediction looks at.
        seed: of the splits.
    """
    step = max(1, -(-len(places) // MAX_LABELS))
    part = np.arange(0, len(places), step)
    some = places.take(part)
    folds = block_folds(
        some.position, some.label, some.scene, folds=FOLDS, repeats=REPEATS, seed=seed, reach=reach
    )
    if not len(folds):
        return Choice(fallback, {}, folds.describe())
    of = predict(part)
    scores = {value: _accuracies(of, value, folds, some.label, classes) for value in values}
    return Choice(max(scores, key=lambda value: scores[value][0]), scores, folds.describe())


def _accuracies(
    of: Predict, value: float, folds: Folds, label: IntArray, classes: int
) -> tuple[float, float]:
    """Overall and average accuracy out of fold."""
    said = {}
    for k, (train, test) in enumerate(zip(folds.train, folds.test, strict=True)):
        predicted = of(value, train, test)
        wrong = (label[test] + 1) % classes
        said[k] = np.eye(classes)[np.where(predicted == classes, wrong, predicted)]
    found = score(pooled(folds, said, classes), label, folds.group)
    return found.oa.value, found.aa.value
