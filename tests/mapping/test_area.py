from __future__ import annotations

import dataclasses
import json
import pickle
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from geo_xmodal import bundle
from geo_xmodal.bundle import Bundle
from geo_xmodal.errors import ResumeError, VectorError
from geo_xmodal.mapping import Classifier, map_scene
from geo_xmodal.mapping.area import AreaReader, cut_to_area
from geo_xmodal.raster import content_digest
from geo_xmodal.raster.reader import AlignedReader
from geo_xmodal.raster.window_reader import Adaptation, Assumption, Band, ReaderDefaults, WindowReader
from geo_xmodal.types import FloatArray, Kind, Window
from tests.mapping.conftest import WriteInput, card_of, position_model, scene_values, with_holes

SHAPE = (300, 420)
PIXELS = shapely.union_all(
    [
        shapely.Polygon([(60.3, 40.2), (200.7, 70.4), (150.1, 220.9), (80, 180)]),
        shapely.box(250.5, 100.5, 290.5, 130.5).difference(shapely.box(260, 110, 270, 120)),
    ]
)
"""In pixels, x = column."""


@pytest.fixture
def reader(write_input: WriteInput) -> AlignedReader:
    return write_input(with_holes(scene_values(SHAPE)))


def write_area(path: Path, grid: GeoBox, pixels: object = PIXELS, crs: str | None = None) -> Path:
    """Shapes in pixels of `grid` as a vector file, in its CRS or another."""
    on_map = shapely.transform(pixels, lambda xy: np.stack(grid.affine @ xy.T, axis=1))
    frame = geopandas.GeoDataFrame(geometry=[on_map], crs=grid.crs.to_wkt() if grid.crs else None)
    (frame if crs is None else frame.to_crs(crs)).to_file(path)
    return path


def centres_inside(pixels: shapely.Geometry = PIXELS) -> np.ndarray:
    rows, cols = np.indices(SHAPE) + 0.5
    return shapely.contains_xy(pixels, cols, rows)


def clear_of_the_edge(pixels: shapely.Geometry = PIXELS, distance: float = 0.05) -> np.ndarray:
    rows, cols = np.indices(SHAPE) + 0.5
    return shapely.distance(pixels.boundary, shapely.points(cols, rows)) > distance


@pytest.mark.parametrize(
    ("name", "crs"), [("a.gpkg", None), ("a.geojson", "EPSG:4326"), ("a.gpkg", "EPSG:3857")]
)
def test_the_area_is_mapped_as_in_the_whole_map(
    name: str, crs: str | None, cnn: Bundle, cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    whole, _ = Classifier(cnn).classify(reader.read(Window(0, 0, *SHAPE), cnn.model.margin))
    _, sure = Classifier(cnn).classify(reader.read(Window(0, 0, *SHAPE), cnn.model.margin))
    part = cut_to_area(reader, write_area(tmp_path / name, reader.grid, crs=crs))
    result = map_scene(cnn_folder, part, tmp_path / "map.tif", window=64, probability=True)
    with rasterio.open(result.out) as dataset:
        ids = dataset.read(1)
        col, row = (round(value) for value in ~reader.grid.affine @ (dataset.transform @ (0, 0)))
        assert (row, col) == (40, 60)
        assert dataset.transform @ (0, 0) == reader.grid.affine @ (60, 40)
    assert ids.shape == (221 - 40, 291 - 60)
    full = np.zeros(SHAPE, np.uint8)
    full[row : row + ids.shape[0], col : col + ids.shape[1]] = ids
    compared = clear_of_the_edge() & ~(sure < 0.5001)
    np.testing.assert_array_equal(full[compared], np.where(centres_inside(), whole, 0)[compared])
    assert len(np.unique(full)) == 5
    with rasterio.open(tmp_path / "map_probability.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1) == 255, ids == 0)


@pytest.mark.parametrize(
    "transform",
    [
        Affine(10, 0, 500_003.7, 0, -10, 5e6),
        Affine(10, 0, 500_000, 0, 10, 4e6),
        Affine.translation(5e5, 5e6) @ Affine.rotation(30) @ Affine.scale(10, -10),
    ],
    ids=["offset", "south up", "turned"],
)
@pytest.mark.parametrize("axis", [0, 1])
def test_every_pixel_lands_where_it_belongs(
    transform: Affine, axis: int, write_input: WriteInput, tmp_path: Path
) -> None:
    place = (np.indices(SHAPE)[axis] % 251).astype(np.float32)
    reader = write_input(place[None], transform=transform, kind="msi")
    model = position_model(251)
    card = card_of(model, tuple(range(1, 9)), "msi")
    entries = [card.classes[0].model_copy(update={"id": k + 1, "name": f"{k}"}) for k in range(251)]
    bundle.save(tmp_path / "place", model, card.model_copy(update={"classes": tuple(entries)}))
    part = cut_to_area(reader, write_area(tmp_path / "a.gpkg", reader.grid))
    map_scene(tmp_path / "place", part, tmp_path / "map.tif", window=50)
    with rasterio.open(tmp_path / "map.tif") as dataset:
        ids = dataset.read(1)
        col, row = (round(value) for value in ~transform @ (dataset.transform @ (0, 0)))
    there = np.s_[row : row + ids.shape[0], col : col + ids.shape[1]]
    expected = np.where(centres_inside(), place + 1, 0)
    clear = clear_of_the_edge()
    np.testing.assert_array_equal(ids[clear[there]], expected[there][clear[there]])
    outside = expected.copy()
    outside[there] = 0
    assert not outside[clear].any()


@dataclasses.dataclass(frozen=True)
class CountingReader(ReaderDefaults):
    """Notes what is read."""

    inner: WindowReader
    read_windows: list[Window] = dataclasses.field(default_factory=list, compare=False)

    @property
    def grid(self) -> GeoBox:
        return self.inner.grid

    @property
    def kind(self) -> Kind:
        return self.inner.kind

    @property
    def bands(self) -> tuple[Band, ...]:
        return self.inner.bands

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        return self.inner.assumptions

    @property
    def files(self) -> tuple[Path, ...]:
        return self.inner.files

    def identity(self) -> Mapping[str, str]:
        return self.inner.identity()

    def on(self, grid: GeoBox, *, measured: bool = False) -> CountingReader:
        return dataclasses.replace(self, inner=self.inner.on(grid, measured=measured))

    def adapted(self, how: Adaptation) -> CountingReader:
        return dataclasses.replace(self, inner=self.inner.adapted(how))

    def read(self, window: Window, margin: int = 0) -> FloatArray:
        self.read_windows.append(window)
        return self.inner.read(window, margin)


def test_windows_beside_the_area_cost_neither_reading_nor_compute(
    cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    corners = shapely.union_all([shapely.box(10, 10, 40, 40), shapely.box(380, 260, 410, 290)])
    counting = CountingReader(reader)
    part = cut_to_area(counting, write_area(tmp_path / "a.gpkg", reader.grid, corners))
    assert part.frame == Window(10, 10, 280, 400)
    map_scene(cnn_folder, part, tmp_path / "map.tif", window=50, threads=1)
    mapped = {Window(10, 10, 50, 50), Window(260, 360, 30, 50)}
    assert mapped <= set(counting.read_windows)
    assert all(any(one.common(window) for window in mapped) for one in counting.read_windows)
    with rasterio.open(tmp_path / "map.tif") as dataset:
        assert (dataset.read(1) > 0).sum() == pytest.approx(2 * 30 * 30, rel=0.15)


def test_the_file_is_part_of_what_a_map_is(cnn_folder: Path, reader: AlignedReader, tmp_path: Path) -> None:
    area = write_area(tmp_path / "a.gpkg", reader.grid)
    part = cut_to_area(reader, area)
    assert sorted(part.files) == sorted([area, reader.path])
    assert str(area) in part.identity().values()
    assert pickle.loads(pickle.dumps(part)).identity() == part.identity()

    def stop(done: int, total: int, message: str) -> None:
        if done == 3:
            raise KeyboardInterrupt

    out = tmp_path / "map.tif"
    with pytest.raises(KeyboardInterrupt):
        map_scene(cnn_folder, part, out, window=64, progress=stop)
    assert map_scene(cnn_folder, part, out, window=64, resume=True).resumed == 3
    with pytest.raises(KeyboardInterrupt):
        map_scene(cnn_folder, part, out, window=64, progress=stop)
    area.unlink()
    write_area(area, reader.grid, PIXELS.difference(shapely.box(100, 100, 120, 120)))
    with pytest.raises(ResumeError, match="input area content was"):
        map_scene(cnn_folder, cut_to_area(reader, area), out, window=64, resume=True)


def test_what_waits_in_the_log_of_the_file_counts(reader: AlignedReader, tmp_path: Path) -> None:
    area = write_area(tmp_path / "a.gpkg", reader.grid)
    part = cut_to_area(reader, area)
    before = part.identity()
    with closing(sqlite3.connect(area)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA wal_autocheckpoint = 0")
        settled = part.identity()
        database.execute("UPDATE gpkg_contents SET description = 'changed'")
        database.commit()
        pending = part.identity()
    assert pending.keys() - before.keys() == {f"area log {one}" for one in content_digest(area)}
    assert {name: pending[name] for name in settled} == settled


def test_window_size_and_outline_pieces_change_nothing(reader: AlignedReader, tmp_path: Path) -> None:
    """An outline of many vertices, asked for whole and in windows."""
    angles = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    radius = 120 + 20 * np.sin(40 * angles)
    star = shapely.Polygon(np.stack([200 + radius * np.cos(angles), 150 + radius * np.sin(angles)], axis=1))
    part = cut_to_area(reader, write_area(tmp_path / "a.gpkg", reader.grid, star))
    whole = part.inside(Window(0, 0, *part.grid.shape))
    assert whole.sum() == pytest.approx(star.area, rel=0.01)
    for row in range(0, part.grid.shape[0] - 40, 37):
        for col in range(0, part.grid.shape[1] - 40, 37):
            np.testing.assert_array_equal(
                part.inside(Window(row, col, 40, 40)), whole[row : row + 40, col : col + 40]
            )


def test_windows_of_another_layer_are_no_windows_of_this(
    cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    file = tmp_path / "two.gpkg"
    frame = geopandas.read_file(write_area(tmp_path / "one.gpkg", reader.grid))
    for layer in ("first", "second"):
        frame.to_file(file, layer=layer, driver="GPKG")
    first, second = (cut_to_area(reader, file, layer) for layer in ("first", "second"))
    assert first.identity() != second.identity()
    assert pickle.loads(pickle.dumps(second)).inside(Window(0, 0, 64, 64)).any()
    moved = second.on(second.inner.grid)
    assert moved.layer == "second"


def test_an_outline_that_crosses_itself_is_read_as_its_loops(reader: AlignedReader, tmp_path: Path) -> None:
    bow = shapely.Polygon([(20, 20), (100, 100), (100, 20), (20, 100)])
    part = cut_to_area(reader, write_area(tmp_path / "a.gpkg", reader.grid, bow))
    assert part.inside(Window(0, 0, *part.grid.shape)).sum() == pytest.approx(3200, rel=0.03)


def test_areas_that_cannot_be_are_one_line(reader: AlignedReader, tmp_path: Path) -> None:
    def refused(path: Path, message: str) -> None:
        with pytest.raises(VectorError, match=message) as caught:
            cut_to_area(reader, path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)

    line = shapely.LineString([(10, 10), (50, 50)])
    refused(write_area(tmp_path / "line.gpkg", reader.grid, line), "holds LineStrings, expected polygons")
    flat = shapely.Polygon([(10, 10), (10.5, 60), (90, 61), (10.5, 60), (10, 10)])
    for name, crs in (("flat.gpkg", None), ("flat.geojson", "EPSG:4326")):
        refused(write_area(tmp_path / name, reader.grid, flat, crs), "'flat' enclose nothing")
    far = shapely.box(1000, 10, 1100, 50)
    refused(write_area(tmp_path / "far.gpkg", reader.grid, far), "does not overlap the input: the area")
    empty = tmp_path / "empty.geojson"
    empty.write_text(json.dumps({"type": "FeatureCollection", "features": []}))
    refused(empty, r"empty.geojson")
    refused(tmp_path / "none.gpkg", "No such file")
    (tmp_path / "shape.shp").write_bytes(b"\0\0\x27\x0a")
    refused(tmp_path / "shape.shp", r"shape\.dbf is not beside it")
    no_crs = GeoBox(SHAPE, reader.grid.affine, None)
    refused(write_area(tmp_path / "nowhere.gpkg", no_crs), "CRS of layer 'nowhere' is missing")


def test_an_area_is_cut_to_the_input(reader: AlignedReader, tmp_path: Path) -> None:
    around = shapely.box(-500, -500, 1000, 1000)
    part: AreaReader = cut_to_area(reader, write_area(tmp_path / "a.gpkg", reader.grid, around))
    assert part.frame == Window(0, 0, *SHAPE) and part.grid == reader.grid
    assert part.inside(Window(0, 0, *SHAPE)).all()


def test_long_edges_follow_the_crs_of_the_file(reader: AlignedReader, tmp_path: Path) -> None:
    """A parallel of 6 degrees bulges by kilometres in UTM."""
    grid = GeoBox((400, 600), Affine(1000, 0, 200_000, 0, -1000, 5_700_000), "EPSG:32633")
    area = tmp_path / "a.geojson"
    geopandas.GeoDataFrame(geometry=[shapely.box(12, 48, 18, 51)], crs=4326).to_file(area)
    part = cut_to_area(dataclasses.replace(reader, grid=grid), area)
    rows, cols = np.indices(part.grid.shape) + 0.5
    x, y = part.grid.affine @ (cols.ravel(), rows.ravel())
    lon, lat = (value.reshape(rows.shape) for value in grid.crs.transformer_to_crs("EPSG:4326")(x, y))
    expected = (lon > 12) & (lon < 18) & (lat > 48) & (lat < 51)
    wrong = part.inside(Window(0, 0, *part.grid.shape)) != expected
    assert expected.any() and wrong.mean() < 1e-3
