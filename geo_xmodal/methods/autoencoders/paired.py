"""Two streams that meet in one code, with any of them absent: what the bimodal baselines share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from pydantic import Field
from torch import Tensor, nn

from geo_xmodal import processes
from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods.autoencoders.learner import (
    AutoencoderLearner,
    AutoencoderOptions,
    through,
)
from geo_xmodal.methods.autoencoders.unimodal_dae import UnimodalDaeOptions
from geo_xmodal.methods.base import Batch, Control, Method, Pool
from geo_xmodal.methods.cnn import branch_controls
from geo_xmodal.methods.reconstruction import AuxiliaryView, SpectrumDecoder
from geo_xmodal.networks.tanh_cnn import TanhLayer, tanh_layers
from geo_xmodal.types import TrainingData

MIN_PAIRS = 2
"""Pairs in a step: batch norm has no variance of one."""


class ZeroingOptions(AutoencoderOptions):
    """Options of a baseline whose code may lack a sensor."""

    zeroing: bool = Field(
        True,
        description="learn from each pair three times: both sensors, the target alone, the auxiliary alone",
    )


@dataclass(frozen=True)
class Views:
    """Pixels of a step as the code is to see them: rows that have both sensors, or one alone.

    Pixels come as they are, then all pairs without the auxiliary sensor, then all pairs without the target.

    Attributes:
        pixel: (rows,) which pixel of the step.
        target: (rows,) whether the target sensor is there.
        auxiliary: (rows,) whether the auxiliary sensor is there.
    """

    pixel: Tensor
    target: Tensor
    auxiliary: Tensor

    @classmethod
    def of(cls, paired: Tensor, zeroing: bool) -> Views:
        """Each pixel as it is, and with `zeroing` each pair twice more, with one sensor absent."""
        every = torch.arange(len(paired), device=paired.device)
        if not zeroing:
            return cls(every, torch.ones_like(paired), paired)
        pairs = every[paired]
        on, off = torch.ones_like(pairs, dtype=torch.bool), torch.zeros_like(pairs, dtype=torch.bool)
        return cls(
            torch.cat([every, pairs, pairs]),
            torch.cat([torch.ones_like(paired), on, off]),
            torch.cat([paired, off, on]),
        )

    @property
    def alone(self) -> tuple[Tensor, Tensor]:
        """Rows of each sensor alone, pair by pair: the target's and the auxiliary sensor's."""
        auxiliary = torch.nonzero(~self.target).flatten()
        return auxiliary - len(auxiliary), auxiliary


@dataclass(frozen=True)
class Pixels:
    """Pixels of a step: standardised patches (n, band, p, p), spectra (n, band) with NaN, labelled first."""

    target: Tensor
    auxiliary: Tensor
    labels: int

    @property
    def paired(self) -> Tensor:
        """(n,) which have the auxiliary sensor."""
        return self.auxiliary.isfinite().all(1)


class PairedLearner(AutoencoderLearner):
    """A second stream for the auxiliary sensor, and one code for both: Tanh(BN(W1 h1 + W2 h2)).

    An absent sensor contributes nothing to the sum: its part of the code's layer is 0 (h2 := 0), not what its
    stream makes of a zero input. Papers zero the input. But input is standardised, so that x2 := 0 is the
    mean spectrum, a statement about the pixel; and a zero contribution is what makes the target stream alone,
    without a trace of the other one, compute the same code when mapping.
    """

    def __init__(self, data: TrainingData, options: AutoencoderOptions) -> None:
        super().__init__(data, options)
        self.first_pairs = (len(data.labelled_pairs), len(data.unlabelled_pairs))
        self.auxiliary_view = AuxiliaryView(data, options)
        self.labelled, self.unlabelled = (
            self.auxiliary_view.of(self.labelled),
            self.auxiliary_view.of(self.unlabelled),
        )
        bands = self.auxiliary_bands = self.auxiliary_view.features
        widths = options.auxiliary_widths
        self.auxiliary_stream = tanh_layers(
            bands, widths, (1,) * len(widths), options.dropout, options.batch_norm
        )
        self.auxiliary_decoder = SpectrumDecoder(self.decoded_from[1], bands, widths, options.batch_norm)

    @property
    def auxiliary_features(self) -> int:
        """Width of the auxiliary stream."""
        return self.options.auxiliary_widths[-1]

    def pixels(self, labelled: Batch, unlabelled: Batch | None) -> Pixels:
        """The pixels of a step; where hardly any is a pair, the first pairs of the pools come along."""
        batches = [labelled] if unlabelled is None else [labelled, unlabelled]
        paired = sum(
            int(batch.auxiliary.isfinite().all(1).sum()) for batch in batches if batch.auxiliary is not None
        )
        if processes.whole_number(paired) < MIN_PAIRS:
            batches += [self._pairs_of(self.labelled, 0), self._pairs_of(self.unlabelled, 1)]
        target = self.augmented(torch.cat([batch.target for batch in batches]))
        auxiliary = torch.cat([cast(Tensor, batch.auxiliary) for batch in batches])
        return Pixels(target, auxiliary, len(labelled.target))

    def _pairs_of(self, pool: Pool, which: int) -> Batch:
        first = torch.arange(min(self.first_pairs[which], MIN_PAIRS))
        return self.draw(pool, processes.share(first))

    def target_features(self, target: Tensor) -> Tensor:
        """(n, features) of standardised patches, below the code."""
        return cast(Tensor, self.encoder[:-1](target)).flatten(1)

    def spectral_features(self, spectra: Tensor) -> Tensor:
        """(n, features) of standardised spectra, below the code."""
        return cast(Tensor, self.auxiliary_stream(spectra[:, :, None, None])).flatten(1)


class JointLearner(PairedLearner):
    """Codes of pixels with any of the sensors absent."""

    def __init__(self, data: TrainingData, options: AutoencoderOptions) -> None:
        super().__init__(data, options)
        self.auxiliary_joint = nn.Linear(self.auxiliary_features, self.branch.features, bias=False)

    def codes(self, pixels: Pixels, views: Views) -> Tensor:
        """(rows, code): W1 h1 + W2 h2, either part 0 where `views` lacks the sensor."""
        paired = pixels.paired
        h1 = self.target_features(self.corrupted(pixels.target))
        h2 = h1.new_zeros(len(h1), self.auxiliary_features)
        h2[paired] = self.spectral_features(self.corrupted(pixels.auxiliary[paired]))
        h1 = h1[views.pixel] * views.target[:, None]
        h2 = h2[views.pixel] * views.auxiliary[:, None]
        return self.joined(h1, h2)

    def joined(self, h1: Tensor, h2: Tensor) -> Tensor:
        """(rows, code) of what each stream contributes, 0 where it is absent."""
        last = cast(TanhLayer, self.encoder[-1])
        return through(last, h1[:, :, None, None], self.auxiliary_joint(h2)).flatten(1)

    def classification(
        self, pixels: Pixels, views: Views, codes: Tensor, labelled: Batch
    ) -> dict[str, Tensor]:
        """The classes of labelled pixels, from every code of theirs."""
        known = views.pixel < pixels.labels
        label = cast(Tensor, labelled.label)[views.pixel[known]]
        return self.terms.of(label=(self.classified(codes[known]), label))

    def decoded(self, codes: Tensor) -> Tensor:
        """(n, band, p, p) target patches in 0..1."""
        return cast(Tensor, self.decoder(codes))

    def decoded_auxiliary(self, codes: Tensor) -> Tensor:
        """(n, band) spectra in 0..1."""
        return cast(Tensor, self.auxiliary_decoder(codes))

    def reconstructed(self, pixels: Pixels, views: Views, codes: Tensor) -> dict[str, Tensor]:
        """Every code reconstructs what its pixel has of the two sensors, there or hidden from it."""
        known = pixels.paired[views.pixel]
        spectra = pixels.auxiliary[views.pixel[known]]
        return self.terms.of(
            target=((self.decoded(codes), self.unit(pixels.target[views.pixel])),),
            auxiliary=((self.decoded_auxiliary(codes[known]), self.auxiliary_view.unit(spectra)),),
        )


class PairedMethod(Method):
    """A method of two streams."""

    uses_auxiliary = True
    uses_unlabelled_target = True

    def controls(self, options: AutoencoderOptions) -> Mapping[str, Control]:
        """The target's stream, learnt as the method does but for the auxiliary sensor, and self-trained."""
        shared = {
            name: getattr(options, name) for name in UnimodalDaeOptions.model_fields if hasattr(options, name)
        }
        return {
            "target_only": Control(
                "unimodal_dae",
                UnimodalDaeOptions.model_validate(shared),
                "the same network as an autoencoder of the target sensor, then on labels",
            ),
            "self_training": branch_controls(options)["self_training"],
        }

    def check(self, data: TrainingData, options: AutoencoderOptions) -> None:
        """Two streams meet in pairs."""
        if data.auxiliary is None or data.pairs < MIN_PAIRS:
            raise TrainingDataError(
                f"{data.pairs} pixels have both sensors, {self.name} needs {MIN_PAIRS}: "
                "use `unimodal_dae`, which learns without the auxiliary sensor"
            )
