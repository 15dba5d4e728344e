import numpy as np
import pytest
import torch

from geo_xmodal.methods import METHODS
from geo_xmodal.methods.distillation import DistillationOptions
from geo_xmodal.methods.forest import ForestOptions
from geo_xmodal.methods.teaching import choice
from geo_xmodal.training.loop import fit
from tests.methods.test_teaching import QUICK, made
from tests.training_data import make_group

SMALL = {"trees": 20, "rounds": 10, "context": (), "sizes": (), "openings": ()}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(choice, "CANDIDATES", QUICK)


def learned(data, **options):
    options = DistillationOptions.model_validate({**SMALL, **options})
    return METHODS["distillation"].learner(data.cropped(options.margin, 0), options, 0)


def controls(data, **options):
    options = DistillationOptions.model_validate({**SMALL, **options})
    alone = data.cropped(options.margin, 0).without_auxiliary()
    found = METHODS["distillation"].controls(options)
    return {
        name: METHODS[one.method].learner(alone, one.options, 0).pixel_model() for name, one in found.items()
    }


def accuracy(model, margin, noise=2.0):
    label = np.repeat(np.arange(3), 400)
    tested = make_group(np.random.default_rng(99), label, margin=margin, noise=noise)
    with torch.inference_mode():
        said = model(torch.from_numpy(tested.target.cropped(model.margin).take(np.arange(1200))))
    return float((said.flatten(1).argmax(1).numpy() == label).mean())


@pytest.mark.parametrize("student", ["forest", "boosting", "linear"])
def test_a_student_gains_from_a_teacher_that_knows(student):
    data = made(labels=8, margin=7 if student == "linear" else 0)
    taught = learned(data, student=student, min_leaf=8)
    assert taught.findings()["teacher"]["may_teach"]
    alone = controls(data, student=student, min_leaf=1)
    assert accuracy(taught.pixel_model(), 0) > accuracy(alone["target_only"], 0) + 0.03
    assert accuracy(taught.pixel_model(), 0) > accuracy(alone["self_training"], 0) + 0.03


@pytest.mark.parametrize("student", ["forest", "linear"])
def test_a_teacher_that_may_not_teach_leaves_the_student_as_it_is_alone(student):
    data = made(auxiliary_helps=False, noise=0.7, margin=7 if student == "linear" else 0)
    taught = learned(data, student=student)
    assert not taught.findings()["teacher"]["may_teach"]
    alone = controls(data, student=student)["target_only"]
    for name, weights in alone.state_dict().items():
        assert torch.equal(weights, taught.pixel_model().state_dict()[name])


def test_the_control_of_a_forest_is_the_forest():
    data = made().without_auxiliary()
    options = DistillationOptions.model_validate(SMALL)
    control = METHODS["distillation"].controls(options)["target_only"]
    shared = {name: getattr(options, name) for name in ForestOptions.model_fields}
    forest = METHODS["forest"].learner(data, ForestOptions.model_validate(shared), 0).pixel_model()
    same = METHODS[control.method].learner(data, control.options, 0).pixel_model()
    assert all(torch.equal(forest.state_dict()[k], value) for k, value in same.state_dict().items())


def test_a_network_learns_from_the_chosen_teacher_alone():
    options = {"student": "cnn", "kernels": (1,), "widths": (8,), "contrasts": ()}
    data = made()
    learner = learned(data, **options)
    assert [stage.name for stage in learner.stages] == ["student"]
    learner.begin(0)
    assert learner.findings()["teacher"]["may_teach"]
    batch = learner.draw(learner.labelled, torch.arange(20))
    pairs = learner.draw(learner.unlabelled, torch.arange(30))
    assert set(learner.loss(0, batch, pairs)) == {"label", "distill"}
    untaught = learned(made(auxiliary_helps=False, noise=0.7), **options)
    untaught.begin(0)
    assert set(untaught.loss(0, batch, pairs)) == {"label"}
    asked = DistillationOptions.model_validate(options)
    controls = METHODS["distillation"].controls(asked)
    assert [one.method for one in controls.values()] == ["cnn", "cnn"]


def test_hgr_takes_a_chosen_teacher():
    data = made()
    method = METHODS["hgr"]
    options = method.Options.model_validate(
        {"teacher": "linear", "kernels": (1,), "widths": (8,), "contrasts": (), "auxiliary_radius": 0}
    )
    learner = method.learner(data, options, 0)
    assert [stage.name for stage in learner.stages] == ["student"]
    learner.begin(0)
    assert learner.findings()["teacher"]["chosen"] == "linear"
    terms = learner.loss(
        0,
        learner.draw(learner.labelled, torch.arange(20)),
        learner.draw(learner.unlabelled, torch.arange(30)),
    )
    assert {"label", "distill", "correlation", "auxiliary", "joint"} == set(terms)


def test_hgr_is_its_control_where_the_chosen_teacher_may_not_teach():
    data = made(auxiliary_helps=False, noise=0.7, margin=1)
    settings = {"teacher": "linear", "kernels": (3,), "widths": (8,), "contrasts": (), "auxiliary_radius": 0}
    options = METHODS["hgr"].Options.model_validate({**settings, "epochs": 2, "least_steps": 3})
    control = METHODS["hgr"].controls(options)["target_only"]
    learners = (
        METHODS["hgr"].learner(data, options, 0),
        METHODS[control.method].learner(data.without_auxiliary(), control.options, 0),
    )
    assert not learners[0].findings()["teacher"]["may_teach"]
    for learner in learners:
        fit(learner, options, 0)
    models = [learner.pixel_model().state_dict() for learner in learners]
    for name, weights in models[0].items():
        assert torch.equal(weights, models[1][name])


def test_the_answer_out_of_fold_is_mixed_into_labels_if_asked():
    data = made(labels=8)
    as_labels, mixed = (learned(data, own_share=share).pixel_model() for share in (0, 1))
    states = as_labels.state_dict(), mixed.state_dict()
    assert any(
        states[0][k].shape != states[1][k].shape or not torch.equal(states[0][k], states[1][k])
        for k in states[0]
    )
