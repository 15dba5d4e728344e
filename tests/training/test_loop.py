from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from geo_xmodal.errors import ResumeError, TrainingDataError
from geo_xmodal.methods import METHODS, Learner, LoopOptions
from geo_xmodal.training.files import RunLog
from geo_xmodal.training.loop import epochs_of, fit
from tests.training_data import make_training_data

SMALL = {
    "contrasts": "",
    "widths": "8,8",
    "embedding": "8",
    "epochs": "4",
    "batch_size": "64",
    "teachers": "2",
}


def new(name: str = "hgr", **settings: Any) -> tuple[Learner, LoopOptions]:
    small = {key: value for key, value in SMALL.items() if key in METHODS[name].Options.model_fields}
    options = METHODS[name].Options.model_validate({**small, **settings})
    assert isinstance(options, LoopOptions)
    return METHODS[name].learner(make_training_data(pairs=100), options, 5), options


class StopError(Exception):
    pass


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "lion"])
def test_every_optimiser_learns_and_resumes(tmp_path: Path, optimizer: str) -> None:
    whole, options = new("cnn", optimizer=optimizer, learning_rate="0.001")
    rows: list[dict[str, Any]] = []
    fit(whole, options, 5, log=rows.append)
    assert rows[-1]["loss"]["label"] < rows[0]["loss"]["label"]

    def stop(row: dict[str, Any]) -> None:
        if row["epoch"] == 2:
            raise StopError

    half, _ = new("cnn", optimizer=optimizer, learning_rate="0.001")
    with pytest.raises(StopError):
        fit(half, options, 5, mark="m", folder=tmp_path, log=stop)
    again, _ = new("cnn", optimizer=optimizer, learning_rate="0.001")
    fit(again, options, 5, mark="m", folder=tmp_path, resume=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_an_epoch_passes_over_what_it_is_told() -> None:
    steps = {}
    for pass_over in ("all", "labels"):
        learner, options = new("cnn", pass_over=pass_over, least_steps="1", label_batch="8", batch_size="8")
        seen = []
        learner.model.network.head.register_forward_hook(lambda *_, seen=seen: seen.append(1))
        fit(learner, options, 5)
        steps[pass_over] = len(seen) // options.epochs
    labels, unlabelled = len(learner.labelled), len(learner.unlabelled)
    assert steps == {"all": math.ceil((labels + unlabelled) / 8), "labels": math.ceil(labels / 8)}


@pytest.mark.parametrize("name", ["hgr", "cnn"])
@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(tmp_path: Path, name: str, stop: int) -> None:
    settings = {"mode": "self_training"} if name == "cnn" else {}
    whole, options = new(name, **settings)
    fit(whole, options, 5)

    def interrupt(done: int, total: int, message: str) -> None:
        if done * options.epochs == stop * total:
            raise StopError

    first, options = new(name, **settings)
    with pytest.raises(StopError):
        fit(first, options, 5, mark="m", folder=tmp_path, progress=interrupt)
    torch.manual_seed(12345)
    second, options = new(name, **settings)
    rows: list[dict[str, Any]] = []
    fit(second, options, 5, mark="m", folder=tmp_path, resume=True, log=rows.append)
    assert [row["epoch"] for row in rows] == list(range(stop + 1, 5))
    expected, observed = whole.state_dict(), second.state_dict()
    assert all(torch.equal(expected[key], observed[key]) for key in expected)


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    made, options = new()
    fit(made, options, 5, mark="one", folder=tmp_path)
    other, options = new()
    with pytest.raises(ResumeError, match="other options"):
        fit(other, options, 5, mark="two", folder=tmp_path, resume=True)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    made, options = new()
    fit(made, options, 5, mark="one", folder=tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ResumeError, match="damaged"):
        fit(made, options, 5, mark="one", folder=tmp_path, resume=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, said: said.pop("epoch"),
        lambda tensors, said: said.update(stage="first"),
        lambda tensors, said: said.update(epoch="-1"),
        lambda tensors, said: tensors.pop(next(name for name in tensors if name.startswith("learner."))),
        lambda tensors, said: tensors.update({"optimizer.0.exp_avg": torch.zeros(7)}),
        lambda tensors, said: tensors.update({"optimizer.999.step": torch.tensor(1.0)}),
        lambda tensors, said: tensors.update({"optimizer.0": torch.tensor(1.0)}),
    ],
    ids=range(7),
)
def test_a_checkpoint_that_lost_something_says_what_to_do(change: Any, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"

    def stop(done: int, total: int, message: str) -> None:
        if path.exists():
            raise StopError

    made, options = new("cnn")
    with pytest.raises(StopError):
        fit(made, options, 5, mark="one", folder=tmp_path, progress=stop)
    with safe_open(path, "pt") as file:
        tensors, said = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    change(tensors, said)
    save_file(tensors, path, said)
    with pytest.raises(ResumeError, match="train anew without --resume") as caught:
        fit(new("cnn")[0], options, 5, mark="one", folder=tmp_path, resume=True)
    assert "checkpoint.safetensors" in str(caught.value) and "\n" not in str(caught.value)


def test_half_a_last_row_of_a_log_is_left_out_and_said(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log.jsonl")
    log.append({"epoch": 1})
    log.append({"epoch": 2})
    log.path.write_bytes(log.path.read_bytes()[:-3])
    with pytest.warns(UserWarning, match=r"log\.jsonl: its last line was cut off"):
        assert RunLog(log.path).read() == [{"epoch": 1}]
    for text in ('{"epoch"\n{"epoch": 2}\n', '{"epoch": "2"}\n', "[1]\n"):
        log.path.write_text(text)
        with pytest.raises(ResumeError, match=r"log\.jsonl: .*train anew without --resume"):
            RunLog(log.path).read()


def test_seeds_differ() -> None:
    states = []
    for seed in (1, 2):
        made, options = new()
        fit(made, options, seed)
        states.append(made.pixel_model().state_dict())
    assert any(not torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize("schedule", ["poly", "cosine", "constant"])
def test_learning_rates_follow_the_schedule(schedule: str) -> None:
    made, options = new("cnn", schedule=schedule, epochs="5", learning_rate="0.01")
    rows: list[dict[str, Any]] = []
    fit(made, options, 0, log=rows.append)
    steps = 20
    last = [((epoch + 1) * steps - 1) / (5 * steps) for epoch in range(5)]
    expected = {
        "poly": [0.01 * (1 - done) ** 0.98 for done in last],
        "cosine": [0.005 * (1 + math.cos(math.pi * done)) for done in last],
        "constant": [0.01] * 5,
    }[schedule]
    assert [row["learning_rate"] for row in rows] == pytest.approx(expected)


@pytest.mark.parametrize(("epochs", "shares"), [(20, [0.5, 0.5]), (1, [0.5, 0.5]), (7, [0.3, 0.7])])
def test_every_stage_has_its_share_of_epochs(epochs: int, shares: list[float]) -> None:
    made, _ = new(teacher_share=str(shares[0]))
    parts = epochs_of(made, epochs)
    assert min(parts) >= 1
    assert sum(parts) == max(epochs, len(shares))
    assert parts[0] == max(1, round(epochs * shares[0]))


def test_a_loss_that_explodes_is_said(tmp_path: Path) -> None:
    made, options = new("cnn", learning_rate="1e30", schedule="constant")
    with pytest.raises(TrainingDataError, match="learning_rate"):
        fit(made, options, 0)


def test_validation_is_logged_in_the_last_stage_alone() -> None:
    made, options = new(teacher_share="0.5")
    rows: list[dict[str, Any]] = []
    fit(made, options, 0, validate=lambda learner: {"oa": 0.5}, log=rows.append)
    assert [row["stage"] for row in rows] == ["teacher", "teacher", "student", "student"]
    assert ["validation" in row for row in rows] == [False, False, True, True]
