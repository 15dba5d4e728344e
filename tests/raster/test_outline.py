"""Where grids lie on Earth: poles, the line of 180 degrees, the limb, and no place at all."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
import shapely
from odc.geo.geobox import GeoBox
from rasterio import Affine

from geo_xmodal.raster.outline import world_outline
from tests.rasters import CRS_OF_A_FULL_DISC, CRS_OF_A_SITE, CRS_OF_MARS, turned_grid, utm_grid


def held(grid: GeoBox, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Which places a grid holds, by its own transform of them."""
    assert grid.crs is not None
    to_grid = pyproj.Transformer.from_crs("OGC:CRS84", grid.crs.proj, always_xy=True)
    a, b, c, d, e, f = tuple(~grid.affine)[:6]
    x, y = to_grid.transform(lon, lat)
    col, row = a * x + b * y + c, d * x + e * y + f
    return (col > 0) & (col < grid.shape[1]) & (row > 0) & (row < grid.shape[0])


GRIDS = {
    "UTM": GeoBox((400, 400), Affine(1000, 0, 300_000, 0, -1000, 5_800_000), "EPSG:32633"),
    "south-up": GeoBox((400, 400), Affine(1000, 0, 300_000, 0, 1000, 5_400_000), "EPSG:32633"),
    "mirrored": GeoBox((400, 400), Affine(-1000, 0, 700_000, 0, -1000, 5_800_000), "EPSG:32633"),
    "turned": turned_grid(utm_grid(300, 300, 1000), 30),
    "across 180": GeoBox((400, 400), Affine(1000, 0, 100_000, 0, -1000, 5_800_000), "EPSG:32601"),
    "beyond 180": GeoBox((100, 200), Affine(0.1, 0, 170, 0, -0.1, 10), "EPSG:4326"),
    "south pole": GeoBox((166, 158), Affine(5e4, 0, -3.95e6, 0, -5e4, 4.35e6), "EPSG:3031"),
    "north pole, off the middle": GeoBox((100, 70), Affine(5e4, 0, -4e5, 0, -5e4, 3e6), "EPSG:3413"),
    "full disc": GeoBox((100, 100), Affine(1.1e5, 0, -5.5e6, 0, -1.1e5, 5.5e6), CRS_OF_A_FULL_DISC),
}


@pytest.mark.parametrize("name", GRIDS)
def test_an_outline_holds_what_the_grid_holds(name: str) -> None:
    grid = GRIDS[name]
    found = world_outline(grid, 16)
    assert found.geometry is not None and found.bbox is not None and found.geometry.is_valid
    west, south, east, north = found.bbox
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(-180, 180, 4000), np.degrees(np.arcsin(rng.uniform(-1, 1, 4000)))
    inside = shapely.contains_xy(found.geometry, lon, lat)
    assert ((south <= lat) & (lat <= north))[inside].all()
    assert ((west <= lon) & (lon <= east) if west <= east else (lon >= west) | (lon <= east))[inside].all()
    if name != "beyond 180":  # whose own longitudes go on to 190
        near = shapely.buffer(found.geometry.boundary, 12 if name == "full disc" else 0.3)
        clear = ~shapely.contains_xy(near, lon, lat)
        np.testing.assert_array_equal(inside[clear], held(grid, lon, lat)[clear])
    for part in shapely.get_parts(found.geometry):
        assert part.bounds[0] >= -180 and part.bounds[2] <= 180
        assert part.exterior.is_ccw


def test_boxes_across_180_degrees_have_their_west_in_the_east() -> None:
    found = world_outline(GRIDS["beyond 180"])
    assert found.bbox == pytest.approx((170, 0, -170, 10))
    boxes = {part.bounds for part in shapely.get_parts(found.geometry)}
    assert boxes == {(170, 0, 180, 10), (-180, 0, -170, 10)}
    west, _, east, _ = world_outline(GRIDS["across 180"]).bbox or ()
    assert west > 170 and east < -170


def test_a_pole_inside_is_a_box_around_the_earth() -> None:
    west, south, east, north = world_outline(GRIDS["south pole"]).bbox or ()
    assert (west, south, east) == (-180, -90, 180) and -45 < north < -35
    assert (world_outline(GRIDS["north pole, off the middle"]).bbox or ())[3] == 90


@pytest.mark.parametrize(
    "affine", [Affine(2, 0, -180, 0, -2, 90), Affine(2, 0, 0, 0, -2, 90), Affine(2, 0, -180, 0, 2, -90)]
)
def test_the_whole_world(affine: Affine) -> None:
    found = world_outline(GeoBox((90, 180), affine, "EPSG:4326"))
    assert found.bbox == (-180, -90, 180, 90) and found.missing == ""
    assert shapely.area(found.geometry) == pytest.approx(360 * 180)


def test_what_does_not_exist_is_left_out_and_said() -> None:
    found = world_outline(GeoBox((274, 232), Affine.identity(), "EPSG:4326"))
    assert "parts of the grid do not exist" in found.missing
    _, south, _, north = found.bbox or ()
    assert south == 0 and 85 < north <= 90
    assert "parts of the grid" in world_outline(GRIDS["full disc"]).missing


@pytest.mark.parametrize(
    ("crs", "why"),
    [
        (None, "no CRS"),
        (CRS_OF_A_SITE, "site grid"),
        (CRS_OF_MARS, "Mars"),
        ("EPSG:4326", "no place of the grid"),
    ],
)
def test_no_place_at_all(crs: str | None, why: str) -> None:
    found = world_outline(GeoBox((10, 10), Affine(1, 0, 0, 0, 1, 200), crs))
    assert (found.geometry, found.bbox) == (None, None) and why in found.missing
