from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_xmodal.bundle import Bundle
from geo_xmodal.errors import ModelMismatchError, UsageError
from geo_xmodal.mapping import Classifier
from geo_xmodal.mapping.engine import TILE
from geo_xmodal.networks import NetworkSpec, PixelModel, linear_model
from tests.mapping.conftest import card_of, random_model, scene_values, statistics, with_holes


def padded(values: np.ndarray, margin: int) -> np.ndarray:
    return np.pad(values, ((0, 0), (margin, margin), (margin, margin)), constant_values=np.nan)


def test_dense_window_equals_a_loop_over_patches(cnn: Bundle) -> None:
    values = padded(with_holes(scene_values((80, 120))), cnn.model.margin)
    ids, probability = Classifier(cnn).classify(values)
    side = 2 * cnn.model.margin + 1
    patches = np.lib.stride_tricks.sliding_window_view(values, (side, side), axis=(1, 2))
    patches = torch.from_numpy(
        np.ascontiguousarray(patches.transpose(1, 2, 0, 3, 4)).reshape(-1, 3, side, side)
    )
    expected = cnn.model.probabilities(patches)[:, :, 0, 0].numpy()
    centre = patches[:, :, cnn.model.margin, cnn.model.margin].numpy()
    valid = np.isfinite(centre).all(axis=1)
    top = expected.max(axis=1)
    assert 0.05 < valid.mean() < 0.95
    assert (ids.ravel()[~valid] == 0).all() and np.isnan(probability.ravel()[~valid]).all()
    np.testing.assert_allclose(probability.ravel()[valid], top[valid], atol=1e-5)
    clear = valid & (np.sort(expected, axis=1)[:, -1] - np.sort(expected, axis=1)[:, -2] > 1e-5)
    table = np.array([1, 2, 5, 9])
    np.testing.assert_array_equal(ids.ravel()[clear], table[expected.argmax(axis=1)[clear]])
    assert len(np.unique(ids)) > 3


def test_same_pixel_has_the_same_bits_in_windows_a_tile_apart(cnn: Bundle) -> None:
    m = cnn.model.margin
    values = padded(with_holes(scene_values((3 * TILE, 2 * TILE + 40))), m)
    ids, probability = Classifier(cnn).classify(values)
    part_ids, part_probability = Classifier(cnn).classify(values[:, TILE:, TILE:])
    np.testing.assert_array_equal(part_ids, ids[TILE:, TILE:])
    np.testing.assert_array_equal(part_probability, probability[TILE:, TILE:])


@settings(max_examples=15, deadline=None)
@given(height=st.integers(1, 150), width=st.integers(1, 150), row=st.integers(0, 40), col=st.integers(0, 40))
def test_any_window_agrees_with_the_whole_but_for_rounding(
    height: int, width: int, row: int, col: int
) -> None:
    model = random_model()
    cnn = Bundle(card_of(model, (1, 2, 5, 9)), model)
    values = with_holes(scene_values((200, 200)))
    whole, probability = Classifier(cnn).classify(values)
    m = cnn.model.margin
    height, width = min(height, 200 - 2 * m - row), min(width, 200 - 2 * m - col)
    part, part_probability = Classifier(cnn).classify(
        values[:, row : row + height + 2 * m, col : col + width + 2 * m]
    )
    rows, cols = slice(row, row + height), slice(col, col + width)
    np.testing.assert_allclose(part_probability, probability[rows, cols], atol=1e-5)
    sure = ~(probability[rows, cols] < 0.51)
    np.testing.assert_array_equal(part[sure], whole[rows, cols][sure])


def test_of_equal_classes_the_first_wins() -> None:
    model = linear_model(statistics(2), np.zeros((3, 2)), np.array([0.0, 1.0, 1.0]))
    ids, probability = Classifier(Bundle(card_of(model, (7, 3, 1)), model)).classify(
        scene_values((4, 5), bands=2)
    )
    assert (ids == 3).all()
    np.testing.assert_allclose(probability, np.e / (1 + 2 * np.e), rtol=1e-6)


def test_missing_neighbours_count_as_the_training_mean(cnn: Bundle) -> None:
    m = cnn.model.margin
    values = scene_values((2 * m + 1, 2 * m + 1))
    holed = values.copy()
    holed[:, 0, :] = np.nan
    mean = values.copy()
    mean[:, 0, :] = 0.5
    np.testing.assert_array_equal(Classifier(cnn).classify(holed)[1], Classifier(cnn).classify(mean)[1])


def test_infinite_values_are_missing(cnn: Bundle) -> None:
    values = scene_values((30, 30))
    values[1, 10, 12] = np.inf
    ids, _ = Classifier(cnn).classify(values)
    m = cnn.model.margin
    assert ids[10 - m, 12 - m] == 0
    assert (ids > 0).sum() == ids.size - 1


@pytest.mark.parametrize("hole", [np.nan, None])
def test_nothing_is_computed_where_nothing_is_asked(
    cnn: Bundle, hole: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = Classifier(cnn)
    monkeypatch.setattr(classifier, "_network", lambda x: pytest.fail("computed"))
    values = np.full((3, 300, 300), np.nan if hole is not None else 1.0, np.float32)
    where = None if hole is not None else np.zeros((300 - 2 * classifier.margin,) * 2, bool)
    ids, probability = classifier.classify(values, where)
    assert not ids.any() and np.isnan(probability).all()


def test_where_limits_the_answer_and_not_its_value(cnn: Bundle) -> None:
    values = scene_values((200, 200))
    ids, probability = Classifier(cnn).classify(values)
    where = np.zeros(ids.shape, bool)
    where[150, [3, 180]] = True
    part, part_probability = Classifier(cnn).classify(values, where)
    np.testing.assert_array_equal(part, np.where(where, ids, 0))
    np.testing.assert_array_equal(part_probability[where], probability[where])


def test_bundle_is_left_as_it_was(cnn: Bundle) -> None:
    before = {name: tensor.clone() for name, tensor in cnn.model.state_dict().items()}
    cnn.model.train()
    Classifier(cnn).classify(scene_values((30, 30)))
    assert all(module.training for module in cnn.model.modules())
    assert list(cnn.model.state_dict()) == list(before)
    for name, tensor in cnn.model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize("shape", [(2, 30, 30), (3, 12, 30), (3, 30)])
def test_wrong_window_is_refused(cnn: Bundle, shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelMismatchError, match="the model expects"):
        Classifier(cnn).classify(np.zeros(shape, np.float32))


def test_openvino_gives_the_same_but_for_rounding(cnn: Bundle) -> None:
    pytest.importorskip("openvino")
    values = with_holes(scene_values((150, 200)))
    ids, probability = Classifier(cnn).classify(values)
    other, other_probability = Classifier(cnn, "openvino", threads=1).classify(values)
    np.testing.assert_allclose(other_probability, probability, atol=1e-5)
    np.testing.assert_array_equal(other == 0, ids == 0)
    assert (other != ids).mean() < 1e-3


def test_workers_make_their_openvino_networks_at_the_same_time(cnn: Bundle) -> None:
    pytest.importorskip("openvino")
    values = scene_values((40, 40))
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: Classifier(cnn, "openvino", threads=1).classify(values), range(8)))
    expected = Classifier(cnn).classify(values)[1]
    for _, probability in made:
        np.testing.assert_allclose(probability, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("spec", "tolerance"),
    [
        (NetworkSpec("tanh_cnn", {"widths": (8, 8), "dense": (8,)}), 1e-5),
        (NetworkSpec("resnet50", {"patch": 3, "embedding": 8}), 1e-4),
    ],
)
def test_every_network_runs_in_both_engines(spec: NetworkSpec, tolerance: float) -> None:
    torch.manual_seed(0)
    model = PixelModel(spec, statistics(3), 4)
    values = with_holes(scene_values((12, 16)))
    model.train()(torch.from_numpy(values)[None])  # batch norm has seen something
    model.eval()
    ids, probability = Classifier(Bundle(card_of(model, (1, 2, 5, 9)), model)).classify(values)
    m = model.margin
    expected = model.probabilities(torch.from_numpy(values)[None])[0]
    inside = np.isfinite(probability)
    np.testing.assert_allclose(probability[inside], expected.max(0).values.numpy()[inside], atol=tolerance)
    assert ids.shape == (12 - 2 * m, 16 - 2 * m)
    other, other_probability = Classifier(
        Bundle(card_of(model, (1, 2, 5, 9)), model), "openvino", threads=1
    ).classify(values)
    np.testing.assert_allclose(other_probability, probability, atol=tolerance)
    assert (other != ids).mean() < 1e-2


def test_unknown_or_absent_engine_is_one_line(cnn: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no engine 'tensorrt': choose one of torch, openvino"):
        Classifier(cnn, "tensorrt")  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UsageError, match=r"pip install 'geo_xmodal\[openvino\]'"):
        Classifier(cnn, "openvino")
