"""Transfer studies on small chips: shares, scores of the whole set, one sensor and two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

import geo_xmodal as gx
from geo_xmodal.commands.app import run
from geo_xmodal.errors import ChipError, TrainingDataError, UsageError
from geo_xmodal.networks.backbones import make_backbone
from geo_xmodal.transfer import TransferRequest, transfer_chips
from geo_xmodal.transfer.draws import drawn
from geo_xmodal.transfer.labels import chip_classes
from geo_xmodal.transfer.scores import average_precisions
from geo_xmodal.transfer.sensors import Sensors
from tests.chips import sets

SIDE = 24
QUICK: dict[str, Any] = {
    "epochs": 1, "least_steps": 2, "batch": 2, "tile": 32, "overlap": 0, "size": 32, "device": "cpu",
}  # fmt: skip


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> gx.ChipSet:
    return gx.open_chips(sets.fields(tmp_path_factory.mktemp("set"), train=4, test=2, side=SIDE))


def study(chips: gx.ChipSet, out: Path, **asked: Any) -> Any:
    return transfer_chips(chips, out, TransferRequest(**{**QUICK, **asked}))


def test_a_share_is_of_distinct_chips_and_part_of_a_larger_one() -> None:
    few, many = drawn(1000, 0.01, 3), drawn(1000, 0.1, 3)
    assert len(set(few)) == 10 and len(set(many)) == 100
    assert set(few) < set(many)
    assert drawn(1000, 0.01, 4) != few
    assert drawn(5, 0.01, 0) == drawn(5, 0.2, 0) and drawn(5, 1.0, 0) == [0, 1, 2, 3, 4]


def test_average_precision_is_of_the_whole_ranking() -> None:
    truth = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]], np.float32)
    scores = np.array([[0.9, 0.1, 0.5], [0.8, 0.2, 0.5], [0.1, 0.9, 0.5]], np.float32)
    found = average_precisions(truth, scores, ["a", "b", "c"])
    # class a: ranks 1 and 3 -> (1 + 2/3) / 2; class b: ranks 1 and 2 -> 1; no chip holds c
    assert found["per_class"] == {"a": pytest.approx(5 / 6), "b": 1.0, "c": None}
    assert found["map_macro"] == pytest.approx((5 / 6 + 1) / 2)
    assert found["n"] == 3 and 0 < found["map_micro"] < 1


def test_classes_of_chips_are_those_of_their_label_files(chips: gx.ChipSet) -> None:
    sensors = Sensors.of(chips, ())
    some = [chips.chips[number] for number in sensors.chips("train")]
    found = chip_classes(sensors.source, some)
    for row, chip in zip(found, some, strict=True):
        labels = chips.labels(chip)
        assert labels is not None
        assert [land.id for land, there in zip(chips.classes, row, strict=True) if there] == sorted(
            set(np.unique(labels).tolist()) - {0}
        )


@pytest.mark.parametrize(
    "asked",
    [{"frozen": True}, {"sensors": ("sar", "msi"), "head": "cmx", "backbone": "mit_b0"}],
)
def test_segmentation_is_scored_on_all_test_pixels(
    chips: gx.ChipSet, tmp_path: Path, asked: dict[str, Any]
) -> None:
    found = study(chips, tmp_path / "out", fractions=(0.5,), **asked)
    (run,) = found.runs
    assert run["chips"] == 2 and run["n"] == 2 * SIDE * SIDE
    assert np.sum(run["confusion"]) == run["n"]
    assert found.summary["0.5"]["miou"] == {"mean": run["miou"], "sd": None}
    written = json.loads((tmp_path / "out" / "transfer.json").read_text())
    assert written["sensors"] == list(asked.get("sensors", ("sar",)))


def test_classification_goes_on_where_it_was_and_does_nothing_twice(
    chips: gx.ChipSet, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    asked = {"task": "classification", "sensors": ("sar", "msi"), "fractions": (0.5, 1.0), "draws": 2}
    found = study(chips, out, **asked)
    assert [(run["fraction"], run["seed"], run["chips"]) for run in found.runs] == [
        (0.5, 0, 2), (0.5, 1, 2), (1.0, 0, 4), (1.0, 1, 4),
    ]  # fmt: skip
    assert set(found.summary["1"]["map_macro"]) == {"mean", "sd"}
    times = {path: path.stat().st_mtime_ns for path in out.rglob("metrics.json")}
    again = study(chips, out, **asked, resume=True)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert again.summary == found.summary


def test_a_probe_on_weights_of_a_file_leaves_them_as_they_are(chips: gx.ChipSet, tmp_path: Path) -> None:
    from geo_xmodal.transfer.segmentation import segmentation_learner

    torch.manual_seed(1)
    backbone = make_backbone("resnet18", 2)
    save_file(backbone.net.state_dict(), tmp_path / "sar.safetensors")
    request = TransferRequest(**QUICK, frozen=True)
    learner, _ = segmentation_learner(
        Sensors.of(chips, ()), [0, 1], request, {0: tmp_path / "sar.safetensors"}, 0
    )
    own = learner.segmenter.encoders[0].net.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in backbone.net.state_dict().items())
    assert not any(weight.requires_grad for weight in learner.segmenter.encoders.parameters())
    with pytest.raises(TrainingDataError, match="weights of another architecture than mit_b0"):
        study(
            chips, tmp_path / "out", head="segformer", backbone="mit_b0",
            weights={"sar": tmp_path / "sar.safetensors"},
        )  # fmt: skip


def test_what_has_no_meaning_is_refused(chips: gx.ChipSet, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="cmx fuses two sensors, got 1"):
        TransferRequest(head="cmx")
    with pytest.raises(ChipError, match="no modality 'lidar'"):
        study(chips, tmp_path / "out", sensors=("lidar",))
    with pytest.raises(UsageError, match="weights for msi, which takes no part"):
        study(chips, tmp_path / "out", weights={"msi": tmp_path / "x"})


def test_the_command(chips: gx.ChipSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    words = ["transfer", "--chips", str(chips.folder), "--out", str(out), "--labels"]
    quick = ["--tile=32", "--overlap=0", "--epochs=1", "--least-steps=1", "--batch=2", "--json"]
    assert run([*words, "0.5", *quick]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["summary"]["0.5"]["chips"] == 2 and len(printed["runs"]) == 1
    assert run([*words, "half"]) == 2
    assert "shares of the labels 'half': expected numbers" in capsys.readouterr().err
