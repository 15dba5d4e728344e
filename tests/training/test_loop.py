from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from geo_xmodal.errors import ResumeError, TrainingDataError, UsageError
from geo_xmodal.methods import METHODS, Learner, LoopOptions
from geo_xmodal.methods.base import WeightGroup
from geo_xmodal.training.engine import Compute, compute_for
from geo_xmodal.training.files import RunLog
from geo_xmodal.training.loop import epochs_of, fit, schedule
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
    with pytest.raises(ResumeError, match="train anew without 'resume'") as caught:
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
        with pytest.raises(ResumeError, match=r"log\.jsonl: .*train anew without 'resume'"):
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


@pytest.mark.parametrize(("warm_up", "rising"), [("0.2", 20), ("2", 40), ("9", 100)])
def test_the_rate_rises_first_then_falls_from_its_highest(warm_up: str, rising: int) -> None:
    options = METHODS["cnn"].Options.model_validate({"warm_up": warm_up, "learning_rate": "0.01"})
    assert isinstance(options, LoopOptions)
    rate = schedule(options, total=100, epoch=20)
    assert [rate(step) for step in range(rising)] == pytest.approx(
        [0.01 * (step + 1) / rising for step in range(rising)]
    )
    falling = [
        0.005 * (1 + math.cos(math.pi * (step - rising) / (100 - rising))) for step in range(rising, 100)
    ]
    assert [rate(step) for step in range(rising, 100)] == pytest.approx(falling)


def test_gradients_of_accumulated_batches_are_averaged() -> None:
    settings = {"augment": "false", "noise": "0", "dropout": "0", "least_steps": "5", "epochs": "1"}
    learner, options = new("cnn", accumulate="2", label_batch="1000", optimizer="adam", **settings)
    alone, plain = new("cnn", label_batch="1000", optimizer="adam", **settings)
    alone.load_state_dict(learner.state_dict())
    counted = []
    learner.model.network.head.register_forward_hook(lambda *_: counted.append(1))
    fit(learner, options, 5)
    # every batch is the whole pool: two of them together have the gradient of one, so that three steps of
    # an epoch of five batches are three steps at the rates of the batches that ended them
    optimizer = torch.optim.Adam(alone.parameters(), weight_decay=plain.weight_decay)
    rate = schedule(plain, total=5, epoch=5)
    alone.train()
    whole = alone.draw(alone.labelled, torch.arange(len(alone.labelled)))
    for step in (1, 3, 4):
        optimizer.param_groups[0]["lr"] = rate(step)
        optimizer.zero_grad()
        alone.loss(0, whole, None)["label"].backward()
        optimizer.step()
    assert len(counted) == 5
    for (name, a), b in zip(learner.named_parameters(), alone.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6), name


def test_clipped_gradients_have_a_norm_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, options = new("cnn", clip="0.01", epochs="1", least_steps="2")
    norms = []
    step = torch.optim.AdamW.step

    def seen(self: torch.optim.AdamW) -> None:
        grads = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        norms.append(float(torch.stack([grad.norm() for grad in grads]).norm()))
        step(self)

    monkeypatch.setattr(torch.optim.AdamW, "step", seen)
    fit(learner, options, 5)
    assert norms and norms == pytest.approx([0.01] * len(norms), rel=1e-3)


def test_weights_of_a_group_learn_at_their_own_rate() -> None:
    learner, options = new("cnn", epochs="1", optimizer="adam", weight_decay="0")
    head = tuple(learner.model.network.head.parameters())
    others = tuple(p for p in learner.parameters() if all(p is not one for one in head))
    learner.groups = lambda: (WeightGroup(others), WeightGroup(head, rate=0.0))  # type: ignore[method-assign]
    before = {name: value.clone() for name, value in learner.named_parameters()}
    fit(learner, options, 5)
    still = {name for name, value in learner.named_parameters() if torch.equal(value, before[name])}
    assert still == {name for name in before if ".head." in name}


def test_what_a_step_draws_depends_on_nothing_before_it() -> None:
    """The batches of an epoch are the same, whatever is drawn for noise and dropout."""
    drawn: list[list[list[int]]] = []
    for noise in ("0", "0.5"):
        learner, options = new("cnn", noise=noise, label_batch="8", epochs="2")
        seen: list[list[int]] = []
        draw = learner.draw

        def noted(pool: Any, index: Any, draw: Any = draw, seen: Any = seen) -> Any:
            seen.append(index.tolist())
            return draw(pool, index)

        learner.draw = noted  # type: ignore[method-assign]
        fit(learner, options, 5)
        drawn.append(seen)
    assert drawn[0] == drawn[1]
    assert len({tuple(index) for index in drawn[0] if len(index) == 8}) > 30


@pytest.mark.parametrize("name", ["hgr", "x_modalnet", "corrnet"])
def test_bf16_learns_in_float32_weights(name: str) -> None:
    states = []
    for precision in ("float32", "bf16", "float32"):  # one after the other, in one process
        learner, options = new(name, dropout="0", noise="0", augment="false")
        rows: list[dict[str, Any]] = []
        fit(learner, options, 5, compute=compute_for("cpu", precision), log=rows.append)
        assert all(value.dtype != torch.bfloat16 for value in learner.state_dict().values())
        states.append((learner.pixel_model().state_dict(), rows[0]["loss"]))
    (whole, first), (low, second), (again, _) = states
    assert all(torch.equal(whole[key], again[key]) for key in whole)
    assert any(not torch.equal(whole[key], low[key]) for key in whole)
    assert second == pytest.approx(first, rel=0.05, abs=0.05)


def test_a_device_that_is_not_there_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(UsageError, match=r"device=cuda: PyTorch .* finds no such device .* only cpu"):
        compute_for("cuda", "float32")
    assert compute_for("auto", "float32") == Compute("cpu", "float32")


def test_nothing_to_minimise_is_said() -> None:
    learner, options = new("unimodal_dae", reconstruction_weight="0")
    with pytest.raises(TrainingDataError, match="'pretrain' has nothing to minimise"):
        fit(learner, options, 0)


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
