from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_xmodal.bundle import Bundle
from geo_xmodal.errors import ModelMismatchError, UsageError
from geo_xmodal.mapping import Classifier, Runtime
from geo_xmodal.mapping.engine import TILE
from geo_xmodal.networks import NetworkSpec, PixelModel, input_ranges, linear_model
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
    pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install geo_xmodal[openvino]")
    values = with_holes(scene_values((150, 200)))
    ids, probability = Classifier(cnn).classify(values)
    other, other_probability = Classifier(cnn, Runtime.of("openvino"), threads=1).classify(values)
    np.testing.assert_allclose(other_probability, probability, atol=1e-5)
    np.testing.assert_array_equal(other == 0, ids == 0)
    assert (other != ids).mean() < 1e-3


def test_workers_make_their_openvino_networks_at_the_same_time(cnn: Bundle) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install geo_xmodal[openvino]")
    values = scene_values((40, 40))
    with ThreadPoolExecutor(4) as pool:
        made = list(
            pool.map(lambda _: Classifier(cnn, Runtime.of("openvino"), threads=1).classify(values), range(8))
        )
    expected = Classifier(cnn).classify(values)[1]
    for _, probability in made:
        np.testing.assert_allclose(probability, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("spec", "tolerance"),
    [
        (NetworkSpec("tanh_cnn", {"widths": (8, 8), "dense": (8,)}), 1e-5),
        (NetworkSpec("resnet18", {"patch": 3, "embedding": 8}), 1e-4),
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
        Bundle(card_of(model, (1, 2, 5, 9)), model), Runtime.of("openvino"), threads=1
    ).classify(values)
    np.testing.assert_allclose(other_probability, probability, atol=tolerance)
    assert (other != ids).mean() < 1e-2


@pytest.mark.parametrize(
    ("engine", "precision", "agreement"),
    [("torch", "bf16", 0.999), ("openvino", "bf16", 0.999), ("openvino", "int8", 0.995)],
)
def test_fewer_bits_give_the_labels_of_float32(engine: str, precision: str, agreement: float) -> None:
    try:
        runtime = Runtime.of(engine, precision)
    except UsageError as error:
        pytest.skip(str(error))
    torch.manual_seed(0)
    model = PixelModel(NetworkSpec("x_modalnet"), statistics(3), 4)
    values = with_holes(scene_values((90, 120)))
    model.train()(torch.from_numpy(values)[None])
    model.eval()
    model.network.head.weight.data *= 5  # surer of itself, as a trained one is
    ranges = dict(input_ranges(model, values[None]))
    card = card_of(model, (1, 2, 5, 9)).model_copy(update={"ranges": ranges})
    bundle = Bundle(card, model)
    ids, probability = Classifier(bundle, threads=1).classify(values)
    other, other_probability = Classifier(bundle, runtime, threads=1).classify(values)
    np.testing.assert_array_equal(other == 0, ids == 0)
    assert (other == ids)[ids > 0].mean() >= agreement
    difference = np.nanmax(np.abs(other_probability - probability))
    assert 1e-5 < difference < 0.1


def test_bf16_computes_pixels_in_doubt_as_float32() -> None:
    """Two classes with the same weights are always in doubt."""
    try:
        runtime = Runtime.of("torch", "bf16")
    except UsageError as error:
        pytest.skip(str(error))
    torch.manual_seed(0)
    model = PixelModel(NetworkSpec("x_modalnet"), statistics(3), 2).eval()
    for values in model.network.head.parameters():
        values.data[1] = values.data[0]
    bundle = Bundle(card_of(model, (1, 2)), model)
    values = scene_values((30, 40))
    _, probability = Classifier(bundle, threads=1).classify(values)
    _, other = Classifier(bundle, runtime, threads=1).classify(values)
    np.testing.assert_allclose(other, probability, atol=1e-6)


def test_probabilities_of_all_classes_are_those_of_patches_and_of_classify(cnn: Bundle) -> None:
    values = with_holes(scene_values((70, 150)))
    m = cnn.model.margin
    classifier = Classifier(cnn)
    every = classifier.probabilities(values)
    with torch.inference_mode():
        expected = cnn.model.probabilities(torch.from_numpy(values)[None])[0].numpy()
    missing = np.isnan(values[:, m:-m, m:-m]).any(axis=0)
    assert every.shape == (4, 70 - 2 * m, 150 - 2 * m) and missing.any()
    np.testing.assert_array_equal(np.isnan(every), np.broadcast_to(missing, every.shape))
    np.testing.assert_allclose(every[:, ~missing], expected[:, ~missing], atol=1e-5)
    ids, probability = classifier.classify(values)
    best_ids, best = classifier.best(every)
    np.testing.assert_array_equal(best_ids, ids)
    np.testing.assert_array_equal(best, probability)


def test_int8_needs_to_know_what_the_layers_saw(cnn: Bundle) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install geo_xmodal[openvino]")
    with pytest.raises(ModelMismatchError, match="which int8 must know: train it again"):
        Classifier(cnn, Runtime.of("openvino", "int8"))
