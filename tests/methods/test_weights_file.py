"""A backbone starts from a file of weights: the method's and its controls', and from no other file."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods import METHODS
from tests.training_data import make_training_data

SETTINGS = {"encoder": "resnet50", "patch": "3", "teachers": "1"}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "resnet.safetensors"
    torch.manual_seed(7)
    save_file(timm.create_model("resnet50", num_classes=0).state_dict(), path)
    return path


def options(**settings: str) -> Any:
    return METHODS["hgr"].Options.model_validate({**SETTINGS, **settings})


def test_a_method_and_its_controls_start_from_the_file(file: Path) -> None:
    asked = options(weights=str(file))
    assert asked.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    data = make_training_data(margin=1, auxiliary_margin=1)
    weight = timm.create_model("resnet50", num_classes=0, checkpoint_path=str(file)).layer3[0].conv2.weight
    made = [METHODS["hgr"].learner(data, asked, 0)]
    made += [
        METHODS[one.method].learner(data.without_auxiliary(), one.options, 0)
        for one in METHODS["hgr"].controls(asked).values()
    ]
    for learner in made:
        assert torch.equal(learner.pixel_model().network.encoder.backbone.net.layer3[0].conv2.weight, weight)


def test_a_file_that_is_not_the_one_asked_for_is_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"resnet.safetensors: its SHA-256 is [0-9a-f]{64}, not 00ff"):
        options(weights=str(file), weights_sha256="00ff")
    pickled = tmp_path / "resnet.pth"
    pickled.write_bytes(pickle.dumps({"conv1.weight": 1}))
    with pytest.raises(ValidationError, match=r"resnet\.pth: .*not a safetensors file"):
        options(weights=str(pickled))
    with pytest.raises(ValidationError, match=r"gone\.safetensors"):
        options(weights=str(tmp_path / "gone.safetensors"))


def test_weights_that_do_not_fit_are_refused_before_training(file: Path, tmp_path: Path) -> None:
    data = make_training_data(margin=1, auxiliary_margin=1)
    with pytest.raises(TrainingDataError, match="weights of another network than PixelCnn"):
        METHODS["cnn"].learner(
            data, METHODS["cnn"].Options(weights=str(file), contrasts=(), kernels=(3,), widths=(8,)), 0
        )
    spoiled = tmp_path / "nan.safetensors"
    save_file({"conv1.weight": torch.full((1,), torch.nan)}, spoiled)
    with pytest.raises(
        TrainingDataError, match=r"nan\.safetensors: .*conv1\.weight holds numbers that are not"
    ):
        METHODS["hgr"].learner(data, options(weights=str(spoiled)), 0)
    changed = tmp_path / "changed.safetensors"
    save_file({"conv1.weight": torch.zeros(1)}, changed)
    asked = options(weights=str(changed))
    save_file({"conv1.weight": torch.ones(1)}, changed)
    with pytest.raises(TrainingDataError, match=r"changed.safetensors: .*SHA-256 is .*, not "):
        METHODS["hgr"].learner(data, asked, 0)
