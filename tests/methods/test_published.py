"""A published encoder as target branch: from the user's file alone, frozen, slower or as fast as the rest."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods import METHODS
from geo_xmodal.types import TrainingData
from tests.training_data import make_training_data

SETTINGS = {
    "encoder": "published", "published": "ssl4eo_moco_s2_resnet18", "patch": "3", "resized": "32",
    "published_bands": "b0,b1,-,-,-,-,-,-,-,-,-,-,-",
}  # fmt: skip

BANDS = "b0,b1,b2,b3,b0,b1,b2,b3,b0,b1,-,b2,b3"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    torch.manual_seed(7)
    save_file(timm.create_model("resnet18", in_chans=13, num_classes=0).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def data() -> TrainingData:
    made = make_training_data(margin=1)
    return dataclasses.replace(made, target=dataclasses.replace(made.target, kind="msi"))


def learner(data: TrainingData, **settings: Any) -> Any:
    return METHODS["cnn"].learner(data, METHODS["cnn"].Options.model_validate({**SETTINGS, **settings}), 0)


def state(made: Any) -> dict[str, Tensor]:
    return {name: one.clone() for name, one in made.branch.encoder.backbone.state_dict().items()}


def test_without_a_file_it_says_which_one_to_get(data: TrainingData) -> None:
    with pytest.raises(
        TrainingDataError, match=r"get resnet18_sentinel2_all_moco-59bfdff9\.pth .*SHA-256 59bf"
    ):
        learner(data)


def test_bands_that_are_not_there_are_refused(data: TrainingData, file: Path) -> None:
    with pytest.raises(
        TrainingDataError, match=r"expects the bands B1, B2, .*: B3, B4, .* not found by name"
    ):
        learner(data, weights=str(file))
    radar = dataclasses.replace(data, target=dataclasses.replace(data.target, kind="sar"))
    with pytest.raises(TrainingDataError, match="is for a sensor of kind msi, this is sar"):
        learner(radar, published_bands=BANDS, weights=str(file))


@pytest.mark.parametrize("frozen", [True, False])
def test_it_learns_frozen_or_as_a_whole(data: TrainingData, file: Path, frozen: bool) -> None:
    made = learner(data, published_bands=BANDS, weights=str(file), frozen=frozen, backbone_rate=0.1)
    assert made.findings()["published"]["taken"].endswith("reflectance times 10,000")
    rates = [group.rate for group in made.groups()]
    assert rates == [1.0, 0.1] and sum(len(group.weights) for group in made.groups()) == len(
        list(made.parameters())
    )
    before = state(made)
    made.train()
    optimizer = torch.optim.SGD(made.parameters(), lr=0.1)
    sum(made.loss(0, made.draw(made.labelled, torch.arange(8)), None).values()).backward()  # type: ignore[union-attr]
    optimizer.step()
    same = all(torch.equal(one, before[name]) for name, one in state(made).items())
    assert same == frozen


def test_what_has_no_backbone_cannot_be_frozen(data: TrainingData) -> None:
    with pytest.raises(TrainingDataError, match="TanhCnn has no backbone that could be frozen"):
        learner(data, encoder="tanh_cnn", frozen=True, kernels="3", widths="8")
