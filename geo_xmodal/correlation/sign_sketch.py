"""A random sum of rows or columns that keeps inner products right on average."""

from __future__ import annotations

import torch
from torch import Tensor


class SignSketch:
    """A balanced count sketch: samples or columns of a matrix, summed with random signs into r buckets.

    For the (r, m) sketch S of samples, E[S^T S] = I, so (S X)^T (S X) estimates X^T X without bias; that of
    columns is X S^T. Applying S costs one pass over X whatever r is. Element i goes to bucket i mod r:
    neighbours in the batch, alike when patches were cut side by side, do not meet in one bucket.

    Source: Charikar, Chen, Farach-Colton (2002), "Finding frequent items in data streams".

    Attributes:
        dim: what is summed, 0 for samples and 1 for columns.
        buckets: number of buckets r.
    """

    def __init__(self, signs: Tensor, buckets: int, dim: int) -> None:
        self.buckets, self.dim = buckets, dim
        self.whole = signs.shape[0] // buckets * buckets
        self.rest = signs.shape[0] - self.whole
        self.signs = signs.unsqueeze(1 - dim)

    @classmethod
    def random(cls, like: Tensor, buckets: int, dim: int, generator: torch.Generator | None) -> SignSketch:
        """Draw signs for the samples or columns of `like`."""
        n = like.shape[dim]
        bits = torch.randint(0, 2, (n,), dtype=like.dtype, device=like.device, generator=generator)
        return cls(bits.mul_(2).sub_(1), buckets, dim)

    def collect(self, x: Tensor) -> Tensor:
        """S X, (m, K) -> (r, K), or X S^T, (m, K) -> (m, r)."""
        signed = x * self.signs
        out = self._in_buckets(signed).sum(dim=self.dim)
        if self.rest:
            out.narrow(self.dim, 0, self.rest).add_(signed.narrow(self.dim, self.whole, self.rest))
        return out

    def spread_onto(self, base: Tensor, y: Tensor) -> Tensor:
        """Add S^T Y, (r, K) -> (m, K), or Y S, (m, r) -> (m, K), to `base` in place."""
        self._in_buckets(base).addcmul_(self._in_buckets(self.signs), y.unsqueeze(self.dim))
        if self.rest:
            signs = self.signs.narrow(self.dim, self.whole, self.rest)
            base.narrow(self.dim, self.whole, self.rest).addcmul_(signs, y.narrow(self.dim, 0, self.rest))
        return base

    def _in_buckets(self, x: Tensor) -> Tensor:
        """View of all but the last, ragged round with dimension `dim` split into (rounds, buckets)."""
        rounds = x.narrow(self.dim, 0, self.whole)
        return rounds.view(*x.shape[: self.dim], -1, self.buckets, *x.shape[self.dim + 1 :])
