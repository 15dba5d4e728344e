from __future__ import annotations

import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rio_cogeo import cog_validate

import geo_xmodal as gx
from geo_xmodal import bundle
from geo_xmodal.errors import OutputError, RasterError, UsageError
from geo_xmodal.types import LandClass, Window
from tests import rasters, tiny
from tests.export.conftest import CLASSES, Look, patchy, write_map
from tests.mapping.conftest import card_of, position_model

SIDE = tiny.SIDE
BACKGROUND = "#fe00fe"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> gx.Scene:
    return gx.open_scene(tiny.write_scene(tmp_path_factory.mktemp("scene")))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of a model whose classes are those of the scene, with the metrics of two seeds."""
    folder = tmp_path_factory.mktemp("run")
    model = position_model(3)
    card = card_of(model, tiny.IDS)
    entries = [
        entry.model_copy(update={"name": land.name, "color": land.color})
        for entry, land in zip(card.classes, CLASSES, strict=True)
    ]
    bundle.save(folder / "model", model, card.model_copy(update={"classes": tuple(entries)}))
    scores = [
        {"oa": 0.9, "aa": 0.8, "kappa": 0.7, "n": 1234},
        {"oa": 0.7, "aa": 0.6, "kappa": 0.5, "n": 1234},
    ]
    mean, sd = {"oa": 0.8, "aa": 0.7, "kappa": 0.6}, {"oa": 0.14, "aa": 0.14, "kappa": 0.14}
    metrics = {**mean, "n": 2468, "split": "test", "seeds": scores, "mean": mean, "sd": sd, "confusion": []}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


@pytest.fixture(scope="module")
def made(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map of the scene's grid whose stripes are known, with a corner of no data."""
    folder = tmp_path_factory.mktemp("map")
    index = np.searchsorted(tiny.IDS, tiny.truth()).astype(np.float32) + np.float32(0.01)  # 0 is no data
    index[:20, :20] = np.nan
    source = tiny.write_raster(folder / "input.tif", index)
    gx.map_scene(run, gx.aligned_reader(source, kind="sar"), folder / "map.tif", probability=True)
    return folder / "map.tif"


@pytest.fixture(scope="module")
def folder(made: Path, scene: gx.Scene, run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "for QGIS"
    told = gx.export_qgis(made, out, scene=scene, run=run)
    assert told.project == out / "project.qgz" and told.warnings == ()
    assert told.layers == (
        "Test labels",
        "Training labels",
        "Land cover",
        "Probability of the class",
        "sar (sar)",
        "hsi (hsi)",
    )
    return out


def expected_classes(legend: tuple[LandClass, ...] = CLASSES) -> list[list[Any]]:
    return [[entry.id, entry.name, entry.color] for entry in legend]


def place(row: float, col: float) -> tuple[float, float]:
    """Map coordinates of the middle of a pixel."""
    return tiny.WEST + (col + 0.5) * tiny.PIXEL, tiny.NORTH - (row + 0.5) * tiny.PIXEL


PIXELS = [(30, 30), (50, 60), (90, 10), (60, 83), (40, 5), (5, 5)]


def colors_there(ids: np.ndarray) -> list[str]:
    colors = {0: BACKGROUND} | {entry.id: entry.color for entry in CLASSES}
    return [colors[int(ids[pixel])] for pixel in PIXELS]


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return np.asarray(dataset.read(1))


def test_the_map_itself_opens_in_its_colours(made: Path, look: Look, tmp_path: Path) -> None:
    told = look(made, png=tmp_path / "map.png", side=SIDE * 3, points=[place(*pixel) for pixel in PIXELS])
    assert (told["valid"], told["crs"], told["renderer"], told["nodata"]) == (
        True,
        "EPSG:32633",
        "paletted",
        0,
    )
    assert told["classes"] == expected_classes()
    assert told["extent"] == [tiny.WEST, tiny.NORTH - 960, tiny.WEST + 960, tiny.NORTH]
    assert told["picture"]["colors"] == colors_there(read(made))
    assert BACKGROUND in told["picture"]["colors"]
    assert [one for one in told["gdal_classes"] if one[0] == 4] == [[4, CLASSES[1].name]]
    ids = read(made)
    assert told["statistics"] == pytest.approx([1, 9, ids[ids > 0].mean()], rel=1e-3)
    probability = look(made.with_name("map_probability.tif"))
    assert (probability["renderer"], probability["nodata"]) == ("singlebandpseudocolor", 255)
    assert [value for value, _ in probability["ramp"]] == [0, 25, 50, 75, 100]


def test_without_its_style_the_side_car_still_names_the_classes(
    made: Path, look: Look, tmp_path: Path
) -> None:
    for name in ("map.tif", "map.tif.aux.xml"):
        shutil.copy(made.with_name(name), tmp_path / name)
    told = look(tmp_path / "map.tif")
    assert told["renderer"] == "paletted"
    found = {int(one[0]): one[1:] for one in told["classes"]}
    assert {entry.id: found[entry.id] for entry in CLASSES} == {e.id: [e.name, e.color] for e in CLASSES}


def test_the_project_holds_everything_and_shows_the_map(
    folder: Path, made: Path, look: Look, tmp_path: Path
) -> None:
    told = look(
        folder / "project.qgz",
        png=tmp_path / "project.png",
        side=SIDE * 3,
        extent=[tiny.WEST, tiny.NORTH - 960, tiny.WEST + 960, tiny.NORTH],
        points=[place(*pixel) for pixel in PIXELS[:-1]],
    )
    assert told["read"] and told["crs"] == "EPSG:32633" and not told["absolute_paths"]
    assert [group["group"] for group in told["tree"]] == ["Labels", "Map", "Sensors"]
    shown = {one["layer"]: one["visible"] for group in told["tree"] for one in group["layers"]}
    assert shown == {
        "Test labels": False,
        "Training labels": False,
        "Land cover": True,
        "Probability of the class": False,
        "sar (sar)": True,
        "hsi (hsi)": True,
    }
    layers = {layer["name"]: layer for layer in told["layers"]}
    assert all(layer["valid"] and layer["crs"] == "EPSG:32633" for layer in layers.values())
    for name in ("Land cover", "Test labels", "Training labels"):
        assert layers[name]["renderer"] == "paletted" and layers[name]["nodata"] == 0
    assert layers["Land cover"]["classes"] == expected_classes()
    assert layers["Test labels"]["classes"][1] == [4, "Maize", "#117733"]
    assert layers["Probability of the class"]["renderer"] == "singlebandpseudocolor"
    assert layers["sar (sar)"]["bands"] == [1, 2, 1]
    assert layers["sar (sar)"]["abstract"] == "two polarisations, 4 looks"
    assert layers["hsi (hsi)"]["bands"] == [4, 3, 2]
    assert layers["hsi (hsi)"]["extent"][2] == tiny.WEST + tiny.HSI_COLUMNS * 10
    assert told["picture"]["colors"] == colors_there(read(made))[:-1]


def test_labels_are_what_training_sees(folder: Path, scene: gx.Scene) -> None:
    for split in ("train", "test"):
        np.testing.assert_array_equal(
            read(folder / "labels" / f"{split}.tif"), read(scene.folder / f"{split}.tif")
        )


def test_a_moved_folder_still_loads(folder: Path, look: Look, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "mailed"), "zip", folder)
    elsewhere = tmp_path / "desk of a colleague & more"
    shutil.unpack_archive(archive, elsewhere)
    hidden = folder.with_name("gone")
    folder.rename(hidden)
    try:
        told = look(elsewhere / "project.qgz")
    finally:
        hidden.rename(folder)
    assert len(told["layers"]) == 6
    assert all(layer["valid"] and layer["source"].startswith(str(elsewhere)) for layer in told["layers"])


def test_the_layout_prints(folder: Path, look: Look, tmp_path: Path) -> None:
    pdf, page = tmp_path / "map.pdf", tmp_path / "map.png"
    told = look(folder / "project.qgz", pdf=pdf, page=page, dpi=60)
    assert told["layouts"] == ["Map"] and told["pages"] == 1
    assert set(told["items"]) >= {"map", "legend", "scale bar", "north arrow", "title", "model"}
    assert told["map_layers"] == ["Land cover"]
    assert told["texts"]["title"] == "Land cover: tiny"
    text = told["texts"]["model"]
    assert "method cnn, maps from radar (sar), trained on a place" in text and "SIMULATED" in text
    assert "Accuracy on 1,234 test pixels: overall 90.0 %, mean of classes 80.0 %, kappa 0.70." in text
    assert "Over 2 training runs: overall 80.0 ± 14.0 %" in text
    assert "96 x 96 pixels of 10 m, EPSG:32633" in text
    assert (told["pdf"], told["page"]) == (0, 0)
    assert pdf.read_bytes().startswith(b"%PDF-")
    with rasterio.open(page) as picture:
        pixels = picture.read()[:3].reshape(3, -1).T
    for entry in CLASSES:
        assert (pixels == entry.rgb).all(axis=1).mean() > 0.02, entry


def test_gdal_and_rio_cogeo_take_the_files(folder: Path, system_program: Callable[[str], str]) -> None:
    for name in ("map.tif", "map_probability.tif", "labels/train.tif", "labels/test.tif"):
        valid, errors, doubts = cog_validate(folder / name, strict=True)
        assert valid and not errors and not doubts
        done = subprocess.run(
            [system_program("gdalinfo"), "-json", folder / name], capture_output=True, text=True, check=True
        )
        assert done.stderr == "" and json.loads(done.stdout)["size"] == [SIDE, SIDE]


def test_the_same_export_has_the_same_bytes(
    made: Path, folder: Path, scene: gx.Scene, run: Path, tmp_path: Path
) -> None:
    gx.export_qgis(made, tmp_path / "again", scene=scene, run=run)
    files = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    assert len(files) == 15
    for file in files:
        assert (tmp_path / "again" / file).read_bytes() == (folder / file).read_bytes(), file


def test_the_map_alone_is_a_project(made: Path, look: Look, tmp_path: Path) -> None:
    shutil.copy(made, tmp_path / "alone.tif")
    told = gx.export_qgis(tmp_path / "alone.tif", tmp_path / "out")
    assert told.layers == ("Land cover",)
    seen = look(told.project)
    assert [layer["valid"] for layer in seen["layers"]] == [True]
    assert seen["texts"]["title"] == "Land cover: alone"
    assert "Accuracy: not given" in seen["texts"]["model"]


EVIL = "[% env('HOME') %]<b>\x07&\"'</maplayer>"


def test_names_are_text_and_nothing_else(look: Look, tmp_path: Path) -> None:
    legend = tuple(LandClass(value, EVIL + str(value), "#ff0000") for value in (1, 4, 9))
    tag = EVIL.replace("\x07", "")  # which TIFF cannot hold
    path = write_map(tmp_path / "m.tif", patchy((30, 40)), legend=legend, METHOD=tag, TARGET=tag)
    told = gx.export_qgis(path, tmp_path / "out")
    seen = look(told.project)
    shown = "".join(letter if letter.isprintable() else " " for letter in EVIL)
    assert seen["layers"][0]["classes"][0] == [1, f"{shown}1", "#ff0000"]
    harmless = tag.replace("[%", "[ %")
    assert harmless in seen["texts"]["model"] and harmless in seen["texts"]["subtitle"]


@pytest.mark.parametrize(("crs", "of"), [("EPSG:4326", "area"), (None, "pixels")])
def test_the_legend_tells_shares_of_the_area(crs: str | None, of: str, tmp_path: Path) -> None:
    ids = np.repeat(np.array([0, 1, 4, 9], np.uint8), 20)[:, None] * np.ones((1, 50), np.uint8)
    grid = GeoBox(ids.shape, Affine(0.5, 0, 10, 0, -0.5, 80), crs)
    told = gx.export_qgis(write_map(tmp_path / "m.tif", ids, grid), tmp_path / "out")
    areas = np.array([rasters.outline_area(grid[top : top + 20]) if crs else 1 for top in (20, 40, 60)])
    with zipfile.ZipFile(told.project) as archive:
        text = archive.read("project.qgs").decode("utf-8")
    for name, share in zip(("Wheat", "Maize", "Water"), areas / areas.sum(), strict=True):
        assert re.search(rf"{name}[^%]*  {share:.1%}".replace(".", r"\."), text), (name, share)
    assert f"3 classes; percent of the {of}" in text


@pytest.mark.parametrize("count", [30, 255])
def test_many_classes_have_a_legend(count: int, look: Look, tmp_path: Path) -> None:
    legend = tuple(
        LandClass(value, f"Class number {value}", f"#{value:02x}{255 - value:02x}80")
        for value in range(1, count + 1)
    )
    ids = (np.arange(64 * 64) % count + 1).reshape(64, 64).astype(np.uint8)
    told = gx.export_qgis(write_map(tmp_path / "m.tif", ids, legend=legend), tmp_path / "out")
    seen = look(told.project, page=tmp_path / "page.png", dpi=50)
    assert seen["layers"][0]["classes"] == expected_classes(legend)
    assert (seen["page"], seen["pages"]) == (0, 2 if count > 34 else 1)


@pytest.mark.parametrize(
    "grid",
    [
        GeoBox((40, 50), Affine(10, 0, 4e5, 0, -10, 5e6) @ Affine.rotation(20), rasters.UTM33),
        GeoBox((40, 50), Affine(1, 0, 0, 0, -1, 40), None),
        GeoBox((40, 50), Affine(1e-4, 0, 13, 0, -1e-4, 52), rasters.WGS84),
        GeoBox((40, 50), Affine(10, 0, 4e5, 0, -10, 5e6), "+proj=laea +lat_0=50 +lon_0=10 +ellps=bessel"),
    ],
    ids=["turned", "no CRS", "degrees", "CRS without code"],
)
def test_any_grid(grid: GeoBox, look: Look, tmp_path: Path) -> None:
    ids = patchy((40, 50))
    told = gx.export_qgis(write_map(tmp_path / "m.tif", ids, grid), tmp_path / "out")
    middle = grid.affine @ (10.5, 20.5)
    seen = look(
        told.project,
        page=tmp_path / "page.png",
        dpi=40,
        png=tmp_path / "map.png",
        side=500,
        points=[middle],
    )
    layer = seen["layers"][0]
    assert seen["read"] and layer["valid"] and layer["renderer"] == "paletted" and seen["page"] == 0
    assert seen["crs"] == (f"EPSG:{grid.crs.epsg}" if grid.crs is not None and grid.crs.epsg else "")
    assert ("scale bar" in seen["items"]) == (grid.crs is not None)
    colors = {0: BACKGROUND} | {entry.id: entry.color for entry in CLASSES}
    assert seen["picture"]["colors"] == [colors[int(ids[20, 10])]]
    told = (tmp_path / "out" / "map.tif.aux.xml").read_text(encoding="utf-8")
    assert ("Hectares" in told) == (grid.crs is not None)


def test_an_empty_map_is_a_project(look: Look, tmp_path: Path) -> None:
    path = write_map(tmp_path / "m.tif", np.zeros((30, 20), np.uint8))
    seen = look(gx.export_qgis(path, tmp_path / "out").project, page=tmp_path / "p.png", dpi=30)
    assert seen["layers"][0]["valid"] and seen["page"] == 0


def test_a_map_of_another_program_keeps_its_colours(look: Look, tmp_path: Path) -> None:
    path = write_map(tmp_path / "m.tif", patchy((30, 40)), legend=None)
    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, {1: (1, 2, 3, 255), 4: (4, 5, 6, 255), 9: (255, 0, 0, 255)})
    seen = look(gx.export_qgis(path, tmp_path / "out").project)
    expected = [[1, "class 1", "#010203"], [4, "class 4", "#040506"], [9, "class 9", "#ff0000"]]
    assert seen["layers"][0]["classes"] == expected
    assert "says nothing of what made it" in seen["texts"]["model"]


def test_a_missing_sensor_is_left_out_and_said(made: Path, scene: gx.Scene, tmp_path: Path) -> None:
    shutil.copytree(scene.folder, tmp_path / "scene")
    (tmp_path / "scene" / "hsi.tif").unlink()
    told = gx.export_qgis(made, tmp_path / "out", scene=gx.open_scene(tmp_path / "scene"))
    assert "hsi (hsi)" not in told.layers and "sar (sar)" in told.layers
    assert len(told.warnings) == 1 and "hsi is left out" in told.warnings[0]


def test_a_sensor_of_several_files_is_one_in_the_project(made: Path, scene: gx.Scene, tmp_path: Path) -> None:
    folder = shutil.copytree(scene.folder, tmp_path / "scene")
    (folder / "again.tif").write_bytes((folder / "hsi.tif").read_bytes())
    text = (folder / "scene.toml").read_text()
    (folder / "scene.toml").write_text(text.replace('file = "hsi.tif"', 'files = ["hsi.tif", "again.tif"]'))
    opened = gx.open_scene(folder)
    assert opened.path("hsi") is None
    told = gx.export_qgis(made, tmp_path / "out", scene=opened)
    assert "hsi (hsi)" in told.layers and not told.warnings
    with rasterio.open(tmp_path / "out" / "sensors" / "hsi.tif") as dataset:
        left, top = ~opened.grid.affine @ (dataset.bounds.left, dataset.bounds.top)
        window = Window(round(top), round(left), dataset.height, dataset.width)
        np.testing.assert_array_equal(dataset.read(), opened.reader("hsi").read(window))


def test_what_cannot_be_meant_is_one_line_and_leaves_nothing(made: Path, run: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.docx").touch()
    with pytest.raises(OutputError, match="in the way"):
        gx.export_qgis(made, tmp_path / "full")
    with pytest.raises(RasterError, match="not a GeoTIFF"):
        gx.export_qgis(run / "metrics.json", tmp_path / "out")
    other = write_map(tmp_path / "m.tif", patchy((9, 9)), MODEL_SHA256="f" * 64)
    with pytest.raises(UsageError, match="did not make this map, ffffffffffff"):
        gx.export_qgis(other, tmp_path / "out", run=run)
    with pytest.raises(UsageError, match=r"metrics\.json: no such file"):
        gx.export_qgis(made, tmp_path / "out", run=tmp_path)
    for text, why in (("{", "JSON"), ('{"oa": 7, "n": 3}', "oa"), ('{"oa": 0.5, "n": "many"}', "n: ")):
        (tmp_path / "metrics.json").write_text(text)
        with pytest.raises(UsageError, match=why):
            gx.export_qgis(made, tmp_path / "out", run=tmp_path)
    write_map(tmp_path / "p.tif", patchy((9, 9)), percent=np.full((9, 9), 50, np.uint8))
    rasters.write_raster(
        tmp_path / "p_probability.tif", np.zeros((1, 8, 9), np.uint8), rasters.utm_grid(8, 9)
    )
    with pytest.raises(RasterError, match="another grid"):
        gx.export_qgis(tmp_path / "p.tif", tmp_path / "out")
    assert {item.name for item in tmp_path.iterdir()} == {
        "full", "m.tif", "metrics.json", "p.tif", "p_probability.tif",
    }  # fmt: skip


def test_the_project_is_small_and_its_xml_is_sound(folder: Path) -> None:
    with zipfile.ZipFile(folder / "project.qgz") as archive:
        assert archive.namelist() == ["project.qgs"]
        text = archive.read("project.qgs")
    root = ElementTree.fromstring(text)
    assert root.tag == "qgis" and b"/home" not in text and str(folder).encode() not in text
    sources = [node.text for node in root.iter("datasource")]
    assert len(sources) == 6 and all(source is not None and source.startswith("./") for source in sources)
