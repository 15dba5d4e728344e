"""How much one modality tells about another: a held-out number, its interval and its null."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from geo_xmodal.correlation.ace import fit_ace
from geo_xmodal.correlation.features import FeatureError
from geo_xmodal.correlation.held_out import HeldOut, IntArray, assign_folds, group_ids
from geo_xmodal.correlation.linear_cca import FloatArray, FunctionPair, fit_cca, standardiser
from geo_xmodal.correlation.neural import fit_neural
from geo_xmodal.errors import UsageError

Method = Literal["cca", "ace", "neural"]

_FEWEST = 20
"""Samples below which an interval says nothing."""

_LEAST_DEVIATION = 1e-3
"""Fitted functions have variance 1 unless the ridge holds them down; below this they are rounding noise."""


@dataclass(frozen=True)
class CorrelationEstimate:
    """A lower estimate of maximal correlation, measured on samples that the functions were not fitted to.

    Attributes:
        method: how the functions were fitted.
        estimate: correlation of the first pair of functions on held-out samples. The maximal correlation is
            at least this, up to the interval; 0 or a little below means that nothing was found.
        interval: bootstrap percentile interval of `estimate`, given the fitted functions.
        level: its confidence level.
        null: `estimate` after the pairing of held-out samples was broken, once per permutation.
        p_value: share of `null` (the observation counted in) that reaches `estimate`.
        spectrum: correlation of each pair of functions on held-out samples, in the order of their training
            correlation.
        spectrum_null: for each pair the `level` quantile of its permuted correlations; below it nothing is
            shown.
        n: samples.
        folds: fits; each sample is scored by the one fit that did not see it.
        held_out: always true: an in-sample canonical correlation is biased upwards and is never reported.
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
    permutations: int = 200,
    resamples: int = 1000,
    level: float = 0.95,
) -> CorrelationEstimate:
    """Estimate the maximal correlation of paired samples, honestly.

    Functions are fitted on all folds but one and scored on that one, in turn. What is reported is the
    correlation of functions that exist, on data that they have not seen: a lower estimate of the maximal
    correlation.

    Args:
        x: (n, dx) samples of one modality; (n,) is taken for one column.
        y: (n, dy) samples of the other, paired with x.
        method: "cca" (linear functions), "ace" (sums of functions of single columns) or "neural" (any
            functions).
        groups: (n,) ids of samples that are alike, such as spatial blocks: a group is never split over
            folds, and is resampled and permuted as one.
        seed: of folds, fits, bootstrap and permutations; the same seed gives the same estimate.
        components: how many pairs of functions.
        folds: how many fits.
        permutations: size of the null.
        resamples: size of the bootstrap.
        level: confidence level of the interval.

    Returns:
        The estimate.

    Raises:
        FeatureError: arrays that do not pair up, hold NaN, or are too few for the folds.
        UsageError: an unknown method or an option out of range.
    """
    fx, fy = _as_matrix(x, "x"), _as_matrix(y, "y")
    _check(fx, fy, method, components, folds, permutations, resamples, level)
    ids = group_ids(groups, len(fx), folds)
    rng = np.random.default_rng(seed)
    fold = assign_folds(np.arange(len(fx)) if ids is None else ids, folds, rng)
    scores = _cross_fit(fx, fy, fold, ids, method, components, seed)
    spectrum = scores.correlations()
    tail = (1 - level) / 2
    low, high = np.quantile(scores.bootstrap(resamples, rng)[:, 0], [tail, 1 - tail])
    null = scores.permuted(permutations, rng)
    return CorrelationEstimate(
        method=method,
        estimate=float(spectrum[0]),
        interval=(float(low), float(high)),
        level=level,
        null=tuple(null[:, 0].tolist()),
        p_value=float((1 + (null[:, 0] >= spectrum[0]).sum()) / (1 + permutations)),
        spectrum=tuple(spectrum.tolist()),
        spectrum_null=tuple(np.quantile(null, level, axis=0).tolist()),
        n=len(fx),
        folds=folds,
    )


def _cross_fit(
    x: FloatArray,
    y: FloatArray,
    fold: IntArray,
    ids: IntArray | None,
    method: Method,
    components: int,
    seed: int,
) -> HeldOut:
    """Score each fold with functions fitted on the others."""
    k = min(components, x.shape[1], y.shape[1]) if method == "cca" else components
    f, g = np.zeros((len(x), k)), np.zeros((len(x), k))
    for number in range(int(fold.max()) + 1):
        test = fold == number
        fitted = _fit(x[~test], y[~test], None if ids is None else ids[~test], method, k, seed + number)
        for out, function, z in ((f, fitted.f, x), (g, fitted.g, y)):
            values = standardiser(function(z[~test]), _LEAST_DEVIATION)(function(z[test]))
            # Two-valued data have one function: whatever else was asked for stays 0.
            out[test, : values.shape[1]] = values
    return HeldOut(f, g, fold, ids)


def _fit(
    x: FloatArray, y: FloatArray, ids: IntArray | None, method: Method, components: int, seed: int
) -> FunctionPair:
    if method == "cca":
        return fit_cca(x, y, components)
    if method == "ace":
        return fit_ace(x, y, components, seed=seed)
    units = np.arange(len(x)) if ids is None else np.unique(ids, return_inverse=True)[1]
    if ids is not None and units.max() < 4:
        raise FeatureError(
            f"the neural estimator stops by whole groups, and {units.max() + 1} outside a fold are too few; "
            "cut smaller blocks"
        )
    validation = assign_folds(units, 5, np.random.default_rng(seed)) == 0
    return fit_neural(x, y, components, validation=validation, seed=seed)


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
    resamples: int,
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
    if min(components, permutations, resamples) < 1 or not 0 < level < 1:
        raise UsageError(
            "components, permutations and resamples must be at least 1 and level between 0 and 1, "
            f"got {components}, {permutations}, {resamples}, {level:g}"
        )
