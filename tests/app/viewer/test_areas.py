"""Class areas and change matrices against counts of the whole array."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from geo_xmodal.errors import GeoXmodalError, RasterError, UsageError
from geo_xmodal_app.viewer import areas as module
from geo_xmodal_app.viewer import change_matrix, class_areas
from tests.app.viewer.scenes import CLASSES, COLS, HECTARES, NORTH, PIXEL, ROWS, WEST, classes, other_classes
from tests.rasters import outline_area
from tests.tiny import write_raster

GRID = {"west": WEST, "north": NORTH, "pixel": PIXEL}


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows that cut the map in many parts."""
    monkeypatch.setattr(module, "_WINDOW", 70)


def test_areas_of_the_whole_map(tmp_path: Path, small_windows: None) -> None:
    ids = classes()
    ids[200:, 400:] = 77  # not in the legend
    found = class_areas(write_raster(tmp_path / "map.tif", ids, **GRID), CLASSES)
    assert [area.id for area in found] == [1, 4, 9, 77, 0]
    for area in found:
        assert area.pixels == (ids == area.id).sum()
        assert area.hectares == pytest.approx(area.pixels * HECTARES, rel=1e-6)
    assert sum(area.share for area in found) == pytest.approx(1)
    assert found[-1].share == 0


def test_a_pixel_counts_when_its_centre_lies_inside(tmp_path: Path, small_windows: None) -> None:
    ids = classes()
    path = write_raster(tmp_path / "map.tif", ids, **GRID)
    ring = [(501_003, 5_799_871), (504_511, 5_799_404), (503_100, 5_797_302), (500_212, 5_798_000)]
    hole = [(502_000, 5_799_000), (503_000, 5_799_000), (502_500, 5_798_200)]
    polygon = shapely.Polygon(ring, [hole])
    row, col = np.mgrid[:ROWS, :COLS]
    inside = shapely.contains_xy(polygon, WEST + (col + 0.5) * PIXEL, NORTH - (row + 0.5) * PIXEL)
    found = class_areas(path, CLASSES, shapely.geometry.mapping(polygon))
    assert {area.id: area.pixels for area in found} == {
        id_: (ids[inside] == id_).sum() for id_ in (1, 4, 9, 0)
    }


WEB_MERCATOR_AT_60_NORTH = Affine(200, 0, 2_780_000, 0, -200, 8_440_000)
DEGREES = Affine(0.01, 0, 10, 0, -0.02, 60)


@pytest.mark.parametrize(
    ("crs", "transform"), [("EPSG:3857", WEB_MERCATOR_AT_60_NORTH), ("EPSG:4326", DEGREES)]
)
def test_hectares_are_those_on_the_ellipsoid(
    crs: str, transform: Affine, tmp_path: Path, small_windows: None
) -> None:
    ids = np.full((ROWS, COLS), 1, np.uint8)
    ids[ROWS // 2 :] = 4
    path = write_raster(tmp_path / "map.tif", ids, crs=crs, transform=transform)

    grid = GeoBox((ROWS, COLS), transform, crs)
    north, south, part = (
        outline_area(grid[start:stop]) / 10_000
        for start, stop in ((0, ROWS // 2), (ROWS // 2, ROWS), (10, 70))
    )
    found = {area.id: area for area in class_areas(path, CLASSES)}
    assert found[1].hectares == pytest.approx(north, rel=1e-6)
    assert found[4].hectares == pytest.approx(south, rel=1e-6)
    assert found[1].pixels == found[4].pixels
    assert found[1].share == pytest.approx(north / (north + south), rel=1e-6) and found[1].share < 0.499
    corners = [transform @ corner for corner in ((0, 10), (COLS, 10), (COLS, 70), (0, 70))]
    drawn = class_areas(path, CLASSES, shapely.geometry.mapping(shapely.Polygon(corners)))
    assert drawn[0].pixels == 60 * COLS and drawn[0].hectares == pytest.approx(part, rel=1e-6)
    matrix = change_matrix(path, path, CLASSES).hectares
    assert matrix is not None
    np.testing.assert_allclose(matrix, [[north, 0], [0, south]], rtol=1e-6)


def test_without_crs_there_are_no_hectares(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "map.tif", classes(), west=0, north=ROWS, pixel=1, crs=None)
    assert {area.hectares for area in class_areas(path, CLASSES)} == {None}


def test_a_changed_file_is_counted_anew(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "map.tif", classes(), **GRID)
    before = class_areas(path, CLASSES)
    write_raster(path, np.full((ROWS, COLS), 4, np.uint8), **GRID)
    os.utime(path, ns=(1, 1))
    after = class_areas(path, CLASSES)
    assert before[1].pixels != after[1].pixels == ROWS * COLS


def test_change_matrix(tmp_path: Path, small_windows: None) -> None:
    first, second = classes(), other_classes()
    second[:10] = 0
    first[:5] = 77  # only where the other has no class: nothing changed from it or to it
    one = write_raster(tmp_path / "one.tif", first, **GRID)
    two = write_raster(tmp_path / "two.tif", second, **GRID)
    found = change_matrix(one, two, CLASSES)
    assert (found.before, found.after) == ((1, 4, 9), (1, 4, 9))
    for row, before in enumerate(found.before):
        for col, after in enumerate(found.after):
            count = ((first == before) & (second == after)).sum()
            assert found.pixels[row][col] == count
            assert found.hectares[row][col] == pytest.approx(count * HECTARES, rel=1e-6)
    both = (first > 0) & (second > 0)
    assert found.compared == both.sum()
    assert found.agreeing == (first[both] == second[both]).sum()
    assert found.left_out == (~both).sum()


def test_what_cannot_be_counted_is_refused(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "map.tif", classes(), **GRID)
    far = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
    with pytest.raises(UsageError, match="outside the map"):
        class_areas(path, CLASSES, far)
    with pytest.raises(UsageError, match="expected a polygon"):
        class_areas(path, CLASSES, {"type": "Point", "coordinates": [WEST, NORTH]})
    floats = write_raster(tmp_path / "floats.tif", classes().astype(np.float32), **GRID)
    with pytest.raises(UsageError, match="expected one band of uint8"):
        class_areas(floats, CLASSES)
    coarse = write_raster(tmp_path / "coarse.tif", classes()[::2, ::2], west=WEST, north=NORTH, pixel=20)
    with pytest.raises(UsageError, match="compared on one grid"):
        change_matrix(path, coarse, CLASSES)
    (tmp_path / "text.tif").write_text("<VRTDataset>")
    with pytest.raises(RasterError):
        class_areas(tmp_path / "text.tif", CLASSES)
    with pytest.raises(GeoXmodalError):
        class_areas(tmp_path / "missing.tif", CLASSES)
