"""The measures of metrics.json, from a confusion matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, TypedDict

import numpy as np

from geo_xmodal.accuracy.calibration import Calibration
from geo_xmodal.accuracy.confusion import ConfusionMatrix
from geo_xmodal.types import LandClass

MEASURES: Final = ("oa", "aa", "kappa", "miou", "macro_f1")
"""The measures by which maps are compared, each a key of `Metrics`."""


class ClassMetrics(TypedDict):
    """One class: None where the measure is 0/0."""

    id: int
    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    iou: float | None
    support: int


class Metrics(TypedDict):
    """The content of metrics.json: fractions 0-1 (kappa may be negative), None where undefined."""

    oa: float | None
    aa: float | None
    kappa: float | None
    miou: float | None
    macro_f1: float | None
    ece: float | None
    per_class: list[ClassMetrics]
    confusion: list[list[int]]
    n: int
    split: str


def metrics(
    confusion: ConfusionMatrix,
    classes: Sequence[LandClass],
    calibration: Calibration | None = None,
    split: str = "test",
) -> Metrics:
    """Every measure of the contract, JSON-safe.

    With c the counts (rows = reference, columns = map), n their sum:

    - `precision` (user's accuracy) c_ii / column sum; None for a class that the map never gives.
    - `recall` (producer's accuracy) c_ii / row sum; None for a class without reference pixels.
    - `f1`, `iou`: 2 c_ii / (row + column), c_ii / (row + column - c_ii); None for a class in neither.
    - `oa`: trace / n. `aa`: mean recall over the classes with reference pixels.
    - `miou`, `macro_f1`: means over the classes that occur in reference or map, so a class that the
      map invents counts as 0. As scikit-learn: `balanced_accuracy_score`, and `jaccard_score` and
      `f1_score` with `average="macro"`.
    - `kappa`: Cohen 1960, (oa - e) / (1 - e) with e the chance agreement of the margins; None for e = 1.

    Args:
        confusion: the counts; its `unmapped` pixels enter nothing here.
        classes: the classes, in the order of the matrix.
        calibration: gives `ece`; None leaves it None.
        split: which pixels were counted.

    Raises:
        ValueError: if `classes` are not as many as the matrix has.
    """
    if len(classes) != confusion.classes:
        raise ValueError(f"{len(classes)} classes for a matrix of {confusion.classes}")
    counts = confusion.counts
    right = counts.diagonal()
    reference = counts.sum(axis=1)
    mapped = counts.sum(axis=0)
    per_class = [
        ClassMetrics(
            id=land.id,
            name=land.name,
            precision=_ratio(hit, column),
            recall=_ratio(hit, row),
            f1=_ratio(2 * hit, row + column),
            iou=_ratio(hit, row + column - hit),
            support=row,
        )
        for land, hit, row, column in zip(
            classes, right.tolist(), reference.tolist(), mapped.tolist(), strict=True
        )
    ]
    return Metrics(
        oa=_ratio(int(right.sum()), confusion.n),
        aa=_mean([one["recall"] for one in per_class]),
        kappa=_kappa(confusion),
        miou=_mean([one["iou"] for one in per_class]),
        macro_f1=_mean([one["f1"] for one in per_class]),
        ece=None if calibration is None else calibration.ece,
        per_class=per_class,
        confusion=counts.tolist(),
        n=confusion.n,
        split=split,
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return math.fsum(defined) / len(defined) if defined else None


def _kappa(confusion: ConfusionMatrix) -> float | None:
    n = confusion.n
    # Products of margins pass int64 from 3e9 pixels on; Python's integers stay exact.
    margins = zip(
        np.sum(confusion.counts, axis=1).tolist(), np.sum(confusion.counts, axis=0).tolist(), strict=True
    )
    chance = sum(row * column for row, column in margins)
    return _ratio(n * int(confusion.counts.trace()) - chance, n * n - chance)
