"""The one expensive number in Soft-HGR and its kin: ||F G^T||_F^2 = tr((F^T F)(G^T G)).

It is taken in the cheaper of two exact forms, or from an unbiased sketch, and differentiated by hand together
with the centring and scaling before it: autograd would run six matrix products in the covariance form where
four do, and record a node for every step in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from geo_xmodal.correlation.features import FeatureError, Scaling, full_precision
from geo_xmodal.correlation.sign_sketch import SignSketch


@dataclass(frozen=True)
class _Terms:
    """What `inner_minus_energy` is asked."""

    a: float
    b: float
    diagonal: float
    norms: float
    scaling: Scaling | None
    across: bool

    def scale(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """A scaled modality, and what its scaling was divided by."""
        return (x, None) if self.scaling is None else self.scaling.apply(x)

    def paired(self, f: Tensor, g: Tensor) -> Tensor | None:
        """The products p_i whose squares are on the diagonal of the energy, if that has its own weight."""
        return None if self.diagonal == self.b else (f * g).sum(dim=0 if self.across else 1)

    def value(
        self, f: Tensor, g: Tensor, energy: Tensor, paired: Tensor | None
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """The objective from the full energy, and the squared norms of rows that its gradient needs."""
        value = -self.b * energy
        if self.a:
            value = value + self.a * (inner(f, g) if paired is None else paired.sum())
        if paired is not None and self.diagonal != self.b:
            value = value + (self.b - self.diagonal) * torch.dot(paired, paired)
        if not self.norms:
            return value, None, None
        u, v = _squared_norms(f), _squared_norms(g)
        return value + self.norms * torch.dot(u, v), u, v

    def onto(self, grad: Tensor, paired: Tensor | None) -> Tensor:
        """What multiplies row i of Y in the gradient for X, and of X in that for Y, apart from the energy."""
        if paired is None:
            return self.a * grad
        return torch.add(self.a, paired, alpha=2 * (self.b - self.diagonal)).mul_(grad)[:, None]

    def finish(
        self,
        d: Tensor,
        grad: Tensor,
        scaled: tuple[Tensor, Tensor | None],
        norms: Tensor | None,
        *,
        is_centred: bool = False,
    ) -> Tensor:
        """The gradient for a modality as it was given, from that for the scaled one, which it overwrites.

        Args:
            d: (m, K) gradient but for the norms.
            grad: gradient of the objective.
            scaled: the modality as `scale` returned it.
            norms: squared norms of the other modality's rows, if these count.
            is_centred: whether the columns of `d` sum to 0 already.
        """
        y, inverse = scaled
        if norms is not None:
            d.addcmul_(y, (norms * (2 * self.norms * grad))[:, None])
        if self.scaling is None or (is_centred and inverse is None):
            return d
        return self.scaling.pull_back(d, y, inverse, out=d)


class _Exact(torch.autograd.Function):
    """The objective with the fewest matrix products that value and gradient need."""

    @staticmethod
    def forward(ctx: Any, f: Tensor, g: Tensor, terms: _Terms) -> Tensor:
        (f, f_inverse), (g, g_inverse) = terms.scale(f), terms.scale(g)
        x, y = (f.t(), g.t()) if terms.across else (f, g)
        ctx.terms, ctx.gram = terms, prefers_gram(x.shape[0], y.shape[0], x.shape[1])
        if ctx.gram:
            left = right = x @ y.t()
            paired = left.diagonal() if terms.a else terms.paired(f, g)
        else:
            left, right = x.t() @ x, y.t() @ y
            paired = terms.paired(f, g)
        value, u, v = terms.value(f, g, inner(left, right), paired)
        ctx.save_for_backward(f, g, f_inverse, g_inverse, u, v, left, right, paired)
        return value

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        f, g, f_inverse, g_inverse, u, v, left, right, paired = ctx.saved_tensors
        terms: _Terms = ctx.terms
        x, y = (f.t(), g.t()) if terms.across else (f, g)
        need_f, need_g = ctx.needs_input_grad[:2]
        df = dg = None
        with full_precision(f.device):
            onto, slope = terms.onto(grad, paired), -2.0 * terms.b * grad
            if ctx.gram:
                # What is not energy rides along in the product: dX = (D - 2b P) Y, dY = (D - 2b P)^T X.
                weights = left * slope
                if paired is not None:
                    weights.diagonal().add_(onto[:, 0])
                df = _product(weights, y) if need_f else None
                dg = _product(weights.t(), x) if need_g else None
            else:
                own = onto if terms.a or paired is not None else None
                df = _product_plus(x, right * slope, y, own) if need_f else None
                dg = _product_plus(y, left * slope, x, own) if need_g else None
            # The gradient for centred F and G has zero column sums, where every row counts alike.
            alike = terms.diagonal == terms.b and not terms.norms
            if df is not None:
                df = df.t() if terms.across else df
                df = terms.finish(df, grad, (f, f_inverse), v, is_centred=alike)
            if dg is not None:
                dg = dg.t() if terms.across else dg
                dg = terms.finish(dg, grad, (g, g_inverse), u, is_centred=alike)
        return df, dg, None


class _Sketched(torch.autograd.Function):
    """The objective with the energy of (S F)(S' G)^T for independent sketches S and S'."""

    @staticmethod
    def forward(
        ctx: Any, f: Tensor, g: Tensor, sketch_f: SignSketch, sketch_g: SignSketch, terms: _Terms
    ) -> Tensor:
        (f, f_inverse), (g, g_inverse) = terms.scale(f), terms.scale(g)
        paired = terms.paired(f, g)
        ctx.terms, ctx.sketch_f, ctx.sketch_g = terms, sketch_f, sketch_g
        left, right = sketch_f.collect(f), sketch_g.collect(g)
        product = left.t() @ right if terms.across else left @ right.t()
        value, u, v = terms.value(f, g, inner(product, product), paired)
        ctx.save_for_backward(f, g, f_inverse, g_inverse, u, v, left, right, product, paired)
        return value

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        f, g, f_inverse, g_inverse, u, v, left, right, product, paired = ctx.saved_tensors
        terms: _Terms = ctx.terms
        need_f, need_g = ctx.needs_input_grad[:2]
        df = dg = None
        with full_precision(f.device):
            onto = terms.onto(grad, paired)
            onto = onto.t() if terms.across else onto
            weights = product * (-2.0 * terms.b * grad)
            if need_f:
                spread = right @ weights.t() if terms.across else weights @ right
                df = ctx.sketch_f.spread_onto(g * onto, spread)
                df = terms.finish(df, grad, (f, f_inverse), v)
            if need_g:
                spread = left @ weights if terms.across else weights.t() @ left
                dg = ctx.sketch_g.spread_onto(f * onto, spread)
                dg = terms.finish(dg, grad, (g, g_inverse), u)
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
    diagonal: float | None = None,
    norms: float = 0.0,
    scaling: Scaling | None = None,
    across: bool = False,
    sketch: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """A multiple of <F, G> = sum_i f_i . g_i less a multiple of ||F G^T||_F^2 = sum_ij (f_i . g_j)^2.

    As it stands in the code, for X = F, Y = G and P = X Y^T, or across X = F^T, Y = G^T, where
    ||P||_F^2 = ||F^T G||_F^2 = sum_ij (f_i . f_j)(g_i . g_j):

        a <F, G>  -  b sum_{i != j} P_ij^2  -  d sum_i P_ii^2  +  c sum_i |f_i|^2 |g_i|^2

    Args:
        f: (m, K) matrix.
        g: (m', K) matrix; m' = m unless a = 0.
        a: weight of the inner product.
        b: weight of the energy.
        diagonal: weight d of the energy's diagonal; b by default, and another only with a > 0 or exact.
        norms: weight c; c = b leaves the terms i = j out of the energy across.
        scaling: applied to F and G first, cheaper here than beforehand; None for F and G as they are.
        across: take the energy of the transposes.
        sketch: None for the exact value, in Gram or covariance form, whichever is cheaper; or the number of
            buckets r of an unbiased random sketch (over the signs, value and gradient are expected to be the
            exact ones). Exact all the same where r is not smaller than the number of rows of X.
        generator: source of the sketch's signs; torch's own by default.

    Returns:
        A scalar, differentiable once.
    """
    terms = _Terms(a, b, b if diagonal is None else diagonal, norms, scaling, across)
    dim = 1 if across else 0
    value: Tensor
    if sketch is None or sketch >= min(f.shape[dim], g.shape[dim]):
        value = _Exact.apply(f, g, terms)  # type: ignore[no-untyped-call]
    else:
        signs = (SignSketch.random(x, sketch, dim, generator) for x in (f, g))
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


def _squared_norms(x: Tensor) -> Tensor:
    """|x_i|^2 of each row."""
    norms: Tensor = torch.linalg.vector_norm(x, dim=1)
    return norms.square_()


def _product(weights: Tensor, x: Tensor) -> Tensor:
    """W X in the memory order of X, so that what is added to it later runs along memory."""
    return weights @ x if x.is_contiguous() else (x.t() @ weights.t()).t()


def _product_plus(x: Tensor, weights: Tensor, y: Tensor, own: Tensor | None) -> Tensor:
    """X W + own Y, added up inside the product; X W alone without own, when Y may have other rows."""
    return x @ weights if own is None else (y * own).addmm_(x, weights)
