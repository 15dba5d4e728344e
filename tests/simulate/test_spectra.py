from __future__ import annotations

import numpy as np
import pytest

from geo_xmodal.simulate.spectra import LATENTS, Material, library, reflectance

NM = np.arange(380.0, 2501.0)


def _at(spectrum: np.ndarray, nm: float) -> float:
    return float(spectrum[int(nm - 380)])


def _ndvi(spectrum: np.ndarray) -> float:
    red, infrared = _at(spectrum, 665), _at(spectrum, 842)
    return (infrared - red) / (infrared + red)


@pytest.mark.parametrize("material", list(Material))
def test_reflectance_is_between_0_and_1_for_all_latents(material: Material) -> None:
    for latent in LATENTS:
        for value in (-1.5, 0.0, 1.5):
            spectrum = reflectance(material, NM, **{latent: value})
            assert spectrum.min() > 0.0 and spectrum.max() < 0.85


@pytest.mark.parametrize("plant", [Material.GRASS, Material.CROP, Material.BROADLEAF, Material.CONIFER])
def test_green_plants_have_a_red_edge_a_green_peak_and_water_bands(plant: Material) -> None:
    spectrum = reflectance(plant, NM)
    assert _ndvi(spectrum) > 0.6
    edge = NM[np.argmax(np.gradient(spectrum)[: 1000 - 380])]
    assert 700 <= edge <= 735
    assert _at(spectrum, 553) > _at(spectrum, 480) and _at(spectrum, 553) > _at(spectrum, 670)
    for band, left, right in ((970, 900, 1060), (1200, 1110, 1280), (1450, 1300, 1650), (1940, 1780, 2180)):
        assert _at(spectrum, band) < 0.97 * min(_at(spectrum, left), _at(spectrum, right)), band


def test_vigour_raises_ndvi_and_the_rest_has_none() -> None:
    grass = [_ndvi(reflectance(Material.GRASS, NM, growth=growth)) for growth in (-1.0, 0.0, 1.0)]
    assert grass[0] < grass[1] < grass[2]
    assert _ndvi(reflectance(Material.DRY_GRASS, NM)) < grass[0]
    for material in (Material.WATER, Material.ASPHALT, Material.CONCRETE, Material.LOAM, Material.TRACK):
        assert _ndvi(reflectance(material, NM)) < 0.3
    assert _ndvi(reflectance(Material.WATER, NM)) < 0.0


def test_soil_has_clay_and_darkens_when_wet() -> None:
    loam = reflectance(Material.LOAM, NM)
    assert _at(loam, 2205) < 0.95 * (_at(loam, 2130) + _at(loam, 2280)) / 2
    wet = reflectance(Material.LOAM, NM, wetness=1.0)
    assert np.all(wet < loam)
    assert _at(wet, 1940) / _at(loam, 1940) < _at(wet, 1650) / _at(loam, 1650)


def test_clay_tiles_are_red_and_turf_is_no_plant() -> None:
    tile = reflectance(Material.CLAY_TILE, NM)
    assert _at(tile, 640) > 3 * _at(tile, 480)
    turf = reflectance(Material.TURF, NM)
    # no chlorophyll: no red edge at 715 nm, and no liquid water at 1940 nm
    assert _at(turf, 715) < 0.1
    assert _at(turf, 1940) > 0.9 * _at(turf, 1850)


def test_library_is_the_mean_and_the_slopes() -> None:
    spectra = library(NM)
    assert spectra.shape == (len(Material), 1 + len(LATENTS), len(NM))
    near = spectra[Material.GRASS, 0] + 0.2 * spectra[Material.GRASS, 1 + LATENTS.index("growth")]
    assert np.abs(near - reflectance(Material.GRASS, NM, growth=0.2)).max() < 0.01
    assert not spectra[Material.ASPHALT, 1 + LATENTS.index("growth")].any()
