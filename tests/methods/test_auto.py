from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import torch

from geo_xmodal.errors import TrainingDataError, UsageError
from geo_xmodal.methods import METHODS, Learner
from geo_xmodal.methods.auto.candidates import CANDIDATES, candidates_of, self_trained
from geo_xmodal.methods.auto.choosing import averaged, clearly_better, ranked
from geo_xmodal.methods.auto.judging import Bench, Judged
from geo_xmodal.methods.base import Work
from geo_xmodal.patches import HeldPatches
from geo_xmodal.training.loop import expected_steps
from geo_xmodal.training.request import options_for
from geo_xmodal.training.work import work_in
from geo_xmodal.types import PixelGroup, TrainingData
from tests.training_data import make_training_data

TARGET_ONLY = ("forest", "boosting", "svm", "cnn")

RNG = np.random.default_rng(0)


def placed(group: PixelGroup, target: np.ndarray | None = None) -> PixelGroup:
    """The group with its pixels all over a scene, and other target values in the middle of their patches."""
    position = RNG.integers(0, 400, (len(group), 2)).astype(np.int64)
    values = group.target.held.copy() if group.target.held is not None else None
    assert values is not None
    if target is not None:
        values[:, :2], values[:, 2:] = target[:, :, None, None], 0
    return dataclasses.replace(group, position=position, target=HeldPatches(values.astype(np.float32)))


def exclusive_or(margin: int | None = None) -> TrainingData:
    """Two bands whose signs tell two classes only together, which no linear model learns."""
    if margin is None:
        margin = options_for(METHODS["forest"], {}, "sar").margin
    data = make_training_data(margin, labels=40, pairs=20, noise=0.1)

    def of(group: PixelGroup) -> PixelGroup:
        assert group.label is not None
        signs = RNG.choice([-1.0, 1.0], len(group))
        both = np.stack([signs, signs * np.where(group.label % 2 == 0, 1, -1)], 1)
        labels = dataclasses.replace(group, label=group.label % 2)
        return placed(labels, both + 0.1 * RNG.normal(size=both.shape))

    return dataclasses.replace(
        data,
        classes=data.classes[:2],
        labelled_pairs=of(data.labelled_pairs),
        labelled_target=of(data.labelled_target),
        unlabelled_pairs=placed(data.unlabelled_pairs),
    )


def chosen(data: TrainingData, work: Work | None = None, **settings: Any) -> tuple[Learner, dict[str, Any]]:
    method = METHODS["auto"]
    options = options_for(method, settings, data.target.kind)
    made = method.learner(data, options, 0, work or work_in(None))
    return made, made.findings()["choice"]


def test_the_candidate_that_is_right_on_labels_that_were_held_out_maps() -> None:
    data = exclusive_or()
    made, choice = chosen(data, candidates="linear,forest", folds=3)
    assert choice["chosen"]["forest"] > 0.6
    assert not choice["auxiliary"]
    rows = {row["name"]: row for row in choice["candidates"]}
    assert rows["forest"]["oa"]["value"] > 0.9 > 0.7 > rows["linear"]["oa"]["value"]
    assert rows["forest"]["folds"] == 3
    assert json.loads(json.dumps(choice)) == choice
    model = made.pixel_model()
    assert model.spec.name == "average"
    assert model.margin == data.margin


def test_a_resumed_run_does_not_choose_again_and_gets_the_same_model() -> None:
    data = exclusive_or()
    work = work_in(None)
    first, choice = chosen(data, work, candidates="forest", folds=3)
    told: list[str] = []
    again = dataclasses.replace(work, progress=lambda done, total, message: told.append(message))
    second, _ = chosen(data, again, candidates="forest", folds=3)
    assert not [line for line in told if line.startswith("choosing")]
    states = [learner.pixel_model().state_dict() for learner in (first, second)]
    assert all((states[0][name] == states[1][name]).all() for name in states[0])
    assert list(choice["chosen"]) == ["forest"]


def test_a_budget_that_is_spent_stops_choosing_and_is_said() -> None:
    _, choice = chosen(exclusive_or(), candidates="forest,linear", folds=5, budget=1e-6)
    assert "budget" in choice["stopped"]
    assert len(choice["chosen"]) >= 1
    assert sum(row["folds"] for row in choice["candidates"]) < 5


def test_labels_that_are_too_few_leave_the_fallback_and_the_report_says_so() -> None:
    data = exclusive_or()
    few = np.array([0, 1])
    data = dataclasses.replace(
        data, labelled_pairs=data.labelled_pairs.take(few), labelled_target=data.labelled_target.take(few)
    )
    _, choice = chosen(data, candidates="linear,forest")
    assert list(choice["chosen"]) == ["forest"]
    assert "was not chosen on this scene" in choice["says"]
    assert choice["kind"] == "none"


def test_the_control_chooses_among_what_learns_from_the_target_sensor_alone() -> None:
    method = METHODS["auto"]
    options = options_for(method, {"candidates": "hgr_tanh_cnn,linear,forest", "folds": "3"}, "sar")
    control = method.controls(options)["target_only"]
    data = exclusive_or(options.margin).without_auxiliary()
    method.check(data, control.options)
    findings = method.learner(data, control.options, 0, work_in(None)).findings()
    assert {row["name"] for row in findings["choice"]["candidates"]} == {"linear", "forest"}
    with pytest.raises(TrainingDataError, match="target sensor alone"):
        method.check(data, options_for(method, {"candidates": "hgr_tanh_cnn", "sensors": "target"}, "sar"))


def test_the_stricter_control_also_learns_its_own_answers() -> None:
    method = METHODS["auto"]
    names = {"candidates": "hgr_tanh_cnn,linear,tanh_cnn,forest", "folds": "2", "epochs": "1"}
    options = options_for(method, names, "sar")
    alone, taught = (method.controls(options)[name].options for name in ("target_only", "self_training"))
    data = exclusive_or(options.margin).without_auxiliary()
    first, second = (method.learner(data, one, 0, work_in(None)) for one in (alone, taught))
    assert first.findings()["choice"]["chosen"] == second.findings()["choice"]["chosen"]
    values = [torch.from_numpy(part) for part in data.unlabelled_target.target.parts(64)]
    said = [one.pixel_model().eval()(values[0]) for one in (first, second)]
    assert not torch.allclose(*said, atol=1e-3)

    nothing = dataclasses.replace(data, unlabelled_target=data.unlabelled_target.take(np.arange(0)))
    method.check(nothing, alone)
    with pytest.raises(TrainingDataError, match="self_training needs unlabelled pixels"):
        method.check(nothing, taught)


@pytest.mark.parametrize("name", [name for name, (method, *_) in CANDIDATES.items() if method in TARGET_ONLY])
def test_every_candidate_of_the_target_sensor_has_its_own_self_training(name: str) -> None:
    (candidate,) = candidates_of([name], "sar", epochs=7)
    method, options = self_trained(candidate, "sar")
    method.check(make_training_data(1), options)
    assert method.name == ("cnn" if candidate.method.name == "cnn" else "self_training")
    shared = set(type(options).model_fields) & set(type(candidate.options).model_fields) - {"mode"}
    assert {one: getattr(options, one) for one in shared} == {
        one: getattr(candidate.options, one) for one in shared
    }


def test_candidates_are_named_and_their_reach_is_that_of_the_widest() -> None:
    method = METHODS["auto"]
    with pytest.raises(UsageError, match="no candidate 'tree'"):
        options_for(method, {"candidates": "tree"}, "sar")
    assert set(CANDIDATES) >= {"forest", "linear", "pixel_cnn", "hgr_tanh_cnn"}
    assert options_for(method, {"candidates": "linear"}, "sar").margin == 0
    assert options_for(method, {"candidates": "linear,pixel_cnn"}, "sar").margin == 10


def test_the_same_pixels_in_other_folds_are_judged_anew() -> None:
    data = exclusive_or(0)
    for folds in (2, 4):
        _, choice = chosen(data, candidates="linear,tanh_cnn", single_pixels=True, epochs=1, folds=folds)
        assert {row["folds"] for row in choice["candidates"]} == {folds}


def test_a_candidate_that_fails_in_a_fold_is_held_against_nobody() -> None:
    data = exclusive_or(0)
    bench = Bench.of(data, 3, 0, 0)
    logits = np.zeros((len(bench.folds.test[0]), 2), np.float32)
    first, second = candidates_of(["linear", "boosting"], "sar", single_pixels=True)
    failed = Judged(first, {0: logits}, failed="too few labels")
    assert ranked([failed], bench) == []
    assert [one.judged.candidate.name for one in ranked([failed, Judged(second, {0: logits})], bench)] == [
        "boosting"
    ]


@pytest.mark.parametrize(("wrong", "better"), [(0.4, True), (0.02, False)])
def test_one_candidate_is_taken_for_better_than_the_average_only_beyond_chance(
    wrong: float, better: bool
) -> None:
    """One is always right; another is wrong of some pixels, as sure of them as of the others."""
    data = exclusive_or(0)
    bench = Bench.of(data, 3, 0, 0)
    draw = np.random.default_rng(0)
    said: list[dict[int, Any]] = [{}, {}]
    for fold, test in enumerate(bench.folds.test):
        label = bench.places.label[test]
        missed = draw.random(len(label)) < wrong
        said[0][fold] = np.eye(2, dtype=np.float32)[label]
        said[1][fold] = 4 * np.eye(2, dtype=np.float32)[np.where(missed, 1 - label, label)]
    those = candidates_of(["linear", "boosting"], "sar", single_pixels=True)
    standing = ranked([Judged(one, logits) for one, logits in zip(those, said, strict=True)], bench)
    assert standing[0].judged.candidate.name == "linear"
    members = [standing[1], standing[1]]
    assert clearly_better(standing[0], members, [0.5, 0.5], bench) == better
    assert averaged(standing, bench)[0][0] is standing[0]


def test_labels_that_no_blocks_divide_choose_nothing() -> None:
    data = exclusive_or(0)

    def gathered(group: PixelGroup) -> PixelGroup:
        assert group.label is not None
        corner = 300 * group.label[:, None] + np.array([[0, 0]])
        return dataclasses.replace(group, position=corner + group.position % 4)

    data = dataclasses.replace(
        data,
        labelled_pairs=gathered(data.labelled_pairs),
        labelled_target=gathered(data.labelled_target),
    )
    _, choice = chosen(data, candidates="linear,forest", single_pixels=True)
    assert (choice["kind"], list(choice["chosen"])) == ("stratified", ["forest"])
    assert "was not chosen on this scene (the labels of most classes lie together" in choice["says"]


def test_progress_counts_a_choice_as_the_training_of_a_network() -> None:
    options = options_for(METHODS["auto"], {"candidates": "linear,forest", "folds": "3"}, "sar")
    data = exclusive_or()
    told: list[tuple[int, int, str]] = []
    work = work_in(None, progress=lambda *one: told.append(one))
    METHODS["auto"].learner(data, options, 0, work)
    done = [one for one, _, _ in told]
    assert {total for _, total, _ in told} == {expected_steps(options, data)}
    assert done == sorted(done) and 0 < done[-1] < expected_steps(options, data)
