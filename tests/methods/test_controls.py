"""A control is the same kind of model on the same pixels, without the auxiliary sensor."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods import METHODS
from geo_xmodal.methods.target_branch import BranchOptions, TaughtOptions
from geo_xmodal.methods.teaching import choice
from tests.training_data import make_training_data

PAIRED = [name for name, one in METHODS.items() if one.needs_auxiliary]
ASKED = {
    "epochs": "3", "learning_rate": "0.003", "batch_size": "96", "label_batch": "48", "noise": "0.05",
    "dropout": "0.2", "contrasts": "5", "widths": "8,8", "embedding": "8", "dense": "16,8",
    "auxiliary_widths": "16,8", "C": "0.5", "class_weight": "none", "il": "mixed", "student": "linear",
}  # fmt: skip
"""Settings that differ from every default."""


@pytest.fixture(autouse=True)
def few_teachers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "CANDIDATES", {"linear": choice.CANDIDATES["linear"]})


def asked(name: str, **more: str) -> Any:
    method = METHODS[name]
    own = {key: value for key, value in ASKED.items() if key in method.Options.model_fields}
    return method.Options.model_validate({**own, **more})


def test_only_what_sees_the_auxiliary_sensor_has_controls() -> None:
    declared = {name: set(one.controls(asked(name))) for name, one in METHODS.items()}
    assert all(not declared[name] for name, one in METHODS.items() if not one.uses_auxiliary)
    assert declared.pop("cca") == {"target_only"}
    both = {"target_only", "self_training"}
    assert all(declared[name] == both for name in declared if METHODS[name].uses_auxiliary)


@pytest.mark.parametrize("name", PAIRED)
def test_a_control_ends_in_the_same_kind_of_model(name: str) -> None:
    data = make_training_data(labels=30)
    options = asked(name)

    def shapes(method: str, options: Any, seen: Any) -> dict[str, Any]:
        state = METHODS[method].learner(seen, options, 0).pixel_model().state_dict()
        return {key: value.shape for key, value in state.items()}

    expected = shapes(name, options, data)
    for control in METHODS[name].controls(options).values():
        assert not METHODS[control.method].uses_auxiliary
        assert shapes(control.method, control.options, data.without_auxiliary()) == expected
        assert control.options.margin == options.margin
        assert control.summary


@pytest.mark.parametrize("name", PAIRED)
def test_a_control_is_trained_by_the_same_means(name: str) -> None:
    options = asked(name)
    for which, control in METHODS[name].controls(options).items():
        shared = set(type(control.options).model_fields) & set(type(options).model_fields)
        if which == "target_only":  # has no use for soft labels
            shared -= TaughtOptions.model_fields.keys() - BranchOptions.model_fields.keys()
        assert {"epochs", "optimizer", "learning_rate", "augment"} <= shared or name in (
            "cca",
            "distillation",
        )
        for key in shared - {"mode"}:
            assert getattr(control.options, key) == getattr(options, key), key


def test_cca_with_all_components_is_its_control() -> None:
    """A linear classifier of re-mixed bands can say nothing that one of the bands cannot."""
    data = make_training_data(labels=60)
    options = METHODS["cca"].Options.model_validate({"C": "1000"})
    control = METHODS["cca"].controls(options)["target_only"]
    models = [
        METHODS[name].learner(seen, given, 0).pixel_model()
        for name, given, seen in (
            ("cca", options, data),
            (control.method, control.options, data.without_auxiliary()),
        )
    ]
    cut = data.margin
    pixels = torch.from_numpy(data.validation.target.held[:, :, cut : cut + 1, cut : cut + 1])
    first, second = (model(pixels).flatten(1).argmax(1).numpy() for model in models)
    assert np.mean(first == second) > 0.99


@pytest.mark.parametrize("name", PAIRED)
def test_too_few_pairs_are_said_without_a_learner(name: str) -> None:
    data = make_training_data()
    none = np.empty(0, np.int64)
    alone = dataclasses.replace(
        data,
        labelled_pairs=data.labelled_pairs.take(none),
        unlabelled_pairs=data.unlabelled_pairs.take(none),
    )
    METHODS[name].check(data, asked(name))
    for seen in (alone, data.without_auxiliary()):
        with pytest.raises(TrainingDataError, match=f"have both sensors, {name} needs 2") as caught:
            METHODS[name].check(seen, asked(name))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "settings"), [("cnn", {"mode": "self_training"}), ("x_modalnet", {})])
def test_no_unlabelled_pixels_are_said_with_the_cause(name: str, settings: dict[str, str]) -> None:
    data = make_training_data()
    none = np.empty(0, np.int64)
    dense = dataclasses.replace(
        data,
        unlabelled_pairs=data.unlabelled_pairs.take(none),
        unlabelled_target=data.unlabelled_target.take(none),
        notes={"no_unlabelled": "all of it is water"},
    )
    METHODS[name].check(data, asked(name, **settings))
    with pytest.raises(TrainingDataError, match="there are none: all of it is water"):
        METHODS[name].check(dense, asked(name, **settings))
