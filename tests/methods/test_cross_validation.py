"""Values chosen on the training labels, in ten splits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from geo_xmodal.methods import METHODS
from geo_xmodal.methods.cross_validation import MAX_LABELS, Choice, chosen_value
from geo_xmodal.methods.svm import STRENGTHS
from geo_xmodal.methods.x_modalnet.learner import SIGMAS
from geo_xmodal.selection import Places
from geo_xmodal.types import IntArray
from tests.training_data import make_training_data


def places(count: int, classes: int = 2) -> Places:
    position = np.stack([np.arange(count) * 40 % 401, np.arange(count) % 97], 1)
    return Places(position, np.arange(count) % classes, np.zeros(count, np.int64))


def chosen(where: Places, right: dict[float, float], splits: list[Any] | None = None) -> Choice:
    """With a value, a share of the tested labels is predicted right; the others get no class at all."""

    def of(part: IntArray) -> Any:
        label = where.label[part]

        def predict(value: float, train: IntArray, test: IntArray) -> IntArray:
            if splits is not None:
                splits.append((train, test))
            known = np.arange(len(test)) < right[value] * len(test)
            return np.where(known, label[test], 2)

        return predict

    return chosen_value(tuple(right), 7.0, where, 2, of, reach=0, seed=0)


def test_the_value_that_does_best_out_of_fold_is_chosen() -> None:
    splits: list[Any] = []
    choice = chosen(places(100), {0.1: 0.5, 1.0: 0.9, 10.0: 0.9}, splits)
    assert choice.value == 1.0  # the earliest of the best
    assert choice.scores[0.1][0] == pytest.approx(0.5, abs=0.06)
    ten = splits[:10]
    assert len(splits) == 30 and all(not set(train) & set(test) for train, test in ten)
    assert np.mean([len(test) for _, test in ten]) == pytest.approx(20)
    told = choice.as_json()
    assert told["value"] == 1.0 and [one["value"] for one in told["tried"]] == [0.1, 1.0, 10.0]
    assert "5 folds, repeated 2 times" in told["how"]


def test_too_few_labels_take_the_value_that_stands_in() -> None:
    choice = chosen(places(6), {1.0: 1.0})
    assert (choice.value, choice.scores) == (7.0, {})
    assert "too few" in choice.how


def test_many_labels_are_thinned() -> None:
    splits: list[Any] = []
    chosen(places(2 * MAX_LABELS + 1), {1.0: 1.0}, splits)
    assert max(len(train) + len(test) for train, test in splits) <= MAX_LABELS


def test_svm_and_cca_choose_their_c_and_say_how() -> None:
    data = make_training_data(labels=30)
    for name in ("svm", "cca"):
        method = METHODS[name]
        made = method.learner(data, method.Options(), 0)
        found = made.findings()["C"]
        tried = {one["value"]: one["oa"] for one in found["tried"]}
        assert tuple(tried) == STRENGTHS
        assert tried[found["value"]] == max(tried.values()) > 0.6
        fixed = method.Options.model_validate({"C": str(found["value"])})
        same = method.learner(data, fixed, 0)
        assert not same.findings()
        ours, theirs = (one.pixel_model().state_dict() for one in (made, same))
        assert all(bool((ours[key] == theirs[key]).all()) for key in ours)


def test_x_modalnet_chooses_sigma_once() -> None:
    data = make_training_data(labels=20)
    options = METHODS["x_modalnet"].Options.model_validate({"widths": "8,8", "auxiliary_widths": "8,8"})
    made = METHODS["x_modalnet"].learner(data, options, 0)
    made.eval()
    assert made.findings() == {}
    made.begin(2)
    found = made.findings()["sigma"]
    assert found["value"] in SIGMAS and len(found["tried"]) == len(SIGMAS)
    # a width far below all distances joins nothing, and what no label reaches is wrong
    assert found["tried"][0]["oa"] < found["tried"][-1]["oa"]
    made.begin(3)
    assert made.findings()["sigma"] is found
