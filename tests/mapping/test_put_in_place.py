from __future__ import annotations

import os
import random
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from geo_xmodal.mapping import map_scene
from geo_xmodal.raster.reader import aligned_reader
from tests.forked import start_forked
from tests.mapping.conftest import WriteInput, scene_values, with_holes

ASKED: dict[str, Any] = {"window": 128, "probability": True, "engine": "torch"}


def killed_map(folder: Path, out: Path, event: str, place: str, number: int) -> None:
    """Map `input.tif` with a picture, and be killed before an event of such a path."""
    seen = 0

    def kill(name: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if name == event and place in str(arguments[0]):
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(kill)
    reader = aligned_reader(folder / "input.tif", kind="sar")
    map_scene(folder / "model", reader, out, picture=out.with_suffix(".png"), **ASKED)


def kill_map(folder: Path, out: Path, event: str, place: str, number: int = 1) -> None:
    """`killed_map` in a process of its own."""
    child = start_forked(killed_map, folder, out, event, place, number)
    child.join()
    assert child.exitcode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize(
    ("event", "number"),
    [
        ("open", random.randint(1, 4)),
        ("os.rename", 6),
    ],  # while files are written; before the last is in place
    ids=["written", "renamed"],
)
def test_map_killed_while_it_is_put_in_place_is_resumed_to_the_same_bytes(
    event: str, number: int, cnn_folder: Path, write_input: WriteInput, tmp_path: Path
) -> None:
    reader = write_input(with_holes(scene_values((300, 420))))
    out, whole = tmp_path / "cut" / "map.tif", tmp_path / "whole" / "map.tif"
    kill_map(tmp_path, out, event, "/whole", number)
    assert not out.exists() and (out.parent / ".map.tif.partial" / "windows").is_file()
    result = map_scene(cnn_folder, reader, out, picture=out.with_suffix(".png"), resume=True, **ASKED)
    assert result.resumed == result.windows == 12
    map_scene(cnn_folder, reader, whole, picture=whole.with_suffix(".png"), **ASKED)
    assert {path.name: path.read_bytes() for path in out.parent.iterdir()} == {
        path.name: path.read_bytes() for path in whole.parent.iterdir()
    }


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize(
    ("event", "place", "seen"),
    [
        ("os.remove", "/map.tif", "older"),
        ("os.rename", ".map.png.", "no map"),
        ("shutil.rmtree", "/whole", "newer"),
    ],
    ids=["before the older map goes", "before the picture comes", "once all are there"],
)
def test_a_picture_beside_a_map_is_never_that_of_another(
    event: str, place: str, seen: str, cnn_folder: Path, write_input: WriteInput, tmp_path: Path
) -> None:
    reader = write_input(with_holes(scene_values((300, 420))))
    out, older, fresh = (tmp_path / name / "map.tif" for name in ("out", "older", "fresh"))
    picture = out.with_suffix(".png")
    small = write_input(scene_values((90, 80)), "older.tif")
    map_scene(cnn_folder, small, older, picture=older.with_suffix(".png"))
    shutil.copytree(older.parent, out.parent)
    kill_map(tmp_path, out, event, place, number=2 if event == "shutil.rmtree" else 1)
    map_scene(cnn_folder, reader, fresh, picture=fresh.with_suffix(".png"), **ASKED)
    expected = {"older": older, "newer": fresh}.get(seen)
    if expected is None:
        assert not out.exists()
    else:
        assert out.read_bytes() == expected.read_bytes()
        assert picture.read_bytes() == expected.with_suffix(".png").read_bytes()
