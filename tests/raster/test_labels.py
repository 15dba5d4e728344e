from __future__ import annotations

import datetime
import json
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pandas
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from geo_xmodal.errors import GeoXmodalError, LabelError, RasterError, VectorError
from geo_xmodal.raster import vector
from geo_xmodal.raster.labels import (
    count_conflicts,
    label_place,
    label_values,
    read_labels,
    read_reference,
    read_window_labels,
    survey_labels,
)
from geo_xmodal.scenes.config import LabelsConfig
from geo_xmodal.types import ClassArray, LandClass, Window, windows_over
from tests import rasters

UTM = "EPSG:32633"
GRID = GeoBox((40, 30), Affine(10, 0, 500_000, 0, -10, 5_800_000), UTM)
WHOLE = Window(0, 0, 40, 30)
CLASSES = (
    LandClass(1, "Forest", "#00ff00"),
    LandClass(2, "Water", "#0000ff"),
    LandClass(7, "Roof", "#ff0000"),
)


def pixels(grid: GeoBox, *corners: tuple[float, float]) -> list[tuple[float, float]]:
    """(column, row) corners in the coordinates of a grid."""
    a, b, c, d, e, f = grid.affine[:6]
    return [(a * col + b * row + c, d * col + e * row + f) for col, row in corners]


def part(row: float, col: float, height: int, width: int, step: float = 1.0) -> GeoBox:
    """A grid that begins at a pixel of `GRID`, with pixels `step` times as large."""
    (x, y), size = pixels(GRID, (col, row))[0], 10 * step
    return GeoBox((height, width), Affine(size, 0, x, 0, -size, y), UTM)


def rectangle(grid: GeoBox, row: float, col: float, height: float, width: float) -> shapely.Polygon:
    right, bottom = col + width, row + height
    return shapely.Polygon(pixels(grid, (col, row), (right, row), (right, bottom), (col, bottom)))


def write_vector(
    path: Path, geometries: Sequence[Any], values: Sequence[Any], crs: str | None = UTM, column: str = "class"
) -> Path:
    frame = geopandas.GeoDataFrame({column: list(values)}, geometry=list(geometries), crs=UTM)
    if crs is None:
        frame = frame.set_crs(None, allow_override=True)
    elif crs != UTM:
        frame = frame.to_crs(crs)
    frame.to_file(path, driver="GPKG" if path.suffix == ".gpkg" else "GeoJSON")
    return path


def write_raster(path: Path, ids: npt.NDArray[Any], grid: GeoBox = GRID, nodata: float | None = None) -> Path:
    return rasters.write_raster(path, ids if ids.ndim == 3 else ids[None], grid, nodata=nodata)


def read(
    path: Path,
    window: Window = WHOLE,
    column: str | None = None,
    grid: GeoBox = GRID,
    classes: Sequence[LandClass] = CLASSES,
    table: dict[str, int] | None = None,
    **source: Any,
) -> ClassArray:
    if column is None and path.suffix not in (".tif", ".tiff"):
        column = "class"
    config = LabelsConfig(file=path.name, column=column, classes=table, **source)
    return read_labels(config, path, grid, classes, window)


def in_windows(path: Path, size: int, **options: Any) -> ClassArray:
    """Labels of the whole grid, put together from windows."""
    grid: GeoBox = options.get("grid", GRID)
    height, width = grid.shape
    out = np.zeros((height, width), np.uint8)
    for window in windows_over(height, width, size):
        out[window.slices] = read(path, window, **options)
    return out


class TestRasters:
    def test_ids_come_back_as_written(self, tmp_path: Path) -> None:
        ids = np.random.default_rng(0).choice(np.array([0, 1, 2, 7], np.uint8), (40, 30))
        assert (read(write_raster(tmp_path / "labels.tif", ids)) == ids).all()

    def test_whole_floats_are_ids_and_the_rest_is_unlabelled(self, tmp_path: Path) -> None:
        values = np.zeros((40, 30), np.float32)
        values[0, :5] = [1.0, 7.0, -1.0, np.nan, -9999.0]
        found = read(write_raster(tmp_path / "labels.tif", values, nodata=-9999.0))
        assert found.dtype == np.uint8
        assert found[0, :5].tolist() == [1, 7, 0, 0, 0]
        assert found.sum() == 8

    def test_nodata_is_unlabelled_even_where_it_could_be_a_class(self, tmp_path: Path) -> None:
        ids = np.full((40, 30), 2, np.uint8)
        ids[0] = 7
        assert (read(write_raster(tmp_path / "labels.tif", ids, nodata=7))[0] == 0).all()

    def test_another_extent_of_the_same_grid(self, tmp_path: Path) -> None:
        ids = np.arange(20 * 20, dtype=np.uint8).reshape(20, 20) % 3
        shifted = part(30, -5, 20, 20)
        found = read(write_raster(tmp_path / "labels.tif", ids, shifted))
        assert (found[30:, :15] == ids[:10, 5:]).all()
        assert found[:30].sum() == 0 and found[:, 15:].sum() == 0

    def test_coarser_labels_are_taken_by_nearest_neighbour(self, tmp_path: Path) -> None:
        ids = np.random.default_rng(1).choice(np.array([1, 2, 7], np.uint8), (10, 10))
        coarse = part(0, 0, 10, 10, step=4)
        found = read(write_raster(tmp_path / "labels.tif", ids, coarse))
        assert (found == np.kron(ids, np.ones((4, 4), np.uint8))[:40, :30]).all()

    @pytest.mark.parametrize("nodata", [None, 0])
    def test_finer_labels_are_taken_by_the_commonest(self, tmp_path: Path, nodata: int | None) -> None:
        fine = part(0, 0, 160, 120, step=0.25)
        ids = np.ones((160, 120), np.uint8)
        ids.reshape(40, 4, 30, 4)[10:20, :3, :, :3] = 2  # 9 of 16 source pixels
        ids.reshape(40, 4, 30, 4)[20:30, :2, :, :3] = 7  # 6 of 16
        ids[120:] = 0
        ids.reshape(40, 4, 30, 4)[35:, 0, :, :2] = 7  # 2 of 16, the others unlabelled
        found = read(write_raster(tmp_path / "labels.tif", ids, fine, nodata))
        assert (found[:10] == 1).all() and (found[10:20] == 2).all() and (found[20:30] == 1).all()
        assert (found[30:35] == 0).all() and (found[35:] == 7).all()

    @pytest.mark.parametrize("factor", [0.3, 1.0, 2.7])
    def test_windows_give_the_same_ids_across_crs(self, tmp_path: Path, factor: float) -> None:
        degrees = 10 / 111_000 * factor
        other = GeoBox((300, 300), Affine(degrees, 0, 14.998, 0, -degrees, 52.352), "EPSG:4326")
        ids = np.random.default_rng(2).choice(np.array([0, 1, 2, 7], np.uint8), (300, 300))
        path = write_raster(tmp_path / "labels.tif", ids, other)
        whole = read(path)
        assert len(np.unique(whole)) > 1
        assert (in_windows(path, 7) == whole).all()

    def test_values_outside_the_class_list_are_counted(self, tmp_path: Path) -> None:
        ids = np.ones((40, 30), np.uint8)
        ids[0, :3], ids[1, 0] = 9, 200
        path = write_raster(tmp_path / "labels.tif", ids)
        with pytest.raises(
            LabelError, match=r"'9' \(3 pixels\), '200' \(1 pixel\); classes are 1 Forest, 2 Wat"
        ):
            read(path)

    def test_values_are_mapped_as_the_scene_says(self, tmp_path: Path) -> None:
        ids = np.array([[9, 200, 1, 2]], np.uint8)
        path = write_raster(tmp_path / "labels.tif", ids, part(0, 0, 1, 4))
        source = LabelsConfig(file=path.name, classes={"9": 7, "200": 0, "1": 2})
        assert read_labels(source, path, GRID, CLASSES, Window(0, 0, 1, 4)).tolist() == [[7, 0, 2, 2]]

    def test_fractions_are_no_classes(self, tmp_path: Path) -> None:
        path = write_raster(tmp_path / "labels.tif", np.full((40, 30), 1.5, np.float32))
        with pytest.raises(LabelError, match=r"'1\.5' \(1,200 pixels\)"):
            read(path)

    def test_a_picture_is_no_label(self, tmp_path: Path) -> None:
        path = write_raster(tmp_path / "labels.tif", np.ones((3, 40, 30), np.uint8))
        with pytest.raises(LabelError, match="3 bands"):
            read(path)

    def test_a_column_has_no_meaning(self, tmp_path: Path) -> None:
        path = write_raster(tmp_path / "labels.tif", np.ones((40, 30), np.uint8))
        with pytest.raises(LabelError, match="no column 'class'"):
            read(path, column="class")

    def test_a_missing_raster_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(RasterError, match=r"labels\.tif"):
            read(tmp_path / "labels.tif")


@pytest.fixture(params=["gpkg", "geojson"])
def vector_path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"labels.{request.param}"


class TestVectors:
    def test_a_pixel_belongs_to_the_polygon_that_holds_its_centre(self, tmp_path: Path) -> None:
        # Columns 3.4 to 6.6 hold the centres 3.5 to 6.5; rows 10.6 to 12.4 hold 11.5 only.
        path = write_vector(tmp_path / "labels.gpkg", [rectangle(GRID, 10.6, 3.4, 1.8, 3.2)], [1])
        expected = np.zeros((40, 30), np.uint8)
        expected[11, 3:7] = 1
        assert (read(path) == expected).all()

    def test_a_point_labels_the_pixel_that_contains_it(self, vector_path: Path) -> None:
        points = [
            shapely.Point(*pixels(GRID, xy)[0]) for xy in ((0.1, 0.1), (4.9, 2.01), (29.99, 39.9), (31, 5))
        ]
        found = read(write_vector(vector_path, points, [1, 2, 7, 1]))
        assert {(row, col): found[row, col] for row, col in np.argwhere(found)} == {
            (0, 0): 1,
            (2, 4): 2,
            (39, 29): 7,
        }

    def test_names_are_matched_whatever_their_case(self, vector_path: Path) -> None:
        shapes = [rectangle(GRID, row, 0, 2, 30) for row in (0, 4, 8, 12)] + [rectangle(GRID, 0, 0, 40, 30)]
        found = read(write_vector(vector_path, shapes, ["FOREST", " water ", "7", None, "0"]))
        assert [int(found[row, 5]) for row in (0, 4, 8, 12)] == [1, 2, 7, 0]

    @pytest.mark.parametrize("dtype", ["int64", "float64", "int16"])
    def test_ids_of_any_number_type(self, tmp_path: Path, dtype: str) -> None:
        shapes = [rectangle(GRID, row, 0, 2, 30) for row in (0, 4, 8)]
        found = read(write_vector(tmp_path / "labels.gpkg", shapes, np.array([1, 7, 0], dtype).tolist()))
        assert [int(found[row, 5]) for row in (0, 4, 8)] == [1, 7, 0]

    def test_names_are_mapped_as_the_scene_says(self, tmp_path: Path) -> None:
        shapes = [rectangle(GRID, row, 0, 2, 30) for row in (0, 4, 8)]
        path = write_vector(tmp_path / "labels.gpkg", shapes, ["oak", "beech", "cloud"])
        source = LabelsConfig(file=path.name, column="class", classes={"oak": 1, "Beech": 1, "cloud": 0})
        found = read_labels(source, path, GRID, CLASSES, WHOLE)
        assert [int(found[row, 5]) for row in (0, 4, 8)] == [1, 1, 0]

    def test_unknown_names_are_listed_with_the_classes(self, vector_path: Path) -> None:
        shapes = [rectangle(GRID, row, 0, 2, 30) for row in (0, 4, 8)]
        path = write_vector(vector_path, shapes, ["Forest", "Desert", "Desert"])
        with pytest.raises(
            LabelError, match=r"'Desert' \(2 features\); classes are 1 Forest, 2 Water, 7 Roof"
        ):
            read(path)

    def test_later_features_lie_over_earlier_ones_and_are_counted(self, vector_path: Path) -> None:
        shapes = [
            rectangle(GRID, 0, 0, 10, 10),
            rectangle(GRID, 5, 5, 10, 10),
            shapely.Point(*pixels(GRID, (5.5, 5.5))[0]),
            rectangle(GRID, 2, 2, 2, 2),
        ]
        path = write_vector(vector_path, shapes, [1, 2, 7, 1])
        found = read(path)
        assert found[4, 4] == 1 and found[6, 6] == 2 and found[5, 5] == 7
        source = LabelsConfig(file=path.name, column="class")
        assert count_conflicts(source, path, GRID, CLASSES, WHOLE) == 25
        assert count_conflicts(source, path, GRID, CLASSES, Window(0, 0, 6, 6)) == 1

    def test_the_last_of_many_features_wins(self, vector_path: Path) -> None:
        rng = np.random.default_rng(3)
        expected = np.zeros((40, 30), np.uint8)
        shapes, values = [], []
        for _ in range(400):
            row, col, height, width = rng.integers(0, 12, 4) * (3, 2, 1, 1) + (0, 0, 1, 1)
            shapes.append(rectangle(GRID, row, col, height, width))
            values.append(int(rng.choice([1, 2, 7])))
            expected[row : row + height, col : col + width] = values[-1]
        assert (read(write_vector(vector_path, shapes, values)) == expected).all()

    def test_holes_parts_heights_and_collections(self, tmp_path: Path) -> None:
        outer, inner = rectangle(GRID, 0, 0, 9, 9), rectangle(GRID, 3, 3, 3, 3)
        frame = geopandas.GeoDataFrame(
            {"class": [1, 2, 7]},
            geometry=[
                shapely.force_3d(outer.difference(inner), 55.0),
                shapely.MultiPolygon([rectangle(GRID, 20, 0, 2, 2), rectangle(GRID, 20, 5, 2, 2)]),
                shapely.GeometryCollection(
                    [rectangle(GRID, 30, 0, 2, 2), shapely.Point(*pixels(GRID, (20.5, 30.5))[0])]
                ),
            ],
            crs=UTM,
        )
        path = tmp_path / "labels.gpkg"
        frame.to_file(path, driver="GPKG")
        found = read(path)
        assert (found[:9, :9] == 1).sum() == 81 - 9 and (found[3:6, 3:6] == 0).all()
        assert (found[20:22, [0, 1, 5, 6]] == 2).all() and (found == 2).sum() == 8
        assert (found[30:32, :2] == 7).all() and found[30, 20] == 7 and (found == 7).sum() == 5

    @pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:25832", "EPSG:31468"])
    def test_any_crs_lands_on_the_same_pixels(self, tmp_path: Path, crs: str) -> None:
        shapes = [rectangle(GRID, 3.2, 4.2, 8.6, 9.6), shapely.Point(*pixels(GRID, (20.4, 30.6))[0])]
        here = read(write_vector(tmp_path / "here.gpkg", shapes, [1, 2]))
        there = read(write_vector(tmp_path / "there.gpkg", shapes, [1, 2], crs))
        assert here.any()
        assert (here == there).all()

    def test_geojson_is_in_degrees_unless_it_says_otherwise(self, tmp_path: Path) -> None:
        point = geopandas.GeoSeries([shapely.Point(*pixels(GRID, (3.5, 7.5))[0])], crs=UTM).to_crs(4326)[0]
        feature = {
            "type": "Feature",
            "properties": {"class": 2},
            "geometry": {"type": "Point", "coordinates": [point.x, point.y]},
        }
        path = tmp_path / "labels.geojson"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
        assert np.argwhere(read(path)).tolist() == [[7, 3]]

    def test_nothing_is_labelled_outside_the_grid(self, tmp_path: Path) -> None:
        path = write_vector(tmp_path / "labels.gpkg", [rectangle(GRID, -20, -20, 90, 90)], [1])
        found = read(path, Window(-3, -4, 46, 40))
        expected = np.zeros((46, 40), np.uint8)
        expected[3:43, 4:34] = 1
        assert (found == expected).all()

    @pytest.mark.filterwarnings("ignore:'crs' was not provided")
    def test_a_grid_and_labels_without_crs_share_coordinates(self, tmp_path: Path) -> None:
        grid = GeoBox(GRID.shape, GRID.affine, None)
        path = write_vector(tmp_path / "labels.gpkg", [rectangle(GRID, 2, 2, 3, 3)], [1], crs=None)
        assert read(path, grid=grid).sum() == 9

    @pytest.mark.filterwarnings("ignore:'crs' was not provided")
    def test_a_crs_on_one_side_only_is_refused(self, tmp_path: Path) -> None:
        shapes = [rectangle(GRID, 2, 2, 3, 3)]
        bare = write_vector(tmp_path / "bare.gpkg", shapes, [1], crs=None)
        with pytest.raises(
            VectorError, match=r"'bare' is missing, of the grid 'WGS 84 / UTM.*say which CRS it is in"
        ):
            read(bare)
        placed = write_vector(tmp_path / "placed.gpkg", shapes, [1])
        with pytest.raises(VectorError, match="of the grid missing"):
            read(placed, grid=GeoBox(GRID.shape, GRID.affine, None))

    def test_lines_are_refused(self, tmp_path: Path) -> None:
        line = shapely.LineString(pixels(GRID, (0, 0), (5, 5)))
        path = write_vector(tmp_path / "labels.gpkg", [line], [1])
        with pytest.raises(VectorError, match=r"1 geometries.*linestring.*buffer"):
            read(path)

    def test_columns_are_listed_when_one_is_missing(self, vector_path: Path) -> None:
        path = write_vector(vector_path, [rectangle(GRID, 0, 0, 2, 2)], [1], column="level_1")
        with pytest.raises(VectorError, match=r"no column 'class'; columns of layer 'labels': level_1"):
            read(path)
        with pytest.raises(VectorError, match="no column of class ids or names is named"):
            read_labels(LabelsConfig(file=path.name), path, GRID, CLASSES, WHOLE)

    def test_layers_are_listed_when_there_are_several(self, tmp_path: Path) -> None:
        path = tmp_path / "labels.gpkg"
        for name, value in (("spring", 1), ("autumn", 2)):
            frame = geopandas.GeoDataFrame(
                {"class": [value]}, geometry=[rectangle(GRID, 0, 0, 9, 9)], crs=UTM
            )
            frame.to_file(path, driver="GPKG", layer=name)
        with pytest.raises(VectorError, match=r"2 layers, and none is chosen; .*spring, autumn"):
            read(path)
        with pytest.raises(VectorError, match="no layer 'winter'"):
            read(path, layer="winter")
        assert read(path, layer="autumn")[4, 4] == 2

    def test_a_file_that_changed_is_read_anew(self, vector_path: Path) -> None:
        write_vector(vector_path, [rectangle(GRID, 0, 0, 2, 2)], [1])
        assert read(vector_path).sum() == 4
        vector_path.unlink()
        write_vector(vector_path, [rectangle(GRID, 0, 0, 3, 3), rectangle(GRID, 8, 8, 1, 1)], [1, 1])
        assert read(vector_path).sum() == 10

    def test_too_many_vertices_are_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = write_vector(tmp_path / "labels.gpkg", [rectangle(GRID, 0, 0, 2, 2)], [1])
        monkeypatch.setattr(vector, "MAX_VERTICES", 4)
        with pytest.raises(VectorError, match="5 vertices"):
            read(path)

    @given(seed=st.integers(0, 10_000), size=st.integers(8, 25), degrees=st.booleans())
    @settings(max_examples=15, deadline=None)
    def test_windows_give_the_same_ids(
        self, tmp_path_factory: pytest.TempPathFactory, seed: int, size: int, degrees: bool
    ) -> None:
        rng = np.random.default_rng(seed)
        shapes: list[Any] = []
        for _ in range(8):
            # Corners on halves and thirds of pixels: edges run through pixel centres on purpose.
            corners = rng.integers(-6, 90, (5, 2)) / rng.choice([2, 3])
            shapes.append(shapely.convex_hull(shapely.MultiPoint(pixels(GRID, *map(tuple, corners)))))
        path = tmp_path_factory.mktemp("windows") / "labels.gpkg"
        write_vector(path, shapes, rng.choice([1, 2, 7], 8).tolist(), "EPSG:4326" if degrees else UTM)
        assert (in_windows(path, size) == read(path)).all()


class TestDoor:
    """Files that are not what they claim to be."""

    def refused(self, path: Path, match: str) -> None:
        with pytest.raises(VectorError, match=match):
            read(path)

    def test_a_virtual_layer_in_disguise(self, tmp_path: Path) -> None:
        real = write_vector(tmp_path / "secret.gpkg", [rectangle(GRID, 0, 0, 2, 2)], [1])
        text = (
            f'<OGRVRTDataSource><OGRVRTLayer name="secret"><SrcDataSource>{real}</SrcDataSource>'
            "</OGRVRTLayer></OGRVRTDataSource>"
        )
        for name in ("labels.gpkg", "labels.geojson", "labels.json"):
            (tmp_path / name).write_text(text)
            made = "labels_new" if name == "labels.gpkg" else "labels"
            self.refused(
                tmp_path / name, rf"not a GeoPackage, GeoJSON, .*ogr2ogr -f GPKG {made}\.gpkg {name}"
            )

    def test_another_database(self, tmp_path: Path) -> None:
        path = tmp_path / "labels.gpkg"
        with closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE labels (class INTEGER)")
            database.commit()
        self.refused(path, "not a GeoPackage")

    @pytest.mark.parametrize("ending", ["fgb", "gml", "sqlite", "tab"])
    def test_another_format_is_told_how_to_be_converted(self, tmp_path: Path, ending: str) -> None:
        frame = geopandas.GeoDataFrame({"class": [1]}, geometry=[rectangle(GRID, 0, 0, 2, 2)], crs=UTM)
        frame.to_file(tmp_path / f"labels.{ending}", **({"driver": "SQLite"} if ending == "sqlite" else {}))
        self.refused(tmp_path / f"labels.{ending}", rf"ogr2ogr -f GPKG labels\.gpkg labels\.{ending}")

    def test_a_truncated_geopackage(self, tmp_path: Path) -> None:
        path = write_vector(tmp_path / "labels.gpkg", [rectangle(GRID, 0, 0, 2, 2)], [1])
        path.write_bytes(path.read_bytes()[:5000])
        self.refused(path, r"labels\.gpkg: (a damaged GeoPackage|cannot be)")

    def test_broken_json(self, tmp_path: Path) -> None:
        path = tmp_path / "labels.geojson"
        path.write_text('{"type": "FeatureCollection", "features": [')
        self.refused(path, "cannot be read: Expecting value: line 1 column 44")

    def test_a_huge_geojson(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = write_vector(tmp_path / "labels.geojson", [rectangle(GRID, 0, 0, 2, 2)], [1])
        monkeypatch.setattr(vector, "MAX_PARSED", 10)
        self.refused(path, "ogr2ogr -f GPKG")

    def test_a_missing_file_and_a_folder(self, tmp_path: Path) -> None:
        self.refused(tmp_path / "absent.gpkg", "No such file")
        (tmp_path / "folder.gpkg").mkdir()
        self.refused(tmp_path / "folder.gpkg", "not a regular file")

    def test_every_message_is_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "labels.gpkg").write_bytes(b"SQLite format 3\0" + bytes(52) + b"GPKG" + bytes(100))
        (tmp_path / "labels.json").write_text("{\n\n}")
        for name in ("labels.gpkg", "labels.json"):
            with pytest.raises(GeoXmodalError) as caught:
                read(tmp_path / name)
            assert "\n" not in str(caught.value) and name in str(caught.value)


class TestValues:
    def test_of_a_raster(self, tmp_path: Path) -> None:
        values = np.array([[0, 10, 2], [2, -1, np.nan]], np.float32)
        path = write_raster(tmp_path / "labels.tif", values, part(0, 0, 2, 3))
        assert list(label_values(path).items()) == [("2", 2), ("10", 1)]

    def test_of_a_vector(self, vector_path: Path) -> None:
        shapes = [rectangle(GRID, 0, 0, 2, 2)] * 4
        write_vector(vector_path, shapes, ["Water", "Forest", None, "Water"])
        assert list(label_values(vector_path, "class").items()) == [("Forest", 1), ("Water", 2)]

    def test_measurements_are_no_classes(self, tmp_path: Path) -> None:
        values = np.linspace(1, 2, 1200, dtype=np.float32).reshape(40, 30)
        with pytest.raises(LabelError, match="more than 255 different values"):
            label_values(write_raster(tmp_path / "labels.tif", values))


class TestNothingVanishes:
    """Small polygons, names typed in several ways, values that are no names, and what lies elsewhere."""

    def test_polygons_between_pixel_centres_label_the_pixel_they_lie_in(self, vector_path: Path) -> None:
        shapes = [
            rectangle(GRID, 3.1, 4.1, 0.2, 0.2),
            rectangle(GRID, 10.55, 2, 0.4, 20),  # a strip below the centres of its row
            shapely.MultiPolygon(
                [rectangle(GRID, 20.1, 5.1, 0.3, 0.3), rectangle(GRID, 24.6, 6.6, 0.3, 0.3)]
            ),
            rectangle(GRID, 30, 5, 2, 2),
        ]
        path = write_vector(vector_path, shapes, [1, 2, 7, 1])
        found = read(path)
        assert found[3, 4] == 1
        assert (found[10] == 2).sum() == 1 and (found == 2).sum() == 1
        assert found[20, 5] == found[24, 6] == 7
        assert (found > 0).sum() == 4 + 4
        source = LabelsConfig(file=path.name, column="class")
        for size in (40, 7):
            windows = [
                read_window_labels(source, path, GRID, CLASSES, window)
                for window in windows_over(40, 30, size)
            ]
            assert sum(one.small for one in windows) == 4
        assert (in_windows(path, 7) == found).all()

    def test_a_small_polygon_gives_way_to_one_that_contains_the_centre(self, vector_path: Path) -> None:
        shapes = [rectangle(GRID, 0, 0, 9, 9), *[rectangle(GRID, 3.1, 3.1, 0.2, 0.2)] * 2]
        path = write_vector(vector_path, shapes, [1, 2, 7])
        assert (read(path)[:9, :9] == 1).all()
        source = LabelsConfig(file=path.name, column="class")
        assert count_conflicts(source, path, GRID, CLASSES, WHOLE) == 0
        alone = write_vector(vector_path.with_stem("alone"), shapes[1:], [2, 7])
        assert count_conflicts(source, alone, GRID, CLASSES, WHOLE) == 1

    def test_points_of_two_classes_in_one_pixel_are_a_conflict(self, vector_path: Path) -> None:
        places = pixels(GRID, (3.2, 5.2), (3.8, 5.8), (9.5, 9.5), (9.6, 9.6))
        path = write_vector(vector_path, [shapely.Point(*place) for place in places], [1, 2, 7, 7])
        source = LabelsConfig(file=path.name, column="class")
        assert count_conflicts(source, path, GRID, CLASSES, WHOLE) == 1
        reference = read_reference(source, path, GRID, CLASSES, WHOLE)
        assert not reference.ids.any()
        found = reference.points
        assert found.position.tolist() == [[5, 3], [5, 3], [9, 9], [9, 9]]
        assert found.label.tolist() == [1, 2, 7, 7]

    @pytest.mark.parametrize(
        "spelling", ["FOREST", "forest  ", "Fo\u0301rest", "\u00a0Forest", "For  est", "F\u00f3rest"]
    )
    def test_spellings_of_a_name_are_one_class(self, vector_path: Path, spelling: str) -> None:
        first = {"For  est": "For est", "Fo\u0301rest": "F\u00f3rest", "F\u00f3rest": "F\u00d3REST"}.get(
            spelling, "Forest"
        )
        shapes = [rectangle(GRID, row, 0, 2, 30) for row in (0, 4, 8)]
        path = write_vector(vector_path, shapes, [first, spelling, "Water"])
        assert dict(label_values(path, "class")) == {first: 2, "Water": 1}
        assert survey_labels(path, "class").spellings == {first: (first, spelling)}
        classes = (LandClass(1, first, "#00ff00"), LandClass(2, "Water", "#0000ff"))
        found = read(path, classes=classes)
        assert [int(found[row, 5]) for row in (0, 4, 8)] == [1, 1, 2]

    @pytest.mark.parametrize(
        ("values", "names"),
        [
            ([True, False, True], ["false", "true"]),
            ([datetime.date(2020, 1, day) for day in (1, 2, 1)], ["2020-01-01", "2020-01-02"]),
            (
                [pandas.Timestamp(2020, 1, day, 6) for day in (1, 2, 1)],
                ["2020-01-01T06:00:00", "2020-01-02T06:00:00"],
            ),
            (["1_0", "10", "1_0"], ["10", "1_0"]),
            (["1.1.1", "nan", "inf"], ["1.1.1", "inf", "nan"]),
            ([0.1 + 0.2, 0.3, 0.3], ["0.3", "0.30000000000000004"]),
            ([2**53, 2**53 + 1, 2**53], [str(2**53), str(2**53 + 1)]),
        ],
        ids=["bool", "date", "datetime", "underscore", "text", "floats", "large"],
    )
    def test_values_of_any_type_are_told_apart(
        self, tmp_path: Path, values: list[Any], names: list[str]
    ) -> None:
        shapes = [rectangle(GRID, row, 0, 2, 30) for row in (0, 4, 8)]
        path = write_vector(tmp_path / "labels.gpkg", shapes, values)
        assert list(label_values(path, "class")) == names

    def test_dates_that_are_missing_are_unlabelled(self, tmp_path: Path) -> None:
        shapes = [rectangle(GRID, row, 0, 2, 30) for row in (0, 4)]
        path = write_vector(tmp_path / "labels.gpkg", shapes, [pandas.Timestamp(2020, 1, 1), pandas.NaT])
        assert survey_labels(path, "class").missing == 1

    def test_what_is_left_out_is_counted_with_its_reason(self, vector_path: Path) -> None:
        here, away = rectangle(GRID, 0, 0, 2, 2), rectangle(GRID, 500, 500, 2, 2)
        shapes = [here, away, None, here, here, here, here]
        path = write_vector(vector_path, shapes, ["Water", "Water", "Forest", None, " ", "0", "-3"])
        found = survey_labels(path, "class", grid=GRID)
        assert found.counts == {"Forest": 1, "Water": 2}
        assert (found.outside, found.placeless) == ({"Water": 1}, {"Forest": 1})
        assert (found.missing, found.unlabelled) == (2, {"-3": 1, "0": 1})
        kept = survey_labels(path, "class", unlabelled=("-3",), grid=GRID)
        assert kept.counts == {"0": 1, "Forest": 1, "Water": 2} and kept.unlabelled == {"-3": 1}

    @pytest.mark.parametrize("crs", [UTM, "EPSG:4326"])
    def test_pixels_of_a_raster_outside_the_grid(self, tmp_path: Path, crs: str) -> None:
        ids = np.ones((20, 20), np.uint8)
        ids[:, 15:] = 2
        path = write_raster(tmp_path / "labels.tif", ids, part(30, -5, 20, 20))
        # Rows 30 to 39 and columns 0 to 14 of the grid are covered: columns 5 to 19 of the file.
        found = survey_labels(path, grid=GRID if crs == UTM else degrees_of(GRID))
        assert found.counts == {"1": 300, "2": 100}
        expected = {"1": 300 - 100, "2": 100 - 50}
        assert found.outside == pytest.approx(expected, abs=0 if crs == UTM else 20)

    def test_zero_is_a_class_where_the_labels_say_so(self, tmp_path: Path) -> None:
        ids = np.full((40, 30), 255, np.uint8)
        ids[0, :3] = [0, 1, 2]
        path = write_raster(tmp_path / "labels.tif", ids, nodata=255)
        classes = (
            LandClass(1, "Forest", "#00ff00"),
            LandClass(2, "Water", "#0000ff"),
            LandClass(3, "Ice", "#ffffff"),
        )
        assert read(path, classes=classes)[0, :4].tolist() == [0, 1, 2, 0]
        told = survey_labels(path)
        assert (told.counts, told.unlabelled) == ({"1": 1, "2": 1}, {"0": 1})
        found = read(path, classes=classes, unlabelled=(), table={"0": 3})
        assert found[0, :4].tolist() == [3, 1, 2, 0]
        assert list(label_values(path, unlabelled=())) == ["0", "1", "2"]


def degrees_of(grid: GeoBox) -> GeoBox:
    """About the same pixels in degrees."""
    west, south, east, north = grid.extent.to_crs("EPSG:4326").boundingbox.bbox
    height, width = grid.shape
    step = ((east - west) / width, (south - north) / height)
    return GeoBox((height, width), Affine(step[0], 0, west, 0, step[1], north), "EPSG:4326")


class TestRealFiles:
    def test_muufl_labels_are_read_as_counted(self, real_data: Path) -> None:
        path = real_data / "muufl" / "labels.tif"
        values = label_values(path)
        assert list(values) == [str(label) for label in range(1, 12)]
        assert sum(values.values()) == 53_687
        with rasterio.open(path) as dataset:
            grid = GeoBox(dataset.shape, dataset.transform, dataset.crs.to_wkt())
            ids = dataset.read(1)
        classes = [LandClass(label, f"c{label}", "#000000") for label in range(1, 12)]
        assert (read(path, Window(0, 0, *ids.shape), grid=grid, classes=classes) == ids).all()

    def test_potsdam_labels_lie_inside_the_mosaic(self, real_data: Path) -> None:
        folder = real_data / "potsdam"
        with rasterio.open(folder / "enmap_potsdam_mosaic18.tif") as dataset:
            grid = GeoBox(dataset.shape, dataset.transform, dataset.crs.to_wkt())
        classes = [LandClass(label, f"c{label}", "#000000") for label in range(1, 7)]
        found = read(
            folder / "enmap_landcover_unstyled.tif", Window(0, 0, *grid.shape), grid=grid, classes=classes
        )
        assert (found > 0).sum() == 5672
        assert np.bincount(found.ravel())[1:].tolist() == [505, 953, 1694, 2070, 91, 359]

    def test_potsdam_points_fall_on_their_pixels(self, real_data: Path) -> None:
        path = real_data / "potsdam" / "landcover_potsdam_point.gpkg"
        names = ["impervious", "low vegetation", "tree", "soil", "water"]
        assert list(label_values(path, "level_2")) == sorted(names)
        classes = [LandClass(place, name.title(), "#000000") for place, name in enumerate(names, start=1)]
        with rasterio.open(path.with_name("enmap_landcover_unstyled.tif")) as dataset:
            grid = GeoBox(dataset.shape, dataset.transform, dataset.crs.to_wkt())
        found = read(path, Window(0, 0, *grid.shape), column="level_2", grid=grid, classes=classes)
        points = geopandas.read_file(path, layer="landcover_potsdam_point")
        for point, name in zip(points.geometry, points["level_2"], strict=True):
            col = (point.x - grid.affine.c) / grid.affine.a
            row = (point.y - grid.affine.f) / grid.affine.e
            if 0 <= row < grid.shape[0] and 0 <= col < grid.shape[1]:
                assert names[found[int(row), int(col)] - 1] == name
        assert 100 < (found > 0).sum() <= 120


def test_layers_are_listed(tmp_path: Path) -> None:
    two = tmp_path / "two.gpkg"
    square = [rectangle(GRID, 0, 0, 2, 2)]
    for layer in ("b", "a"):
        geopandas.GeoDataFrame({"class": [1]}, geometry=square, crs=UTM).to_file(two, layer=layer)
    pyogrio.write_dataframe(pandas.DataFrame({"note": ["no geometry"]}), two, layer="notes")
    assert vector.layer_names(two) == ("b", "a")
    assert vector.layer_names(write_vector(tmp_path / "one.geojson", square, [1])) == ("one",)
    for wrong in (tmp_path / "none.gpkg", tmp_path):
        with pytest.raises(VectorError, match=re.escape(str(wrong))):
            vector.layer_names(wrong)


def test_a_column_and_a_layer_are_told_after_colons(tmp_path: Path) -> None:
    (tmp_path / "odd:name.gpkg").touch()
    two = tmp_path / "two.gpkg"
    square = [rectangle(GRID, 0, 0, 2, 2)]
    for layer, column in (("a:b", "c"), ("a", "b:c"), ("sites", "class")):
        frame = geopandas.GeoDataFrame({column: [1]}, geometry=square, crs=UTM)
        frame.to_file(two, layer=layer, driver="GPKG")
    one = write_vector(tmp_path / "one.gpkg", square, [1], column="x:y")
    for text, file, layer, column in (
        ("labels.gpkg:class", "labels.gpkg", None, "class"),
        ("labels.gpkg:sites:class", "labels.gpkg", "sites", "class"),
        ("labels.gpkg", "labels.gpkg", None, None),
        (f"{tmp_path}/odd:name.gpkg", f"{tmp_path}/odd:name.gpkg", None, None),
        (f"{tmp_path}/odd:name.gpkg:class", f"{tmp_path}/odd:name.gpkg", None, "class"),
        ("C:/labels.gpkg", "C:/labels.gpkg", None, None),
        ("C:\\labels.gpkg", "C:\\labels.gpkg", None, None),
        (Path("labels.gpkg:class"), "labels.gpkg", None, "class"),
        (f"{two}:sites:class", two, "sites", "class"),
        (f"{two}:a:b:c", two, "a", "b:c"),
        (f"{two}:sites:wrong", two, "sites", "wrong"),
        (f"{one}:x:y", one, None, "x:y"),
    ):
        assert label_place(text) == (Path(file), layer, column)
