"""From two sensors to a map from one, through the real command line."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from rio_cogeo.cogeo import cog_validate

import geo_xmodal as gx
from geo_xmodal.commands.app import run
from tests import tiny

PROGRAM = Path(sys.executable).parent / "geo-xmodal"


@dataclass(frozen=True)
class World:
    """A scene, and a run on it over two seeds with both controls."""

    scene: Path
    run: Path
    metrics: dict[str, Any]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    scene = tiny.write_scene(folder / "tiny")
    out = folder / "run"
    ok("train", "--scene", scene, "--seeds", 2, "--control", *tiny.QUICK, "--out", out)
    return World(scene, out, json.loads((out / "metrics.json").read_text()))


@pytest.fixture(scope="module")
def finished_map(world: World) -> Path:
    out = world.run.parent / "map.tif"
    ok("map", "--model", world.run, "--scene", world.scene, "--out", out, "--probability")
    return out


def ok(*arguments: object) -> None:
    assert run([str(one) for one in arguments]) == 0


def json_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    capsys.readouterr()
    ok(*arguments, "--json")
    return json.loads(capsys.readouterr().out)


def pixels(path: Path) -> Any:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder, with its bytes."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


# --- what comes out


def test_a_run_leaves_what_the_contract_says(world: World) -> None:
    assert {"config.json", "metrics.json", "report.html", "model", "seed-0", "seed-1", "controls"} <= {
        path.name for path in world.run.iterdir()
    }
    for seed in (world.run / "seed-0", world.run / "controls" / "self_training" / "seed-1"):
        assert {"config.json", "log.jsonl", "metrics.json", "model"} <= {path.name for path in seed.iterdir()}
    metrics = world.metrics
    assert {"oa", "aa", "kappa", "miou", "macro_f1", "ece", "per_class", "confusion", "n", "split"} <= set(
        metrics
    )
    assert {"seeds", "mean", "sd", "controls", "gain"} <= set(metrics)
    assert set(metrics["controls"]) == set(metrics["gain"]) == {"target_only", "self_training"}
    for gain in metrics["gain"].values():
        assert {"mean", "se"} == set(gain["oa"]) == set(gain["aa"])
    assert metrics["mean"]["oa"] > 0.5  # by chance 0.33


def test_the_map_is_on_the_sensors_grid_and_a_valid_cog(world: World, finished_map: Path) -> None:
    with rasterio.open(finished_map) as dataset, rasterio.open(world.scene / "sar.tif") as sensor:
        assert dataset.count == 1 and dataset.dtypes[0] == "uint8" and dataset.nodata == 0
        assert (dataset.shape, dataset.transform, dataset.crs) == (sensor.shape, sensor.transform, sensor.crs)
        assert dataset.colormap(1)[4] == (0x11, 0x77, 0x33, 255)
        assert set(np.unique(dataset.read(1))) <= set(tiny.IDS)
    assert cog_validate(finished_map)[0]
    probability = pixels(finished_map.with_name("map_probability.tif"))
    assert probability.min() >= 100 / 3 - 1 and probability.max() <= 100


def test_the_map_needs_no_second_sensor(
    world: World, finished_map: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = tmp_path / "tiny"
    shutil.copytree(world.scene, scene)
    (scene / "hsi.tif").unlink()
    from_scene, from_file = tmp_path / "scene.tif", tmp_path / "file.tif"
    result = json_of(capsys, "map", "--model", world.run / "model", "--scene", scene, "--out", from_scene)
    assert result["map"] == str(from_scene)
    assert sum(one["pixels"] for one in result["classes"]) == tiny.SIDE**2
    ok("map", "--model", world.run, "--input", scene / "sar.tif", "--out", from_file, "--window", 128)
    np.testing.assert_array_equal(pixels(from_scene), pixels(finished_map))
    np.testing.assert_array_equal(pixels(from_file), pixels(finished_map))


def test_decibels_and_bands_of_an_input_are_brought_back(
    world: World, finished_map: Path, tmp_path: Path
) -> None:
    with rasterio.open(world.scene / "sar.tif") as dataset:
        power = dataset.read()
    swapped = tiny.write_raster(tmp_path / "db.tif", 10 * np.log10(power[::-1].astype(np.float64)))
    out = tmp_path / "map.tif"
    ok("map", "--model", world.run, "--input", swapped, "--bands", "2,1", "--scale", "db", "--out", out)
    assert (pixels(out) == pixels(finished_map)).mean() > 0.999


def calibration_error(probability: Any, right: Any) -> float:
    """Over 15 bins, open below."""
    place = np.ceil(probability * 15 - 1e-9)
    parts = [place == one for one in np.unique(place)]
    gaps = [abs(right[part].mean() - probability[part].mean()) * part.sum() for part in parts]
    return float(sum(gaps) / len(right))


def test_evaluating_the_map_gives_the_accuracy_of_its_run(
    world: World, finished_map: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "accuracy"
    arguments = ("evaluate", "--map", finished_map, "--reference", world.scene / "test.tif", "--out", out)
    result = json_of(capsys, *arguments)
    assert result == json.loads((out / "metrics.json").read_text())
    first = world.metrics["seeds"][0]
    assert result["confusion"] == first["confusion"]
    assert result["oa"] == first["oa"]
    # the map's probabilities are whole percents: its error is that of these
    said = pixels(finished_map.with_name(f"{finished_map.stem}_probability.tif")).astype(float) / 100
    reference = pixels(world.scene / "test.tif")
    tested = reference > 0
    assert result["ece"] == pytest.approx(
        calibration_error(said[tested], (pixels(finished_map) == reference)[tested])
    )
    ok(*arguments)
    assert "producer's accuracy" in capsys.readouterr().out


def test_a_picture_of_the_map(world: World, tmp_path: Path) -> None:
    out = tmp_path / "map.png"
    ok("map", "--model", world.run, "--scene", world.scene, "--out", tmp_path / "map.tif", "--picture", out)
    assert out.read_bytes().startswith(b"\x89PNG")


def test_the_python_interface_gives_the_same_bytes(world: World, finished_map: Path, tmp_path: Path) -> None:
    scene = gx.open_scene(world.scene)
    request = gx.TrainRequest(
        method="hgr",
        options=gx.HgrOptions(epochs=2, teachers=1),
        data=gx.DataOptions(unlabelled=500),
        seeds=2,
        control=True,
    )
    trained = gx.train_scene(scene, tmp_path / "run", request)
    assert trained.metrics == world.metrics
    assert trained.accuracy.oa == gx.Figure(world.metrics["oa"], world.metrics["sd"]["oa"])
    assert trained.test_pixels == world.metrics["n"] == sum(one.support for one in trained.classes)
    assert set(trained.gains) == set(trained.controls) == {"target_only", "self_training"}
    assert trained.gains["target_only"]["aa"].mean == pytest.approx(
        np.subtract(trained.accuracy.aa.mean, trained.controls["target_only"].aa.mean)
    )
    weights = Path("model") / "model.safetensors"
    assert (tmp_path / "run" / weights).read_bytes() == (world.run / weights).read_bytes()
    model, out = gx.find_model(tmp_path / "run"), tmp_path / "map.tif"
    gx.map_scene(model, scene.reader("sar"), out, probability=True, mapped=scene.name)
    assert (tmp_path / "map.tif").read_bytes() == finished_map.read_bytes()
    said = trained.model.predict(scene.array("sar").values)
    with rasterio.open(finished_map) as dataset:
        np.testing.assert_array_equal(said.classes, dataset.read(1))
    assert [one.name for one in trained.model.classes] == ["Wheat", "Maize", "Water"]
    with pytest.raises(gx.GeoXmodalError, match=r"shape \(2, 3\); expected \(band, row, col\), 2 bands"):
        trained.model.predict(np.zeros((2, 3), np.float32))


def test_info_says_what_a_run_is(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    found = json_of(capsys, "info", world.run)
    assert (found["type"], found["method"], found["auxiliary"], found["scene"]) == (
        "model",
        "hgr",
        "hsi",
        "tiny",
    )
    assert [one["name"] for one in found["classes"]] == ["Wheat", "Maize", "Water"]
    ok("info", world.run / "model")
    assert "tiny (simulated)" in capsys.readouterr().out


def test_the_report_opens_in_a_browser(
    world: World, system_program: Callable[[str], str], tmp_path: Path
) -> None:
    shown = subprocess.run(
        [
            system_program("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
            f"--user-data-dir={tmp_path}", (world.run / "report.html").as_uri(),
        ],
        capture_output=True, text=True, check=True, timeout=240,
    ).stdout  # fmt: skip
    for words in ("tiny", "Maize", "Overall accuracy", "self-training"):
        assert words in shown


def test_two_files_of_different_grids_become_a_map(tmp_path: Path) -> None:
    """The README's way, from a user's files to a measured map."""
    files = tiny.write_scene(tmp_path / "files")
    with rasterio.open(files / "hsi.tif") as dataset:
        hsi = dataset.read()
    coarse = hsi.reshape(8, tiny.SIDE // 2, 2, tiny.HSI_COLUMNS // 2, 2).mean(axis=(2, 4))
    tiny.write_raster(tmp_path / "hyper.tif", coarse, pixel=2 * tiny.PIXEL, west=tiny.WEST + 5)
    polygons = tmp_path / "train.gpkg"
    stripes_as_polygons(polygons)
    scene, out = tmp_path / "my_scene", tmp_path / "run"
    ok(
        "align", scene, "--reference", files / "sar.tif", "--target-kind", "sar",
        "--hsi", tmp_path / "hyper.tif", "--labels", f"{polygons}:class",
    )  # fmt: skip
    opened = gx.open_scene(scene)
    assert opened.target == "sar" and opened.auxiliary_modalities == ("hsi",)
    assert [land.name for land in opened.classes] == ["Maize", "Water", "Wheat"]
    ok("train", "--scene", scene, "--out", out, *tiny.QUICK)
    ok("map", "--model", out, "--scene", scene, "--out", tmp_path / "map.tif")
    ok(
        "evaluate", "--map", tmp_path / "map.tif", "--reference", f"{polygons}:class",
        "--out", tmp_path / "accuracy",
    )  # fmt: skip
    assert json.loads((tmp_path / "accuracy" / "metrics.json").read_text())["oa"] > 0.5


def stripes_as_polygons(path: Path) -> None:
    """Every fourth pixel of the truth as a square, in another CRS."""
    names = dict(zip(tiny.IDS, ("Wheat", "Maize", "Water"), strict=True))
    ids = tiny.truth()
    squares, classes = [], []
    for row in range(0, tiny.SIDE, 2):
        for col in range(0, tiny.SIDE, 2):
            x, y = tiny.WEST + col * tiny.PIXEL, tiny.NORTH - row * tiny.PIXEL
            squares.append(shapely.box(x, y - tiny.PIXEL, x + tiny.PIXEL, y))
            classes.append(names[int(ids[row, col])])
    frame = geopandas.GeoDataFrame({"class": classes}, geometry=squares, crs=tiny.CRS)
    frame.to_crs("EPSG:4326").to_file(path, driver="GPKG")


def test_simulate_makes_a_scene_that_says_it_is_simulated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("simulate", tmp_path / "town", "--like", "berlin", "--rows", 64, "--cols", 80, "--seed", 3)
    made = json_of(capsys, *arguments)
    assert made["simulated"] and (made["height"], made["width"]) == (64, 80)
    assert json_of(capsys, "info", tmp_path / "town")["type"] == "scene"


# --- stopped and resumed


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(world: World, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = [
        "train", "--scene", str(world.scene), "--seeds", "2", "--control", *tiny.QUICK, "--out", str(out)
    ]  # fmt: skip
    process = subprocess.Popen(
        [PROGRAM, *arguments], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if re.match(r"\[[1-9]\d*/", line):
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 130
    assert said.splitlines()[-1] == f"stopped; to go on: geo-xmodal {' '.join(arguments)} --resume"
    assert not (out / "metrics.json").exists()
    ok(*arguments, "--resume")
    assert json.loads((out / "metrics.json").read_text()) == world.metrics
    weights = Path("model") / "model.safetensors"
    assert (out / weights).read_bytes() == (world.run / weights).read_bytes()


# --- bad input: one line, exit 2, nothing left behind

Break = Callable[[World, Path], list[object]]
"""Makes bad input in a folder, and gives the command that meets it; `OUT` stands for the output."""

OUT = "OUT"
BAD: dict[str, tuple[Break, str]] = {}


def bad(words: str) -> Callable[[Break], Break]:
    """Register bad input; `words` is a pattern that the line must match."""

    def register(make: Break) -> Break:
        BAD[make.__name__] = make, words
        return make

    return register


def train(scene: Path) -> list[object]:
    return ["train", "--scene", scene, "--out", OUT, *tiny.QUICK]


def map_file(world: World, file: Path) -> list[object]:
    return ["map", "--model", world.run, "--input", file, "--out", f"{OUT}.tif"]


def scene_with(world: World, folder: Path, **files: Any) -> Path:
    """A copy of the scene where some rasters hold other pixels."""
    scene = folder / "scene"
    shutil.copytree(world.scene, scene)
    for name, array in files.items():
        tiny.write_raster(scene / f"{name}.tif", array)
    return scene


@bad(r"nowhere\.tif.*no such file")
def missing_file(world: World, folder: Path) -> list[object]:
    return map_file(world, folder / "nowhere.tif")


@bad(r"input.*folder")
def directory_for_a_file(world: World, folder: Path) -> list[object]:
    (folder / "input").mkdir()
    return map_file(world, folder / "input")


@bad(r"cut\.tif.*cut off")
def truncated_tiff(world: World, folder: Path) -> list[object]:
    whole = (world.scene / "sar.tif").read_bytes()
    (folder / "cut.tif").write_bytes(whole[: len(whole) // 2])
    return map_file(world, folder / "cut.tif")


@bad(r"evil\.tif.*not a GeoTIFF")
def vrt_named_tif(world: World, folder: Path) -> list[object]:
    (folder / "evil.tif").write_text(
        '<VRTDataset rasterXSize="4" rasterYSize="4"><VRTRasterBand dataType="Byte" band="1" '
        'subClass="VRTRawRasterBand"><SourceFilename>/etc/passwd</SourceFilename></VRTRasterBand></VRTDataset>'
    )
    return map_file(world, folder / "evil.tif")


@bad(r"sparse\.tif.*decode")
def sparse_bomb(world: World, folder: Path) -> list[object]:
    profile = {"driver": "GTiff", "height": 200_000, "width": 200_000, "count": 4, "dtype": "float32"}
    options = {"tiled": True, "blockxsize": 1024, "blockysize": 1024, "SPARSE_OK": True, "BIGTIFF": "YES"}
    with rasterio.open(folder / "sparse.tif", "w", **profile, **options):
        pass
    return map_file(world, folder / "sparse.tif")


@bad(r"far\.tif.*overlap")
def no_overlap(world: World, folder: Path) -> list[object]:
    far = tiny.write_raster(folder / "far.tif", np.ones((8, 9, 9), np.float32), west=0.0)
    return ["align", OUT, "--reference", world.scene / "sar.tif", "--hsi", far]


@bad(r"8 bands.*made for 2")
def wrong_band_count(world: World, folder: Path) -> list[object]:
    return map_file(world, world.scene / "hsi.tif")


@bad(r"train\.tif|training")
def no_training_label(world: World, folder: Path) -> list[object]:
    return train(scene_with(world, folder, train=np.zeros((tiny.SIDE, tiny.SIDE), np.uint8)))


@bad(r"at least two classes")
def one_class_only(world: World, folder: Path) -> list[object]:
    labels = np.zeros((tiny.SIDE, tiny.SIDE), np.uint8)
    labels[:, :40] = 4  # away from the test pixels
    return train(scene_with(world, folder, train=labels))


@bad(r"train\.tif.*7")
def label_outside_the_classes(world: World, folder: Path) -> list[object]:
    return train(scene_with(world, folder, train=np.full((tiny.SIDE, tiny.SIDE), 7, np.uint8)))


@bad(r"sar")
def all_nodata(world: World, folder: Path) -> list[object]:
    scene = scene_with(world, folder)
    nothing = np.full((2, tiny.SIDE, tiny.SIDE), -9999, np.float32)
    tiny.write_raster(scene / "sar.tif", nothing, nodata=-9999)
    return train(scene)


@bad(r"sar")
def nan_everywhere(world: World, folder: Path) -> list[object]:
    return train(scene_with(world, folder, sar=np.full((2, tiny.SIDE, tiny.SIDE), np.nan, np.float32)))


@bad(r"hsi|auxiliary|both sensors")
def auxiliary_sensor_without_data(world: World, folder: Path) -> list[object]:
    return train(scene_with(world, folder, hsi=np.full((8, tiny.SIDE, tiny.SIDE), np.nan, np.float32)))


@bad(r"scene\.toml.*colour")
def unknown_key(world: World, folder: Path) -> list[object]:
    scene = scene_with(world, folder)
    text = (scene / "scene.toml").read_text()
    (scene / "scene.toml").write_text(text.replace('color = "#117733"', 'colour = "#117733"'))
    return train(scene)


@bad(r"model\.safetensors.*sha256")
def changed_byte(world: World, folder: Path) -> list[object]:
    shutil.copytree(world.run / "model", folder / "model")
    weights = folder / "model" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    return ["map", "--model", folder / "model", "--scene", world.scene, "--out", f"{OUT}.tif"]


@bad(r"no scene 'atlantis'")
def unknown_scene(world: World, folder: Path) -> list[object]:
    return ["train", "--scene", "atlantis", "--out", OUT]


@bad(r"no model 'atlantis'")
def unknown_model(world: World, folder: Path) -> list[object]:
    return ["map", "--model", "atlantis", "--scene", world.scene, "--out", f"{OUT}.tif"]


@bad(r"unknown method 'hrg'.*hgr")
def unknown_method(world: World, folder: Path) -> list[object]:
    return ["train", "--scene", world.scene, "--method", "hrg", "--out", OUT]


@bad(r"epoch")
def unknown_setting(world: World, folder: Path) -> list[object]:
    return [*train(world.scene), "--set", "epoch=3"]


@bad(r"file.*choose another")
def train_into_a_file(world: World, folder: Path) -> list[object]:
    (folder / "file").touch()
    return ["train", "--scene", world.scene, "--out", folder / "file" / "run"]


@bad(r"file.*choose another")
def map_into_a_file(world: World, folder: Path) -> list[object]:
    (folder / "file").touch()
    return ["map", "--model", world.run, "--scene", world.scene, "--out", folder / "file" / "map.tif"]


@bad(r"kept.*(empty|in the way)")
def train_over_something_else(world: World, folder: Path) -> list[object]:
    (folder / "kept").mkdir()
    (folder / "kept" / "thesis.txt").write_text("years of work")
    return ["train", "--scene", world.scene, "--out", folder / "kept", *tiny.QUICK]


@bad(r"kept.*in the way")
def align_over_something_else(world: World, folder: Path) -> list[object]:
    (folder / "kept").mkdir()
    (folder / "kept" / "thesis.txt").write_text("years of work")
    files = ["--reference", world.scene / "sar.tif", "--hsi", world.scene / "hsi.tif"]
    return ["align", folder / "kept", *files]


@bad(r"--scene or --input")
def nothing_to_map(world: World, folder: Path) -> list[object]:
    return ["map", "--model", world.run, "--out", f"{OUT}.tif"]


@bad(r"--labels, or --train-labels")
def labels_twice(world: World, folder: Path) -> list[object]:
    labels = world.scene / "train.tif"
    files = ["--reference", world.scene / "sar.tif", "--hsi", world.scene / "hsi.tif"]
    return ["align", OUT, *files, "--labels", labels, "--train-labels", labels]


@bad(r"--hsi FILE")
def nothing_to_align(world: World, folder: Path) -> list[object]:
    return ["align", OUT, "--reference", world.scene / "sar.tif"]


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(
    name: str, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, words = BAD[name]
    (tmp_path / "given").mkdir()
    (tmp_path / "results").mkdir()
    command = make(world, tmp_path / "given")
    before = set(tmp_path.rglob("*"))
    capsys.readouterr()
    status = run([str(one).replace(OUT, str(tmp_path / "results" / "out")) for one in command])
    said = capsys.readouterr().err
    assert status == 2, said
    assert_one_line(said, words)
    assert set(tmp_path.rglob("*")) == before


def assert_one_line(said: str, words: str) -> None:
    lines = [line for line in said.splitlines() if not re.match(r"\[\d+/\d+\] |note: ", line)]
    assert len(lines) == 1, said
    assert lines[0].startswith("error: ")
    assert "Traceback" not in lines[0] and "fault" not in lines[0]
    assert re.search(words, lines[0], re.IGNORECASE), lines[0]


def test_a_hostile_overview_beside_a_file_is_not_looked_at(
    world: World, finished_map: Path, tmp_path: Path
) -> None:
    file = Path(shutil.copy(world.scene / "sar.tif", tmp_path / "radar.tif"))
    (tmp_path / "radar.tif.ovr").write_text('<VRTDataset rasterXSize="48" rasterYSize="48"/>')
    (tmp_path / "radar.tif.aux.xml").write_text("<PAMDataset><Metadata/></PAMDataset>")
    ok("map", "--model", world.run, "--input", file, "--out", tmp_path / "map.tif")
    np.testing.assert_array_equal(pixels(tmp_path / "map.tif"), pixels(finished_map))


# --- a disk that is full

WRITERS: dict[str, list[object]] = {
    "train": ["train", "--scene", "SCENE", "--out", "DISK/run", *tiny.QUICK],
    "map": ["map", "--model", "RUN", "--scene", "SCENE", "--out", "DISK/map.tif", "--probability"],
    "align": ["align", "DISK/scene", "--reference", "SCENE/sar.tif", "--hsi", "SCENE/hsi.tif", "--copy"],
    "simulate": ["simulate", "DISK/scene", "--rows", 64, "--cols", 64],
    "evaluate": ["evaluate", "--map", "MAP", "--reference", "SCENE/test.tif", "--out", "DISK/accuracy"],
}

RESULTS = {
    "train": "run",
    "map": "(map|.map)",
    "align": "scene:",
    "simulate": "scene:",
    "evaluate": "accuracy:",
}
"""What the line names, within the disk."""


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with four kilobytes left."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    if (
        sys.platform != "linux"
        or os.geteuid() != 0
        or subprocess.run(mount, capture_output=True).returncode != 0
    ):
        pytest.skip("mounting a small file system needs the rights of root")
    try:
        (disk / "filling").write_bytes(bytes(8192))
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def writer(name: str, world: World, a_map: Path, disk: Path) -> list[str]:
    places = {"SCENE": world.scene, "RUN": world.run, "DISK": disk, "MAP": a_map}
    return [re.sub("SCENE|RUN|DISK|MAP", lambda m: str(places[m[0]]), str(one)) for one in WRITERS[name]]


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_line_and_no_result(
    name: str, world: World, finished_map: Path, full_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    status = run(writer(name, world, finished_map, full_disk))
    said = capsys.readouterr().err
    assert status == 2, said
    assert_one_line(said, f"{full_disk}/{RESULTS[name]}.*(no space|no room)")
    assert nothing_that_looks_finished(full_disk)


@pytest.mark.parametrize("name", WRITERS)
def test_a_limit_on_file_size_is_one_line_and_no_result(
    name: str, world: World, finished_map: Path, tmp_path: Path
) -> None:
    """As a full disk, without the rights of root."""
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000));"
        "from geo_xmodal.cli import main; main()"
    )
    command = writer(name, world, finished_map, tmp_path)
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert_one_line(done.stderr, f"{tmp_path}/{RESULTS[name]}.*(too large|limits of its files)")
    assert nothing_that_looks_finished(tmp_path)


def nothing_that_looks_finished(folder: Path) -> bool:
    names = {path.name for path in folder.iterdir()} - {"filling"}
    finished = ("map.tif", "map_probability.tif", "scene", "accuracy", "run/model", "run/metrics.json")
    return not any((folder / place).exists() for place in finished) and all(
        name == "run" or name.startswith(".") for name in names
    )
