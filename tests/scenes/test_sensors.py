"""Sensors that stay where they are: what a scene refers to is read as a copy would hold it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio import Affine
from rasterio.control import GroundControlPoint

from geo_xmodal.commands.app import run
from geo_xmodal.errors import GeoXmodalError, SceneError
from geo_xmodal.kinds import KINDS
from geo_xmodal.scenes import align_scene, open_scene, parse_config, read_config
from geo_xmodal.scenes.scene import WITHIN_VARIABLE
from geo_xmodal.types import Window
from tests.file_server import served
from tests.rasters import UTM33, WGS84, turned_grid, utm_grid, write_raster

GRID = utm_grid(90, 80)
WHOLE = Window(0, 0, 90, 80)
HALF = utm_grid(45, 40, 20.0)
DEGREES = GeoBox((70, 60), Affine(1.9e-4, 0, 13.7295, 0, -1.2e-4, 45.1486), WGS84)


def noise(grid: GeoBox, bands: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2, 1, (bands, *grid.shape)).astype(np.float32)


@pytest.fixture
def radar(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "radar.tif", noise(GRID, 2), GRID)


def toml(folder: Path, sensors: str, target: str = "sar") -> Path:
    """A scene.toml with these tables, and a target `../radar.tif`."""
    folder.mkdir(exist_ok=True)
    own = (
        '[modalities.sar]\nfiles = ["../radar.tif"]\nkind = "sar"\n'
        if "modalities.sar" not in sensors
        else ""
    )
    (folder / "scene.toml").write_text(f'name = "s"\ntarget = "{target}"\n{own}{sensors}')
    return folder


PLACES = {
    "same": GRID,
    "half": HALF,
    "degrees": DEGREES,
    "turned": turned_grid(GRID, 20, 0.7),
    "south up": GeoBox((45, 40), Affine(20, 0, 4e5, 0, 20, 5e6 - 900), UTM33),
    "control points": HALF,
}


def _tagged(path: Path, scale: float, offset: float) -> None:
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (scale,) * dataset.count, (offset,) * dataset.count


def _as_points(path: Path, grid: GeoBox, values: np.ndarray) -> None:
    """A file whose place is control points, bent by a third of a pixel."""
    height, width = grid.shape
    places = [(col, row) for col in np.linspace(0, width, 5) for row in np.linspace(0, height, 5)]
    points = [
        GroundControlPoint(row, col, *(grid.affine @ (col + 0.3 * np.sin(row / height * 3), row)), 0)
        for col, row in places
    ]
    profile = {"driver": "GTiff", "count": len(values), "height": height, "width": width}
    with rasterio.open(path, "w", gcps=points, crs=UTM33, dtype=values.dtype.name, **profile) as dataset:
        dataset.write(values)


windows = st.builds(Window, st.integers(-9, 85), st.integers(-9, 75), st.integers(1, 60), st.integers(1, 60))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.sampled_from(sorted(PLACES)),
    kind=st.sampled_from(sorted(KINDS)),
    tags=st.sampled_from([None, (0.5, -3.0)]),
    decibel=st.booleans(),
    holes=st.booleans(),
    tiles=st.booleans(),
    asked=st.lists(st.tuples(windows, st.integers(0, 4)), min_size=1, max_size=4),
)
def test_what_is_referred_to_is_what_a_copy_holds(
    tmp_path_factory: pytest.TempPathFactory,
    place: str,
    kind: str,
    tags: tuple[float, float] | None,
    decibel: bool,
    holes: bool,
    tiles: bool,
    asked: list[tuple[Window, int]],
) -> None:
    folder = tmp_path_factory.mktemp("same")
    radar = write_raster(folder / "radar.tif", noise(GRID, 2), GRID)
    grid, values = PLACES[place], noise(PLACES[place], 2, seed=3)
    decibel &= KINDS[kind].power  # type: ignore[index]
    if decibel:
        values = -3 - values
        tags = None if tags is None else (0.5, -20.0)
    elif kind == "embedding":
        values -= 2
    elif tags is not None and KINDS[kind].power:  # type: ignore[index]
        tags = (0.5, 3.0)
    if holes:
        values[:, 10:14, 9:15] = 0 if KINDS[kind].zero_is_no_data else np.nan  # type: ignore[index]
    tiles &= place not in ("control points",)
    sensor = folder / "sensor"
    if place == "control points":
        sensor = folder / "sensor.tif"
        _as_points(sensor, grid, values)
        written = [sensor]
    elif tiles:
        sensor.mkdir()
        cut = grid.shape[0] // 2
        written = [
            write_raster(
                sensor / "a.tif", values[:, :cut], GeoBox((cut, grid.shape[1]), grid.affine, grid.crs)
            ),
            write_raster(
                sensor / "b.tif",
                values[:, cut:],
                GeoBox(
                    (grid.shape[0] - cut, grid.shape[1]), grid.affine @ Affine.translation(0, cut), grid.crs
                ),
            ),
        ]
    else:
        sensor = write_raster(folder / "sensor.tif", values, grid)
        written = [sensor]
    if tags is not None:
        for path in written:
            _tagged(path, *tags)
    made = {}
    for copy in (True, False):
        made[copy] = align_scene(
            folder / f"copy {copy}",
            reference=radar,
            modalities={"x": sensor},
            kinds={"x": kind, "sar": "msi"},  # type: ignore[dict-item]
            scale="db" if decibel else None,
            warp_gcps="polynomial",
            copy=copy,
        )
    assert made[True].config.modalities["x"].file and not made[False].config.modalities["x"].file
    for window, margin in [(WHOLE, 0), *asked]:
        held, read = (made[copy].reader("x").read(window, margin) for copy in (True, False))
        np.testing.assert_array_equal(held, read)
        known = made[False].reader("x").valid(window, margin)
        np.testing.assert_array_equal(known, np.isfinite(read).all(axis=0))
    assert np.isfinite(made[False].reader("x").read(WHOLE)).any()


def labels(folder: Path) -> Path:
    ids = np.zeros((1, *GRID.shape), np.uint8)
    ids[0, 5:40, 5:70], ids[0, 45:80, 5:70] = 1, 2
    return write_raster(folder / "ids.tif", ids, GRID)


def test_a_scene_is_its_toml_and_its_labels(tmp_path: Path, radar: Path) -> None:
    (tmp_path / "far").mkdir()
    hsi = write_raster(tmp_path / "far" / "hsi.tif", noise(HALF, 4), HALF)
    given = {"reference": radar, "modalities": {"hsi": hsi}, "labels": {"all": labels(tmp_path)}}
    scene = align_scene(tmp_path / "home" / "scene", kinds={"sar": "sar"}, **given)
    assert sorted(path.name for path in scene.folder.iterdir()) == ["labels_all.tif", "scene.toml"]
    # beneath the folder that holds the scene: by the way from there; elsewhere: in full
    assert scene.config.modalities["hsi"].files == (str(hsi),)
    beside = align_scene(tmp_path / "scene", kinds={"sar": "sar"}, **given)
    assert beside.config.modalities["hsi"].files == ("../far/hsi.tif",)
    assert beside.own_grid("hsi") == HALF and beside.grid == GRID
    expected = beside.reader("hsi").read(WHOLE)
    shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name} moved", copy_function=shutil.copyfile)
    shutil.rmtree(tmp_path)
    moved = open_scene(tmp_path.parent / f"{tmp_path.name} moved" / "scene")
    np.testing.assert_array_equal(moved.reader("hsi").read(WHOLE), expected)


def test_band_files_lists_and_several_files(tmp_path: Path, radar: Path) -> None:
    fine, coarse = noise(GRID, 2), noise(HALF, 1, 5)
    bands = tmp_path / "S2A.SAFE"
    bands.mkdir()
    write_raster(bands / "T33_B02_10m.tif", fine[:1], GRID)
    write_raster(bands / "T33_B03_10m.tif", fine[1:], GRID)
    write_raster(bands / "T33_B05_20m.tif", coarse, HALF)
    with pytest.raises(GeoXmodalError, match=r"B02_10m.tif and T33_B03_10m.tif have one band each.*name the"):
        align_scene(tmp_path / "no", reference=radar, modalities={"msi": bands})
    chosen = {"msi": ["B03", "B02"]}
    scene = align_scene(tmp_path / "one", reference=radar, modalities={"msi": bands}, bands=chosen)
    assert scene.reader("msi").band_names == ("B03", "B02")
    np.testing.assert_array_equal(scene.reader("msi").read(WHOLE), fine[::-1])
    chosen = {"msi": ["B02", "B05"]}
    scene = align_scene(tmp_path / "two", reference=radar, modalities={"msi": bands}, bands=chosen)
    copied = align_scene(
        tmp_path / "copy", reference=radar, modalities={"msi": bands}, bands=chosen, copy=True
    )
    np.testing.assert_array_equal(scene.reader("msi").read(WHOLE), copied.reader("msi").read(WHOLE))
    (tmp_path / "bands.txt").write_text("S2A.SAFE/T33_B02_10m.tif\n")
    listed = align_scene(tmp_path / "list", reference=radar, modalities={"msi": tmp_path / "bands.txt"})
    np.testing.assert_array_equal(listed.reader("msi").read(WHOLE), fine[:1])
    west, east = GRID[:, :30], GRID[:, 30:]
    tiles = [
        write_raster(tmp_path / "east.tif", fine[:, :, 30:], east),
        write_raster(tmp_path / "west.tif", fine[:, :, :30], west),
    ]
    mosaic = align_scene(tmp_path / "tiles", reference=tiles, modalities={"sar": radar})
    assert (mosaic.target, mosaic.grid) == ("target", GRID)
    np.testing.assert_array_equal(mosaic.reader("target").read(WHOLE), fine)
    contradicting = write_raster(tmp_path / "three.tif", noise(east), east)
    with pytest.raises(GeoXmodalError, match=r"has 3 bands, .*west.tif has 2"):
        align_scene(tmp_path / "x", reference=radar, modalities={"y": [tiles[1], contradicting]})
    assert not (tmp_path / "x").exists()


def said(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of a command that refuses."""
    assert run(words) == 2
    line = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(line) == 1
    return line[0]


def test_a_file_that_is_gone_or_changed_is_one_line(
    tmp_path: Path, radar: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hsi = write_raster(tmp_path / "hsi.tif", noise(HALF, 4), HALF)
    scene = align_scene(
        tmp_path / "s", reference=radar, modalities={"hsi": hsi}, labels={"all": labels(tmp_path)}
    )
    train = ["train", "--scene", str(scene.folder), "--method", "hgr", "--out", str(tmp_path / "run")]
    os.utime(hsi)  # a copy of a file is the file
    open_scene(scene.folder).reader("hsi")
    write_raster(hsi, noise(HALF, 4, seed=1), HALF)
    assert f"scene.toml: modalities.hsi: {scene.folder}/../hsi.tif has changed since" in said(train, capsys)
    hsi.rename(tmp_path / "away.tif")
    assert open_scene(scene.folder).missing_modalities == ("hsi",)
    assert "../hsi.tif is not there: move it back" in said([*train, "--set", "auxiliary=hsi"], capsys)
    assert run(["info", str(scene.folder)]) == 0
    assert "hsi.tif (missing)" in " ".join(capsys.readouterr().out.split())
    radar.rename(tmp_path / "gone.tif")
    assert "modalities.sar: " in said(train, capsys)
    assert not (tmp_path / "run").exists()


def test_no_overlap_and_no_data_are_told_before_anything_is_written(tmp_path: Path, radar: Path) -> None:
    far = write_raster(tmp_path / "far.tif", noise(HALF), utm_grid(45, 40, 20.0, east=700_000.0))
    empty = write_raster(tmp_path / "empty.tif", np.full((2, 45, 40), np.nan, np.float32), HALF)
    for path, why in ((far, "does not overlap"), (empty, "holds no data on the reference grid")):
        with pytest.raises(GeoXmodalError, match=rf"{path.name}: {why}"):
            align_scene(tmp_path / "s", reference=radar, modalities={"hsi": path})
    assert not (tmp_path / "s").exists()


def test_an_address_is_asked_for_only_where_that_is_allowed(
    tmp_path: Path, radar: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "bucket"
    place.mkdir()
    values = noise(GRID, 2)
    write_raster(place / "hsi.tif", values, GRID)
    with served(place) as server:
        address = f"http://{server.address}/hsi.tif"
        scene = align_scene(tmp_path / "s", reference=radar, modalities={"hsi": address})
        np.testing.assert_array_equal(scene.reader("hsi").read(WHOLE), values)
        asked = len(server.asked)
        correlate = ["correlate", "--scene", str(scene.folder), "--between", "hsi", "sar"]
        assert f"{address} is an address" in (line := said(correlate, capsys)) and "--allow-addresses" in line
        assert run(["info", str(scene.folder)]) == 0
        assert open_scene(scene.folder).missing_modalities == ()
        assert len(server.asked) == asked
        assert run([*correlate, "--allow-addresses"]) == 0
        assert len(server.asked) > asked
        with pytest.raises(GeoXmodalError, match=r"hsi.tif: what follows its \? may be a signature"):
            align_scene(tmp_path / "t", reference=radar, modalities={"hsi": f"{address}?secret=1"})
        write_raster(place / "hsi.tif", noise(HALF), HALF)
        assert "hsi.tif has changed since" in said([*correlate, "--allow-addresses"], capsys)
        (place / "hsi.tif").unlink()
        assert "no such file on the server" in said([*correlate, "--allow-addresses"], capsys)


def leads_out(tmp_path: Path) -> dict[str, Callable[[Path], str]]:
    """Ways out of a folder: by name, by a link, by a folder that holds a link, by a list."""

    def link(home: Path) -> str:
        (home / "link.tif").symlink_to(tmp_path / "secret.tif")
        return "link.tif"

    def folder(home: Path) -> str:
        (home / "tiles").mkdir()
        (home / "tiles" / "a.tif").symlink_to(tmp_path / "secret.tif")
        return "tiles"

    def listed(home: Path) -> str:
        (home / "tiles.txt").write_text("../../secret.tif\n")
        return "tiles.txt"

    return {
        "full": lambda home: str(tmp_path / "secret.tif"),
        "upwards": lambda home: "../../secret.tif",
        "missing": lambda home: "../../nothing.tif",
        "link": link,
        "folder": folder,
        "list": listed,
    }


@pytest.mark.parametrize("way", ["full", "upwards", "missing", "link", "folder", "list"])
@pytest.mark.parametrize("by", ["argument", "environment"])
def test_a_scene_of_a_stranger_stays_where_it_may(
    way: str, by: str, tmp_path: Path, radar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_raster(tmp_path / "secret.tif", noise(GRID), GRID)
    home = tmp_path / "home"
    home.mkdir()
    shutil.copyfile(radar, home / "radar.tif")
    name = leads_out(tmp_path)[way](scene := toml(home / "scene", ""))
    toml(scene, f'[modalities.hsi]\nfiles = ["{name}"]\nkind = "hsi"\n')
    if by == "environment":
        monkeypatch.setenv(WITHIN_VARIABLE, str(home))
    with pytest.raises(GeoXmodalError, match=r"leads out of|lies outside") as caught:
        opened = open_scene(scene, within=[home] if by == "argument" else None)
        opened.reader("hsi")
    assert "\n" not in str(caught.value)
    monkeypatch.delenv(WITHIN_VARIABLE, raising=False)
    if way != "missing":  # who runs a command may read what it names
        assert open_scene(scene).reader("hsi").read(WHOLE).shape == (3, 90, 80)
    with pytest.raises(SceneError, match="leads out"):
        read_config(toml(tmp_path / "other", ""), within=[home])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "expected file .* or files"),
        ({"file": "a.tif", "files": ["b.tif"]}, "expected file .* or files"),
        ({"files": []}, "files: "),
        ({"files": [""]}, "files.0: "),
        ({"file": "../a.tif"}, "inside"),
        ({"files": ["a.tif"], "fingerprints": []}, "one for each of files"),
        ({"files": ["a.tif"], "notes": ["x"]}, "notes are of a file"),
    ],
)
def test_what_names_no_sensor_is_refused(table: dict[str, object], message: str) -> None:
    with pytest.raises(SceneError, match=message):
        parse_config({"name": "s", "target": "a", "modalities": {"a": {"kind": "msi", **table}}})


def test_no_folder_of_the_whole_disk_is_looked_through(
    tmp_path: Path, radar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geo_xmodal.raster.band_files.MAX_ENTRIES", 3)
    scene = toml(tmp_path / "s", '[modalities.hsi]\nfiles = [".."]\nkind = "hsi"\n')
    for number in range(4):
        (tmp_path / f"{number}.txt").touch()
    with pytest.raises(GeoXmodalError, match="holds more than 3 files"):
        open_scene(scene).reader("hsi")


@pytest.mark.parametrize("key", ["file", "files"])
def test_a_name_that_no_file_can_have_is_refused(radar: Path, tmp_path: Path, key: str) -> None:
    name = "x" * 252 + ".tif"
    value = f'"{name}"' if key == "file" else f'["{name}"]'
    folder = toml(tmp_path / "scene", f'[modalities.hsi]\n{key} = {value}\nkind = "hsi"\n')
    with pytest.raises(SceneError, match="by 256 bytes, and none has more than 255"):
        open_scene(folder)
