import json

import numpy as np
import pytest

import geo_xmodal.methods.students as students
from geo_xmodal.methods.teaching import choice
from geo_xmodal.scenes import open_scene
from geo_xmodal.training import TrainRequest, train_scene
from tests.tiny import write_scene

SETTINGS = {
    "student": "linear", "unlabelled": "300", "labels_per_class": "15", "validation": "0",
    "auxiliary_radius": "0",
}  # fmt: skip


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(choice, "CANDIDATES", {name: choice.CANDIDATES[name] for name in ("linear", "svm")})


def request(**more):
    return TrainRequest(method="distillation", settings=SETTINGS, **more)


def test_a_run_says_whether_the_teacher_teaches_before_the_student_learns(few, tmp_path, monkeypatch):
    scene, order = open_scene(write_scene(tmp_path / "tiny")), []
    model = students.LinearStudent.model
    monkeypatch.setattr(
        students.LinearStudent, "model", lambda self, lesson: order.append("student") or model(self, lesson)
    )
    train_scene(scene, tmp_path / "run", request(), note=order.append)
    told = [k for k, line in enumerate(order) if "teacher may teach" in line]
    assert len(told) == 1
    assert told[0] < order.index("student")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["teacher"]["may_teach"]
    assert metrics["teacher"]["why"] in order[told[0]]
    assert "Whether the auxiliary sensor can teach" in (tmp_path / "run" / "report.html").read_text()


def test_a_run_that_goes_on_does_not_choose_again(few, tmp_path, monkeypatch):
    scene = open_scene(write_scene(tmp_path / "tiny"))
    whole = train_scene(scene, tmp_path / "whole", request())
    model = students.LinearStudent.model

    def killed(self, lesson):
        raise KeyboardInterrupt

    monkeypatch.setattr(students.LinearStudent, "model", killed)
    with pytest.raises(KeyboardInterrupt):
        train_scene(scene, tmp_path / "run", request())
    monkeypatch.setattr(students.LinearStudent, "model", model)
    monkeypatch.setattr(choice._Bench, "judged", None)
    resumed = train_scene(scene, tmp_path / "run", request(resume=True))
    assert np.array_equal(whole.metrics["confusion"], resumed.metrics["confusion"])
