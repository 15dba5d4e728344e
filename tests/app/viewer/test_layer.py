"""The scene's grid as the browser gets it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from pyproj import Transformer

from geo_xmodal_app.viewer import Viewport, band_presets
from tests.app.viewer.scenes import viewport
from tests.tiny import write_raster


def grid(folder: Path, crs: str | None, transform: rasterio.Affine) -> Viewport:
    path = folder / "grid.tif"
    settings = {"driver": "GTiff", "count": 1, "height": 30, "width": 40, "dtype": "uint8"}
    with rasterio.open(path, "w", crs=crs, transform=transform, **settings) as dataset:
        dataset.write(np.zeros((1, 30, 40), np.uint8))
    return viewport(path)


NORTH_UP = rasterio.Affine(10, 0, 400_000, 0, -10, 5_800_000)


@pytest.mark.parametrize(
    ("crs", "x", "y"),
    [
        ("EPSG:32633", 400_000, 5_800_000),
        ("EPSG:31468", 4_400_000, 5_400_000),
        ("EPSG:27700", 400_000, 300_000),
        ("EPSG:3006", 500_000, 6_500_000),
        ("EPSG:2154", 700_000, 6_600_000),
    ],
)
def test_the_browsers_coordinates_are_those_of_the_crs(tmp_path: Path, crs: str, x: float, y: float) -> None:
    found = grid(tmp_path, crs, rasterio.Affine(10, 0, x, 0, -10, y))
    assert found.proj4 is not None
    there = Transformer.from_crs(found.proj4, "EPSG:4326", always_xy=True).transform(x, y)
    exact = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    assert pyproj.Geod(ellps="WGS84").inv(*there, *exact)[2] < 1.0
    assert (found.unit, found.pixel_display) == ("m", False)
    assert found.epsg == int(crs.removeprefix("EPSG:"))


@pytest.mark.parametrize(
    ("crs", "transform", "pixels"),
    [
        ("EPSG:32633", NORTH_UP, False),
        ("EPSG:4326", rasterio.Affine(0.001, 0, 10, 0, -0.001, 50), False),
        (None, NORTH_UP, True),
        ("EPSG:32633", NORTH_UP @ rasterio.Affine.rotation(10), True),
        ("EPSG:32633", rasterio.Affine(10, 0, 0, 0, 10, 0), True),
        ("EPSG:32633", rasterio.Affine(10, 0, 0, 0, -20, 0), True),
    ],
)
def test_which_grids_are_shown_in_rows_and_columns(
    tmp_path: Path, crs: str | None, transform: rasterio.Affine, pixels: bool
) -> None:
    assert grid(tmp_path, crs, transform).pixel_display == pixels


def test_there_and_back(tmp_path: Path) -> None:
    found = grid(tmp_path, "EPSG:32633", NORTH_UP @ rasterio.Affine.rotation(30))
    for place in ((0, 0), (12.5, 3.25), (40, 30)):
        assert found.to_pixel(*found.to_scene(*place)) == pytest.approx(place, abs=1e-6)


def test_units(tmp_path: Path) -> None:
    assert grid(tmp_path, "EPSG:4326", rasterio.Affine(0.001, 0, 10, 0, -0.001, 50)).unit == "degree"
    feet = grid(tmp_path, "EPSG:2263", rasterio.Affine(10, 0, 980_000, 0, -10, 200_000))
    assert feet.unit == "ft"
    none = viewport(write_raster(tmp_path / "none.tif", np.zeros((4, 5), np.uint8), crs=None))
    assert (none.unit, none.proj4, none.epsg, none.crs, none.ground) == ("pixel", None, None, "no CRS", ())


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:4326", rasterio.Affine(0.1, 0, 10, 0, -0.05, 60)),
        ("EPSG:3857", rasterio.Affine(2000, 0, 2_780_000, 0, -2000, 8_440_000)),
        ("EPSG:2263", rasterio.Affine(10, 0, 980_000, 0, -10, 200_000)),
        ("EPSG:32633", NORTH_UP @ rasterio.Affine.rotation(30)),
    ],
)
def test_steps_on_the_ground_are_geodesics(tmp_path: Path, crs: str, transform: rasterio.Affine) -> None:
    found = grid(tmp_path, crs, transform)
    to_degrees = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    geod = pyproj.Geod(ellps="WGS84")
    for row, line in zip(np.linspace(0, 29, 9).round(), found.ground, strict=True):
        for col, metres in zip(np.linspace(0, 39, 9).round(), line, strict=True):
            ends = [to_degrees.transform(*(transform @ (col + side, row + 0.5))) for side in (0, 1)]
            assert metres == pytest.approx(geod.inv(*ends[0], *ends[1])[2], rel=1e-4)


def test_presets_need_bands_near_the_wavelengths() -> None:
    assert band_presets((470.0, 545.0, 650.0, 860.0)) == [
        ("True colour", [2, 1, 0]),
        ("False colour", [3, 2, 1]),
    ]
    sentinel_2 = band_presets((443.0, 492.0, 560.0, 665.0, 704.0, 741.0, 783.0, 865.0))
    assert sentinel_2 == [("True colour", [3, 2, 1]), ("False colour", [7, 3, 2])]  # 443 nm is for aerosol
    assert band_presets(()) == []
    assert band_presets((1600.0, None)) == []
