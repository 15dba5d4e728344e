"""The one expensive number in Soft-HGR and its kin: ||F G^T||_F^2 = tr((F^T F)(G^T G)).

It is taken in the cheaper of two exact forms, or from an unbiased sketch, and differentiated by hand:
autograd would run six matrix products in the covariance form where four do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from geo_xmodal.correlation.features import FeatureError, full_precision, subtract_mean


class SignSketch:
    """Sum the rows of a matrix, each with a random sign, into r buckets: a count sketch, buckets balanced.

    For the (r, m) sketch S, E[S^T S] = I, so (S X)^T (S X) estimates X^T X without bias. Applying S costs
    one pass over X whatever r is. Row i goes to bucket i mod r: neighbours in the batch, alike when patches
    were cut side by side, do not meet in one bucket.

    Source: Charikar, Chen, Farach-Colton (2002), "Finding frequent items in data streams".
    """

    def __init__(self, signs: Tensor, buckets: int) -> None:
        self.buckets = buckets
        self.whole = signs.shape[0] // buckets * buckets
        self.signs = signs[:, None]

    @classmethod
    def random(cls, like: Tensor, buckets: int, generator: torch.Generator | None) -> SignSketch:
        """Draw signs for the rows of `like`."""
        bits = torch.randint(0, 2, (like.shape[0],), device=like.device, generator=generator)
        return cls(bits.to(like.dtype).mul_(2).sub_(1), buckets)

    def collect(self, x: Tensor) -> Tensor:
        """S X: (m, K) -> (r, K)."""
        signed = x * self.signs
        out = signed[: self.whole].view(-1, self.buckets, x.shape[1]).sum(dim=0)
        out[: x.shape[0] - self.whole].add_(signed[self.whole :])
        return out

    def spread_onto(self, base: Tensor, y: Tensor) -> Tensor:
        """Add S^T Y to `base` in place: (r, K) -> (m, K)."""
        signs = self.signs[: self.whole].view(-1, self.buckets, 1)
        base[: self.whole].view(-1, self.buckets, base.shape[1]).addcmul_(signs, y)
        base[self.whole :].addcmul_(self.signs[self.whole :], y[: base.shape[0] - self.whole])
        return base


@dataclass(frozen=True)
class _Terms:
    """Which multiples of <F, G> and ||F G^T||_F^2 are taken.

    Attributes:
        a: weight of the inner product.
        b: weight of the energy.
        centred: whether F and G are centred already.
        diagonal: whether the terms (f_i . g_i)^2 belong to the energy.
    """

    a: float
    b: float
    centred: bool
    diagonal: bool

    def prepare(self, f: Tensor, g: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Centred F and G, and the products f_i . g_i where they are needed by themselves."""
        if not self.centred:
            f, g = subtract_mean(f), subtract_mean(g)
        return f, g, None if self.diagonal else (f * g).sum(dim=1)

    def value(self, f: Tensor, g: Tensor, energy: Tensor, paired: Tensor | None) -> Tensor:
        """The objective from the full energy."""
        if paired is not None:
            return self.a * paired.sum() - self.b * (energy - torch.dot(paired, paired))
        return self.a * inner(f, g) - self.b * energy if self.a else -self.b * energy

    def row_weights(self, grad: Tensor, paired: Tensor | None) -> Tensor:
        """What multiplies row i of G in the gradient of row i of F, apart from the energy."""
        return self.a * grad if paired is None else (self.a * grad + 2 * self.b * grad * paired)[:, None]


class _Exact(torch.autograd.Function):
    """a <F, G> - b ||F G^T||_F^2 with the fewest matrix products that value and gradient need."""

    @staticmethod
    def forward(ctx: Any, f: Tensor, g: Tensor, terms: _Terms) -> Tensor:
        f, g, paired = terms.prepare(f, g)
        ctx.terms = terms
        ctx.gram = prefers_gram(f.shape[0], g.shape[0], f.shape[1])
        left, right = (f @ g.t(),) * 2 if ctx.gram else (f.t() @ f, g.t() @ g)
        ctx.save_for_backward(f, g, left, right, paired)
        return terms.value(f, g, inner(left, right), paired)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        f, g, left, right, paired = ctx.saved_tensors
        need_f, need_g = ctx.needs_input_grad[:2]
        terms, df, dg = ctx.terms, None, None
        # The gradient for centred F and G has zero column sums, so it is the gradient for the raw ones too.
        with full_precision(f.device):
            if ctx.gram:
                # The linear term rides along in the product: dF = (a I - 2b P) G, dG = (a I - 2b P)^T F.
                weights = left * (-2.0 * terms.b * grad)
                if paired is not None:
                    weights.diagonal().copy_(terms.a * grad)
                elif terms.a:
                    weights.diagonal().add_(terms.a * grad)
                df = _product(weights, g) if need_f else None
                dg = _product(weights.t(), f) if need_g else None
            else:
                own = terms.row_weights(grad, paired) if terms.a else None
                df = _product_plus(f, right * (-2.0 * terms.b * grad), g, own) if need_f else None
                dg = _product_plus(g, left * (-2.0 * terms.b * grad), f, own) if need_g else None
        return df, dg, None


class _Sketched(torch.autograd.Function):
    """a <F, G> - b ||(S F)(S' G)^T||_F^2 for independent sketches S and S'."""

    @staticmethod
    def forward(
        ctx: Any, f: Tensor, g: Tensor, sketch_f: SignSketch, sketch_g: SignSketch, terms: _Terms
    ) -> Tensor:
        f, g, paired = terms.prepare(f, g)
        ctx.terms, ctx.sketch_f, ctx.sketch_g = terms, sketch_f, sketch_g
        left, right = sketch_f.collect(f), sketch_g.collect(g)
        product = left @ right.t()
        ctx.save_for_backward(f, g, left, right, product, paired)
        return terms.value(f, g, inner(product, product), paired)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        f, g, left, right, product, paired = ctx.saved_tensors
        need_f, need_g = ctx.needs_input_grad[:2]
        own = ctx.terms.row_weights(grad, paired)
        with full_precision(f.device):
            weights = product * (-2.0 * ctx.terms.b * grad)
            df = ctx.sketch_f.spread_onto(g * own, weights @ right) if need_f else None
            dg = ctx.sketch_g.spread_onto(f * own, weights.t() @ left) if need_g else None
        if not ctx.terms.centred:
            df, dg = (d if d is None else d.sub_(d.mean(dim=0)) for d in (df, dg))
        return df, dg, None, None, None


class _SelfEnergy(torch.autograd.Function):
    """||X X^T||_F^2 = ||X^T X||_F^2 by two products: one for the value, one for the gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.gram = x.shape[0] <= x.shape[1]
        square = x @ x.t() if ctx.gram else x.t() @ x
        ctx.save_for_backward(x, square)
        return inner(square, square)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        x, square = ctx.saved_tensors
        with full_precision(x.device):
            weights = square * (4.0 * grad)
            product: Tensor = weights @ x if ctx.gram else x @ weights
            return product


def inner_minus_energy(
    f: Tensor,
    g: Tensor,
    *,
    a: float,
    b: float,
    centred: bool = True,
    diagonal: bool = True,
    sketch: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """A multiple of <F, G> = sum_i f_i . g_i less a multiple of ||F G^T||_F^2 = sum_ij (f_i . g_j)^2.

    As it stands in the code: a <F, G> - b ||F G^T||_F^2.

    Args:
        f: (m, K) matrix, or the transpose of one.
        g: (m', K) matrix, or the transpose of one if f is; m' = m unless a = 0.
        a: weight of the inner product.
        b: weight of the energy.
        centred: False to subtract the column means of F and G first, cheaper here than beforehand; only with
            `diagonal`.
        diagonal: False to leave the terms i = j out of the energy; only with m' = m and a > 0.
        sketch: None for the exact value, in Gram or covariance form, whichever is cheaper; or the number of
            buckets r of an unbiased random sketch (over the signs, value and gradient are expected to be the
            exact ones). Exact all the same where r is not smaller than the number of rows.
        generator: source of the sketch's signs; torch's own by default.

    Returns:
        A scalar, differentiable once.
    """
    terms = _Terms(a, b, centred, diagonal)
    value: Tensor
    if sketch is None or sketch >= min(f.shape[0], g.shape[0]):
        value = _Exact.apply(f, g, terms)  # type: ignore[no-untyped-call]
    else:
        signs = (SignSketch.random(x, sketch, generator) for x in (f, g))
        value = _Sketched.apply(f, g, *signs, terms)  # type: ignore[no-untyped-call]
    return value


def self_energy(x: Tensor) -> Tensor:
    """||X^T X||_F^2, differentiable once."""
    value: Tensor = _SelfEnergy.apply(x)  # type: ignore[no-untyped-call]
    return value


def check_sketch(sketch: int | None) -> int | None:
    """Refuse a sketch without probes.

    Raises:
        FeatureError: fewer than one probe.
    """
    if sketch is not None and sketch < 1:
        raise FeatureError(f"sketch must be at least 1 probe, got {sketch}; leave it out for the exact value")
    return sketch


def prefers_gram(rows_f: int, rows_g: int, columns: int) -> bool:
    """Whether three products F G^T cost no more than two each of F^T F and G^T G (value and gradient)."""
    return 3 * rows_f * rows_g <= 2 * columns * (rows_f + rows_g)


def inner(x: Tensor, y: Tensor) -> Tensor:
    """<X, Y> in one pass, without their elementwise product in memory."""
    if not x.is_contiguous():
        x, y = x.t(), y.t()
    return torch.dot(x.reshape(-1), y.reshape(-1))


def _product(weights: Tensor, x: Tensor) -> Tensor:
    """W X in the memory order of X, so that what is added to it later runs along memory."""
    return weights @ x if x.is_contiguous() else (x.t() @ weights.t()).t()


def _product_plus(x: Tensor, weights: Tensor, y: Tensor, own: Tensor | None) -> Tensor:
    """X W + own Y, added up inside the product; X W alone without own, when Y may have other rows."""
    return x @ weights if own is None else (y * own).addmm_(x, weights)
