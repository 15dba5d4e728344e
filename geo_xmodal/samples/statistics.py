"""What a modality's bands look like at training pixels: the numbers by which a network standardises them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.kinds import KINDS, Kind
from geo_xmodal.patches import Patches
from geo_xmodal.samples.storage import Storage
from geo_xmodal.types import BandStatistics, FloatArray, Transform

LOW_PERCENTILE = 0.5
HIGH_PERCENTILE = 99.5
"""Values are clipped here: a few specular targets or dead pixels must not set a band's scale."""

MIN_RELATIVE_STD = 1e-6
"""A band that varies less than this share of its mean carries float32 rounding, not information."""

_CHUNK = 4096
"""Pixels whose values are brought together at a time."""

_Values = npt.NDArray[np.float64]


def band_statistics(samples: FloatArray, band_names: Sequence[str], kind: Kind) -> BandStatistics:
    """Statistics of each band over training pixels; the result does not depend on their order.

    SAR power is multiplicative (speckle), so it is taken to its logarithm where it is strictly positive;
    signed SAR bands (the off-diagonal of a covariance) are compressed by `asinh`, linear near zero and
    logarithmic far from it; other kinds keep their values. Values are clipped at robust percentiles
    before the transform, and mean and standard deviation are those of the transformed values.

    Args:
        samples: (n, band) raw values of training pixels, not finite where there is no data.
        band_names: One name a band, for messages and the model card.
        kind: What the modality measures.

    Raises:
        TrainingDataError: A band has no finite value at any training pixel.
    """
    if samples.ndim != 2 or samples.shape[1] != len(band_names):
        raise ValueError(f"samples of shape {samples.shape} for {len(band_names)} bands")
    known = [bool(np.isfinite(column).any()) for column in samples.T]
    empty = [name for name, any_value in zip(band_names, known, strict=True) if not any_value]
    if empty:
        raise TrainingDataError(
            f"{len(empty)} of {len(band_names)} {kind} bands have no value at any of {len(samples)} training "
            f"pixels: {', '.join(empty[:10])}{', ...' if len(empty) > 10 else ''}; "
            "list them as invalid_bands in scene.toml"
        )
    columns = [_one_band(column[np.isfinite(column)], kind) for column in samples.T]
    transform, scale, low, high, mean, std = zip(*columns, strict=True)
    return BandStatistics(tuple(band_names), transform, scale, low, high, mean, std)


def centre_statistics(
    patches: Sequence[Patches], band_names: Sequence[str], kind: Kind, storage: Storage | None = None
) -> BandStatistics:
    """`band_statistics` of the pixels in the middle of all patches.

    Args:
        patches: Of one modality.
        band_names: As `band_statistics`.
        kind: As `band_statistics`.
        storage: Where the values go that are looked at band by band; None where they fit into memory.
    """
    middles = [one.cropped(0) for one in patches]
    parts = (part[:, :, 0, 0] for one in middles for part in one.parts(_CHUNK))
    if storage is None:
        return band_statistics(np.concatenate(list(parts)), band_names, kind)
    with storage.columns(sum(map(len, middles)), len(band_names)) as columns:
        place = 0
        for part in parts:
            columns[:, place : place + len(part)] = part.T
            place += len(part)
        return band_statistics(columns.T, band_names, kind)


def _one_band(found: FloatArray, kind: Kind) -> tuple[Transform, float, float, float, float, float]:
    # Sorted first: a floating-point sum depends on the order of its terms, and the statistics must not.
    values = found.astype(np.float64)
    values.sort()
    low, high = (float(v) for v in np.percentile(values, [LOW_PERCENTILE, HIGH_PERCENTILE]))
    transform, scale = _transform_of(values, kind, low)
    np.clip(values, low, high, out=values)  # in place: there may be millions
    if transform == "log":
        np.log(np.maximum(values, scale, out=values), out=values)
    elif transform == "asinh":
        np.arcsinh(np.divide(values, scale, out=values), out=values)
    mean, std = float(values.mean()), float(values.std())
    constant = std <= MIN_RELATIVE_STD * abs(mean)
    return transform, scale, low, high, mean, 1.0 if constant else std


def _transform_of(values: _Values, kind: Kind, low: float) -> tuple[Transform, float]:
    if KINDS[kind].statistics == "identity":
        return "identity", 1.0
    return ("log", low) if values[0] > 0 else ("asinh", _typical_size(values))


def _typical_size(values: _Values) -> float:
    """Median of |x|; of the non-zero ones where most are zero."""
    size = np.abs(values)
    median = float(np.median(size))
    if median > 0:
        return median
    nonzero = size[size > 0]
    return float(np.median(nonzero)) if len(nonzero) else 1.0
