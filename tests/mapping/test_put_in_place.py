from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from geo_xmodal.mapping import map_scene
from tests.mapping.conftest import WriteInput, scene_values, with_holes

REPOSITORY = Path(__file__).parents[2]

KILLED_MAP = """
    import os, signal, sys
    from pathlib import Path
    from geo_xmodal.mapping import map_scene
    from geo_xmodal.raster.reader import aligned_reader

    folder, out, event, last = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    seen = 0

    def kill(name, arguments):
        global seen
        if name == event and "/whole" in str(arguments[0]):
            seen += 1
            if seen == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(kill)
    reader = aligned_reader(folder / "input.tif", kind="sar")
    map_scene(folder / "model", reader, out, window=128, probability=True, engine="torch")
"""


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
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED_MAP), str(tmp_path), str(out), event, str(number)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)},
        check=False,
    )
    assert child.returncode == -signal.SIGKILL
    assert not out.exists() and (out.parent / ".map.tif.partial" / "windows").is_file()
    result = map_scene(cnn_folder, reader, out, window=128, probability=True, engine="torch", resume=True)
    assert result.resumed == result.windows == 12
    map_scene(cnn_folder, reader, whole, window=128, probability=True, engine="torch")
    assert {path.name: path.read_bytes() for path in out.parent.iterdir()} == {
        path.name: path.read_bytes() for path in whole.parent.iterdir()
    }
