"""Backbones: what they say of themselves, their maps, and weights that others trained."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import pytest
import timm
import torch
from timm.models.pvt_v2 import PyramidVisionTransformerV2
from torch import Tensor

from geo_xmodal.networks.backbones import BACKBONES, Backbone, make_backbone

SMALL = ("resnet18", "resnet50", "vit_s16", "mit_b0")


@pytest.fixture(scope="module")
def made() -> Mapping[str, Backbone]:
    torch.manual_seed(0)
    return {name: make_backbone(name, 5, size=64).eval() for name in SMALL}


@pytest.mark.parametrize("name", SMALL)
def test_a_backbone_keeps_its_word(name: str, made: Mapping[str, Backbone]) -> None:
    backbone = made[name]
    height, width = 64, 70
    with torch.inference_mode():
        x = torch.randn(2, 5, height, width)
        maps = backbone.stages(x)
        assert backbone(x).shape == (2, backbone.features)
    expected = [
        (2, channels, math.ceil(height / stride), math.ceil(width / stride))
        for channels, stride in zip(backbone.widths, backbone.strides, strict=True)
    ]
    assert [tuple(one.shape) for one in maps] == expected
    assert len(backbone.taps) == len(backbone.radii) == len(maps)
    with torch.inference_mode():
        backbone.stages(torch.zeros(1, 5, backbone.smallest, backbone.smallest))


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "vit_s16"])
def test_the_vector_is_that_of_timm(name: str, made: Mapping[str, Backbone]) -> None:
    x = torch.randn(2, 5, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(made[name](x), made[name].net(x))


@pytest.mark.parametrize(("stage", "radius"), [(0, 21), (1, 49)])
def test_no_more_is_seen_than_the_radius_says(stage: int, radius: int, made: Mapping[str, Backbone]) -> None:
    backbone = make_backbone("resnet18", 5).eval()
    for module in backbone.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)  # residual branches start at 0
    assert backbone.radii[stage] == radius
    assert made["resnet50"].radii == (17, 45, 133, 213)
    x = torch.rand(1, 5, 160, 160, requires_grad=True)
    found = backbone.stages(x)[stage]
    row = found.shape[2] // 2
    found[0, :, row, row].sum().backward()
    assert x.grad is not None
    seen = x.grad.abs().sum((0, 1, 2)).nonzero().flatten()
    middle = row * backbone.strides[stage]
    assert radius - 4 <= max(int(seen[-1]) - middle, middle - int(seen[0])) <= radius


def timm_weights(name: str) -> dict[str, Tensor]:
    """Random weights as others publish them: three bands, a classifier, and a usual image."""
    torch.manual_seed(1)
    if name == "mit_b0":
        net: Any = PyramidVisionTransformerV2(
            depths=(2, 2, 2, 2), embed_dims=(32, 64, 160, 256), num_heads=(1, 2, 5, 8),
            mlp_ratios=(4, 4, 4, 4), num_classes=10,
        )  # fmt: skip
    else:
        net = timm.create_model({"vit_s16": "vit_small_patch16_224"}.get(name, name), num_classes=10)
    return dict(net.state_dict())


@pytest.mark.parametrize("name", ["resnet18", "vit_s16", "mit_b0"])
@pytest.mark.parametrize("prefix", ["", "module.encoder."])
def test_weights_of_any_prefix_are_taken_over(name: str, prefix: str) -> None:
    weights = timm_weights(name)
    others = {"projector.weight": torch.zeros(2, 2)} if prefix else {}
    made = make_backbone(name, 3, {**{prefix + key: one for key, one in weights.items()}, **others}, 64)
    found = made.net.state_dict()
    differing = [key for key, value in found.items() if not torch.equal(value, weights[key])]
    assert differing == (["pos_embed"] if name == "vit_s16" else [])


def _of_authors(name: str) -> str:
    """A name of timm's layout of MiT as the authors' code has it."""
    name = re.sub(r"^patch_embed\.", "patch_embed1.", name)
    name = re.sub(r"^stages\.(\d)\.downsample", lambda m: f"patch_embed{int(m[1]) + 1}", name)
    name = re.sub(r"^stages\.(\d)\.blocks", lambda m: f"block{int(m[1]) + 1}", name)
    name = re.sub(r"^stages\.(\d)\.norm", lambda m: f"norm{int(m[1]) + 1}", name)
    return name.replace(".dwconv.", ".dwconv.dwconv.")


def _of_transformers(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The authors' layout as `transformers` has it."""
    found = {}
    for name, value in weights.items():
        new = re.sub(r"^patch_embed(\d)\.", lambda m: f"patch_embeddings.{int(m[1]) - 1}.", name)
        if new.startswith("patch_embeddings"):
            new = new.replace(".norm.", ".layer_norm.")
        new = re.sub(r"^block(\d)\.", lambda m: f"block.{int(m[1]) - 1}.", new)
        new = re.sub(r"^norm(\d)\.", lambda m: f"layer_norm.{int(m[1]) - 1}.", new)
        new = re.sub(r"\.norm([12])\.", r".layer_norm_\1.", new)
        new = new.replace(".attn.q.", ".attention.self.query.").replace(".attn.sr.", ".attention.self.sr.")
        new = new.replace(".attn.norm.", ".attention.self.layer_norm.")
        new = new.replace(".attn.proj.", ".attention.output.dense.").replace(".mlp.fc", ".mlp.dense")
        if ".attn.kv." in new:
            key, other = value.chunk(2)
            found["segformer.encoder." + new.replace(".attn.kv.", ".attention.self.key.")] = key
            found["segformer.encoder." + new.replace(".attn.kv.", ".attention.self.value.")] = other
        else:
            found["segformer.encoder." + new] = value
    return found


@pytest.mark.parametrize("layout", ["authors", "transformers"])
def test_weights_of_mit_are_taken_over_in_other_layouts(layout: str) -> None:
    weights = {name: value for name, value in timm_weights("mit_b0").items() if not name.startswith("head")}
    theirs = {_of_authors(name): value for name, value in weights.items()}
    assert "block4.1.attn.kv.weight" in theirs
    made = make_backbone("mit_b0", 3, theirs if layout == "authors" else _of_transformers(theirs))
    assert all(torch.equal(value, weights[name]) for name, value in made.net.state_dict().items())


@pytest.mark.parametrize(("bands", "expected"), [(1, "sum"), (4, "repeat"), (3, "same")])
def test_three_colours_are_brought_to_any_number_of_bands(bands: int, expected: str) -> None:
    weights = timm_weights("resnet18")
    made = make_backbone("resnet18", bands, weights)
    first = weights["conv1.weight"]
    wanted = {
        "sum": first.sum(1, keepdim=True),
        "repeat": torch.cat([first, first[:, :1]], 1) * 3 / 4,
        "same": first,
    }
    torch.testing.assert_close(made.net.state_dict()["conv1.weight"], wanted[expected])


def spoiled(weights: Mapping[str, Tensor], how: str) -> dict[str, Tensor]:
    changed = dict(weights)
    name = [one for one in weights if not one.startswith("fc.")][-1]
    if how == "lacks":
        del changed[name]
    elif how == "has":
        changed["layer9.weight"] = torch.zeros(1)
    elif how == "shape":
        changed[name] = torch.zeros(7)
    elif how == "bands":
        changed["conv1.weight"] = torch.zeros(64, 13, 7, 7)
    else:
        changed = {"weight": torch.zeros(3)}
    return changed


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("lacks", "another architecture than resnet18: it lacks layer4.1.bn2.num_batches_tracked$"),
        ("has", r"another architecture than resnet18: it has layer9.weight$"),
        ("shape", r"layer4.1.bn2.num_batches_tracked has shape \(7,\), not \(\)$"),
        ("bands", r"conv1.weight has shape \(64, 13, 7, 7\); expected 4 bands, as here, or 3"),
        ("nothing", r"it lacks bn1.bias, .*\.\.\.; it has weight$"),
    ],
)
def test_other_weights_are_refused_by_name(how: str, told: str) -> None:
    made = make_backbone("resnet18", 4)
    before = {name: value.clone() for name, value in made.state_dict().items()}
    with pytest.raises(ValueError, match=told):
        made.start_from(spoiled(timm_weights("resnet18"), how))
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())


def test_an_unknown_backbone_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"unknown backbone 'vgg': choose one of resnet18, .*mit_b5"):
        make_backbone("vgg", 3)
    assert set(SMALL) < set(BACKBONES)
