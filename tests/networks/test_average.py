from __future__ import annotations

import pytest
import torch

from geo_xmodal.errors import BundleError
from geo_xmodal.networks import NetworkSpec, PixelModel, average_model, build_network, folded
from tests.training_data import identity_statistics

SMALL = {"widths": (4, 4), "kernels": (3, 3)}


def members() -> list[PixelModel]:
    torch.manual_seed(0)
    statistics = identity_statistics(3)
    specs = (NetworkSpec("linear"), NetworkSpec("pixel_cnn", {**SMALL, "contrasts": (5,)}))
    models = [PixelModel(spec, statistics, 4) for spec in (*specs, NetworkSpec("tanh_cnn", SMALL))]
    for model in models:  # batch norm that changes something
        model.train()(torch.randn(8, 3, 2 * model.margin + 3, 2 * model.margin + 3))
    return [model.eval() for model in models]


def test_an_average_is_the_mean_of_its_members_probabilities_each_at_its_temperature() -> None:
    models = members()
    made = average_model(models, [1, 2, 1], [1.0, 2.0, 0.5])
    assert made.margin == max(model.margin for model in models)
    side = 2 * made.margin + 5
    x = torch.randn(2, 3, side, side)
    expected = torch.zeros(2, 4, 5, 5)
    for model, weight, temperature in zip(models, (0.25, 0.5, 0.25), (1.0, 2.0, 0.5), strict=True):
        cut = made.margin - model.margin
        seen = x[:, :, cut : side - cut, cut : side - cut]
        expected += weight * (model(seen) / temperature).softmax(1)
    torch.testing.assert_close(made.probabilities(x), expected)
    torch.testing.assert_close(folded(made.network)(x).softmax(1), expected)  # batch norms of members, too


def test_members_are_copied_and_an_average_of_one_is_its_member() -> None:
    model = members()[1]
    made = average_model([model], [3.0], [1.0])
    x = torch.randn(1, 3, 15, 15)
    before = model.probabilities(x)
    for weight in model.parameters():
        weight.data.zero_()
    torch.testing.assert_close(made.probabilities(x), before)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([{"name": "average", "options": {"members": [{"name": "linear"}]}}], "no member of an average"),
        ([{"name": "linear"}] * 17, "at most 16"),
        ([], "at least 1"),
        ([{"name": "no_such"}], "no_such"),
    ],
)
def test_what_a_card_may_not_ask_for_is_refused(given: list[object], words: str) -> None:
    with pytest.raises(BundleError, match=words):
        build_network(NetworkSpec("average", {"members": given}), 3, 4)
