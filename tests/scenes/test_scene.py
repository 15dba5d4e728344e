from __future__ import annotations

from pathlib import Path

import dask
import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio import Affine

from geo_xmodal.errors import LabelError, RasterError, SceneError
from geo_xmodal.scenes.config import parse_config, read_config, write_config
from geo_xmodal.scenes.labelled import labelled_pixels
from geo_xmodal.scenes.scene import list_scenes, open_scene
from geo_xmodal.types import LandClass, Window
from tests.rasters import position_values, turned_grid, utm_grid, write_positions, write_raster

WHOLE = Window(0, 0, 60, 50)


def make_scene(folder: Path, grid: GeoBox | None = None, **changes: object) -> Path:
    """A scene of 60 x 50 pixels: SAR in decibels everywhere, HSI at 20 m on the left, two label files."""
    grid = grid or utm_grid()
    folder.mkdir(parents=True)
    write_raster(folder / "sar.tif", np.full((2, 60, 50), -10, np.float32), grid)
    coarse = GeoBox((30, 10), grid.affine @ Affine.scale(2), grid.crs)
    write_positions(folder / "hsi.tif", coarse)
    for row, split in ((5, "train"), (30, "test")):
        labels = np.zeros((1, 60, 50), np.uint8)
        labels[0, row, 1:4] = (1, 7, 7)
        labels[0, 50, 50 - row :] = 1 if split == "train" else 7
        write_raster(folder / f"{split}.tif", labels, grid)
    table = {
        "name": folder.name,
        "description": "made up",
        "target": "sar",
        "modalities": {
            "sar": {"file": "sar.tif", "kind": "sar", "scale": "db"},
            "hsi": {"file": "hsi.tif", "kind": "hsi", "resampling": "nearest"},
        },
        "classes": [
            {"id": 1, "name": "Forest", "color": "#1b7837"},
            {"id": 7, "name": "Water", "color": "#4575b4"},
        ],
        "labels": {"train": {"file": "train.tif"}, "test": {"file": "test.tif"}},
        **changes,
    }
    write_config(parse_config(table), folder)
    return folder


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty `$GEO_XMODAL_DATA`."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("GEO_XMODAL_DATA", str(folder))
    return folder


def test_what_a_scene_says_of_itself(tmp_path: Path):
    scene = open_scene(make_scene(tmp_path / "valley", simulated=True))
    assert (scene.name, scene.target, scene.auxiliary_modalities) == ("valley", "sar", ("hsi",))
    assert scene.classes == (LandClass(1, "Forest", "#1b7837"), LandClass(7, "Water", "#4575b4"))
    assert scene.grid == utm_grid()
    assert scene.has_crs and scene.simulated and scene.source == "path"
    assert scene.missing_modalities == ()
    with pytest.raises(SceneError, match="no modality 'lidar'; modalities: sar, hsi"):
        scene.reader("lidar")


def test_scene_toml_itself_may_be_named(tmp_path: Path):
    folder = make_scene(tmp_path / "valley")
    assert open_scene(folder / "scene.toml").folder == folder


def test_sensors_on_the_reference_grid(tmp_path: Path):
    scene = open_scene(make_scene(tmp_path / "valley"))
    np.testing.assert_allclose(scene.reader("sar").read(WHOLE), 0.1, rtol=1e-6)
    hsi = scene.reader("hsi")
    assert (hsi.kind, hsi.resampling) == ("hsi", "nearest")
    values = hsi.read(WHOLE)
    assert np.isnan(values[:, :, 20:]).all()
    rows, cols = position_values(scene.grid)[:, :, :20]
    np.testing.assert_array_equal(values[:, :, :20], np.stack([rows // 2 + 0.5, cols // 2 + 0.5]))


def test_keys_of_scene_toml_reach_the_reader(tmp_path: Path):
    modality = {"file": "hsi.tif", "kind": "hsi", "bands": [2, 1], "invalid_bands": [1], "nodata": 3.5}
    folder = make_scene(
        tmp_path / "valley", modalities={"sar": {"file": "sar.tif", "kind": "other"}, "hsi": modality}
    )
    scene = open_scene(folder)
    hsi = scene.reader("hsi")
    assert (hsi.indexes, hsi.nodata, hsi.resampling, hsi.decibel) == ((2,), 3.5, "bilinear", False)
    assert (scene.reader("sar").read(WHOLE) == -10).all()


def test_the_absent_sensor_is_not_needed(tmp_path: Path):
    folder = make_scene(tmp_path / "valley")
    (folder / "hsi.tif").unlink()
    (folder / "train.tif").write_text("not a raster")
    scene = open_scene(folder)
    assert scene.missing_modalities == ("hsi",)
    assert scene.reader("sar").valid(WHOLE).all()
    with pytest.raises(RasterError, match=r"hsi\.tif: no such file"):
        scene.reader("hsi")


def test_missing_target_is_a_clear_line(tmp_path: Path):
    folder = make_scene(tmp_path / "valley")
    (folder / "sar.tif").unlink()
    with pytest.raises(RasterError, match=r"sar\.tif: no such file"):
        open_scene(folder)


def test_labels_of_each_side_and_of_both(tmp_path: Path):
    scene = open_scene(make_scene(tmp_path / "valley"))
    assert scene.read_labels("train", Window(5, 0, 1, 5)).tolist() == [[0, 1, 7, 7, 0]]
    assert scene.read_labels("test", Window(5, 0, 1, 5)).tolist() == [[0, 0, 0, 0, 0]]
    both = scene.read_labels("all", WHOLE)
    assert both.dtype == np.uint8
    assert both[30, 1:4].tolist() == [1, 7, 7]
    # Training labels count where both label a pixel.
    assert both[50, 44:47].tolist() == [7, 1, 1]
    assert all(scene.has_labels(split) for split in ("train", "test", "all"))
    with pytest.raises(LabelError, match=r"no labels for 'all'; labels given: labels\.train, labels\.test"):
        scene.label_source("all")


def test_one_set_of_labels_is_split(tmp_path: Path):
    labels = {"all": {"file": "train.tif"}}
    scene = open_scene(
        make_scene(tmp_path / "valley", labels=labels, split={"kind": "random", "buffer": 0, "test": 0.5})
    )
    train, test, both = (scene.read_labels(split, WHOLE) for split in ("train", "test", "all"))
    assert train.any() and test.any()
    assert not (train.astype(bool) & test.astype(bool)).any()
    np.testing.assert_array_equal(np.maximum(train, test), both)
    assert scene.has_labels("train") and scene.has_labels("test")


def test_labels_are_read_once_until_their_file_changes(tmp_path: Path):
    scene = open_scene(make_scene(tmp_path / "valley"))
    first = labelled_pixels(scene, "train")
    assert labelled_pixels(open_scene(tmp_path / "valley"), "train") is first
    source = scene.label_source("train")
    with rasterio.open(scene.folder / source.file, "r+") as dataset:
        ids = dataset.read(1)
        ids[tuple(first.position[0])] = 0
        dataset.write(ids, 1)
    assert len(labelled_pixels(scene, "train")) == len(first) - 1


def test_scene_without_labels(tmp_path: Path):
    scene = open_scene(make_scene(tmp_path / "valley", labels={}, classes=[]))
    assert scene.classes == ()
    assert not scene.has_labels("all")
    with pytest.raises(LabelError, match="labels given: none"):
        scene.read_labels("train", WHOLE)


def test_lazy_array(tmp_path: Path):
    scene = open_scene(make_scene(tmp_path / "valley"))
    array = scene.array("hsi")
    assert array.dims == ("band", "y", "x")
    assert array.shape == (2, 60, 50) and array.dtype == np.float32
    assert dask.is_dask_collection(array)
    assert (float(array.x[0]), float(array.y[0])) == (400_005, 4_999_995)
    assert array.band.values.tolist() == ["band 1", "band 2"]
    assert array.attrs["kind"] == "hsi"
    assert rasterio.crs.CRS.from_wkt(array.attrs["crs"]).to_epsg() == 32633
    assert Affine(*array.attrs["transform"]) == scene.grid.affine
    np.testing.assert_array_equal(array.compute().values, scene.reader("hsi").read(WHOLE))


def test_lazy_array_has_chunks_that_tile_it(tmp_path: Path):
    folder = make_scene(tmp_path / "valley")
    values = np.random.default_rng(0).random((2, 1030, 1050), np.float32)
    write_raster(folder / "sar.tif", values, utm_grid(1030, 1050), compress="none")
    modalities = {"sar": {"file": "sar.tif", "kind": "sar"}}
    config = read_config(folder).model_dump() | {"modalities": modalities}
    write_config(parse_config(config), folder)
    array = open_scene(folder).array("sar")
    assert array.data.numblocks == (1, 2, 2)
    np.testing.assert_array_equal(array.compute().values, values)


def test_turned_grid_has_no_axes(tmp_path: Path):
    scene = open_scene(make_scene(tmp_path / "valley", turned_grid(utm_grid(), 30)))
    assert set(scene.array("sar").coords) == {"band"}


def test_scene_without_crs(tmp_path: Path):
    grid = GeoBox((60, 50), Affine.identity(), None)
    modalities = {"sar": {"file": "sar.tif", "kind": "sar"}}
    scene = open_scene(make_scene(tmp_path / "valley", grid, modalities=modalities))
    assert not scene.has_crs
    assert scene.array("sar").attrs["crs"] is None
    assert scene.read_labels("train", Window(5, 0, 1, 5)).tolist() == [[0, 1, 7, 7, 0]]


def test_path_then_data_then_samples(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_scene(data / "valley")
    make_scene(tmp_path / "here" / "valley")
    found = open_scene("valley")
    assert (found.source, found.folder) == ("data", data / "valley")
    monkeypatch.chdir(tmp_path / "here")
    found = open_scene("valley")
    assert (found.source, found.folder.resolve()) == ("path", (tmp_path / "here" / "valley").resolve())


def test_unknown_scene_says_where_it_looked_and_what_there_is(data: Path):
    make_scene(data / "valley")
    with pytest.raises(SceneError) as caught:
        open_scene("valey")
    message = str(caught.value)
    assert str(data / "valey" / "scene.toml") in message
    assert "valley" in message.split("scenes known:")[1]
    assert "\n" not in message


def test_unset_variable_is_mentioned(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GEO_XMODAL_DATA", raising=False)
    with pytest.raises(SceneError, match=r"\$GEO_XMODAL_DATA is not set"):
        open_scene("no-such-scene")


@pytest.mark.parametrize("name", ["../outside", "a/b", "..", ""])
def test_a_name_does_not_climb_out_of_the_data_folder(data: Path, name: str):
    make_scene(data.parent / "outside")
    make_scene(data / "a" / "b")
    with pytest.raises(SceneError):
        open_scene(name)


def test_list_of_scenes(data: Path):
    make_scene(data / "valley", simulated=True)
    (data / "broken").mkdir()
    (data / "broken" / "scene.toml").write_text("name = 1")
    (data / "no-scene").mkdir()
    found = {summary.name: summary for summary in list_scenes() if summary.source == "data"}
    assert set(found) == {"valley", "broken"}
    assert found["valley"].simulated and found["valley"].description == "made up"
    assert found["valley"].problem is None
    assert "name" in str(found["broken"].problem)


def test_own_data_hide_a_sample_of_the_same_name(data: Path):
    samples = [summary.name for summary in list_scenes() if summary.source == "sample"]
    if not samples:
        pytest.skip("no sample scenes in this checkout")
    assert open_scene(samples[0]).source == "sample"
    make_scene(data / samples[0])
    assert open_scene(samples[0]).source == "data"
    assert [summary.source for summary in list_scenes() if summary.name == samples[0]] == ["data"]


def test_every_shipped_scene_opens():
    for summary in list_scenes():
        if summary.source == "sample":
            assert summary.problem is None
            scene = open_scene(summary.name)
            assert scene.missing_modalities == ()
            for modality in scene.config.modalities:
                assert scene.reader(modality).valid(Window(0, 0, *scene.grid.shape)).any()
