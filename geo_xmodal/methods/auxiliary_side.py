"""The auxiliary sensor's side of a pair: its bands condensed, and heads on them. It never leaves training."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator
from typing import cast

import torch
from torch import Tensor, nn

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods.rows import Rows, StoredRows
from geo_xmodal.networks import SpectralEncoder, Standardize
from geo_xmodal.patches import FloatArray, LocalFunction, Patches, joined_patches
from geo_xmodal.types import TrainingData

CHUNK = 256

PIXELS = 4096
"""Pixels whose components are computed at a time: their bands fit into the cache."""


class AuxiliaryInput(nn.Module):
    """Auxiliary patches to whitened principal components of their mean spectrum, from training pairs only.

    Hundreds of bands are strongly correlated, labels are few: whitened leading components are what a small
    network learns from them best. (n, band, row, col) raw -> (n, features), the mean of the pixels up to
    `radius` from the middle; NaN rows where none of them has data.
    """

    def __init__(self, data: TrainingData, components: int, radius: int) -> None:
        super().__init__()
        if data.auxiliary is None:
            raise TrainingDataError("there is no auxiliary sensor in the training data")
        self.radius = min(radius, data.auxiliary_margin)
        self.standardize = Standardize(data.auxiliary.statistics)
        groups = (data.labelled_pairs, data.unlabelled_pairs)
        auxiliary = joined_patches([group.auxiliary for group in groups if group.auxiliary is not None])
        count, mean, values, axes = self._axes(auxiliary)
        kept = min(components, int((values > values[0] * 1e-6).sum()))
        axes = axes[:kept] * torch.sign(axes[:kept].gather(1, axes[:kept].abs().argmax(1, keepdim=True)))
        self.features = kept
        self.mean: Tensor
        self.whiten: Tensor
        self.register_buffer("mean", mean.float())
        self.register_buffer("whiten", (axes.T / values[:kept] * (count - 1) ** 0.5).float())

    def _axes(self, auxiliary: Patches) -> tuple[int, Tensor, Tensor, Tensor]:
        """How many spectra there are, their mean, and singular values and axes around it, float64."""
        if auxiliary.held is not None:
            spectra = torch.cat(list(self._spectra(auxiliary)))
            count, mean = self._enough(len(spectra)), spectra.mean(0)
            _, values, axes = torch.linalg.svd(spectra - mean, full_matrices=False)
            return count, mean, values, axes
        count, bands = 0, auxiliary.shape[1]
        total, squares = torch.zeros(bands).double(), torch.zeros(bands, bands).double()
        # standardised bands have means near 0: their squares do not cancel
        for part in self._spectra(auxiliary.cropped(self.radius)):
            count += len(part)
            total += part.sum(0)
            squares += part.T @ part
        mean = total / self._enough(count)
        variances, columns = torch.linalg.eigh(squares - count * mean[:, None] * mean)
        return count, mean, variances.flip(0).clamp(min=0).sqrt(), columns.T.flip(0)

    def _enough(self, count: int) -> int:
        if count < 2:
            raise TrainingDataError(f"{count} pixels have auxiliary data; the components need two at least")
        return count

    def _spectra(self, auxiliary: Patches) -> Iterator[Tensor]:
        """(n, band) mean spectra, of pixels that have any, some at a time."""
        for part in auxiliary.parts(CHUNK):
            spectra = self._mean_of(torch.from_numpy(part))
            yield spectra[spectra.isfinite().all(1)].double()

    def condensed(self, auxiliary: Rows, around: bool) -> Rows:
        """(n, features) of auxiliary patches, followed with `around` by those of every pixel, flat.

        Patches on disk get the components of every pixel beside them: they are a tenth of the bands.
        """
        condense = copy.deepcopy(self)  # stays where it is, as pools do

        def numbers(patches: Tensor) -> Tensor:
            middle = condense(patches)
            return torch.cat([middle, condense.patches(patches).flatten(1)], 1) if around else middle

        def of_components(components: Tensor) -> Tensor:
            cut = components.shape[-1] // 2 - self.radius
            near = components[:, :, cut : components.shape[2] - cut, cut : components.shape[3] - cut]
            middle = near.nansum((2, 3)) / near[:, :1].isfinite().sum((2, 3))
            return torch.cat([middle, components.nan_to_num().flatten(1)], 1) if around else middle

        if isinstance(auxiliary, StoredRows):
            return StoredRows(auxiliary.patches.derived(condense._pixelwise())).mapped(of_components)
        return auxiliary.mapped(numbers)

    def _pixelwise(self) -> LocalFunction:
        """The components of a pixel, NaN where it has no data."""
        of = self._folded() if self._is_linear else self._whole

        def components(images: FloatArray) -> FloatArray:
            pixels = images.reshape(-1, images.shape[-1])
            parts = (torch.from_numpy(pixels[k : k + PIXELS].copy()) for k in range(0, len(pixels), PIXELS))
            made = [torch.where(part.isfinite().all(1, keepdim=True), of(part), torch.nan) for part in parts]
            return cast(FloatArray, torch.cat(made).numpy().reshape(*images.shape[:3], -1))

        digest = hashlib.sha256(repr(self.standardize.statistics).encode())
        for tensor in (self.mean, self.whiten):
            digest.update(tensor.numpy().tobytes())
        return LocalFunction(digest.hexdigest()[:16], self.features, 0, components)

    @property
    def _is_linear(self) -> bool:
        return set(self.standardize.statistics.transform) == {"identity"}

    def _whole(self, pixels: Tensor) -> Tensor:
        """(n, features) of pixels (n, band) that have data."""
        spectra: Tensor = self.standardize(pixels[:, :, None, None]).flatten(1)
        return (spectra - self.mean) @ self.whiten

    def _folded(self) -> Callable[[Tensor], Tensor]:
        """The same where bands keep their scale: one product, as a store has millions of pixels."""
        parts = self.standardize
        low, high, mean, std = (one.flatten() for one in (parts.low, parts.high, parts.mean, parts.std))
        weights = self.whiten.double() / std.double()[:, None]
        offset = -(mean.double() @ weights + self.mean.double() @ self.whiten.double())
        single, moved = weights.float(), offset.float()
        return lambda pixels: torch.addmm(moved, pixels.clamp(low, high), single)

    def _mean_spectrum(self, auxiliary: Tensor) -> Tensor:
        """(n, band): the mean over the pixels of a patch that have data; in parts that fit the cache."""
        return torch.cat([self._mean_of(part) for part in torch.split(auxiliary, CHUNK)])

    def _mean_of(self, auxiliary: Tensor) -> Tensor:
        cut = auxiliary.shape[-1] // 2 - self.radius
        auxiliary = auxiliary[:, :, cut : auxiliary.shape[2] - cut, cut : auxiliary.shape[3] - cut]
        present = auxiliary.isfinite().all(1, keepdim=True)
        total = (self.standardize(auxiliary) * present).sum((2, 3))
        return cast(Tensor, total / present.sum((2, 3)))

    def forward(self, auxiliary: Tensor) -> Tensor:
        """(n, features), of unit variance over the training pairs."""
        return (self._mean_spectrum(auxiliary) - self.mean) @ self.whiten

    def patches(self, auxiliary: Tensor) -> Tensor:
        """(n, features, row, col): the components of every pixel, 0 where a neighbour has no data."""
        return torch.cat([self._components_of(part) for part in torch.split(auxiliary, CHUNK)])

    def _components_of(self, auxiliary: Tensor) -> Tensor:
        spectra = self.standardize(auxiliary).movedim(1, -1) - self.mean
        present = auxiliary.isfinite().all(1)[..., None]
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
