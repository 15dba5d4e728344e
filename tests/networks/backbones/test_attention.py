"""Attention after the last two stages: known answers, gradients, any size, and weights."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geo_xmodal.networks.backbones import Backbone, make_backbone, side_by_side
from geo_xmodal.networks.backbones.attention import ATTENTIONS
from geo_xmodal.networks.backbones.deformable import DeformableAttention


def still(side: int = 5, channels: int = 256, stride: int = 1) -> DeformableAttention:
    """Attention whose positions do not move."""
    torch.manual_seed(0)
    made = DeformableAttention(channels, side, stride, 3)
    nn.init.zeros_(cast(nn.Conv2d, made.offset[3]).weight)
    return made


def plain(made: DeformableAttention, x: Tensor, bias: Tensor) -> Tensor:
    """Multi-head attention of all cells to all cells, by torch's own module."""
    channels = x.shape[1]
    module = nn.MultiheadAttention(channels, made.heads, batch_first=True)
    with torch.no_grad():
        weights = [one.weight.flatten(1) for one in (made.query, made.key, made.value)]
        module.in_proj_weight.copy_(torch.cat(weights))
        module.in_proj_bias.copy_(torch.cat([one.bias for one in (made.query, made.key, made.value)]))
        module.out_proj.weight.copy_(made.out.weight.flatten(1))
        module.out_proj.bias.copy_(made.out.bias)
    tokens = x.flatten(2).transpose(1, 2)
    mask = bias.repeat(len(x), 1, 1)
    return module(tokens, tokens, tokens, attn_mask=mask)[0].transpose(1, 2).reshape(x.shape)


def table_bias(made: DeformableAttention, side: int) -> Tensor:
    """(heads, n, n): of cells (y, x) and (v, u), the entry of the table at (y - v, x - u) from its middle."""
    cells = [(y, x) for y in range(side) for x in range(side)]
    rows = [[made.bias[:, y - v + side - 1, x - u + side - 1] for v, u in cells] for y, x in cells]
    return torch.stack([torch.stack(row, -1) for row in rows], 1)


def test_without_offsets_it_is_plain_attention_with_a_position_bias() -> None:
    made = still()
    nn.init.normal_(made.bias)
    x = torch.randn(2, 256, 5, 5)
    assert (made.heads, made.groups) == (2, 1)
    torch.testing.assert_close(made(x), plain(made, x, table_bias(made, 5)), rtol=1e-4, atol=1e-5)


def test_an_offset_of_one_cell_looks_at_the_neighbour() -> None:
    made = still()
    x = torch.randn(1, 256, 5, 5)
    shifted = F.pad(x, (0, 1, 0, 0), "replicate")[..., 1:]
    one_cell = torch.zeros(1, 2, 5, 5)
    one_cell[:, 1] = 2 / 4  # (y, x); the map is 4 cells from corner to corner, which are -1 and 1
    made.offset = nn.Sequential(nn.Identity())
    made.offset.forward = lambda grouped: one_cell  # type: ignore[method-assign]
    positions = made._positions(x)
    torch.testing.assert_close(made._sampled(x, positions).reshape(x.shape), shifted)


def test_the_released_code_places_points_half_a_cell_away() -> None:
    x = torch.randn(1, 256, 6, 6)
    made = still(6, stride=2)
    made.half_pixel = True
    expected = torch.tensor([0.5, 1.5, 2.5]) / 2 * 2 - 1
    torch.testing.assert_close(made._positions(x)[0, :3, 1], expected.clamp(-1, 1))
    made.half_pixel = False
    torch.testing.assert_close(made._positions(x)[0, :3, 1], torch.tensor([-1.0, 0.0, 1.0]))


def test_offsets_are_learned() -> None:
    torch.manual_seed(0)
    made = DeformableAttention(128, 7, 1, 3)
    made(torch.randn(1, 128, 7, 7)).square().sum().backward()
    for name, weight in made.named_parameters():
        if name not in ("key.bias",):  # a constant added to all keys changes no attention
            assert weight.grad is not None and weight.grad.abs().max() > 0, name


@pytest.mark.parametrize("name", list(ATTENTIONS))
@pytest.mark.parametrize("size", [(7, 7), (1, 1), (4, 9)])
def test_maps_of_any_size_keep_their_shape(name: str, size: tuple[int, int]) -> None:
    for last in (False, True):
        x = torch.randn(2, 96, *size)
        assert ATTENTIONS[name](96, 7, last).eval()(x, x).shape == x.shape


def test_the_bias_of_a_larger_map_is_interpolated() -> None:
    made = still(3)
    with torch.no_grad():  # a table that is linear in the distance stays linear in it
        steps = torch.linspace(-1, 1, 5)
        made.bias.copy_(steps[:, None] + 10 * steps)
    found = made._position_bias(made._positions(torch.zeros(1, 256, 5, 5)), 5, 5)[0, 0].reshape(5, 5, 5, 5)
    assert found[4, 2, 0, 2].item() == pytest.approx(1.0, abs=1e-5)
    assert found[2, 3, 2, 1].item() == pytest.approx(5.0, abs=1e-5)


@pytest.fixture(scope="module")
def bare() -> Backbone:
    torch.manual_seed(0)
    return make_backbone("resnet18", 2).eval()


@pytest.mark.parametrize(("name", "same"), [("rda", True), ("cross_modal", True), ("deformable", False)])
def test_with_a_residual_a_backbone_starts_as_it_was(name: str, same: bool, bare: Backbone) -> None:
    made = make_backbone("resnet18", 2, bare.net.state_dict(), attention=name).eval()  # type: ignore[arg-type]
    x = torch.randn(1, 2, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(made(x), bare(x), atol=1e-6) == same
        assert torch.equal(made.stages(x)[1], bare.stages(x)[1])
    assert made.radii[2:] == (None, None)


def test_cross_modal_attention_looks_at_the_other_sensor() -> None:
    torch.manual_seed(0)
    pair = [make_backbone("resnet18", bands, attention="cross_modal").eval() for bands in (2, 3)]
    for one in pair:
        nn.init.normal_(one.attention["3"].block.out.weight, std=0.02)  # type: ignore[union-attr, arg-type]
    first, second, other = torch.randn(1, 2, 64, 64), torch.randn(1, 3, 64, 64), torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        alone = pair[0](first)
        beside = side_by_side(pair, [first, second])[0][1]
        beside_other = side_by_side(pair, [first, other])[0][1]
    assert not torch.allclose(alone, beside) and not torch.allclose(beside, beside_other)
    rivals = [make_backbone("resnet18", 2, attention="rda").eval() for _ in range(2)]
    with torch.inference_mode():
        torch.testing.assert_close(side_by_side(rivals, [first, first])[1][1], rivals[1](first))


@pytest.mark.parametrize("prefix", ["", "encoder."])
def test_attention_of_a_file_is_taken_over_and_that_of_others_refused(prefix: str, bare: Backbone) -> None:
    made = make_backbone("resnet18", 2, attention="rda")
    nn.init.normal_(made.attention["2"].block.out.weight)  # type: ignore[union-attr, arg-type]
    weights = {prefix + name: value for name, value in made.state_dict().items()}
    again = make_backbone("resnet18", 2, weights, attention="rda")
    assert all(torch.equal(value, made.state_dict()[name]) for name, value in again.state_dict().items())
    with pytest.raises(ValueError, match=r"another architecture than its attention: it has 2\.block\.bias"):
        make_backbone("resnet18", 2, weights)
    with pytest.raises(ValueError, match=r"another architecture than its attention: it lacks"):
        make_backbone("resnet18", 2, weights, attention="cbam")


def test_vectors_of_a_transformer_see_its_attention() -> None:
    made = make_backbone("vit_s16", 2, size=32, attention="deformable").eval()
    x = torch.randn(1, 2, 32, 32)
    torch.testing.assert_close(made(x), made.stages(x)[-1].mean((2, 3)))


def test_an_exported_network_takes_any_number_of_images() -> None:
    made = still(3, channels=128)
    exported = torch.export.export(
        made, (torch.randn(3, 128, 3, 3),), dynamic_shapes=({0: torch.export.Dim("images")},)
    ).module()
    x = torch.randn(5, 128, 3, 3)
    torch.testing.assert_close(exported(x), made(x))
