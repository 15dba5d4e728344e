from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.samples.statistics import band_statistics
from geo_xmodal.types import BandStatistics, FloatArray, Kind


def standardised(statistics: BandStatistics, samples: FloatArray) -> npt.NDArray[np.float64]:
    """The formula of `BandStatistics`, written out band by band."""
    columns = []
    for band, kind in enumerate(statistics.transform):
        x = np.clip(samples[:, band].astype(np.float64), statistics.low[band], statistics.high[band])
        if kind == "log":
            x = np.log(np.maximum(x, statistics.scale[band]))
        elif kind == "asinh":
            x = np.arcsinh(x / statistics.scale[band])
        columns.append((x - statistics.mean[band]) / statistics.std[band])
    return np.stack(columns, axis=1)


def test_plain_bands_keep_their_values() -> None:
    samples = np.linspace(0, 1000, 1001, dtype=np.float32)[:, None]
    found = band_statistics(samples, ["red"], "msi")
    assert found.bands == ("red",)
    assert found.transform == ("identity",)
    assert found.low == (pytest.approx(5.0),) and found.high == (pytest.approx(995.0),)
    assert found.mean == (pytest.approx(500.0),)
    assert found.std == (pytest.approx(np.clip(np.arange(1001), 5, 995).std()),)


def test_an_outlier_does_not_set_the_scale() -> None:
    samples = np.ones((1000, 1), np.float32)
    samples[::2] = 2
    spoilt = samples.copy()
    spoilt[0] = 1e9
    assert band_statistics(spoilt, ["b"], "hsi").high == (2.0,)
    assert band_statistics(spoilt, ["b"], "hsi").std == pytest.approx(
        band_statistics(samples, ["b"], "hsi").std
    )


def test_positive_sar_power_goes_to_its_logarithm() -> None:
    rng = np.random.default_rng(0)
    power = np.exp(rng.normal(-2.0, 0.5, (20_000, 1))).astype(np.float32)
    found = band_statistics(power, ["VV"], "sar")
    assert found.transform == ("log",)
    assert found.scale == found.low
    assert found.mean[0] == pytest.approx(-2.0, abs=0.02)
    assert found.std[0] == pytest.approx(0.5, abs=0.02)


def test_signed_sar_is_compressed_at_its_median_size() -> None:
    values = np.array([-4, -2, -1, 1, 2, 4, 8], np.float32)[:, None]
    found = band_statistics(values, ["Re C12"], "sar")
    assert found.transform == ("asinh",)
    assert found.scale == (2.0,)
    expected = np.arcsinh(np.clip(values[:, 0].astype(float), found.low[0], found.high[0]) / 2)
    assert found.mean[0] == pytest.approx(expected.mean())
    assert found.std[0] == pytest.approx(expected.std())


def test_one_zero_is_enough_for_sar_to_be_signed() -> None:
    values = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]], np.float32)
    assert band_statistics(values, ["a", "b"], "sar").transform == ("asinh", "log")


def test_signed_sar_that_is_mostly_zero_takes_the_size_of_the_rest() -> None:
    values = np.zeros((100, 1), np.float32)
    values[:20, 0] = -10
    found = band_statistics(values, ["Im C12"], "sar")
    assert found.transform == ("asinh",)
    assert found.scale == (10.0,)


def test_heights_stay_linear() -> None:
    values = np.arange(101, dtype=np.float32)[:, None]
    found = band_statistics(values, ["nDSM"], "lidar")
    assert found.transform == ("identity",)
    assert (found.low[0], found.high[0]) == pytest.approx((0.5, 99.5))


@pytest.mark.parametrize("kind", ["sar", "lidar", "hsi"])
@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e-8, 3e6])
def test_a_constant_band_has_unit_std(kind: Kind, value: float) -> None:
    samples = np.full((50, 1), value, np.float32)
    found = band_statistics(samples, ["flat"], kind)
    assert found.std == (1.0,)
    assert found.scale[0] > 0
    assert np.abs(standardised(found, samples)).max() < 1e-6


def test_missing_values_are_passed_over() -> None:
    samples = np.array([[1, np.nan], [np.inf, 5], [3, 7], [np.nan, -np.inf]], np.float32)
    found = band_statistics(samples, ["a", "b"], "hsi")
    assert found.mean == (pytest.approx(2.0), pytest.approx(6.0))


def test_bands_without_any_value_are_named() -> None:
    samples = np.ones((4, 3), np.float32)
    samples[:, 1:] = np.nan
    with pytest.raises(
        TrainingDataError, match=r"2 of 3 hsi bands.*4 training pixels: B130, B131; .*invalid_bands"
    ):
        band_statistics(samples, ["B129", "B130", "B131"], "hsi")


def test_no_pixels_at_all_is_the_same_error() -> None:
    with pytest.raises(TrainingDataError, match="0 training pixels"):
        band_statistics(np.empty((0, 1), np.float32), ["VV"], "sar")


samples_of_seed = st.integers(0, 10_000).map(
    lambda seed: np.random.default_rng(seed).gamma(2.0, 3.0, (200, 2)).astype(np.float32)
)
kinds = st.sampled_from(["hsi", "msi", "sar", "lidar", "other"])


@given(samples=samples_of_seed, kind=kinds, seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_the_order_of_pixels_does_not_matter(samples: FloatArray, kind: Kind, seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(samples)
    assert band_statistics(samples, ["a", "b"], kind) == band_statistics(shuffled, ["a", "b"], kind)


@given(samples=samples_of_seed, kind=kinds)
@settings(max_examples=40, deadline=None)
def test_training_values_become_zero_mean_and_unit_variance(samples: FloatArray, kind: Kind) -> None:
    inputs = standardised(band_statistics(samples, ["a", "b"], kind), samples)
    assert np.abs(inputs.mean(axis=0)).max() < 1e-6
    assert inputs.std(axis=0) == pytest.approx(np.ones(2), abs=1e-6)


@given(samples=samples_of_seed, kind=kinds, exponent=st.integers(-12, 12))
@settings(max_examples=40, deadline=None)
def test_a_change_of_units_changes_no_input(samples: FloatArray, kind: Kind, exponent: int) -> None:
    scaled = samples * np.float32(2.0**exponent)
    before = standardised(band_statistics(samples, ["a", "b"], kind), samples)
    after = standardised(band_statistics(scaled, ["a", "b"], kind), scaled)
    assert np.abs(before - after).max() < 1e-6


@given(samples=samples_of_seed, kind=kinds)
@settings(max_examples=20, deadline=None)
def test_bands_do_not_know_each_other(samples: FloatArray, kind: Kind) -> None:
    both = band_statistics(samples, ["a", "b"], kind)
    alone = band_statistics(samples[:, 1:], ["b"], kind)
    assert (both.mean[1], both.std[1], both.scale[1]) == (alone.mean[0], alone.std[0], alone.scale[0])
    assert all(math.isfinite(value) for value in (*both.low, *both.high, *both.mean, *both.std))
