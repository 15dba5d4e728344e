"""CorrNet's correlation term."""

from __future__ import annotations

from torch import Tensor

from geo_xmodal.correlation.features import unit_columns
from geo_xmodal.correlation.objective import Objective
from geo_xmodal.correlation.trace_term import inner


class CorrNet(Objective):
    """CorrNet: Pearson correlation of each dimension, summed.

    As it stands in the code, for z = (x - mean) / sd over the batch:

        U = sum_k <z_fk, z_gk> / m

    Nothing decorrelates the dimensions: over all feature functions its maximum is K sigma_1, every dimension
    repeating the first maximal correlation function. In CorrNet the reconstruction of both modalities keeps
    the dimensions apart; a method that uses this objective should have such a term.

    Source: Chandar, Khapra, Larochelle, Ravindran (Neural Computation 2016), "Correlational Neural Networks".
    """

    def score(self, views: tuple[Tensor, ...], labels: Tensor | None) -> Tensor:
        """Normalise each modality once, then sum over pairs."""
        return super().score(tuple(unit_columns(x) for x in views), labels)

    def pair(self, f: Tensor, g: Tensor) -> Tensor:
        """The objective of two normalised modalities."""
        return inner(f, g) / f.shape[0]
