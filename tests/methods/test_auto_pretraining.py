"""Candidates of `auto` that start from a pretraining."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import geo_xmodal as gx
from geo_xmodal.methods import METHODS
from geo_xmodal.methods.auto import initialisation
from geo_xmodal.methods.pretraining.learner import PretrainLearner
from geo_xmodal.training.request import options_for
from geo_xmodal.training.work import work_in
from geo_xmodal.types import TrainingData
from tests.methods.test_auto import chosen, exclusive_or
from tests.pretraining.test_pretrain import request
from tests.tiny import write_scene

QUICK: dict[str, Any] = {
    "candidates": "linear", "pretraining": "decur", "pretraining_epochs": 1, "epochs": 1, "folds": 2,
    "single_pixels": "true",
}  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    """A choice, with what its pretrainings learned from."""

    data: TrainingData
    choice: dict[str, Any]
    pretrained_on: list[TrainingData]


@pytest.fixture(scope="module")
def made() -> Iterator[Chosen]:
    seen: list[TrainingData] = []

    class Watched(PretrainLearner):
        def __init__(self, data: TrainingData, *args: Any) -> None:
            seen.append(data)
            super().__init__(data, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(initialisation, "PretrainLearner", Watched)
        data = exclusive_or(margin=0)
        yield Chosen(data, chosen(data, **QUICK)[1], seen)


def test_pretraining_in_a_fold_sees_only_pairs_that_train_in_it(made: Chosen) -> None:
    data = made.data
    folds, whole = made.pretrained_on[:2], made.pretrained_on[2:]  # candidates share that of a fold
    assert made.choice["pretraining"]["won"] == bool(whole)
    everywhere = np.concatenate([data.labelled_pairs.position, data.labelled_target.position])
    for one in folds:
        trained = {tuple(place) for place in one.labelled_pairs.position}
        trained |= {tuple(place) for place in one.labelled_target.position}
        held_out = np.array([place for place in everywhere if tuple(place) not in trained])
        pairs = np.concatenate([one.labelled_pairs.position, one.unlabelled_pairs.position])
        apart = np.abs(pairs[:, None] - held_out[None]).max(2).min()
        assert len(pairs) and len(held_out) and apart > 0
    for one in whole:
        assert one.pairs == data.pairs


def test_the_choice_says_whether_pretraining_won_and_over_what(made: Chosen) -> None:
    choice = made.choice
    rows = {row["name"]: row for row in choice["candidates"]}
    assert list(rows) == ["linear", "pretrained_hgr", "pretrained_pixel_cnn"]
    assert rows["linear"]["pretraining"] is None and rows["pretrained_hgr"]["auxiliary"]
    found = choice["pretraining"]
    assert found["over"] == "linear" and found["candidate"] in initialisation.PRETRAINED
    assert found["won"] == any(name in initialisation.PRETRAINED for name in choice["chosen"])
    assert "Pretraining" in choice["says"] and "decur on the pairs that train" in choice["says"]
    assert json.loads(json.dumps(choice)) == choice


def test_without_pretraining_nothing_is_said_of_it() -> None:
    _, choice = chosen(exclusive_or(margin=0), **{**QUICK, "pretraining": "none"})
    assert choice["pretraining"] is None and "retraining" not in choice["says"]


def test_the_control_of_the_target_sensor_alone_starts_from_no_pairs() -> None:
    options = options_for(METHODS["auto"], QUICK, "sar")
    control = METHODS["auto"].controls(options)["target_only"].options
    data = exclusive_or(margin=0)
    findings = METHODS["auto"].learner(data.without_auxiliary(), control, 0, work_in(None)).findings()
    assert list(findings["choice"]["chosen"]) == ["linear"]


def test_a_run_is_among_what_auto_chooses_from(tmp_path: Path) -> None:
    scene = gx.open_scene(write_scene(tmp_path / "tiny", tested=0.1))
    gx.pretrain_scene(scene, tmp_path / "pretrained", request())
    settings = {"candidates": "linear", "epochs": "1", "folds": "2", "unlabelled": "100"}
    asked = gx.TrainRequest(init=tmp_path / "pretrained", settings=settings)
    gx.train_scene(scene, tmp_path / "run", asked)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    names = [row["name"] for row in metrics["choice"]["candidates"]]
    assert names == ["linear", "pretrained_hgr", "pretrained_pixel_cnn"]
    assert not [row["failed"] for row in metrics["choice"]["candidates"] if "failed" in row]
    assert config["data"]["pretrained"]["method"] == "decur"
    assert "Pretraining" in (tmp_path / "run" / "report.html").read_text()
    options = options_for(METHODS["auto"], {"init": str(tmp_path / "pretrained")}, "sar")
    data = dataclasses.replace(
        exclusive_or(margin=0), target=dataclasses.replace(exclusive_or(margin=0).target, kind="lidar")
    )
    with pytest.raises(gx.GeoXmodalError, match="start from a run that was pretrained on such a sensor"):
        METHODS["auto"].check(data, options)
