"""The plugin in a real QGIS: every algorithm, results with their style, cancel, and what users get wrong."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import geopandas
import numpy as np
import pandas
import psutil
import pytest
import rasterio
import rasterio.shutil
import rasterio.warp
import shapely
from PIL import Image
from rasterio.windows import Window

import geo_xmodal as gx
from geo_xmodal.version import VERSION
from tests.app.journey import cut
from tests.app.qgis.conftest import COMMAND, Qgis
from tests.conftest import REPOSITORY
from tests.waiting import wait_until

SAMPLE = REPOSITORY / "sample_scenes" / "berlin"
MODEL = "berlin-sar-hgr"
ROWS = 128
PART = Window(0, 200, 240, 160)
LAYERS = {
    "selected": {"where": "kind = 'small'"},
    "memory": {"memory": True},
    "filter": {"filter": "kind = 'small'"},
}
"""Layers of which the command cannot read the file, or not all of it."""

REFUSING = """#!/bin/sh
[ $1 = --version ] && exec echo geo-xmodal {version}
echo '{{"event": "error", "parts": ["no: ", {{"option": "any_values", "value": ""}}], "status": 2}}' >&2
exit 2
"""
"""A program that refuses everything, at no cost: what it was asked is in the log."""

COMPARED = {
    "SCENE": "berlin",
    "METHODS": ["svm", "cca"],
    "STUDY": ["noise"],
    "SEEDS": 3,
    "SETTINGS": "patch=7 noise=0.2",
    "PRECISION": "bf16",
    "OUTPUT": "/nowhere/compared",
}

Answers = dict[str, dict[str, Any]]

pytestmark = pytest.mark.timeout(1800)  # real commands in one QGIS, on machines that do much else


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of the sample scene with training and test pixels, where QGIS may leave its sidecars."""
    folder = tmp_path_factory.mktemp("berlin")
    for name in ("sar", "train", "test"):
        cut(SAMPLE / f"{name}.tif", folder / f"{name}.tif", PART)
    shutil.copy(SAMPLE / "hsi.tif", folder)
    return folder


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def answers(qgis: Qgis, scene: Path, out: Path) -> Answers:
    """Everything that is tried, in one QGIS."""
    small, loud = _corner(scene / "sar.tif", out / "small.tif"), out / "loud.tif"
    _corner(scene / "sar.tif", loud, times=1e4)
    _corner(scene / "sar.tif", out / "nowhere.tif", crs=None)
    rasterio.shutil.copy(small, out / "virtual.vrt", driver="VRT")
    two = _two_layers(small, out / "two.gpkg")
    drawn = str(_two_sizes(small, out / "drawn.gpkg"))
    tiles = {"layer": _tiles(small, out / "tiles"), "service": True}
    refusing, older = _program(out / "refusing", VERSION), _program(out / "older", "9.9.9")

    mapped = {"INPUT": small, "MODEL": MODEL, "ENGINE": "torch", "OUTPUT": out / "x.tif"}
    evaluated = {"MAP": out / "map.tif", "REFERENCE_COLUMN": "class_id", "OUTPUT": out / "evaluated"}
    aligned = {
        "REFERENCE": scene / "sar.tif",
        "TARGET_KIND": "sar",
        "HSI": [str(scene / "hsi.tif")],
        "TRAIN_LABELS_RASTER": scene / "train.tif",
        "TEST_LABELS_RASTER": scene / "test.tif",
        "NAME": "from-QGIS",
        "OUTPUT": out / "aligned",
    }
    trained = {
        "METHOD": "hgr",
        "EPOCHS": 1,
        "SETTINGS": "unlabelled=300 teachers=1",
    }
    polygons = {"TO": "gpkg", "MAP": out / "map.tif", "MMU": 0.5, "OUTPUT": out / "export"}
    renamed = {"TO": "geotiff", "MAP": out / "map.tif", "RECLASS": "Forest=Trees", "OUTPUT": out / "export"}
    steps = [
        _step("forms", "forms", "", {"RASTER": small, "POLYGONS": drawn}),
        _step(
            "simulate", "run", "simulate", {"ROWS": 64, "COLS": 72, "SEED": 3, "OUTPUT": out / "simulated"}
        ),
        _step("align", "run", "align", aligned),
        {
            "name": "model",
            "do": "model",
            "children": [
                ["train", "geo_xmodal:train", {"SCENE": str(out / "aligned"), **trained}],
                [
                    "map",
                    "geo_xmodal:map",
                    {
                        "INPUT": str(scene / "sar.tif"),
                        "MODEL": {"of": "train", "output": "MODEL"},
                        "ENGINE": "torch",
                    },
                ],
                [
                    "evaluate",
                    "geo_xmodal:evaluate",
                    {
                        "MAP": {"of": "map", "output": "OUTPUT"},
                        "REFERENCE_RASTER": str(scene / "test.tif"),
                    },
                ],
                [
                    "export",
                    "geo_xmodal:export",
                    {"TO": "stac", "MODEL": {"of": "train", "output": "OUTPUT"}},
                ],
            ],
        },
        _step("map", "dialog", "map", {**mapped, "PROBABILITY": True, "OUTPUT": out / "map.tif"}, opens=True),
        _step("cancelled", "dialog", "map", {**mapped, "WINDOW": 16, "WORKERS": 2}, cancels=True),
        _step("polygons", "run", "export", polygons),
        _step("renamed", "dialog", "export", renamed),
        _step(
            "evaluate",
            "run",
            "evaluate",
            {**evaluated, "REFERENCE": {"layer": str(out / "export" / "map.gpkg"), "where": "class_id = 1"}},
        ),
        _step(
            "within polygons",
            "run",
            "map",
            {
                **mapped,
                "INPUT": loud,
                "ANY_VALUES": True,
                "ENTROPY": True,
                "AREA": {"layer": drawn, **LAYERS["selected"]},
                "SHARES": "labels",
                "OUTPUT": "TEMPORARY_OUTPUT",
            },
        ),
        *(
            _step(name, "run", "map", {**mapped, "AREA": {"layer": drawn, **of}}, program=refusing)
            for name, of in LAYERS.items()
        ),
        _step("one layer", "run", "map", {**mapped, "AREA": f"{two}|layername=west"}, program=refusing),
        _step("virtual", "run", "map", {**mapped, "INPUT": out / "virtual.vrt"}, program=refusing),
        _step(
            "service within polygons",
            "run",
            "map",
            {**mapped, "INPUT": tiles, "AREA": drawn},
            program=refusing,
        ),
        _step(
            "service beside a raster",
            "run",
            "align",
            {"REFERENCE": small, "MSI": tiles, "OUTPUT": out / "x"},
            program=refusing,
        ),
        _step("options", "run", "compare", COMPARED, program=refusing),
        _step("service of the world", "run", "map", {**mapped, "INPUT": tiles}),
        _step("two shares", "run", "map", {**mapped, "SHARES": "equal", "AREAS": out / "areas.csv"}),
        _step("no CRS", "run", "map", {**mapped, "INPUT": out / "nowhere.tif"}),
        _step("nothing to map", "run", "map", {"MODEL": MODEL, "OUTPUT": out / "x.tif"}),
        _step("nothing to align", "run", "align", {"REFERENCE": small, "OUTPUT": out / "x"}),
        _step("no column", "run", "evaluate", {"MAP": small, "REFERENCE": drawn, "OUTPUT": out / "x"}),
        _step("no reference", "run", "evaluate", {"MAP": small, "OUTPUT": out / "x"}),
        _step(
            "two references",
            "run",
            "evaluate",
            {
                "MAP": small,
                "REFERENCE": drawn,
                "REFERENCE_COLUMN": "kind",
                "REFERENCE_RASTER": scene / "test.tif",
                "OUTPUT": out / "x",
            },
        ),
        _step("no map to export", "run", "export", {"TO": "gpkg", "OUTPUT": out / "x"}),
        _step("refused", "run", "map", mapped, program=refusing),
        _step("no program", "run", "map", mapped, program=""),
        _step("other version", "run", "map", mapped, program=older),
    ]
    return qgis.steps(out, steps)


def test_a_dialog_for_every_command_has_all_of_its_options(answers: Answers) -> None:
    forms = answers["forms"]["forms"]
    assert set(forms) == set(gx.REQUESTS)
    for name, request in gx.REQUESTS.items():
        options = [one for one in request.describe().values() if "forms" in one.option.surfaces]
        named = {"out": "OUTPUT", "set": "SETTINGS"}
        wanted = {named.get(one.name, one.name.upper()) for one in options}
        assert wanted <= set(forms[name]["widgets"]), name
        place = urlparse(forms[name]["address"])
        page = Path(place.path).read_text(encoding="utf-8")
        assert f'id="{place.fragment}"' in page and place.fragment == name


def test_simulates(answers: Answers) -> None:
    result = answers["simulate"]["result"]
    assert Path(result["OUTPUT"], "scene.toml").is_file()
    with rasterio.open(result["TARGET"]) as target:
        assert target.shape == (64, 72)


def test_aligns(answers: Answers) -> None:
    folder = Path(answers["align"]["result"]["OUTPUT"])
    text = (folder / "scene.toml").read_text(encoding="utf-8")
    assert 'name = "from-QGIS"' in text
    assert "[modalities.hsi]" in text and "[labels.test]" in text


def test_a_model_goes_from_training_to_an_evaluated_map_with_temporary_outputs(answers: Answers) -> None:
    """The folder that a run writes to is the one that it tells of, so that one goes on from it."""
    assert "error" not in answers["model"], answers["model"]["error"]
    children = answers["model"]["children"]
    trained = children["train"]
    assert Path(trained["result"]["OUTPUT"], "model") == Path(trained["result"]["MODEL"])
    assert "card.json" in trained["files"]["MODEL"]["names"] and "REPORT" in trained["files"]
    assert 0 < trained["result"]["OA"] <= 1
    assert children["map"]["files"]["OUTPUT"]["shape"] == [160, 240]
    evaluated = children["evaluate"]
    assert evaluated["files"]["OUTPUT"]["metrics"]["oa"] == evaluated["result"]["OA"]
    assert "FILE" in children["export"]["files"]


def test_progress_and_lines_reach_the_dialog(answers: Answers) -> None:
    told = answers["model"]
    assert 100 in told["percent"]
    assert any(kind == "progress" and "hgr, tested" in text for kind, text in told["said"])
    commands = [text for kind, text in told["said"] if kind == "command"]
    assert any("--set unlabelled=300 --set teachers=1" in text for text in commands)
    assert any(kind == "info" and text.startswith("scene from-QGIS (real)") for kind, text in told["said"])
    # plugin and command are of one version
    warned = [text for kind, text in told["said"] if kind == "warning"]
    assert all(text.startswith(("assumed: ", "note: ")) for text in warned), warned


def test_the_panel_shows_what_was_trained(answers: Answers) -> None:
    assert answers["plugin"] == {"menu": {"geo_xmodal": "Which sensor helped"}, "menu afterwards": []}
    assert answers["align"]["panel"] is None
    panel = answers["model"]["panel"]
    assert panel.startswith("hgr on from-QGIS: maps from sar, trained with hsi")
    assert "train with 'Controls' to know" in panel
    assert "Map from sar alone" in panel


def test_a_dialog_maps_and_loads_layers_with_their_style(answers: Answers) -> None:
    told = answers["map"]
    assert told["ran"], told["log"]
    assert "left" in told["log"]
    layers = told["layers"]
    classes = layers["Land-cover map"]["classes"]
    assert [1, "Forest", "#1b7837"] in classes and len(classes) == 8
    assert layers["Land-cover map"]["renderer"] == "paletted"
    assert layers["Probability of the class"]["renderer"] == "singlebandpseudocolor"
    assert layers["Probability of the class"]["source"] == told["result"]["PROBABILITY_OUTPUT"]


def test_cancel_in_the_dialog_leaves_no_process(answers: Answers, qgis: Qgis, out: Path) -> None:
    told = answers["cancelled"]
    assert "stopped: no process of geo-xmodal is left" in told["log"]
    assert not told["ran"] and not told["layers"]
    assert not (out / "x.tif").exists()
    # whatever QGIS started, processes of processes too, has its home
    wait_until(lambda: not any(_home(one) == str(qgis.profile) for one in psutil.process_iter()))


def test_exports_are_loaded_with_their_style(answers: Answers) -> None:
    result = answers["polygons"]["result"]
    assert result["FILE"] == result["POLYGONS"] and Path(result["FILE"]).name == "map.gpkg"
    assert Path(result["FILE"]).is_file()
    told = answers["renamed"]
    (layer,) = told["layers"].values()
    assert layer["source"] == told["result"]["RASTER"] == told["result"]["FILE"]
    assert [1, "Trees", "#1b7837"] in layer["classes"]


def test_evaluates_by_the_selected_features_of_a_layer(answers: Answers) -> None:
    told = answers["evaluate"]
    assert "error" not in told, told["error"]
    metrics = told["files"]["OUTPUT"]["metrics"]
    assert [one["id"] for one in metrics["per_class"] if one["support"]] == [1]


def test_values_that_the_model_never_saw_are_mapped_on_request_within_polygons(answers: Answers) -> None:
    told = answers["within polygons"]
    assert "error" not in told, told["error"]
    assert told["files"]["OUTPUT"]["shape"] == [20, 30]
    assert "ENTROPY_OUTPUT" in told["files"]
    warned = [text for kind, text in told["said"] if kind == "warning"]
    assert any(text.startswith("note: ") and "mapped nevertheless" in text for text in warned)
    assert any("loud.tif" in text and "bands are taken by their place" in text for text in warned)


@pytest.mark.parametrize(("what", "features"), [("selected", 1), ("memory", 2), ("filter", 1)])
def test_layers_that_are_no_files_are_copied(answers: Answers, what: str, features: int) -> None:
    (copy,) = answers[what]["copies"].values()
    assert copy["features"] == features and "kind" in copy["columns"]
    (area,) = _given(answers[what], "--area")
    assert area.endswith(".gpkg:features")


def test_a_virtual_raster_is_mapped_through_a_copy(answers: Answers) -> None:
    assert answers["virtual"]["copies"] == {"virtual": {"shape": [4, ROWS, ROWS]}}


def test_a_service_is_copied_where_the_other_layers_lie(answers: Answers) -> None:
    # polygons of 230 x 30 pixels of 13.89 m in tiles of 9.55 m, stretched by 1 / cos(52.5 degrees)
    for what, shape in (("service within polygons", (72, 549)), ("service beside a raster", (ROWS, ROWS))):
        told = answers[what]
        bands, rows, cols = told["copies"]["tiles"]["shape"]
        # red, green, blue, alpha; north of the two grids is not quite the same
        assert bands == 4 and abs(rows - shape[0]) < 20 and abs(cols - shape[1]) < 20
        assert any(kind == "warning" and "its colours from 0 to 255" in text for kind, text in told["said"])
    assert _given(answers["service beside a raster"], "--copy", flag=True)


def test_lists_and_settings_become_options(answers: Answers) -> None:
    told = answers["options"]
    assert _given(told, "--methods") == ["svm,cca"]
    assert _given(told, "--study") == ["noise"]
    assert _given(told, "--seeds") == ["3"]
    assert _given(told, "--set") == ["patch=7", "noise=0.2"]
    assert _given(told, "--precision") == ["bf16"]
    assert _given(told, "--means") == []


def test_one_layer_of_a_file_is_named(answers: Answers, out: Path) -> None:
    assert _given(answers["one layer"], "--area") == [f"{out / 'two.gpkg'}:west"]


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ("two shares", ["Give either 'equal' or a table of known areas"]),
        ("refused", ["no: 'Map values outside of the model's ranges'"]),
        ("no CRS", ["'nowhere'", "no coordinate reference system", "Assign Projection"]),
        ("service of the world", ["'tiles' is a service", "at most 25 million", "polygons to map within"]),
        ("nothing to map", ["either a raster or a scene"]),
        ("nothing to align", ["another sensor beside the reference"]),
        ("no column", ["choose which", "kind"]),
        ("no reference", ["Reference labels: choose features with a column of classes, or a raster"]),
        ("two references", ["Reference labels: choose features or a raster, not both"]),
        ("no map to export", ["choose a land-cover map"]),
        (
            "no program",
            ["geo-xmodal was not found", "Settings > Options > Processing > Providers > geo_xmodal"],
        ),
    ],
)
def test_mistakes_are_told(answers: Answers, mistake: str, words: list[str]) -> None:
    told = answers[mistake]
    assert "error" in told, told
    for word in words:
        assert word in told["error"]
    assert "\n" not in told["error"]


def test_other_version_is_told(answers: Answers) -> None:
    warned = [text for kind, text in answers["other version"]["said"] if kind == "warning"]
    assert any(f"geo-xmodal is version 9.9.9, this plugin was made for {VERSION}" in text for text in warned)


def test_qgis_process_dialog_and_command_line_are_one(qgis: Qgis, answers: Answers, out: Path) -> None:
    values = {"INPUT": out / "small.tif", "MODEL": MODEL, "ENGINE": "torch", "OUTPUT": out / "again.tif"}
    done = qgis.run("geo_xmodal:map", *(f"{name}={value}" for name, value in values.items()))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (out / "again.tif").read_bytes() == (out / "map.tif").read_bytes()
    words = ["map", "--model", MODEL, "--out", str(out / "again.tif"), "--input", str(out / "small.tif")]
    assert shlex.join([str(COMMAND), *words, "--engine", "torch"]) in done.stdout


def _home(process: psutil.Process) -> str:
    try:
        return process.environ().get("HOME", "")
    except psutil.Error:  # it has ended, or is another user's
        return ""


def _given(told: dict[str, Any], option: str, flag: bool = False) -> list[str]:
    """The values of an option on the command line in the log."""
    (line,) = [text for kind, text in told["said"] if kind == "command" and "geo-xmodal" in text]
    words = shlex.split(line)
    return [words[k if flag else k + 1] for k, word in enumerate(words) if word == option]


def _program(folder: Path, version: str) -> Path:
    folder.mkdir()
    program = folder / "geo-xmodal"
    program.write_text(REFUSING.format(version=version), encoding="utf-8")
    program.chmod(0o755)
    return program


def _step(name: str, do: str, algorithm: str, parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    plain = {key: str(value) if isinstance(value, Path) else value for key, value in parameters.items()}
    more = {key: str(value) if isinstance(value, Path) else value for key, value in more.items()}
    return {"name": name, "do": do, "algorithm": f"geo_xmodal:{algorithm}", "parameters": plain, **more}


def _tiles(raster: Path, folder: Path) -> str:
    """A service of tiles of one colour around a raster, whose pixels of zoom 14 have 9.6 m."""
    with rasterio.open(raster) as dataset:
        left, bottom, right, top = rasterio.warp.transform_bounds(dataset.crs, "EPSG:3857", *dataset.bounds)
    side = 2 * 20037508.342789244 / 2**14
    for column in range(int((left + side * 2**13) / side), int((right + side * 2**13) / side) + 1):
        for row in range(int((side * 2**13 - top) / side), int((side * 2**13 - bottom) / side) + 1):
            place = folder / "14" / str(column) / f"{row}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (256, 256), (90, 120, 60)).save(place)
    return f"type=xyz&url=file://{folder}/{{z}}/{{x}}/{{y}}.png&zmin=14&zmax=14"


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
