"""Networks that learn to do without the auxiliary sensor: what is known of them beforehand."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from geo_xmodal.methods import METHODS, Learner
from geo_xmodal.methods.absent_sensor import joined
from geo_xmodal.methods.dsensd import average
from geo_xmodal.patches import HeldPatches
from geo_xmodal.training.loop import fit
from geo_xmodal.types import TrainingData
from tests.training_data import make_training_data

SMALL = {
    "contrasts": "", "widths": "8,8", "embedding": "8", "epochs": "2", "label_batch": "64",
    "auxiliary_width": "16", "learning_rate": "1e-2", "least_steps": "3",
}  # fmt: skip


def new(name: str, data: TrainingData, **settings: str) -> tuple[Any, Any]:
    """A learner that has not learnt yet, and its options."""
    known = METHODS[name].Options.model_fields
    small = {key: value for key, value in SMALL.items() if key in known}
    options = METHODS[name].Options.model_validate({**small, **settings})
    return METHODS[name].learner(data, options, 0), options


def trained(name: str, data: TrainingData, **settings: str) -> Any:
    made, options = new(name, data, **settings)
    fit(made, options, 0)
    return made


def other_spectra(data: TrainingData) -> TrainingData:
    """The same pixels, whose spectra belong to other ones."""
    pairs = data.labelled_pairs
    assert pairs.auxiliary is not None and pairs.auxiliary.held is not None
    turned = HeldPatches(pairs.auxiliary.held[::-1].copy())
    return dataclasses.replace(data, labelled_pairs=dataclasses.replace(pairs, auxiliary=turned))


def weights(made: Learner) -> dict[str, torch.Tensor]:
    return dict(made.pixel_model().state_dict())


def test_an_absent_sensor_adds_nothing() -> None:
    f, g = torch.ones(3, 2), torch.full((1, 2), 5.0)
    assert joined(f, g, torch.tensor([False, True, False])).tolist() == [[1, 1], [6, 6], [1, 1]]


def test_a_sensor_that_is_always_dropped_leaves_no_trace() -> None:
    data = make_training_data()
    first, second = (
        weights(trained("modality_dropout", one, drop="1")) for one in (data, other_spectra(data))
    )
    assert all(torch.equal(first[key], second[key]) for key in first)
    half = weights(trained("modality_dropout", other_spectra(data)))
    assert any(not torch.equal(first[key], half[key]) for key in first)


@pytest.mark.parametrize(("name", "drop"), [("modality_dropout", {"drop": "0"}), ("correlation", {})])
def test_a_joint_classifier_sees_more_than_the_target_alone(name: str, drop: dict[str, str]) -> None:
    data = make_training_data(labels=40, noise=3.0)
    made = trained(name, data, least_steps="60", **drop)
    assert METHODS[name].classifies_both(made.options)
    made.eval()
    label = data.labelled_pairs.label
    batch = made.labelled.draw(torch.arange(len(data.labelled_pairs)))
    both = made.probabilities_of_pairs(batch).argmax(1).numpy()
    assert np.mean(both == label) > 0.95  # the target alone is right of about half


def test_logits_are_averaged_over_the_sensors_that_are_there() -> None:
    target, auxiliary = torch.tensor([[2.0, 0.0], [4.0, 0.0]]), torch.tensor([[0.0, 6.0]])
    paired = torch.tensor([False, True])
    assert average(target, auxiliary, paired).tolist() == [[2, 0], [2, 3]]
    for kept, expected in (([1, 0], [4, 0]), ([0, 1], [0, 6]), ([1, 1], [2, 3])):
        assert average(target, auxiliary, paired, torch.tensor([kept])).tolist() == [[2, 0], expected]


@pytest.mark.parametrize(("drop", "lone"), [("0", 0.0), ("0.5", 1 / 3)])
def test_each_sensor_is_dropped_as_often_and_one_always_stays(drop: str, lone: float) -> None:
    made, _ = new("dsensd", make_training_data(), drop=drop)
    torch.manual_seed(0)
    kept = made._weights(torch.ones(20_000, dtype=torch.bool)).float()
    assert kept.sum(1).min() >= 1
    assert (1 - kept.mean(0)).tolist() == pytest.approx([lone, lone], abs=0.015)


def test_sensors_that_agree_have_nothing_to_teach_each_other() -> None:
    """The gradient of the mutual term is zero where every sensor says what their average says."""
    made, _ = new("dsensd", make_training_data(), temperature="1")
    logits = torch.tensor([[1.0, -2.0, 0.5]] * 4, requires_grad=True)
    soft = logits.detach().softmax(1)
    made.terms.of(mutual=((logits, soft), (logits, soft)))["mutual"].backward()
    assert logits.grad is not None and logits.grad.abs().max() < 1e-7


def test_shared_features_take_the_place_of_the_absent_sensor() -> None:
    made, _ = new("shaspec", make_training_data())
    net = made.net.eval()
    x = torch.randn(2, 4, 7, 7)
    shared, specific = net.parts(net.prepare(x))
    fused = shared + net.fusion.residual(torch.cat([shared, specific], 1))
    assert torch.allclose(net(x), net.head(torch.cat([fused, shared], 1)), atol=1e-6)


def test_alignment_draws_shared_features_together() -> None:
    data = make_training_data(labels=30)
    far = {}
    for weight in ("0", "10"):
        made = trained("shaspec", data, alignment_weight=weight, least_steps="30", dropout="0")
        made.eval()
        batch = made.labelled.draw(torch.arange(len(data.labelled_pairs)))
        shared, _ = made.net.parts(batch.target)
        h = made.auxiliary_encoder(batch.auxiliary).tanh()[:, :, None, None]
        far[weight] = float((shared - made.net.shared(h)).abs().mean().detach())
    assert far["10"] < far["0"] / 3


def test_domains_are_told_apart_by_specific_features() -> None:
    data = make_training_data(labels=30)
    made = trained("shaspec", data, domain_weight="1", least_steps="30")
    made.eval()
    seen = made.seen(made.labelled.draw(torch.arange(len(data.labelled_pairs))))
    _, specific = made.net.parts(seen.target)
    auxiliary = made.auxiliary_specific(made.auxiliary_embedded(seen.auxiliary).tanh()[:, :, None, None])
    said, sensor = made._domains(seen, specific, auxiliary)
    assert (said.argmax(1) == sensor).float().mean() > 0.95


@pytest.mark.parametrize(("scale", "weak"), [(0.0, "auxiliary"), (1000.0, "target")])
def test_the_combination_that_lacks_what_decides_is_the_weak_one(scale: float, weak: str) -> None:
    made, _ = new("mmanet", make_training_data())
    made.eval()
    assert made.findings() == {}
    with torch.no_grad():
        for weights in made.auxiliary_encoder[-1].parameters():
            weights.mul_(scale)
    made.begin(2)
    found = made.findings()["weak_combination"]
    assert found["name"] == weak
    other = "target" if weak == "auxiliary" else "auxiliary"
    assert found["divergence"][weak] > 100 * found["divergence"][other] >= 0


def test_the_teacher_is_fixed_while_the_student_learns() -> None:
    data = make_training_data()
    made, options = new("mmanet", data, epochs="4")
    before: dict[str, torch.Tensor] = {}
    begin = made.begin

    def watched(stage: int) -> None:
        if made.stages[stage].name == "warm-up":
            before.update({key: value.clone() for key, value in made.teacher.state_dict().items()})
        begin(stage)

    made.begin = watched
    fit(made, options, 0)
    assert before and all(torch.equal(value, before[key]) for key, value in made.teacher.state_dict().items())


def test_correlation_has_no_teachers() -> None:
    options = METHODS["correlation"].Options.model_validate({"contrasts": "", "widths": "8,8"})
    made = METHODS["correlation"].learner(make_training_data(), options, 0)
    assert [stage.name for stage in made.stages] == ["student"]
    assert "distill" not in made.terms and not len(made.teachers)
