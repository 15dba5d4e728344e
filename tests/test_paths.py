"""Every public function that takes a path takes it as `Path` and as `str`."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

import geo_xmodal as gx
from geo_xmodal.types import Window
from tests.chips.sets import vaihingen
from tests.tiny import NORTH, PIXEL, SIDE, WEST, write_scene


def path_parameters(function: Callable[..., Any]) -> dict[str, str]:
    return {
        name: str(parameter.annotation)
        for name, parameter in inspect.signature(function).parameters.items()
        if "Path" in str(parameter.annotation)
    }


SMALL = {
    "unlabelled": "64",
    "dimensions": "8",
    "projector_width": "8",
    "batch_size": "32",
    "least_steps": "2",
}

PUBLIC = {
    name: path_parameters(getattr(gx, name)) for name in gx.__all__ if inspect.isfunction(getattr(gx, name))
}


def test_every_annotation_takes_both() -> None:
    for name, parameters in PUBLIC.items():
        for parameter, annotation in parameters.items():
            assert "str" in annotation, f"{name}({parameter}: {annotation})"


def test_all_take_strings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_scene(tmp_path / "tiny", tested=0.05)  # a comparison lays out all test pixels by t-SNE
    called: set[str] = set()

    def call(name: str, *arguments: Any, **options: Any) -> Any:
        called.add(name)
        return getattr(gx, name)(*arguments, **options)

    scene = call("open_scene", "tiny")
    assert [one.name for one in call("open_scenes", ["tiny"])] == [scene.name]
    grid, whole = scene.grid, Window(0, 0, SIDE, SIDE)
    call("train_scene", scene, "run", gx.TrainRequest(method="svm"))
    assert call("find_model", "run") == call("find_model", Path("run"))
    card = call("read_card", "run")
    assert call("load_model", "run").card == card
    call("explain_model", "run", scene, "explained", routines="occlusion", samples=20)
    call("pretrain_scene", scene, "pretrained", gx.PretrainRequest(epochs=1, settings=SMALL))
    assert call("load_pretrained", "pretrained").common
    with pytest.raises(gx.GeoXmodalError, match="nothing"):
        call(
            "transfer_chips",
            gx.open_chips(vaihingen(tmp_path / "few")),
            "moved",
            gx.TransferRequest(weights={"dsm": "nothing.safetensors"}, sensors=("dsm",)),
        )
    vaihingen(tmp_path / "chips")
    assert call("is_chip_folder", "chips") and call("open_chips", "chips").folder == Path("chips")
    assert call("load_bundle", "run").card == card
    east, south = WEST + SIDE * PIXEL / 2, NORTH - SIDE * PIXEL / 2
    ring = [[WEST, NORTH], [east, NORTH], [east, south], [WEST, south], [WEST, NORTH]]
    polygon = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}},
        "features": [
            {
                "type": "Feature",
                "properties": {"class": "Wheat"},
                "geometry": {"type": "Polygon", "coordinates": [ring]},
            }
        ],
    }
    Path("area.geojson").write_text(json.dumps(polygon))
    given = call("map_input", ["tiny/sar.tif"], card, area="area.geojson")
    call("fit_input", scene.reader("sar"), card, area="area.geojson")
    call("plan_map", "run", given.reader, "map.tif")
    call("map_scene", "run", given.reader, "map.tif", probability=True)
    call("save_picture", "map.tif", "map.png")
    call("evaluate_map", "map.tif", "tiny/train.tif", "accuracy", classes="tiny/scene.toml")
    assert call("read_class_map", "map.tif", classes="tiny/scene.toml").legend
    assert call("describe_vector", "area.geojson").features == 1
    assert len(call("layer_names", "area.geojson")) == 1
    assert call("infinite_values", "tiny/sar.tif") is None
    call("write_classes", scene.classes, "classes.toml")
    Path("merged.csv").write_text("value,class\n1,Wheat\n")
    assert call("read_reclass", "merged.csv") == {"1": "Wheat"}
    Path("points.csv").write_text("x,y,class\n1,2,Wheat\n")
    assert call("table_columns", "points.csv") == ("x", "y", "class")
    call("export_map", "map.tif", "renamed.tif", classes="classes.toml")
    triangle = shapely.Polygon([(0, 0), (4, 0), (0, 4)])
    call("export_labels", [(scene.classes[0].id, triangle)], grid, scene.classes, "drawn.gpkg")
    call("export_onnx", "run", "model.onnx")
    call("export_polygons", "map.tif", "areas.gpkg")
    call("export_qgis", "map.tif", "project", run="run")
    call("export_stac", "map.tif", "item.json")
    with call("create_raster", "new.tif", height=1, width=1, count=1, dtype="uint8") as writer:
        writer.write(np.ones((1, 1, 1), np.uint8))
    with call("open_raster", "tiny/sar.tif", root="tiny") as dataset:
        assert dataset.count == 2
    assert call("describe_raster", "tiny/sar.tif", root="tiny").count == 2
    call("aligned_reader", "tiny/sar.tif")
    assert set(call("label_values", "tiny/train.tif")) == {"1", "4", "9"}
    labels = gx.LabelsConfig(file="train.tif")
    found = call("read_labels", labels, "tiny/train.tif", grid, scene.classes, whole)
    assert found.shape == (SIDE, SIDE)
    assert call("open_layer", "area.geojson").columns == ("class",)
    aligned = call(
        "align_scene", "aligned", reference="tiny/sar.tif", modalities={"hsi": "tiny/hsi.tif"},
        labels={"train": "tiny/train.tif", "test": "tiny/test.tif"}, classes="tiny/scene.toml",
    )  # fmt: skip
    assert aligned.classes == scene.classes
    call("write_config", call("read_config", "tiny"), "copied")
    rng = np.random.default_rng(0)
    np.save("x.npy", rng.normal(size=(400, 2)))
    np.save("y.npy", np.load("x.npy") + rng.normal(size=(400, 2)))
    np.save("blocks.npy", np.repeat(np.arange(20), 20))
    call(
        "save_study",
        call("correlate_arrays", "x.npy", "y.npy", blocks="blocks.npy", samples=400),
        "dependence",
    )
    with pytest.raises(gx.GeoXmodalError, match=r"nothing\.npy"):
        call("compare_objectives", "x.npy", "nothing.npy", "labels.npy", blocks="blocks.npy", test="test.npy")
    call("compare_methods", scene, "comparison", gx.CompareRequest(methods=("svm",), seeds=1))
    call("simulate_scene", "made", "berlin", 64, 64)
    with pytest.raises(gx.GeoXmodalError, match=r"nothing\.csv"):
        call("simulate_sensor", "sensor", "tiny/hsi.tif", "nothing.csv")
    Path("copy").mkdir()
    with pytest.raises(gx.GeoXmodalError, match="copy"):
        call("import_scene", "berlin", "copy", "imported")
    bands = gx.SensorColumns(bands=("VV",), kind="sar")
    with pytest.raises(gx.GeoXmodalError, match=r"nothing\.csv"):
        call("import_points", "nothing.csv", "points", gx.PointsRequest(target=bands, label="class"))
    assert called >= {name for name, parameters in PUBLIC.items() if parameters}
