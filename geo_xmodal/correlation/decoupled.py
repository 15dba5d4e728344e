"""DeCUR's four redundancies of two sensors and two views in one, where the batch is small beside the width.

As a sum of `redundancy` they would normalise each embedding once a part, and take the products of the rows
of a sensor anew for its part within and its part across. Here each is done once: eight products of n x n x K
with value and gradient where the sum has twelve, and what is done element by element is done in columns that
fit into the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from geo_xmodal.correlation.features import UNIT_COLUMNS, full_precision
from geo_xmodal.correlation.self_supervised import redundancy
from geo_xmodal.correlation.trace_term import inner, prefers_gram

_BLOCK = 2**17
"""Elements of a matrix that are worked on together: two such blocks fit into a processor's own cache."""


@dataclass(frozen=True)
class Decoupling:
    """What counts how much in the loss of DeCUR.

    Attributes:
        common: how many dimensions, the first ones, should agree across sensors; the others should not.
        off_diagonal: weight w of off-diagonal elements.
        within: weight of the redundancies of the two views of a sensor.
        across: weight of those of the two sensors.
    """

    common: int
    off_diagonal: float
    within: float
    across: float

    def of(self, first: Tensor, second: Tensor, first_again: Tensor, second_again: Tensor) -> Tensor:
        """The loss of (n, K) embeddings of both sensors, and of their second views.

            within (R(1, 1') + R(2, 2')) + across (R(1c, 2c) + R(1u, 2u))

        with R of `redundancy`, target 1 for all but the last, which has 0, and 1c, 1u the columns of common
        and of other dimensions. A scalar, differentiable once.
        """
        rows, columns = first.shape
        if prefers_gram(columns, columns, rows):
            return self._parts(first, second, first_again, second_again)
        value: Tensor = _Decoupled.apply(first, second, first_again, second_again, self)  # type: ignore[no-untyped-call]
        return value

    def _parts(self, first: Tensor, second: Tensor, first_again: Tensor, second_again: Tensor) -> Tensor:
        c, w = self.common, self.off_diagonal
        within = redundancy(first, first_again, target=1.0, off_diagonal=w)
        within = within + redundancy(second, second_again, target=1.0, off_diagonal=w)
        common = redundancy(first[:, :c], second[:, :c], target=1.0, off_diagonal=w)
        unique = redundancy(first[:, c:], second[:, c:], target=0.0, off_diagonal=w)
        value: Tensor = self.within * within + self.across * (common + unique)
        return value

    def targets(self, like: Tensor) -> Tensor:
        """(K,) what the diagonal across sensors should be."""
        target = torch.zeros_like(like)
        target[: self.common] = 1
        return target


class _Decoupled(torch.autograd.Function):
    """`Decoupling.of` by products of rows, ||A^T B||_F^2 = <A A^T, B B^T>."""

    @staticmethod
    def forward(
        ctx: Any, first: Tensor, second: Tensor, first_again: Tensor, second_again: Tensor, terms: Decoupling
    ) -> Tensor:
        c = terms.common
        with full_precision(first.device):
            scaled = [_scaled(one) for one in (first, second, first_again, second_again)]
            a, b, a2, b2 = (y for y, _ in scaled)
            # products of the rows of a sensor: of common and of unique dimensions, and so of all
            common = [_row_products(y[:, :c]) for y in (a, b)]
            unique = [_row_products(y[:, c:]) for y in (a, b)]
            again = [_row_products(y) for y in (a2, b2)]
            whole = [one + other for one, other in zip(common, unique, strict=True)]
            n, w = len(a), terms.off_diagonal
            paired = _paired(a, a2), _paired(b, b2), _paired(a, b)
            target = terms.targets(paired[2])

            def part(diagonal: Tensor, target: Tensor | float, *energies: Tensor) -> Tensor:
                wrong: Tensor = (diagonal - target).square().sum() - w * diagonal.square().sum()
                return wrong + torch.stack(energies).sum() * (w / n**2)

            within = part(paired[0], 1.0, inner(whole[0], again[0]))
            within = within + part(paired[1], 1.0, inner(whole[1], again[1]))
            across = part(paired[2], target, inner(*common), inner(*unique))
        ctx.terms = terms
        saved = [*(one for pair in scaled for one in pair), *common, *unique, *again, *paired]
        ctx.save_for_backward(*saved)
        value: Tensor = terms.within * within + terms.across * across
        return value

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        terms: Decoupling = ctx.terms
        a, ra, b, rb, a2, ra2, b2, rb2, *rest = ctx.saved_tensors
        common, unique, again, (aa2, bb2, ab) = rest[:2], rest[2:4], rest[4:6], rest[6:]
        n, w, c = len(a), terms.off_diagonal, terms.common
        with full_precision(a.device):
            # of C_ij^2 off the diagonal: 2 w / n^2 (rows' products of the other side) times this side
            inside, beyond = (2 * w / n**2 * grad * one for one in (terms.within, terms.across))

            def slope(diagonal: Tensor, target: Tensor | float, weight: float) -> Tensor:
                return (diagonal - target - w * diagonal).mul_(2 * weight / n * grad)

            own_a, own_b = slope(aa2, 1.0, terms.within), slope(bb2, 1.0, terms.within)
            shared = slope(ab, terms.targets(ab), terms.across)
            of_a, of_b = (
                [(inside * again[k]).addcmul_(half[1 - k], beyond) for half in (common, unique)]
                for k in (0, 1)
            )
            of_a2, of_b2 = (2 * [inside * (common[k] + unique[k])] for k in (0, 1))
            return (
                _gradient(a, ra, of_a, c, [(a2, own_a), (b, shared)]),
                _gradient(b, rb, of_b, c, [(b2, own_b), (a, shared)]),
                _gradient(a2, ra2, of_a2, c, [(a, own_a)]),
                _gradient(b2, rb2, of_b2, c, [(b, own_b)]),
                None,
            )


def _row_products(y: Tensor) -> Tensor:
    """Y Y^T (n, n), without the quarter that the rest of it repeats."""
    half, product = len(y) // 2, y.new_empty(len(y), len(y))
    torch.mm(y[:half], y.t(), out=product[:half])
    torch.mm(y[half:], y[half:].t(), out=product[half:, half:])
    product[half:, :half] = product[:half, half:].t()
    return product


def _blocks(x: Tensor, start: int, stop: int) -> Iterator[slice]:
    """Columns from `start` to `stop`, on a processor in blocks that fit into its cache."""
    width = max(64, _BLOCK // len(x)) if x.device.type == "cpu" else x.shape[1]
    for first in range(start, stop, width):
        yield slice(first, min(first + width, stop))


def _scaled(x: Tensor) -> tuple[Tensor, Tensor]:
    """Columns of zero mean and unit variance, and 1 / standard deviation (1, K)."""
    scaled, inverse = torch.empty_like(x), x.new_empty(1, x.shape[1])
    for part in _blocks(x, 0, x.shape[1]):
        inverse[:, part] = cast(Tensor, UNIT_COLUMNS.apply(x[:, part], out=scaled[:, part])[1])
    return scaled, inverse


def _paired(x: Tensor, y: Tensor) -> Tensor:
    """(K,) diagonal of the cross-correlation matrix."""
    blocks = [(x[:, part] * y[:, part]).sum(dim=0) for part in _blocks(x, 0, x.shape[1])]
    return torch.cat(blocks).div_(len(x))


def _gradient(
    y: Tensor, inverse: Tensor, products: list[Tensor], common: int, beside: list[tuple[Tensor, Tensor]]
) -> Tensor:
    """The gradient for an embedding.

    Args:
        y: (n, K) the embedding, scaled.
        inverse: (1, K) what it was multiplied by.
        products: (n, n) what multiplies it from the left, of common and of other dimensions.
        common: how many dimensions are common.
        beside: others (n, K), and what multiplies their columns (K,).
    """
    out = torch.empty_like(y)
    for weights, (start, stop) in zip(products, ((0, common), (common, y.shape[1])), strict=True):
        for part in _blocks(y, start, stop):
            grad = weights @ y[:, part]
            for other, columns in beside:
                grad.addcmul_(other[:, part], columns[part])
            # as `Scaling.pull_back`: the sum over a column of all that is added up here is 0 already
            along = (grad * y[:, part]).sum(dim=0).div_(-len(y)) * inverse[0, part]
            torch.mul(grad, inverse[:, part], out=out[:, part]).addcmul_(y[:, part], along)
    return out
