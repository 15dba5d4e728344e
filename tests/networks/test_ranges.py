from __future__ import annotations

import numpy as np
import pytest
import torch

from geo_xmodal.networks import NetworkSpec, PixelModel, input_ranges, linear_model
from tests.training_data import identity_statistics


def test_a_linear_model_sees_its_pixels() -> None:
    model = linear_model(identity_statistics(2), np.eye(2), np.zeros(2))
    pixels = np.array([[1.0, -7.0], [3.0, 2.0]], np.float32)[:, :, None, None]
    assert input_ranges(model, [pixels]) == {"": (-7.0, 3.0)}


def test_zero_is_in_every_range() -> None:
    model = linear_model(identity_statistics(2), np.eye(2), np.zeros(2))
    assert input_ranges(model, [np.full((3, 2, 1, 1), 5, np.float32)]) == {"": (0.0, 5.0)}


def test_every_convolution_is_named_and_the_model_left_alone() -> None:
    torch.manual_seed(0)
    model = PixelModel(NetworkSpec("tanh_cnn", {"widths": (8, 8), "dense": (8,)}), identity_statistics(4), 3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    patches = np.random.default_rng(0).normal(size=(300, 4, 7, 7)).astype(np.float32)
    found = input_ranges(model, np.array_split(patches, 2))
    assert list(found) == ["encoder.0.0", "encoder.1.0", "encoder.2.0", "head"]
    assert found["encoder.0.0"] == (patches.min(), patches.max())
    for name in ("encoder.1.0", "encoder.2.0", "head"):
        low, high = found[name]
        assert -1 <= low < -0.01 and 0.01 < high <= 1, name
    assert model.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_ranges_do_not_depend_on_the_number_of_batches() -> None:
    model = PixelModel(NetworkSpec("tanh_cnn", {"widths": (8, 8), "dense": (8,)}), identity_statistics(4), 3)
    patches = np.random.default_rng(0).normal(size=(600, 4, 7, 7)).astype(np.float32)
    one, two = input_ranges(model, patches[:300]), input_ranges(model, patches[300:])
    for name, (low, high) in input_ranges(model, patches).items():
        assert low == pytest.approx(min(one[name][0], two[name][0]), abs=1e-6)
        assert high == pytest.approx(max(one[name][1], two[name][1]), abs=1e-6)
