"""How much one modality tells about another: a held-out number, its interval and its null."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from geo_xmodal.correlation.ace import PRIOR_SAMPLES, ace_features
from geo_xmodal.correlation.cross_fit import MIN_DEVIATION, CrossFit
from geo_xmodal.correlation.features import FeatureError
from geo_xmodal.correlation.held_out import (
    IntArray,
    assign_folds,
    broken_pairing,
    correlation,
    group_ids,
    jackknife_variance,
    score_sums,
    t_interval,
)
from geo_xmodal.correlation.linear_cca import FloatArray, linear_features, standardiser
from geo_xmodal.correlation.neural import fit_neural
from geo_xmodal.errors import UsageError
from geo_xmodal.memory import threads_asked

Method = Literal["cca", "ace", "neural"]

_FEWEST = 20
"""Samples below which an interval says nothing."""

_FEWEST_GROUPS = 3
"""Groups below which networks have nothing to stop by."""


@dataclass(frozen=True)
class CorrelationEstimate:
    """A lower estimate of maximal correlation, measured on pairs that the functions were not fitted to.

    Attributes:
        method: how the functions were fitted.
        estimate: correlation of the first pair of functions on held-out samples. The maximal correlation is
            at least this, up to the interval; 0 or a little below means that nothing was found.
        interval: of the correlation that the fitted functions have in the population, averaged over folds;
            0 for independent data. See `estimate_correlation` for how often it holds that.
        level: its confidence level.
        null: `estimate` after the pairing was broken, once per permutation: "cca" and "ace" are fitted anew
            each time; "neural" is fitted to half of the samples, and the pairing of the others is broken.
        p_value: share of `null` (the observation counted in) that reaches `estimate`, or for "neural" what
            the same functions score on that half unbroken.
        spectrum: correlation of each pair of functions on held-out samples, in the order of their training
            correlation.
        spectrum_null: for each pair the `level` quantile of its permuted correlations; below it nothing is
            shown.
        n: samples.
        folds: fits; each sample is scored by the one fit that did not see it.
        held_out: always true: an in-sample canonical correlation is biased upwards and is never reported.
            What looks at one modality alone (standardisation, knots, principal components of "cca" and "ace")
            looks at all of its samples; pairs are never seen by the functions that they score.
    """

    method: str
    estimate: float
    interval: tuple[float, float]
    level: float
    null: tuple[float, ...]
    p_value: float
    spectrum: tuple[float, ...]
    spectrum_null: tuple[float, ...]
    n: int
    folds: int
    held_out: bool = True

    @property
    def total(self) -> float:
        """Total correlation captured: the sum of the spectrum."""
        return float(sum(self.spectrum))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dataclasses.asdict(self)


def estimate_correlation(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    method: Method = "ace",
    *,
    groups: npt.ArrayLike | None = None,
    seed: int = 0,
    components: int = 5,
    folds: int = 5,
    permutations: int = 199,
    level: float = 0.95,
) -> CorrelationEstimate:
    """Estimate the maximal correlation of paired samples, honestly.

    Functions are fitted on all folds but one and scored on that one, in turn. What is reported is the
    correlation of functions that exist, on pairs that they have not seen: a lower estimate of the maximal
    correlation.

    The p-value is that of a permutation test. Everything that depends on the pairing is done again for every
    broken one ("cca", "ace"), or was done on other samples than those whose pairing is broken ("neural"), so
    that under independence p <= a has probability a at most if samples, or groups of one size, are
    exchangeable. Measured on 400 pairs of independent data sets a case (tests/correlation/calibration.py),
    p <= 0.05 came in 3.3 to 6.2 %, of rows and of groups of unequal size. If neighbouring groups are alike,
    they are not exchangeable and p is too small (7 to 9 % for fields smooth across the gaps between blocks):
    cut them larger, or leave gaps.

    The interval is Student's t over samples or groups, in Fisher's z. Its variance is the jackknife's, over
    groups, plus what scores of different folds have in common because their fits share samples
    (`CrossFit.coupling`). At most, and for "neural" always, that is the correction of Nadeau and Bengio
    (Machine Learning 2003), "Inference for the generalization error". A 95 % interval held the correlation
    that the fitted functions have in the population in 93 to 97 % of 400 data sets a case, in 89 % with one
    column a side and linear functions; without the second term it held 0 in 78 to 88 % of independent ones.

    Args:
        x: (n, dx) samples of one modality; (n,) is taken for one column.
        y: (n, dy) samples of the other, paired with x.
        method: "cca" (linear functions), "ace" (sums of functions of single columns) or "neural" (any
            functions).
        groups: (n,) ids of samples that are alike, such as spatial blocks: a group is never split over
            folds, and is left out and permuted as one.
        seed: of folds, fits and permutations; the same seed gives the same estimate.
        components: how many pairs of functions.
        folds: how many fits.
        permutations: size of the null; no p-value is below 1 / (1 + permutations).
        level: confidence level of the interval.

    Returns:
        The estimate.

    Raises:
        FeatureError: arrays that do not pair up, hold NaN, or are too few for the folds.
        UsageError: an unknown method or an option out of range.
    """
    fx, fy = _as_matrix(x, "x"), _as_matrix(y, "y")
    _check(fx, fy, method, components, folds, permutations, level)
    ids = group_ids(groups, len(fx), folds)
    settings = _Settings(seed, components, folds, permutations)
    found = _neural(fx, fy, ids, settings) if method == "neural" else _refitted(fx, fy, ids, method, settings)
    estimate = float(found.spectrum[0])
    # Ties are as good as the observation, whatever their rounding.
    reached = found.null[:, 0] >= found.tested - 1e-9
    return CorrelationEstimate(
        method=method,
        estimate=estimate,
        interval=t_interval(estimate, found.variance, found.units, level),
        level=level,
        null=tuple(found.null[:, 0].tolist()),
        p_value=float((1 + reached.sum()) / (1 + permutations)),
        spectrum=tuple(found.spectrum.tolist()),
        spectrum_null=tuple(np.quantile(found.null, level, axis=0).tolist()),
        n=len(fx),
        folds=folds,
    )


@dataclass(frozen=True)
class _Settings:
    seed: int
    components: int
    folds: int
    permutations: int


@dataclass(frozen=True)
class _Found:
    """What either way of fitting finds.

    Attributes:
        spectrum: (k,) cross-fitted correlations.
        variance: of Fisher's z of the first.
        units: independent units that it was taken over.
        tested: the correlation that `null` is of.
        null: (permutations, k).
    """

    spectrum: FloatArray
    variance: float
    units: int
    tested: float
    null: FloatArray


def _refitted(
    x: FloatArray,
    y: FloatArray,
    ids: IntArray | None,
    method: Literal["cca", "ace"],
    settings: _Settings,
) -> _Found:
    """Functions that are linear in features are fitted again for every broken pairing."""
    rng = np.random.default_rng(settings.seed)
    features, ridge = (linear_features, 1e-3) if method == "cca" else (ace_features, PRIOR_SAMPLES / len(x))
    components = min(settings.components, x.shape[1], y.shape[1]) if method == "cca" else settings.components
    fold = assign_folds(np.arange(len(x)) if ids is None else ids, settings.folds, rng)
    fits = CrossFit(features(x), features(y), fold, components, ridge)
    spectrum = fits.spectrum()
    variance, units = jackknife_variance(fits.leading_sums(), ids)
    broken = [broken_pairing(len(x), ids, rng) for _ in range(settings.permutations)]
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads_asked()) as pool:
        # a pairing a thread: the products of one are too small to be divided
        null = np.stack(list(pool.map(fits.refitted, broken)))
    shared = _most_shared(variance, settings.folds)
    if settings.folds > 2:
        shared = min(shared, fits.coupling())
    return _Found(spectrum, variance + shared, units, spectrum[0], null)


def _neural(x: FloatArray, y: FloatArray, ids: IntArray | None, settings: _Settings) -> _Found:
    """Networks are too slow for that: their null is of one fit, to one half, and scored on the other."""
    rng = np.random.default_rng(settings.seed)
    units = np.arange(len(x)) if ids is None else ids
    fold = assign_folds(units, settings.folds, rng)
    scores = np.zeros((2, len(x), settings.components))
    for number in range(settings.folds):
        test = fold == number
        scores[:, test] = _held_out(x, y, ids, test, settings, settings.seed + number)
    sums = score_sums(*scores)
    variance, count = jackknife_variance(sums[:, 0], ids)
    half = assign_folds(units, 2, rng) == 0
    f, g = _held_out(x, y, ids, half, settings, settings.seed)
    groups = None if ids is None else np.unique(ids[half], return_inverse=True)[1]
    null = np.stack(
        [
            correlation(score_sums(f, g[broken_pairing(len(f), groups, rng)]).sum(axis=0))
            for _ in range(settings.permutations)
        ]
    )
    return _Found(
        spectrum=correlation(sums.sum(axis=0)),
        variance=variance + _most_shared(variance, settings.folds),
        units=count,
        tested=correlation(score_sums(f, g).sum(axis=0))[0],
        null=null,
    )


def _most_shared(variance: float, folds: int) -> float:
    """What overlapping fits add to the variance at most: Nadeau and Bengio's n_test / n_train folds."""
    return variance * folds / (folds - 1)


def _held_out(
    x: FloatArray,
    y: FloatArray,
    ids: IntArray | None,
    test: npt.NDArray[np.bool_],
    settings: _Settings,
    seed: int,
) -> tuple[FloatArray, FloatArray]:
    """Scores of the test samples by networks fitted to the others, standardised with statistics of these."""
    units = np.arange(len(x))[~test] if ids is None else ids[~test]
    units = np.unique(units, return_inverse=True)[1]
    groups = int(units.max()) + 1
    if groups < _FEWEST_GROUPS:
        raise FeatureError(
            f"the neural estimator stops by whole groups, and {groups} that it can be fitted to are too few; "
            "cut smaller blocks"
        )
    validation = assign_folds(units, min(groups, 5), np.random.default_rng(seed)) == 0
    fitted = fit_neural(x[~test], y[~test], settings.components, validation=validation, seed=seed)
    scores = np.zeros((2, int(test.sum()), settings.components))
    for out, function, z in ((scores[0], fitted.f, x), (scores[1], fitted.g, y)):
        values = standardiser(function(z[~test]), MIN_DEVIATION)(function(z[test]))
        # Two-valued data have one function: whatever else was asked for stays 0.
        out[:, : values.shape[1]] = values
    return scores[0], scores[1]


def _as_matrix(values: npt.ArrayLike, name: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[1] == 0:
        raise FeatureError(f"{name} must be an (n, d) matrix, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise FeatureError(
            f"{name} holds {int((~np.isfinite(array)).sum())} values that are NaN or infinite; mask them"
        )
    return array


def _check(
    x: FloatArray,
    y: FloatArray,
    method: str,
    components: int,
    folds: int,
    permutations: int,
    level: float,
) -> None:
    if len(x) != len(y):
        raise FeatureError(f"x and y must be paired row by row, got {len(x)} and {len(y)} rows")
    if len(x) < _FEWEST:
        raise FeatureError(f"an estimate needs at least {_FEWEST} samples, got {len(x)}")
    if method not in get_args(Method):
        raise UsageError(f"method must be one of {', '.join(get_args(Method))}, got {method!r}")
    if not 2 <= folds <= len(x) // 4:
        raise UsageError(f"folds must be between 2 and {len(x) // 4} for {len(x)} samples, got {folds}")
    if min(components, permutations) < 1 or not 0 < level < 1:
        raise UsageError(
            "components and permutations must be at least 1 and level between 0 and 1, "
            f"got {components}, {permutations}, {level:g}"
        )
