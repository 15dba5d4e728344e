"""The rich sensor's side of a pair: its bands condensed, and heads on them. It never leaves training."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.networks import SpectralEncoder, Standardize
from geo_xmodal.patches import joined_patches
from geo_xmodal.types import TrainingData

CHUNK = 256


class RichInput(nn.Module):
    """Rich patches to whitened principal components of their mean spectrum, from training pairs only.

    Hundreds of bands are strongly correlated, labels are few: whitened leading components are what a small
    network learns from them best. (n, band, row, col) raw -> (n, features), the mean of the pixels up to
    `radius` from the middle; NaN rows where none of them has data.
    """

    def __init__(self, data: TrainingData, components: int, radius: int) -> None:
        super().__init__()
        if data.rich is None:
            raise TrainingDataError("there is no rich sensor in the training data")
        self.radius = radius
        self.standardize = Standardize(data.rich.statistics)
        groups = (data.labelled_pairs, data.unlabelled_pairs)
        rich = joined_patches([group.rich for group in groups if group.rich is not None])
        spectra = torch.cat([self._mean_of(torch.from_numpy(part)) for part in rich.parts(CHUNK)])
        spectra = spectra[spectra.isfinite().all(1)].double()
        if len(spectra) < 2:
            raise TrainingDataError(f"{len(spectra)} pixels have rich data; the components need two at least")
        mean = spectra.mean(0)
        _, values, axes = torch.linalg.svd(spectra - mean, full_matrices=False)
        kept = min(components, int((values > values[0] * 1e-6).sum()))
        axes = axes[:kept] * torch.sign(axes[:kept].gather(1, axes[:kept].abs().argmax(1, keepdim=True)))
        self.features = kept
        self.mean: Tensor
        self.whiten: Tensor
        self.register_buffer("mean", mean.float())
        self.register_buffer("whiten", (axes.T / values[:kept] * (len(spectra) - 1) ** 0.5).float())

    def _mean_spectrum(self, rich: Tensor) -> Tensor:
        """(n, band): the mean over the pixels of a patch that have data; in parts that fit the cache."""
        return torch.cat([self._mean_of(part) for part in torch.split(rich, CHUNK)])

    def _mean_of(self, rich: Tensor) -> Tensor:
        cut = rich.shape[-1] // 2 - self.radius
        rich = rich[:, :, cut : rich.shape[2] - cut, cut : rich.shape[3] - cut]
        present = rich.isfinite().all(1, keepdim=True)
        total = (self.standardize(rich) * present).sum((2, 3))
        return cast(Tensor, total / present.sum((2, 3)))

    def forward(self, rich: Tensor) -> Tensor:
        """(n, features), of unit variance over the training pairs."""
        return (self._mean_spectrum(rich) - self.mean) @ self.whiten

    def patches(self, rich: Tensor) -> Tensor:
        """(n, features, row, col): the components of every pixel, 0 where a neighbour has no data."""
        return torch.cat([self._components_of(part) for part in torch.split(rich, CHUNK)])

    def _components_of(self, rich: Tensor) -> Tensor:
        spectra = self.standardize(rich).movedim(1, -1) - self.mean
        present = rich.isfinite().all(1)[..., None]
        return cast(Tensor, ((spectra @ self.whiten) * present).movedim(-1, 1))


class SpectralHead(nn.Sequential):
    """A small classifier of vectors: (n, features) -> (n, classes) logits."""

    def __init__(self, features: int, width: int, embedding: int, classes: int, dropout: float) -> None:
        super().__init__(
            SpectralEncoder(features, (width,), embedding, dropout),
            embedding_head(embedding, classes, dropout),
        )


def embedding_head(embedding: int, classes: int, dropout: float) -> nn.Sequential:
    """Norm, ReLU, dropout and a linear layer: the same head as the target branch's, on vectors."""
    return nn.Sequential(
        nn.BatchNorm1d(embedding), nn.ReLU(), nn.Dropout(dropout), nn.Linear(embedding, classes)
    )
