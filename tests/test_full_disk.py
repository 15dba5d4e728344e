"""Disks that fill while commands write: small file systems in name spaces of a child's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import tiny
from tests.conftest import REPOSITORY
from tests.export.conftest import patchy, write_map
from tests.rasters import utm_grid, write_raster

PROGRAM = """
    import contextlib, hashlib, io, json, subprocess, sys
    from pathlib import Path
    from geo_xmodal.commands.app import run

    disk, words = Path(sys.argv[1]), sys.argv[2:]
    PAGE = 4096

    def tree(folder):
        return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted(folder.rglob("*")) if path.is_file()}

    def sizes():
        yield 4096 * PAGE
        room = pages + 8
        yield from (PAGE * (room - less) for less in range(0, 20, 2))
        yield from (PAGE * max(1, room * share // 10) for share in range(1, 10, 2))

    for size in sizes():
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=True)
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            status = run(words)
        told = {"status": status, "said": said.getvalue().splitlines()[-1:], "tree": tree(disk)}
        print(json.dumps(told), flush=True)
        if size == 4096 * PAGE:
            pages = sum(-(-path.stat().st_size // PAGE) for path in disk.rglob("*"))
        subprocess.run(["umount", disk], check=True)
"""


def words_of(name: str, folder: Path, out: Path) -> list[str]:
    if name == "simulate":
        return ["simulate", str(out), "--like", "houston", "--rows", "64", "--cols", "64"]
    if name == "align":
        scene = tiny.write_scene(folder / "tiny")
        options = {"--reference": "sar", "--hsi": "hsi", "--train-labels": "train", "--test-labels": "test"}
        files = [word for option, file in options.items() for word in (option, str(scene / f"{file}.tif"))]
        return ["align", str(out), "--target-kind", "sar", "--copy", *files]
    a_map = write_map(folder / "map.tif", patchy((60, 60)))
    return ["export", "--to", "gpkg", "--map", str(a_map), "--out", str(out.with_suffix(".gpkg"))]


WRITER = """
    import json, subprocess, sys
    from pathlib import Path
    import numpy as np, rasterio
    from rasterio.windows import Window
    from geo_xmodal.raster.writer import create_raster

    disk, sums = Path(sys.argv[1]), {"plain": [0, 0, 0], "read back": [0, 0, 0]}
    values = np.random.default_rng(0).integers(0, 9, (512, 512), np.uint8)
    profile = dict(height=512, width=512, count=1, dtype="uint8", tiled=True, blockxsize=128, blockysize=128,
                   compress="deflate")

    def whole(file):
        try:
            with rasterio.open(file) as dataset:
                return np.array_equal(dataset.read(1), values)
        except rasterio.errors.RasterioError:
            return False

    for pages in range(1, 45):
        for way, made in (("plain", lambda file: rasterio.open(file, "w", driver="GTiff", **profile)),
                          ("read back", lambda file: create_raster(file, **profile))):
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={4096 * pages}", "tmpfs", disk], check=True)
            try:
                with made(disk / "x.tif") as out:
                    for row in range(0, 512, 128):
                        for col in range(0, 512, 128):
                            part = values[row:row + 128, col:col + 128]
                            out.write(part, 1, window=Window(col, row, 128, 128))
                sums[way][0 if whole(disk / "x.tif") else 1] += 1
            except (OSError, rasterio.errors.RasterioError):
                sums[way][2] += 1
            subprocess.run(["umount", disk], check=True)
    print(json.dumps(sums))
"""


COPIER = """
    import hashlib, json, subprocess, sys
    from pathlib import Path
    from geo_xmodal.errors import OutputError
    from geo_xmodal_app.copies import write_copy

    disk, source = map(Path, sys.argv[1:])

    def copied(size):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=True)
        try:
            write_copy(source, out=disk / "raster.tif", tell=lambda share: None, classes=True)
            return hashlib.sha256((disk / "raster.tif").read_bytes()).hexdigest(), size
        except OutputError as error:
            return str(error), len(list(disk.iterdir()))
        finally:
            if size == 1 << 26 and (disk / "raster.tif").is_file():
                sizes.append((disk / "raster.tif").stat().st_size)
            subprocess.run(["umount", disk], check=True)

    sizes = []
    whole, _ = copied(1 << 26)
    pages = -(-sizes[0] // 4096)
    told = [copied(4096 * max(1, pages * share // 24)) for share in range(1, 24)]
    told += [copied(4096 * (pages + more)) for more in range(-8, 8)]
    print(json.dumps({"whole": whole, "told": told}))
"""


@pytest.fixture
def on_disk(tmp_path: Path) -> Callable[..., list[Any]]:
    """Run a program that may mount file systems on the folder `disk`; the lines of JSON that it prints."""
    disk = tmp_path / "disk"
    disk.mkdir()
    within = ["unshare", "--map-root-user", "--mount"]
    try:
        probe = [*within, "mount", "-t", "tmpfs", "tmpfs", str(disk)]
        refused = subprocess.run(probe, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if refused.returncode:
        pytest.skip(f"no mount in a name space of one's own: {refused.stderr.strip()}")

    def done(program: str, *words: str) -> list[Any]:
        child = subprocess.run(
            [*within, sys.executable, "-c", textwrap.dedent(program), str(disk), *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=REPOSITORY,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert child.returncode == 0, child.stderr[-2000:]
        return [json.loads(line) for line in child.stdout.splitlines()]

    return done


def test_what_gdal_loses_without_a_word_is_an_error(on_disk: Callable[..., list[Any]]) -> None:
    (sums,) = on_disk(WRITER)
    kept, lost, _ = sums["plain"]
    assert lost > 0
    assert sums["read back"][:2] == [kept, 0]


@pytest.mark.parametrize("name", ["simulate", "align", "gpkg"])
def test_a_full_disk_is_told_and_leaves_nothing(
    name: str, on_disk: Callable[..., list[Any]], tmp_path: Path
) -> None:
    """From room for all to no room, more closely near the end: all is there and the same, or nothing is."""
    out = tmp_path / "disk" / "out"
    whole, *others = on_disk(PROGRAM, *words_of(name, tmp_path, out))
    assert whole["status"] == 0 and whole["tree"]
    statuses = [told["status"] for told in others]
    assert 2 in statuses
    for told in others:
        if told["status"] == 0:
            assert told["tree"] == whole["tree"]
        else:
            assert (told["status"], told["tree"]) == (2, {}), told
            (line,) = told["said"]
            assert str(out) in line and ("no room left" in line or "No space left" in line)


def test_a_copy_for_the_viewer_is_whole_or_is_not_there(
    on_disk: Callable[..., list[Any]], tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 9, (1, 1100, 1100), np.uint8)
    source = write_raster(tmp_path / "map.tif", pixels, utm_grid(1100, 1100))
    (made,) = on_disk(COPIER, str(source))
    for text, left in made["told"]:
        assert text == made["whole"] or ("no room left" in text.lower() and left == 0), text
    assert {text == made["whole"] for text, _ in made["told"]} == {True, False}
