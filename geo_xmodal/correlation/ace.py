"""Additive smooth functions of columns: the basis of nonlinear maximal correlation without a network."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import scipy.linalg

from geo_xmodal.correlation.linear_cca import FloatArray, principal_components, standardiser

PRIOR_SAMPLES = 15.0
"""Weight of the prior for smooth functions of leading components, in samples."""

_KNOTS = 12
_RARE = 0.005
"""Share of the samples below which one of few values gets no knot of its own."""

_SIZE = 128
"""Functions in all, from which those of each column follow."""

_MAX_COLUMNS = 128
"""Columns that are taken as they are; two functions of each are as many as are worth their time."""

_MAX_COMPONENTS = 32
_COLLINEAR = 0.95
"""Share of the variance in half of the principal components by which these stand for the columns."""


def ace_features(x: FloatArray) -> FloatArray:
    """Functions of single columns, such that a plain ridge on their weights prefers smooth ones.

    The best sums of functions of single columns are what alternating conditional expectations (ACE) arrive
    at; in a basis these are regressions, and what they arrive at is CCA of the two bases. With a dozen
    unpenalised functions a column, every column more is a dozen directions of noise more. Hence:

    - Hat functions on quantiles (or on the values, if these are few) are rotated by column such that variance
      and roughness r = int phi''(t)^2 dt, t in standard deviations, are diagonal; the smoothest are kept, so
      many that all columns have 128 (11 of one column, 2 at least), and scaled by sqrt(s / (1 + r)).
    - Collinear columns, such as the bands of a spectrum, are replaced by their 32 leading principal
      components: if half of the components hold 95 % of the variance. s is the standard deviation of a
      component over the largest, so that those of little variance are penalised; 1 for columns. With many
      samples this can cost later pairs (simulated Houston, 20,000 samples: the first goes from 0.92 to
      0.91, the second from 0.78 to 0.43).
    - Other columns stay as they are, since rotation would make an interaction of a function of one of them.
      More than 128 are rotated all the same: the cap that is left, for time. With 255 columns of noise beside
      one that holds the answer, 0.57 is found of 0.8, and nothing of x^2; with 127, 0.76 of 0.8 and all.

    Held-out correlation, 2,000 Gaussians of 0.8 with 64 columns of noise: 0.78; x^2 plus noise: 0.98 (without
    the noise columns 0.80, 0.98; with principal components alone, as before, 0.43 and 0.01). MUUFL, 64 bands
    and LiDAR (pixel, 7 x 7, 15 x 15, all scales), mean over 6 seeds: 0.66, 0.72, 0.52, 0.62 (dozens of
    unpenalised functions: 0.55, 0.59, 0.42, 0.47).

    Source: Breiman and Friedman (JASA 1985), "Estimating optimal transformations for multiple regression and
    correlation"; Demmler and Reinsch (Numerische Mathematik 1975) for the rotation. Penalties and their
    weight (`PRIOR_SAMPLES`) are ours, chosen on such Gaussians, MUUFL and Potsdam.

    Args:
        x: (n, d) samples.

    Returns:
        (n, size) functions at the samples, centred. The pairing of samples plays no part.
    """
    columns = _columns(x)
    deviations = columns.std(axis=0)
    most = int(np.clip(_SIZE // columns.shape[1], 2, _KNOTS - 1))
    largest = deviations.max() or 1.0
    return np.concatenate(
        [
            _curves(column, most) * np.sqrt(deviation / largest)
            for column, deviation in zip(columns.T, deviations, strict=True)
        ],
        axis=1,
    )


def _columns(x: FloatArray) -> FloatArray:
    z = standardiser(x)(x)
    components = principal_components(x, _MAX_COLUMNS)
    half = components[:, : x.shape[1] // 2].var(axis=0).sum()
    if half >= _COLLINEAR * z.var(axis=0).sum():
        return components[:, :_MAX_COMPONENTS]
    return z if x.shape[1] <= _MAX_COLUMNS else components


def _curves(column: FloatArray, most: int) -> FloatArray:
    """The smoothest functions of one column, scaled by 1 / sqrt(1 + r); zeros for a constant."""
    knots = _knots(column)
    hats = _hats(column, knots)
    hats -= hats.mean(axis=0)
    variances, vectors = np.linalg.eigh(hats.T @ hats / len(hats))
    solid = variances > 1e-8 * max(variances.max(), 1e-8)
    if not solid.any() or len(knots) < 2:
        return np.zeros((len(column), 1))
    whitened = vectors[:, solid] / np.sqrt(variances[solid])
    rough, rotation = scipy.linalg.eigh(whitened.T @ _roughness(knots / column.std()) @ whitened)
    curves: FloatArray = hats @ (whitened @ (rotation / np.sqrt(1 + np.maximum(rough, 0)))[:, :most])
    return curves


def _roughness(knots: FloatArray) -> FloatArray:
    """Matrix of int phi''^2 for values phi at the knots: second differences over the knots between."""
    gaps = np.diff(knots)
    second = np.zeros((max(len(knots) - 2, 0), len(knots)))
    for i, (left, right) in enumerate(itertools.pairwise(gaps)):
        second[i, i : i + 3] = np.array([1 / left, -1 / left - 1 / right, 1 / right]) / np.sqrt(
            (left + right) / 2
        )
    return second.T @ second


def _knots(column: FloatArray) -> FloatArray:
    """Where the hats of one column stand: on its frequent values if it has few, else on quantiles.

    Rare values get none: an indicator of one sample fits that sample.
    """
    distinct, counts = np.unique(column, return_counts=True)
    frequent = distinct[counts >= _RARE * len(column)]
    if len(distinct) <= 4 * _KNOTS and 0 < len(frequent) <= _KNOTS:
        return frequent
    return np.unique(np.quantile(column, np.linspace(0, 1, _KNOTS)))


def _hats(column: FloatArray, knots: FloatArray) -> FloatArray:
    """Piecewise linear functions that are 1 at one knot and 0 at the others; constant beyond the ends."""
    values = np.zeros((len(column), len(knots)))
    if len(knots) == 1:
        return values + 1
    inside = np.clip(column, knots[0], knots[-1])
    left = np.clip(np.searchsorted(knots, inside, side="right") - 1, 0, len(knots) - 2)
    share: npt.NDArray[np.float64] = (inside - knots[left]) / (knots[left + 1] - knots[left])
    rows = np.arange(len(column))
    values[rows, left] = 1 - share
    values[rows, left + 1] = share
    return values
