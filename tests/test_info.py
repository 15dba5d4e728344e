"""`info` on what a newcomer has: labels, maps of anybody, runs that were stopped."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.control import GroundControlPoint
from shapely.geometry import MultiPolygon, Point, box

import geo_xmodal as gx
from geo_xmodal.commands.app import run
from geo_xmodal.raster.grid import grid_of
from tests import tiny
from tests.chips import sets
from tests.rasters import outline_area, write_raster


def result_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("name", ["labels.gpkg", "labels.geojson"])
def test_a_vector_file_says_what_could_be_labels(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shapes = [box(500_000, 5_799_000, 500_100, 5_799_100), Point(500_500, 5_799_500)]
    shapes.append(MultiPolygon([box(500_700, 5_799_700, 500_800, 5_799_800)]))
    frame = geopandas.GeoDataFrame(
        {"class": ["Wheat", "Wheat", "Maize"], "code": [1, 1, 4]}, geometry=shapes, crs=tiny.CRS
    )
    frame.to_file(tmp_path / name)
    found = result_of(capsys, "info", str(tmp_path / name))
    assert (found["type"], found["features"], found["crs"]) == ("vector", 3, tiny.CRS)
    assert found["geometries"] == {"Polygon": 1, "Point": 1, "MultiPolygon": 1}
    assert {key: found["columns"][key] for key in ("class", "code")} == {
        "class": {"Maize": 1, "Wheat": 2}, "code": {"1": 2, "4": 1},
    }  # fmt: skip
    assert found["bounds"] == pytest.approx([500_000, 5_799_000, 500_800, 5_799_800])
    assert run(["info", str(tmp_path / name)]) == 0
    shown = capsys.readouterr().out
    assert "Wheat (2)" in shown and "EPSG:32633" in shown and f"--labels {tmp_path / name}:COLUMN" in shown


def test_a_vector_file_of_several_layers_tells_all_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "two.gpkg"
    fields = [box(0, 0, 30, 20), box(40, 0, 60, 20)]
    geopandas.GeoDataFrame({"crop": ["Wheat", "Maize"]}, geometry=fields, crs=tiny.CRS).to_file(
        path, layer="fields"
    )
    geopandas.GeoDataFrame(geometry=[Point(5, 7)], crs="EPSG:4326").to_file(path, layer="places")
    shown = " ".join(_shown(capsys, path).split())
    assert "layers 2: fields, places" in shown and f"--labels {path}:fields:COLUMN" in shown
    assert "Maize (1), Wheat (1)" in shown and "1: 1 Point" in shown and "no column" in shown
    found = result_of(capsys, "info", str(path))
    assert (found["type"], found["path"]) == ("vector", str(path))
    first, second = found["layers"]
    assert (first["layer"], first["features"], first["geometries"]) == ("fields", 2, {"Polygon": 2})
    assert (first["crs"], first["columns"]) == (tiny.CRS, {"crop": {"Maize": 1, "Wheat": 1}})
    assert (second["layer"], second["crs"], second["geometries"]) == ("places", "EPSG:4326", {"Point": 1})
    for asked in ([f"{path}:places"], [str(path), "--layer", "places"]):
        one = result_of(capsys, "info", *asked)
        assert one == {"type": "vector", **second}
    assert run(["info", f"{path}:roads"]) == 2
    assert "no layer 'roads'; layers with geometries: fields, places" in capsys.readouterr().err


def test_a_layer_that_cannot_be_read_hides_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "two.gpkg"
    frame = geopandas.GeoDataFrame({"a": ["x"]}, geometry=[Point(0, 0)], crs=tiny.CRS)
    for layer in ("damaged", "whole"):
        frame.to_file(path, layer=layer)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE gpkg_geometry_columns SET srs_id = 77 WHERE table_name = 'damaged'")
    damaged, sound = result_of(capsys, "info", str(path))["layers"]
    assert damaged["layer"] == "damaged" and "two.gpkg" in damaged["problem"]
    assert (sound["layer"], sound["features"]) == ("whole", 1)


def test_our_map_says_its_model_and_areas(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = gx.open_scene(tiny.write_scene(tmp_path / "tiny"))
    gx.train_scene(scene, tmp_path / "run", gx.TrainRequest(method="svm"))
    gx.map_scene(tmp_path / "run", scene.reader("sar"), tmp_path / "map.tif", mapped="tiny")
    found = result_of(capsys, "info", str(tmp_path / "map.tif"))
    assert found["type"] == "map"
    assert found["model"]["method"] == "svm" and found["model"]["trained on"] == "tiny"
    with rasterio.open(tmp_path / "map.tif") as dataset:
        ids = dataset.read(1)
        pixel = outline_area(grid_of(dataset)) / ids.size / 10_000
    for entry in found["classes"]:
        assert entry["pixels"] == (ids == entry["id"]).sum()
        assert entry["hectares"] == pytest.approx(entry["pixels"] * pixel, rel=1e-5)
    assert [entry["name"] for entry in found["classes"]] == ["Wheat", "Maize", "Water"]


def test_a_map_of_another_program_and_a_raster_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = np.repeat(np.array([[1], [2], [2], [0]], np.uint8), 4, axis=1)
    tiny.write_raster(tmp_path / "plain.tif", ids)
    assert result_of(capsys, "info", str(tmp_path / "plain.tif"))["type"] == "raster"
    tiny.write_raster(tmp_path / "map.tif", ids)
    with rasterio.open(tmp_path / "map.tif", "r+") as dataset:
        dataset.write_colormap(1, {1: (255, 0, 0, 255), 2: (0, 0, 255, 255)})
    found = result_of(capsys, "info", str(tmp_path / "map.tif"))
    assert (found["type"], found["model"], found["no_data"]) == ("map", {}, 4)
    assert [(one["id"], one["color"], one["pixels"]) for one in found["classes"]] == [
        (1, "#ff0000", 4), (2, "#0000ff", 8),
    ]  # fmt: skip


def test_a_map_beyond_the_earth_says_how_many_pixels_lie_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six rows of ten degrees from 110 north down: two of them lie beyond the pole."""
    ids = np.repeat(np.array([0, 1, 1, 2, 2, 2], np.uint8)[:, None], 5, axis=1)
    ids[1, 0] = 2
    grid = GeoBox((6, 5), Affine(10, 0, 0, 0, -10, 110), "EPSG:4326")
    write_raster(tmp_path / "map.tif", ids[None], grid, tiled=False)
    with rasterio.open(tmp_path / "map.tif", "r+") as dataset:
        dataset.write_colormap(1, {1: (255, 0, 0, 255), 2: (0, 0, 255, 255)})
    assert result_of(capsys, "info", str(tmp_path / "map.tif"))["no_place"] == 5
    assert "no place 5 pixels lie nowhere" in " ".join(_shown(capsys, tmp_path / "map.tif").split())


def test_a_map_of_a_crs_without_a_name_says_its_projection(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disc = "+proj=geos +h=35785831 +lon_0=0 +sweep=y +datum=WGS84"
    grid = GeoBox((4, 4), Affine(3000, 0, 0, 0, -3000, 0), disc)
    write_raster(tmp_path / "map.tif", np.ones((1, 4, 4), np.uint8), grid, tiled=False)
    with rasterio.open(tmp_path / "map.tif", "r+") as dataset:
        dataset.write_colormap(1, {1: (255, 0, 0, 255)})
    found = result_of(capsys, "info", str(tmp_path / "map.tif"))
    assert "Geostationary Satellite" in found["crs"] and found["no_place"] == 0


def test_a_raster_says_what_is_missing_in_whole_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.write_raster(tmp_path / "dn.tif", np.ones((4, 4), np.uint16), nodata=65535)
    assert run(["info", str(tmp_path / "dn.tif")]) == 0
    shown = capsys.readouterr().out
    assert "65535" in shown and "e+04" not in shown
    assert "none said" in shown  # wavelengths


def test_a_raster_says_what_would_be_assumed_or_refused_of_its_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decibels = np.full((40, 40), -12, np.float32)
    decibels[:10] = -np.inf
    tiny.write_raster(tmp_path / "sar_db.tif", decibels)
    found = result_of(capsys, "info", str(tmp_path / "sar_db.tif"))
    assert found["kind"] == "sar" and "decibels, expected linear power" in found["refused"]
    assert any("25% of the values of band 1 looked at are infinite" in one for one in found["assumptions"])
    assert run(["info", str(tmp_path / "sar_db.tif")]) == 0
    told = capsys.readouterr()
    assert "would be refused: " in told.err and "kind" in told.out
    power = np.full((40, 40), 0.1, np.float32)
    power[:10] = 0
    tiny.write_raster(tmp_path / "sar.tif", power)
    found = result_of(capsys, "info", str(tmp_path / "sar.tif"))
    assert found["refused"] is None
    assert any("25% of the pixels looked at are 0 in all bands" in one for one in found["assumptions"])
    tiny.write_raster(tmp_path / "x.tif", power)
    found = result_of(capsys, "info", str(tmp_path / "x.tif"))
    assert (found["kind"], found["refused"]) == (None, None)
    tiny.write_raster(tmp_path / "x_db.tif", decibels)
    found = result_of(capsys, "info", str(tmp_path / "x_db.tif"))
    assert found["kind"] is None and found["refused"].startswith("if it is ")
    assert "decibels, expected linear power" in found["refused"]
    tiny.write_raster(tmp_path / "y.tif", np.full((64, 20, 20), 30, np.int8))
    found = result_of(capsys, "info", str(tmp_path / "y.tif"))
    assert found["kind"] is None and any("if it is embedding" in one for one in found["assumptions"])


class StopError(Exception):
    pass


def test_a_run_that_was_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = gx.open_scene(tiny.write_scene(tmp_path / "tiny"))
    request = gx.TrainRequest(
        method="cnn", epochs=4, settings={"contrasts": "", "widths": "4,4", "unlabelled": "50"}
    )

    def stop(done: int, total: int, message: str) -> None:
        if done > total / 2:
            raise StopError

    with pytest.raises(StopError):
        gx.train_scene(scene, tmp_path / "run", request, stop)
    found = result_of(capsys, "info", str(tmp_path / "run"))
    assert (found["type"], found["finished"], found["epochs_done"]) == ("run", False, 2)
    assert run(["info", str(tmp_path / "run")]) == 0
    assert "--resume" in capsys.readouterr().out


def test_a_raster_says_alpha_mask_place_wavelengths_and_scales(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.tif"
    options = {"driver": "GTiff", "height": 40, "width": 40, "count": 4, "dtype": "uint16", "alpha": "yes"}
    points = [GroundControlPoint(r, c, 10 + c, 50 - r, 0) for r, c in ((0, 0), (0, 40), (40, 0))]
    with rasterio.open(path, "w", **options, gcps=points, crs="EPSG:4326", photometric="rgb") as dataset:
        dataset.write(np.full((4, 40, 40), 7, np.uint16))
        dataset.scales, dataset.offsets = (1e-4, 1, 1, 1), (-0.1, 0, 0, 0)
        dataset.units = ("reflectance", "", "", "")
        dataset.update_tags(1, wavelength="490", wavelength_units="nm")
        dataset.update_tags(3, wavelength="665", wavelength_units="nm")
    assert run(["info", str(path)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for words in (
        "place 3 ground control points (EPSG:4326), followed with --warp-gcps",
        "alpha band 4, 0 is no data",
        "wavelengths 490 to 665 nm; missing for band 2",
        "band 1 reflectance 0.0001 -0.1",
        "band 2 1 0",
    ):
        assert words in shown
    found = result_of(capsys, "info", str(path))
    assert (found["alpha"], found["mask"], found["rpc"]) == (4, False, False)
    assert (found["control_points"], found["control_points_crs"]) == (3, "EPSG:4326")
    assert [band["wavelength"] for band in found["bands"]] == [490, None, 665]
    with rasterio.open(path, "r+") as dataset:
        dataset.nodata = 40_000
    assert "nodata 40000" in " ".join(_shown(capsys, path).split())


def _shown(capsys: pytest.CaptureFixture[str], path: Path) -> str:
    capsys.readouterr()
    assert run(["info", str(path)]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("transform", "pixel"),
    [
        (Affine(10, 0, 5e5, 0, -20, 5e6), "pixel 20 x 10 m nodata"),
        (Affine(8, 6, 5e5, 6, -8, 5e6), "pixel 10 x 10 m, the grid is turned"),
        (Affine(10, 0, 5e5, 0, 10, 5e6), "pixel 10 x 10 m, rows from south to north"),
    ],
)
def test_a_raster_says_how_its_rows_run(
    transform: Affine, pixel: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = GeoBox((4, 4), transform, tiny.CRS)
    path = write_raster(tmp_path / "x.tif", np.ones((1, 4, 4), np.uint8), grid, tiled=False)
    shown = " ".join(_shown(capsys, path).split())
    assert pixel in shown and "4 columns, 1 band of uint8" in shown


@pytest.mark.parametrize("name", ["config.json", "metrics.json"])
def test_a_run_shows_no_file_of_another_folder(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"method": "hidden", "n": "hidden"}')
    folder = tmp_path / "run"
    folder.mkdir()
    if name == "metrics.json":
        (folder / "model").symlink_to(gx.find_model("berlin-sar-hgr"))
    (folder / name).symlink_to(secret)
    assert run(["info", str(folder)]) == 2
    shown = capsys.readouterr()
    assert "hidden" not in shown.out + shown.err
    assert f"{folder / name}: leads out of the run folder to {secret}" in shown.err


@pytest.mark.parametrize(
    ("crs", "transform", "pixel"),
    [
        # Web Mercator at 60 degrees north: lengths are those on the ground over the cosine
        ("EPSG:3857", Affine(20, 0, 0, 0, -20, 8_399_738), (20, 20, "m", 10.0)),
        ("EPSG:4326", Affine(0.001, 0, 20, 0, -0.001, 0), (0.001, 0.001, "degrees", 111.0)),
        ("EPSG:2263", Affine(100, 0, 984_000, 0, -100, 200_000), (100, 100, "US survey foot", 30.48)),
        ("EPSG:32633", Affine(20, 0, 5e5, 0, -20, 5e6), (20, 20, "m", None)),
        (None, Affine(2, 0, 0, 0, -2, 0), (2, 2, "", None)),
    ],
)
def test_a_raster_says_the_unit_of_its_pixels_and_their_size_on_the_ground(
    crs: str | None,
    transform: Affine,
    pixel: tuple[float, float, str, float | None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write_raster(tmp_path / "x.tif", np.ones((1, 4, 4), np.uint8), GeoBox((4, 4), transform, crs))
    shown = " ".join(_shown(capsys, path).split())
    found = re.search(
        r"pixel (\S+) x (\S+) ?([^(]*?)(?: \((\S+) x (\S+) m on the ground.*?\))? nodata", shown
    )
    assert found is not None, shown
    assert (float(found[1]), float(found[2]), found[3]) == pixel[:3]
    if pixel[3] is None:
        assert found[4] is None
    else:
        assert [float(found[4]), float(found[5])] == pytest.approx([pixel[3]] * 2, rel=0.01)


def test_a_finished_run_says_its_accuracy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = gx.open_scene(tiny.write_scene(tmp_path / "tiny"))
    gx.train_scene(scene, tmp_path / "run", gx.TrainRequest(method="svm"))
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    shown = " ".join(_shown(capsys, tmp_path / "run").split())
    assert f"overall {100 * metrics['oa']:.1f} %, mean of classes {100 * metrics['aa']:.1f} %" in shown
    assert f"kappa {metrics['kappa']:.2f} ({metrics['n']:,} {metrics['split']} pixels)" in shown
    metrics |= {
        "seeds": [dict(metrics), dict(metrics)],
        "mean": {"oa": 0.8, "aa": 0.7, "kappa": 0.75},
        "sd": {"oa": 0.01, "aa": 0.02, "kappa": 0.03},
        "gain": {"target_only": {"oa": {"mean": 0.031, "se": 0.004}, "aa": {"mean": -0.02, "se": None}}},
    }
    (tmp_path / "run" / "metrics.json").write_text(json.dumps(metrics))
    shown = " ".join(_shown(capsys, tmp_path / "run").split())
    assert "overall 80.0 ± 1.0 %, mean of classes 70.0 ± 2.0 %, kappa 0.75 ± 0.03" in shown
    assert "(mean ± standard deviation of 2 seeds" in shown
    assert "gain over target only overall +3.1 ± 0.4 (standard error), mean of classes -2.0, perc" in shown
    found = result_of(capsys, "info", str(tmp_path / "run"))
    assert found["accuracy"]["gain"]["target_only"]["oa"] == {"mean": 0.031, "se": 0.004}
    (tmp_path / "run" / "metrics.json").write_text('{"n": "many"}')
    assert run(["info", str(tmp_path / "run")]) == 2
    assert "metrics.json" in capsys.readouterr().err
    assert run(["info", str(tmp_path / "run" / "model")]) == 0


def test_a_set_of_chips_says_what_is_in_its_splits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets.fields(tmp_path, train=3, test=1, side=12)
    (tmp_path / "labels/a0.png").unlink()
    found = result_of(capsys, "info", str(tmp_path))
    assert found["type"] == "chips"
    assert found["splits"]["train"] == {
        "chips": 3, "labelled": 2, "pairs": 3, "opened": 3, "pixels": {"Wheat": 144, "Maize": 144},
    }  # fmt: skip
    assert found["sensors"]["msi"]["chips"] == 4
    assert any("(a0) without labels" in note for note in found["notes"])
    assert run(["info", str(tmp_path)]) == 0
    assert "train --chips" in capsys.readouterr().out


def test_a_table_of_points_has_no_crs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "points.csv").write_text("lon,lat,class\n13.7,45.1,a\n13.8,45.2,b\n")
    found = result_of(capsys, "info", str(tmp_path / "points.csv"))
    assert (found["layer"], found["crs"], found["features"]) == ("points", None, 2)
    assert found["columns"] == {"class": {"a": 1, "b": 1}}
