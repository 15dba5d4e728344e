"""Groups of bands: by wavelength where the bands say theirs, else neighbours in the file."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geo_xmodal.raster import Band

MAX_SINGLE = 16
"""Bands without wavelengths up to which each is a group of its own."""

_GROUPS = 8
"""Groups of more bands than that."""

_RANGES: tuple[tuple[str, float], ...] = (
    ("ultraviolet", 400),
    ("blue", 500),
    ("green", 600),
    ("red", 690),
    ("red edge", 780),
    ("near infrared", 1100),
    ("SWIR 1", 1900),
    ("SWIR 2", 2600),
    ("mid infrared", 8000),
    ("thermal infrared", float("inf")),
)
"""Names of ranges, and where each ends in nanometres; the red edge is that of plants, from 690 nm on."""


@dataclass(frozen=True)
class BandGroup:
    """Bands that are taken together.

    Attributes:
        name: For people.
        places: Which bands, from 0.
    """

    name: str
    places: tuple[int, ...]


def band_groups(bands: Sequence[Band]) -> tuple[BandGroup, ...]:
    """The groups of a sensor's bands, which hold each band once.

    Bands that all say their wavelength are grouped by ranges of it. Of others each is a group of its own, or
    where there are more than `MAX_SINGLE` of them, neighbours in the order of the bands are.
    """
    waves = [band.wavelength for band in bands]
    known = [wave for wave in waves if wave is not None]
    if len(known) == len(waves):
        return _by_wavelength(known)
    if len(bands) <= MAX_SINGLE:
        return tuple(BandGroup(band.name, (place,)) for place, band in enumerate(bands))
    parts = np.array_split(np.arange(len(bands)), _GROUPS)
    return tuple(BandGroup(f"bands {part[0] + 1}-{part[-1] + 1}", tuple(part.tolist())) for part in parts)


def _by_wavelength(waves: Sequence[float]) -> tuple[BandGroup, ...]:
    edges = [-float("inf"), *(end for _, end in _RANGES)]
    groups = []
    for (name, _), (low, high) in zip(_RANGES, itertools.pairwise(edges), strict=True):
        places = tuple(place for place, wave in enumerate(waves) if low <= wave < high)
        if places:
            groups.append(BandGroup(f"{name} ({_span([waves[place] for place in places])})", places))
    return tuple(groups)


def _span(waves: Sequence[float]) -> str:
    low, high = min(waves), max(waves)
    return f"{low:.0f} nm" if f"{low:.0f}" == f"{high:.0f}" else f"{low:.0f}-{high:.0f} nm"
