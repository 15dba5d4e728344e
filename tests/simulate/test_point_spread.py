from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from geo_xmodal.errors import UsageError
from geo_xmodal.simulate import degrade
from geo_xmodal.simulate.point_spread import coarse_grid, point_spread, sampled
from tests.rasters import turned_grid, utm_grid

SIGMA = 1 / 2.354820045


@given(
    factor=st.integers(1, 7),
    extra=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    fwhm=st.one_of(st.none(), st.floats(0.3, 12.0)),
    level=st.floats(-1e4, 1e4),
)
def test_a_constant_image_stays_constant_up_to_its_edges(
    factor: int, extra: tuple[int, int], fwhm: float | None, level: float
) -> None:
    image = np.full((2, 2 * factor + extra[0], 3 * factor + extra[1]), level)
    got = degrade(image, factor, fwhm)
    assert got.shape == (2, image.shape[1] // factor, image.shape[2] // factor)
    assert got == pytest.approx(level, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("factor", "fwhm"), [(3, 3.0), (3, 5.0), (5, 4.0), (7, 7.0)])
def test_the_same_as_a_gaussian_filter_at_the_middle_of_coarse_pixels(factor: int, fwhm: float) -> None:
    image = np.random.default_rng(1).random((1, 14 * factor, 14 * factor))
    got = degrade(image, factor, fwhm)[0]
    # wide enough that the filter holds the tails that ours cuts at 2.5 sigma and a bit
    want = gaussian_filter(image[0], fwhm * SIGMA, truncate=2.7)[factor // 2 :: factor, factor // 2 :: factor]
    inner = slice(4, -4)
    assert got[inner, inner] == pytest.approx(want[inner, inner], abs=0.02)
    assert np.corrcoef(got[inner, inner].ravel(), want[inner, inner].ravel())[0, 1] > 0.995


@pytest.mark.parametrize("factor", [3, 4])
def test_a_point_becomes_a_gaussian_of_the_width_asked_for(factor: int) -> None:
    # a point at every place of a pixel in turn draws the point spread at fine steps
    fwhm, count = 1.5 * factor, 11
    line = np.zeros((1, count * factor, count * factor))
    middle = (count // 2) * factor + (factor - 1) / 2
    row = int(np.floor(middle))
    offsets, heights = [], []
    for col in range(2 * factor, 9 * factor):
        line[:] = 0.0
        line[0, row, col] = 1.0
        offsets.append(col - middle)
        heights.append(degrade(line, factor, fwhm)[0, count // 2, count // 2])
    offset, height = np.array(offsets), np.array(heights)
    seen = np.abs(offset) < 2.4 * fwhm * SIGMA
    expected = np.exp(-0.5 * (offset / (fwhm * SIGMA)) ** 2)
    # float32 heights of a point shared over many pixels
    assert height[seen] / height.max() == pytest.approx(expected[seen] / expected.max(), abs=1e-5)


def test_positions_stay_where_they_are_for_even_and_odd_factors() -> None:
    for factor in (2, 3, 4, 5):
        rows, cols = np.mgrid[: 12 * factor, : 10 * factor] + 0.5
        got = degrade(np.stack([rows, cols]), factor)
        inner = got[:, 3:-3, 3:-3]
        want = (np.mgrid[:12, :10] + 0.5)[:, 3:-3, 3:-3] * factor
        assert inner == pytest.approx(want, abs=1e-4)


def test_light_is_kept() -> None:
    # over all ways that coarse pixels can lie on it, a periodic image keeps its mean exactly
    tile = np.random.default_rng(2).random((6, 6))
    image = np.tile(tile, (12, 12))[None]
    means = [
        degrade(np.roll(image, shift, (1, 2)), 3)[0, 4:-4, 4:-4].mean(dtype=np.float64)
        for shift in np.ndindex(3, 3)
    ]
    assert np.mean(means) == pytest.approx(tile.mean(), abs=1e-7)


def test_missing_pixels_have_no_weight() -> None:
    image = np.full((2, 12, 12), 7.0)
    image[0, 4, 4] = np.nan
    image[0, :, 6:] = np.nan
    image[0, 0:2, 0:3] = np.nan  # six of the nine of the first
    got = degrade(image, 3)
    assert np.isnan(got[0]).tolist() == [[True, False, True, True], *[[False, False, True, True]] * 3]
    assert got[0, 1:, :2] == pytest.approx(7.0)
    assert got[1] == pytest.approx(7.0)
    assert np.isnan(degrade(np.full((1, 4, 4), np.nan), 2)).all()


def test_windows_may_be_cut_anywhere() -> None:
    rng = np.random.default_rng(3)
    image = rng.random((2, 36, 40))
    image[:, 10:17, 5:14] = np.nan
    whole, spread = degrade(image, 4), point_spread(4)
    padded = np.pad(image, ((0, 0), *[(spread.margin, spread.margin)] * 2), constant_values=np.nan)
    end = 2 * spread.margin
    for row, col, rows, cols in ((0, 0, 3, 4), (3, 0, 6, 2), (5, 6, 1, 1), (2, 2, 4, 7)):
        part = padded[:, 4 * row : 4 * (row + rows) + end, 4 * col : 4 * (col + cols) + end]
        assert np.array_equal(
            sampled(part, spread), whole[:, row : row + rows, col : col + cols], equal_nan=True
        )


def test_the_coarse_grid_has_the_corner_and_the_pixels_of_many() -> None:
    for grid in (utm_grid(61, 50), turned_grid(utm_grid(61, 50), 30.0)):
        coarse = coarse_grid(grid, 3)
        assert coarse.shape.yx == (20, 16) and coarse.crs == grid.crs
        # the centre of a coarse pixel is the centre of the middle one of its nine
        assert coarse.affine @ (4.5, 7.5) == pytest.approx(grid.affine @ (3 * 4 + 1.5, 3 * 7 + 1.5))
        assert coarse.affine @ (0, 0) == pytest.approx(grid.affine @ (0, 0))


@pytest.mark.parametrize("factor", [0, -2, 6])
def test_a_factor_that_leaves_no_pixel_is_refused(factor: int) -> None:
    with pytest.raises(UsageError, match=f"{factor} times as large: expected 1 to 5 times .* 5 x 9"):
        degrade(np.zeros((1, 5, 9)), factor)
    with pytest.raises(UsageError, match="5 x 9"):
        coarse_grid(utm_grid(5, 9), factor)


@pytest.mark.parametrize("fwhm", [0.0, -1.0, float("nan"), float("inf")])
def test_a_width_that_is_none_is_refused(fwhm: float) -> None:
    with pytest.raises(UsageError, match="expected a width above 0"):
        degrade(np.zeros((1, 5, 9)), 2, fwhm)
