"""Encoders that others trained: bands, units, weights of the published layout, and what is refused."""

from __future__ import annotations

import dataclasses
import functools
import runpy
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors import safe_open
from torch import Tensor, nn

from geo_xmodal.networks.published import PUBLISHED, networks
from geo_xmodal.networks.published import catalogue as catalogue_file
from geo_xmodal.networks.published.units import Units
from tests.networks.published.encoders import S2, branch, check_taken_over, fed, statistics


@pytest.mark.parametrize("transform", ["log", "identity"])
def test_power_becomes_decibels_as_decur_was_trained_on(transform: str) -> None:
    x = torch.tensor([0.01, 0.1]).reshape(1, 2, 1, 1)  # VH -20 dB, VV -10 dB
    expected = torch.tensor([(-10 + 12.59) / 5.26, (-20 + 20.26) / 5.91]).reshape(1, 2, 1, 1)
    torch.testing.assert_close(fed("decur_s1", statistics(("S1_VH", "S1_VV"), transform), x), expected)


def test_signed_covariances_are_named_by_the_user() -> None:
    found = statistics(("C11", "C12_real", "C22"), "asinh")
    x = torch.tensor([0.1, -0.3, 0.01]).reshape(1, 3, 1, 1)
    expected = torch.tensor([(-10 + 12.59) / 5.26, (-20 + 20.26) / 5.91]).reshape(1, 2, 1, 1)
    torch.testing.assert_close(fed("decur_s1", found, x, ("C11", "C22")), expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match=r"expects the bands VV, VH, .*has C11, C12_real, C22: VV, VH not f"):
        fed("decur_s1", found, x)
    with pytest.raises(ValueError, match="published_bands names C33; the scene has C11"):
        fed("decur_s1", found, x, ("C11", "C33"))
    with pytest.raises(ValueError, match="published_bands names 1 bands; expected 2, for VV, VH"):
        fed("decur_s1", found, x, ("C11",))


@pytest.mark.parametrize(("high", "factor"), [(12_000.0, 1e-4), (1.2, 1.0)])
def test_optical_bands_are_found_by_name_and_the_cirrus_band_is_empty(high: float, factor: float) -> None:
    found = statistics(tuple(reversed(S2)), high=high)
    x = torch.arange(1.0, 13.0).reshape(1, 12, 1, 1) / 12 * high
    values = (x.flatten().flip(0) * factor).tolist()
    expected = torch.tensor([*values[:10], 0.0, *values[10:]]).reshape(1, 13, 1, 1)
    torch.testing.assert_close(fed("ssl4eo_moco_s2", found, x), expected, rtol=1e-4, atol=1e-5)
    said = Units(PUBLISHED["decur_s2"], 12).fit(found, ())
    assert said.endswith("taken to be reflectance" if factor == 1 else "reflectance times 10,000")


def test_croma_sees_two_deviations_as_0_to_1() -> None:
    found = statistics(("VV", "VH"))
    x = torch.tensor([[0.0, 0.1], [2.0, 0.1 - 9]]).reshape(2, 2, 1, 1)
    expected = torch.tensor([[0.5, 0.5], [1.0, 0.0]]).reshape(2, 2, 1, 1)
    torch.testing.assert_close(fed("croma_base_s1", dataclasses.replace(found, low=(-9, -9)), x), expected)


SMALL: Mapping[str, dict[str, int]] = {
    "croma": {"encoder_dim": 64, "encoder_depth": 2, "num_heads": 16},
    "dofa": {"embed_dim": 32, "depth": 1, "num_heads": 2},
    "panopticon": {"attn_dim": 96, "embed_dim": 48},
}
"""Settings of networks that build in no time."""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mapping[str, Any]]:
    """The catalogue with small networks of the same layout."""
    pytest.importorskip("torchgeo")
    monkeypatch.setattr(timm, "create_model", functools.partial(_small_model, timm.create_model))
    found = {
        name: dataclasses.replace(one, settings=SMALL.get(one.architecture, {}))
        for name, one in PUBLISHED.items()
    }
    monkeypatch.setattr("geo_xmodal.networks.published.branch.PUBLISHED", found)
    yield found


def _small_model(made: Any, name: str, **settings: Any) -> nn.Module:
    if name.startswith("vit_base_patch14"):
        settings |= {"embed_dim": 48, "depth": 1, "num_heads": 2}
    return made("resnet18" if name == "resnet50" else name, **settings)


def as_published(name: str, side: int = 224) -> dict[str, Tensor]:
    """Random weights in the layout of the published file."""
    one = PUBLISHED[name]
    side = 32 if one.architecture == "croma" else side  # no weight depends on it
    one = dataclasses.replace(one, settings=SMALL.get(one.architecture, {}))
    torch.manual_seed(3)
    net: Any = networks.make_network(one, side, (), len(one.sensor.bands)).net
    if one.architecture == "panopticon":
        weights = dict(net.model.state_dict())
        weights |= {"mask_token": torch.zeros(1, 48), "pos_embed": torch.randn(1, 1 + 37 * 37, 48)}
    elif one.architecture == "dofa":
        dropped = ("fc_norm",)
        weights = {key: value for key, value in net.state_dict().items() if not key.startswith(dropped)}
    elif one.architecture == "croma":
        weights = {key: value for key, value in net.state_dict().items() if key != "attn_bias"}
        weights |= {"joint_encoder.norm_out.weight": torch.ones(1)}
    else:
        weights = dict(net.net.state_dict())
        if one.architecture == "vit_s16":
            weights |= {"head.weight": torch.zeros(1)}
            del weights["norm.bias"]
    return {key: value.clone() for key, value in weights.items()}


ONE_OF_EACH = (
    "decur_s1",
    "ssl4eo_moco_s2_vit",
    "croma_base_s1",
    "croma_base_s2",
    "dofa_base_s2",
    "panopticon_s1",
)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_weights_of_the_published_layout_are_taken_over_and_mapped_densely(
    name: str, small: Mapping[str, Any]
) -> None:
    check_taken_over(name, as_published(name))


def test_panopticon_and_dofa_take_any_bands_by_wavelength(small: Mapping[str, Any]) -> None:
    bands = tuple(f"w{k}" for k in range(5))
    waves = (450.0, 550.0, 650.0, 850.0, 1600.0)
    x = torch.randn(2, 5, 3, 3)
    for name in ("dofa_base", "panopticon"):
        made = branch(name, 5, wavelengths=waves)
        made.fit_input(statistics(bands), "hsi")
        with torch.inference_mode():
            first, again = made(x), made(x)
            torch.testing.assert_close(first, again)  # the network writes into its wavelengths
        with pytest.raises(ValueError, match="5 are expected, per band in nanometres: wavelengths gives 0"):
            branch(name, 5, wavelengths=()).fit_input(statistics(bands), "hsi")


def test_another_kind_of_sensor_is_refused() -> None:
    with pytest.raises(ValueError, match="decur_s1 is for a sensor of kind sar, this is msi"):
        branch("decur_s1", 12).fit_input(statistics(S2), "msi")


def test_what_to_get_is_said_with_its_checksum() -> None:
    wanted = PUBLISHED["decur_s1"].wanted
    for part in ("rn50_ssl4eo-s12_sar_decur_ep100-f0e69ba2.pth", "SHA-256 f0e69ba2", "torchgeo/decur"):
        assert part in wanted
    assert "SHA-256" not in PUBLISHED["panopticon"].wanted


ELSEWHERE = ("galileo", "prithvi", "terramind")
"""Architectures that torchgeo does not hold."""


@pytest.mark.parametrize(
    "name", [name for name, one in PUBLISHED.items() if one.architecture not in ELSEWHERE]
)
def test_files_and_bands_are_those_of_torchgeo(name: str) -> None:
    models = pytest.importorskip("torchgeo.models")
    one = PUBLISHED[name]
    known = {
        weights.url.rpartition("/")[2]: weights
        for group in vars(models).values()
        if isinstance(group, type) and group.__name__.endswith("_Weights")
        for weights in group
    }
    weights = known[one.file]
    repository = weights.url.partition("/resolve/")[0]
    assert repository.endswith(one.card)
    if "bands" in weights.meta:
        assert [band.upper() for band in weights.meta["bands"]] == [band.upper() for band in one.sensor.bands]
    normalised = [step for step in weights.transforms.children() if hasattr(step, "mean")]
    if one.sensor.unit == "decibel":
        assert (tuple(normalised[0].mean), tuple(normalised[0].std)) == (
            one.sensor.mean,
            one.sensor.deviation,
        )
    elif one.sensor.unit == "reflectance":
        assert (list(normalised[0].mean), list(normalised[0].std)) == ([0], [10000])


def test_a_frozen_backbone_learns_nothing_and_a_slow_one_less() -> None:
    made = branch("ssl4eo_moco_s2_resnet18", 12, linear_head=True)
    made.fit_input(statistics(S2), "msi")
    made.freeze()
    made.train()
    before = {key: value.clone() for key, value in made.encoder.backbone.state_dict().items()}
    assert [type(layer) for layer in made.head] == [nn.Conv2d]  # type: ignore[union-attr]
    made(torch.randn(2, 12, 3, 3)).sum().backward()
    assert all(weight.grad is None for weight in made.pretrained())
    assert made.encoder.last.weight.grad is not None
    assert all(torch.equal(value, before[key]) for key, value in made.encoder.backbone.state_dict().items())


def test_the_script_turns_published_weights_into_safetensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "croma-0238d814.pt", tmp_path / "croma.safetensors"
    weights = torch.randn(3, 2)
    torch.save({"s1_encoder": {"a": weights, "b": weights}}, path)
    script = Path(catalogue_file.__file__).parents[3] / "scripts" / "to_safetensors.py"
    main = runpy.run_path(str(script))["main"]
    monkeypatch.setattr(sys, "argv", [str(script), str(path), str(out)])
    assert main() == 2 and "expected 0238d814...: get it again" in capsys.readouterr().err
    unnamed = [str(script), str(path.rename(tmp_path / "croma.pt")), str(out)]
    monkeypatch.setattr(sys, "argv", unnamed)
    assert main() == 2 and "nothing says what its SHA-256 should be" in capsys.readouterr().err
    assert not out.exists()
    monkeypatch.setattr(sys, "argv", [*unnamed, "--trusted"])
    assert main() == 0
    with safe_open(out, "pt") as file:
        assert sorted(file.keys()) == ["s1_encoder.a", "s1_encoder.b"]
        assert torch.equal(file.get_tensor("s1_encoder.b"), weights)
        assert len(file.metadata()["source_sha256"]) == 64
