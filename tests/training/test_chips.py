"""Training on a set of chips: the same run folder, report and controls as from scenes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import geo_xmodal as gx
from geo_xmodal import bundle
from geo_xmodal.commands.app import run
from geo_xmodal.errors import GeoXmodalError, UsageError
from geo_xmodal.types import Window
from tests.chips import sets

SIDE = 24
QUICK = {
    "labels_per_class": "100", "unlabelled": "60", "batch_size": "64", "widths": "8,8", "embedding": "8",
    "contrasts": "", "teachers": "1", "patch": "5", "least_steps": "8",
}  # fmt: skip


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> gx.ChipSet:
    return gx.open_chips(sets.fields(tmp_path_factory.mktemp("set"), train=8, test=2, side=SIDE))


def request(**more: Any) -> gx.TrainRequest:
    return gx.TrainRequest(**{"method": "hgr", "epochs": 2, "settings": QUICK, **more})


def test_every_labelled_pixel_of_the_test_chips_is_tested(chips: gx.ChipSet, tmp_path: Path) -> None:
    small = {"labels_per_class": "100", "widths": "8,8", "patch": "5", "contrasts": ""}
    asked = request(method="cnn", epochs=2, settings=small)
    metrics = gx.train_scene(chips, tmp_path / "run", asked).metrics
    assert metrics["n"] == 2 * SIDE * SIDE
    trained = bundle.load(tmp_path / "run" / "model")
    right = 0
    for chip in chips.of("test"):
        values = chips.reader(chip, "sar").read(Window(0, 0, SIDE, SIDE), trained.card.margin)
        with torch.inference_mode():
            logits = trained.model(torch.from_numpy(values)[None])[0]
        ids = np.array([land.id for land in trained.card.legend])[logits.argmax(0).numpy()]
        right += int((ids == chips.labels(chip)).sum())
    assert metrics["oa"] == pytest.approx(right / metrics["n"], abs=1e-6)
    assert metrics["oa"] > 0.95  # two crops that radar tells apart
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["scene"] == {"name": "fields", "simulated": False}
    assert config["chips"]["splits"] == {"train": 8, "validation": 0, "test": 2}
    report = (tmp_path / "run" / "report.html").read_text()
    assert "chip b0" in report
    assert f"--chips {chips.folder}" in report


def test_seeds_controls_and_resumption(chips: gx.ChipSet, tmp_path: Path) -> None:
    metrics = gx.train_scene(chips, tmp_path / "run", request(seeds=2, control=True, epochs=1)).metrics
    assert len(metrics["seeds"]) == 2
    assert set(metrics["gain"]) == {"target_only", "self_training"}
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*") if path.is_file()}
    wanted = request(seeds=2, control=True, epochs=1, resume=True)
    again = gx.train_scene(chips, tmp_path / "run", wanted).metrics
    assert again == metrics
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_the_command(chips: gx.ChipSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = [f"--set={key}={value}" for key, value in QUICK.items() if key in ("labels_per_class",)]
    out = tmp_path / "run"
    words = ["train", "--chips", str(chips.folder), "--method", "svm", "--out", str(out), *settings, "--json"]
    assert run(words) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["n"] == 2 * SIDE * SIDE
    assert "chips fields (real)" in printed.err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--method", "svm"], "name what to learn from: --scene NAME_OR_PATH, or --chips FOLDER"),
        (["--chips", "x", "--scene", "y"], "one of the two"),
        (["--scene", "y", "--layout", "geonrw"], "give --chips FOLDER"),
        (["--chips", "absent"], "absent: no such folder"),
    ],
)
def test_commands_that_name_too_little_or_too_much(
    words: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", *words]) == 2
    assert problem in " ".join(capsys.readouterr().err.split())


def test_nothing_is_left_of_a_run_on_chips_that_do_not_fit(tmp_path: Path) -> None:
    folder = sets.fields(tmp_path / "set", train=3, test=1, side=12)
    sets.write(folder / "labels/a1.png", sets.stripes(11, (1, 2)), "PNG")
    with pytest.raises(GeoXmodalError, match=r"a1\.png: labels of 11 x 11 pixels for a chip of 12 x 12"):
        gx.train_scene(gx.open_chips(folder), tmp_path / "run", request())
    assert not (tmp_path / "run").exists()


def test_scenes_have_no_chips_and_chips_are_not_held_out(chips: gx.ChipSet, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'b0' is to be held out, and is no scene"):
        gx.train_scene(chips, tmp_path / "run", request(hold_out=("b0",)))
    with pytest.raises(UsageError, match="transductive"):
        gx.train_scene(chips, tmp_path / "run", request(settings={**QUICK, "transductive": "true"}))
