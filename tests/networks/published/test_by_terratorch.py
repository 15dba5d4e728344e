"""Prithvi and TerraMind: files and statistics are terratorch's, and weights are taken over as it does."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import socket
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from geo_xmodal.errors import UsageError
from geo_xmodal.networks.published import PUBLISHED, Published
from geo_xmodal.networks.published.networks import make_network, side_of
from geo_xmodal.networks.published.wrapped import module_of
from tests.networks.published.encoders import check_taken_over, fed, statistics

SMALL: Mapping[str, dict[str, int]] = {
    "prithvi": {"embed_dim": 32, "depth": 1, "num_heads": 2},
    "terramind": {"dim": 32, "encoder_depth": 1, "num_heads": 2},
}
OURS = {name: one for name, one in PUBLISHED.items() if one.architecture in SMALL}


def small(name: str) -> Published:
    one = OURS[name]
    return dataclasses.replace(one, settings={**one.settings, **SMALL[one.architecture]})


@pytest.fixture(scope="module")
def terratorch() -> Any:
    """terratorch's backbones, imported as a loader does, where nothing may be asked for over the network."""
    if importlib.util.find_spec("terratorch") is None:
        pytest.skip("terratorch is not installed")
    asked: list[object] = []

    def refuse(*address: object, **_: object) -> None:
        asked.append(address)
        raise OSError("no network here")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", refuse)
        patch.setattr(socket.socket, "connect", refuse)
        make_network(small("prithvi_v2_300"), 32, (), 6)
    assert not asked
    assert torch.get_float32_matmul_precision() == "highest"  # terratorch asks for another
    return importlib.import_module("terratorch.models.backbones")


def prithvi_weights(terratorch: Any, name: str) -> dict[str, Tensor]:
    """As in the published files: an encoder and a decoder of several dates."""
    one = small(name)
    token = one.settings["patch_size"]
    made = terratorch.prithvi_mae.PrithviMAE(
        img_size=4 * token, patch_size=(1, token, token), num_frames=3, in_chans=6, decoder_embed_dim=16,
        decoder_depth=1, decoder_num_heads=2, coords_encoding=["time", "location"] if "_tl" in name else None,
        coords_scale_learn=True, **SMALL["prithvi"],
    )  # fmt: skip
    weights = {key: torch.randn_like(value) * 0.1 for key, value in made.state_dict().items()}
    if "v1" not in name:
        return weights
    return {key.removeprefix("encoder.").removeprefix("decoder."): one for key, one in weights.items()}


def terramind_weights(terratorch: Any, name: str) -> dict[str, Tensor]:
    """As in the published files: embeddings of several products, an encoder and a decoder."""
    register = terratorch.terramind.model.terramind_register
    large = {"qkv_bias", "proj_bias", "mlp_bias"} if "base" not in name else set()
    made = register.TerraMindViT(
        modalities=["S2L2A", "S1GRD", "DEM"], norm_layer=lambda width: register.LayerNorm(width, bias=False),
        gated_mlp="base" in name, **{key: key in large for key in ("qkv_bias", "proj_bias", "mlp_bias")},
        **SMALL["terramind"],
    )  # fmt: skip
    constant = {key for key, _ in made.named_buffers()}
    weights = {
        key: one if key in constant else torch.randn_like(one) * 0.1 for key, one in made.state_dict().items()
    }
    return {**weights, "mask_token": torch.zeros(1, 1, 32), "decoder.0.norm1.weight": torch.zeros(32)}


@pytest.mark.parametrize(
    "name",
    ["prithvi_v1_100", "prithvi_v2_600_tl", "terramind_tiny_s2", "terramind_base_s1", "terramind_base_dem"],
)
def test_weights_of_the_published_layout_are_taken_over_and_mapped_densely(
    name: str, terratorch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geo_xmodal.networks.published.branch.PUBLISHED", {name: small(name)})
    torch.manual_seed(4)
    make = prithvi_weights if name.startswith("prithvi") else terramind_weights
    check_taken_over(name, make(terratorch, name))


def test_a_vector_of_prithvi_is_the_mean_of_terratorch_s_tokens(terratorch: Any) -> None:
    one = small("prithvi_v2_300_tl")
    weights = prithvi_weights(terratorch, "prithvi_v2_300_tl")
    vit = terratorch.prithvi_vit
    theirs = vit.prithvi_eo_v2_300_tl(img_size=32, **SMALL["prithvi"]).eval()
    theirs.load_state_dict(
        vit.checkpoint_filter_fn_vit(dict(weights), theirs, vit.PRETRAINED_BANDS, vit.PRETRAINED_BANDS)
    )
    ours: Any = make_network(one, 32, (), 6).eval()
    ours.start_from(weights)
    x = torch.randn(2, 6, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x)[-1][:, 1:].mean(1))


def test_a_missing_band_of_terramind_is_as_if_it_had_no_weights(terratorch: Any) -> None:
    weights = terramind_weights(terratorch, "terramind_tiny_s2")
    ours: Any = make_network(small("terramind_tiny_s2"), 32, (), 12).eval()
    ours.start_from(weights)
    register = terratorch.terramind.model.terramind_register
    theirs = register.TerraMindViT(
        modalities=["S2L2A"], norm_layer=lambda width: register.LayerNorm(width, bias=False),
        **SMALL["terramind"],
    )  # fmt: skip
    theirs.load_state_dict(register.checkpoint_filter_fn(weights, theirs))
    names = register.PRETRAINED_BANDS["untok_sen2l2a@224"]
    left = [band for band in names if band not in ("COASTAL_AEROSOL", "WATER_VAPOR")]
    with torch.no_grad():
        register.select_modality_patch_embed_weights(theirs, {"S2L2A": left}, register.PRETRAINED_BANDS)
    x = torch.randn(2, 12, 32, 32)
    x[:, [0, 9]] = 0  # B1 and B9
    keep = [k for k in range(12) if k not in (0, 9)]
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs.eval()(x[:, keep])[-1].mean(1), rtol=1e-4, atol=1e-5)


def test_files_bands_and_statistics_are_those_of_terratorch(terratorch: Any) -> None:
    vit, register = terratorch.prithvi_vit, terratorch.terramind.model.terramind_register
    english = {
        "B1": "COASTAL_AEROSOL", "B2": "BLUE", "B3": "GREEN", "B4": "RED", "B5": "RED_EDGE_1",
        "B6": "RED_EDGE_2", "B7": "RED_EDGE_3", "B8": "NIR_BROAD", "B8A": "NIR_NARROW", "B9": "WATER_VAPOR",
        "B10": "CIRRUS", "B11": "SWIR_1", "B12": "SWIR_2",
    }  # fmt: skip
    for name, one in OURS.items():
        sensor = one.sensor
        digital = 1e4 if sensor.unit == "reflectance" else 1
        named = [english.get(band, band) for band in sensor.bands]
        if one.architecture == "prithvi":
            variant = name.replace("prithvi_", "prithvi_eo_")
            config, file = vit.prithvi_cfgs[variant], vit.pretrained_weights[variant]
            mean, deviation = config["mean"], config["std"]
            assert named == [band.name for band in config["bands"]]
            sizes = {key: config[key] for key in ("embed_dim", "depth", "num_heads")}
            assert one.settings == {**sizes, "patch_size": config["patch_size"][-1]}
        else:
            product = f"untok_{sensor.product}@224"
            variant = "_".join(["terramind_v1", name.split("_")[1]])
            file = register.pretrained_weights[variant]
            mean, deviation = (getattr(register, f"v1_pretraining_{one}")[product] for one in ("mean", "std"))
            assert named == register.PRETRAINED_BANDS[product]
        assert (one.card, one.file) == (file["hf_hub_id"], file["hf_hub_filename"])
        assert [value * digital for value in sensor.mean] == pytest.approx(mean)
        assert [value * digital for value in sensor.deviation] == pytest.approx(deviation)


def test_digital_numbers_heights_and_missing_bands_are_fed_as_trained_on() -> None:
    hls = ("B02", "B03", "B04", "B8A", "B11", "B12")
    for high, factor in ((1e4, 1.0), (1.0, 1e-4)):
        x = torch.full((1, 6, 1, 1), 3000.0 * factor)
        found = fed("prithvi_v2_300", statistics(hls, high=high), x).flatten()
        torch.testing.assert_close(found[:1], torch.tensor([(3000 - 1087) / 2248]), rtol=1e-4, atol=1e-4)
    metres = fed("terramind_base_dem", statistics(("DEM",)), torch.full((1, 1, 1, 1), 1621.937))
    torch.testing.assert_close(metres.flatten(), torch.ones(1))
    ten = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
    found = fed("terramind_base_s2", statistics(ten), torch.full((1, 10, 1, 1), 1503.317)).flatten()
    assert found[0] == found[9] == 0 and found[1].abs() < 1e-3 and found[2].abs() > 0.1


def test_sides_are_whole_tokens_and_what_is_missing_is_said() -> None:
    assert [side_of(OURS[name], 64) for name in ("prithvi_v2_300", "prithvi_v2_600")] == [64, 70]
    wanted = OURS["prithvi_v2_300_tl"].wanted
    assert "get Prithvi_EO_V2_300M_TL.pt (Apache-2.0) from the model card ibm-nasa-geospatial/" in wanted
    with pytest.raises(UsageError, match=r"nothing, which holds the network of X, .*'geo_xmodal\[nothing\]'"):
        module_of("nothing", "nothing.at_all", "X")
