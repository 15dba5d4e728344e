import dataclasses
import json

import numpy as np
import pytest

from geo_xmodal.methods.base import Work
from geo_xmodal.methods.teaching import choice, teacher_of
from geo_xmodal.methods.teaching.candidates import CANDIDATES, Rows
from geo_xmodal.patches import HeldPatches
from tests.training_data import make_group, make_training_data

TRUTH = np.random.default_rng(7).integers(3, size=300)
"""Classes of the unlabelled pairs."""

QUICK = {name: CANDIDATES[name] for name in ("svm", "linear")}


def scattered(group, rng, side=120):
    flat = rng.choice(side * side, len(group), replace=False)
    return dataclasses.replace(group, position=np.stack([flat // side, flat % side], 1).astype(np.int64))


def made(auxiliary_helps=True, labels=20, noise=2.0, margin=0, paired=True, seed=0):
    """Three classes of which the target sensor tells little, and the auxiliary sensor much or nothing."""
    rng = np.random.default_rng(seed)
    data = make_training_data(margin, labels=labels, noise=noise, seed=seed)
    pairs = make_group(rng, TRUTH, margin=margin, labelled=False, noise=noise)
    data = dataclasses.replace(data, unlabelled_pairs=pairs)
    if paired:
        label = np.repeat(np.arange(3), labels)
        pairs = make_group(rng, label, margin=margin, noise=noise)
        none = data.labelled_target.take(np.empty(0, np.int64))
        data = dataclasses.replace(data, labelled_pairs=pairs, labelled_target=none)
    groups = {name: scattered(getattr(data, name), rng) for name in ("labelled_pairs", "labelled_target")}
    if not auxiliary_helps:
        for name in ("labelled_pairs", "unlabelled_pairs"):
            group = groups.get(name) or getattr(data, name)
            values = rng.normal(size=group.auxiliary.shape).astype(np.float32)
            groups[name] = dataclasses.replace(group, auxiliary=HeldPatches(values))
    return dataclasses.replace(data, **groups)


def teacher(data, name="auto", work=None, seed=0):
    return teacher_of(
        data, teacher=name, components=8, auxiliary_radius=0, balance=True, seed=seed, work=work
    )


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(choice, "CANDIDATES", QUICK)


def test_a_sensor_that_knows_the_classes_may_teach_and_knows_those_of_unlabelled_pixels():
    data = made()
    found = teacher(data)
    assert found.may_teach
    assert "may teach" in found.said
    assert np.allclose(found.unlabelled.sum(1), 1)
    assert (found.unlabelled.argmax(1) == TRUTH).mean() > 0.95
    assert (found.labelled.argmax(1) == data.labelled_pairs.label).mean() > 0.95


def test_a_sensor_of_noise_may_not_teach_and_has_no_word():
    for seed in range(3):
        found = teacher(made(auxiliary_helps=False, noise=0.7, seed=seed))
        assert not found.may_teach
        assert "may not teach" in found.said
        assert not found.unlabelled.any()


def test_the_findings_say_every_candidate_with_and_without_the_sensor_and_are_json():
    found = json.loads(json.dumps(teacher(made()).findings))
    rows = {(row["name"], row["sensors"]) for row in found["candidates"]}
    assert rows == {(name, sensors) for name in QUICK for sensors in ("both", "target")} | {
        ("average", "both")
    }
    best = max(found["candidates"], key=lambda row: row["oa"]["value"])
    assert best["sensors"] == "both"
    assert found["target_only"] in QUICK
    assert found["gain"]["oa"]["value"] > 0 > found["gain"]["log_loss"]["value"]
    for row in found["candidates"]:
        assert 0 <= row["oa"]["value"] <= 1
        assert row["oa"]["se"] >= 0
        assert row["seconds"] > 0


def test_soft_labels_of_labelled_pixels_are_out_of_fold():
    data = made(labels=30)
    label = data.labelled_pairs.label.copy()
    label[:5] = 2  # five pixels of class 0 with wrong labels: out of fold, the teacher says so
    wrong = dataclasses.replace(data, labelled_pairs=dataclasses.replace(data.labelled_pairs, label=label))
    found = teacher(wrong)
    assert (found.labelled[:5].argmax(1) == 0).all()


def test_a_teacher_that_is_asked_for_is_judged_too():
    found = teacher(made(), "linear").findings
    assert found["chosen"] == "linear"
    assert [row["name"] for row in found["candidates"] if row["sensors"] == "both"] == ["linear"]
    assert not teacher(made(auxiliary_helps=False, noise=0.7), "linear").may_teach


def test_too_few_pairs_to_judge_do_not_teach():
    data = made(labels=20)
    few = data.labelled_pairs.take(np.array([0, 20, 40]))
    rest = data.labelled_pairs.without_auxiliary().take(np.setdiff1d(np.arange(60), [0, 20, 40]))
    found = teacher(dataclasses.replace(data, labelled_pairs=few, labelled_target=rest))
    assert not found.may_teach
    assert "cannot be judged" in found.said
    assert "cannot be judged" in teacher(dataclasses.replace(data, labelled_pairs=few)).said


def test_a_class_without_pairs_is_told_by_the_target_sensor():
    data = made(labels=40, noise=0.8)
    two = np.flatnonzero(data.labelled_pairs.label < 2)
    third = np.flatnonzero(data.labelled_pairs.label == 2)
    found = teacher(
        dataclasses.replace(
            data,
            labelled_pairs=data.labelled_pairs.take(two),
            labelled_target=data.labelled_pairs.without_auxiliary().take(third),
        ),
        "linear",
    )
    assert found.unlabelled.any()
    said = found.unlabelled.argmax(1)
    assert (said[TRUTH == 2] == 2).mean() > 0.8
    assert (said[TRUTH < 2] < 2).mean() > 0.8


def test_what_was_chosen_is_kept_and_shared():
    kept, asked, told = {}, [], []

    def keep(name, find):
        asked.append(name)
        return kept.setdefault(name, find() if name not in kept else kept[name])

    def work():
        return Work(fit=lambda *parts: None, kept=keep, note=told.append)

    data, first = made(), work()
    one = teacher(data, work=first)
    assert teacher(data, work=first) is one
    assert len(asked) == 1
    assert "may teach" in told[0]
    again = teacher(data, work=work())
    assert asked[0] == asked[1]
    assert np.allclose(again.unlabelled, one.unlabelled)
    assert np.allclose(again.labelled, one.labelled)
    teacher(made(seed=1), work=work())
    assert asked[2] != asked[0]


def test_logits_of_the_svm_order_pixels_by_class():
    rng = np.random.default_rng(0)
    for classes in (2, 4):
        label = rng.integers(classes, size=120)
        features = (np.eye(5)[label] * 4 + rng.normal(size=(120, 5))).astype(np.float32)
        asked = CANDIDATES["svm"].fit(Rows(features, label, 5, True, 0), None)
        found = asked(features)
        assert (found.argmax(1) == label).mean() > 0.95
        assert (found[:, classes:] < -100).all()
