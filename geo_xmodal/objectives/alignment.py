"""Features of two sensors that should be the same numbers."""

from __future__ import annotations

from torch import Tensor

from geo_xmodal import processes
from geo_xmodal.objectives.term import Term


class Alignment(Term):
    """Mean absolute difference of the shared features of a pair (ShaSpec, Wang et al. 2023, section 3.2)."""

    def value(self, f: Tensor, g: Tensor) -> Tensor:
        """Of (n, features) each, the mean over pixels and features."""
        return processes.mean((f - g).abs().sum() / f.shape[1], len(f))
