"""The two-view benchmark of the literature: what do features learned with each objective share?

Two views of the same samples (left and right halves of digits; text and sound; image and sketch) are encoded
by networks trained with one objective. On samples kept apart, two questions are asked: how much correlation
did the features capture, and does a classifier that saw only one view work on the other?
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geo_xmodal.correlation.features import FeatureError
from geo_xmodal.correlation.held_out import HeldOut, IntArray
from geo_xmodal.correlation.linear_cca import FloatArray, FunctionPair, fit_cca, standardiser
from geo_xmodal.correlation.neural import Schedule, fit_neural
from geo_xmodal.correlation.registry import OBJECTIVES, objective


@dataclass(frozen=True)
class TwoViewResult:
    """What features learned with one objective share, on samples kept apart.

    Attributes:
        objective: its name; "linear_cca" is CCA on the raw views, without a network.
        total_correlation: sum of the held-out correlations of the canonical variates; at most `components`.
        spectrum: each of them.
        transfer_to_y: accuracy on view y of a classifier trained on view x.
        transfer_to_x: accuracy on view x of a classifier trained on view y.
        seconds: training time.
    """

    objective: str
    total_correlation: float
    spectrum: tuple[float, ...]
    transfer_to_y: float
    transfer_to_x: float
    seconds: float


def two_view_benchmark(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    objectives: Sequence[str] = (),
    components: int = 10,
    test_share: float = 0.3,
    schedule: Schedule | None = None,
    seed: int = 0,
) -> tuple[TwoViewResult, ...]:
    """Train encoders with each objective and compare what they share.

    Features are compared through CCA fitted on the training samples, for every objective alike: Soft-HGR
    learns f and g only up to f -> A f, g -> A^{-T} g, so that without it a classifier could not move across.

    Source: the protocol (total correlation, transfer learning) of Chandar et al. (Neural Computation 2016).

    Args:
        x: (n, dx) first view.
        y: (n, dy) second view, paired with x.
        labels: (n,) class ids >= 0.
        objectives: names from `OBJECTIVES`; all by default.
        components: how many features a view.
        test_share: share of the samples that are kept apart.
        schedule: how to train.
        seed: of the split, initial weights and batches.

    Returns:
        One result per objective, after that of linear CCA.

    Raises:
        FeatureError: arrays that do not pair up.
        UsageError: an unknown objective.
    """
    fx, fy, classes = np.asarray(x, np.float64), np.asarray(y, np.float64), np.asarray(labels, np.int64)
    if fx.ndim != 2 or fy.ndim != 2 or not len(fx) == len(fy) == len(classes):
        raise FeatureError(
            f"views and labels must be paired row by row, got {fx.shape}, {fy.shape} and {classes.shape}"
        )
    test = np.zeros(len(fx), dtype=bool)
    test[np.random.default_rng(seed).permutation(len(fx))[: round(test_share * len(fx))]] = True
    schedule = schedule or Schedule(hidden=128, batch=256, learning_rate=1e-3)

    def linear() -> FunctionPair:
        return fit_cca(fx[~test], fy[~test], components)

    def learned(name: str) -> Callable[[], FunctionPair]:
        return lambda: fit_neural(
            fx[~test],
            fy[~test],
            components,
            objective=objective(name),
            labels=classes[~test],
            width=components,
            schedule=schedule,
            seed=seed,
        )

    fits = {"linear_cca": linear} | {name: learned(name) for name in objectives or OBJECTIVES}
    return tuple(_measure(name, fit, fx, fy, classes, test) for name, fit in fits.items())


def _measure(
    name: str,
    fit: Callable[[], FunctionPair],
    x: FloatArray,
    y: FloatArray,
    labels: IntArray,
    test: npt.NDArray[np.bool_],
) -> TwoViewResult:
    start = time.perf_counter()
    fitted = fit()
    seconds = time.perf_counter() - start
    f, g = (standardiser(function(z[~test]))(function(z)) for function, z in ((fitted.f, x), (fitted.g, y)))
    spectrum = HeldOut(f[test], g[test], np.zeros(test.sum(), np.int64), None).correlations()
    to_y = _classify(f[~test], labels[~test], g[test]) == labels[test]
    to_x = _classify(g[~test], labels[~test], f[test]) == labels[test]
    return TwoViewResult(
        name, float(spectrum.sum()), tuple(spectrum.tolist()), float(to_y.mean()), float(to_x.mean()), seconds
    )


def _classify(train: FloatArray, labels: IntArray, test: FloatArray) -> IntArray:
    """Linear discriminant analysis with a shared covariance and equal priors."""
    ids, index = np.unique(labels, return_inverse=True)
    means = np.stack([train[index == k].mean(axis=0) for k in range(len(ids))])
    within = train - means[index]
    precision = np.linalg.inv(within.T @ within / len(train) + 1e-3 * np.eye(train.shape[1]))
    weights = means @ precision
    scores = test @ weights.T - 0.5 * (weights * means).sum(axis=1)
    predicted: IntArray = ids[scores.argmax(axis=1)]
    return predicted
