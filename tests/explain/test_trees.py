"""SHAP values of trees: by hand, complete, and summed to bands and surroundings."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from geo_xmodal.explain.tree_values import surroundings, tree_values, trees_of
from geo_xmodal.networks import (
    Context,
    ContextOptions,
    NetworkSpec,
    Trees,
    average_model,
    build_network,
    context_features,
    tree_contributions,
)
from geo_xmodal.networks.tree_contributions import tree_cover
from tests.networks.test_trees import STUMPS, network
from tests.small_trees import small_trees
from tests.training_data import identity_statistics


def test_a_stump_by_hand() -> None:
    # the first stump gives class 0 a probability of 1 or 0, by feature 0; the second 0.5 or 0, by feature 1
    background = np.array([[0, -1], [0, -1], [0, -1], [1, 1]], np.float32)
    added, score = tree_contributions(network(STUMPS), background[[0, 3]], 0, background)
    # means over the background: 3/4 of 1 and 3/4 of 0.5; trees count half each
    expected = np.array(
        [
            [(1 - 0.75) / 2, (0.5 - 0.375) / 2, (0.75 + 0.375) / 2],
            [-0.75 / 2, -0.375 / 2, (0.75 + 0.375) / 2],
        ]
    )
    assert np.allclose(added, expected, atol=1e-3)
    assert np.allclose(score, [0.75, 0.0], atol=1e-6)


def test_boosted_trees_add_to_their_class_and_its_base() -> None:
    boosted = dataclasses.replace(
        STUMPS,
        values=torch.tensor([[1.0], [2.0], [10.0], [20.0]]),
        output=torch.tensor([1, 0], dtype=torch.int16),
        base=torch.tensor([100.0, 200.0]),
    )
    background = np.array([[0, -1], [1, 1]], np.float32)
    made = network(boosted)
    added, score = tree_contributions(made, background[:1], 1, background)
    assert np.allclose(added, [[-0.5, 0.0, 201.5]], atol=1e-3) and np.allclose(score, [201.0])
    other = tree_contributions(made, background, 0, background)[0]
    assert np.allclose(other, [[0.0, -5.0, 115.0], [0.0, 5.0, 115.0]], atol=1e-2)


def test_a_class_of_which_no_tree_speaks_has_its_base() -> None:
    silent = dataclasses.replace(
        STUMPS,
        values=torch.tensor([[1.0], [2.0], [10.0], [20.0]]),
        output=torch.tensor([1, 1], dtype=torch.int16),
        base=torch.tensor([0.25, 0.0]),
    )
    rows = np.zeros((3, 2), np.float32)
    added, score = tree_contributions(network(silent), rows, 0, rows)
    assert added.tolist() == [[0.0, 0.0, 0.25]] * 3 and score.tolist() == [0.25] * 3


def test_cover_counts_the_background() -> None:
    background = np.array([[0, -1], [0.5, -1], [2, 5]], np.float32)
    cover = tree_cover(STUMPS, background)
    assert np.allclose(cover, [3, 1, 2, 3, 2, 1], atol=0.01)


@pytest.mark.parametrize("kind", ["forest", "boosting"])
def test_values_add_up_to_the_score(kind: str) -> None:
    statistics = identity_statistics(3)
    model = small_trees(statistics, 3, kind, ratios="difference")  # type: ignore[arg-type]
    trees = model.network
    assert isinstance(trees, Trees)
    side = 2 * trees.margin + 1
    x = torch.randn(20, 3, side, side, generator=torch.Generator().manual_seed(0))
    label = torch.arange(20) % 3
    steps: list[int] = []
    found = tree_values(trees, 1.0, x, label, lambda: steps.append(1))
    assert found.gap < 1e-4 and len(steps) == 3
    assert found.score == ("probability" if kind == "forest" else "logit")
    logits = trees(x).flatten(1)
    outputs = logits.exp() if kind == "forest" else logits
    scores = outputs[found.pixels, label[found.pixels]]
    bias = scores - found.change
    for place in range(3):  # one bias a class: the mean over all pixels
        own = label[found.pixels] == place
        assert torch.allclose(bias[own], outputs[:, place].mean().expand(int(own.sum())), atol=1e-3)
    sums = found.by_feature.sum(1)
    assert torch.allclose(found.by_band(3).sum(1), sums, atol=1e-5)
    around = found.by(surroundings)
    assert torch.allclose(torch.stack(list(around.values())).sum(0), sums, atol=1e-5)
    assert next(iter(around)) == "the pixel"


def test_features_of_the_context_are_named_in_their_order() -> None:
    options = ContextOptions(
        context=("mean", "gradient", "max"), sizes=(3, 5), openings=(3,), ratios="difference"
    )
    features = context_features(options, 2)
    assert len(features) == options.features(2)
    context = Context(2, options)
    side = 2 * context.margin + 1
    x = torch.zeros(1, 2, side, side, requires_grad=True)
    values = context(x + torch.rand(1, 2, side, side, generator=torch.Generator().manual_seed(1)))[0, :, 0, 0]
    for place, feature in enumerate(features):
        (seen,) = torch.autograd.grad(values[place], x, retain_graph=True)
        places = seen[0].abs().nonzero()
        assert set(places[:, 0].tolist()) == set(feature.bands), feature
        reach = (places[:, 1:] - context.margin).abs().max()
        assert reach <= feature.side // 2, feature


def test_trees_are_found_in_an_average() -> None:
    statistics = identity_statistics(2)
    trees = small_trees(statistics, 2)
    assert [share for _, share in trees_of(trees.network)] == [1.0]
    both = average_model([trees, small_trees(statistics, 2, context=())], [1.0, 3.0], [1.0, 1.0])
    assert [share for _, share in trees_of(both.network)] == [0.25, 0.75]
    assert trees_of(build_network(NetworkSpec("linear"), 2, 2)) == []
