"""The plugin in a real QGIS: every algorithm, results with their style, cancel, and what users get wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas
import psutil
import pytest
import rasterio
import rasterio.shutil
import shapely
from rasterio.windows import Window

import geo_xmodal as gx
from geo_xmodal.commands import app
from geo_xmodal.version import VERSION
from tests.app.journey import cut
from tests.app.qgis.conftest import Qgis
from tests.conftest import REPOSITORY

SAMPLE = REPOSITORY / "sample_scenes" / "berlin"
MODEL = "berlin-sar-hgr"
ROWS = 128
PART = Window(0, 200, 240, 160)
LAYERS = {
    "selected": {"where": "class_id = 1"},
    "memory": {"memory": True},
    "filter": {"filter": "class_id = 1"},
}
"""Layers of which the command cannot read the file, or not all of it."""

Answers = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of the sample scene with training and test pixels, where QGIS may leave its sidecars."""
    folder = tmp_path_factory.mktemp("berlin")
    for name in ("sar", "train", "test"):
        cut(SAMPLE / f"{name}.tif", folder / f"{name}.tif", PART)
    shutil.copy(SAMPLE / "hsi.tif", folder)
    return folder


@pytest.fixture(scope="module")
def preparing(qgis: Qgis, scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """Simulate, Align and Train."""
    out = tmp_path_factory.mktemp("preparing")
    virtual = out / "virtual.vrt"
    rasterio.shutil.copy(scene / "sar.tif", virtual, driver="VRT")
    aligned = {
        "REFERENCE": scene / "sar.tif",
        "TARGET_KIND": "sar",
        "HSI": [str(scene / "hsi.tif")],
        "TRAIN_LABELS": scene / "train.tif",
        "TEST_LABELS": scene / "test.tif",
        "NAME": "from-QGIS",
        "OUTPUT": out / "aligned",
    }
    trained = {
        "SCENE": out / "aligned",
        "METHOD": "hgr",
        "EPOCHS": 1,
        "SETTINGS": "unlabelled=500 teachers=1",
        "SEED": 1,
    }
    return qgis.steps(
        out,
        [
            _step(
                "simulate",
                "run",
                "simulate",
                {"ROWS": 64, "COLS": 72, "SEED": 3, "OUTPUT": out / "simulated"},
            ),
            _step("align", "run", "align", aligned),
            _step("train", "run", "train", {**trained, "OUTPUT": "TEMPORARY_OUTPUT"}),
            _step(
                "map of it",
                "run",
                "map",
                {
                    "INPUT": virtual,
                    "MODEL": {"of": "train", "output": "MODEL"},
                    "OUTPUT": "TEMPORARY_OUTPUT",
                },
            ),
            _step(
                "evaluate it",
                "run",
                "evaluate",
                {
                    "MAP": {"of": "map of it", "output": "OUTPUT"},
                    "REFERENCE": scene / "test.tif",
                    "OUTPUT": "TEMPORARY_OUTPUT",
                },
            ),
            _step(
                "export it",
                "run",
                "export",
                {
                    "TO": "stac",
                    "MODEL": {"of": "train", "output": "OUTPUT"},
                    "OUTPUT": "TEMPORARY_OUTPUT",
                },
            ),
        ],
    )


@pytest.fixture(scope="module")
def answers(qgis: Qgis, scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """Map, Evaluate and Export, and every mistake."""
    out = tmp_path_factory.mktemp("out")
    nowhere = _corner(scene / "sar.tif", out / "nowhere.tif", crs=None)
    two = _two_layers(scene / "sar.tif", out / "two.gpkg")
    drawn, polygons_file = (
        str(_two_sizes(scene / "sar.tif", out / "drawn.gpkg")),
        str(out / "export" / "map.gpkg"),
    )
    loud = _corner(scene / "sar.tif", out / "loud.tif", times=1e4)
    mapped = {"INPUT": scene / "sar.tif", "MODEL": MODEL, "OUTPUT": out / "x.tif"}
    only = {**mapped, "ENTROPY": True, "OUTPUT": "TEMPORARY_OUTPUT"}
    evaluated = {"MAP": out / "map.tif", "REFERENCE": scene / "test.tif", "OUTPUT": out / "evaluated"}
    polygons = {"TO": "gpkg", "MAP": out / "map.tif", "MMU": 0.5, "OUTPUT": out / "export"}
    by_vector = {"MAP": out / "map.tif", "REFERENCE": out / "export" / "map.gpkg", "OUTPUT": out / "x"}
    by_layer = {**by_vector, "REFERENCE_COLUMN": "class_id", "OUTPUT": "TEMPORARY_OUTPUT"}
    return qgis.steps(
        out,
        [
            _step("map", "load", "map", {**mapped, "PROBABILITY": True, "OUTPUT": out / "map.tif"}),
            _step("evaluate", "model", "evaluate", evaluated),
            _step("export", "run", "export", polygons),
            _step("other values", "run", "map", {**mapped, "INPUT": loud}),
            _step(
                "any values",
                "run",
                "map",
                {
                    **mapped,
                    "INPUT": loud,
                    "ANY_VALUES": True,
                    "AREA": f"{two}|layername=west",
                    "SHARES": "labels",
                    "OUTPUT": out / "part.tif",
                },
            ),
            _step("area", "run", "map", {**only, "AREA": {"layer": drawn, "where": "kind = 'small'"}}),
            *(
                _step(
                    name, "run", "evaluate", {**by_layer, "REFERENCE": {"layer": polygons_file, **features}}
                )
                for name, features in LAYERS.items()
            ),
            _step("two shares", "run", "map", {**mapped, "SHARES": "equal", "AREAS": out / "areas.csv"}),
            _step("no CRS", "run", "map", {**mapped, "INPUT": nowhere}),
            _step("nothing to map", "run", "map", {"MODEL": MODEL, "OUTPUT": out / "x.tif"}),
            _step("nothing to align", "run", "align", {"REFERENCE": scene / "sar.tif", "OUTPUT": out / "x"}),
            _step("no column", "run", "evaluate", by_vector),
            _step("no map to export", "run", "export", {"TO": "gpkg", "OUTPUT": out / "x"}),
        ],
    )


def test_simulates(preparing: Answers) -> None:
    result = preparing["simulate"]["result"]
    assert Path(result["OUTPUT"], "scene.toml").is_file()
    with rasterio.open(result["TARGET"]) as target:
        assert target.shape == (64, 72)


def test_aligns(preparing: Answers) -> None:
    folder = Path(preparing["align"]["result"]["OUTPUT"])
    text = (folder / "scene.toml").read_text(encoding="utf-8")
    assert 'name = "from-QGIS"' in text
    assert "[modalities.hsi]" in text and "[labels.test]" in text


def test_trains(preparing: Answers) -> None:
    told = preparing["train"]
    assert "card.json" in told["files"]["MODEL"]["names"]
    assert "REPORT" in told["files"]
    assert 0 < told["result"]["OA"] <= 1


def test_progress_and_lines_reach_the_dialog(preparing: Answers) -> None:
    told = preparing["train"]
    assert 100 in told["percent"]
    kinds = dict(told["said"])
    assert any(kind == "progress" and "hgr, tested" in text for kind, text in told["said"])
    assert "--set unlabelled=500 --set teachers=1" in kinds["command"]
    assert any(kind == "info" and text.startswith("scene from-QGIS (real)") for kind, text in told["said"])
    # plugin and command are of one version
    warned = [text for kind, text in told["said"] if kind == "warning"]
    assert all(text.startswith(("assumed: ", "note: ")) for text in warned), warned


def test_maps_and_loads_with_style(answers: Answers) -> None:
    told = answers["map"]
    layers = told["layers"]
    classes = layers["Land-cover map"]["classes"]
    assert [1, "Forest", "#1b7837"] in classes and len(classes) == 8
    assert layers["Land-cover map"]["renderer"] == "paletted"
    assert layers["Probability of the class"]["renderer"] == "singlebandpseudocolor"
    assert layers["Probability of the class"]["source"] == told["result"]["PROBABILITY_OUTPUT"]


def test_evaluates_in_a_model(answers: Answers) -> None:
    folder = Path(answers["evaluate"]["result"]["child:made"])
    assert 0.3 < json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["oa"] < 1


def test_exports(answers: Answers) -> None:
    result = answers["export"]["result"]
    assert result["FILE"] == result["POLYGONS"] and result["FILE"].endswith("map.gpkg")
    assert Path(result["FILE"]).is_file()


def test_values_that_the_model_never_saw_are_mapped_on_request_within_polygons(answers: Answers) -> None:
    told = answers["any values"]
    with rasterio.open(told["result"]["OUTPUT"]) as dataset:
        assert dataset.shape == (20, 30)
        assert json.loads(dataset.tags()["CLASS_SHARES"])["choice"] == "labels"
    warned = [text for kind, text in told["said"] if kind == "warning"]
    assert any(text.startswith("note: ") and "mapped nevertheless" in text for text in warned)
    assert any("loud.tif" in text and "bands are taken by their place" in text for text in warned)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ("two shares", ["Give either 'equal' or a table of known areas"]),
        ("other values", ["outside of the model's range", "('Map values outside of the model's ranges')"]),
        ("no CRS", ["'nowhere'", "no coordinate reference system", "Assign Projection"]),
        ("nothing to map", ["either a raster or a scene"]),
        ("nothing to align", ["another sensor beside the reference"]),
        ("no column", ["choose which", "class_id"]),
        ("no map to export", ["choose a land-cover map"]),
    ],
)
def test_mistakes_are_told(answers: Answers, mistake: str, words: list[str]) -> None:
    told = answers[mistake]
    assert "error" in told, told
    for word in words:
        assert word in told["error"]
    assert "\n" not in told["error"]


def test_temporary_outputs_are_one_place(preparing: Answers) -> None:
    """The folder that a run writes to is the one that it tells of, so that one goes on from it."""
    trained = preparing["train"]["result"]
    assert Path(trained["OUTPUT"], "model") == Path(trained["MODEL"])
    for name in ("train", "map of it", "evaluate it", "export it"):
        assert "error" not in preparing[name], preparing[name]["error"]
    assert preparing["map of it"]["files"]["OUTPUT"]["shape"] == [160, 240]
    assert "metrics.json" in preparing["evaluate it"]["files"]["OUTPUT"]["names"]
    assert "FILE" in preparing["export it"]["files"]


def test_an_area_is_the_selected_polygons(answers: Answers) -> None:
    told = answers["area"]
    assert "error" not in told, told["error"]
    assert told["files"]["OUTPUT"]["shape"] == [20, 30]
    assert "ENTROPY_OUTPUT" in told["files"]
    assert any(kind == "info" and "is copied to" in text for kind, text in told["said"])


@pytest.mark.parametrize("what", LAYERS)
def test_layers_that_are_no_files_are_copied(answers: Answers, what: str) -> None:
    told = answers[what]
    assert "error" not in told, told["error"]
    metrics = told["files"]["OUTPUT"]["metrics"]
    found = [one["id"] for one in metrics["per_class"] if one["support"]]
    assert found == [1] if what != "memory" else 1 in found and len(found) > 1
    assert any(kind == "info" and "is copied to" in text for kind, text in told["said"])


def test_a_virtual_raster_is_mapped_through_a_copy(preparing: Answers) -> None:
    told = preparing["map of it"]
    assert "error" not in told, told["error"]
    assert any("layer 'virtual' is copied" in text for _, text in told["said"])


def test_parameters_are_those_of_the_command(qgis: Qgis) -> None:
    done = qgis.ask("help", "geo_xmodal:map")
    for one in gx.REQUESTS["map"].describe().values():
        if "forms" in one.option.surfaces and one.name != "out":
            assert f"\n{one.name.upper()}: {one.option.label}" in done.stdout
    assert "- 2: int8" in done.stdout


def test_qgis_process_makes_the_bytes_of_the_command_line(qgis: Qgis, scene: Path, tmp_path: Path) -> None:
    raster = _corner(scene / "sar.tif", tmp_path / "sar.tif")
    done = qgis.run(
        "geo_xmodal:map", f"INPUT={raster}", f"MODEL={MODEL}", "WINDOW=64", f"OUTPUT={tmp_path / 'qgis.tif'}"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    words = [
        "map",
        "--model",
        MODEL,
        "--input",
        str(raster),
        "--window",
        "64",
        "--out",
        str(tmp_path / "cli.tif"),
    ]
    assert app.run([*words, "--json"]) == 0
    assert (tmp_path / "qgis.tif").read_bytes() == (tmp_path / "cli.tif").read_bytes()


def test_cancel_leaves_no_process(qgis: Qgis, scene: Path, tmp_path: Path) -> None:
    raster = _repeated(scene / "sar.tif", tmp_path / "large.tif", times=10)
    values = {"INPUT": raster, "MODEL": MODEL, "WINDOW": 64, "WORKERS": 2, "OUTPUT": tmp_path / "map.tif"}
    told = qgis.steps(tmp_path, [_step("cancelled", "cancel", "map", values)])["cancelled"]
    assert ["info", "stopped: no process of geo-xmodal is left"] in told["said"]
    assert not (tmp_path / "map.tif").exists()
    left = [process for process in psutil.process_iter(["cmdline"]) if str(raster) in _words(process)]
    assert left == []


def test_missing_environment_is_told(qgis: Qgis, scene: Path, tmp_path: Path) -> None:
    parameters = (f"INPUT={scene / 'sar.tif'}", f"MODEL={MODEL}", f"OUTPUT={tmp_path / 'x.tif'}")
    done = qgis.run("geo_xmodal:map", *parameters, command=None)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "the command geo-xmodal was not found" in said
    assert "Settings > Options > Processing > Providers > geo_xmodal" in said


def test_other_version_is_told(qgis: Qgis, scene: Path, tmp_path: Path) -> None:
    program = tmp_path / "geo-xmodal"
    program.write_text(
        "#!/bin/sh\n[ $1 = --version ] && exec echo geo-xmodal 9.9.9\necho error: no >&2; exit 2\n"
    )
    program.chmod(0o755)
    parameters = (f"INPUT={scene / 'sar.tif'}", f"MODEL={MODEL}", f"OUTPUT={tmp_path / 'x.tif'}")
    done = qgis.run("geo_xmodal:map", *parameters, command=str(program))
    assert f"geo-xmodal is version 9.9.9, this plugin was made for {VERSION}" in done.stdout + done.stderr


def _words(process: psutil.Process) -> str:
    return " ".join(process.info["cmdline"] or [])


def _step(name: str, do: str, algorithm: str, parameters: dict[str, Any]) -> dict[str, Any]:
    plain = {key: str(value) if isinstance(value, Path) else value for key, value in parameters.items()}
    return {"name": name, "do": do, "algorithm": f"geo_xmodal:{algorithm}", "parameters": plain}


def _corner(source: Path, out: Path, times: float = 1, **profile: Any) -> Path:
    with rasterio.open(source) as dataset:
        pixels = dataset.read(window=((0, ROWS), (0, ROWS))) * np.float32(times)
        settings = {
            "driver": "GTiff",
            "count": dataset.count,
            "dtype": dataset.dtypes[0],
            "nodata": dataset.nodata,
        }
        settings |= {"crs": dataset.crs, "transform": dataset.transform}
    with rasterio.open(out, "w", height=ROWS, width=ROWS, **settings | profile) as dataset:
        dataset.write(pixels)
    return out


def _two_layers(raster: Path, out: Path) -> Path:
    """Boxes of 20 x 30 and 30 x 40 pixels."""
    with rasterio.open(raster) as dataset:
        transform, crs = dataset.transform, dataset.crs
    for layer, col, rows, cols in (("west", 10, 20, 30), ("east", 200, 30, 40)):
        corners = [
            transform @ place
            for place in ((col, 5), (col + cols, 5), (col + cols, 5 + rows), (col, 5 + rows))
        ]
        frame = geopandas.GeoDataFrame(geometry=[shapely.Polygon(corners)], crs=crs)
        frame.to_file(out, layer=layer, driver="GPKG")
    return out


def _two_sizes(raster: Path, out: Path) -> Path:
    """Two boxes in one layer: 20 x 30 pixels (small), and 30 x 40 (large)."""
    layers = [geopandas.read_file(_two_layers(raster, out), layer=name) for name in ("west", "east")]
    out.unlink()
    frame = pandas.concat(layers).assign(kind=["small", "large"])
    frame.to_file(out, layer="boxes", driver="GPKG")
    return out


def _repeated(source: Path, out: Path, times: int) -> Path:
    with rasterio.open(source) as dataset:
        pixels = np.tile(dataset.read(), (1, times, times))
        size = {"height": pixels.shape[1], "width": pixels.shape[2]}
        profile = dataset.profile | size | {"compress": None}
    with rasterio.open(out, "w", **profile) as dataset:
        dataset.write(pixels)
    return out
