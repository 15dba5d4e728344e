from __future__ import annotations

import numpy as np
import pytest

from geo_xmodal.simulate.cover import Cover
from geo_xmodal.simulate.sampling import Ground, PointSpread


@pytest.mark.parametrize(("factor", "fwhm"), [(6, 1.0), (3, 1.4), (4, 1.0), (3, 0.8)])
def test_point_spread_keeps_energy(factor: int, fwhm: float) -> None:
    spread = PointSpread(factor, fwhm)
    assert spread.taps.sum() == pytest.approx(1.0, abs=1e-12)
    size = 9 * factor + 2 * spread.margin
    assert np.allclose(spread.apply(np.full((size, size), 0.3)), 0.3)
    point = np.zeros((size, size))
    point[size // 2, size // 2] = factor**2  # one pixel's worth of light in one sample
    # each sample is shared out over pixels; the total of a period of samples is exact
    total = np.mean(
        [spread.apply(np.roll(point, (a, b), (0, 1))).sum() for a in range(factor) for b in range(factor)]
    )
    assert total == pytest.approx(1.0, rel=1e-9)


def test_point_spread_has_the_width_it_says() -> None:
    spread = PointSpread(factor=10, fwhm=1.5)
    line = np.zeros((10 + 2 * spread.margin, 10 * 11 + 2 * spread.margin))
    responses = []
    for shift in range(-20, 21):
        line[:] = 0.0
        line[:, spread.margin + 55 + shift] = 1.0
        responses.append(spread.apply(line)[0, 5])
    half = np.array(responses) >= max(responses) / 2
    assert half.sum() / 10 == pytest.approx(1.5, abs=0.11)


def _wall(height: float) -> Ground:
    shape = (21, 41)
    cover = Cover.bare(np.zeros(shape), np.zeros(shape))
    cover.height[:, 20] = height
    return Ground(cover, np.zeros(shape), np.zeros(shape, np.uint32), step=1.0, border=0)


def test_shadow_lies_away_from_the_source_and_has_its_length() -> None:
    shadow = _wall(12.0).shadow(azimuth=90.0, slope=2.0, reach=15)
    # sun in the east: shade to the west, as long as 12 m is above the 1 m that counts, at 2 m rise a metre
    assert np.flatnonzero(shadow[10]).tolist() == [15, 16, 17, 18, 19]
    assert np.flatnonzero(_wall(12.0).shadow(270.0, 2.0, 15)[10]).tolist() == [21, 22, 23, 24, 25]


def test_a_southern_sun_shades_the_north() -> None:
    shape = (41, 5)
    cover = Cover.bare(np.zeros(shape), np.zeros(shape))
    cover.height[20] = 12.0
    land = Ground(cover, np.zeros(shape), np.zeros(shape, np.uint32), step=1.0, border=0)
    assert np.flatnonzero(land.shadow(180.0, 2.0, 15)[:, 2]).tolist() == [15, 16, 17, 18, 19]


def test_flat_land_has_no_shadow() -> None:
    assert not _wall(0.0).shadow(152.0, 1.15, 5).any()
