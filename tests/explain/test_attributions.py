"""Attributions whose answer is known: linear and additive models, bands that nothing looks at."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from geo_xmodal.explain.bands import BandGroup, band_groups
from geo_xmodal.explain.integrated_gradients import (
    class_scores,
    completeness_gap,
    differentiable,
    integrated_gradients,
)
from geo_xmodal.explain.occlusion import occlusion
from geo_xmodal.networks import NetworkSpec, average_model, build_network, linear_model
from geo_xmodal.raster import Band
from tests.small_trees import small_trees
from tests.training_data import identity_statistics


def patches(seed: int = 0, n: int = 6, bands: int = 3, side: int = 5) -> Tensor:
    return torch.randn(n, bands, side, side, generator=torch.Generator().manual_seed(seed))


def test_a_model_of_one_band_attributes_everything_to_it() -> None:
    x = patches()
    found = integrated_gradients(lambda x: 3 * x[:, 1].sum((1, 2))[:, None], x, torch.zeros(6).long(), 8)
    assert torch.allclose(found.by_band[:, 1], 3 * x[:, 1].sum((1, 2)), atol=1e-4)
    assert not found.by_band[:, [0, 2]].any()
    assert found.gap < 1e-5


def test_an_additive_model_attributes_its_terms() -> None:
    def forward(x: Tensor) -> Tensor:
        terms = [x[:, 0].sum((1, 2)), (x[:, 1] ** 2).sum((1, 2)), x[:, 2].exp().sum((1, 2))]
        return torch.stack([sum(terms[1:], terms[0]), terms[0]], dim=1)

    x = patches()
    found = integrated_gradients(forward, x, torch.zeros(6).long())
    expected = [x[:, 0].sum((1, 2)), (x[:, 1] ** 2).sum((1, 2)), (x[:, 2].exp() - 1).sum((1, 2))]
    assert torch.allclose(found.by_band, torch.stack(expected, dim=1), rtol=1e-4, atol=1e-4)
    first_term_only = integrated_gradients(forward, x, torch.ones(6).long(), 8)
    assert not first_term_only.by_band[:, 1:].any()


def test_attributions_of_a_network_are_complete() -> None:
    torch.manual_seed(0)
    network = build_network(NetworkSpec("pixel_cnn", {"widths": (8,), "kernels": (3,)}), 3, 4).eval()
    x = patches(side=3)
    found = integrated_gradients(class_scores(network), x, torch.arange(6) % 4, 128)
    logits = network(x).flatten(1) - network(torch.zeros_like(x)).flatten(1)
    change = (logits - logits.mean(1, keepdim=True)).gather(1, (torch.arange(6) % 4)[:, None])[:, 0]
    assert torch.allclose(found.change, change, atol=1e-5)
    assert found.gap < 0.02
    few = integrated_gradients(class_scores(network), x, torch.arange(6) % 4, 2)
    assert few.gap > found.gap


def test_the_gap_is_a_share_of_the_change() -> None:
    assert completeness_gap(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 2.0])) == 0.5
    assert completeness_gap(torch.zeros(2), torch.zeros(2)) == 0.0


def test_a_constant_that_all_logits_share_explains_nothing() -> None:
    linear = nn.Conv2d(2, 2, 1)
    with torch.no_grad():
        linear.weight[:] = torch.tensor([[5.0, 1.0], [5.0, 0.0]])[:, :, None, None]
    found = integrated_gradients(class_scores(linear), patches(bands=2, side=1), torch.zeros(6).long(), 8)
    assert torch.allclose(found.by_band[:, 0], torch.zeros(6), atol=1e-5)
    assert found.by_band[:, 1].abs().min() > 1e-3


def test_an_average_with_trees_explains_its_other_members() -> None:
    statistics = identity_statistics(2)
    linear = linear_model(statistics, torch.eye(2).numpy(), torch.zeros(2).numpy())
    trees = small_trees(statistics, 2, context=())
    assert differentiable(trees.network) is None
    assert differentiable(linear.network) == (linear.network, 1.0)
    both = average_model([linear, trees], [0.25, 0.75], [2.0, 1.0])
    found = differentiable(both.network)
    assert found is not None and found[1] == pytest.approx(0.25)
    x = patches(bands=2, side=2 * both.margin + 1)
    m = both.margin
    expected = (linear.network(x[:, :, m : m + 1, m : m + 1]) / 2).log_softmax(1)
    assert torch.allclose(found[0](x), expected, atol=1e-5)


def test_without_a_band_that_nothing_looks_at_nothing_is_lost() -> None:
    linear = nn.Conv2d(3, 2, 1, bias=False)
    with torch.no_grad():
        linear.weight[:] = torch.tensor([[2.0, 0.0, 0.0], [-2.0, 0.0, 0.0]])[:, :, None, None]
    x = patches(n=40, side=1)
    label = (x[:, 0, 0, 0] < 0).long()
    groups = (BandGroup("used", (0,)), BandGroup("unused", (1, 2)))
    done: list[str] = []
    found = occlusion(linear, x, label, groups, done.append)
    assert found.accuracy == 1.0 and done == ["used", "unused"]
    assert found.accuracy_drop[1] == 0 and found.probability_drop[1] == 0
    assert not found.by_pixel[1].any()
    # without its band, the model gives every class one half, and the first where they tie
    assert found.accuracy_drop[0].item() == pytest.approx(label.float().mean().item())
    assert found.probability_drop[0].item() == pytest.approx(found.probability - 0.5)


def test_bands_are_grouped_by_wavelength_where_all_say_theirs() -> None:
    bands = [Band(f"B{wave}", wave) for wave in (490.0, 560.0, 665.0, 705.0, 842.0, 865.0, 1610.0, 2190.0)]
    groups = band_groups(bands)
    assert [one.places for one in groups] == [(0,), (1,), (2,), (3,), (4, 5), (6,), (7,)]
    assert [one.name for one in groups][3:5] == ["red edge (705 nm)", "near infrared (842-865 nm)"]
    assert [one.name for one in band_groups([Band("VV"), Band("VH", 5.0e7)])] == ["VV", "VH"]
    many = band_groups([Band(f"{k}") for k in range(64)])
    assert len(many) == 8 and many[0].name == "bands 1-8"
    assert [place for one in many for place in one.places] == list(range(64))
