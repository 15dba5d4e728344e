from __future__ import annotations

import math

import numpy as np
import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio import Affine

from geo_xmodal.errors import AlignmentError
from geo_xmodal.raster.files import open_raster
from geo_xmodal.raster.grid import (
    extent_text,
    grid_of,
    overlap,
    pixel_offset,
    pixel_size,
    same_grid,
    to_pixels,
)
from geo_xmodal.types import Window
from tests.rasters import (
    CRS_OF_A_FULL_DISC,
    CRS_OF_MARS,
    UTM33,
    WGS84,
    turned_grid,
    utm_grid,
    write_positions,
)


def moved(grid: GeoBox, rows: float, cols: float, shape: tuple[int, int] | None = None) -> GeoBox:
    return GeoBox(shape or grid.shape, grid.affine @ Affine.translation(cols, rows), grid.crs)


GRIDS = [
    utm_grid(),
    turned_grid(utm_grid(), 30),
    GeoBox((60, 50), Affine(1e-4, 0, 13.7, 0, -1e-4, 45.15), WGS84),
    GeoBox((60, 50), Affine.identity(), None),
    GeoBox((60, 50), Affine(0, 10, 400_000, 10, 0, 5_000_000), UTM33),
]


@pytest.mark.parametrize("grid", GRIDS)
def test_grid_of_a_file_is_the_grid_it_was_written_on(tmp_path, grid: GeoBox):
    with open_raster(write_positions(tmp_path / "x.tif", grid)) as dataset:
        assert grid_of(dataset) == grid


@pytest.mark.parametrize("grid", GRIDS)
@given(row=st.integers(-100, 100), col=st.integers(-100, 100))
def test_whole_pixel_shifts_are_found(grid: GeoBox, row: int, col: int):
    assert pixel_offset(moved(grid, row, col), grid) == (row, col)


@pytest.mark.parametrize("grid", GRIDS)
def test_parts_of_a_pixel_and_other_sizes_are_no_shift(grid: GeoBox):
    assert pixel_offset(moved(grid, 0.5, 0), grid) is None
    assert pixel_offset(moved(grid, 3, 0.02), grid) is None
    assert pixel_offset(GeoBox(grid.shape, grid.affine @ Affine.scale(1.001), grid.crs), grid) is None
    assert pixel_offset(turned_grid(grid, 90), grid) is None


def test_rounding_of_coordinates_is_no_shift():
    # As in Sen1Floods11, whose images and labels differ in the last digits of the pixel size.
    a = GeoBox((512, 512), Affine(8.983152841195215e-05, 0, -0.78, 0, -8.983152841195215e-05, 38.1), WGS84)
    b = GeoBox((512, 512), Affine(8.983152841195184e-05, 0, -0.78, 0, -8.983152841195184e-05, 38.1), WGS84)
    assert same_grid(a, b)


def test_same_grid_needs_shape_crs_and_place():
    grid = utm_grid()
    assert same_grid(grid, utm_grid())
    assert not same_grid(grid, utm_grid(61))
    assert not same_grid(grid, moved(grid, 1, 0))
    assert not same_grid(grid, GeoBox(grid.shape, grid.affine, "EPSG:32634"))
    assert not same_grid(grid, GeoBox(grid.shape, grid.affine, None))


def test_pixel_size_in_metres():
    # the scale of UTM is 0.9996 on its central meridian
    rows, cols, unit = pixel_size(utm_grid(size=30, east=500_000))
    assert (rows, cols, unit) == (pytest.approx(30 / 0.9996), pytest.approx(30 / 0.9996), "m")
    rows, cols, unit = pixel_size(turned_grid(utm_grid(size=30, east=500_000), 40))
    assert (rows, cols, unit) == (pytest.approx(30 / 0.9996), pytest.approx(30 / 0.9996), "m")


def test_pixel_size_tells_rows_from_columns():
    expected = (pytest.approx(3 / 0.9996), pytest.approx(2 / 0.9996))
    assert pixel_size(GeoBox((5, 5), Affine(2, 0, 500_000, 0, -3, 0), UTM33))[:2] == expected
    assert pixel_size(GeoBox((5, 5), Affine(0, 3, 500_000, 2, 0, 0), UTM33))[:2] == expected


def test_pixel_size_of_degrees_is_that_of_the_ellipsoid():
    # A degree of latitude at 60 N is 111.412 km, one of longitude 55.800 km (WGS 84).
    rows, cols, unit = pixel_size(GeoBox((2, 2), Affine(1e-3, 0, 10, 0, -1e-3, 60.001), WGS84))
    assert unit == "m"
    assert rows == pytest.approx(111.412, abs=1e-3)
    assert cols == pytest.approx(55.800, abs=1e-3)


def test_pixel_size_in_feet_and_without_crs():
    feet = GeoBox((5, 5), Affine(100, 0, 980_000, 0, -100, 200_000), "EPSG:2263")
    assert pixel_size(feet)[:2] == pytest.approx((30.48006, 30.48006), rel=1e-4)
    assert pixel_size(GeoBox((5, 5), Affine.scale(4), None)) == (4, 4, "unit")


@pytest.mark.parametrize("grid", GRIDS)
def test_overlap_of_shifted_grids_is_exact(grid: GeoBox):
    share, window = overlap(moved(grid, 20, 30), grid)
    assert share == pytest.approx(40 * 20 / 3000)
    assert window == Window(20, 30, 40, 20)
    share, window = overlap(moved(grid, -20, -30), grid)
    assert share == pytest.approx(40 * 20 / 3000)
    assert window == Window(0, 0, 40, 20)
    assert overlap(grid, grid) == (pytest.approx(1), Window(0, 0, 60, 50))


@pytest.mark.parametrize("grid", GRIDS)
def test_neighbours_do_not_overlap(grid: GeoBox):
    assert overlap(moved(grid, 60, 0), grid) == (0, Window(0, 0, 0, 0))
    assert overlap(moved(grid, 0, -50), grid) == (0, Window(0, 0, 0, 0))
    assert overlap(moved(grid, 1000, 1000), grid)[0] == 0


def test_overlap_of_parts_of_a_pixel_holds_the_pixels_touched():
    share, window = overlap(moved(utm_grid(), 0.5, 0.25, (10, 10)), utm_grid())
    assert share == pytest.approx(100 / 3000)
    assert window == Window(0, 0, 11, 11)


def test_overlap_of_a_turned_square():
    grid = utm_grid(100, 100)
    share, window = overlap(turned_grid(grid, 45, 1 / math.sqrt(2)), grid)
    assert share == pytest.approx(0.5, abs=1e-6)
    assert window == Window(0, 0, 100, 100)


def test_overlap_in_another_crs():
    grid = utm_grid(1000, 1000)
    points = np.array([[0.0, 0], [1000, 0], [1000, 1000], [0, 1000]])
    anywhere = GeoBox((1, 1), Affine.identity(), WGS84)
    lon, lat = to_pixels(grid, anywhere, points).T
    size = 1e-4
    around = GeoBox(
        (int(np.ptp(lat) / size) + 3, int(np.ptp(lon) / size) + 3),
        Affine(size, 0, lon.min() - size, 0, -size, lat.max() + size),
        WGS84,
    )
    share, window = overlap(around, grid)
    assert share == pytest.approx(1)
    assert window == Window(0, 0, 1000, 1000)
    share, _ = overlap(grid, around)
    rows, cols, _unit = pixel_size(around)
    assert share * around.shape[0] * around.shape[1] * rows * cols == pytest.approx(1e8, rel=2e-3)


FULL_DISC = GeoBox((1100, 1100), Affine(10_000, 0, -5.5e6, 0, -10_000, 5.5e6), CRS_OF_A_FULL_DISC)
WORLD = GeoBox((180, 360), Affine(1, 0, -180, 0, -1, 90), WGS84)
NORTH_POLE = GeoBox((200, 200), Affine(10_000, 0, -1e6, 0, -10_000, 1e6), "EPSG:3413")
SOUTH_POLE = GeoBox((200, 200), Affine(10_000, 0, -1e6, 0, -10_000, 1e6), "EPSG:3031")
JAPAN = GeoBox((500, 400), Affine(10, 0, 4e5, 0, -10, 3.9e6), "EPSG:32654")
FIJI = GeoBox((300, 300), Affine(1000, 0, 7e5, 0, -1000, 8.2e6), "EPSG:32760")
"""Crosses 180 degrees."""


def middles_within(a: GeoBox, b: GeoBox) -> np.ndarray:
    """Rows and columns (n, 2) of the parts of b's pixels, 300 a side, whose middle lies on `a`."""
    assert a.crs is not None and b.crs is not None
    share = (np.arange(300) + 0.5) / 300
    col, row = np.meshgrid(share * b.shape[1], share * b.shape[0])
    transformer = pyproj.Transformer.from_crs(b.crs.proj, a.crs.proj, always_xy=True)
    x, y = transformer.transform(*(b.affine @ (col.ravel(), row.ravel())))
    exists = np.isfinite(x) & np.isfinite(y)
    there = np.array([~a.affine @ place for place in zip(x[exists], y[exists], strict=True)])
    inside = ((there >= 0) & (there <= (a.shape[1], a.shape[0]))).all(axis=1)
    return np.stack([row.ravel(), col.ravel()], axis=1)[exists][inside]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (FULL_DISC, JAPAN),
        (FULL_DISC, WORLD),
        (WORLD, FULL_DISC),
        (FULL_DISC, NORTH_POLE),
        (NORTH_POLE, WORLD),
        (WORLD, NORTH_POLE),
        (WORLD, SOUTH_POLE),
        (WORLD, FIJI),
        (FIJI, WORLD),
        (NORTH_POLE, SOUTH_POLE),
    ],
)
def test_overlap_where_an_outline_does_not_exist_or_is_torn(a: GeoBox, b: GeoBox) -> None:
    share, window = overlap(a, b)
    within = middles_within(a, b)
    # Parts are a 64th of the sides; each that is touched counts.
    assert len(within) / 300**2 <= share + 0.001 and share <= len(within) / 300**2 + 0.05
    if not len(within):
        assert window == Window(0, 0, 0, 0)
        return
    first, last = within.min(axis=0), within.max(axis=0)
    assert (first >= (window.row, window.col)).all()
    assert (last <= (window.row + window.height, window.col + window.width)).all()
    part = np.array(b.shape) / 64 + 1
    assert (first - (window.row, window.col) <= 2 * part).all()
    assert ((window.row + window.height, window.col + window.width) - last <= 2 * part).all()


def test_overlap_on_the_other_side_of_the_earth():
    antipode = GeoBox((100, 100), Affine(1e-3, 0, -165, 0, -1e-3, -45), WGS84)
    assert overlap(antipode, utm_grid())[0] == 0
    assert overlap(utm_grid(), antipode)[0] == 0


def test_grids_with_and_without_crs_are_not_compared():
    bare = GeoBox((5, 5), Affine.identity(), None)
    for pair in ((bare, utm_grid()), (utm_grid(), bare)):
        with pytest.raises(AlignmentError, match="one grid has a CRS and the other has none"):
            overlap(*pair)


def test_extent_is_told_with_crs():
    assert extent_text(utm_grid(60, 50)) == (
        "x 400000 to 400500, y 4.9994e+06 to 5e+06 in WGS 84 / UTM zone 33N (60 x 50 pixels)"
    )
    assert "no CRS" in extent_text(GeoBox((5, 5), Affine.identity(), None))


def test_another_planet_is_not_laid_over_this_one():
    mars = GeoBox((5, 5), Affine(100, 0, 0, 0, -100, 0), CRS_OF_MARS)
    for pair in ((mars, utm_grid()), (utm_grid(), mars)):
        with pytest.raises(AlignmentError, match=r"no way from .* of another planet"):
            overlap(*pair)
