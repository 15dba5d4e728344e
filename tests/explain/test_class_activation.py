"""Grad-CAM of dense networks: against captum's, however the window is cut, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam

from geo_xmodal.explain.class_activation import class_activation, feature_layer, tiles_of
from geo_xmodal.networks import Branch, NetworkSpec, PixelModel, average_model, linear_model
from geo_xmodal.types import FloatArray, Window
from tests.small_trees import small_trees
from tests.training_data import identity_statistics

SCENE = np.random.default_rng(0).normal(size=(2, 90, 80)).astype(np.float32)


def read(window: Window, margin: int) -> FloatArray:
    around = np.pad(SCENE, ((0, 0), (margin, margin), (margin, margin)), constant_values=np.nan)
    rows, cols = window.slices
    return around[:, rows.start : rows.stop + 2 * margin, cols.start : cols.stop + 2 * margin]


@pytest.fixture(scope="module")
def model() -> PixelModel:
    torch.manual_seed(0)
    spec = NetworkSpec("pixel_cnn", {"widths": (6,), "kernels": (3,), "embedding": 5})
    return PixelModel(spec, identity_statistics(2), 3).eval()


def test_it_is_captums_and_does_not_depend_on_tiles(model: PixelModel) -> None:
    layer = feature_layer(model.network)
    assert layer is not None and layer.tile == 64
    window = Window(4, 5, 70, 66)
    told: list[int] = []
    found = class_activation(model.standardize, layer, read, window, lambda: told.append(1))
    assert len(told) == tiles_of(layer, window) == 8
    network = model.network
    assert isinstance(network, Branch)
    x = torch.from_numpy(read(window, model.margin))[None]
    method = LayerGradCam(lambda x: network(x).sum((2, 3)), network.head)
    for place in range(3):
        expected = method.attribute(x, place, attribute_to_layer_input=True, relu_attributions=True)
        assert np.allclose(found[place], expected[0, 0].detach(), rtol=1e-3, atol=1e-5)


def test_of_a_linear_model_it_is_what_speaks_for_the_class() -> None:
    weight = np.array([[1.0, 0.0], [0.0, -2.0]])
    model = linear_model(identity_statistics(2), weight, np.array([5.0, 5.0]))
    layer = feature_layer(model.network)
    assert layer is not None
    found = class_activation(model.standardize, layer, read, Window(0, 0, 10, 12))
    assert np.allclose(found[0], SCENE[0, :10, :12].clip(min=0), atol=1e-6)
    assert np.allclose(found[1], (-2 * SCENE[1, :10, :12]).clip(min=0), atol=1e-6)


def test_where_a_band_is_missing_there_is_nothing_to_tell(model: PixelModel) -> None:
    layer = feature_layer(model.network)
    assert layer is not None

    def holed(window: Window, margin: int) -> FloatArray:
        values = read(window, margin).copy()
        values[1, 3 - window.row + margin, 4 - window.col + margin] = np.nan
        return values

    found = class_activation(model.standardize, layer, holed, Window(0, 0, 12, 12))
    assert np.argwhere(np.isnan(found[0])).tolist() == [[3, 4]]


def test_trees_have_no_features_to_look_at_and_an_average_has_those_of_its_heaviest() -> None:
    statistics = identity_statistics(2)
    trees = small_trees(statistics, 2)
    assert feature_layer(trees.network) is None
    linear = linear_model(statistics, np.eye(2), np.zeros(2))
    layer = feature_layer(average_model([trees, linear], [0.9, 0.1], [1.0, 1.0]).network)
    assert layer is not None and layer.name == "linear" and layer.margin == 0
