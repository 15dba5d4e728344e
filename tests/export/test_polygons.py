from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas
import numpy as np
import numpy.typing as npt
import pytest
import rasterio.features
import shapely
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from odc.geo.geobox import GeoBox
from scipy import ndimage

import geo_xmodal as gx
from geo_xmodal.errors import OutputError, RasterError, UsageError
from geo_xmodal.export import polygons, shapes, smallest
from geo_xmodal.raster.grid import grid_of
from tests import rasters
from tests.export.conftest import CLASSES, Look, patchy, write_map

Ids = npt.NDArray[np.uint8]


def exported(path: Path, **options: object) -> geopandas.GeoDataFrame:
    out = path.with_suffix(".gpkg")
    made = gx.export_polygons(path, out, **options)  # type: ignore[arg-type]
    frame = geopandas.read_file(out, layer="land_cover")
    assert len(frame) == made.polygons
    return frame


def burned(frame: geopandas.GeoDataFrame, ids: Ids, transform: Affine) -> Ids:
    """The map that the polygons make."""
    shapes_ = zip(frame.geometry, frame.class_id, strict=True)
    return rasterio.features.rasterize(shapes_, out_shape=ids.shape, transform=transform, dtype="uint8")


def check(frame: geopandas.GeoDataFrame, ids: Ids, pixel_area: float) -> None:
    """What must hold of the exact polygons of any map."""
    geometries = np.asarray(frame.geometry.array)
    assert frame.is_valid.all()
    assert shapely.coverage_is_valid(geometries)
    assert (shapely.get_type_id(geometries) == shapely.GeometryType.POLYGON).all()
    for value in np.unique(ids[ids > 0]):
        of_class = frame[frame.class_id == value]
        assert of_class.pixels.sum() == (ids == value).sum()
        assert of_class.area.sum() == pytest.approx((ids == value).sum() * pixel_area)
    np.testing.assert_allclose(frame.area, frame.pixels * pixel_area)


def test_known_answers(tmp_path: Path) -> None:
    ids = np.array(
        [
            [1, 1, 1, 1, 0],
            [1, 4, 4, 1, 0],
            [1, 4, 9, 1, 4],
            [1, 1, 1, 1, 4],
        ],
        np.uint8,
    )
    percent = np.full(ids.shape, 50, np.uint8)
    percent[1, 1:3], percent[2, 1], percent[2, 2] = (90, 80), 70, 255
    percent[ids == 0] = 255
    frame = exported(write_map(tmp_path / "map.tif", ids, percent=percent))
    check(frame, ids, 100.0)
    assert list(frame.columns) == [
        "class_id",
        "class_name",
        "pixels",
        "area_ha",
        "mean_probability",
        "geometry",
    ]
    assert frame.crs.to_epsg() == 32633
    with rasterio.open(tmp_path / "map.tif") as dataset:
        pixel = rasters.outline_area(grid_of(dataset)) / ids.size / 10_000
    rows = sorted(zip(frame.class_id, frame.pixels, frame.area_ha, frame.mean_probability, strict=True))
    assert rows[:3] == [
        (1, 12, pytest.approx(12 * pixel), pytest.approx(0.5)),
        (4, 2, pytest.approx(2 * pixel), pytest.approx(0.5)),
        (4, 3, pytest.approx(3 * pixel), pytest.approx(0.8)),
    ]
    assert rows[3][:2] == (9, 1) and np.isnan(rows[3][3])
    assert dict(zip(frame.class_id, frame.class_name, strict=True)) == {
        entry.id: entry.name for entry in CLASSES
    }
    ring = frame[frame.class_id == 1].geometry.iloc[0]
    west, north = 400_000, 5_000_000
    assert ring.bounds == (west, north - 40, west + 40, north)
    assert len(ring.interiors) == 1
    hole = shapely.Polygon(ring.interiors[0])
    assert hole.equals(shapely.box(west + 10, north - 30, west + 30, north - 10))
    # where 4 and 9 meet at the ring there is a vertex of all three
    meeting = (west + 20.0, north - 30.0)
    assert meeting in ring.interiors[0].coords


def test_areas_that_touch_in_a_corner_are_apart_and_holes_may_touch_outlines(tmp_path: Path) -> None:
    ids = np.ones((5, 5), np.uint8)
    ids[1, 1] = ids[2, 2] = ids[0, 3] = ids[1, 4] = 4
    frame = exported(write_map(tmp_path / "map.tif", ids))
    check(frame, ids, 100.0)
    assert (frame.class_id == 4).sum() == 4
    assert sorted(frame[frame.class_id == 1].pixels) == [1, 20]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ids=arrays(
        np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.sampled_from([0, 1, 4, 9])
    ),
    rows=st.integers(1, 5),
    sieve=st.integers(0, 6),
    simplify=st.sampled_from([0.0, 8.0, 30.0]),
    block=st.sampled_from([3, 5, 1024]),
)
def test_strips_or_one_piece_are_the_same(
    ids: Ids, rows: int, sieve: int, simplify: float, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shapes, "BLOCK", block)
    with TemporaryDirectory() as folder:
        path = write_map(Path(folder) / "map.tif", ids)
        options = {"sieve": sieve, "simplify": simplify}
        whole = exported(path, strip_rows=1000, **options)
        content = path.with_suffix(".gpkg").read_bytes()
        exported(path, strip_rows=rows, **options)
        assert path.with_suffix(".gpkg").read_bytes() == content
        if not len(whole):
            assert not ids.any()
            return
        assert whole.pixels.sum() == (ids > 0).sum()
        assert shapely.coverage_is_valid(np.asarray(whole.geometry.array))
        assert whole.is_valid.all()
        # simplified outlines may lose size to a neighbour, or to no data, never to a gap or an overlap
        if not simplify or ids.all():
            assert whole.area.sum() == pytest.approx(100 * (ids > 0).sum())
        if not simplify and not sieve:
            check(whole, ids, 100.0)
            count = sum(ndimage.label(ids == value)[1] for value in (1, 4, 9))
            assert len(whole) == count
        if not simplify:
            again = burned(whole, ids, rasters.utm_grid(*ids.shape).affine)
            assert ((again > 0) == (ids > 0)).all()


def test_a_larger_map_in_small_batches_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = patchy((150, 220))
    path = write_map(tmp_path / "map.tif", ids)
    whole = exported(path)
    check(whole, ids, 100.0)
    monkeypatch.setattr(polygons, "_BATCH", 37)
    parts = exported(path, strip_rows=11)
    assert parts.equals(whole)
    np.testing.assert_array_equal(burned(whole, ids, rasters.utm_grid(150, 220).affine), ids)


@pytest.mark.parametrize("least", [2, 5, 30])
def test_small_areas_join_a_neighbour(least: int, tmp_path: Path) -> None:
    ids = patchy((90, 110), seed=3)
    path = write_map(tmp_path / "map.tif", ids)
    frame = exported(path, sieve=least)
    after = burned(frame, ids, rasters.utm_grid(90, 110).affine)
    np.testing.assert_array_equal(after > 0, ids > 0)
    check(frame, after, 100.0)
    made = gx.export_polygons(path, tmp_path / "again.gpkg", sieve=least)
    assert made.merged_pixels == (after != ids).sum() > 0
    # what stays small has nothing but no data around it
    for geometry in frame[frame.pixels < least].geometry:
        neighbours = frame[frame.touches(geometry)].geometry
        assert not shapely.length(shapely.intersection(np.asarray(neighbours), geometry)).any()
    # hectares are the same in other words: 100 square metres a pixel
    same = exported(path, mmu=least / 100)
    assert same.equals(frame)


def test_the_longest_border_wins_and_touching_areas_of_one_class_become_one(tmp_path: Path) -> None:
    ids = np.array(
        [
            [1, 1, 1, 4, 4, 4],
            [1, 1, 9, 9, 4, 4],
            [1, 1, 1, 4, 4, 4],
        ],
        np.uint8,
    )
    frame = exported(write_map(tmp_path / "map.tif", ids), sieve=3)
    assert sorted(zip(frame.class_id, frame.pixels, strict=True)) == [(1, 10), (4, 8)]
    # the border is as long on both sides; of neighbours alike the first takes it
    ids[0, 2] = 4  # now 9 touches 4 more than 1
    frame = exported(write_map(tmp_path / "map.tif", ids), sieve=3)
    assert sorted(zip(frame.class_id, frame.pixels, strict=True)) == [(1, 7), (4, 11)]
    bridge = np.array([[1, 1, 9, 1, 1]], np.uint8)
    frame = exported(write_map(tmp_path / "map.tif", bridge), sieve=2)
    assert frame[["class_id", "pixels"]].to_numpy().tolist() == [[1, 5]]


def test_simplified_neighbours_still_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "BLOCK", 64)
    row, col = np.mgrid[:150, :200]
    ids = np.where((row - 75) ** 2 + (col - 90) ** 2 < 3000, 4, 1).astype(np.uint8)
    ids[row > 100 + 10 * np.sin(col / 9)] = 9
    ids[(row - 20) ** 2 + (col - 170) ** 2 < 200] = 0
    path = write_map(tmp_path / "map.tif", ids)
    exact = exported(path)
    simple = exported(path, simplify=30.0)
    geometries = np.asarray(simple.geometry.array)
    assert shapely.coverage_is_valid(geometries)
    assert simple.is_valid.all()
    assert (
        shapely.get_num_coordinates(geometries).sum()
        < 0.5 * shapely.get_num_coordinates(exact.geometry).sum()
    )
    assert simple.total_bounds.tolist() == exact.total_bounds.tolist()
    assert simple.area.sum() == pytest.approx(exact.area.sum(), rel=0.01)
    assert simple.pixels.tolist() == exact.pixels.tolist()
    large = simple.pixels > 10
    assert np.abs(simple.area[large] / exact.area[large] - 1).max() < 0.03
    assert (burned(simple, ids, rasters.utm_grid(150, 200).affine) == ids).mean() > 0.97
    hole = shapely.union_all(geometries).interiors
    assert len(hole) == 1 and len(hole[0].coords) < 40


@pytest.mark.parametrize(
    "grid",
    [
        GeoBox((40, 50), Affine(10, 0, 4e5, 0, -10, 5e6) @ Affine.rotation(20), rasters.UTM33),
        GeoBox((40, 50), Affine(1, 0, 0, 0, 1, 0), None),
        GeoBox((40, 50), Affine(1e-4, 0, 13, 0, -1e-4, 52), rasters.WGS84),
    ],
    ids=["turned", "no CRS", "degrees"],
)
def test_any_grid(grid: GeoBox, tmp_path: Path) -> None:
    ids = patchy((40, 50))
    path = write_map(tmp_path / "map.tif", ids, grid)
    frame = exported(path, sieve=3, simplify=0.1)
    assert frame.is_valid.all() and frame.pixels.sum() == (ids > 0).sum()
    assert (frame.crs is None) == (grid.crs is None)
    if grid.crs is None:
        assert frame.area_ha.isna().all()
        with pytest.raises(UsageError, match="no CRS"):
            exported(path, mmu=1.0)
    else:
        assert frame.area_ha.sum() > 0
    exact = exported(path)
    np.testing.assert_array_equal(burned(exact, ids, grid.affine), ids)


def test_an_empty_map_is_an_empty_layer(tmp_path: Path) -> None:
    path = write_map(tmp_path / "map.tif", np.zeros((30, 20), np.uint8))
    for options in ({}, {"sieve": 5}, {"simplify": 20.0}):
        assert len(exported(path, **options)) == 0


def test_a_map_of_another_program_is_named_and_its_zeros_are_told(tmp_path: Path) -> None:
    path = write_map(tmp_path / "map.tif", np.array([[0, 1], [4, 255]], np.uint8), legend=None, nodata=255)
    classes = tmp_path / "classes.toml"
    entry = "[[classes]]\nid = {}\nname = '{}'\ncolor = '#0000ff'\n"
    classes.write_text(entry.format(1, "Lake") + entry.format(4, "Bog"))
    made = gx.export_polygons(path, tmp_path / "out.gpkg", classes=classes)
    assert made.warnings == (
        "map.tif: 1 pixel with value 0 taken as no data; if it is a class, give it another value first",
    )
    assert set(geopandas.read_file(tmp_path / "out.gpkg").class_name) == {"Lake", "Bog"}


def test_a_map_of_another_program_is_taken_and_its_nodata_left_out(tmp_path: Path) -> None:
    ids = patchy((30, 40))
    ids[ids == 0] = 200
    path = write_map(tmp_path / "map.tif", ids, legend=None, nodata=200)
    frame = exported(path)
    assert set(frame.class_id) == {1, 4, 9}
    assert set(frame.class_name) == {"class 1", "class 4", "class 9"}
    assert frame.mean_probability.isna().all()
    assert frame.pixels.sum() == (ids != 200).sum()


def test_what_cannot_be_meant_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_map(tmp_path / "map.tif", patchy((30, 40)))
    for options in ({"mmu": -1.0}, {"sieve": -1}, {"simplify": float("nan")}, {"strip_rows": 0}):
        with pytest.raises(UsageError):
            exported(path, **options)
    with pytest.raises(UsageError, match=r"ends in \.gpkg"):
        gx.export_polygons(path, tmp_path / "out.shp")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        gx.export_polygons(path, tmp_path / "file" / "out.gpkg")
    rasters.write_positions(tmp_path / "float.tif", rasters.utm_grid())
    with pytest.raises(RasterError, match="2 bands of float32, expected one band of uint8"):
        exported(tmp_path / "float.tif")
    write_map(tmp_path / "odd.tif", np.full((4, 4), 7, np.uint8))
    with pytest.raises(RasterError, match="value 7 is not in its legend"):
        exported(tmp_path / "odd.tif")
    write_map(tmp_path / "empty.tif", np.zeros((4, 4), np.uint8), legend=None)
    with pytest.raises(RasterError, match="no pixel has data"):
        exported(tmp_path / "empty.tif")
    monkeypatch.setattr(smallest, "MAX_REGIONS", 20)
    with pytest.raises(RasterError, match="more than 20 areas"):
        exported(path)
    left = {item.name for item in tmp_path.iterdir() if item.suffix not in (".tif",)}
    assert left == {"file"}


def test_a_failed_export_leaves_the_older_file(tmp_path: Path) -> None:
    path = write_map(tmp_path / "map.tif", patchy((30, 40)))
    exported(path)
    before = (tmp_path / "map.gpkg").read_bytes()

    def stop(done: int, total: int, message: str) -> None:
        if message.startswith("writing"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gx.export_polygons(path, tmp_path / "map.gpkg", sieve=4, progress=stop)
    assert (tmp_path / "map.gpkg").read_bytes() == before
    assert {item.name for item in tmp_path.iterdir()} == {"map.tif", "map.gpkg"}


def test_gdal_and_qgis_take_the_file(
    tmp_path: Path, look: Look, system_program: Callable[[str], str]
) -> None:
    ids = patchy((60, 80))
    path = write_map(tmp_path / "map.tif", ids)
    frame = exported(path, simplify=10.0)
    done = subprocess.run(
        [system_program("ogrinfo"), "-so", path.with_suffix(".gpkg"), "land_cover"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert f"Feature Count: {len(frame)}" in done.stdout
    told = look(path.with_suffix(".gpkg"))
    assert (told["valid"], told["crs"], told["features"]) == (True, "EPSG:32633", len(frame))
    assert told["extent"] == pytest.approx([400_000, 4_999_400, 400_800, 5_000_000])
    assert told["renderer"] == "categorizedSymbol"
    assert [[int(one[0]), *one[1:]] for one in told["classes"]] == [[e.id, e.name, e.color] for e in CLASSES]
