"""Commands that are killed before any change of the file system, stopped by signals, or begun twice."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import geo_xmodal as gx
from geo_xmodal.cli import main
from geo_xmodal.commands.app import run
from geo_xmodal.errors import BundleError, OutputError, TrainingDataError
from geo_xmodal.outputs import held, unfinished
from tests import tiny
from tests.forked import start_forked
from tests.killed_commands import CASES, SETTINGS
from tests.killing import EVERY, kill_everywhere, tree
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")

SHORT = (("correlate", "evaluate over", "map over", "train over"),)
LONG = (
    ("train", "train closed form over", "train seeds", "train from disk"),
    ("map", "correlate over"),
    ("pretrain",),
    ("compare", "compare over"),
    ("align", "simulate", "import"),
    ("export qgis", "export gpkg", "export geotiff", "export stac", "export onnx"),
)
"""Take minutes each: only with `GEO_XMODAL_KILL_EVERY=1`, which also kills before every change, not a few."""


def test_every_case_is_killed() -> None:
    assert sorted(sum((*SHORT, *LONG), ())) == sorted(CASES)


@pytest.mark.heavy
@pytest.mark.timeout(7200 if os.environ.get(EVERY) == "1" else 900)
@pytest.mark.parametrize("names", [*SHORT, *LONG], ids=", ".join)
def test_killed_anywhere_leaves_the_old_or_the_new_whole_or_says_so(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    if names in LONG and os.environ.get(EVERY) != "1":
        pytest.skip(f"long: set {EVERY}=1")
    for name, told in kill_everywhere(tmp_path, *names).items():
        assert told["kills"] >= 5, name
        assert told["wrong"] == [], name


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return tiny.write_scene(tmp_path / "tiny")


def request_of(method: str, **settings: str) -> gx.TrainRequest:
    quick = {"epochs": "2", "contrasts": "", "widths": "8", "kernels": "3", "embedding": "8"}
    return gx.TrainRequest(method=method, settings={**quick, **settings} if method == "cnn" else settings)


@pytest.fixture
def older(scene: Path, tmp_path: Path) -> Path:
    """A finished run, and a file of the user in it."""
    gx.train_scene(gx.open_scene(scene), tmp_path / "run", request_of("cca"))
    (tmp_path / "run" / "notes.txt").write_text("of the user")
    return tmp_path / "run"


def at_epoch(number: int, act: Callable[[], None]) -> Callable[[int, int, str], None]:
    def progress(done: int, total: int, message: str) -> None:
        if "loss" in message:
            at_epoch.seen += 1  # type: ignore[attr-defined]
            if at_epoch.seen == number:  # type: ignore[attr-defined]
                act()

    at_epoch.seen = 0  # type: ignore[attr-defined]
    return progress


def test_a_run_that_diverges_leaves_the_older_one(scene: Path, older: Path, tmp_path: Path) -> None:
    before = tree(tmp_path)
    with pytest.raises(TrainingDataError, match="not finite"):
        gx.train_scene(gx.open_scene(scene), older, request_of("cnn", learning_rate="1e30"))
    assert tree(tmp_path) == before


def test_an_unfinished_run_is_no_model_and_says_so(
    scene: Path, older: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(done: int, total: int, message: str) -> None:
        if "epoch 2" in message:  # after the first checkpoint
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gx.train_scene(gx.open_scene(scene), older, request_of("cnn"), stop)
    assert unfinished(older) is not None
    assert (older / "notes.txt").read_text() == "of the user"
    assert (older.with_name(".run.old") / "metrics.json").is_file()
    with pytest.raises(BundleError, match=r"not finished.*'resume'"):
        gx.find_model(older)
    capsys.readouterr()
    assert run(["info", str(older)]) == 0
    assert "is not finished" in " ".join(capsys.readouterr().out.split())
    resumed = request_of("cnn").model_copy(update={"resume": True})
    gx.train_scene(gx.open_scene(scene), older, resumed)
    assert unfinished(older) is None and not older.with_name(".run.old").exists()
    assert gx.read_card(older).method == "cnn"


def test_a_folder_that_vanishes_ends_training(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(OutputError, match=r"run: config\.json is gone") as caught:
        gx.train_scene(gx.open_scene(scene), out, request_of("cnn"), at_epoch(1, lambda: shutil.rmtree(out)))
    assert "\n" not in str(caught.value)
    assert not out.exists()


@pytest.mark.parametrize("resume", [(), ("--resume",)])
def test_two_cannot_train_into_one_folder(
    resume: tuple[str, ...], scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    arguments = ["train", "--scene", str(scene), "--method", "cnn", *SETTINGS, "--out", str(out), *resume]
    seen: list[Any] = []

    def second() -> None:
        seen.append(run(arguments))
        seen.append(capsys.readouterr().err.splitlines()[-1])

    gx.train_scene(gx.open_scene(scene), out, request_of("cnn"), at_epoch(1, second))
    assert seen[0] == 2
    assert "another process writes it" in seen[1]
    assert gx.read_card(out).method == "cnn"


def test_a_lock_of_the_dead_holds_nobody(tmp_path: Path) -> None:
    (tmp_path / ".out.lock").touch()
    with (
        held(tmp_path / "out"),
        pytest.raises(OutputError, match="another process"),
        held(tmp_path / "." / "out"),
    ):
        pytest.fail("held twice")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_a_command_as_ctrl_c_does(
    number: signal.Signals, status: int, scene: Path, tmp_path: Path
) -> None:
    arguments = ["train", "--scene", str(scene), "--method", "cnn", *SETTINGS, "--out", str(tmp_path / "run")]
    said = tmp_path / "said"
    child = start_forked(main, [*arguments, "--epochs", "100000"], said=said)
    try:
        wait_until(lambda: child.exitcode is not None or (said.exists() and "loss" in said.read_text()))
        assert child.exitcode is None, "it ended before its first epoch"
        assert child.pid is not None
        os.kill(child.pid, number)
        os.kill(child.pid, number)
        child.join()
    finally:
        child.kill()
    told = said.read_text().splitlines()
    assert child.exitcode == status
    assert told[-1].startswith("stopped; to go on: geo-xmodal train ") and told[-1].endswith(" --resume")
    assert {path.name for path in tmp_path.iterdir()} == {"tiny", "run", "said"}
