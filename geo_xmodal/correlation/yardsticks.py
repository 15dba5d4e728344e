"""Cosine similarity and dot product: what nothing should be slower than, and little better."""

from __future__ import annotations

from torch import Tensor

from geo_xmodal.correlation.features import centre, unit_rows
from geo_xmodal.correlation.objective import Objective
from geo_xmodal.correlation.trace_term import inner


class Cosine(Objective):
    """Cosine: mean cosine similarity of paired, centred rows.

    As it stands in the code: U = 1/m sum_i f_i . g_i / (||f_i|| ||g_i||), columns centred over the batch.
    Nothing keeps the dimensions apart.
    """

    def score(self, views: tuple[Tensor, ...], labels: Tensor | None) -> Tensor:
        """Normalise each modality once, then sum over pairs."""
        return super().score(tuple(unit_rows(x) for x in views), labels)

    def pair(self, f: Tensor, g: Tensor) -> Tensor:
        """The objective of two normalised modalities."""
        return inner(f, g) / f.shape[0]


class Dot(Objective):
    """Dot: trace of the cross-covariance, unbounded.

    As it stands in the code: U = <F, G> / (m-1) for centred F, G: Soft-HGR without its trace term, so larger
    features always score higher.
    """

    def score(self, views: tuple[Tensor, ...], labels: Tensor | None) -> Tensor:
        """Centre each modality once, then sum over pairs."""
        return super().score(tuple(centre(x) for x in views), labels)

    def pair(self, f: Tensor, g: Tensor) -> Tensor:
        """The objective of two centred modalities."""
        return inner(f, g) / (f.shape[0] - 1)
