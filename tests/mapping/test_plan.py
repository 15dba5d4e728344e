"""What a dry run says, against what the map then takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from geo_xmodal import bundle
from geo_xmodal.bundle import Bundle
from geo_xmodal.commands.app import run
from geo_xmodal.errors import ModelMismatchError, OutputError, ResumeError, UsageError
from geo_xmodal.mapping import map_scene, plan_map
from geo_xmodal.raster.reader import AlignedReader
from tests.mapping.conftest import WriteInput, card_of, random_model, scene_values, with_holes
from tests.rasters import point_scale

ALL = {"probability": True, "entropy": True, "class_probabilities": True}


@pytest.fixture
def reader(write_input: WriteInput) -> AlignedReader:
    return write_input(with_holes(scene_values((300, 420))))


def files_under(folder: Path) -> dict[Path, tuple[int, int]]:
    """Everything there, with size and time."""
    stats = {path: path.stat() for path in folder.rglob("*")}
    return {path: (stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()}


def test_it_says_what_the_map_then_is_and_writes_nothing(
    cnn: Bundle, cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    before = files_under(tmp_path)
    out = tmp_path / "out" / "map.tif"
    plan = plan_map(cnn_folder, reader, out, window=128, threads=2, engine="torch", **ALL)
    assert files_under(tmp_path) == before
    made = map_scene(cnn_folder, reader, out, window=128, threads=2, engine="torch", **ALL)
    assert (plan.shape, plan.windows, plan.warnings) == (made.shape, made.windows, made.warnings)
    assert {path.name for path in plan.rasters} == {path.name for path in out.parent.glob("*.tif")}
    assert (plan.crs, plan.pixel_unit) == ("WGS 84 / UTM zone 33N (EPSG:32633)", "m")
    assert plan.pixel == pytest.approx((10 / point_scale(reader.grid),) * 2)
    assert plan.parameters == sum(weights.numel() for weights in cnn.model.parameters())
    assert plan.runtime.startswith("torch ") and (plan.slots, plan.worker_memory) == (2, None)
    assert plan.windows_with_data is None and plan.resumed == 0
    assert plan.pixels_per_second is not None
    assert plan.seconds is not None and plan.seconds > 300 * 420 / plan.pixels_per_second
    # one run of a second on busy cores: only that it is no other unit can be tested
    assert made.seconds / 100 < plan.seconds < made.seconds * 100


def test_the_disk_it_asks_for_is_enough(cnn_folder: Path, write_input: WriteInput, tmp_path: Path) -> None:
    """On noise, which hardly compresses: the journal and the files at their largest, watched as they grow."""
    noise = write_input(np.random.default_rng(0).normal(0.5, 2, (3, 700, 700)).astype(np.float32))
    out = tmp_path / "out" / "map.tif"
    plan = plan_map(cnn_folder, noise, out, window=256, engine="torch", **ALL)
    journal = 0

    def look(done: int, total: int, message: str) -> None:
        nonlocal journal
        journal = sum(size for path, (size, _) in files_under(out.parent).items() if path.is_file())

    map_scene(cnn_folder, noise, out, window=256, engine="torch", progress=look, **ALL)
    files = sum(size for size, _ in files_under(out.parent).values())
    assert journal + files < plan.disk_bound
    assert plan.disk_expected is not None
    assert journal + files < plan.disk_expected <= plan.disk_bound
    assert 0 < plan.disk_free < 1 << 60


def test_a_resumed_map_takes_what_is_left(cnn_folder: Path, reader: AlignedReader, tmp_path: Path) -> None:
    def stop(done: int, total: int, message: str) -> None:
        if done == 7:
            raise KeyboardInterrupt

    options: dict[str, Any] = {"window": 128, "engine": "torch"}
    with pytest.raises(KeyboardInterrupt):
        map_scene(cnn_folder, reader, tmp_path / "map.tif", progress=stop, **options)
    before = files_under(tmp_path)
    plan = plan_map(cnn_folder, reader, tmp_path / "map.tif", resume=True, **options)
    assert (plan.windows, plan.resumed) == (12, 7)
    assert plan.pixels_per_second is not None and plan.seconds is not None
    assert plan.seconds * plan.pixels_per_second < 300 * 420 * 0.7
    with pytest.raises(ResumeError, match="layers was classes, is classes, entropy"):
        plan_map(cnn_folder, reader, tmp_path / "map.tif", resume=True, entropy=True, **options)
    assert plan_map(cnn_folder, reader, tmp_path / "map.tif", **options).resumed == 0
    assert files_under(tmp_path) == before


def test_without_data_in_the_middle_the_time_is_unknown(
    cnn_folder: Path, write_input: WriteInput, tmp_path: Path
) -> None:
    values = scene_values((600, 600))
    values[:, 64:-64, 64:-64] = np.nan
    holed = write_input(values)
    plan = plan_map(cnn_folder, holed, tmp_path / "map.tif", window=64, engine="torch")
    assert (plan.pixels_per_second, plan.seconds, plan.disk_expected) == (None, None, None)
    assert plan.windows_with_data is None
    empty = write_input(np.full((3, 90, 90), np.nan, np.float32), "empty.tif")
    plan = plan_map(cnn_folder, empty, tmp_path / "map.tif", window=64, engine="torch")
    assert plan.windows_with_data == 0


def test_what_a_map_refuses_a_plan_refuses(
    cnn_folder: Path, reader: AlignedReader, write_input: WriteInput, tmp_path: Path
) -> None:
    (tmp_path / "folder.tif").mkdir()
    two_bands = write_input(scene_values((20, 20), bands=2), "two.tif")
    cases: list[tuple[type[Exception], AlignedReader, str, dict[str, Any]]] = [
        (UsageError, reader, "map.png", {}),
        (UsageError, reader, "input.tif", {}),
        (UsageError, reader, "map.tif", {"window": 0}),
        (UsageError, reader, "map.tif", {"workers": 2, "scheduler": "tcp://127.0.0.1:1"}),
        (UsageError, reader, "map.tif", {"engine": "steam"}),
        (OutputError, reader, "folder.tif", {}),
        (ModelMismatchError, two_bands, "map.tif", {}),
    ]
    for error, given, out, options in cases:
        lines = []
        for call in (map_scene, plan_map):
            with pytest.raises(error) as caught:
                call(cnn_folder, given, tmp_path / out, **options)
            lines.append(str(caught.value))
        assert lines[0] == lines[1]


def test_doubts_are_said(cnn_folder: Path, write_input: WriteInput, tmp_path: Path) -> None:
    nowhere = write_input(scene_values((20, 20)), transform=Affine(12, 0, 5e5, 0, -12, 5e6), crs=None)
    plan = plan_map(cnn_folder, nowhere, tmp_path / "map.tif", engine="torch")
    assert plan.crs is None and plan.pixel_unit == "unit"
    assert plan.warnings[0].startswith("the input has no CRS")


def test_the_command_says_it_and_writes_nothing(
    cnn_folder: Path, reader: AlignedReader, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["map", "--model", cnn_folder, "--input", reader.path, "--out", tmp_path / "map.tif",
               "--window", 128, "--engine", "torch", "--entropy", "--dry-run"]  # fmt: skip
    before = files_under(tmp_path)
    assert run([str(word) for word in command]) == 0
    said = capsys.readouterr().out
    for words in ("300 rows x 420 columns", "EPSG:32633", "10 x 10 m", "windows with data  unknown", "MB",
                  "pixels per second", "at most 0:00:0", "map_entropy.tif",
                  "nothing was written"):  # fmt: skip
        assert words in said
    assert run([str(word) for word in (*command, "--json")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["shape"], told["windows"], told["windows_with_data"]) == ([300, 420], 12, None)
    assert told["memory"] > 1e8 and told["disk_bound"] > 2 * 300 * 420 and told["seconds"] > 0
    assert told["rasters"] == [str(tmp_path / "map.tif"), str(tmp_path / "map_entropy.tif")]
    assert files_under(tmp_path) == before


def test_the_command_names_every_raster(
    cnn_folder: Path, reader: AlignedReader, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["map", "--model", cnn_folder, "--input", reader.path, "--out", tmp_path / "map.tif",
               "--engine", "torch", "--entropy", "--class-probabilities", "--json"]  # fmt: skip
    assert run([str(word) for word in command]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["probability"] is None
    assert told["entropy"] == str(tmp_path / "map_entropy.tif")
    assert told["class_probabilities"] == str(tmp_path / "map_probabilities.tif")
    assert Path(told["entropy"]).is_file() and Path(told["class_probabilities"]).is_file()


@pytest.mark.heavy
def test_processes_take_memory_each(cnn_folder: Path, reader: AlignedReader, tmp_path: Path) -> None:
    alone = plan_map(cnn_folder, reader, tmp_path / "map.tif", window=128, threads=1, engine="torch")
    two = plan_map(cnn_folder, reader, tmp_path / "map.tif", window=128, workers=2, engine="torch")
    assert (alone.slots, two.slots) == (1, 2)
    assert two.worker_memory is not None and two.memory <= alone.memory
    assert two.pixels_per_second is not None


MAP_AND_SAY = """
    import json, sys, threading, time
    from pathlib import Path
    import psutil
    from geo_xmodal.mapping import map_scene
    from geo_xmodal.raster.reader import aligned_reader

    folder, options = Path(sys.argv[1]), json.loads(sys.argv[2])
    peak, done = 0, threading.Event()

    def watch():
        global peak
        process = psutil.Process()
        while not done.wait(0.005):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    reader = aligned_reader(folder / "input.tif", kind="sar")
    map_scene(folder / "model", reader, folder / "map.tif", **options)
    done.set()
    watcher.join()
    print(peak)
"""


def planned_and_measured(folder: Path, reader: AlignedReader, **options: Any) -> tuple[int, int]:
    plan = plan_map(folder / "model", reader, folder / "map.tif", **options)
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MAP_AND_SAY), str(folder), json.dumps(options)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return plan.memory, int(child.stdout)


@pytest.fixture
def large(write_input: WriteInput, tmp_path: Path) -> AlignedReader:
    """Eight classes and six bands, so that windows weigh something."""
    model = random_model(bands=6, classes=8)
    bundle.save(tmp_path / "model", model, card_of(model, (1, 2, 3, 4, 5, 6, 7, 8)))
    return write_input(scene_values((700, 1400), bands=6))


def test_memory_is_as_measured_and_grows_as_measured(large: AlignedReader, tmp_path: Path) -> None:
    small, small_seen = planned_and_measured(tmp_path, large, window=128, threads=1, engine="torch")
    big, big_seen = planned_and_measured(
        tmp_path, large, window=700, threads=2, engine="torch", entropy=True, class_probabilities=True
    )
    assert 1 / 1.5 < small / small_seen < 1.5
    assert 1 / 1.5 < big / big_seen < 1.5
    assert 1 / 1.5 < (big - small) / (big_seen - small_seen) < 1.5


def test_memory_with_openvino_is_as_measured(large: AlignedReader, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    planned, seen = planned_and_measured(tmp_path, large, window=512, threads=1, engine="openvino")
    assert 1 / 1.5 < planned / seen < 1.5
