from __future__ import annotations

import math

import pytest
import torch

from geo_xmodal.correlation import soft_hgr
from geo_xmodal.objectives import (
    Correlation,
    Distillation,
    Reconstruction,
    Sum,
    Supervised,
    Terms,
)

SURE = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]])
"""Logits of shares 3/4 and 1/4, then of halves."""


def test_a_pixel_counts_what_its_class_does() -> None:
    term = Supervised(torch.tensor([1.0, 3.0]), 2.0)
    found = term(SURE, torch.tensor([0, 1]))
    assert float(found) == pytest.approx(2 * (1 * math.log(4 / 3) + 3 * math.log(2)) / 4)


def test_soft_labels_are_shares() -> None:
    soft = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    expected = (0.5 * math.log(4 / 3) + 0.5 * math.log(4) + math.log(2)) / 2
    assert float(Distillation(3.0)(SURE, soft)) == pytest.approx(3 * expected)


def test_a_reconstruction_is_a_mean_or_a_sum_over_the_values_of_a_pixel() -> None:
    decoded, wanted = torch.zeros(2, 3), torch.tensor([[1.0, 1.0, 1.0], [2.0, 0.0, 0.0]])
    assert float(Reconstruction(weight=0.5)(decoded, wanted)) == pytest.approx(0.5 * 7 / 6)
    assert float(Reconstruction("sum", 0.5)(decoded, wanted)) == pytest.approx(0.5 * 7 / 2)


def test_correlation_is_maximised_and_counts_less_where_pairs_are_few() -> None:
    torch.manual_seed(0)
    f, g = torch.randn(10, 4), torch.randn(10, 4)
    whole, few = Correlation("soft_hgr", 2.0), Correlation("soft_hgr", 2.0, full_batch=40)
    assert float(whole(f, g)) == pytest.approx(-2 * float(soft_hgr(f, g)), rel=1e-6)
    assert float(few(f, g)) == pytest.approx(-0.5 * float(soft_hgr(f, g)), rel=1e-6)
    assert float(whole(f, f)) < float(whole(f, g))


def test_a_sum_asks_one_part_again_or_each_in_turn() -> None:
    a, b = torch.zeros(1, 2), torch.ones(1, 2)
    assert float(Sum([Reconstruction()], 3.0)((a, b), (a, 2 * b))) == pytest.approx(3 * (1 + 4))
    both = Sum([Reconstruction(), Reconstruction("sum")])
    assert float(both((a, b), (a, b))) == pytest.approx(1 + 2)
    assert float(Sum([Reconstruction()])((a, b))) == 1


def test_terms_without_weight_are_left_out() -> None:
    terms = Terms({"some": Reconstruction(weight=2.0), "none": Reconstruction(weight=0.0)})
    pair = (torch.zeros(1, 2), torch.ones(1, 2))
    found = terms.of(none=pair, some=pair)
    assert {name: float(value) for name, value in found.items()} == {"some": 2.0}


def test_values_are_those_of_float32_under_autocast() -> None:
    torch.manual_seed(0)
    x = torch.randn(200, 8)
    terms = [
        (Supervised(torch.ones(8)), (x, torch.arange(200) % 8)),
        (Distillation(), (x, x.softmax(1))),
        (Correlation("hgr"), (x, x.roll(1, 0))),
        (Reconstruction(), (x, x.sigmoid())),
    ]
    for term, outputs in terms:
        low = tuple(o.bfloat16() if o.is_floating_point() else o for o in outputs)
        expected = term(*(o.float() if o.is_floating_point() else o for o in low))
        with torch.autocast("cpu", torch.bfloat16):
            found = term(*low)
        assert found.dtype == torch.float32
        assert torch.equal(found, expected)
