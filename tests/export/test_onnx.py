"""Models as ONNX: the same classes as the map, any size, and everything about the model within."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import rasterio
import torch

import geo_xmodal as gx
from geo_xmodal import bundle
from geo_xmodal.commands import app
from geo_xmodal.errors import ClassSharesError, OutputError, UsageError
from geo_xmodal.export.onnx import ExportedNetwork
from geo_xmodal.export.onnx_trees import append_trees
from geo_xmodal.networks import NetworkSpec, PixelModel
from tests.conftest import REPOSITORY
from tests.small_trees import small_trees
from tests.tiny import write_raster
from tests.training_data import identity_statistics

SHIPPED = REPOSITORY / "models" / "berlin-sar-hgr"
SIDE = 90


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> ExportedNetwork:
    return gx.export_onnx(SHIPPED, tmp_path_factory.mktemp("onnx") / "model.onnx")


@pytest.fixture(scope="module")
def session(network: ExportedNetwork) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(network.out, providers=["CPUExecutionProvider"])


def other_network(folder: Path, name: str, options: dict[str, Any]) -> Path:
    """A bundle of an untrained network for the shipped model's sensor."""
    card = gx.read_card(SHIPPED)
    torch.manual_seed(0)
    model = PixelModel(NetworkSpec(name, options), card.statistics, len(card.classes)).eval()
    entry = bundle.NetworkEntry(name=name, options=options)
    card = card.model_copy(update={"network": entry, "margin": model.margin, "method": name})
    bundle.save(folder, model, card)
    return folder


def sample() -> tuple[npt.NDArray[np.float32], Any]:
    with rasterio.open(REPOSITORY / "sample_scenes" / "berlin" / "sar.tif") as dataset:
        return dataset.read(window=((200, 200 + SIDE), (150, 150 + SIDE))).astype(np.float32), dataset.crs


def test_has_the_class_shares_that_are_asked_for(tmp_path: Path) -> None:
    card = gx.read_card(SHIPPED)
    areas = {land.id: 0.0 if land.id == card.classes[0].id else 1.0 for land in card.legend}
    made = gx.export_onnx(SHIPPED, tmp_path / "model.onnx", shares=areas)
    pixels, _ = sample()
    session = onnxruntime.InferenceSession(made.out, providers=["CPUExecutionProvider"])
    found = session.run(["probability"], {"bands": pixels[None]})[0][0]
    expected = gx.load_model(SHIPPED).predict(pixels, shares=areas)
    assert not found[0].any()
    ids = np.array([land.id for land in card.legend])
    assert (ids[found.argmax(0)] == expected.classes).mean() > 0.999
    props = {prop.key: prop.value for prop in onnx.load(made.out).metadata_props}
    assert json.loads(props["class_shares"])["choice"] == "table"
    with pytest.raises(ClassSharesError, match="those of what is mapped, and nothing is"):
        gx.export_onnx(SHIPPED, tmp_path / "other.onnx", shares="estimated")


def test_gives_the_classes_of_the_map(session: onnxruntime.InferenceSession, tmp_path: Path) -> None:
    pixels, crs = sample()
    pixels[:, 40:44, 50:60] = np.nan
    source = write_raster(tmp_path / "sar.tif", pixels, crs=crs, nodata=np.nan)
    gx.map_scene(SHIPPED, gx.aligned_reader(source, kind="sar"), tmp_path / "map.tif", window=64)
    with rasterio.open(tmp_path / "map.tif") as dataset:
        expected = dataset.read(1)
    (probability,) = session.run(None, {"bands": pixels[None]})
    ids = np.array([entry.id for entry in gx.read_card(SHIPPED).classes], np.uint8)
    assert np.allclose(probability.sum(1), 1, atol=1e-5)
    found = np.where(np.isfinite(pixels).all(0), ids[probability[0].argmax(0)], 0)
    assert len(np.unique(expected)) > 4
    assert (found == expected).mean() > 0.9995  # ties may round either way; the scene's edge is the same


def test_takes_any_size(session: onnxruntime.InferenceSession) -> None:
    pixels, _ = sample()
    whole = session.run(None, {"bands": pixels[None]})[0]
    for batch, rows, cols in ((1, 1, 1), (2, 33, 57)):
        part = np.repeat(pixels[None, :, :rows, :cols], batch, axis=0)
        assert session.run(None, {"bands": part})[0].shape == (batch, 8, rows, cols)
    margin = gx.read_card(SHIPPED).margin
    tile = session.run(None, {"bands": pixels[None, :, 10:74, 20:84]})[0]
    inner = np.s_[margin:-margin]
    difference = tile[:, :, inner, inner] - whole[:, :, 10:74, 20:84][:, :, inner, inner]
    assert np.abs(difference).max() < 1e-4


def test_metadata_says_what_the_card_says(session: onnxruntime.InferenceSession) -> None:
    card = gx.read_card(SHIPPED)
    told = {key: json.loads(text) for key, text in session.get_modelmeta().custom_metadata_map.items()}
    assert told["class_names"]["0"] == "Forest" and len(told["class_names"]) == 8
    assert [entry["color"] for entry in told["classes"]] == [entry.color for entry in card.classes]
    assert told["bands"] == list(card.statistics.bands)
    assert told["band_statistics"]["mean"] == list(card.statistics.mean)
    assert told["margin"] == card.margin == 10
    assert told["resolution"] == pytest.approx(1389)  # centimetres
    assert told["pixel_size"] == [13.89, 13.89]
    assert bundle.Card.model_validate(told["card"]) == card
    given = told["input"]
    assert (given["kind"], given["unit"], given["decibels"]) == ("sar", "linear power", False)
    assert list(given["range"]) == told["bands"]
    assert list(given["range"].values()) == [
        list(limits) for limits in zip(card.statistics.low, card.statistics.high, strict=True)
    ]
    assert given["no_data"].startswith("NaN") and given["zero_is_no_data"] is True
    assert told["tile_size"] * told["tiles_overlap"] / 100 >= 2 * card.margin


def test_raw_values_survive_what_deepness_does_to_them(session: onnxruntime.InferenceSession) -> None:
    told = {key: json.loads(text) for key, text in session.get_modelmeta().custom_metadata_map.items()}
    mean, std = (np.array(told[f"standardization_{name}"], np.float32) for name in ("mean", "std"))
    pixels, _ = sample()
    raw = np.moveaxis(pixels, 0, -1)
    given = (np.float32(raw * 1.0 / 255.0) - mean) / std  # as in Deepness 0.6.5, for every type of raster
    assert np.allclose(given, raw, rtol=1e-6)


def test_says_how_close_it_is(network: ExportedNetwork) -> None:
    assert network.pixels == 48 * 64 + 2 * 31 * 17
    assert 0 <= network.max_difference < 1e-4
    assert (network.opset, network.tile, network.margin) == (18, None, 10)


def test_file_tells_nothing_of_the_machine(network: ExportedNetwork) -> None:
    content = network.out.read_bytes()
    for trace in (b"stack_trace", b"site-packages", str(REPOSITORY).encode(), b".py"):
        assert trace not in content


def test_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = other_network(tmp_path / "linear", "linear", {})
    first, second = (gx.export_onnx(folder, tmp_path / name).out for name in ("a.onnx", "b.onnx"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(("name", "options"), [("linear", {}), ("x_modalnet", {"test_head": "joint_zero"})])
def test_other_networks(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    made = gx.export_onnx(other_network(tmp_path / "bundle", name, options), tmp_path / "n.onnx", tile=64)
    assert made.max_difference < 1e-4
    shape = onnx.load(made.out).graph.input[0].type.tensor_type.shape.dim
    assert [one.dim_value or one.dim_param for one in shape] == ["batch", 4, 64, 64]


def test_trees_have_the_classes_of_the_map(tmp_path: Path) -> None:
    card = gx.read_card(SHIPPED)
    model = small_trees(card.statistics, len(card.classes), ratios="difference")
    entry = bundle.NetworkEntry(name=model.spec.name, options=dict(model.spec.options))
    card = card.model_copy(update={"network": entry, "margin": model.margin, "method": "forest"})
    bundle.save(tmp_path / "trees", model, card)
    areas = {land.id: float(land.id) for land in card.legend}
    changed = gx.export_onnx(tmp_path / "trees", tmp_path / "changed.onnx", shares=areas)
    assert changed.max_difference < 1e-5  # from the model with these shares
    made = gx.export_onnx(tmp_path / "trees", tmp_path / "trees.onnx")
    assert made.max_difference < 0.1
    session = onnxruntime.InferenceSession(made.out, providers=["CPUExecutionProvider"])
    pixels, _ = sample()
    (found,) = session.run(None, {"bands": pixels[None]})
    m = model.margin
    expected = model.probabilities(torch.from_numpy(pixels[None])).numpy()
    assert found.shape == (1, 8, SIDE, SIDE) and len(np.unique(expected.argmax(1))) > 4
    close = np.abs(found[:, :, m:-m, m:-m] - expected).max(1) < 1e-5
    assert close.mean() > 0.99


def test_boosted_trees_are_the_same_operator() -> None:
    model = small_trees(identity_statistics(3), 4, "boosting", context=(), openings=())
    images = onnx.helper.make_tensor_value_info("in", onnx.TensorProto.FLOAT, ["b", 3, "h", "w"])
    out = onnx.helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, ["b", 3, "h", "w"])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Neg", ["in"], ["out"])], "g", [images], [out])
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    append_trees(proto, onnx, "out", model.network)
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).normal(size=(2, 3, 9, 8)).astype(np.float32)
    expected = model.probabilities(torch.from_numpy(-x)).numpy()
    np.testing.assert_allclose(session.run(None, {"in": x})[0], expected, atol=1e-5)


def test_another_answer_than_torch_s_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from geo_xmodal.export import onnx as module

    other = gx.load_bundle(other_network(tmp_path / "linear", "linear", {}))
    graph = module._graph
    monkeypatch.setattr(
        module,
        "_graph",
        lambda whole, _: graph(module._WholeModel(other, None).eval().requires_grad_(False), other),
    )
    with pytest.raises(OutputError, match=r"have another class than in torch.*nothing was written"):
        gx.export_onnx(SHIPPED, tmp_path / "wrong.onnx")
    assert not (tmp_path / "wrong.onnx").exists()


def test_mistakes_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=r"ends in \.onnx"):
        gx.export_onnx(SHIPPED, tmp_path / "model.pt")
    for tile in (20, 10_000):
        with pytest.raises(UsageError, match="choose 21 to 8192 pixels"):
            gx.export_onnx(SHIPPED, tmp_path / "model.onnx", tile=tile)
    words = ["export", "--to", "onnx", "--model", "berlin-sar-hgr", "--out", str(tmp_path / "m.onnx")]
    assert app.run([*words, "--sieve", "3"]) == 2
    assert "--sieve has no meaning with --to onnx" in capsys.readouterr().err
