from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.svm import LinearSVC

from geo_xmodal.correlation import OBJECTIVES
from geo_xmodal.errors import TrainingDataError
from geo_xmodal.kinds import KINDS
from geo_xmodal.methods import METHODS, Learner
from geo_xmodal.methods.base import class_weights
from geo_xmodal.patches import HeldPatches
from geo_xmodal.scenes.splits import DEFAULT_MARGIN
from geo_xmodal.training.loop import fit
from geo_xmodal.training.request import options_for
from geo_xmodal.types import PixelGroup, TrainingData
from tests.training_data import make_training_data

SMALL = {
    "contrasts": "",
    "widths": "8,8",
    "embedding": "8",
    "epochs": "2",
    "batch_size": "64",
    "teachers": "2",
}


def learner(name: str, data: TrainingData, **settings: Any) -> Learner:
    method = METHODS[name]
    small = {key: value for key, value in SMALL.items() if key in method.Options.model_fields}
    options = method.Options.model_validate({**small, **settings})
    made = method.learner(data, options, 0)
    if made.stages:
        fit(made, options, 0)
    return made


def accuracy(made: Learner, pixels: PixelGroup) -> float:
    model = made.pixel_model()
    patches = pixels.target.cropped(model.margin).held
    predicted = model.probabilities(torch.from_numpy(patches)).flatten(1).argmax(1).numpy()
    return float((predicted == pixels.label).mean())


BASELINES = ("unimodal_dae", "bimodal_dae", "bimodal_sdae", "mdl_cw", "corr_ae", "corrnet")
AUTOENCODER = {"learning_rate": "1e-2", "least_steps": "20", "dense": "16,8", "auxiliary_widths": "16,8"}
DROPPING = {"learning_rate": "1e-2", "label_batch": "64", "auxiliary_width": "16"}

VARIANTS = [
    ("svm", {}),
    ("cnn", {"mode": "target_only"}),
    ("cnn", {"mode": "self_training"}),
    ("hgr", {}),
    ("hgr", {"encoder": "tanh_cnn"}),
    ("hgr", {"soft_shares": "unlabelled"}),
    ("cnn", {"mode": "self_training", "soft_shares": "unlabelled"}),
    ("hgr", {"distill_weight": "0"}),
    ("hgr", {"correlation_weight": "0"}),
    ("cca", {}),
    ("forest", {"sizes": "3,7", "openings": "3"}),
    ("boosting", {"sizes": "3,7", "openings": "3"}),
    ("correlation", {}),
    *((name, DROPPING) for name in ("modality_dropout", "dsensd", "shaspec", "mmanet")),
    ("dsensd", {**DROPPING, "unlabelled_pairs": "true"}),
    ("mmanet", {**DROPPING, "unlabelled_pairs": "true"}),
    ("x_modalnet", {"auxiliary_widths": "8,8", "learning_rate": "0.01", "dropout": "0"}),
    *((name, AUTOENCODER) for name in BASELINES),
]


@pytest.mark.parametrize(("name", "settings"), VARIANTS)
def test_every_method_learns_and_delivers_a_dense_target_model(name: str, settings: dict[str, Any]) -> None:
    data = make_training_data(labels=30)
    made = learner(
        name, data, **settings, **({} if name in ("svm", "cca", "forest", "boosting") else {"epochs": "6"})
    )
    assert accuracy(made, data.validation) > 0.6  # chance is 1/3
    model = made.pixel_model()
    assert model.bands == 4
    side = 5 + 2 * model.margin
    assert model.probabilities(torch.zeros(1, 4, side, side)).shape == (1, 3, 5, 5)


@pytest.mark.parametrize(("name", "settings"), VARIANTS)
def test_the_same_seed_gives_the_same_weights(name: str, settings: dict[str, Any]) -> None:
    data = make_training_data()
    first, second = (learner(name, data, **settings).state_dict() for _ in range(2))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_the_pair_of_resnets_maps_what_it_was_trained_on() -> None:
    data = make_training_data(margin=3, auxiliary_margin=3, pairs=60)
    resnet = {"encoder": "resnet50", "patch": "7", "epochs": "1", "least_steps": "1", "batch_size": "512"}
    made = learner("hgr", data, **resnet)
    model = made.pixel_model()
    window = torch.randn(1, 4, 9, 10)
    dense = model.probabilities(window)
    patch = model.probabilities(window[:, :, 1:8, 2:9])
    assert dense.shape == (1, 3, 3, 4)
    assert torch.allclose(dense[:, :, 1, 2], patch[:, :, 0, 0], atol=1e-5)
    around = data.unlabelled_pairs.auxiliary
    assert around is not None and around.held is not None
    around.held[:, :, 0, 0] += 5  # a corner of the patch, beyond the teacher's radius
    other = learner("hgr", data, **resnet)
    assert not torch.equal(made.auxiliary_head[0].running_mean, other.auxiliary_head[0].running_mean)


def test_svm_is_scikit_learns() -> None:
    data = make_training_data(labels=30)
    centre = data.labelled_target.target.shape[-1] // 2
    both = [data.labelled_pairs, data.labelled_target]
    x = np.concatenate([group.target.held[:, :, centre, centre] for group in both])
    y = np.concatenate([group.label for group in both])  # type: ignore[arg-type]
    reference = LinearSVC(class_weight="balanced", dual=False, max_iter=10_000).fit(x, y)
    pixels = data.validation.target.held[:, :, centre : centre + 1, centre : centre + 1]
    options = METHODS["svm"].Options.model_validate({"C": "1"})
    logits = METHODS["svm"].learner(data, options, 0).pixel_model()(torch.from_numpy(pixels))
    np.testing.assert_allclose(
        logits.detach().flatten(1).numpy(), reference.decision_function(pixels[:, :, 0, 0]), atol=1e-4
    )


def test_a_class_without_labels_is_never_predicted_by_svm() -> None:
    data = make_training_data(labels=10)
    keep = [np.flatnonzero(group.label != 1) for group in (data.labelled_pairs, data.labelled_target)]
    data = dataclasses.replace(
        data,
        labelled_pairs=data.labelled_pairs.take(keep[0]),
        labelled_target=data.labelled_target.take(keep[1]),
    )
    model = METHODS["svm"].learner(data, METHODS["svm"].Options(), 0).pixel_model()
    predicted = model.probabilities(torch.from_numpy(data.validation.target.held)).argmax(1)
    assert set(predicted.unique().tolist()) == {0, 2}


def test_the_teacher_alone_teaches_the_target() -> None:
    """Without the labels' own term the target can only know what the auxiliary sensor's teacher told it."""
    data = make_training_data(labels=20, pairs=600)
    off = {"label_weight": "0", "correlation_weight": "0", "epochs": "8"}
    assert accuracy(learner("hgr", data, **off), data.validation) > 0.8  # chance is 1/3


def test_the_target_model_never_sees_the_auxiliary_sensor() -> None:
    """Other auxiliary values, same student: with all its terms off, nothing of the auxiliary side is left."""
    off = {"distill_weight": "0", "correlation_weight": "0"}
    data = make_training_data()
    turned = HeldPatches(data.labelled_pairs.auxiliary.held[::-1].copy())  # type: ignore[union-attr,index]
    other = dataclasses.replace(
        data, labelled_pairs=dataclasses.replace(data.labelled_pairs, auxiliary=turned)
    )
    a, b = (learner("hgr", one, **off).pixel_model().state_dict() for one in (data, other))
    assert all(torch.equal(a[key], b[key]) for key in a)


def terms(made: Learner, stage: int) -> set[str]:
    made.train()
    index = torch.arange(16)
    return set(made.loss(stage, made.labelled.draw(torch.arange(12)), made.unlabelled.draw(index)))


def test_each_term_of_hgr_can_be_switched_off() -> None:
    data = make_training_data()
    full = METHODS["hgr"].learner(data, METHODS["hgr"].Options.model_validate(SMALL), 0)
    assert [stage.name for stage in full.stages] == ["teacher", "student"]
    assert terms(full, 1) == {"label", "distill", "correlation", "auxiliary", "joint"}
    for weight, gone in [
        ("label_weight", {"label"}),
        ("distill_weight", {"distill"}),
        ("correlation_weight", {"correlation", "auxiliary", "joint"}),
        ("auxiliary_weight", {"auxiliary"}),
        ("joint_weight", {"joint"}),
    ]:
        options = METHODS["hgr"].Options.model_validate({**SMALL, weight: "0"})
        made = METHODS["hgr"].learner(data, options, 0)
        assert terms(made, len(made.stages) - 1) == terms(full, 1) - gone


def test_hgr_says_when_there_are_no_pairs() -> None:
    with pytest.raises(TrainingDataError, match="hgr needs 2"):
        learner("hgr", make_training_data().without_auxiliary())


def test_hgr_does_without_unlabelled_pairs() -> None:
    data = make_training_data(labels=20)
    none = np.empty(0, np.int64)
    alone = dataclasses.replace(data, unlabelled_pairs=data.unlabelled_pairs.take(none))
    nothing = dataclasses.replace(alone, unlabelled_target=data.unlabelled_target.take(none))
    for less in (alone, nothing):
        assert accuracy(learner("hgr", less, epochs="6"), data.validation) > 0.6


@pytest.mark.parametrize("pairs", [1, 2])
def test_hgr_needs_two_labelled_pairs(pairs: int) -> None:
    data = make_training_data(labels=60)
    data = dataclasses.replace(data, labelled_pairs=data.labelled_pairs.take(np.arange(pairs)))
    if pairs == 1:
        with pytest.raises(TrainingDataError, match="hgr needs 2"):
            learner("hgr", data)
    else:
        state = learner("hgr", data).pixel_model().state_dict()
        assert all(value.isfinite().all() for value in state.values())


def test_self_training_says_when_nothing_is_unlabelled() -> None:
    data = make_training_data().without_auxiliary()
    none = np.empty(0, np.int64)
    with pytest.raises(TrainingDataError, match="unlabelled"):
        learner("cnn", dataclasses.replace(data, unlabelled_target=data.unlabelled_target.take(none)),
                mode="self_training")  # fmt: skip


def test_controls_have_the_same_branch_as_hgr() -> None:
    data = make_training_data()
    shapes = [
        {
            key: value.shape
            for key, value in learner(name, data, **settings).pixel_model().state_dict().items()
        }
        for name, settings in VARIANTS[1:4]
    ]
    assert shapes[0] == shapes[1] == shapes[2]


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_hgr_runs_with_every_objective(objective: str) -> None:
    data = make_training_data()
    made = learner("hgr", data, objective=objective, epochs="2")
    assert all(value.isfinite().all() for value in made.pixel_model().state_dict().values())


def test_the_default_split_knows_the_largest_default_margin() -> None:
    margins = [
        options_for(method, {}, kind).margin for method in METHODS.values() for kind in (*KINDS, "unheard of")
    ]
    assert max(margins) == DEFAULT_MARGIN


def test_class_weights_make_classes_equal() -> None:
    label = torch.tensor([0, 0, 0, 2])
    weights = class_weights(label, 4)
    assert weights.tolist() == pytest.approx([0.5, 0, 1.5, 0])
    assert weights[label][label == 0].sum() == pytest.approx(weights[label][label == 2].sum())


def test_hgr_learns_from_no_unlabelled_pixel_without_the_auxiliary_sensor() -> None:
    data = make_training_data()
    none = dataclasses.replace(data, unlabelled_target=data.unlabelled_target.take(np.empty(0, np.int64)))
    first, second = (learner("hgr", one).state_dict() for one in (data, none))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_few_pairs_correlate_with_less_weight() -> None:
    data, terms = make_training_data(), {}
    pairs = len(data.labelled_pairs)
    for batch_size in (pairs // 2, pairs, 2 * pairs):
        settings = {**SMALL, "batch_size": str(batch_size), "distill_weight": "0"}
        made = METHODS["hgr"].learner(data, METHODS["hgr"].Options.model_validate(settings), 0)
        made.eval()  # the same numbers each time
        torch.manual_seed(0)
        labelled = made.labelled.draw(torch.arange(pairs))
        terms[batch_size] = float(made.loss(0, labelled, None)["correlation"].detach())
    assert terms[pairs // 2] == terms[pairs] != 0
    assert terms[2 * pairs] == pytest.approx(terms[pairs] / 2)
