"""Several processes that train one model: two of them, over gloo."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from geo_xmodal import load_bundle
from geo_xmodal.commands.app import run
from tests.tiny import QUICK, write_scene
from tests.training import shares

pytestmark = pytest.mark.heavy

KILLED_AFTER = 12
"""Steps, which is some way into the last of three epochs, of which the first two are kept."""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes made of their shares."""
    folder = tmp_path_factory.mktemp("two")
    ends = shares.run(shares.everything, folder)
    assert ends == [(0, ""), (0, "")], "\n".join(line for _, line in ends)
    return folder


def differing(expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> dict[str, float]:
    """By name, how far numbers are off, beyond 1e-5 of their size (or of 1)."""
    assert expected.keys() == found.keys()
    off = {}
    for name, value in expected.items():
        error = (value.detach().double() - found[name].double()).abs()
        scale = value.detach().double().abs().max().clamp(min=1) if value.numel() else 1
        if value.numel() and float(error.max() / scale) > 1e-5:
            off[name] = float(error.max() / scale)
    return off


def test_terms_and_their_gradients_are_those_of_the_whole_batch(two: Path) -> None:
    found = load_file(two / "terms")
    assert len(found) > 50
    assert differing(shares.of_every_term(), found) == {}


def test_gradients_of_every_method_are_those_of_one_process(two: Path) -> None:
    found = load_file(two / "methods")
    assert sum("gradient" in name for name in found) > 500
    assert differing(shares.of_every_method(), found) == {}


def test_a_training_that_was_killed_goes_on_to_the_same_bytes(two: Path, tmp_path: Path) -> None:
    whole = (two / "words").read_text().splitlines()[0]
    ends = shares.run(shares.killed, tmp_path, KILLED_AFTER)
    assert ends[0][0] == -9
    assert ends[1][0] == 2 and ends[1][1].startswith(
        "another process of this training ended: it left no word"
    )
    assert (tmp_path / "checkpoint.safetensors").exists()
    assert shares.run(shares.resumed, tmp_path) == [(0, ""), (0, "")]
    assert (tmp_path / "word").read_text() == whole


def test_a_failure_of_one_is_said_once_and_ends_all(tmp_path: Path) -> None:
    ends = shares.run(shares.one_fails, tmp_path)
    assert [status for status, _ in ends] == [2, 2]
    assert ends[0][1] == "process 1 of 2 of this training ended: this scene is not mine"
    ends = shares.run(shares.both_fail, tmp_path)
    assert ends == [(2, "this scene is nobody's"), (2, "")]


def test_processes_that_see_other_files_are_refused(tmp_path: Path) -> None:
    ends = shares.run(shares.others_differ, tmp_path)
    assert ends[0][1].startswith(
        "process 1 of 2 has other training pixels than process 0: give all processes"
    )
    assert ends == [(2, ends[0][1]), (2, "")]


def test_torchrun_trains_one_model_that_maps(tmp_path: Path) -> None:
    scene, out = write_scene(tmp_path / "tiny"), tmp_path / "run"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, "-m", "geo_xmodal.train", "--scene", str(scene), "--out", str(out), *QUICK],
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("to map: ") == 1 and done.stdout.count("scene tiny") == 1
    assert sorted(path.name for path in out.iterdir()) == [
        "config.json", "log.jsonl", "metrics.json", "model", "report.html",
    ]  # fmt: skip
    config = json.loads((out / "config.json").read_text())
    assert config["compute"] == {"device": "cpu", "precision": "float32", "processes": 2}
    assert json.loads((out / "metrics.json").read_text())["oa"] > 0.6  # chance is 1/3
    assert load_bundle(out).card.method == "hgr"


@pytest.mark.parametrize("rank", ["0", "1"])
def test_one_of_several_processes_speaks(
    rank: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("WORLD_SIZE", "2"), ("LOCAL_RANK", rank), ("RANK", rank)):
        monkeypatch.setenv(name, value)
    assert run(["train", "--sceen", "muufl"]) == 2
    assert bool(capsys.readouterr().err) == (rank == "0")


def test_a_comparison_is_one_processs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "0")
    scene = write_scene(tmp_path / "tiny")
    assert run(["compare", "--scene", str(scene), "--methods", "svm", "--out", str(tmp_path / "out")]) == 2
    assert "start it without torchrun" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
