"""An encoder that others trained on the auxiliary sensor: its vectors take the place of that sensor's bands.

The encoder is frozen, and sees the patch around each training pixel once, before anything is trained. What
follows (principal components, teachers, correlation) sees its vectors as it would see the bands of an
embedding. Mapping needs neither the encoder nor the sensor.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from pydantic import Field, model_validator

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods.base import Options
from geo_xmodal.methods.weights_file import read_weights, with_checksum
from geo_xmodal.networks import Standardize
from geo_xmodal.networks.published import PUBLISHED, PublishedEncoder, PublishedOptions
from geo_xmodal.patches import FloatArray, HeldPatches, Patches
from geo_xmodal.types import BandStatistics, ModalitySummary, PixelGroup, TrainingData

_BATCH = 64


class AuxiliaryOptions(Options):
    """Options of methods that may see the auxiliary sensor through a published encoder."""

    means: ClassVar[Mapping[str, str]] = {}

    auxiliary_encoder: str | None = Field(
        None, description="published encoder through which the auxiliary sensor is seen, frozen"
    )
    auxiliary_weights: str | None = Field(None, description="safetensors file of its weights")
    auxiliary_weights_sha256: str | None = Field(None, description="checksum that this file must have")
    auxiliary_bands: tuple[str, ...] = Field(
        (), description="bands of the auxiliary sensor in its order, - for one that is missing"
    )
    auxiliary_wavelengths: tuple[float, ...] = Field(
        (), description="nanometres of each band of the auxiliary sensor, where it takes any bands"
    )
    auxiliary_patch: int = Field(11, ge=1, le=31, description="side of the patches that it sees, in pixels")
    auxiliary_resized: int = Field(64, ge=8, le=512, description="side to which they are enlarged, in pixels")

    @model_validator(mode="before")
    @classmethod
    def _auxiliary_weights_are_these(cls, raw: Any) -> Any:
        return with_checksum(raw, "auxiliary_weights")

    @model_validator(mode="after")
    def _auxiliary_encoder_is_whole(self) -> AuxiliaryOptions:
        if self.auxiliary_encoder is None:
            return self
        self._network_options()
        if self.auxiliary_weights is None:
            wanted = PUBLISHED[self.auxiliary_encoder].wanted
            raise ValueError(wanted.replace("as weights", "as auxiliary_weights"))
        return self

    def _network_options(self) -> PublishedOptions:
        return PublishedOptions(
            published=cast(str, self.auxiliary_encoder),
            published_bands=self.auxiliary_bands,
            wavelengths=self.auxiliary_wavelengths,
            resized=self.auxiliary_resized,
            patch=self.auxiliary_patch,
        )

    @property
    def published_margin(self) -> int:
        """Pixels of the auxiliary sensor on each side that its encoder looks at; 0 without one."""
        return 0 if self.auxiliary_encoder is None else self.auxiliary_patch // 2

    def auxiliary_seen(self, data: TrainingData) -> TrainingData:
        """Training data whose auxiliary sensor is the encoder's vectors; as they are without an encoder.

        Raises:
            TrainingDataError: The encoder is for other bands or another kind, or the file is not for it.
        """
        if self.auxiliary_encoder is None or data.auxiliary is None:
            return data
        encoder, taken = self._encoder(data.auxiliary)
        standardize = Standardize(data.auxiliary.statistics)
        groups: dict[str, Any] = {
            name: _embedded(getattr(data, name), encoder, standardize)
            for name in ("labelled_pairs", "unlabelled_pairs", "validation")
        }
        pairs = [groups["labelled_pairs"].auxiliary, groups["unlabelled_pairs"].auxiliary]
        vectors = np.concatenate([one.held for one in pairs if one is not None and one.held is not None])
        summary = dataclasses.replace(
            data.auxiliary,
            kind="embedding",
            sensor=f"{data.auxiliary.sensor} through {self.auxiliary_encoder}".lstrip(),
            statistics=_statistics(vectors[:, :, 0, 0]),
            unit="",
        )
        assumptions = [
            *data.notes.get("assumptions", ()),
            *([f"{data.auxiliary.name}: {taken}"] if taken else []),
        ]
        notes = {**data.notes, "assumptions": assumptions}
        return dataclasses.replace(data, auxiliary=summary, auxiliary_margin=0, notes=notes, **groups)

    def _encoder(self, auxiliary: ModalitySummary) -> tuple[PublishedEncoder, str]:
        """The frozen encoder, and what was taken for granted about the sensor's values."""
        made = PublishedEncoder(auxiliary.bands, self._network_options())
        weights = read_weights(Path(str(self.auxiliary_weights)), str(self.auxiliary_weights_sha256))
        try:
            taken = made.fit_input(auxiliary.statistics, auxiliary.kind)
        except ValueError as error:
            raise TrainingDataError(f"the auxiliary sensor: {error}") from None
        try:
            made.start_from(weights)
        except ValueError as error:
            raise TrainingDataError(f"{self.auxiliary_weights}: {error}") from None
        made.freeze()
        return made.eval(), taken


def _embedded(group: PixelGroup, encoder: PublishedEncoder, standardize: Standardize) -> PixelGroup:
    """The pixels with vectors (n, features, 1, 1), NaN where the auxiliary sensor has no data."""
    if group.auxiliary is None:
        return group
    return dataclasses.replace(group, auxiliary=HeldPatches(_vectors(group.auxiliary, encoder, standardize)))


@torch.no_grad()
def _vectors(auxiliary: Patches, encoder: PublishedEncoder, standardize: Standardize) -> FloatArray:
    parts = [np.zeros((0, encoder.vector_width), np.float32)]
    for part in auxiliary.parts(_BATCH):
        patches = torch.from_numpy(part)
        middle = patches.shape[-1] // 2
        known = patches[:, :, middle, middle].isfinite().all(1, keepdim=True)
        parts.append(torch.where(known, encoder.vectors(standardize(patches)), torch.nan).numpy())
    return np.concatenate(parts)[:, :, None, None]


def _statistics(vectors: FloatArray) -> BandStatistics:
    """Of vectors (n, features) of training pairs."""
    known = vectors[np.isfinite(vectors).all(1)].astype(np.float64)
    if not len(known):
        raise TrainingDataError("the auxiliary sensor has no data at any training pixel")
    count = vectors.shape[1]
    std = known.std(0)
    return BandStatistics(
        bands=tuple(f"v{k}" for k in range(count)),
        transform=("identity",) * count,
        scale=(1.0,) * count,
        low=tuple(known.min(0).tolist()),
        high=tuple(known.max(0).tolist()),
        mean=tuple(known.mean(0).tolist()),
        std=tuple(np.where(std > 0, std, 1.0).tolist()),
    )
