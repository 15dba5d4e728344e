"""Wavelengths of bands, for encoders that take any: given, or those of the sensor that they expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from geo_xmodal.networks.published.catalogue import S2_L1C

_SENTINEL_2 = (
    442.7, 492.4, 559.8, 664.6, 704.1, 740.5, 782.8, 832.8, 864.7, 945.1, 1373.5, 1613.7, 2202.4,
)  # fmt: skip

CENTRES: Mapping[str, float] = MappingProxyType(dict(zip(S2_L1C, _SENTINEL_2, strict=True)))
"""Of Sentinel-2A's bands, in nanometres (ESA, Sentinel-2 Spectral Response Functions)."""

C_BAND = 5405.0
"""What DOFA takes Sentinel-1 to be: 5.405 (its README, torchgeo's tests), which is its frequency in GHz."""

POLARISATIONS: Mapping[str, float] = MappingProxyType({"VV": -1.0, "VH": -2.0, "HH": -3.0, "HV": -4.0})
"""What Panopticon takes radar bands to be, of either orbit (the order in torchgeo's `ChnEmb`)."""


def of_dofa(bands: Sequence[str], given: Sequence[float]) -> list[float]:
    """Micrometres, per band; `given` are nanometres."""
    found = list(given) or [CENTRES.get(band, C_BAND) for band in bands]
    return [value / 1000 for value in found]


def of_panopticon(bands: Sequence[str], given: Sequence[float]) -> list[float]:
    """Nanometres of optical bands, and negative numbers for polarisations."""
    return list(given) or [CENTRES[band] if band in CENTRES else POLARISATIONS[band] for band in bands]
