"""Reflectance of materials from 380 to 2500 nm, built from parametric shapes.

Each material is a smooth continuum with absorption features where physics puts them (chlorophyll and the red
edge, liquid water at 970, 1200, 1450 and 1940 nm, iron at 480 and 870 nm, clay at 2200 nm, hydrocarbons at
1730 and 2310 nm); no measured library is used. `library` gives, for each material, its mean spectrum and how
it changes with the latent fields that the layout hands to every sensor.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

Spectrum = npt.NDArray[np.float64]


class Material(IntEnum):
    """What a point of the ground, or the roof or crown above it, is made of."""

    ASPHALT = 0
    CONCRETE = 1
    GRAVEL = 2
    CLAY_TILE = 3
    DARK_TILE = 4
    BITUMEN = 5
    METAL = 6
    BRIGHT_ROOF = 7
    GRASS = 8
    DRY_GRASS = 9
    CROP = 10
    BROADLEAF = 11
    CONIFER = 12
    SHRUB = 13
    LOAM = 14
    SAND = 15
    PEAT = 16
    WATER = 17
    TURF = 18
    TRACK = 19
    COURT = 20
    CAR = 21


LATENTS = ("tint", "growth", "wetness")
"""What changes a spectrum: colour or age of the object, vigour of plants, moisture; each about [-1, 1]."""


def _bump(nm: Spectrum, center: float, width: float) -> Spectrum:
    return np.asarray(np.exp(-0.5 * ((nm - center) / width) ** 2))


def _step(nm: Spectrum, center: float, width: float) -> Spectrum:
    return np.asarray(1.0 / (1.0 + np.exp(-(nm - center) / width)))


def _liquid_water(nm: Spectrum) -> Spectrum:
    """Absorption of liquid water, per unit of equivalent thickness."""
    return (
        0.07 * _bump(nm, 970, 28)
        + 0.20 * _bump(nm, 1200, 45)
        + 1.10 * _bump(nm, 1450, 55)
        + 1.70 * _bump(nm, 1940, 75)
        + 0.35 * _step(nm, 1400, 60)
        + 0.45 * _step(nm, 1880, 40)
        + 0.90 * _step(nm, 2450, 90)
    )


def vegetation(nm: Spectrum, chlorophyll: float, cover: float, water: float, dry: float) -> Spectrum:
    """Canopy reflectance: green peak, red edge that moves with `chlorophyll`, plateau, water and cellulose.

    Args:
        nm: Wavelengths, nanometres.
        chlorophyll: 0 (senescent) to 1 (deep green).
        cover: Height of the near-infrared plateau, 0 to 1.
        water: Equivalent water thickness, relative.
        dry: Share of dry matter, 0 to 1.
    """
    edge = _step(nm, 704.0 + 16.0 * chlorophyll, 11.0 + 5.0 * chlorophyll)
    visible = 0.035 + 0.055 * (1.0 - 0.5 * chlorophyll) * _bump(nm, 553, 34) + 0.05 * (1.0 - chlorophyll)
    plateau = 0.56 * cover * (1.0 - 0.06 * _bump(nm, 1000, 200))
    green = (visible * (1.0 - edge) + plateau * edge) * np.exp(-water * _liquid_water(nm))
    straw = (0.06 + 0.36 * (1.0 - np.exp(-(nm - 380.0) / 420.0))) * (
        1.0 - 0.18 * _bump(nm, 2100, 60) - 0.12 * _bump(nm, 2310, 45) - 0.05 * _bump(nm, 1730, 35)
    )
    straw = straw * np.exp(-0.25 * _liquid_water(nm))
    return np.asarray((1.0 - dry) * green + dry * straw)


def soil(nm: Spectrum, bright: float, iron: float, clay: float, wet: float, organic: float) -> Spectrum:
    """Bare soil: a convex rise, iron at 480 and 870 nm, clay at 2200 nm, darkened by water and humus."""
    rise = bright * (0.22 + 0.78 * (1.0 - np.exp(-(nm - 360.0) / (420.0 + 500.0 * organic))))
    rise = rise * (1.0 - 0.45 * iron * _bump(nm, 480, 70)) * (1.0 - 0.16 * iron * _bump(nm, 870, 70))
    rise = rise * (1.0 - 0.16 * clay * _bump(nm, 2205, 28)) * (1.0 - 0.06 * clay * _bump(nm, 1415, 18))
    return np.asarray(rise * np.exp(-wet * (0.35 + 0.8 * _liquid_water(nm))))


def water_body(nm: Spectrum, turbid: float, algae: float) -> Spectrum:
    """Water: dark, brightest in the green, next to nothing beyond 900 nm."""
    body = (0.018 + 0.05 * turbid) * _bump(nm, 565, 95) + 0.012 * turbid * _bump(nm, 810, 30)
    body = body - 0.012 * algae * _bump(nm, 675, 18) + 0.010 * algae * _bump(nm, 705, 12)
    return np.asarray(np.maximum(body, 0.0) + 0.012 + 0.006 * np.exp(-(nm - 380.0) / 300.0))


def _mineral(nm: Spectrum, low: float, high: float, bend: float) -> Spectrum:
    return low + (high - low) * (1.0 - np.exp(-(nm - 350.0) / bend))


def _oil(nm: Spectrum, depth: float) -> Spectrum:
    return 1.0 - depth * (0.6 * _bump(nm, 1730, 28) + _bump(nm, 2310, 40) + 0.3 * _bump(nm, 1205, 25))


def _built(material: Material, nm: Spectrum, tint: float) -> Spectrum:
    match material:
        case Material.ASPHALT:
            return _mineral(nm, 0.06 + 0.02 * tint, 0.15 + 0.05 * tint, 900) * _oil(nm, 0.08 - 0.06 * tint)
        case Material.CONCRETE:
            return _mineral(nm, 0.13, 0.36 + 0.08 * tint, 450) * (1 - 0.07 * _bump(nm, 2335, 40))
        case Material.GRAVEL:
            rock = _mineral(nm, 0.12 + 0.03 * tint, 0.27 + 0.07 * tint, 600)
            return rock * (1 - 0.10 * _bump(nm, 2340, 35)) * (1 - 0.10 * _bump(nm, 900, 110))
        case Material.CLAY_TILE:
            red = 0.06 + (0.23 + 0.06 * tint) * _step(nm, 590 - 12 * tint, 26) + 0.12 * _step(nm, 1150, 220)
            return red * (1 - 0.14 * _bump(nm, 870, 75)) * (1 - 0.05 * _bump(nm, 2205, 35))
        case Material.DARK_TILE:
            return _mineral(nm, 0.06, 0.14 + 0.05 * tint, 700) + 0.03 * (1 + tint) * _step(nm, 600, 40)
        case Material.BITUMEN:
            return _mineral(nm, 0.045, 0.085 + 0.03 * tint, 1200) * _oil(nm, 0.16)
        case Material.METAL:
            paint = 0.10 * tint * _bump(nm, 470, 60) - 0.06 * tint * _bump(nm, 640, 70)
            return 0.34 + 0.06 * tint + paint - 0.05 * _bump(nm, 1020, 120) + 0.06 * _step(nm, 1400, 300)
        case Material.BRIGHT_ROOF:
            return _step(nm, 405, 18) * (0.55 + 0.10 * tint - 0.20 * _step(nm, 1650, 350)) * _oil(nm, 0.22)
        case Material.TURF:
            green = 0.05 + 0.06 * _bump(nm, 525, 28) + (0.30 + 0.05 * tint) * _step(nm, 770, 32)
            return green * _oil(nm, 0.35) * (1 - 0.15 * _bump(nm, 1420, 30))
        case Material.TRACK:
            return (0.055 + (0.24 + 0.05 * tint) * _step(nm, 605, 20)) * _oil(nm, 0.25)
        case Material.COURT:
            paint = 0.07 + 0.07 * _bump(nm, 505 - 15 * tint, 35) + 0.20 * _step(nm, 820, 55)
            return paint * _oil(nm, 0.2)
        case _:
            return 0.20 + 0.14 * tint + 0.05 * tint * _bump(nm, 460, 50) + 0.04 * _step(nm, 900, 200)


def reflectance(
    material: Material, nm: Spectrum, tint: float = 0.0, growth: float = 0.0, wetness: float = 0.0
) -> Spectrum:
    """Reflectance (0 to 1) of a material at wavelengths `nm`, for latent values of about [-1, 1]."""
    match material:
        case Material.GRASS:
            return vegetation(
                nm, 0.72 + 0.2 * growth, 0.80 + 0.13 * growth, 0.9 + 0.3 * wetness, 0.16 - 0.12 * growth
            )
        case Material.DRY_GRASS:
            return vegetation(
                nm, 0.35 + 0.2 * growth, 0.62 + 0.1 * growth, 0.4 + 0.2 * wetness, 0.60 - 0.2 * growth
            )
        case Material.CROP:
            return vegetation(
                nm, 0.82 + 0.15 * growth, 0.88 + 0.1 * growth, 1.1 + 0.2 * wetness, 0.10 - 0.05 * tint
            )
        case Material.BROADLEAF:
            leaf = vegetation(nm, 0.80 + 0.12 * tint, 0.80 + 0.10 * growth, 1.0 + 0.15 * wetness, 0.04)
            return leaf * (0.88 + 0.06 * growth)
        case Material.CONIFER:
            needle = vegetation(nm, 0.92 + 0.05 * tint, 0.62 + 0.08 * growth, 1.3 + 0.1 * wetness, 0.06)
            return needle * (0.68 + 0.06 * growth)
        case Material.SHRUB:
            return vegetation(nm, 0.70 + 0.15 * tint, 0.70 + 0.12 * growth, 0.8 + 0.2 * wetness, 0.15) * 0.9
        case Material.LOAM:
            return soil(nm, 0.30 + 0.04 * tint, 0.8, 0.9 + 0.3 * tint, 0.35 + 0.25 * wetness, 0.3)
        case Material.SAND:
            return soil(nm, 0.44 + 0.06 * tint, 0.5, 0.25, 0.12 + 0.12 * wetness, 0.05)
        case Material.PEAT:
            return soil(nm, 0.22 + 0.03 * tint, 0.3, 0.4, 0.50 + 0.30 * wetness, 0.9)
        case Material.WATER:
            return water_body(nm, 0.4 + 0.3 * tint, 0.5 + 0.4 * growth)
        case _:
            return np.asarray(np.clip(_built(material, nm, tint), 0.01, None) * (1.0 - 0.04 * wetness))


def library(nm: Spectrum) -> npt.NDArray[np.float64]:
    """Every material's mean spectrum and its slope along each latent field, to first order.

    Returns:
        (material, 1 + len(LATENTS), wavelength): reflectance = entry 0 + sum of latent x entry.
    """
    spectra = np.empty((len(Material), 1 + len(LATENTS), len(nm)))
    for material in Material:
        spectra[material, 0] = reflectance(material, nm)
        for k, latent in enumerate(LATENTS, start=1):
            high = reflectance(material, nm, **{latent: 1.0})
            low = reflectance(material, nm, **{latent: -1.0})
            spectra[material, k] = (high - low) / 2.0
    return spectra
