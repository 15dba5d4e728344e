from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geo_xmodal.correlation import FeatureError, exact_hgr
from tests.correlation.known_answers import KNOWN_ANSWERS, KnownAnswer, gaussian

tables = arrays(np.float64, (4, 5), elements=st.floats(0.01, 1))


@pytest.mark.parametrize("case", KNOWN_ANSWERS, ids=lambda case: case.name)
def test_spectrum_is_the_known_one(case: KnownAnswer) -> None:
    spectrum = exact_hgr(case.joint()).spectrum[: len(case.spectrum)]
    np.testing.assert_allclose(spectrum, case.spectrum, atol=case.tolerance)


def test_pearson_is_zero_on_the_disc_where_hgr_is_a_third() -> None:
    disc = next(case for case in KNOWN_ANSWERS if "disc" in case.name).joint()
    x = np.linspace(-1, 1, len(disc))
    assert abs((disc * np.outer(x, x)).sum() / disc.sum()) < 1e-12
    assert exact_hgr(disc).hgr == pytest.approx(1 / 3, abs=5e-4)


def test_functions_reach_their_correlations() -> None:
    joint = np.random.default_rng(0).random((5, 6))
    joint[2] = 0
    joint /= joint.sum()
    exact = exact_hgr(joint)
    p, q = joint.sum(axis=1), joint.sum(axis=0)
    np.testing.assert_allclose(p @ exact.f, 0, atol=1e-12)
    np.testing.assert_allclose(exact.f.T @ (p[:, None] * exact.f), np.eye(3), atol=1e-12)
    np.testing.assert_allclose(exact.g.T @ (q[:, None] * exact.g), np.eye(3), atol=1e-12)
    np.testing.assert_allclose(exact.f.T @ joint @ exact.g, np.diag(exact.spectrum), atol=1e-12)
    np.testing.assert_array_equal(exact.f[2], 0)


def test_first_function_of_a_gaussian_is_linear_and_second_is_hermite() -> None:
    z = np.linspace(-8, 8, 300)
    f = exact_hgr(gaussian(0.8)).f
    centre = np.abs(z) < 3
    np.testing.assert_allclose(np.abs(f[centre, 0]), np.abs(z[centre]), atol=1e-4)
    np.testing.assert_allclose(np.abs(f[centre, 1]), np.abs(z[centre] ** 2 - 1) / np.sqrt(2), atol=1e-3)


@given(tables)
def test_symmetric_in_its_variables(joint: np.ndarray) -> None:
    np.testing.assert_allclose(exact_hgr(joint).spectrum, exact_hgr(joint.T).spectrum, atol=1e-10)


@given(tables, st.permutations(range(4)), st.permutations(range(5)))
def test_unchanged_by_renaming_values(joint: np.ndarray, rows: list[int], cols: list[int]) -> None:
    np.testing.assert_allclose(
        exact_hgr(joint[rows][:, cols]).spectrum, exact_hgr(joint).spectrum, atol=1e-10
    )


@given(tables)
def test_between_pearson_and_chi_square(joint: np.ndarray) -> None:
    p = joint / joint.sum()
    x, y = np.arange(4.0), np.arange(5.0)
    px, py = p.sum(axis=1), p.sum(axis=0)
    dx, dy = x - px @ x, y - py @ y
    pearson = dx @ p @ dy / np.sqrt((px @ dx**2) * (py @ dy**2))
    chi_square = (p**2 / np.outer(px, py)).sum() - 1
    hgr = exact_hgr(joint).hgr
    assert abs(pearson) <= hgr + 1e-9
    assert hgr <= 1
    assert hgr**2 <= chi_square + 1e-9
    assert (exact_hgr(joint).spectrum ** 2).sum() == pytest.approx(chi_square, abs=1e-9)


@given(tables, arrays(np.float64, (5, 3), elements=st.floats(0.01, 1)))
def test_processing_a_variable_never_raises_it(joint: np.ndarray, channel: np.ndarray) -> None:
    processed = joint @ (channel / channel.sum(axis=1, keepdims=True))
    assert exact_hgr(processed).hgr <= exact_hgr(joint).hgr + 1e-9


def test_constant_variable_has_no_spectrum() -> None:
    assert exact_hgr([[1, 2, 3], [0, 0, 0]]).hgr == 0
    assert exact_hgr([[1, 2, 3]]).spectrum.size == 0


@pytest.mark.parametrize("joint", [[[0.5, -0.1]], [[np.nan, 1]], [[0, 0]], [1, 2, 3]])
def test_refuses_what_is_no_distribution(joint: list) -> None:
    with pytest.raises(FeatureError, match="joint distribution"):
        exact_hgr(joint)
