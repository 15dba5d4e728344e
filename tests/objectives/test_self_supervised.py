"""Losses of pretraining, against the formulas of their papers written out."""

import pytest
import torch
from torch import Tensor

from geo_xmodal.objectives.self_supervised import CLIP, BarlowTwins, DeCUR, Maximised, SimCLR

W = 0.0051


def embeddings(count: int, n: int = 12, k: int = 6) -> list[Tensor]:
    draw = torch.Generator().manual_seed(3)
    common = torch.randn(n, k, generator=draw, dtype=torch.float64)
    return [
        (common + torch.randn(n, k, generator=draw, dtype=torch.float64)).requires_grad_()
        for _ in range(count)
    ]


def normalised(z: Tensor) -> Tensor:
    return torch.nn.functional.batch_norm(z, None, None, training=True, eps=1e-12)


def off_diagonal(c: Tensor) -> Tensor:
    return c.square().sum() - c.diagonal().square().sum()


def algorithm_1(z: list[Tensor], common: int) -> list[Tensor]:
    """L1, L2, Lc and Lu of the appendix, as its pseudocode has them."""
    a, b, a2, b2 = map(normalised, z)
    n = len(a)

    def loss_c(c: Tensor) -> Tensor:
        return (c.diagonal() - 1).square().sum() + W * off_diagonal(c)

    def loss_u(c: Tensor) -> Tensor:
        return c.diagonal().square().sum() + W * off_diagonal(c)

    cm = a.T @ b / n
    return [
        loss_c(a.T @ a2 / n),
        loss_c(b.T @ b2 / n),
        loss_c(cm[:common, :common]),
        loss_u(cm[common:, common:]),
    ]


@pytest.mark.parametrize("n", [4, 12])  # by products of n x n elements, and of K x K
@pytest.mark.parametrize("common", [0, 4, 6])
@pytest.mark.parametrize("form", ["paper", "code"])
def test_decur_is_algorithm_1(n: int, common: int, form: str) -> None:
    z = embeddings(4, n)
    one, two, shared, unique = algorithm_1(z, common)
    expected = one + two + shared + unique if form == "paper" else (one + two + (shared + unique) / 2) / 3
    value = DeCUR(common, W, form)(*z)  # type: ignore[arg-type]
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-6)
    for ours, theirs in zip(torch.autograd.grad(value, z), torch.autograd.grad(expected, z), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_barlow_twins_is_decur_without_unique_dimensions_and_without_second_views() -> None:
    a, b = embeddings(2)
    expected = algorithm_1([a, b, a, b], common=6)[2]
    torch.testing.assert_close(BarlowTwins()(a, b), expected, rtol=1e-6, atol=1e-6)


def test_simclr_sums_over_both_rows_of_each_pair() -> None:
    a, b = embeddings(2, n=5)
    rows = torch.nn.functional.normalize(torch.cat([a, b]), dim=1).detach()
    total = 0.0
    for i in range(10):
        positive = (i + 5) % 10
        others = [torch.exp(rows[i] @ rows[j] / 0.1) for j in range(10) if j != i]
        total += float(-torch.log(torch.exp(rows[i] @ rows[positive] / 0.1) / sum(others)))
    assert SimCLR()(a, b).item() == pytest.approx(total / 10)


def test_clip_tells_rows_of_the_other_sensor_apart_and_learns_its_scale() -> None:
    a, b = embeddings(2, n=5)
    loss = CLIP()
    cosines = torch.nn.functional.normalize(a, dim=1) @ torch.nn.functional.normalize(b, dim=1).T / 0.07
    forth = -cosines.log_softmax(1).diagonal().mean()
    back = -cosines.log_softmax(0).diagonal().mean()
    value = loss(a, b)
    assert value.item() == pytest.approx((forth + back).item() / 2, rel=1e-5)
    value.backward()
    assert loss.log_scale.grad is not None and loss.log_scale.grad != 0


def test_vicreg_ranks_agreeing_embeddings_first() -> None:
    a, b = embeddings(2, n=64)
    same, other = Maximised("vicreg")(a, a), Maximised("vicreg")(a, b)
    collapsed = Maximised("vicreg")(0 * a, 0 * b)
    assert same < other and same < collapsed


def test_more_common_dimensions_than_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match="7 common dimensions of 6"):
        DeCUR(7)(*embeddings(4))


def test_second_views_are_asked_for() -> None:
    with pytest.raises(ValueError, match="compares 2 view"):
        DeCUR(3)(*embeddings(2))
