"""How good probabilities out of fold are: overall and average accuracy, log loss, with standard errors.

Pixels of one block err together, so that standard errors are those of sums over blocks: with e_i the
influence of pixel i on the score (its deviation from the mean, over n), se^2 = G / (G - 1) times the sum over
the G blocks of (sum_{i in g} e_i)^2, the cluster-robust variance (Liang and Zeger 1986).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from geo_xmodal.selection.folds import Folds
from geo_xmodal.types import IntArray

Probabilities = npt.NDArray[np.floating]

MIN_PROBABILITY = 1e-6
"""Below which a probability counts as this in the log loss: a single sure error is not the end of a model."""


@dataclass(frozen=True)
class Measure:
    """A value, a fraction or in nats, and its standard error; None where one block does not tell."""

    value: float
    se: float | None


@dataclass(frozen=True)
class Score:
    """What probabilities out of fold are worth, over the pixels that were tested.

    Attributes:
        oa: share of pixels whose most probable class is theirs.
        aa: mean over classes of the same.
        log_loss: mean of -ln p(class), in nats; lower is better.
        n: how many pixels were tested.
        blocks: how many blocks these lie in.
    """

    oa: Measure
    aa: Measure
    log_loss: Measure
    n: int
    blocks: int

    def as_json(self) -> dict[str, object]:
        """Plain values, ready for JSON."""
        return asdict(self)


def pooled(folds: Folds, parts: Mapping[int, Probabilities], classes: int) -> Probabilities:
    """Probabilities out of fold of all pixels, from those of each fold's tested pixels.

    Args:
        folds: n pixels.
        parts: (len(folds.test[k]), classes) by the number of the fold, of some or of all.
        classes: how many there are.

    Returns:
        (repeats, n, classes), NaN where a pixel was not tested.
    """
    out = np.full((folds.repeats, len(folds.group), classes), np.nan)
    for k, part in parts.items():
        out[folds.repeat[k], folds.test[k]] = part
    return out


def score(probability: Probabilities, label: IntArray, group: IntArray) -> Score:
    """Scores of probabilities out of fold; repetitions are averaged pixel by pixel.

    Args:
        probability: (repeats, n, classes), NaN where a pixel was not tested.
        label: (n,) class of each pixel.
        group: (n,) block of each pixel.

    Raises:
        ValueError: No pixel was tested.
    """
    hit, loss, seen = _by_pixel(probability, label)
    return _score(hit[seen], loss[seen], label[seen], group[seen])


def difference(first: Probabilities, second: Probabilities, label: IntArray, group: IntArray) -> Score:
    """Scores of the first less those of the second, paired: over pixels that both were tested on.

    Args, Raises: as `score`.
    """
    both = np.isfinite(first + second).all(axis=2, keepdims=True)
    one, other = (np.where(both, part, np.nan) for part in (first, second))
    hit, loss, seen = _by_pixel(one, label)
    less_hit, less_loss, _ = _by_pixel(other, label)
    return _score((hit - less_hit)[seen], (loss - less_loss)[seen], label[seen], group[seen])


def beyond_chance(gain: Score, error: float) -> bool:
    """Whether the mean of overall and average accuracy of a `difference` is above 0 beyond chance.

    Student's t with one degree of freedom less than there are blocks: of few blocks the standard error itself
    is hardly known. Those of overall and average accuracy are averaged, as the two err together.

    Args:
        gain: of one less another.
        error: probability with which this is said of two that are equally good.
    """
    if gain.oa.se is None or gain.aa.se is None:
        return False
    least = stdtrit(gain.blocks - 1, 1 - error) * (gain.oa.se + gain.aa.se) / 2
    return bool((gain.oa.value + gain.aa.value) / 2 > least)


def _by_pixel(
    probability: Probabilities, label: IntArray
) -> tuple[Probabilities, Probabilities, npt.NDArray[np.bool_]]:
    """(n,) share of the repetitions in which a pixel is right, mean loss, and whether it was tested."""
    known = np.asarray(np.isfinite(probability).all(axis=2, keepdims=True))
    filled = np.where(known, probability, 0.0)
    tested = known[..., 0]
    times = tested.sum(axis=0)
    own = np.take_along_axis(filled, label[None, :, None], 2)[..., 0]
    hit = (filled.argmax(2) == label) & tested
    loss = np.where(tested, -np.log(np.maximum(own, MIN_PROBABILITY)), 0.0)
    return hit.sum(axis=0) / np.maximum(times, 1), loss.sum(axis=0) / np.maximum(times, 1), times > 0


def _score(hit: Probabilities, loss: Probabilities, label: IntArray, group: IntArray) -> Score:
    n = len(label)
    if not n:
        raise ValueError("no pixel was tested: there is nothing to score")
    classes, class_of, counts = np.unique(label, return_inverse=True, return_counts=True)
    class_of = class_of.reshape(-1)
    recall = np.bincount(class_of, hit) / counts
    shares = 1 / (len(classes) * counts[class_of])
    return Score(
        Measure(float(hit.mean()), _se((hit - hit.mean()) / n, group)),
        Measure(float(recall.mean()), _se((hit - recall[class_of]) * shares, group)),
        Measure(float(loss.mean()), _se((loss - loss.mean()) / n, group)),
        n,
        len(np.unique(group)),
    )


def _se(influence: Probabilities, group: IntArray) -> float | None:
    _, group_of = np.unique(group, return_inverse=True)
    sums = np.bincount(group_of.reshape(-1), influence)
    many = len(sums)
    return None if many < 2 else float(np.sqrt(many / (many - 1) * (sums**2).sum()))
