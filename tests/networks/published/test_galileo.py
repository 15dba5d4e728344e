"""Galileo's encoder in the layout of its files: known encodings, what it is fed, and what it leaves out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping

import pytest
import torch
from torch import Tensor, nn

from geo_xmodal.networks.published import PUBLISHED
from geo_xmodal.networks.published.galileo import Galileo, sinusoids
from tests.networks.published.encoders import check_taken_over, fed, statistics

WIDTH = 32
SMALL = {"embedding_size": WIDTH, "depth": 1, "num_heads": 2}
GROUPS = {"S1": 2, "S2_RGB": 3, "S2_Red_Edge": 3, "S2_NIR_10m": 1, "S2_NIR_20m": 1, "S2_SWIR": 2, "NDVI": 1}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mapping[str, object]]:
    found = {
        name: dataclasses.replace(one, settings=SMALL)
        for name, one in PUBLISHED.items()
        if one.architecture == "galileo"
    }
    monkeypatch.setattr("geo_xmodal.networks.published.branch.PUBLISHED", found)
    yield found


def as_published() -> dict[str, Tensor]:
    """Random weights by the names and shapes of the published files, at a small width."""
    torch.manual_seed(5)
    quarter = WIDTH // 4
    shapes: dict[str, tuple[int, ...]] = {"pos_embed": (24, quarter), "month_embed.weight": (12, quarter)}
    for inputs, count in (("s_t", 7), ("sp", 3), ("t", 3), ("st", 4)):
        shapes[f"{inputs}_channel_embed"] = (count, quarter)
    for group, bands in GROUPS.items():
        shapes |= {f"space_time_embed.{group}.proj.weight": (WIDTH, bands, 8, 8)}
        shapes |= {f"space_time_embed.{group}.proj.bias": (WIDTH,)}
    shapes |= {"space_embed.SRTM.proj.weight": (WIDTH, 2, 8, 8), "time_embed.ERA5.weight": (WIDTH, 2)}
    shapes |= {"static_embed.location.weight": (WIDTH, 3)}
    wide = 4 * WIDTH
    attention = [(f"attn.{part}", WIDTH, WIDTH) for part in ("q", "k", "v", "proj")]
    for layer, rows, columns in (*attention, ("mlp.fc1", wide, WIDTH), ("mlp.fc2", WIDTH, wide)):
        shapes |= {f"blocks.0.{layer}.weight": (rows, columns), f"blocks.0.{layer}.bias": (rows,)}
    for norm in ("blocks.0.norm1", "blocks.0.norm2", "norm"):
        shapes |= {f"{norm}.weight": (WIDTH,), f"{norm}.bias": (WIDTH,)}
    return {name: torch.randn(shape) * 0.3 for name, shape in shapes.items()}


@pytest.mark.parametrize("name", ["galileo_nano_s1", "galileo_base_s2"])
def test_weights_of_the_published_layout_are_taken_over_and_mapped_densely(
    name: str, small: Mapping[str, object]
) -> None:
    check_taken_over(name, as_published())


def test_sines_come_before_cosines_and_frequencies_fall_by_a_quarter() -> None:
    slow = 10_000 ** (-1 / 8)
    wanted = torch.tensor([[math.sin(3), math.sin(3 * slow), math.cos(3), math.cos(3 * slow)]])
    torch.testing.assert_close(sinusoids(4, torch.tensor([3])), wanted)


def test_a_vector_is_that_of_the_paper_s_token_without_blocks() -> None:
    made = Galileo(dataclasses.replace(PUBLISHED["galileo_nano_s1"], settings={**SMALL, "depth": 0}), 16)
    weights = {key: value for key, value in as_published().items() if not key.startswith("blocks.")}
    made.start_from({key.replace("embed.S1", "embed.backbone.S1"): value for key, value in weights.items()})
    x = torch.randn(1, 2, 16, 16)
    kernel, shift = (weights[f"space_time_embed.S1.proj.{end}"] for end in ("weight", "bias"))
    tokens = []
    for down in (0, 8):
        for across in (0, 8):
            token = (kernel * x[:, :, down : down + 8, across : across + 8]).sum((1, 2, 3)) + shift
            place = [sinusoids(4, torch.tensor([at]))[0] for at in (across, down)]
            date = [weights["pos_embed"][0], weights["month_embed.weight"][5]]
            tokens.append(token + torch.cat([weights["s_t_channel_embed"][0], *date, *place]))
    norm = nn.functional.layer_norm(
        torch.stack(tokens), (WIDTH,), weights["norm.weight"], weights["norm.bias"]
    )
    torch.testing.assert_close(made(x)[0], norm.mean(0), rtol=1e-4, atol=1e-5)


def test_it_is_fed_what_its_normaliser_makes_of_decibels_and_digital_numbers() -> None:
    x = torch.tensor([0.1, 0.01]).reshape(1, 2, 1, 1)  # -10 dB, -20 dB
    expected = torch.tensor([(-10 + 11.728724) / 4.887146, (-20 + 18.855582) / 5.730270]) / 4 + 0.5
    torch.testing.assert_close(fed("galileo_tiny_s1", statistics(("VV", "VH")), x).flatten(), expected)
    bands = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
    found = fed("galileo_tiny_s2", statistics(bands), torch.full((1, 10, 1, 1), 3000.0)).flatten()
    torch.testing.assert_close(found[:1], torch.tensor([(3000 - 1395.34087) / 917.704144 / 4 + 0.5]))
    torch.testing.assert_close(found[9:], torch.tensor([(3000 - 1474.53113) / 980.242998 / 4 + 0.5]))


def test_what_to_get_is_said() -> None:
    assert "get models/nano/encoder.pt (MIT) from the model card nasaharvest/galileo" in (
        PUBLISHED["galileo_nano_s1"].wanted
    )
