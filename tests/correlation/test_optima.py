"""What each objective reaches over ALL functions of two discrete variables, against what theory says it
should.

Functions of a discrete variable are tables of values, so that the population optimum can be computed, not
sampled.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from geo_xmodal.correlation import exact_hgr, objective, soft_hgr
from tests.correlation.optima import COUNTS, OPTIMA, Optimum, at_maximal_functions, best_tables

SPECTRUM = exact_hgr(COUNTS).spectrum


@pytest.mark.parametrize("case", OPTIMA, ids=lambda case: case.name)
def test_reaches_its_known_optimum(case: Optimum) -> None:
    reached = best_tables(case, components=3)
    assert reached.value == pytest.approx(case.optimum(SPECTRUM[:3]), abs=1e-6)
    if case.recovers:
        np.testing.assert_allclose(reached.recovered, SPECTRUM[:3], atol=1e-4)
    else:
        np.testing.assert_allclose(reached.recovered[0], SPECTRUM[0], atol=1e-4)


def test_soft_hgr_optimum_does_not_depend_on_how_many_samples_make_the_distribution() -> None:
    soft = next(case for case in OPTIMA if case.name == "soft_hgr")
    assert best_tables(soft, components=2, counts=3 * COUNTS).value == pytest.approx(
        best_tables(soft, components=2).value, abs=1e-7
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("soft_cca", lambda s: s.sum()),
        ("barlow_twins", lambda s: (2 * s - s**2).sum()),
        ("corrnet", lambda s: s.sum()),
        ("hgr", lambda s: s.sum()),
        ("deep_cca", lambda s: s.sum()),
    ],
)
def test_value_at_the_maximal_correlation_functions(
    name: str, expected: Callable[[np.ndarray], float]
) -> None:
    assert at_maximal_functions(name, 3) == pytest.approx(expected(SPECTRUM[:3]), abs=1e-3)


def test_gaussian_soft_hgr_of_linear_functions() -> None:
    n, rho = 200_000, 0.8
    x, e = torch.randn(2, n, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = rho * x + (1 - rho**2) ** 0.5 * e
    assert float(soft_hgr(rho**0.5 * x, rho**0.5 * y)) == pytest.approx(rho**2 / 2, abs=5 / n**0.5)
    assert float(soft_hgr(x, y)) == pytest.approx(rho - 0.5, abs=5 / n**0.5)


def test_mean_cosine_of_one_feature_counts_signs_and_is_no_correlation() -> None:
    n, rho = 200_000, 0.8
    x, e = torch.randn(2, n, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = rho * x + (1 - rho**2) ** 0.5 * e
    assert float(objective("cosine")(x, y)) == pytest.approx(2 / np.pi * np.arcsin(rho), abs=5 / n**0.5)


def test_whitened_objectives_of_gaussian_vectors_are_their_canonical_correlations() -> None:
    exact = torch.tensor([0.9, 0.5, 0.2], dtype=torch.float64)
    z = torch.randn(400, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    z = torch.linalg.qr(z - z.mean(0))[0] * 399**0.5
    x, y = z[:, :3], exact * z[:, :3] + (1 - exact**2).sqrt() * z[:, 3:]
    a, b = torch.randn(2, 3, 3, dtype=torch.float64)
    for k in (1, 2, 3):
        score = objective("hgr", components=k, ridge=0.0)(x @ a, y @ b)
        assert float(score) == pytest.approx(float(exact[:k].sum()), abs=1e-9)


@pytest.mark.parametrize(
    ("options", "similar", "noisy"), [({}, 0.968, 0.731), ({"trace": "soft_hgr"}, 0.968, 0.717)]
)
def test_reconstructions_order_equal_noisy_and_independent_features(
    options: dict, similar: float, noisy: float
) -> None:
    score = objective("unifast_hgr", **options)
    f, e, other = torch.randn(3, 64, 16, generator=torch.Generator().manual_seed(0))
    assert float(score(f, f)) == pytest.approx(similar, abs=0.02)
    assert float(score(f, 0.8 * f + 0.6 * e)) == pytest.approx(noisy, abs=0.05)
    assert float(score(f, other)) < 0.05
