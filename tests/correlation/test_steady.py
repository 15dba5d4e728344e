"""Batches that training does meet: every objective stays finite, in value and in gradient, or refuses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from geo_xmodal.correlation import objective, soft_hgr
from tests.correlation.cases import NAMES, build, features, labels_for


def batch(kind: str) -> tuple[Tensor, Tensor]:
    f, g = (x.float() for x in features(24, 6))
    match kind:
        case "smaller than the dimension":
            return f[:4], g[:4]
        case "two samples":
            return f[:2], g[:2]
        case "one feature":
            return f[:, :1], g[:, :1]
        case "zero rows":
            f, g = f - f.mean(0), g - g.mean(0)
            f[:12], g[6:18] = 0, 0
        case "duplicate rows":
            return f[:3].repeat(8, 1), g[:3].repeat(8, 1)
        case "equal modalities":
            return f, f.clone()
        case "equal columns":
            return f[:, :1].expand(24, 6), g[:, :1].expand(24, 6)
        case "repeated singular values":
            q = torch.linalg.qr(torch.randn(24, 7))[0]
            q = torch.linalg.qr(q - q.mean(0))[0][:, :6]
            return q, 0.5 * q
        case "large":
            return 1e5 * f, 1e5 * g
        case "tiny":
            return 1e-6 * f, 1e-6 * g
        case "far from zero":
            return f + 1e4, g - 1e4
    return f, g


KINDS = (
    "smaller than the dimension",
    "two samples",
    "one feature",
    "zero rows",
    "duplicate rows",
    "equal modalities",
    "equal columns",
    "repeated singular values",
    "large",
    "tiny",
    "far from zero",
)


def score_and_gradient(name: str, f: Tensor, g: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    x = (f.clone().requires_grad_(), g.clone().requires_grad_())
    value = build(name)(*x, **labels_for(name, len(f)))
    return value, torch.autograd.grad(value, x)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_finite(name: str, kind: str) -> None:
    value, gradients = score_and_gradient(name, *batch(kind))
    assert torch.isfinite(value)
    assert all(torch.isfinite(d).all() for d in gradients)


@pytest.mark.parametrize("kind", ["one feature", "zero rows", "far from zero"])
@pytest.mark.parametrize("name", NAMES)
def test_float32_agrees_with_float64(name: str, kind: str) -> None:
    f, g = batch(kind)
    value, gradients = score_and_gradient(name, f, g)
    exact, exact_gradients = score_and_gradient(name, f.double(), g.double())
    torch.testing.assert_close(value.double(), exact, rtol=2e-3, atol=2e-3)
    for got, wanted in zip(gradients, exact_gradients, strict=True):
        torch.testing.assert_close(
            got.double(), wanted, rtol=2e-2, atol=2e-2 * float(wanted.abs().max()) + 1e-5
        )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", NAMES)
def test_half_precision_features_are_scored_in_float32(name: str, dtype: torch.dtype) -> None:
    f, g = (60 * x.to(dtype) for x in batch(""))  # sums of squares beyond 65504
    value, gradients = score_and_gradient(name, f, g)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, score_and_gradient(name, f.float(), g.float())[0])
    # The gradient leaves in the features' own type, which reaches 65504 only.
    assert dtype == torch.float16 or all(torch.isfinite(d).all() for d in gradients)


@pytest.mark.parametrize("name", NAMES)
def test_autocast_changes_nothing(name: str) -> None:
    f, g = batch("")
    value, gradients = score_and_gradient(name, f, g)
    x = (f.clone().requires_grad_(), g.clone().requires_grad_())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = build(name)(*x, **labels_for(name, len(f)))
    assert torch.equal(inside, value)
    assert all(map(torch.equal, torch.autograd.grad(inside, x), gradients))


@pytest.mark.parametrize(
    ("name", "shape"), [("soft_hgr", (6, 24)), ("soft_hgr", (24, 6)), ("dcca_ey", (24, 6))]
)
def test_backward_inside_autocast_changes_nothing(name: str, shape: tuple[int, int]) -> None:
    f, g = (v.float() for v in features(*shape))
    _, gradients = score_and_gradient(name, f, g)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, inside = score_and_gradient(name, f, g)
    assert all(map(torch.equal, inside, gradients))


def test_float64_stays_float64() -> None:
    f, g = features(8, 3)
    assert soft_hgr(f, g).dtype == torch.float64
    assert soft_hgr(f.float(), g).dtype == torch.float64


def test_integer_features_are_scored_as_numbers() -> None:
    f, g = torch.arange(12).reshape(6, 2), torch.arange(12).reshape(6, 2) ** 2
    torch.testing.assert_close(soft_hgr(f, g), soft_hgr(f.float(), g.float()))


@pytest.mark.parametrize("name", NAMES)
def test_training_mode_survives_a_change_of_batch_size_and_type(name: str) -> None:
    score = objective(name)
    for x in (features(20, 4), features(7, 4), features(9, 5), tuple(v.float() for v in features(9, 5))):
        assert torch.isfinite(score(*x, **labels_for(name, len(x[0]))))
