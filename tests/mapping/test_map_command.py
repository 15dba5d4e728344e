"""`geo-xmodal map` with every kind of input, through the real command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely

from geo_xmodal.commands.app import run
from tests.file_server import served
from tests.mapping.conftest import scene_values, with_holes
from tests.rasters import utm_grid, write_raster

GRID = utm_grid(200, 160)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "whole.tif", with_holes(scene_values(GRID.shape)), GRID, nodata=np.nan)


def mapped(
    capsys: pytest.CaptureFixture[str], model: Path, out: Path, *options: object
) -> tuple[np.ndarray, Any]:
    capsys.readouterr()
    words = ["map", "--model", model, "--out", out, "--json", "--window", 100, *options]
    status = run([str(word) for word in words])
    captured = capsys.readouterr()
    assert status == 0, captured.err
    with rasterio.open(out) as dataset:
        about = json.loads(captured.out) | {"transform": dataset.transform, "tags": dataset.tags()}
        return dataset.read(1), about


def refusal(capsys: pytest.CaptureFixture[str], model: Path, out: Path, *options: object) -> str:
    capsys.readouterr()
    assert run([str(word) for word in ["map", "--model", model, "--out", out, *options]]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert not out.exists()
    return line


def test_class_shares_are_chosen_and_told(
    capsys: pytest.CaptureFixture[str], cnn_folder: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "map.tif"
    line = refusal(capsys, cnn_folder, out, "--input", whole, "--shares", "equal")
    assert "does not say what the labels of each class weighed" in line
    raw = json.loads((cnn_folder / "card.json").read_text())
    raw["shares"] = {"default": "equal", "drawn": "as they lie", "learned": [0.25] * 4, "labels": [0.25] * 4}
    (cnn_folder / "card.json").write_text(json.dumps(raw))
    expected, about = mapped(capsys, cnn_folder, out, "--input", whole)
    assert about["shares"] == {"choice": "equal", "shares": {"1": 0.25, "2": 0.25, "5": 0.25, "9": 0.25}}
    table = tmp_path / "areas.csv"
    table.write_text("id,share\n1,0\n2,20\n5,30\n9,50\n")
    found, about = mapped(capsys, cnn_folder, out, "--input", whole, "--shares", table)
    assert about["shares"]["choice"] == "table"
    assert (expected == 1).any() and not (found == 1).any()
    assert "--shares" not in refusal(
        capsys, cnn_folder, tmp_path / "no.tif", "--input", whole, "--shares", "x"
    )


def test_inputs_may_come_several_times_and_from_addresses(
    capsys: pytest.CaptureFixture[str], cnn_folder: Path, whole: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    expected, _ = mapped(capsys, cnn_folder, tmp_path / "map.tif", "--input", whole)
    with rasterio.open(whole) as dataset:
        values = dataset.read()
    (tmp_path / "www" / "bucket").mkdir(parents=True)
    west = write_raster(tmp_path / "www" / "west.tif", values[:, :, :70], GRID[:, :70], nodata=np.nan)
    east = write_raster(tmp_path / "www" / "bucket" / "e.tif", values[:, :, 70:], GRID[:, 70:], nodata=np.nan)
    found, about = mapped(capsys, cnn_folder, tmp_path / "1.tif", "--input", west, "--input", east)
    np.testing.assert_array_equal(found, expected)
    assert about["tags"]["MAPPED"] == "west.tif, e.tif"
    with served(tmp_path / "www") as server:
        monkeypatch.setenv("AWS_S3_ENDPOINT", server.address)
        for name, value in {"HTTPS": "NO", "VIRTUAL_HOSTING": "FALSE", "NO_SIGN_REQUEST": "YES"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        address = f"http://{server.address}/west.tif?key=hidden"
        both = ("--input", address, "--input", "s3://bucket/e.tif")
        found, about = mapped(capsys, cnn_folder, tmp_path / "2.tif", *both)
        np.testing.assert_array_equal(found, expected)
        assert "hidden" not in str(about)
        assert server.paths == {"/west.tif", "/bucket/e.tif"}
        gone = refusal(capsys, cnn_folder, tmp_path / "3.tif", "--input", f"http://{server.address}/no.tif")
        assert gone.endswith("no.tif: no such file on the server (404): check the address")


def test_a_folder_of_band_files_of_two_resolutions(
    capsys: pytest.CaptureFixture[str], cnn_folder: Path, tmp_path: Path
) -> None:
    values = scene_values(GRID.shape)
    coarse = utm_grid(100, 80, size=20.0)
    for name, grid, pixels in [
        ("B02_10m", GRID, values[:1]),
        ("B03_10m", GRID, values[1:2]),
        ("B03_20m", coarse, values[1:2, ::2, ::2]),
        ("B8A_20m", coarse, values[2:, ::2, ::2]),
    ]:
        (tmp_path / "S2.SAFE" / name[4:]).mkdir(parents=True, exist_ok=True)
        write_raster(tmp_path / "S2.SAFE" / name[4:] / f"T33_{name}.tif", pixels, grid)
    folder = tmp_path / "S2.SAFE"
    found, about = mapped(
        capsys, cnn_folder, tmp_path / "map.tif", "--input", folder, "--bands", "B02,B03,B8A"
    )
    assert found.shape == GRID.shape and (found > 0).all()
    assert "band B03 lies at several pixel sizes: taken T33_B03_10m.tif, the finest" in about["warnings"]
    line = refusal(capsys, cnn_folder, tmp_path / "no.tif", "--input", folder, "--bands", "B02,B03,B12")
    assert "no file is called after band B12; files: " in line


def test_another_pixel_size_is_resampled_and_said(
    capsys: pytest.CaptureFixture[str], cnn_folder: Path, tmp_path: Path
) -> None:
    coarse = utm_grid(100, 80, size=20.0)
    file = write_raster(tmp_path / "coarse.tif", scene_values(coarse.shape), coarse)
    found, about = mapped(capsys, cnn_folder, tmp_path / "map.tif", "--input", file)
    assert found.shape == (200, 160) and (found > 0).all()
    assert "resampled from pixels of 20.01 x 20.01 m to the model's, 10 x 10 m" in about["warnings"]
    own, about = mapped(capsys, cnn_folder, tmp_path / "own.tif", "--input", file, "--pixels", "own")
    assert own.shape == (100, 80)
    assert any("expect a worse map" in line for line in about["warnings"])


def test_an_area_of_another_crs(
    capsys: pytest.CaptureFixture[str], cnn_folder: Path, whole: Path, tmp_path: Path
) -> None:
    everything, _ = mapped(capsys, cnn_folder, tmp_path / "all.tif", "--input", whole)
    box = shapely.box(400_300, 4_998_900, 400_900, 4_999_500)
    area = tmp_path / "area.geojson"
    geopandas.GeoDataFrame(geometry=[box], crs=GRID.crs.to_wkt()).to_crs(4326).to_file(area)
    found, about = mapped(capsys, cnn_folder, tmp_path / "map.tif", "--input", whole, "--area", area)
    col, row = (round(value) for value in ~GRID.affine @ (about["transform"] @ (0, 0)))
    assert row in (49, 50) and col in (29, 30)  # its corner lies on the corner of a pixel
    same = everything[row : row + found.shape[0], col : col + found.shape[1]]
    inner = np.s_[2:-2, 2:-2]
    assert (found[inner] == same[inner]).mean() > 0.999
    assert 59 <= found.shape[0] <= 62
    far = tmp_path / "far.gpkg"
    geopandas.GeoDataFrame(geometry=[shapely.box(10, 10, 11, 11)], crs=4326).to_file(far)
    line = refusal(capsys, cnn_folder, tmp_path / "no.tif", "--input", whole, "--area", far)
    assert "does not overlap the input" in line


def test_an_area_of_one_of_several_layers(
    capsys: pytest.CaptureFixture[str], cnn_folder: Path, whole: Path, tmp_path: Path
) -> None:
    two = tmp_path / "two.gpkg"
    for layer, (left, width) in {"west": (10, 40), "east:side": (90, 50)}.items():
        on_map = [GRID.affine @ corner for corner in ((left, 20), (left + width, 20), (left + width, 80))]
        frame = geopandas.GeoDataFrame(geometry=[shapely.Polygon(on_map)], crs=GRID.crs.to_wkt())
        frame.to_file(two, layer=layer, driver="GPKG")
    for layer, width in (("west", 40), ("east:side", 50)):
        out, words = tmp_path / f"{width}.tif", ("--input", whole, "--area", f"{two}:{layer}")
        found, _ = mapped(capsys, cnn_folder, out, *words)
        assert found.shape == (60, width)
    line = refusal(capsys, cnn_folder, tmp_path / "no.tif", "--input", whole, "--area", two)
    assert "2 layers, and none is chosen" in line and "west, east:side (choose one as two.gpkg:LAYER" in line
    line = refusal(capsys, cnn_folder, tmp_path / "no.tif", "--input", whole, "--area", f"{two}:north")
    assert "no layer 'north'; layers with geometries: west, east:side" in line


def test_a_list_names_tiles_beside_it(
    capsys: pytest.CaptureFixture[str], cnn_folder: Path, whole: Path, tmp_path: Path
) -> None:
    listed = tmp_path / "tiles.txt"
    listed.write_text("# one tile\nwhole.tif\n")
    found, _ = mapped(capsys, cnn_folder, tmp_path / "map.tif", "--input", listed)
    expected, _ = mapped(capsys, cnn_folder, tmp_path / "all.tif", "--input", whole)
    np.testing.assert_array_equal(found, expected)
    listed.write_text("https://example.org/x.tif\n")
    line = refusal(capsys, cnn_folder, tmp_path / "no.tif", "--input", listed)
    assert "is an address, which a list may not name" in line


def test_a_jpeg_2000_file_is_told_how_to_convert(
    capsys: pytest.CaptureFixture[str], cnn_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "x.jp2").write_bytes(b"\0\0\0\x0cjP  \r\n\x87\n")
    line = refusal(capsys, cnn_folder, tmp_path / "no.tif", "--input", tmp_path / "x.jp2")
    assert "gdal_translate -of GTiff" in line
    line = refusal(capsys, cnn_folder, tmp_path / "no.tif", "--input", tmp_path)
    assert "JPEG 2000" in line or "GeoTIFF" in line
