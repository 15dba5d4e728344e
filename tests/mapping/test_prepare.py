"""What a map says of when it was made and of what, and that this keeps the same command's bytes the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import rasterio

from geo_xmodal.errors import UsageError
from geo_xmodal.mapping import map_scene, plan_map
from geo_xmodal.raster.reader import AlignedReader
from tests.mapping.conftest import WriteInput, scene_values

FIRST, LATER = "1700000000", "1800000000"  # 2023-11-14 and 2027-01-15
RASTERS = ("map.tif", "map_probability.tif", "map_entropy.tif", "map_probabilities.tif")


@pytest.fixture
def reader(write_input: WriteInput) -> AlignedReader:
    return write_input(scene_values((100, 130)))


def tags(path: Path) -> dict[str, str]:
    with rasterio.open(path) as dataset:
        found: dict[str, str] = dataset.tags()
        return found


def test_the_day_is_today_in_utc(
    cnn_folder: Path, reader: AlignedReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    before = datetime.now(UTC)
    map_scene(cnn_folder, reader, tmp_path / "map.tif", engine="torch")
    days = {f"{day:%Y:%m:%d} 00:00:00" for day in (before, datetime.now(UTC))}
    assert tags(tmp_path / "map.tif")["TIFFTAG_DATETIME"] in days
    assert before - datetime.now(UTC) < timedelta(hours=1)


def test_every_raster_says_when_and_of_what(
    cnn_folder: Path, reader: AlignedReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", FIRST)
    more = {"probability": True, "entropy": True, "class_probabilities": True}
    map_scene(cnn_folder, reader, tmp_path / "map.tif", mapped="a town\x00", engine="torch", **more)
    for name in RASTERS:
        told = tags(tmp_path / name)
        assert told["TIFFTAG_DATETIME"] == "2023:11:14 00:00:00"
        assert told["MAPPED"] == "a town "
        assert "bands are taken by their place" in told["ASSUMED"]
        assert told["TRAINED_ON"] == "a place" and "MODEL_SHA256" in told and "MARGIN" in told
    map_scene(cnn_folder, reader, tmp_path / "unnamed.tif", engine="torch")
    assert tags(tmp_path / "unnamed.tif")["MAPPED"] == "input.tif"


def test_a_resumed_map_has_the_day_of_its_beginning(
    cnn_folder: Path, reader: AlignedReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(done: int, total: int, message: str) -> None:
        raise KeyboardInterrupt

    def map_it(folder: str, **options: object) -> bytes:
        out = tmp_path / folder / "map.tif"
        map_scene(cnn_folder, reader, out, window=64, engine="torch", **options)  # type: ignore[arg-type]
        return out.read_bytes()

    monkeypatch.setenv("SOURCE_DATE_EPOCH", FIRST)
    whole = map_it("whole")
    with pytest.raises(KeyboardInterrupt):
        map_it("cut", progress=stop)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", LATER)
    assert map_it("cut", resume=True) == whole
    assert tags(tmp_path / "cut" / "map.tif")["TIFFTAG_DATETIME"] == "2023:11:14 00:00:00"
    assert map_it("cut", resume=True) != whole  # nothing was left to go on with: begun on the later day
    assert tags(tmp_path / "cut" / "map.tif")["TIFFTAG_DATETIME"] == "2027:01:15 00:00:00"


@pytest.mark.parametrize("seconds", ["", "yesterday", "1e9", "9" * 30])
def test_a_senseless_date_is_one_line(
    seconds: str, cnn_folder: Path, reader: AlignedReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", seconds)
    for call in (map_scene, plan_map):
        with pytest.raises(UsageError, match=f"SOURCE_DATE_EPOCH is '{seconds}', expected seconds"):
            call(cnn_folder, reader, tmp_path / "out" / "map.tif")
    assert not (tmp_path / "out").exists()
