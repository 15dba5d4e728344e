from __future__ import annotations

import dataclasses
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from geo_xmodal import bundle
from geo_xmodal.bundle import Bundle
from geo_xmodal.errors import (
    BundleError,
    ClusterError,
    ModelMismatchError,
    OutputError,
    RasterError,
    ResumeError,
    UsageError,
)
from geo_xmodal.mapping import Classifier, map_scene
from geo_xmodal.raster.reader import AlignedReader, aligned_reader
from geo_xmodal.raster.window_reader import Adaptation
from geo_xmodal.types import FloatArray, Window
from tests.forked import start_forked
from tests.mapping.conftest import WriteInput, card_of, position_model, random_model, scene_values, with_holes
from tests.memory import peak_kib

ROTATED = Affine.translation(500_000, 5_000_000) @ Affine.rotation(30) @ Affine.scale(10, -10)
SOUTH_UP = Affine(10, 0, 500_000, 0, 10, 4_000_000)


@pytest.fixture
def reader(write_input: WriteInput) -> AlignedReader:
    return write_input(with_holes(scene_values((300, 420))))


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_map_is_what_the_classifier_says(
    cnn: Bundle, cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    result = map_scene(cnn_folder, reader, tmp_path / "out" / "map.tif", window=128, probability=True)
    ids, probability = Classifier(cnn).classify(reader.read(Window(0, 0, 300, 420), cnn.model.margin))
    np.testing.assert_array_equal(read(result.out), ids)
    assert len(np.unique(ids)) == 5
    percent = np.where(ids > 0, np.rint(probability * 100), 255)
    assert result.probability == tmp_path / "out" / "map_probability.tif"
    np.testing.assert_array_equal(read(result.probability), percent)
    assert result.shape == (300, 420)
    assert result.counts == {value: int((ids == value).sum()) for value in (0, 1, 2, 5, 9)}
    assert (result.windows, result.resumed) == (12, 0)
    assert result.pixels_per_second == pytest.approx(300 * 420 / result.seconds)
    rasters = {"map.tif", "map_probability.tif"}
    styles = {"map.qml", "map_probability.qml"}
    assert names(tmp_path / "out") == rasters | styles | {f"{name}.aux.xml" for name in rasters}


def test_window_size_changes_nothing_but_ties(
    cnn: Bundle, cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    _, probability = Classifier(cnn).classify(reader.read(Window(0, 0, 300, 420), cnn.model.margin))
    sure = ~(probability < 0.5001)
    maps = []
    for window in (64, 100, 128, 420):
        out = tmp_path / f"{window}.tif"
        map_scene(cnn_folder, reader, out, window=window, probability=True)
        maps.append((read(out), read(tmp_path / f"{window}_probability.tif").astype(int)))
    for ids, percent in maps[1:]:
        np.testing.assert_array_equal(ids[sure], maps[0][0][sure])
        assert np.abs(percent - maps[0][1]).max() <= 1


@pytest.mark.heavy
def test_threads_and_processes_give_the_same_bytes(
    cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    for out, options in {"one": {"threads": 1}, "three": {"threads": 3}, "processes": {"workers": 2}}.items():
        everything = {"probability": True, "entropy": True, "class_probabilities": True}
        map_scene(cnn_folder, reader, tmp_path / out / "map.tif", window=100, **everything, **options)
    for file in sorted(names(tmp_path / "one")):
        expected = (tmp_path / "one" / file).read_bytes()
        assert (tmp_path / "three" / file).read_bytes() == expected
        assert (tmp_path / "processes" / file).read_bytes() == expected


def test_given_cluster_gives_the_same_bytes(cnn_folder: Path, reader: AlignedReader, tmp_path: Path) -> None:
    from distributed import LocalCluster

    map_scene(cnn_folder, reader, tmp_path / "here.tif", window=100)
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None, protocol="tcp"
    ) as cluster:
        map_scene(cnn_folder, reader, tmp_path / "there.tif", window=100, scheduler=cluster.scheduler_address)
    assert (tmp_path / "there.tif").read_bytes() == (tmp_path / "here.tif").read_bytes()


@pytest.mark.parametrize("transform", [Affine.identity(), Affine(10, 0, 5e5, 0, -10, 5e6), ROTATED, SOUTH_UP])
@pytest.mark.parametrize("axis", [0, 1])
def test_every_pixel_lands_where_it_belongs(
    transform: Affine, axis: int, write_input: WriteInput, tmp_path: Path
) -> None:
    """The input holds its own row (or column) modulo 251, and the model's classes are these numbers."""
    place = np.indices((270, 333))[axis] % 251
    crs = None if transform == Affine.identity() else "EPSG:32633"
    reader = write_input(place[None].astype(np.float32), transform=transform, crs=crs, kind="msi")
    model = position_model(251)
    card = card_of(model, tuple(range(1, 9)), "msi")
    entries = [card.classes[0].model_copy(update={"id": k + 1, "name": f"{k}"}) for k in range(251)]
    bundle.save(tmp_path / "place", model, card.model_copy(update={"classes": tuple(entries)}))
    out = tmp_path / "map.tif"
    map_scene(tmp_path / "place", reader, out, window=100)
    with rasterio.open(out) as dataset:
        np.testing.assert_array_equal(dataset.read(1), place + 1)
        assert dataset.transform.almost_equals(transform, precision=1e-9)
        assert (dataset.crs is None) == (crs is None)


def test_all_nodata_is_a_map_without_work(
    cnn_folder: Path, write_input: WriteInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Classifier, "_compute_strip", lambda *_: pytest.fail("computed"))
    reader = write_input(np.full((3, 200, 200), np.nan, np.float32))
    result = map_scene(cnn_folder, reader, tmp_path / "map.tif", probability=True)
    assert result.counts[0] == 200 * 200
    assert not read(result.out).any() and (read(tmp_path / "map_probability.tif") == 255).all()


def test_auxiliary_sensor_and_training_scene_are_not_needed(
    cnn: Bundle, write_input: WriteInput, tmp_path: Path
) -> None:
    card = cnn.card.model_copy(update={"auxiliary": "hsi", "scene": str(tmp_path / "gone")})
    bundle.save(tmp_path / "model", cnn.model, card)
    result = map_scene(tmp_path / "model", write_input(scene_values((50, 50))), tmp_path / "map.tif")
    assert sum(result.counts.values()) == 2500


class UnforeseenError(Exception):
    """Something that nobody foresaw."""


def stop_at(window: int, error: BaseException) -> Callable[[int, int, str], None]:
    def progress(done: int, total: int, message: str) -> None:
        if done == window:
            raise error

    return progress


@pytest.mark.parametrize("error", [KeyboardInterrupt(), UnforeseenError()])
def test_stopped_map_is_resumed_to_the_same_bytes(
    error: BaseException, cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    map_scene(cnn_folder, reader, tmp_path / "whole" / "map.tif", window=64, probability=True)
    out = tmp_path / "cut" / "map.tif"
    with pytest.raises(type(error)) as caught:
        map_scene(cnn_folder, reader, out, window=64, probability=True, progress=stop_at(9, error))
    assert "9 of 35 windows are kept: the same command with 'resume' goes on" in (
        str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
    )
    assert names(out.parent) == {".map.tif.partial"}
    seen: list[tuple[int, int]] = []
    result = map_scene(
        cnn_folder,
        reader,
        out,
        window=64,
        probability=True,
        resume=True,
        workers=1,
        threads=2,
        progress=lambda done, total, message: seen.append((done, total)),
    )
    assert result.resumed == 9
    assert seen == [(done, 35) for done in range(10, 36)]
    for file in ("map.tif", "map_probability.tif"):
        assert (out.parent / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    assert names(out.parent) == names(tmp_path / "whole")


def test_without_resume_the_earlier_windows_are_cleared(
    cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    out = tmp_path / "map.tif"
    with pytest.raises(KeyboardInterrupt):
        map_scene(cnn_folder, reader, out, window=64, progress=stop_at(9, KeyboardInterrupt()))
    assert map_scene(cnn_folder, reader, out, window=64).resumed == 0


def test_resume_with_nothing_to_resume_maps(cnn_folder: Path, reader: AlignedReader, tmp_path: Path) -> None:
    assert map_scene(cnn_folder, reader, tmp_path / "map.tif", resume=True).resumed == 0


def test_resume_refuses_what_differs(
    cnn: Bundle, cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    out = tmp_path / "map.tif"
    with pytest.raises(KeyboardInterrupt):
        map_scene(cnn_folder, reader, out, window=64, progress=stop_at(9, KeyboardInterrupt()))
    kept = {path: path.read_bytes() for path in (tmp_path / ".map.tif.partial").iterdir()}

    def refused(
        what: str, used: AlignedReader = reader, folder: Path = cnn_folder, **options: object
    ) -> None:
        with pytest.raises(ResumeError, match=what):
            map_scene(folder, used, out, resume=True, **{"window": 64, **options})  # type: ignore[arg-type]

    refused("window was 64, is 128", window=128)
    refused("layers was classes, is classes, probability", probability=True)
    refused("input bands was", reader.adapted(Adaptation(bands=(2, 1, 0))))
    cnn.model.network.head[-1].bias.data += 1
    bundle.save(tmp_path / "other", cnn.model, cnn.card)
    refused("model was", folder=tmp_path / "other")
    stat = reader.path.stat()
    os.utime(reader.path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
    refused("input time was")
    content = bytearray(reader.path.read_bytes())
    content[-1] ^= 1
    reader.path.write_bytes(content)
    os.utime(reader.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    refused("input content was")
    assert {path: path.read_bytes() for path in (tmp_path / ".map.tif.partial").iterdir()} == kept


def test_older_map_stays_until_the_new_one_is_whole(
    cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    out = tmp_path / "map.tif"
    out.write_bytes(b"older")
    with pytest.raises(KeyboardInterrupt):
        map_scene(cnn_folder, reader, out, window=64, progress=stop_at(35, KeyboardInterrupt()))
    assert out.read_bytes() == b"older"
    map_scene(cnn_folder, reader, out, window=64, resume=True)
    assert read(out).any()


def slow_map(folder: Path, told: Connection) -> None:
    """Map window by window, each when it is told to."""

    def progress(done: int, total: int, message: str) -> None:
        told.send(done)
        told.recv()

    reader = aligned_reader(folder / "input.tif", kind="sar")
    map_scene(
        folder / "model", reader, folder / "cut" / "map.tif", window=64, probability=True, progress=progress
    )


def test_killed_map_is_resumed_to_the_same_bytes(
    cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    window = random.randint(1, 35)
    map_scene(cnn_folder, reader, tmp_path / "whole" / "map.tif", window=64, probability=True)
    here, there = Pipe()
    child = start_forked(slow_map, tmp_path, there)
    there.close()
    while here.recv() < window:
        here.send("go on")
    child.kill()
    child.join()
    assert names(tmp_path / "cut") == {".map.tif.partial", ".map.tif.lock"}
    out = tmp_path / "cut" / "map.tif"
    result = map_scene(cnn_folder, reader, out, window=64, probability=True, resume=True)
    assert result.resumed == window
    for file in ("map.tif", "map_probability.tif"):
        assert (out.parent / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_two_processes_cannot_write_one_map(cnn_folder: Path, reader: AlignedReader, tmp_path: Path) -> None:
    here, there = Pipe()
    child = start_forked(slow_map, tmp_path, there)
    there.close()
    here.recv()
    try:
        with pytest.raises(OutputError, match="another process writes it"):
            map_scene(cnn_folder, reader, tmp_path / "cut" / "map.tif", window=64)
        assert names(tmp_path / "cut") == {".map.tif.partial", ".map.tif.lock"}
    finally:
        child.kill()
        child.join()


def limited_map(folder: Path, out: Path, limit: int) -> None:
    """Map where files may have `limit` bytes; say what goes wrong."""
    import resource

    reader = aligned_reader(folder / "input.tif", kind="sar")
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        map_scene(folder / "model", reader, out, window=64, probability=True)
    except OutputError as error:
        print(json.dumps(str(error)), flush=True)


def map_on_full_disk(folder: Path, out: Path, limit: int) -> str:
    """Map in a process whose files may have `limit` bytes; the line that is all that it says."""
    said = folder / "said.txt"
    child = start_forked(limited_map, folder, out, limit, said=said)
    child.join()
    assert child.exitcode == 0
    (line,) = said.read_text().splitlines()
    message: str = json.loads(line)
    assert "\n" not in message
    assert names(out.parent) == {".map.tif.partial"}
    assert names(out.parent / ".map.tif.partial") == {"windows"}
    return message


def journal_size(folder: Path, reader: AlignedReader, out: Path) -> int:
    """Bytes of all windows of the map."""
    with pytest.raises(KeyboardInterrupt):
        map_scene(folder, reader, out, window=64, probability=True, progress=stop_at(35, KeyboardInterrupt()))
    return (out.parent / ".map.tif.partial" / "windows").stat().st_size


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_FSIZE")
def test_disk_that_fills_in_a_window_is_one_line_and_resumed(
    cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    """The limit of a file's size stands in for the disk's."""
    whole, out = tmp_path / "whole" / "map.tif", tmp_path / "cut" / "map.tif"
    size = journal_size(cnn_folder, reader, whole)
    message = map_on_full_disk(tmp_path, out, size // 2)
    kept = re.search(
        r"map\.tif: File too large: .*; (\d+) of 35 windows are kept: the same command with", message
    )
    assert kept is not None, message
    result = map_scene(cnn_folder, reader, out, window=64, probability=True, resume=True)
    assert 10 < result.resumed == int(kept[1]) < 25
    map_scene(cnn_folder, reader, whole, window=64, probability=True, resume=True)
    for file in ("map.tif", "map_probability.tif"):
        assert (out.parent / file).read_bytes() == (whole.parent / file).read_bytes()


@pytest.mark.skipif(shutil.which("mount") is None, reason="no mount command")
def test_disk_without_room_for_the_map_is_one_line_and_resumed(
    cnn_folder: Path, reader: AlignedReader, tmp_path: Path, small_disk: Callable[[int], Path]
) -> None:
    """All windows fit, the map does not."""
    whole = tmp_path / "whole" / "map.tif"
    disk = small_disk(journal_size(cnn_folder, reader, whole) + 30_000)
    out = disk / "map.tif"
    message = map_on_full_disk(tmp_path, out, 1 << 40)
    assert re.search(
        r"cannot write .*map.tif: no room left .* are needed; 35 of 35 windows are kept", message
    )
    subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True)
    result = map_scene(cnn_folder, reader, out, window=64, probability=True, resume=True)
    assert result.resumed == 35
    map_scene(cnn_folder, reader, whole, window=64, probability=True, resume=True)
    for file in ("map.tif", "map_probability.tif"):
        assert (disk / file).read_bytes() == (whole.parent / file).read_bytes()


def test_unwritable_place_is_one_line_and_nothing_is_left(
    cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    before = names(tmp_path)
    with pytest.raises(OutputError, match=r"cannot write .*map.tif: .*a file is in the way"):
        map_scene(cnn_folder, reader, tmp_path / "file" / "map.tif")
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(OutputError, match=r"folder.tif is a folder"):
        map_scene(cnn_folder, reader, tmp_path / "folder.tif")
    assert names(tmp_path) == before | {"folder.tif"}


def test_senseless_options_are_refused(cnn_folder: Path, reader: AlignedReader, tmp_path: Path) -> None:
    before = names(tmp_path)
    with pytest.raises(UsageError, match=r"ends in .tif"):
        map_scene(cnn_folder, reader, tmp_path / "map.png")
    with pytest.raises(UsageError, match="is the input"):
        map_scene(cnn_folder, reader, tmp_path / "sub" / ".." / "input.tif")
    with pytest.raises(UsageError, match=r"window: .* found 0"):
        map_scene(cnn_folder, reader, tmp_path / "map.tif", window=0)
    with pytest.raises(UsageError, match=r"workers: .* found -1"):
        map_scene(cnn_folder, reader, tmp_path / "map.tif", workers=-1)
    with pytest.raises(UsageError, match="cluster has its own workers"):
        map_scene(cnn_folder, reader, tmp_path / "map.tif", workers=2, scheduler="tcp://127.0.0.1:1")
    with pytest.raises(UsageError, match="engine: "):
        map_scene(cnn_folder, reader, tmp_path / "map.tif", engine="cuda")  # type: ignore[arg-type]
    assert names(tmp_path) == before


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x"])
def test_absent_scheduler_is_one_line_and_nothing_is_left(
    address: str, cnn_folder: Path, reader: AlignedReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geo_xmodal.mapping.cluster._PATIENCE", 0.5)
    with pytest.raises(ClusterError, match="no Dask scheduler answers") as caught:
        map_scene(cnn_folder, reader, tmp_path / "out" / "map.tif", scheduler=address)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_model_and_input_must_fit(
    cnn: Bundle, cnn_folder: Path, write_input: WriteInput, tmp_path: Path
) -> None:
    with pytest.raises(ModelMismatchError, match=r"the input has 2 bands .* made for 3"):
        map_scene(cnn_folder, write_input(scene_values((20, 20), bands=2), "two.tif"), tmp_path / "map.tif")
    lidar = dataclasses.replace(write_input(scene_values((20, 20))), kind="lidar")
    with pytest.raises(ModelMismatchError, match="the input is lidar, the model was made for sar"):
        map_scene(cnn_folder, lidar, tmp_path / "map.tif")
    assert not (tmp_path / "map.tif").exists()


def test_doubts_are_said(cnn_folder: Path, write_input: WriteInput, tmp_path: Path) -> None:
    values = scene_values((20, 20))
    close = write_input(values, "close.tif", transform=Affine(10.5, 0, 5e5, 0, -10.5, 5e6))
    assert map_scene(cnn_folder, close, tmp_path / "map.tif").warnings == ()
    coarse = write_input(values, "coarse.tif", transform=Affine(12, 0, 5e5, 0, -12, 5e6))
    (line,) = map_scene(cnn_folder, coarse, tmp_path / "map.tif").warnings
    assert "pixels are 12 x 12 m, the model was trained on 10 x 10 m" in line
    nowhere = dataclasses.replace(write_input(values, "nowhere.tif", crs=None), kind="other")
    lines = map_scene(cnn_folder, nowhere, tmp_path / "map.tif").warnings
    assert [line.split(":")[0] for line in lines] == [
        "the input does not say what it measures",
        "the input has no CRS",
        "pixel size not checked",
    ]


class DamagedReader(AlignedReader):
    """A file whose lower half cannot be decoded."""

    def read(self, window: Window, margin: int = 0) -> FloatArray:
        if window.row >= 150:
            raise RasterError("input.tif: rows 150 to 213 cannot be read")
        return super().read(window, margin)


def test_unreadable_input_leaves_nothing(cnn_folder: Path, reader: AlignedReader, tmp_path: Path) -> None:
    damaged = DamagedReader(**vars(reader))
    with pytest.raises(RasterError, match=r"rows 150 to 213 cannot be read$"):
        map_scene(cnn_folder, damaged, tmp_path / "out" / "map.tif", window=128, threads=1)
    assert not (tmp_path / "out").exists()


def test_unreadable_from_the_start_leaves_nothing(
    cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    reader.path.unlink()
    with pytest.raises(RasterError):
        map_scene(cnn_folder, reader, tmp_path / "out" / "map.tif")
    assert not (tmp_path / "out").exists()


def test_changed_model_is_refused(cnn_folder: Path, reader: AlignedReader, tmp_path: Path) -> None:
    weights = cnn_folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(BundleError, match="sha256"):
        map_scene(cnn_folder, reader, tmp_path / "out" / "map.tif")
    assert not (tmp_path / "out").exists()


def map_and_tell_growth(folder: Path) -> None:
    """By how many MiB the peak of memory rises from a map to that of a larger scene."""
    peaks = []
    for name in ("quarter", "quarter", "whole"):  # what is imported, and the allocator, settle in two maps
        reader = aligned_reader(folder / f"{name}.tif", kind="sar")
        map_scene(folder / "model", reader, folder / f"{name}_map.tif", window=1024, threads=1)
        peaks.append(peak_kib())
    print((peaks[2] - peaks[1]) // 1024, flush=True)


@pytest.mark.skipif(sys.platform != "linux", reason="peak_kib is for Linux only")
def test_memory_does_not_grow_with_the_scene(cnn_folder: Path, tmp_path: Path) -> None:
    """6,000 x 6,000 x 3 float32 would be 432 MB, its map 36 MB; it is empty but for one corner."""
    for name, side in (("quarter", 3_400), ("whole", 6_000)):
        with rasterio.open(
            tmp_path / f"{name}.tif",
            "w",
            driver="GTiff",
            count=3,
            height=side,
            width=side,
            dtype="float32",
            nodata=0,
            tiled=True,
            blockxsize=256,
            blockysize=256,
            sparse_ok=True,
            crs="EPSG:32633",
            transform=Affine(10, 0, 5e5, 0, -10, 5e6),
        ) as dataset:
            dataset.write(scene_values((500, 500)), window=((side - 500, side), (side - 500, side)))
    child = start_forked(map_and_tell_growth, tmp_path, said=tmp_path / "said.txt")
    child.join()
    assert int((tmp_path / "said.txt").read_text()) < 50
    ids = read(tmp_path / "whole_map.tif")
    assert (ids[5500:, 5500:] > 0).all() and not ids[:5500].any()


def test_real_radar_is_mapped_on_its_own_grid(real_data: Path, tmp_path: Path) -> None:
    file = real_data / "sen1floods11" / "Spain_7370579_S1Hand.tif"
    if not file.is_file():
        pytest.skip(f"no {file.name}")
    model = random_model(bands=2)
    bundle.save(tmp_path / "model", model, card_of(model, (1, 2, 5, 9)))
    reader = aligned_reader(file, kind="sar", decibel=True).adapted(Adaptation(asked=True))
    result = map_scene(tmp_path / "model", reader, tmp_path / "map.tif", window=200)
    missing = ~reader.valid(Window(0, 0, *reader.grid.shape))
    with rasterio.open(file) as before, rasterio.open(result.out) as after:
        assert (after.crs, after.transform, after.shape) == (before.crs, before.transform, before.shape)
        np.testing.assert_array_equal(after.read(1) == 0, missing)
