"""`geo-xmodal export`, as people type it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from geo_xmodal.commands.app import run
from tests import tiny
from tests.export.conftest import patchy, write_map


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return write_map(tmp_path / "map.tif", patchy((40, 50)))


def test_a_project(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = tiny.write_scene(tmp_path / "scene")
    out = tmp_path / "out"
    assert (
        run(
            ["export", "--map", str(made), "--to", "qgis", "--out", str(out), "--scene", str(scene), "--json"]
        )
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert told["project"] == str(out / "project.qgz") and (out / "project.qgz").is_file()
    assert told["layers"][2] == "Land cover" and len(told["layers"]) == 5


def test_polygons_by_the_module(made: Path, tmp_path: Path) -> None:
    given = ["--map", made, "--to", "gpkg", "--out", tmp_path / "p.gpkg"]
    done = subprocess.run(
        [sys.executable, "-m", "geo_xmodal.export", *given, "--sieve", "4", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told["polygons"] > 0 and told["merged_pixels"] > 0 and (tmp_path / "p.gpkg").is_file()
    assert "writing polygons" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "qgis"], "--to qgis needs --map"),
        (["--to", "gpkg", "--map", "MAP", "--scene", "x"], "--scene has no meaning with --to gpkg"),
        (["--to", "qgis", "--map", "MAP", "--mmu", "1"], "--mmu has no meaning with --to qgis"),
        (["--to", "onnx", "--map", "MAP"], "--map has no meaning with --to onnx"),
        (["--to", "stac"], "give either --map or --model"),
        (["--to", "gpkg", "--map", "missing.tif"], "missing.tif: no such file"),
        (["--to", "gpkg", "--map", "MAP", "--mmu", "-1"], "give a number from 0 up"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    arguments: list[str], message: str, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(made) if one == "MAP" else one for one in arguments]
    assert run(["export", *given, "--out", str(tmp_path / "out.gpkg")]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1
    assert not (tmp_path / "out.gpkg").exists()
