from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geo_xmodal.networks import Standardize
from geo_xmodal.types import BandStatistics


def one_band(**changes: object) -> BandStatistics:
    values: dict[str, object] = {
        "bands": ("b",), "transform": ("identity",), "scale": (1.0,), "low": (-1e6,), "high": (1e6,),
        "mean": (0.0,), "std": (1.0,),
    }  # fmt: skip
    return BandStatistics(**{**values, **changes})  # type: ignore[arg-type]


def standardized(statistics: BandStatistics, *values: float) -> list[float]:
    x = torch.tensor(values).reshape(1, 1, 1, -1)
    return Standardize(statistics)(x).flatten().tolist()


def test_known_answers_of_each_transform() -> None:
    assert standardized(one_band(mean=(2.0,), std=(4.0,)), 10.0) == [2.0]
    logs = standardized(one_band(transform=("log",), scale=(0.01,), mean=(1.0,), std=(2.0,)), math.e, 0.0)
    # float32: the logarithm of e is one to a rounding, which differs between processors
    assert logs == pytest.approx([0.0, (math.log(0.01) - 1) / 2], abs=1e-6)
    assert standardized(one_band(transform=("asinh",), scale=(3.0,)), 6.0, -6.0) == pytest.approx(
        [math.asinh(2), -math.asinh(2)]
    )


def test_values_beyond_the_training_range_are_clipped() -> None:
    assert standardized(one_band(low=(0.0,), high=(5.0,)), -3.0, 9.0) == [0.0, 5.0]


def test_missing_values_become_the_training_mean() -> None:
    statistics = one_band(mean=(7.0,), std=(2.0,))
    assert standardized(statistics, math.nan, math.inf, 7.0) == [0.0, 0.0, 0.0]


def test_each_band_has_its_own_formula() -> None:
    statistics = BandStatistics(
        ("a", "b", "c"), ("log", "identity", "asinh"), (1e-3, 1.0, 2.0),
        (-1e6,) * 3, (1e6,) * 3, (0.0, 1.0, 0.0), (1.0, 2.0, 1.0),
    )  # fmt: skip
    x = torch.tensor([10.0, 5.0, 4.0]).reshape(1, 3, 1, 1)
    assert Standardize(statistics)(x).flatten().tolist() == pytest.approx([math.log(10), 2.0, math.asinh(2)])


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=1, max_size=20))
def test_output_is_always_finite(values: list[float]) -> None:
    for transform in ("identity", "log", "asinh"):
        x = torch.from_numpy(np.array(values, np.float32)).reshape(1, 1, 1, -1)
        assert Standardize(one_band(transform=(transform,), scale=(0.1,)))(x).isfinite().all()
