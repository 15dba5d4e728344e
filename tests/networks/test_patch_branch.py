"""Backbones of timm as target branches, and weights that others trained."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import timm
import torch
from torch import Tensor

from geo_xmodal.networks import branch_choices, branch_class
from geo_xmodal.networks.patch_branch import PatchEncoder

ENCODERS = [
    encoder for name in branch_choices()
    if (encoder := branch_class(name).patch_encoder) is not None and issubclass(encoder, PatchEncoder)
]  # fmt: skip


def published(encoder: type[PatchEncoder], bands: int = 3) -> dict[str, Tensor]:
    """Random weights as timm would publish them: a picture's usual size, a thousand classes."""
    torch.manual_seed(1)
    return dict(timm.create_model(encoder.name, in_chans=bands, num_classes=1000).state_dict())


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("prefix", ["", "backbone.", "module.encoder."])
def test_weights_of_any_prefix_are_taken_over_and_the_last_layer_stays(
    encoder: type[PatchEncoder], prefix: str
) -> None:
    weights = published(encoder)
    made = encoder(3, 8)
    last = made.backbone.state_dict()[f"{encoder.last}.weight"].clone()
    others = {"projector.weight": torch.zeros(2, 2)} if prefix else {}
    made.start_from({**{prefix + name: value for name, value in weights.items()}, **others})
    found = made.backbone.state_dict()
    same = [name for name, value in weights.items() if name in found and value.shape == found[name].shape]
    assert len(same) > 0.95 * len(found)
    assert all(torch.equal(found[name], weights[name]) for name in same)
    assert torch.equal(found[f"{encoder.last}.weight"], last)


@pytest.mark.parametrize(("bands", "expected"), [(1, "sum"), (4, "repeat"), (3, "same")])
def test_three_colours_are_brought_to_any_number_of_bands(bands: int, expected: str) -> None:
    (encoder,) = [one for one in ENCODERS if one.name == "resnet50"]
    weights = published(encoder)
    made = encoder(bands, 8)
    made.start_from(weights)
    first, own = weights[encoder.first], made.backbone.state_dict()[encoder.first]
    wanted = {
        "sum": first.sum(1, keepdim=True),
        "repeat": torch.cat([first, first[:, :1]], 1) * 3 / 4,
        "same": first,
    }
    torch.testing.assert_close(own, wanted[expected])


def spoiled(weights: Mapping[str, Tensor], how: str, encoder: type[PatchEncoder]) -> dict[str, Tensor]:
    changed = dict(weights)
    name = [one for one in weights if not one.startswith(encoder.last)][-1]
    if how == "lacks":
        del changed[name]
    elif how == "has":
        changed["layer9.weight"] = torch.zeros(1)
    elif how == "shape":
        changed[name] = torch.zeros(7)
    elif how == "bands":
        changed[encoder.first] = torch.zeros(64, 13, 7, 7)
    else:
        changed = {"weight": torch.zeros(3)}
    return changed


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("lacks", "another architecture than resnet50: it lacks layer4.2.bn3.num_batches_tracked$"),
        ("has", r"another architecture than resnet50: it has layer9.weight$"),
        ("shape", r"layer4.2.bn3.num_batches_tracked has shape \(7,\), not \(\)$"),
        ("bands", r"conv1.weight has shape \(64, 13, 7, 7\); expected 4 bands, as here, or 3"),
        ("nothing", r"it lacks bn1.bias, .*\.\.\.; it has weight$"),
    ],
)
def test_other_weights_are_refused_by_name(how: str, told: str) -> None:
    (encoder,) = [one for one in ENCODERS if one.name == "resnet50"]
    made = encoder(4, 8)
    before = {name: value.clone() for name, value in made.state_dict().items()}
    with pytest.raises(ValueError, match=told):
        made.start_from(spoiled(published(encoder), how, encoder))
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())
