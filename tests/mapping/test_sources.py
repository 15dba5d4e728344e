from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.control import GroundControlPoint

from geo_xmodal import bundle
from geo_xmodal.bundle import Card
from geo_xmodal.errors import AlignmentError, RasterError, ResumeError, UsageError
from geo_xmodal.mapping import check_fit, fit_input, map_input, map_scene
from geo_xmodal.raster.grid import pixel_size
from geo_xmodal.types import Window
from tests.file_server import served
from tests.mapping.conftest import card_of, position_model, random_model, scene_values, with_holes
from tests.rasters import point_scale, turned_grid, utm_grid, write_raster

HOME = utm_grid(240, 200)
OFFSET = utm_grid(240, 200, east=400_003.7)
SOUTH_UP = GeoBox((240, 200), Affine(10, 0, 4e5, 0, 10, 5e6), "EPSG:32633")
GEOGRAPHIC = GeoBox((240, 200), Affine(0.00018, 0, 11, 0, -0.00012, 47), "EPSG:4326")
"""13.3 m high and 13.7 m wide: a third more than the model's pixels."""


@pytest.fixture
def card() -> Card:
    return card_of(random_model(), (1, 2, 5, 9))


@pytest.fixture
def position_folder(tmp_path: Path) -> Path:
    """A model whose classes are the values 0 to 250 of its one band."""
    model = position_model(251)
    card = card_of(model, tuple(range(1, 9)), "msi")
    entries = [card.classes[0].model_copy(update={"id": k + 1, "name": f"{k}"}) for k in range(251)]
    bundle.save(tmp_path / "place", model, card.model_copy(update={"classes": tuple(entries)}))
    return tmp_path / "place"


def write(path: Path, values: np.ndarray, grid: GeoBox = HOME, names: tuple[str, ...] = ()) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_raster(path, values, grid, nodata=None if values.dtype.kind == "u" else np.nan)
    with rasterio.open(path, "r+") as dataset:
        dataset.descriptions = names or [None] * values.shape[0]
    return path


def cut(folder: Path, values: np.ndarray, home: GeoBox = HOME) -> list[Path]:
    """Four tiles of an input, the last corner first."""
    files = []
    for name, row, col, height, width in [
        ("d", 100, 90, 140, 110), ("a", 0, 0, 100, 90), ("b", 0, 90, 100, 110), ("c", 100, 0, 140, 90)
    ]:  # fmt: skip
        grid = GeoBox((height, width), home.affine @ Affine.translation(col, row), home.crs)
        part = values[:, row : row + height, col : col + width]
        files.append(write(folder / f"{name}.tif", part, grid))
    return files


@pytest.fixture
def values() -> np.ndarray:
    return with_holes(scene_values(HOME.shape))


def test_tiles_and_one_file_give_the_same_bytes(
    values: np.ndarray, card: Card, cnn_folder: Path, tmp_path: Path
) -> None:
    whole = write(tmp_path / "whole.tif", values)
    tiles = cut(tmp_path / "tiles", values)
    listed = tmp_path / "list.txt"
    listed.write_text("# the order counts\n" + "".join(f"tiles/{file.name}\n\n" for file in tiles), "utf-8")
    ways: dict[str, list[Path | str]] = {
        "one": [whole],
        "several": [*tiles],
        "folder": [tmp_path / "tiles"],
        "list": [listed],
        "mixed": [str(tiles[0]), listed, tmp_path / "tiles"],
    }
    for name, inputs in ways.items():
        given = map_input(inputs, card)
        assert given.notes == ()
        out = tmp_path / name / "map.tif"
        map_scene(cnn_folder, given.reader, out, window=100, mapped="the same", probability=True)
        for file in ("map.tif", "map_probability.tif"):
            assert (out.parent / file).read_bytes() == (tmp_path / "one" / file).read_bytes(), name
    assert map_input(ways["list"], card).name == "d.tif, a.tif, b.tif and 1 more"


def test_workers_of_a_cluster_read_tiles_and_addresses(
    values: np.ndarray, card: Card, cnn_folder: Path, tmp_path: Path
) -> None:
    from distributed import LocalCluster

    tiles = cut(tmp_path / "tiles", values)
    with (
        served(tmp_path) as server,
        LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None, protocol="tcp"
        ) as cluster,
    ):
        near = f"http://{server.address}/tiles"
        reader = map_input([*tiles[1:], f"{near}/{tiles[0].name}"], card, remote=True).reader
        map_scene(cnn_folder, reader, tmp_path / "here.tif", window=100, mapped="x")
        scheduler = cluster.scheduler_address
        map_scene(cnn_folder, reader, tmp_path / "there.tif", window=100, mapped="x", scheduler=scheduler)
    map_scene(cnn_folder, map_input(tiles, card).reader, tmp_path / "files.tif", window=100, mapped="x")
    bytes_of = {(tmp_path / f"{name}.tif").read_bytes() for name in ("here", "there", "files")}
    assert len(bytes_of) == 1


def test_which_tile_wins_is_the_order_given_or_of_name(card: Card, tmp_path: Path) -> None:
    one = write(tmp_path / "t" / "a.tif", np.full((3, 240, 200), 1, np.float32))
    two = write(tmp_path / "t" / "b.tif", np.full((3, 240, 200), 2, np.float32))
    at = Window(5, 5, 1, 1)
    assert (map_input([two, one], card).reader.read(at) == 2).all()
    assert (map_input([tmp_path / "t"], card).reader.read(at) == 1).all()


@pytest.mark.parametrize(
    "home", [HOME, OFFSET, SOUTH_UP, turned_grid(HOME, 30)], ids=["north", "offset", "south", "turned"]
)
@pytest.mark.parametrize("size", [1.0, 2.0, 0.4])
@pytest.mark.parametrize(("axis", "tiled"), [(0, False), (1, True)], ids=["file", "tiles"])
def test_every_pixel_lands_where_it_belongs(
    axis: int, home: GeoBox, size: float, tiled: bool, position_folder: Path, tmp_path: Path
) -> None:
    """The input holds its own row (or column), in pixels of the model's size or of another."""
    home = GeoBox(home.shape, home.affine @ Affine.scale(size), home.crs)
    place = np.indices(home.shape)[axis][None].astype(np.float32 if tiled else np.uint8)
    inputs = cut(tmp_path / "t", place, home) if tiled else [write(tmp_path / "x.tif", place, home)]
    card = bundle.read_card(position_folder)
    given = map_input(inputs, card)
    assert bool(given.notes) == (size != 1)
    out = tmp_path / "map.tif"
    result = map_scene(position_folder, given.reader, out, window=100)
    assert result.warnings == ()
    with rasterio.open(out) as dataset:
        found = dataset.read(1).astype(float) - 1
        grid = GeoBox(dataset.shape, dataset.transform, dataset.crs)
        # the model's on the ground; but a ratio of nearly a whole number is taken as whole, in the CRS
        expected_size = 10 if size == 0.4 else 10 / point_scale(grid)
        assert pixel_size(grid)[:2] == pytest.approx((expected_size, expected_size))
        assert dataset.transform @ (0, 0) == pytest.approx(home.affine @ (0, 0))
    assert (found >= 0).all()
    expected = (np.indices(found.shape)[axis] + 0.5) / size - 0.5
    expected = expected.clip(0, home.shape[axis] - 1)
    assert np.abs(found - expected).max() <= 0.5


def test_geographic_pixels_become_the_models_in_metres(card: Card, tmp_path: Path) -> None:
    values = np.stack([np.indices((240, 200))[0]] * 3).astype(np.float32)
    given = map_input([write(tmp_path / "x.tif", values, GEOGRAPHIC)], card)
    assert pixel_size(given.reader.grid)[:2] == pytest.approx((10, 10), rel=1e-3)
    assert given.reader.grid.crs == GEOGRAPHIC.crs
    assert given.notes == ("resampled from pixels of 13.34 x 13.69 m to the model's, 10 x 10 m",)
    assert check_fit(card, given.reader).warnings == ()
    rows, cols = given.reader.grid.shape
    assert (rows, cols) == (321, 274)
    read = given.reader.read(Window(0, 0, rows, cols))[0]
    expected = (np.arange(rows) + 0.5) * 240 / 320.3 - 0.5
    assert np.nanmax(np.abs(read - expected[:, None])) < 0.5


def test_pixels_within_a_tenth_or_asked_for_stay(card: Card, values: np.ndarray, tmp_path: Path) -> None:
    close = utm_grid(240, 200, size=10.9)
    assert map_input([write(tmp_path / "close.tif", values, close)], card).reader.grid == close
    coarse = utm_grid(240, 200, size=12.0)
    file = write(tmp_path / "coarse.tif", values, coarse)
    own = map_input([file], card, pixels="own")
    assert own.reader.grid == coarse and own.notes == ()
    (line,) = check_fit(card, own.reader).warnings
    assert "pixels are 12 x 12 m, the model was trained on 10 x 10 m: expect a worse map" in line
    nowhere = GeoBox(HOME.shape, Affine(3, 0, 0, 0, -3, 0), None)
    free = map_input([write(tmp_path / "nowhere.tif", values, nowhere)], card)
    assert free.reader.grid == nowhere
    assert "pixel size not checked" in check_fit(card, free.reader).warnings[-1]


def test_a_scenes_reader_is_fitted_alike(card: Card, values: np.ndarray, tmp_path: Path) -> None:
    reader = map_input([write(tmp_path / "x.tif", values, utm_grid(240, 200, size=20.0))], card, pixels="own")
    fitted = fit_input(reader.reader, card, name="a scene")
    assert fitted.name == "a scene"
    assert fitted.notes == ("resampled from pixels of 20.01 x 20.01 m to the model's, 10 x 10 m",)
    assert fitted.reader.grid.shape == (480, 400)


def test_band_files_are_found_by_the_models_bands(card: Card, values: np.ndarray, tmp_path: Path) -> None:
    for index, name in enumerate(card.target.statistics.bands):
        write(tmp_path / "s" / f"X_{name}_10m.tif", values[index : index + 1])
    for bands in (None, ("b0", "b1", "b2")):
        given = map_input([tmp_path / "s"], card, bands=bands)
        np.testing.assert_array_equal(given.reader.read(Window(0, 0, 240, 200)), values)
    turned = map_input([tmp_path / "s"], card, bands=("b2", "b0", "b1"))
    np.testing.assert_array_equal(turned.reader.read(Window(0, 0, 9, 9)), values[[2, 0, 1], :9, :9])
    with pytest.raises(RasterError, match="no file is called after band b7"):
        map_input([tmp_path / "s"], card, bands=("b0", "b7"))
    assert len(turned.reader.files) == 3


def test_band_files_of_another_resolution_are_resampled_to_the_models(
    position_folder: Path, tmp_path: Path
) -> None:
    """A fine and a coarse band: the coarse one is the model's pixel size and is read as it is."""
    fine, coarse = utm_grid(200, 160, size=5.0), utm_grid(100, 80)
    card = bundle.read_card(position_folder)
    write(tmp_path / "s" / "x_B1.tif", (np.indices(fine.shape)[0][None] / 2 - 0.25).astype(np.float32), fine)
    given = map_input([tmp_path / "s"], card, bands=["B1"])
    assert given.reader.grid == coarse
    map_scene(position_folder, given.reader, tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), np.indices(coarse.shape)[0] + 1)


def test_bands_may_be_named_as_in_the_file(card: Card, values: np.ndarray, tmp_path: Path) -> None:
    one = write(tmp_path / "t" / "1.tif", values, names=("VV", "VH", "angle"))
    write(tmp_path / "t" / "2.tif", values[::-1], names=("angle", "VH", "VV"))
    named = map_input([one], card, bands=("angle", "VV", "VH"))
    np.testing.assert_array_equal(named.reader.read(Window(0, 0, 9, 9)), values[[2, 0, 1], :9, :9])
    assert map_input([tmp_path / "t"], card, bands=("VV", "VH", "angle")).reader.band_names[0] == "VV"


def test_lists_and_addresses_that_cannot_be_are_one_line(card: Card, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"

    def refused(inputs: list[Path | str], error: type[Exception], message: str, **options: bool) -> None:
        with pytest.raises(error, match=message) as caught:
            map_input(inputs, card, **options)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)

    refused([], UsageError, "names no file")
    refused([listed], UsageError, r"list.txt: no such file")
    listed.write_text("# nothing\n")
    refused([listed], UsageError, "names no file")
    listed.write_text("s3://bucket/x.tif\n")
    refused([listed], UsageError, "is an address, which a list may not name", remote=True)
    listed.write_text("/vsis3/bucket/x.tif\n")
    refused([listed], RasterError, "not the path of a file", remote=True)
    listed.write_bytes(b"\xff\xfe\0")
    refused([listed], UsageError, "no UTF-8 text")
    listed.write_text("gone.tif\n")
    refused([listed], RasterError, r"gone.tif: no such file")
    refused(["http://127.0.0.1:1/x.tif"], RasterError, "an address is read only where it is given on the com")
    refused([tmp_path], RasterError, "a folder without a GeoTIFF")


def test_the_journal_knows_every_tile(
    values: np.ndarray, card: Card, cnn_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles = cut(tmp_path / "tiles", values)
    reader = map_input(tiles, card).reader
    assert sorted(reader.files) == sorted(tiles)
    out = tmp_path / "map.tif"

    def stop(done: int, total: int, message: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        map_scene(cnn_folder, reader, out, window=100, progress=stop)
    other = map_input([*tiles[1:], tiles[0]], card).reader
    with pytest.raises(ResumeError, match="input"):
        map_scene(cnn_folder, other, out, window=100, resume=True)
    before = reader.identity()
    write(tiles[2], np.zeros((3, 100, 110), np.float32), map_input([tiles[2]], card).reader.grid)
    changed = {key for key, value in reader.identity().items() if before[key] != value}
    assert changed == {"tile 3 size", "tile 3 time", "tile 3 content"}


def test_thousands_of_tiles_fit_the_journal(values: np.ndarray, card: Card, tmp_path: Path) -> None:
    (file, *_) = cut(tmp_path / "tiles", values)
    one = map_input([file], card).reader
    many = map_input([file, file], card).reader
    large = dataclasses.replace(many, tiles=(one,) * 5000)  # type: ignore[type-var]
    assert sum(map(len, large.identity().values())) < 20_000
    assert large.identity() != dataclasses.replace(large, tiles=(one,) * 4999).identity()


def test_the_journal_knows_the_version_of_an_address_but_no_signature(
    values: np.ndarray, card: Card, tmp_path: Path
) -> None:
    file = write(tmp_path / "x.tif", values)
    with served(tmp_path) as server:
        address = f"http://{server.address}/x.tif"
        before = map_input([f"{address}?signature=1"], card, remote=True).reader.identity()
        assert map_input([f"{address}?signature=2"], card, remote=True).reader.identity() == before
        write(file, values + 1)
        after = map_input([address], card, remote=True).reader.identity()
    assert "signature" not in str(before)
    assert {key for key in before if before[key] != after[key]} == {"size", "version"}


def test_relative_paths_of_tiles_are_made_whole(
    values: np.ndarray, card: Card, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(tmp_path / "tiles", values)
    monkeypatch.chdir(tmp_path)
    reader = map_input([Path("tiles")], card).reader
    monkeypatch.chdir("/")
    again = pickle.loads(pickle.dumps(reader))
    np.testing.assert_array_equal(again.read(Window(0, 0, 240, 200)), values)


def test_tiles_by_ground_control_points_are_mapped_where_asked(
    values: np.ndarray, card: Card, tmp_path: Path
) -> None:
    tiles = []
    for path in cut(tmp_path / "placed", values):
        with rasterio.open(path) as placed:
            corners = [(0, 0), (0, placed.width), (placed.height, 0)]
            points = [GroundControlPoint(r, c, *(placed.transform @ (c, r)), 0) for r, c in corners]
            profile = {
                key: placed.profile[key] for key in ("driver", "height", "width", "count", "dtype", "nodata")
            }
            tiles.append(tmp_path / path.name)
            with rasterio.open(tiles[-1], "w", **profile, gcps=points, crs=placed.crs) as pointed:
                pointed.write(placed.read())
    with pytest.raises(AlignmentError, match=r"d\.tif: has 3 ground control points.*warp_gcps"):
        map_input(tiles, card)
    given = map_input(tiles, card, warp_gcps="polynomial")
    expected = map_input([tmp_path / "placed" / path.name for path in tiles], card)
    everything = Window(0, 0, *expected.reader.grid.shape)
    assert given.reader.grid == expected.reader.grid
    np.testing.assert_array_equal(given.reader.read(everything), expected.reader.read(everything))
    (line,) = (
        one for one in check_fit(card, given.reader, any_values=True).assumptions if one.code == "place"
    )
    assert "affine transform that misses them by 0 pixels" in line.text
