from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from geo_xmodal.correlation import CorrelationEstimate, FeatureError, estimate_correlation
from geo_xmodal.correlation.ace import ace_features
from geo_xmodal.correlation.cross_fit import CrossFit
from geo_xmodal.correlation.held_out import assign_folds, broken_pairing
from geo_xmodal.correlation.linear_cca import fit_cca
from geo_xmodal.errors import UsageError

N = 3000
METHODS = ("cca", "ace", "neural")


def gaussian_pair(n: int = N, rho: float = 0.8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    x, e = np.random.default_rng(seed).standard_normal((2, n))
    return x, rho * x + np.sqrt(1 - rho**2) * e


def disc(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    angle, radius = rng.uniform(0, 2 * np.pi, n), np.sqrt(rng.uniform(size=n))
    return radius * np.cos(angle), radius * np.sin(angle)


def channel(n: int, p: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, n)
    return x, x ^ (rng.random(n) < p)


def sums(n: int) -> tuple[np.ndarray, np.ndarray]:
    steps = np.random.default_rng(0).random((n, 7)) < 0.3
    return steps[:, :3].sum(axis=1), steps.sum(axis=1)


def blocks(count: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two independent modalities that are nearly constant within each of `count` blocks."""
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(count), size)
    x, y = rng.standard_normal((2, count, 2))
    noise = 0.05 * rng.standard_normal((2, count * size, 2))
    return x[groups] + noise[0], y[groups] + noise[1], groups


def test_result_is_frozen_and_says_that_it_is_held_out() -> None:
    estimate = estimate_correlation(*gaussian_pair(200), "cca", permutations=20)
    assert isinstance(estimate, CorrelationEstimate)
    assert estimate.held_out is True
    assert {"estimate", "interval", "null", "spectrum"} <= json.loads(json.dumps(estimate.as_dict())).keys()
    assert len(estimate.null) == 20
    with pytest.raises(dataclasses.FrozenInstanceError):
        estimate.estimate = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("method", METHODS)
def test_gaussian_pair(method: str) -> None:
    estimate = estimate_correlation(*gaussian_pair(), method, components=3, folds=3)
    expected = [0.8] if method == "cca" else [0.8, 0.64, 0.512]
    np.testing.assert_allclose(estimate.spectrum, expected, atol=4 / N**0.5)
    assert estimate.interval[0] < estimate.estimate < estimate.interval[1]
    assert estimate.interval[1] - estimate.interval[0] < 6.5 * (1 - 0.64) / N**0.5
    assert estimate.p_value < 0.01
    assert estimate.total == pytest.approx(sum(estimate.spectrum))


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        (disc, 1 / 3),
        (channel, 0.8),
        (sums, (3 / 7) ** 0.5),
        (lambda n: (gaussian_pair(n)[0], gaussian_pair(n)[0] ** 2), 1),
    ],
    ids=["disc", "binary symmetric channel", "partial sums", "square"],
)
@pytest.mark.parametrize("method", ["ace", "neural"])
def test_known_answers_from_samples(method: str, pair: object, expected: float) -> None:
    x, y = pair(N)  # type: ignore[operator]
    estimate = estimate_correlation(x, y, method, components=1, folds=2, permutations=50)
    assert estimate.estimate == pytest.approx(expected, abs=5 / N**0.5)


def test_linear_functions_miss_what_ace_finds() -> None:
    x, y = disc(N)
    assert abs(estimate_correlation(x, y, "cca", permutations=10).estimate) < 5 / N**0.5


def test_canonical_correlations_of_gaussian_vectors() -> None:
    rng = np.random.default_rng(0)
    x, e = rng.standard_normal((2, N, 4))
    rho = np.array([0.9, 0.6, 0.3, 0.0])
    y = (rho * x + np.sqrt(1 - rho**2) * e) @ rng.standard_normal((4, 4))
    estimate = estimate_correlation(x @ rng.standard_normal((4, 4)), y, "cca")
    np.testing.assert_allclose(estimate.spectrum, rho, atol=5 / N**0.5)
    assert estimate.spectrum[2] > estimate.spectrum_null[2]
    assert estimate.spectrum[3] < 2 * estimate.spectrum_null[3]


@pytest.mark.parametrize("method", METHODS)
def test_independent_data_score_zero_where_in_sample_correlation_is_high(method: str) -> None:
    x, y = np.random.default_rng(5).standard_normal((2, 80, 16))
    fitted = fit_cca(x, y, 1)
    in_sample = np.corrcoef(fitted.f(x)[:, 0], fitted.g(y)[:, 0])[0, 1]
    estimate = estimate_correlation(x, y, method, components=1)
    assert in_sample > 0.6
    assert estimate.estimate < 3 / 80**0.5
    assert estimate.p_value > 0.05


def independent(seed: int, alike: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Independent modalities; samples are alike within groups of unequal size, or are rows."""
    rng = np.random.default_rng([seed, 1])
    if not alike:
        x, y = rng.standard_normal((2, 100, 5))
        return x, y, None
    groups = np.repeat(np.arange(20), rng.integers(3, 10, 20))
    x, y = (
        0.8 * rng.standard_normal((20, 5))[groups] + 0.6 * rng.standard_normal((len(groups), 5))
        for _ in range(2)
    )
    return x, y, groups


@pytest.mark.parametrize(("method", "runs"), [("cca", 250), ("ace", 60)])
@pytest.mark.parametrize("alike", [False, True], ids=["rows", "groups"])
def test_under_independence_p_is_uniform_and_the_interval_holds_zero(
    method: str, runs: int, alike: bool
) -> None:
    """With functions left as they were fitted, p was <= 0.1 in 22 % (rows) and 16 % (groups) for `cca`."""
    found = []
    for seed in range(runs):
        x, y, groups = independent(seed, alike)
        options = {"components": 1, "permutations": 19, "seed": seed}
        found.append(estimate_correlation(x, y, method, groups=groups, **options))
    p = np.array([e.p_value for e in found])
    for level in (0.1, 0.2, 0.5):
        spread = np.sqrt(level * (1 - level) / runs)
        assert abs(np.mean(p <= level + 1e-9) - level) < 2.5 * spread
    assert np.mean([e.interval[0] <= 0 <= e.interval[1] for e in found]) >= 0.9
    assert abs(np.mean([e.estimate for e in found])) < 0.05


def test_permutations_of_networks_are_of_samples_that_they_have_not_seen() -> None:
    """Fitted to the half whose pairing is broken they would score far above their null."""
    x, y = np.random.default_rng(5).standard_normal((2, 100, 8))
    estimate = estimate_correlation(x, y, "neural", components=1, folds=2, permutations=99)
    assert estimate.p_value > 0.05
    assert abs(np.mean(estimate.null)) < 0.05
    assert np.std(estimate.null) == pytest.approx(50**-0.5, rel=0.25)


def test_interval_covers_the_truth() -> None:
    covered = []
    for seed in range(100):
        x, y = gaussian_pair(400, 0.6, seed)
        low, high = estimate_correlation(x, y, "cca", permutations=1, seed=seed).interval
        covered.append(low <= 0.6 <= high)
    assert np.mean(covered) > 0.89


def test_broken_pairings_are_fitted_anew() -> None:
    """What comes from moments is what fitting and scoring sample by sample gives."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((90, 3)), rng.standard_normal((90, 2))
    fold, order = np.arange(90) % 3, rng.permutation(90)
    y[order, 0] += 2 * x[:, 0]
    f, g = np.empty((2, 90))
    for k in range(3):
        test = fold == k
        fitted = fit_cca(x[~test], y[order][~test], 1, ridge=0)
        sign = np.sign(np.corrcoef(fitted.f(x)[:, 0], x[:, 0])[0, 1])
        f[test], g[test] = sign * fitted.f(x[test])[:, 0], sign * fitted.g(y[order][test])[:, 0]
    refitted = CrossFit(x, y, fold, 1, 0).refitted(order)
    np.testing.assert_allclose(refitted, np.corrcoef(f, g)[0, 1], atol=1e-9)


def test_functions_of_several_columns_need_the_network() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (N, 2))
    y = np.sign(x[:, 0] * x[:, 1]) + 0.3 * rng.standard_normal(N)
    quick = {"components": 1, "folds": 2, "permutations": 20}
    assert estimate_correlation(x, y, "ace", **quick).estimate < 0.2
    assert estimate_correlation(x, y, "neural", **quick).estimate > 0.7


def test_blocks_that_are_alike_must_not_be_split() -> None:
    x, y, groups = blocks(12, 60)
    split = estimate_correlation(x, y, "neural", components=1, folds=3, permutations=100)
    whole = estimate_correlation(x, y, "neural", components=1, folds=3, permutations=100, groups=groups)
    assert split.estimate > 0.7  # the network knows each block from its own neighbours
    assert split.p_value < 0.02
    assert whole.estimate < 0.4
    assert whole.p_value > 0.05
    assert whole.interval[1] - whole.interval[0] > 4 * (split.interval[1] - split.interval[0])


def test_folds_never_split_a_group_and_are_of_one_size() -> None:
    groups = np.repeat(np.arange(30), np.random.default_rng(0).integers(5, 50, 30))
    fold = assign_folds(groups, 4, np.random.default_rng(0))
    assert all(len(set(fold[groups == g])) == 1 for g in range(30))
    assert np.ptp(np.bincount(fold)) <= 50


def test_groups_change_places_as_wholes_and_in_order() -> None:
    groups = np.repeat(np.arange(10), np.random.default_rng(0).integers(1, 9, 10))
    groups = np.random.default_rng(1).permutation(groups)
    order = broken_pairing(len(groups), groups, np.random.default_rng(0))
    givers = [set(groups[order[groups == g]]) for g in range(10)]
    assert all(len(giver) == 1 for giver in givers)
    assert len(set.union(*givers)) == 10
    assert all((np.diff(order[groups == g]) >= 0).all() for g in range(10))
    assert sorted(broken_pairing(50, None, np.random.default_rng(0))) == list(range(50))


@pytest.mark.parametrize("method", METHODS)
def test_same_seed_same_estimate_and_torch_is_left_alone(method: str) -> None:
    x, y = gaussian_pair(200)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    quick = {"permutations": 10, "folds": 2}
    one, two = (estimate_correlation(x, y, method, seed=4, **quick) for _ in range(2))
    assert one == two
    assert one != estimate_correlation(x, y, method, seed=5, **quick)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("method", METHODS)
def test_units_do_not_matter(method: str) -> None:
    x, y = gaussian_pair(300)
    quick = {"permutations": 10, "folds": 2, "components": 1}
    one = estimate_correlation(x, y, method, **quick)
    two = estimate_correlation(1e6 * x + 3e6, 1e-6 * y - 5, method, **quick)
    assert two.estimate == pytest.approx(one.estimate, abs=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_constant_data_score_zero(method: str) -> None:
    x, y = np.full((60, 3), 0.1), np.random.default_rng(0).standard_normal((60, 2))
    estimate = estimate_correlation(x, y, method, permutations=10, folds=2)
    np.testing.assert_array_equal(estimate.spectrum, 0)
    assert estimate.p_value == 1


def test_wide_data_are_reduced_to_principal_components() -> None:
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((500, 2))
    x = latent @ rng.standard_normal((2, 200)) + 0.01 * rng.standard_normal((500, 200))
    assert ace_features(x).shape[1] <= 130
    estimate = estimate_correlation(x, latent[:, 0] ** 3, "ace", components=1, permutations=10)
    assert estimate.estimate > 0.9


@pytest.mark.parametrize("method", ["cca", "ace"])
def test_columns_of_noise_cost_little(method: str) -> None:
    """Unpenalised, 64 columns of noise left 0.56 of 0.8."""
    x, y = gaussian_pair(2000)
    wide = np.column_stack([x, np.random.default_rng(1).standard_normal((2000, 64))])
    assert estimate_correlation(wide, y, method, components=1, permutations=1).estimate > 0.75
    if method == "ace":
        # Rotated to principal components, one column is spread over all.
        assert estimate_correlation(wide, x**2, method, components=1, permutations=1).estimate > 0.95


def test_components_of_little_variance_cost_little() -> None:
    rng = np.random.default_rng(0)
    latent, scales = rng.standard_normal((600, 3)), np.geomspace(0.3, 0.003, 40)
    x = latent @ rng.standard_normal((3, 60)) + (
        scales * rng.standard_normal((600, 40))
    ) @ rng.standard_normal((40, 60))
    y = latent[:, 0] ** 3 + 0.3 * rng.standard_normal(600)
    assert estimate_correlation(latent, y, "ace", components=1, permutations=1).estimate < 0.97
    assert estimate_correlation(x, y, "ace", components=1, permutations=1).estimate > 0.9


def test_curves_of_a_column_are_centred_uncorrelated_and_smoothest_first() -> None:
    x = np.random.default_rng(0).standard_normal((400, 1))
    curves = ace_features(x)
    assert curves.shape == (400, 11)
    np.testing.assert_allclose(curves.mean(axis=0), 0, atol=1e-12)
    covariance = curves.T @ curves / 400
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-9)
    assert (np.diff(np.diag(covariance)) < 0).all()
    assert abs(np.corrcoef(curves[:, 0], np.clip(x[:, 0], x.min(), x.max()))[0, 1]) > 0.999
    assert np.diag(covariance)[0] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y": np.zeros(99)}, FeatureError, "100 and 99 rows"),
        ({"x": np.full(100, np.nan)}, FeatureError, "x holds 100 values"),
        ({"x": np.zeros((100, 2, 2))}, FeatureError, "matrix"),
        ({"groups": np.zeros(99)}, FeatureError, "one id for each of 100"),
        ({"groups": np.zeros(100)}, FeatureError, "5 folds need at least 5 groups, got 1"),
        ({"method": "kde"}, UsageError, "one of cca, ace, neural"),
        ({"folds": 1}, UsageError, "folds"),
        ({"level": 1.0}, UsageError, "level"),
        ({"method": "neural", "groups": np.arange(100) // 34, "folds": 3}, FeatureError, "too few"),
    ],
)
def test_refuses_with_one_clear_line(change: dict, error: type[Exception], message: str) -> None:
    arguments = {"x": np.arange(100.0), "y": np.arange(100.0), "method": "cca"} | change
    with pytest.raises(error, match=message):
        estimate_correlation(**arguments)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(FeatureError, match="at least 20 samples, got 5"):
        estimate_correlation(np.arange(5.0), np.arange(5.0))


def test_rare_values_get_no_function_of_their_own() -> None:
    # One count of 60 among small ones: an indicator there would fit a single sample.
    x = np.r_[np.tile(np.arange(6.0), 100), 60.0]
    assert ace_features(x[:, None]).shape[1] == 5


@pytest.mark.parametrize("method", ["ace", "neural"])
def test_two_valued_data_have_one_function(method: str) -> None:
    x, y = channel(400)
    estimate = estimate_correlation(x, y, method, components=3, folds=2, permutations=10)
    assert estimate.spectrum[0] > 0.6
    assert estimate.spectrum[1:] == (0.0, 0.0)
