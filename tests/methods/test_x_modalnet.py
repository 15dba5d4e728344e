from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods import METHODS
from geo_xmodal.methods.cnn import control_options
from geo_xmodal.methods.x_modalnet import ABLATION, XModalNetLearner, XModalNetOptions
from geo_xmodal.networks import NetworkSpec, build_network
from geo_xmodal.objectives import Adversarial
from geo_xmodal.propagation import neighbour_graph, propagate
from geo_xmodal.training.loop import fit
from geo_xmodal.types import TrainingData
from tests.training_data import make_training_data

METHOD = METHODS["x_modalnet"]
FAST = {
    "epochs": "5",
    "widths": "8,16",
    "auxiliary_widths": "16,16",
    "learning_rate": "0.005",
    "dropout": "0.1",
}

ALL_TERMS = {
    "joint", "label", "pseudo",
    "reconstruct_auxiliary", "reconstruct_target", "reconstruct_unlabelled",
    "adversarial_auxiliary", "adversarial_target", "adversarial_unlabelled",
}  # fmt: skip
UNLABELLED_TERMS = {"pseudo", "reconstruct_unlabelled", "adversarial_unlabelled"}


def new(data: TrainingData | None = None, **settings: str) -> tuple[XModalNetLearner, XModalNetOptions]:
    options = METHOD.Options.model_validate({**FAST, **settings})
    assert isinstance(options, XModalNetOptions)
    learner = METHOD.learner(make_training_data() if data is None else data, options, 0)
    assert isinstance(learner, XModalNetLearner)
    return learner, options


def trained(
    data: TrainingData | None = None, **settings: str
) -> tuple[XModalNetLearner, list[dict[str, Any]]]:
    learner, options = new(data, **settings)
    rows: list[dict[str, Any]] = []
    fit(learner, options, 0, log=rows.append)
    return learner, rows


def terms(learner: XModalNetLearner, stage: int = 1) -> dict[str, torch.Tensor]:
    learner.train()
    labelled = learner.labelled.draw(torch.arange(len(learner.labelled)))
    unlabelled = learner.unlabelled.draw(torch.arange(50)) if len(learner.unlabelled) else None
    return learner.loss(stage, labelled, unlabelled)


def test_autoencoders_come_first_and_then_rounds() -> None:
    learner, options = new()
    assert [stage.name for stage in learner.stages] == ["dae", "round-1", "round-2", "round-3", "round-4"]
    assert sum(stage.share for stage in learner.stages) == pytest.approx(1)
    assert learner.stages[0].share == options.pretrain_share
    assert set(terms(learner, 0)) == {name for name in ALL_TERMS if name.startswith("reconstruct")}
    assert [stage.name for stage in new(pretrain_share="0", rounds="2")[0].stages] == ["round-1", "round-2"]


@pytest.mark.parametrize(
    ("settings", "gone"),
    [
        ({}, set()),
        ({"il": "mixed"}, set()),
        ({"test_head": "joint_zero"}, set()),
        ({"sa": "false"}, {name for name in ALL_TERMS if name.startswith("adversarial")}),
        ({"adversarial_weight": "0"}, {name for name in ALL_TERMS if name.startswith("adversarial")}),
        ({"reconstruction_weight": "0"}, {name for name in ALL_TERMS if name.startswith("reconstruct")}),
        ({"pseudo_weight": "0"}, {"pseudo"}),
        ({"propagation": "off"}, UNLABELLED_TERMS),
        ({"label_unimodal_head": "false"}, {"label"}),
        ({"label_unimodal_head": "false", "test_head": "joint_zero"}, {"label"}),
    ],
)
def test_each_part_can_be_switched_off(settings: dict[str, str], gone: set[str]) -> None:
    assert set(terms(new(**settings)[0])) == ALL_TERMS - gone


@pytest.mark.parametrize("settings", [{}, {"il": "mixed"}, {"il": "off"}, {"test_head": "joint_zero"}])
def test_every_weight_learns_from_some_term(settings: dict[str, str]) -> None:
    learner, _ = new(**settings)
    torch.stack(list(terms(learner).values())).sum().backward()
    idle = {
        name for name, weight in learner.named_parameters() if weight.grad is None or not weight.grad.any()
    }
    assert not idle


@pytest.mark.parametrize("settings", [{}, {"il": "mixed", "test_head": "joint_zero"}])
def test_what_is_learnt_gets_better(settings: dict[str, str]) -> None:
    learner, rows = trained(make_training_data(labels=30), epochs="16", rounds="1", **settings)
    first, last = (next(r["loss"] for r in order if r["stage"] == "round-1") for order in (rows, rows[::-1]))
    for name in ("joint", "label", "pseudo"):
        assert last[name] < 0.8 * first[name], name
    assert rows[1]["loss"]["reconstruct_target"] < rows[0]["loss"]["reconstruct_target"]
    assert len(learner.stages) == 2


@pytest.mark.parametrize("row", [name for name in ABLATION if "without" in name])
def test_batch_norm_and_dropout_can_be_left_out(row: str) -> None:
    changes = ABLATION[row]
    learner, _ = trained(epochs="1", **changes)
    kinds = [type(one) for one in learner.modules()]
    assert (nn.BatchNorm2d in kinds or nn.BatchNorm1d in kinds) == ("batch norm" not in row)
    assert any(isinstance(one, nn.Dropout) and one.p > 0 for one in learner.modules()) == (
        "dropout" not in row
    )
    assert all(value.isfinite().all() for value in learner.state_dict().values())


def test_the_rows_of_the_ablation_differ() -> None:
    rows = [METHOD.Options.model_validate(dict(changes)) for changes in ABLATION.values()]
    assert len(rows) == 7 and all(a != b for i, a in enumerate(rows) for b in rows[:i])
    assert rows[3] == METHOD.Options()
    assert set(METHOD.noise_rows) <= set(METHOD.ablation)


class TestInteractiveLearning:
    """Whether anything of the auxiliary sensor crosses over to the target stream."""

    def seen(self, il: str, change: float) -> Any:
        learner, _ = new(il=il)
        learner.eval()
        batch = learner.labelled.draw(torch.arange(len(learner.labelled)))
        assert batch.auxiliary is not None
        paired = batch.auxiliary.isfinite().all(1).nonzero()[:, 0]
        return learner.parts.features(learner.net, batch.target, batch.auxiliary[paired] + change, paired)

    @pytest.mark.parametrize(("il", "crosses"), [("eq4", False), ("off", False), ("mixed", True)])
    def test_only_the_mixed_reading_crosses(self, il: str, crosses: bool) -> None:
        a, b = self.seen(il, 0), self.seen(il, 1)
        assert torch.equal(a.embedding, b.embedding)
        assert torch.equal(a.paired_embedding, b.paired_embedding) != crosses
        assert not torch.equal(a.auxiliary_embedding, b.auxiliary_embedding)

    def test_eq4_adds_both_perceptrons_of_one_sensor(self) -> None:
        learner, _ = new()
        learner.eval()
        z = torch.randn(5, 128, 1, 1)
        first, second = learner.net.perceptrons
        assert torch.allclose(learner.net.interacted(z), first(z) + second(z))


class TestAdversary:
    """Which gradient goes where, of the three readings of Eq. 7."""

    def gradients(self, reading: Any) -> tuple[float, list[torch.Tensor]]:
        torch.manual_seed(0)
        judge = nn.Sequential(nn.Linear(6, 6), nn.LeakyReLU(0.2), nn.Linear(6, 1))
        real, fake = (torch.randn(20, 6, requires_grad=True) for _ in range(2))
        loss = Adversarial(reading)(judge, real, fake)
        found = torch.autograd.grad(loss, [real, fake, *judge.parameters()], allow_unused=True)
        return loss.item(), [torch.zeros(1) if one is None else one for one in found]

    def test_the_discriminator_learns_the_same_from_all(self) -> None:
        readings = [self.gradients(name)[1][2:] for name in ("standard", "reversal", "cooperative")]
        for other in readings[1:]:
            assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(readings[0], other, strict=True))

    def test_reversal_is_cooperation_with_the_sign_turned(self) -> None:
        (with_it, a), (against, b) = self.gradients("cooperative"), self.gradients("reversal")
        assert with_it == pytest.approx(against)
        assert all(torch.allclose(x, -y, atol=1e-7) and x.any() for x, y in zip(a[:2], b[:2], strict=True))

    def test_the_standard_reading_moves_the_fake_features_alone(self) -> None:
        _, (real, fake, *_) = self.gradients("standard")
        assert not real.any() and fake.any()

    def test_fake_features_learn_to_pass(self) -> None:
        torch.manual_seed(0)
        judge = nn.Linear(2, 1)
        fake = torch.randn(50, 2, requires_grad=True)
        before = judge(fake).mean()
        Adversarial("standard")(judge, torch.randn(50, 2), fake).backward()
        assert fake.grad is not None
        assert judge(fake - 10 * fake.grad).mean() > before

    def test_who_cannot_tell_pays_two_log_two(self) -> None:
        judge = nn.Linear(3, 1)
        nn.init.zeros_(judge.weight)
        nn.init.zeros_(judge.bias)
        x = torch.randn(4, 3)
        assert float(Adversarial("cooperative")(judge, x, x)) == pytest.approx(2 * np.log(2), abs=1e-5)


class TestPseudoLabels:
    def test_the_first_are_an_svms(self) -> None:
        data = make_training_data()
        learner, _ = new(data)
        svm = METHODS["svm"].learner(data, METHODS["svm"].Options(), 0).pixel_model()
        both = np.concatenate([data.unlabelled_pairs.target.held, data.unlabelled_target.target.held])
        said = svm.probabilities(torch.from_numpy(both[:, :, 3:4, 3:4])).flatten(1).argmax(1)
        assert torch.equal(learner.pseudo.argmax(1), said)
        assert torch.equal(learner.pseudo.sum(1), torch.ones(len(said)))

    @pytest.mark.parametrize("kind", ["hard", "soft"])
    def test_the_next_are_propagated_over_what_the_branch_sees(self, kind: str) -> None:
        data = make_training_data(labels=30)
        learner, options = new(data, pseudo_labels=kind, sigma="neighbours")
        learner.eval()
        groups = (data.labelled_pairs, data.labelled_target, data.unlabelled_pairs, data.unlabelled_target)
        label = np.concatenate([np.full(len(g), -1) if g.label is None else g.label for g in groups])
        raw = torch.from_numpy(np.concatenate([group.target.held for group in groups]))
        with torch.no_grad():
            features = learner.net.encode(learner.model.standardize(raw)).flatten(1).numpy()
        wanted = propagate(neighbour_graph(features, options.neighbours), label, 3).soft[label < 0]
        before = learner.pseudo.argmax(1)
        learner.begin(2)
        found = learner.pseudo.numpy()
        if kind == "soft":
            np.testing.assert_allclose(found, wanted, atol=1e-5)
        else:
            assert set(np.unique(found)) == {0, 1} and (found.argmax(1) == wanted.argmax(1)).all()
        changed = (before != learner.pseudo.argmax(1)).float().mean()
        assert 0 < float(changed) == float(learner.changed)

    def test_a_pixel_that_no_label_reaches_keeps_its_own(self) -> None:
        learner, _ = new(neighbours="3", sigma="0.000001")
        learner.eval()
        before = learner.pseudo.clone()
        learner.begin(2)
        assert torch.equal(learner.pseudo, before)

    def test_rounds_end_when_they_settle(self) -> None:
        learner, rows = trained(settle="0.99")
        assert {row["stage"] for row in rows} == {"dae", "round-1"}
        assert learner.settled() and 0 < float(learner.changed) <= 0.99
        assert {row["stage"] for row in trained(settle="0")[1]} >= {"round-2"}

    def test_svm_labels_can_stay(self) -> None:
        learner, _ = new(propagation="svm")
        before = learner.pseudo.clone()
        assert [stage.name for stage in learner.stages] == ["dae", "round-1"]
        learner.begin(1)
        assert torch.equal(learner.pseudo, before)

    def test_without_pixels_to_label_it_says_so(self) -> None:
        data = make_training_data()
        none = np.empty(0, np.int64)
        bare = dataclasses.replace(
            data,
            unlabelled_pairs=data.unlabelled_pairs.take(none),
            unlabelled_target=data.unlabelled_target.take(none),
        )
        with pytest.raises(TrainingDataError, match="propagation=off"):
            new(bare)
        assert set(terms(new(bare, propagation="off")[0])) == ALL_TERMS - UNLABELLED_TERMS


class TestPairs:
    def test_it_needs_two(self) -> None:
        with pytest.raises(TrainingDataError, match="x_modalnet needs 2"):
            new(make_training_data().without_auxiliary())

    def test_few_pairs_among_many_labels_are_enough(self) -> None:
        data = make_training_data(labels=60)
        data = dataclasses.replace(data, labelled_pairs=data.labelled_pairs.take(np.arange(2)))
        learner, rows = trained(data, label_batch="8", epochs="3")
        assert all(value.isfinite().all() for value in learner.state_dict().values())
        assert all("joint" in row["loss"] for row in rows if row["stage"] != "dae")

    def test_other_widths_cannot_share_perceptrons(self) -> None:
        with pytest.raises(ValueError, match="shared by both sensors"):
            METHOD.Options.model_validate({"sa": "false", "auxiliary_widths": "160,32"})
        METHOD.Options.model_validate({"sa": "false", "il": "off", "auxiliary_widths": "160,32"})

    def test_a_head_that_nothing_trains_is_refused(self) -> None:
        with pytest.raises(ValueError, match="nothing would train"):
            METHOD.Options.model_validate({"propagation": "off", "label_unimodal_head": "false"})


@pytest.mark.parametrize("test_head", ["unimodal", "joint_zero"])
@pytest.mark.parametrize("il", ["eq4", "mixed", "off"])
def test_a_patch_and_a_window_give_the_same(test_head: str, il: str) -> None:
    learner, _ = trained(epochs="1", test_head=test_head, il=il)
    model = learner.pixel_model()
    window = torch.randn(1, 4, 10, 9)
    dense = model.probabilities(window)
    assert dense.shape == (1, 3, 4, 3)
    for row, col in ((0, 0), (3, 2), (1, 1)):
        patch = model.probabilities(window[:, :, row : row + 7, col : col + 7])
        assert torch.allclose(patch[:, :, 0, 0], dense[:, :, row, col], atol=1e-6)


def test_joint_zero_maps_with_zeros_for_the_auxiliary_embedding() -> None:
    learner, _ = trained(epochs="1", test_head="joint_zero")
    learner.eval()
    joint, single = learner.heads
    embedding = torch.randn(6, 128, 1, 1)
    zeros = learner.parts.auxiliary_joint(torch.zeros(6, 128, 1, 1))
    assert torch.equal(learner.net.head(embedding), joint(embedding, zeros))
    assert not torch.allclose(joint(embedding), joint(embedding, torch.ones_like(zeros)))
    assert learner.net.head is joint and single is learner.parts.second_head


def test_table_2() -> None:
    """Widths layer by layer, of what maps a scene with four bands and eight classes."""
    network = build_network(NetworkSpec("x_modalnet"), 4, 8)
    layers = [
        (m.in_channels, m.out_channels, m.kernel_size[0])
        for m in network.modules()
        if isinstance(m, nn.Conv2d)
    ]
    half, perceptron = [(64, 128, 1), (128, 64, 1)], [(128, 64, 1), (64, 64, 1)]
    ahead, behind = [(4, 32, 5), (32, 64, 3), *half, *half, (64, 128, 1)], [*perceptron, *perceptron]
    assert sorted(layers) == sorted([*ahead, *behind, (128, 8, 1)])
    joint = build_network(NetworkSpec("x_modalnet", {"test_head": "joint_zero"}), 4, 8).head
    widths = [m.out_channels for m in joint.modules() if isinstance(m, nn.Conv2d)]
    assert widths == [256, 64, 8]


def test_its_controls_train_the_same_network() -> None:
    options = METHOD.Options.model_validate({**FAST, "il": "mixed"})
    control = control_options(options, "target_only")
    assert control.network == options.network
    assert (control.epochs, control.learning_rate, control.pass_over) == (5, 0.005, "labels")
    shapes = [
        {name: value.shape for name, value in made.pixel_model().state_dict().items()}
        for made in (
            METHODS["cnn"].learner(make_training_data().without_auxiliary(), control, 0),
            METHOD.learner(make_training_data(), options, 0),
        )
    ]
    assert shapes[0] == shapes[1]


class StopError(Exception):
    pass


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(tmp_path: Path, stop: int) -> None:
    whole, options = new(settle="0")
    fit(whole, options, 5)

    def interrupt(done: int, total: int, message: str) -> None:
        if done * options.epochs == stop * total:
            raise StopError

    first, _ = new(settle="0")
    with pytest.raises(StopError):
        fit(first, options, 5, mark="m", folder=tmp_path, progress=interrupt)
    second, _ = new(settle="0")
    fit(second, options, 5, mark="m", folder=tmp_path, resume=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
