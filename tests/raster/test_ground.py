"""Sizes on the ground against geodesics, and against what areas of any CRS have in common."""

from __future__ import annotations

import math

import numpy as np
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio import Affine

from geo_xmodal.raster.ground import pixel_areas, pixel_size
from geo_xmodal.types import Window
from tests.rasters import (
    CRS_OF_A_FULL_DISC,
    CRS_OF_A_SITE,
    CRS_OF_MARS,
    outline_area,
    turned_grid,
)

WGS84 = pyproj.Geod(ellps="WGS84")
GRIDS = {
    "degrees": GeoBox((160, 80), Affine(0.25, 0, 10, 0, -0.25, 70), "EPSG:4326"),
    "Web Mercator at 60 N": GeoBox((128, 96), Affine(200, 0, 2_780_000, 0, -200, 8_440_000), "EPSG:3857"),
    "UTM": GeoBox((600, 500), Affine(100, 0, 700_000, 0, -100, 5_800_000), "EPSG:32633"),
    "UTM sheared": GeoBox((300, 300), Affine(80, 30, 500_000, 20, -90, 5_600_000), "EPSG:32633"),
    "equal area": GeoBox((500, 500), Affine(1000, 0, 4_000_000, 0, -1000, 3_500_000), "EPSG:3035"),
    "polar, the pole inside": GeoBox((90, 80), Affine(2e4, 0, -8e5, 0, -2e4, 9e5), "EPSG:3413"),
    "conic": GeoBox((700, 700), Affine(1000, 0, 3_700_000, 0, -1000, 2_900_000), "EPSG:3034"),
    "feet": GeoBox((100, 100), Affine(300, 0, 980_000, 0, -300, 200_000), "EPSG:2263"),
    "Mollweide": GeoBox((60, 50), Affine(5e4, 0, 1e6, 0, -5e4, 5e6), "ESRI:54009"),
    "Mars": GeoBox((100, 100), Affine(1000, 0, 0, 0, -1000, 0), CRS_OF_MARS),
}


def summed(grid: GeoBox, window: Window | None = None) -> float:
    window = window or Window(0, 0, *grid.shape)
    areas = pixel_areas(grid)
    _, parts = areas.count(np.zeros((window.height, window.width), np.uint8), window)
    return float(areas.area(parts)[0])


@pytest.mark.parametrize("name", GRIDS)
def test_pixels_sum_to_the_area_within_the_outline(name: str) -> None:
    grid = GRIDS[name]
    assert pixel_areas(grid).unit == "m"
    assert summed(grid) == pytest.approx(outline_area(grid), rel=1e-6)


@pytest.mark.parametrize("name", GRIDS)
def test_no_window_and_no_direction_changes_an_area(name: str) -> None:
    grid = GRIDS[name]
    height, width = grid.shape
    whole = pixel_areas(grid).parts(Window(0, 0, height, width)) + np.zeros((height, width))
    for window in (Window(3, 5, 11, 17), Window(height // 2, 0, height - height // 2, width)):
        np.testing.assert_array_equal(
            pixel_areas(grid).parts(window) + np.zeros((window.height, window.width)), whole[window.slices]
        )
    upside_down = GeoBox(grid.shape, grid.affine @ Affine(1, 0, 0, 0, -1, height), grid.crs)
    mirrored = GeoBox(grid.shape, grid.affine @ Affine(-1, 0, width, 0, 1, 0), grid.crs)
    for other, same in ((upside_down, whole[::-1]), (mirrored, whole[:, ::-1])):
        areas = pixel_areas(other)
        found = areas.parts(Window(0, 0, height, width)) * areas.quantum
        np.testing.assert_allclose(found + 0 * same, same * pixel_areas(grid).quantum, rtol=1e-7)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(GRIDS)), st.data())
def test_a_window_is_as_large_as_its_halves(name: str, data: st.DataObject) -> None:
    height, width = GRIDS[name].shape
    row, col = data.draw(st.integers(0, height - 2)), data.draw(st.integers(0, width - 1))
    window = Window(row, col, data.draw(st.integers(2, height - row)), data.draw(st.integers(1, width - col)))
    cut = data.draw(st.integers(1, window.height - 1))
    upper = Window(row, col, cut, window.width)
    lower = Window(row + cut, col, window.height - cut, window.width)
    halves = summed(GRIDS[name], upper) + summed(GRIDS[name], lower)
    assert summed(GRIDS[name], window) == pytest.approx(halves, rel=1e-13)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["EPSG:3857", "EPSG:32631", "EPSG:3035", "EPSG:2154", "EPSG:3034", "ESRI:54009"]),
    st.floats(-4, 10), st.floats(42, 58), st.floats(10, 3000), st.floats(0, 360),
)  # fmt: skip
def test_areas_of_any_place_sum_to_that_of_its_outline(
    crs: str, lon: float, lat: float, pixel: float, degrees: float
) -> None:
    x, y = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    grid = turned_grid(GeoBox((40, 30), Affine(pixel, 0, x, 0, -pixel, y), crs), degrees)
    assert summed(grid) == pytest.approx(outline_area(grid, 500), rel=1e-6)


def test_one_degree_by_its_geodesics() -> None:
    areas = pixel_areas(GeoBox((80, 2), Affine(1, 0, 10, 0, -1, 80), "EPSG:4326"))
    parts = areas.parts(Window(0, 0, 80, 2))
    for row, north in ((0, 80), (20, 60), (79, 1)):
        lon = np.linspace(10, 11, 1000)
        ring = np.concatenate([lon, lon[::-1]]), np.repeat([north, north - 1.0], 1000)
        expected = abs(WGS84.polygon_area_perimeter(*ring)[0])
        assert parts[row, 0] * areas.quantum == pytest.approx(expected, rel=1e-6)


def test_equal_area_is_exact() -> None:
    areas = pixel_areas(GRIDS["equal area"])
    assert areas.quantum == 1e6 and (areas.parts(Window(0, 0, 500, 500)) == 1).all()


def test_web_mercator_at_60_degrees_north_is_four_times_too_large() -> None:
    grid = GRIDS["Web Mercator at 60 N"]
    rows, cols, unit = pixel_size(grid)
    assert unit == "m" and rows == pytest.approx(99.6, abs=0.3) and cols == pytest.approx(99.8, abs=0.3)
    assert summed(grid) / (grid.shape[0] * grid.shape[1] * 200**2) == pytest.approx(0.2484, abs=0.001)


def test_utm_is_off_by_its_scale() -> None:
    along, far = (GeoBox((3, 3), Affine(1, 0, x, 0, -1, 10), "EPSG:32633") for x in (499_998, 833_978))
    assert summed(along) / 9 == pytest.approx(1 / 0.9996**2, rel=1e-7)
    assert summed(far) / 9 == pytest.approx(1 / 1.00098**2, rel=1e-5)


def test_large_windows_of_many_cells_are_as_exact_as_each_pixel() -> None:
    grid = GeoBox((40_000, 40_000), Affine(10, 0, 300_000, 0, -10, 5_800_000), "EPSG:32633")
    window = Window(20_111, 10_333, 600, 700)
    areas = pixel_areas(grid)
    parts = areas.parts(window)
    for row, col in ((0, 0), (599, 699), (300, 5)):
        affine = grid.affine @ Affine.translation(window.col + col, window.row + row)
        one = GeoBox((1, 1), affine, grid.crs)
        assert parts[row, col] * areas.quantum == pytest.approx(outline_area(one, 1), rel=1e-6)


def test_what_does_not_exist_has_no_area() -> None:
    disc = GeoBox((100, 100), Affine(110_000, 0, -5_500_000, 0, -110_000, 5_500_000), CRS_OF_A_FULL_DISC)
    parts = pixel_areas(disc).parts(Window(0, 0, 100, 100))
    assert parts[0, 0] == 0 and parts[50, 50] > 0
    # what a satellite at 42,164 km sees of a sphere
    share = summed(disc) / (2 * math.pi * 6_371_007**2 * (1 - 6_371_007 / 42_164_000))
    assert share == pytest.approx(1, abs=0.02)
    beyond = pixel_areas(GeoBox((274, 232), Affine.identity(), "EPSG:4326")).parts(Window(0, 0, 274, 232))
    assert (beyond[:90] > 0).all() and (beyond[90:] == 0).all()
    world = GeoBox((90, 180), Affine(2, 0, -180, 0, -2, 90), "EPSG:4326")
    assert summed(world) == pytest.approx(510_065_621_724_089, rel=1e-7)


def test_size_where_the_middle_does_not_exist() -> None:
    rows, cols, unit = pixel_size(GeoBox((274, 232), Affine.identity(), "EPSG:4326"))
    assert unit == "m" and rows == pytest.approx(111_600, abs=100) and 0 < cols < rows
    assert pixel_size(GeoBox((10, 10), Affine(1, 0, 0, 0, 1, 200), "EPSG:4326")) == (1, 1, "unit")


@pytest.mark.parametrize("crs", [None, CRS_OF_A_SITE])
def test_without_an_ellipsoid_the_units_are_the_grids_own(crs: str | None) -> None:
    grid = GeoBox((10, 10), Affine(2, 0, 0, 0, -3, 0), crs)
    assert pixel_size(grid) == (3, 2, "unit")
    areas = pixel_areas(grid)
    assert areas.unit == "unit" and summed(grid) == 600
    assert areas.hectares(np.array([1])) is None


def test_another_planet_has_its_own_ellipsoid() -> None:
    rows, cols, unit = pixel_size(GRIDS["Mars"])
    assert unit == "m" and cols == pytest.approx(1000, rel=1e-3) and rows == pytest.approx(1000, rel=0.02)
