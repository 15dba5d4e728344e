"""A disk that fills, at every point of a map: a small file system in name spaces of a child's own."""

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

from geo_xmodal.mapping import map_scene
from geo_xmodal.raster.reader import AlignedReader
from tests.mapping.conftest import WriteInput

LAYERS = {"probability": True, "class_probabilities": True}
WINDOWS = 12

PROGRAM = """
    import json, subprocess, sys
    from pathlib import Path
    from geo_xmodal.errors import OutputError
    from geo_xmodal.mapping import map_scene
    from geo_xmodal.raster.reader import aligned_reader

    folder, disk = Path(sys.argv[1]), Path(sys.argv[2])

    def mount(options):
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], check=True)

    def map_it(**options):
        reader = aligned_reader(folder / "input.tif", kind="sar")
        return map_scene(folder / "model", reader, disk / "map.tif", window=64, threads=1, engine="torch",
                         probability=True, class_probabilities=True, **options)

    for options in sys.argv[3:]:
        mount(options)
        told = {"message": None}
        try:
            map_it()
        except OutputError as error:
            told["message"] = str(error)
            told["left"] = sorted(path.name for path in disk.rglob("*"))
            mount("remount,size=64m,nr_inodes=1000")
            told["resumed"] = map_it(resume=True).resumed
        told["same"] = {path.name: path.read_bytes() == (folder / "whole" / path.name).read_bytes()
                        for path in disk.iterdir()}
        print(json.dumps(told), flush=True)
        subprocess.run(["umount", disk], check=True)
"""


@pytest.fixture
def whole(cnn_folder: Path, write_input: WriteInput, tmp_path: Path) -> AlignedReader:
    """Noise, which hardly compresses, and its map."""
    reader = write_input(np.random.default_rng(0).normal(0.5, 2, (3, 192, 256)).astype(np.float32))
    map_scene(cnn_folder, reader, tmp_path / "whole" / "map.tif", window=64, engine="torch", **LAYERS)
    return reader


def on_disks(tmp_path: Path, *mounts: str) -> list[dict[str, Any]]:
    """Map onto each of some small disks; when one is full, make room and go on. What happened on each."""
    disk = tmp_path / "disk"
    disk.mkdir()
    within = ["unshare", "--map-root-user", "--mount"]
    probe = [*within, "mount", "-t", "tmpfs", "tmpfs", str(disk)]
    try:
        refused = subprocess.run(probe, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if refused.returncode:
        pytest.skip(f"no mount in a name space of one's own: {refused.stderr.strip()}")
    child = subprocess.run(
        [*within, sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path), str(disk), *mounts],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "SOURCE_DATE_EPOCH": os.environ["SOURCE_DATE_EPOCH"]},
    )
    assert (child.returncode, child.stderr) == (0, "")
    return [json.loads(line) for line in child.stdout.splitlines()]


@pytest.fixture(autouse=True)
def same_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


def test_room_for_a_part_of_the_windows(whole: AlignedReader, tmp_path: Path) -> None:
    """The disk fills in the journal; and later, where all windows have room but the map has not."""
    first, second = on_disks(tmp_path, "size=100k", "size=600k")
    for told in (first, second):
        assert "\n" not in told["message"]
        assert told["left"] == [".map.tif.partial", "windows"]
        assert told["same"] and all(told["same"].values())
        assert (
            f"; {told['resumed']} of {WINDOWS} windows are kept: the same command with 'resume'"
            in (told["message"])
        )
    assert "map.tif: No space left on device: free some space" in first["message"]
    assert 0 < first["resumed"] < WINDOWS
    assert "map.tif: no room left on the disk" in second["message"]
    assert second["resumed"] == WINDOWS


def test_room_for_a_part_of_the_files(whole: AlignedReader, tmp_path: Path) -> None:
    """A file system takes only so many files: every raster, sidecar and style is once the one too many."""
    least, files = (
        5,
        3 * 3,
    )  # the root, the lock, the work folder, the journal, the folder that files are made in
    told = on_disks(tmp_path, *(f"size=64m,nr_inodes={least + count}" for count in range(files + 2)))
    full = [one for one in told if one["message"]]
    assert [one["message"] is None for one in told] == sorted(one["message"] is None for one in told)
    assert files <= len(full) < len(told)
    for one in full:
        assert "\n" not in one["message"] and "cannot write" in one["message"]
        assert f"{WINDOWS} of {WINDOWS} windows are kept" in one["message"]
        assert one["left"] == [".map.tif.partial", "windows"]
        assert one["resumed"] == WINDOWS
    assert "No space left on device: free some space" in full[-1]["message"]
    for one in told:
        assert len(one["same"]) == files and all(one["same"].values())
