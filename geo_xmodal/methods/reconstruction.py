"""Reconstruction of what a sensor measured: what is to be reconstructed, and decoders.

The decoders mirror the encoders and end in sigmoids (X-ModalNet, Table 2, "Reconstruction"), so what they
reconstruct is each band between 0 and 1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from geo_xmodal.methods.auxiliary_side import AuxiliaryInput
from geo_xmodal.methods.base import Pool
from geo_xmodal.methods.paper_options import PaperOptions
from geo_xmodal.methods.rows import CHUNK, absent
from geo_xmodal.networks import Standardize
from geo_xmodal.types import BandStatistics, ModalitySummary, TrainingData

MIN_SPAN = 1e-6


class UnitScale(nn.Module):
    """Standardised band values to 0..1: 0 at the lower clipping limit of each band, 1 at the upper.

    The paper's family of code scales each band by its minimum and maximum over the whole image. The limits
    here are the percentiles of `BandStatistics`, from training pixels only, on the same scale as the input.
    """

    def __init__(self, statistics: BandStatistics) -> None:
        super().__init__()
        standardize = Standardize(statistics)
        low, high = standardize(standardize.low), standardize(standardize.high)
        self.low: Tensor
        self.span: Tensor
        self.register_buffer("low", low.flatten(), persistent=False)
        self.register_buffer("span", (high - low).flatten().clamp(min=MIN_SPAN), persistent=False)

    def forward(self, standardised: Tensor) -> Tensor:
        """(n, band, ...) to the same shape; what was missing is where the training mean is."""
        shape = (1, -1, *(1 for _ in standardised.shape[2:]))
        return ((standardised - self.low.reshape(shape)) / self.span.reshape(shape)).clamp(0, 1)


class PatchDecoder(nn.Sequential):
    """(n, features) to target patches of values in 0..1, (n, band, p, p) with p = 1 + sum(kernel - 1).

    A fully-connected layer, then transposed convolutions that undo the valid ones in reverse order: Table 2
    with kernels 5, 3 and widths 32, 64 is FC 64, 3 x 3 to 32, 5 x 5 to the bands. Batch norm, then Tanh, the
    last one a sigmoid; no dropout.
    """

    def __init__(
        self,
        features: int,
        bands: int,
        kernels: Sequence[int] = (5, 3),
        widths: Sequence[int] = (32, 64),
        batch_norm: bool = True,
    ) -> None:
        def norm(width: int) -> nn.Module:
            return nn.BatchNorm2d(width) if batch_norm else nn.Identity()

        first, *others = kernels[::-1]
        before, *ahead = *widths[::-1], bands
        layers: list[nn.Module] = [*_dense(features, before, batch_norm), nn.Tanh()]
        # a transposed convolution of one pixel is a matrix product, which is faster
        layers += [
            nn.Linear(before, ahead[0] * first**2, bias=not batch_norm),
            nn.Unflatten(1, (ahead[0], first, first)),
            norm(ahead[0]),
            nn.Tanh(),
        ]
        for before, after, kernel in zip(ahead, ahead[1:], others, strict=False):
            layers += [
                nn.ConvTranspose2d(before, after, kernel, bias=not batch_norm),
                norm(after),
                nn.Tanh(),
            ]
        super().__init__(*layers[:-1], nn.Sigmoid())


class SpectrumDecoder(nn.Sequential):
    """(n, features) to auxiliary spectra of values in 0..1, (n, band).

    Fully-connected layers with the encoder's `widths` in the order of Table 2's rows: FC 64, 160, bands.
    Batch norm, then Tanh, the last one a sigmoid; no dropout.
    """

    def __init__(
        self, features: int, bands: int, widths: Sequence[int] = (160, 64), batch_norm: bool = True
    ) -> None:
        layers: list[nn.Module] = []
        before = features
        for after in (*widths[::-1], bands):
            layers += [*_dense(before, after, batch_norm), nn.Tanh()]
            before = after
        super().__init__(*layers[:-1], nn.Sigmoid())


def _dense(before: int, after: int, batch_norm: bool) -> tuple[nn.Module, nn.Module]:
    norm = nn.BatchNorm1d(after) if batch_norm else nn.Identity()
    return nn.Linear(before, after, bias=not batch_norm), norm


def corrupted(x: Tensor, share: float) -> Tensor:
    """Standardised values with a random `share` of them hidden: set to 0, the training mean.

    Masking noise (Vincent et al. 2010); without rescaling, as the others keep what was measured.
    """
    return x * (torch.rand_like(x) >= share) if share else x


class AuxiliaryView(nn.Module):
    """The auxiliary sensor as a spectrum a pixel: its standardised bands, or their principal components.

    Attributes:
        features: numbers a pixel.
        unit: module that brings them to 0..1, for decoders that end in a sigmoid.
    """

    def __init__(self, data: TrainingData, options: PaperOptions) -> None:
        super().__init__()
        self.statistics = cast(ModalitySummary, data.auxiliary).statistics
        self.input: AuxiliaryInput | None = None
        if options.auxiliary_components is None:
            self.features, self.unit = len(self.statistics.bands), cast(nn.Module, UnitScale(self.statistics))
        else:
            self.input = AuxiliaryInput(data, options.auxiliary_components, options.auxiliary_radius)
            self.features, self.unit = self.input.features, ComponentScale()

    def of(self, pool: Pool) -> Pool:
        """The pool with auxiliary pixels as spectra (n, features); NaN where a pixel has none."""
        if self.input is None:
            return standardised_auxiliary(pool, self.statistics)
        if pool.auxiliary is None:
            return dataclasses.replace(pool, auxiliary=absent(len(pool), self.features))
        return dataclasses.replace(pool, auxiliary=self.input.condensed(pool.auxiliary, around=False))


class ComponentScale(nn.Module):
    """Components of unit variance to 0..1: three standard deviations on either side."""

    def forward(self, components: Tensor) -> Tensor:
        """Of the same shape."""
        return (components / 6 + 0.5).clamp(0, 1)


def standardised_auxiliary(pool: Pool, statistics: BandStatistics) -> Pool:
    """The pool with auxiliary pixels (n, band, 1, 1) as standardised spectra (n, band).

    Rows stay NaN where a pixel has no auxiliary data, and are all NaN where the pool has none.
    """
    if pool.auxiliary is None:
        return dataclasses.replace(pool, auxiliary=absent(len(pool), len(statistics.bands)))
    standardize = Standardize(statistics)

    def spectra(auxiliary: Tensor) -> Tensor:
        present = auxiliary.flatten(1).isfinite().any(1, keepdim=True)
        return torch.where(present, cast(Tensor, standardize(auxiliary)).flatten(1), torch.nan)

    return dataclasses.replace(pool, auxiliary=pool.auxiliary.mapped(spectra, CHUNK))
