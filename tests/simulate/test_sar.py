from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_xmodal.simulate.berlin import BERLIN
from geo_xmodal.simulate.cover import Cover
from geo_xmodal.simulate.sampling import Ground
from geo_xmodal.simulate.sar import SarSensor, backscatter, measure
from geo_xmodal.simulate.spectra import Material
from geo_xmodal.types import Window

SENTINEL = BERLIN.modalities["sar"].sensor
assert isinstance(SENTINEL, SarSensor)
SIZE = 400


def _measured(c11: float, c22: float, re: float, im: float, seed: int = 0) -> np.ndarray:
    expected = np.broadcast_to(np.array([c11, c22, re, im])[:, None, None], (4, SIZE, SIZE))
    return measure(expected, SENTINEL, Window(0, 0, SIZE, SIZE), seed).astype(np.float64)


def test_speckle_has_the_mean_and_the_looks_it_says() -> None:
    c11, c22, re, im = _measured(0.2, 0.05, 0.03, -0.02)
    assert c11.mean() == pytest.approx(0.2, rel=0.01)
    assert c22.mean() == pytest.approx(0.05, rel=0.01)
    assert re.mean() == pytest.approx(0.03, rel=0.02)
    assert im.mean() == pytest.approx(-0.02, rel=0.03)
    for power in (c11, c22):
        assert power.mean() ** 2 / power.var() == pytest.approx(SENTINEL.looks, rel=0.03)


def test_covariance_has_the_second_moment_of_a_complex_wishart_matrix() -> None:
    # E|C12|^2 = |S12|^2 + S11 S22 / L
    _, _, re, im = _measured(0.2, 0.05, 0.03, -0.02)
    expected = 0.03**2 + 0.02**2 + 0.2 * 0.05 / SENTINEL.looks
    assert (re**2 + im**2).mean() == pytest.approx(expected, rel=0.02)


def test_speckle_of_neighbours_is_independent() -> None:
    c11 = _measured(0.2, 0.05, 0.0, 0.0)[0]
    for first, second in ((c11[:, :-1], c11[:, 1:]), (c11[:-1], c11[1:])):
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.01


@settings(max_examples=20, deadline=None)
@given(
    c11=st.floats(1e-4, 10), c22=st.floats(1e-4, 10), coherence=st.floats(0, 1), phase=st.floats(-3.1, 3.1)
)
def test_every_pixel_is_positive_semi_definite(
    c11: float, c22: float, coherence: float, phase: float
) -> None:
    cross = coherence * np.sqrt(c11 * c22) * np.exp(1j * phase)
    p11, p22, re, im = _measured(c11, c22, cross.real, cross.imag)
    assert np.all(p11 > 0) and np.all(p22 > 0)
    # rounding for storage keeps it so
    assert np.all(re**2 + im**2 <= p11 * p22)


def _block(material: Material, angle: float = 0.0, height: float = 0.0, growth: float = 0.0) -> Ground:
    shape = (40, 40)
    cover = Cover.bare(np.full(shape, growth), np.zeros(shape))
    cover.put(np.ones(shape, np.bool_), Material.ASPHALT if height else material)
    if height:
        block = np.zeros(shape, np.bool_)
        block[10:30, 10:30] = True
        cover.put(block, material, height=height)
    return Ground(cover, np.full(shape, angle), np.ones(shape, np.uint32), step=4.63, border=0)


def _db(ground: Ground) -> tuple[float, float]:
    vv, vh, _ = backscatter(ground, seed=0)
    return 10 * np.log10(vv.mean()), 10 * np.log10(vh.mean())


def test_water_is_darkest_and_growth_brightens_the_cross_polarisation_most() -> None:
    water, soil, wood = (
        _db(_block(material)) for material in (Material.WATER, Material.LOAM, Material.BROADLEAF)
    )
    assert water[0] < soil[0] - 5 < wood[0] - 5
    assert water[1] < soil[1] < wood[1] - 4
    thin, dense = _db(_block(Material.CROP, growth=-1.0)), _db(_block(Material.CROP, growth=1.0))
    assert dense[1] - thin[1] > dense[0] - thin[0] > 0.5


def test_walls_that_face_the_sensor_bounce_twice_and_oblique_ones_depolarise() -> None:
    # an ascending pass looks towards 78 degrees, so streets turned by -12 degrees face it
    facing = _block(Material.BITUMEN, angle=np.radians(-12.0), height=15.0)
    oblique = _block(Material.BITUMEN, angle=np.radians(33.0), height=15.0)
    vv_facing, vh_facing = _db(facing)
    vv_oblique, vh_oblique = _db(oblique)
    assert vv_facing > vv_oblique + 2
    assert vv_facing - vh_facing > vv_oblique - vh_oblique + 1
    assert np.abs(backscatter(_block(Material.LOAM), 0)[2]).max() == 0.0
    assert (
        np.abs(backscatter(facing, 0)[2]).max()
        < np.abs(backscatter(_block(Material.BITUMEN, 0.2, 15.0), 0)[2]).max()
    )
