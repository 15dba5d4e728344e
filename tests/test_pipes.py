"""A named pipe where a command expects a file: opened, it would wait for ever."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from geo_xmodal.commands.app import run
from tests import tiny

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes in folders"),
    pytest.mark.timeout(60),
]

Scene = Path


@pytest.fixture
def pipe(tmp_path: Path) -> Callable[[str], Path]:
    def made(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path)
        return path

    return made


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return tiny.write_scene(tmp_path / "tiny")


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    assert run([str(argument) for argument in arguments]) == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("name", ["pipe.gpkg", "pipe.geojson", "pipe.tif", "pipe"])
@pytest.mark.parametrize("rest", ["", ":class", ":layer:class"])
def test_labels(
    name: str,
    rest: str,
    scene: Scene,
    tmp_path: Path,
    pipe: Callable[[str], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    labels = f"{pipe(name)}{rest}"
    files = ("--reference", scene / "sar.tif", "--hsi", scene / "hsi.tif")
    assert "not a regular file" in refusal(capsys, "align", tmp_path / "out", *files, "--labels", labels)
    evaluated = ("evaluate", "--map", scene / "test.tif", "--reference", labels)
    assert "not a regular file" in refusal(capsys, *evaluated)


def test_what_lies_beside_a_raster(
    scene: Scene, pipe: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for ending in (".aux.xml", ".msk", ".ovr"):
        pipe(f"tiny/test.tif{ending}")
    for ending in (".tfw", ".qml", "_probability.tif"):
        pipe(f"tiny/test{ending}")
    file = str(scene / "test.tif")
    assert run(["info", file]) == 0
    assert "test.tif" in capsys.readouterr().out
    assert run(["evaluate", "--map", file, "--reference", file]) == 0


def test_files_of_a_run(
    tmp_path: Path, pipe: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = pipe("run/log.jsonl").parent
    (folder / "config.json").write_text("{}")
    assert "not a regular file" in refusal(capsys, "info", folder)
    shutil.rmtree(folder)
    for name in ("config.json", "metrics.json", "card.json", "model/card.json", "scene.toml"):
        pipe(f"run/{name}")
    refusal(capsys, "info", folder)
