"""The two-view benchmark of the literature: what do features learned with each objective share?

Two views of the same samples (left and right halves of digits; text and sound; image and sketch) are encoded
by networks trained with one objective. On samples kept apart, two questions are asked: how much correlation
did the features capture, and does a classifier that saw only one view work on the other?
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from geo_xmodal.correlation.corrnet_reference import fit_corrnet
from geo_xmodal.correlation.features import FeatureError
from geo_xmodal.correlation.held_out import IntArray, correlation, score_sums
from geo_xmodal.correlation.linear_cca import FloatArray, FunctionPair, fit_cca, standardiser
from geo_xmodal.correlation.neural import Schedule, fit_neural
from geo_xmodal.correlation.registry import OBJECTIVES, objective


@dataclass(frozen=True)
class TwoViewResult:
    """What features learned with one objective share, on samples kept apart.

    Attributes:
        objective: its name; "linear_cca" is CCA on the raw views, without a network; "corrnet_reference" is
            `corrnet_benchmark`, which measures otherwise.
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


def corrnet_benchmark(
    training: tuple[npt.ArrayLike, npt.ArrayLike],
    test: tuple[npt.ArrayLike, npt.ArrayLike],
    labels: npt.ArrayLike,
    *,
    folds: int = 5,
    **options: Any,
) -> TwoViewResult:
    """CorrNet in the protocol of its authors, for comparison with their figures.

    Trained without labels. On the test samples: the correlations of the codes' units themselves, summed; and,
    over consecutive folds, the accuracy of a linear SVM that learns from the codes of one view and is asked
    about those of the other.

    Source: Chandar et al. (Neural Computation 2016) and the authors' code. They give for halves of MNIST
    digits: sum of correlations 42.57, transfer 77.05 % (left to right) and 78.81 % (right to left).

    Args:
        training: (n, dx) and (n, dy) paired views in 0..1.
        test: (m, dx) and (m, dy) paired views in 0..1.
        labels: (m,) class ids of the test samples.
        folds: parts that the test samples are cut into.
        options: of `fit_corrnet`.

    Returns:
        The figures, under the name `corrnet_reference`.

    Raises:
        FeatureError: values outside 0..1, or labels that do not pair up.
    """
    start = time.perf_counter()
    left, right = (np.asarray(view, np.float64) for view in training)
    fitted = fit_corrnet(left, right, **options)
    seconds = time.perf_counter() - start
    f, g = (
        function(np.asarray(view, np.float64))
        for function, view in zip((fitted.f, fitted.g), test, strict=True)
    )
    classes = np.asarray(labels, np.int64)
    if not len(f) == len(g) == len(classes):
        raise FeatureError(
            f"test views and labels must be paired, got {len(f)}, {len(g)}, {len(classes)} rows"
        )
    spectrum = correlation(score_sums(f, g).sum(axis=0))
    parts = np.array_split(np.arange(len(classes)), folds)
    to_y, to_x = (
        float(np.mean([_transferred(seen, asked, classes, part) for part in parts]))
        for seen, asked in ((f, g), (g, f))
    )
    return TwoViewResult(
        "corrnet_reference", float(spectrum.sum()), tuple(spectrum.tolist()), to_y, to_x, seconds
    )


def _transferred(seen: FloatArray, asked: FloatArray, labels: IntArray, part: IntArray) -> float:
    """Accuracy on `part` of the one view after learning from the rest of the other."""
    rest = np.delete(np.arange(len(labels)), part)
    # scikit-learn is slow to import, and only this needs it
    solver = importlib.import_module("sklearn.svm").LinearSVC(random_state=0)
    predicted = solver.fit(seen[rest], labels[rest]).predict(asked[part])
    return float((predicted == labels[part]).mean())


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
    spectrum = correlation(score_sums(f[test], g[test]).sum(axis=0))
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
