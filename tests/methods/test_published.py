"""A published encoder as target branch: from the user's file alone, frozen, slower or as fast as the rest."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.kinds import Kind
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


AUXILIARY = {
    "auxiliary_encoder": "ssl4eo_moco_s2_resnet18",
    "auxiliary_patch": "3",
    "auxiliary_resized": "32",
    "auxiliary_bands": ",".join([*(f"b{k}" for k in range(10)), "-", "b10", "b11"]),
}
NEAR = {
    "hgr": {"contrasts": "", "kernels": "3", "widths": "8", "teachers": "1", "components": "4"},
    "distillation": {"context": "", "openings": ""},
}
"""Settings by which a method looks no further than the patches here."""


def seen_through(file: Path, method: str, kind: Kind = "msi") -> tuple[TrainingData, TrainingData, Any]:
    """Training data as they are, as a method sees them, and its options."""
    data = make_training_data(margin=3, auxiliary_margin=1)
    assert data.auxiliary is not None
    data = dataclasses.replace(data, auxiliary=dataclasses.replace(data.auxiliary, kind=kind))
    settings = {**AUXILIARY, **NEAR[method], "auxiliary_weights": str(file)}
    options = METHODS[method].Options.model_validate(settings)
    return data, METHODS[method].seen(data, options), options


@pytest.mark.parametrize("method", NEAR)
def test_the_auxiliary_sensor_is_seen_through_a_frozen_encoder(method: str, file: Path) -> None:
    data, seen, options = seen_through(file, method)
    assert options.auxiliary_margin == 1 and options.auxiliary_weights_sha256
    assert seen.auxiliary is not None and seen.auxiliary.bands == 512 and seen.auxiliary.kind == "embedding"
    assert seen.notes["assumptions"][-1].endswith("taken to be reflectance times 10,000")
    assert data.unlabelled_pairs.auxiliary is not None and seen.unlabelled_pairs.auxiliary is not None
    net = timm.create_model("resnet18", in_chans=13, num_classes=0, checkpoint_path=str(file)).eval()
    bands = torch.from_numpy(data.unlabelled_pairs.auxiliary.take(np.array([5]))).clamp(-1000, 1000)
    images = torch.cat([bands[:, :10], torch.zeros(1, 1, 3, 3), bands[:, 10:]], 1) / 10_000
    with torch.inference_mode():
        wanted = net(torch.nn.functional.interpolate(images, (32, 32), mode="bilinear"))
    found = torch.from_numpy(seen.unlabelled_pairs.auxiliary.take(np.array([5]))).flatten(1)
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)


def test_a_method_learns_from_what_the_encoder_sees(file: Path) -> None:
    _, seen, options = seen_through(file, "hgr")
    made: Any = METHODS["hgr"].learner(seen, options, 0)
    assert made.auxiliary_input.radius == 0 and made.auxiliary_input.features == 4
    labelled, unlabelled = (made.draw(pool, torch.arange(8)) for pool in (made.labelled, made.unlabelled))
    assert all(term.isfinite() for term in made.loss(1, labelled, unlabelled).values())


def test_an_encoder_of_the_auxiliary_sensor_needs_its_file_and_its_kind(file: Path) -> None:
    options = METHODS["hgr"].Options.model_validate
    with pytest.raises(ValidationError, match=r"get resnet18_sentinel2_.* as auxiliary_weights"):
        options(AUXILIARY)
    with pytest.raises(ValidationError, match="resnet18 embeds patches of the auxiliary sensor itself"):
        options({**AUXILIARY, "auxiliary_weights": str(file), "encoder": "resnet18"})
    with pytest.raises(TrainingDataError, match=r"the auxiliary sensor: .* kind msi, this is hsi"):
        seen_through(file, "hgr", "hsi")
