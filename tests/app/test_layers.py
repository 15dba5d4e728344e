"""What a browser is given of any raster: a file that it can read by range, with the same values."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio import Affine

import geo_xmodal as gx
from geo_xmodal_app.copies import is_readable_by_range, prepared, small_pixels, write_copy
from geo_xmodal_app.layers import file_layer, first_bands, scene_layers, stretches
from geo_xmodal_app.registry import registry
from geo_xmodal_app.sessions import LOCAL, session_folder
from geo_xmodal_app.settings import VARIABLE, Settings
from tests.rasters import utm_grid, write_raster
from tests.tiny import write_scene
from tests.waiting import wait_until


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    monkeypatch.setenv(VARIABLE, Settings(work=folder).model_dump_json())
    return folder


def silent(share: float) -> None:
    assert 0 <= share <= 1


def test_a_striped_pixel_interleaved_file_becomes_readable_and_keeps_its_values(tmp_path: Path) -> None:
    grid = utm_grid(1100, 300)
    values = np.random.default_rng(0).integers(0, 3000, (5, *grid.shape)).astype(np.uint16)
    path = write_raster(tmp_path / "raw.tif", values, grid, tiled=False, interleave="pixel", nodata=0)
    assert not is_readable_by_range(path)
    write_copy(path, out=tmp_path / "copy.tif", tell=silent)
    assert is_readable_by_range(tmp_path / "copy.tif")
    with rasterio.open(tmp_path / "copy.tif") as copy:
        np.testing.assert_array_equal(copy.read(), values)
        assert (copy.nodata, copy.transform, copy.crs.to_epsg()) == (0, grid.affine, 32633)
        assert copy.overviews(1)[-1] >= 2
    assert not list(tmp_path.glob(".*"))


def test_types_that_a_browser_does_not_know_become_floats_with_nan(tmp_path: Path) -> None:
    grid = utm_grid(40, 30)
    values = np.arange(1200, dtype=np.float64).reshape(1, 40, 30)
    path = write_raster(tmp_path / "raw.tif", values, grid, nodata=7.0)
    write_copy(path, out=tmp_path / "copy.tif", tell=silent)
    with rasterio.open(tmp_path / "copy.tif") as copy:
        found = copy.read(1)
    assert found.dtype == np.float32
    assert np.isnan(found[0, 7])
    np.testing.assert_array_equal(np.nan_to_num(found, nan=7), values[0])


def test_overviews_of_classes_hold_no_class_that_is_not_there(tmp_path: Path) -> None:
    grid = utm_grid(1100, 300)
    ids = np.random.default_rng(0).choice([1, 9], (1, *grid.shape)).astype(np.uint8)
    path = write_raster(tmp_path / "raw.tif", ids, grid, tiled=False)
    write_copy(path, out=tmp_path / "copy.tif", tell=silent, classes=True)
    with rasterio.open(tmp_path / "copy.tif", overview_level=0) as copy:
        assert set(np.unique(copy.read(1))) == {1, 9}


def test_a_fine_file_is_used_as_it_is_and_another_is_copied_once(work: Path, tmp_path: Path) -> None:
    grid = utm_grid(64, 64)
    fine = write_raster(tmp_path / "fine.tif", np.ones((1, 64, 64), np.float32), grid)
    assert prepared(LOCAL, fine).out == fine
    raw = write_raster(tmp_path / "raw.tif", np.ones((5, 64, 64), np.float32), grid, interleave="pixel")
    first = ready(lambda: prepared(LOCAL, raw))
    before = first.stat().st_mtime_ns
    assert ready(lambda: prepared(LOCAL, raw)) == first
    assert first.stat().st_mtime_ns == before
    assert first.is_relative_to(session_folder(LOCAL, "view"))


def ready(prepare: Callable[[], Any]) -> Path:
    def is_ready() -> bool:
        copying = prepare()
        assert copying.problem is None, copying.problem
        return bool(copying.ready)

    wait_until(is_ready)
    made: Path = prepare().out
    return made


def test_stretches_are_quantiles_and_those_of_radar_in_decibels(tmp_path: Path) -> None:
    power = np.linspace(0.001, 1, 10_000, dtype=np.float32).reshape(1, 100, 100)
    path = write_raster(tmp_path / "sar.tif", power, utm_grid(100, 100))
    ((low, high),) = stretches(path, 0, 0, False)
    assert (low, high) == pytest.approx(np.percentile(power, (2, 98)), rel=1e-5)
    ((low, high),) = stretches(path, 0, 0, True)
    assert (low, high) == pytest.approx(np.percentile(10 * np.log10(power), (2, 98)), rel=1e-4)


def test_colours_of_a_hyperspectral_image_are_the_nearest_bands() -> None:
    waves = [400.0 + 10 * band for band in range(60)]
    assert [waves[band] for band in first_bands("hsi", ["b"] * 60, waves)] == [650, 550, 480]
    infrared = [1000.0 + 10 * band for band in range(60)]
    assert first_bands("hsi", ["b"] * 60, infrared) == (24, 15, 6)
    assert first_bands("sar", ["VV", "VH"]) == (0, 1, 0)
    assert first_bands("lidar", ["height"]) == (0,)


def test_a_scene_becomes_layers_of_this_session(work: Path, tmp_path: Path) -> None:
    folder = write_scene(session_folder(LOCAL, "scenes", "tiny") / "scene")
    scene = gx.open_scene(folder)
    found = scene_layers(LOCAL, scene)
    while found.waiting:
        time.sleep(0.05)
        found = scene_layers(LOCAL, scene)
    assert found.problems == ()
    layers = {layer.id: layer for layer in found.layers}
    assert list(layers) == ["labels-train", "labels-test", "sensor-sar", "sensor-hsi"]
    assert layers["sensor-sar"].decibel and layers["sensor-sar"].unit == "dB"
    assert [entry.name for entry in layers["labels-test"].classes] == ["Wheat", "Maize", "Water"]
    served = registry().resolve(LOCAL, layers["labels-test"].url.removeprefix("/files/"))
    with rasterio.open(served) as copy, rasterio.open(folder / "test.tif") as test:
        np.testing.assert_array_equal(copy.read(1), test.read(1))


def test_a_sensor_in_another_crs_is_brought_onto_the_scenes_grid(work: Path) -> None:
    folder = write_scene(session_folder(LOCAL, "scenes", "two-crs") / "scene")
    away = GeoBox((60, 60), Affine(0.0002, 0, 15.0, 0, -0.0002, 52.355), "EPSG:4326")
    write_raster(folder / "hsi.tif", np.ones((2, 60, 60), np.float32), away)
    scene = gx.open_scene(folder)
    found = scene_layers(LOCAL, scene)
    while found.waiting:
        time.sleep(0.05)
        found = scene_layers(LOCAL, scene)
    hsi = next(layer for layer in found.layers if layer.id == "sensor-hsi")
    info = gx.describe_raster(registry().resolve(LOCAL, hsi.url.removeprefix("/files/")))
    assert info.grid == scene.grid


def test_a_missing_sensor_is_said_and_the_rest_is_shown(work: Path) -> None:
    folder = write_scene(session_folder(LOCAL, "scenes", "half") / "scene")
    (folder / "hsi.tif").unlink()
    found = scene_layers(LOCAL, gx.open_scene(folder))
    assert any("hsi" in line and "not there" in line for line in found.problems)
    assert str(folder) not in " ".join(found.problems)


def test_the_file_that_a_map_was_made_from_is_a_layer(work: Path, tmp_path: Path) -> None:
    path = write_scene(tmp_path / "scene") / "sar.tif"
    found = file_layer(LOCAL, path, "radar.tif", "sar")
    while found.waiting:
        time.sleep(0.05)
        found = file_layer(LOCAL, path, "radar.tif", "sar")
    (layer,) = found.layers
    assert (layer.title, layer.visible) == ("radar.tif", False)
    assert layer.url.startswith("/files/") and not found.problems


def test_small_pixels_are_small(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "raw.tif", np.ones((3, 900, 600), np.float32), utm_grid(900, 600))
    assert small_pixels(path, (1, 3), side=90).shape == (2, 90, 60)
