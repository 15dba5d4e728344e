"""A package that adds to this one: installed by pip, used by name, missed by name once it is gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests import tiny
from tests.conftest import REPOSITORY

CODE = '''
import torch
from torch import nn
from geo_xmodal.correlation import Objective
from geo_xmodal.methods.hgr import Hgr
from geo_xmodal.networks import Branch
from geo_xmodal.networks.limits import NetworkOptions, Width


class PlainOptions(NetworkOptions):
    embedding: Width = 8


class Plain(Branch):
    choice = "plain"

    def __init__(self, bands, classes, options):
        super().__init__()
        self.margin, self.features = 0, options.embedding
        self.encoder = nn.Conv2d(bands, options.embedding, 1)
        self.head = nn.Conv2d(options.embedding, classes, 1)

    def encode(self, prepared):
        return self.encoder(prepared)


class Ours(Hgr):
    name = "ours"
    summary = "a method of another package"


class Minus(Objective):
    """The negative squared distance of features, which other packages may want."""

    def forward(self, *features, labels=None):
        return -((features[0] - features[1]) ** 2).mean()


NETWORK = (Plain, PlainOptions)
METHOD = Ours()
'''
GROUPS = {
    "methods": ["ours = geo_xmodal_plain:METHOD"],
    "networks": ["plain = geo_xmodal_plain:NETWORK"],
    "objectives": ["minus = geo_xmodal_plain:Minus"],
}


def written(folder: Path, groups: dict[str, list[str]], code: str = CODE) -> Path:
    """A wheel of a package of that code and these entry points."""
    wheel = folder / "geo_xmodal_plain-1.0-py3-none-any.whl"
    info = "geo_xmodal_plain-1.0.dist-info"
    entries = "\n".join(f"[geo_xmodal.{group}]\n" + "\n".join(lines) for group, lines in groups.items())
    files = {
        "geo_xmodal_plain.py": code,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: geo-xmodal-plain\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": entries,
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return wheel


def commands(site: Path | None, *lines: list[object]) -> subprocess.CompletedProcess[str]:
    """Commands one after the other in one Python, until one fails."""
    code = (
        "import json, sys; from geo_xmodal.commands.app import run;"
        "sys.exit(next(filter(None, map(run, json.loads(sys.argv[1]))), 0))"
    )
    words = json.dumps([[str(word) for word in line] for line in lines])
    places = [*([] if site is None else [str(site)]), str(REPOSITORY), str(REPOSITORY / "app")]
    return subprocess.run(
        [sys.executable, "-c", code, words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_package_adds_a_method_a_network_and_an_objective(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
    site = tmp_path / "site"
    subprocess.run([*pip, "--target", str(site), str(written(tmp_path, GROUPS))], check=True)
    scene = tiny.write_scene(tmp_path / "tiny")
    settings = ["encoder=plain", "embedding=4", "objective=minus", "least_steps=1", "teachers=1"]
    chosen = [word for one in settings for word in ("--set", one)]
    to_map = ["map", "--model", tmp_path / "run", "--scene", scene, "--engine", "torch", "--out"]
    done = commands(
        site,
        ["methods"],
        ["train", "--scene", scene, "--out", tmp_path / "run", "--method", "ours", "--epochs", 2, *chosen],
        [*to_map, tmp_path / "map.tif"],
    )
    assert done.returncode == 0, done.stderr
    assert "ours " in done.stdout and "a method of another package" in done.stdout
    card = json.loads((tmp_path / "run" / "model" / "card.json").read_text())
    expected = {"name": "plain", "options": {"embedding": 4}, "package": "geo-xmodal-plain"}
    assert card["network"] == expected
    without = commands(None, [*to_map, tmp_path / "other.tif"])
    assert without.returncode == 2
    assert without.stderr.splitlines()[-1] == (
        f"error: {tmp_path}/run/model/card.json: its network 'plain' is one of the package geo-xmodal-plain, "
        "which is not installed: pip install geo-xmodal-plain"
    )


@pytest.mark.parametrize(
    ("groups", "code", "words", "said"),
    [
        ({"methods": ["hgr = geo_xmodal_plain:METHOD"]}, CODE, ["methods"], "name of geo_xmodal itself"),
        ({"methods": ["ours = geo_xmodal_plain:CODE"]}, "CODE = 1", ["methods"], "is int, expected an inst"),
        ({"methods": ["ours = geo_xmodal_plain:X"]}, "1 / 0", ["methods", "ours"], "ZeroDivisionError"),
    ],
    ids=["taken", "other", "broken"],
)
def test_a_package_that_cannot_be_used_is_named(
    groups: dict[str, list[str]], code: str, words: list[object], said: str, tmp_path: Path
) -> None:
    with zipfile.ZipFile(written(tmp_path, groups, code)) as wheel:
        wheel.extractall(tmp_path / "site")
    # what does not need the package works, and does not import it
    done = commands(tmp_path / "site", ["scenes", "--json"], words)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: geo-xmodal-plain: methods ") and said in line
    assert json.loads(done.stdout)["scenes"]
