from __future__ import annotations

import pytest
import torch
from torch import Tensor

from geo_xmodal.correlation import objective, soft_hgr
from tests.correlation.cases import covariance, features

DRAWS = 1500


def drawn(f: Tensor, g: Tensor, r: int, name: str = "soft_hgr", **options: object) -> Tensor:
    generator = torch.Generator().manual_seed(r)
    score = objective(name, sketch=r, generator=generator, **options)
    return torch.stack([score(f, g) for _ in range(DRAWS)])


@pytest.mark.parametrize("r", [1, 3, 16])
@pytest.mark.parametrize("shape", [(50, 4), (33, 40)], ids=str)
def test_unbiased(r: int, shape: tuple[int, int]) -> None:
    f, g = features(*shape)
    values = drawn(f, g, r)
    assert abs(float(values.mean() - soft_hgr(f, g))) < 4 * float(values.std()) / DRAWS**0.5


@pytest.mark.parametrize("trace", ["similarity", "soft_hgr"])
@pytest.mark.parametrize("name", ["unifast_hgr", "optfast_hgr"])
def test_reconstructions_are_unbiased(name: str, trace: str) -> None:
    f, g = features(40, 24)
    values = drawn(f, g, 8, name, trace=trace)
    assert (
        abs(float(values.mean() - objective(name, trace=trace)(f, g))) < 4 * float(values.std()) / DRAWS**0.5
    )


def test_gradient_is_unbiased() -> None:
    f, g = (x.requires_grad_() for x in features(20, 3))
    score = objective("soft_hgr", sketch=4, generator=torch.Generator().manual_seed(0))
    draws = torch.stack([torch.autograd.grad(score(f, g), f)[0] for _ in range(DRAWS)])
    error = (draws.mean(0) - torch.autograd.grad(soft_hgr(f, g), f)[0]).abs()
    assert (error < 5 * draws.std(0) / DRAWS**0.5).all()


@pytest.mark.parametrize("r", [4, 16, 64])
def test_spread_is_what_the_docstring_says(r: int) -> None:
    f, g = torch.randn(2, 4096, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values = drawn(f, g, r)
    term = 0.5 * (covariance(f, f) @ covariance(g, g)).trace()
    assert float(values.std() / term) == pytest.approx((4 / (r * 8) + 2 / r**2) ** 0.5, rel=0.25)


def test_neighbours_that_are_alike_do_not_spoil_it() -> None:
    # Rows in the order of a scan line: 64 runs of 16 equal samples.
    f, g = (x.repeat_interleave(16, dim=0) for x in features(64, 4))
    order = torch.randperm(len(f), generator=torch.Generator().manual_seed(0))
    assert drawn(f, g, 16).std() < 1.2 * drawn(f[order], g[order], 16).std()


@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize("m", [12, 14])  # a multiple of the probes, and not
def test_gradient_is_that_of_the_value(m: int, views: int) -> None:
    x = tuple(v.requires_grad_() for v in features(m, 5, views))
    assert torch.autograd.gradcheck(
        lambda *v: soft_hgr(*v, sketch=4, generator=torch.Generator().manual_seed(1)), x
    )


def test_as_many_probes_as_samples_is_exact() -> None:
    f, g = features(12, 5)
    torch.testing.assert_close(soft_hgr(f, g, sketch=12), soft_hgr(f, g), rtol=0, atol=0)


def test_same_generator_same_sketch() -> None:
    f, g = features(40, 5)
    one, two, other = (
        soft_hgr(f, g, sketch=4, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2)
    )
    assert one == two
    assert one != other


def test_sum_over_pairs_is_sketched_pair_by_pair() -> None:
    x = features(40, 5, 3)
    values = torch.stack(
        [soft_hgr(*x, sketch=8, generator=torch.Generator().manual_seed(s)) for s in range(1000)]
    )
    assert abs(float(values.mean() - soft_hgr(*x))) < 4 * float(values.std()) / 1000**0.5
