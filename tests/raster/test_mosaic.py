from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from odc.geo.geobox import GeoBox
from rasterio import Affine

from geo_xmodal.errors import AlignmentError, RasterError
from geo_xmodal.raster.grid import to_pixels, with_pixels
from geo_xmodal.raster.mosaic import MosaicReader, mosaic
from geo_xmodal.raster.reader import RasterReader, aligned_reader
from geo_xmodal.raster.window_reader import WindowReader
from geo_xmodal.types import FloatArray, Window
from tests.rasters import turned_grid, utm_grid, write_raster

UTM32 = "EPSG:32632"
NORTH_UP = utm_grid(150, 210)
SOUTH_UP = GeoBox((150, 210), Affine(10, 0, 4e5, 0, 10, 5e6), "EPSG:32633")
GRIDS = {"north up": NORTH_UP, "south up": SOUTH_UP, "turned": turned_grid(NORTH_UP, 30)}


def places(grid: GeoBox, home: GeoBox) -> FloatArray:
    """(2, row, col): row and column on `home` of the centre of every pixel of `grid`."""
    rows, cols = np.mgrid[: grid.shape[0], : grid.shape[1]] + 0.5
    points = to_pixels(grid, home, np.stack([cols.ravel(), rows.ravel()], axis=1))
    return points[:, ::-1].T.reshape(2, *grid.shape).astype(np.float32)


def part(grid: GeoBox, row: int, col: int, height: int, width: int) -> GeoBox:
    return GeoBox((height, width), grid.affine @ Affine.translation(col, row), grid.crs)


def whole(reader: WindowReader) -> FloatArray:
    return reader.read(Window(0, 0, *reader.grid.shape))


def joined(folder: Path, tiles: dict[str, tuple[FloatArray, GeoBox]], **profile: object) -> MosaicReader:
    files = [write_raster(folder / f"{name}.tif", *tile, **profile) for name, tile in tiles.items()]
    return mosaic([(path.name, aligned_reader(path, kind="msi")) for path in files])


def quarters(home: GeoBox) -> dict[str, tuple[FloatArray, GeoBox]]:
    """The lower right first, so that the first tile's corner is not the mosaic's."""
    grids = {
        "d": part(home, 64, 100, 86, 110),
        "a": part(home, 0, 0, 70, 100),
        "b": part(home, 0, 100, 64, 110),
        "c": part(home, 70, 0, 80, 100),
    }
    return {name: (places(grid, home), grid) for name, grid in grids.items()}


@pytest.mark.parametrize("name", GRIDS)
def test_every_pixel_of_tiles_lies_where_it_belongs(name: str, tmp_path: Path) -> None:
    home = GRIDS[name]
    reader = joined(tmp_path, quarters(home))
    assert reader.grid.shape == home.shape
    assert reader.grid.affine.almost_equals(home.affine, 1e-6)
    np.testing.assert_allclose(whole(reader), places(home, home), atol=1e-3)
    np.testing.assert_array_equal(reader.read(Window(60, 90, 30, 40), 3), whole(reader)[:, 57:93, 87:133])


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "uint32", "float32", "float64"])
@pytest.mark.parametrize("layout", [{}, {"tiled": False, "blockysize": 7}, {"BIGTIFF": "YES"}])
def test_tiles_of_any_type_and_layout(dtype: str, layout: dict[str, object], tmp_path: Path) -> None:
    home = utm_grid(100, 120)
    values = np.floor(places(home, home)).astype(dtype)
    west, east = part(home, 0, 0, 100, 50), part(home, 0, 50, 100, 70)
    reader = joined(tmp_path, {"w": (values[:, :, :50], west), "e": (values[:, :, 50:], east)}, **layout)
    np.testing.assert_array_equal(whole(reader), values.astype(np.float32))


def beside_in_zone_32() -> GeoBox:
    """Pixels of UTM zone 32 from column 90 on, here on the far side of that zone."""
    (x, y), *_ = to_pixels(NORTH_UP, GeoBox((1, 1), Affine.identity(), UTM32), np.array([[90.0, -20.0]]))
    return GeoBox((190, 130), Affine(10, 0, x, 0, -10, y), UTM32)


@pytest.mark.parametrize(
    "other",
    [
        beside_in_zone_32(),
        GeoBox((150, 180), Affine(12, 0, 400_990, 0, -12, 5_000_003), "EPSG:32633"),
        turned_grid(part(NORTH_UP, 0, 95, 150, 120), 10),
    ],
    ids=["zone", "size", "turned"],
)
def test_a_tile_on_another_grid_is_brought_onto_the_first_within_half_a_pixel(
    other: GeoBox, tmp_path: Path
) -> None:
    home = NORTH_UP
    first = part(home, 0, 0, 150, 100)
    reader = joined(tmp_path, {"first": (places(first, home), first), "other": (places(other, home), other)})
    rows, cols = np.mgrid[: reader.grid.shape[0], : reader.grid.shape[1]]
    (col, row), *_ = to_pixels(reader.grid, home, np.array([[0.5, 0.5]]))
    values = whole(reader)
    wrong = np.stack([values[1] - cols - col, values[0] - rows - row], axis=-1)
    turn = to_pixels(home, other, np.array([[0.0, 0], [1, 0], [0, 1]]))  # distances in pixels of the tile
    wrong = wrong @ (turn[1:] - turn[0])
    seen = np.isfinite(values[0])
    east = seen[-int(row) : -int(row) + 150, -int(col) + 115 : -int(col) + 190]
    assert east.shape == (150, 75) and east.mean() > 0.8
    assert np.abs(wrong[seen]).max() < 0.51
    np.testing.assert_array_equal(
        values[:, -round(row - 0.5) : 150 - round(row - 0.5), -round(col - 0.5) : 100 - round(col - 0.5)],
        places(first, home),
    )


def test_a_tile_of_another_zone_keeps_its_measured_values(tmp_path: Path) -> None:
    """Interpolated speckle is smoother than any that a model has learnt."""
    speckle = np.random.default_rng(0).gamma(1, 1, (1, 190, 130)).astype(np.float32)
    first = part(NORTH_UP, 0, 0, 150, 100)
    reader = joined(
        tmp_path, {"1": (np.ones((1, 150, 100), np.float32), first), "2": (speckle, beside_in_zone_32())}
    )
    values = whole(reader)[0]
    assert np.isin(values[np.isfinite(values)], [1.0, *speckle.ravel()]).all()
    assert values[:, -80:][np.isfinite(values[:, -80:])].std() == pytest.approx(speckle.std(), rel=0.05)


def test_the_first_tile_with_data_wins(tmp_path: Path) -> None:
    grid = utm_grid(40, 40)
    first, second, third = (np.full((2, 40, 40), value, np.float32) for value in (1, 2, 3))
    first[:, :10] = np.nan
    first[0, 10:20] = np.nan  # one band is missing: the next whole tile is taken, both bands of it
    second[:, :5] = np.nan
    second[:, :, 20:] = np.nan
    third[1] = np.nan
    tiles = {"1": (first, grid), "2": (second, grid), "3": (third, grid)}
    values = whole(joined(tmp_path, tiles, nodata=np.nan))
    assert (values[:, 20:] == 1).all()
    assert (values[:, 5:20, :20] == 2).all()
    assert (values[0, :5] == 3).all() and np.isnan(values[1, :5]).all()
    assert np.isnan(values[0, 10:20, 20:]).all() and (values[1, 10:20, 20:] == 1).all()
    reverse = {"3": tiles["3"], "2": tiles["2"], "1": tiles["1"]}
    assert (whole(joined(tmp_path, reverse, nodata=np.nan))[:, 20:, :20] == 2).all()


def test_resampled_tiles_are_the_resampled_whole(tmp_path: Path) -> None:
    home = utm_grid(150, 210)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(2, 150, 210)).astype(np.float32)
    one = aligned_reader(write_raster(tmp_path / "one.tif", noise, home))
    tiles = {
        name: (noise[:, r : r + h, c : c + w], part(home, r, c, h, w))
        for name, (r, c, h, w) in {"a": (0, 0, 71, 210), "b": (71, 0, 79, 33), "c": (71, 33, 79, 177)}.items()
    }
    tiled = joined(tmp_path, tiles)
    for factor in (2.5, 0.4):
        grid = with_pixels(home, factor, factor)
        np.testing.assert_array_equal(whole(tiled.on(grid)), whole(one.on(grid)))
        part_of_it = Window(3, 5, 20, 30)
        np.testing.assert_array_equal(tiled.on(grid).read(part_of_it), whole(tiled.on(grid))[:, 3:23, 5:35])


def test_tiles_that_do_not_go_together_are_one_line(tmp_path: Path) -> None:
    grid, east = utm_grid(20, 20), part(utm_grid(20, 20), 0, 20, 20, 20)
    one = (np.zeros((2, 20, 20), np.float32), grid)

    def refused(tile: tuple[FloatArray, GeoBox], message: str, **profile: object) -> None:
        with pytest.raises(AlignmentError, match=message) as caught:
            joined(tmp_path, {"one": one, "two": tile}, **profile)
        assert "\n" not in str(caught.value) and "two.tif" in str(caught.value)

    refused((np.zeros((3, 20, 20), np.float32), east), "two.tif: has 3 bands, one.tif has 2: .*bands")
    far = GeoBox((20, 20), Affine(10, 0, 400_000, 0, -10, 9e8), "EPSG:32633")
    refused((one[0], far), r"two.tif lies far from one.tif")
    refused((one[0], GeoBox((20, 20), grid.affine, None)), "two.tif: cannot be put beside one.tif: .*CRS")


DEGREES = "EPSG:4326"


@pytest.mark.parametrize("first", [0, 1, 2])
def test_tiles_on_both_sides_of_180_degrees_are_one_grid_that_runs_past_it(
    first: int, tmp_path: Path
) -> None:
    """Against one file of the same pixels, which runs past 180 by itself."""
    home = GeoBox((20, 90), Affine(7e-4, 0, 179.97, 0, -7e-4, -16.0), DEGREES)
    seen = places(home, home)
    tiles = {}
    for name, col in {"west": 0, "middle": 30, "east": 60}.items():
        grid = part(home, 0, col, 20, 30)
        if col == 60:  # 180.012 east
            grid = GeoBox(grid.shape, Affine.translation(-360, 0) @ grid.affine, DEGREES)
        tiles[name] = (seen[:, :, col : col + 30], grid)
    names = list(tiles)
    reader = joined(tmp_path, {name: tiles[name] for name in names[first:] + names[:first]})
    assert reader.grid.shape == home.shape
    around = -360 if first == 2 else 0
    assert reader.grid.affine.almost_equals(Affine.translation(around, 0) @ home.affine, 1e-6)
    np.testing.assert_allclose(whole(reader), seen, atol=1e-3)


def test_tiles_around_the_whole_earth_stay_where_they_are(tmp_path: Path) -> None:
    home = GeoBox((18, 36), Affine(10, 0, -180, 0, -10, 90), DEGREES)
    tiles = {
        str(col): (places(home, home)[:, :, col : col + 9], part(home, 0, col, 18, 9))
        for col in (0, 9, 18, 27)
    }
    reader = joined(tmp_path, tiles)
    assert reader.grid == home
    np.testing.assert_array_equal(whole(reader), places(home, home))


def test_tiles_that_cover_hardly_any_of_their_grid_are_refused(tmp_path: Path) -> None:
    near, values = utm_grid(20, 20), np.zeros((2, 20, 20), np.float32)
    tiles = {"near": (values, near), "far": (values, part(near, 9_000, 9_000, 20, 20))}
    message = (
        r"2 tiles cover 0\.00098 % of the 9020 x 9020 pixels .* expected at least 0\.1 %: far\.tif lies far "
        r"from near\.tif \(x 490000 to 490200, .*; x 400000 to 400200, .*map it apart"
    )
    with pytest.raises(AlignmentError, match=message) as caught:
        joined(tmp_path, tiles)
    assert "\n" not in str(caught.value)
    joined(tmp_path, tiles | {"far": (values, part(near, 7_000, 7_000, 20, 20))})  # chips of one town


def test_names_of_bands_must_agree_unless_bands_were_chosen(tmp_path: Path) -> None:
    import rasterio

    readers = []
    for name, bands in (("one", ("VV", "VH")), ("two", ("VH", "VV"))):
        path = write_raster(tmp_path / f"{name}.tif", np.zeros((2, 9, 9), np.float32), utm_grid(9, 9))
        with rasterio.open(path, "r+") as dataset:
            dataset.descriptions = bands
        readers.append((path.name, aligned_reader(path)))
    assert [tile.indexes for tile in mosaic(readers).tiles] == [(1, 2), (2, 1)]
    assert mosaic(readers, same_names=False).band_names == ("VV", "VH")
    by_name = [aligned_reader(tmp_path / f"{name}.tif", bands=("vv", "vh")) for name in ("one", "two")]
    assert [reader.indexes for reader in by_name] == [(1, 2), (2, 1)]
    with pytest.raises(RasterError, match="no band called 'HH'; its bands: VV, VH"):
        aligned_reader(tmp_path / "one.tif", bands=("HH",))


def test_a_tile_that_is_gone_is_named_when_it_is_needed(tmp_path: Path) -> None:
    reader = joined(tmp_path, quarters(NORTH_UP))
    (tmp_path / "b.tif").unlink()
    reader.read(Window(70, 0, 20, 20))
    with pytest.raises(RasterError, match=r"b.tif: no such file"):
        reader.read(Window(0, 150, 20, 20))


@pytest.fixture
def thousands(tmp_path: Path) -> Callable[[int], MosaicReader]:
    def make(side: int) -> MosaicReader:
        """`side` x `side` tiles of 16 x 16 pixels; all but the first are described, not written."""
        path = write_raster(tmp_path / "tile.tif", np.ones((1, 16, 16), np.float32), utm_grid(16, 16))
        first = aligned_reader(path)
        tiles = []
        for row in range(side):
            for col in range(side):
                grid = part(first.grid, 16 * row, 16 * col, 16, 16)
                file = tmp_path / f"tile_{row}_{col}.tif" if row or col else path
                tiles.append((file.name, _described(first, grid, file)))
        return mosaic(tiles)

    return make


def _described(first: RasterReader, grid: GeoBox, path: Path) -> RasterReader:
    import dataclasses

    return dataclasses.replace(first, grid=grid, source=grid, path=path)  # type: ignore[call-arg]


def test_thousands_of_tiles_are_looked_up_not_opened(thousands: Callable[[int], MosaicReader]) -> None:
    reader = thousands(50)
    assert reader.near(Window(16, 16, 16, 16)) == [51]
    assert reader.near(Window(15, 15, 2, 2)) == [0, 1, 50, 51]
    assert (reader.read(Window(0, 0, 16, 16)) == 1).all()
    with pytest.raises(RasterError, match=r"tile_49_49.tif: no such file"):
        reader.read(Window(799, 799, 1, 1))
    packed = pickle.dumps(thousands(50))
    assert len(packed) < 2_000_000, "bytes that go once to each worker"
    assert pickle.loads(packed).near(Window(15, 15, 2, 2)) == [0, 1, 50, 51]
    started = time.process_time()
    for _ in range(1000):
        reader.near(Window(400, 400, 100, 100))
    assert time.process_time() - started < 1  # to open one tile of each would take seconds
