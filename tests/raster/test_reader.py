from __future__ import annotations

import math
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import pyproj
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio import Affine
from rasterio.transform import GroundControlPoint
from rasterio.vrt import WarpedVRT

from geo_xmodal.errors import AlignmentError, RasterError
from geo_xmodal.raster.grid import to_pixels
from geo_xmodal.raster.reader import AlignedReader, aligned_reader
from geo_xmodal.types import Window
from tests.rasters import (
    CRS_OF_A_FULL_DISC,
    UTM33,
    WGS84,
    pixels_by_proj,
    position_values,
    turned_grid,
    utm_grid,
    write_positions,
    write_raster,
)

GRID = utm_grid(61, 47)
BARE = GeoBox((40, 30), Affine.identity(), None)

SOURCES = {
    "same": GRID,
    "shifted": utm_grid(60, 50, east=400_000 + 30),
    "half a pixel off": utm_grid(63, 49, east=400_000 - 15),
    "finer": utm_grid(235, 150, size=3.1),
    "coarser": utm_grid(21, 17, size=30.0, east=399_990),
    "degrees": GeoBox((70, 90), Affine(1e-4, 0, 13.728, 0, -1e-4, 45.1475), WGS84),
    "other zone": GeoBox((120, 110), Affine(9, 0, 871_600, 0, -9, 5_010_200), "EPSG:32632"),
    "turned": turned_grid(utm_grid(61, 47), 30, 1.3),
    "turned by a right angle": turned_grid(utm_grid(61, 47), 90, 1.5),
    "south up": GeoBox((61, 47), Affine(10, 0, 400_004, 0, 10, 5_000_000 - 617), UTM33),
}


def whole(reader: AlignedReader) -> np.ndarray:
    return reader.read(Window(0, 0, *reader.grid.shape))


def true_positions(grid: GeoBox, source: GeoBox) -> np.ndarray:
    """(2, row, col): where the centre of each pixel of `grid` lies in `source`, in rows and columns."""
    rows, cols = position_values(grid).astype(np.float64)
    there = to_pixels(grid, source, np.stack([cols.ravel(), rows.ravel()], axis=1))
    return there[:, ::-1].T.reshape(2, *grid.shape)


@pytest.fixture(scope="module")
def positions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("positions")
    return {
        name: write_positions(folder / f"{name}.tif", source, blockxsize=16, blockysize=16)
        for name, source in SOURCES.items()
    }


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("resampling", [None, "nearest", "bilinear"])
def test_pixels_come_from_where_they_lie(positions: dict[str, Path], name: str, resampling):
    source = SOURCES[name]
    values = whole(aligned_reader(positions[name], grid=GRID, resampling=resampling))
    expected = true_positions(GRID, source)
    inside = (expected > 0).all(axis=0) & (expected < np.reshape(source.shape, (2, 1, 1))).all(axis=0)
    found = np.isfinite(values).all(axis=0)
    assert np.mean(found == inside) > 0.97
    assert inside.sum() > 500
    # Half a pixel of whichever of the two is larger, except beside the edge, where kernels are cut.
    edge = 3
    middle = (expected > edge).all(axis=0) & (expected < np.reshape(source.shape, (2, 1, 1)) - edge).all(
        axis=0
    )
    limit = 0.5 if resampling == "nearest" else 0.12
    assert np.abs(values - expected)[:, middle & found].max() <= limit + 0.002
    np.testing.assert_array_equal(np.isnan(values[0]), np.isnan(values[1]))


def test_shared_pixels_are_read_as_they_are(positions: dict[str, Path]):
    reader = aligned_reader(positions["shifted"], grid=GRID, resampling="cubic")
    assert reader.resampling is None
    values = whole(reader)
    assert np.isnan(values[:, :, :3]).all() and np.isnan(values[:, 60:]).all()
    np.testing.assert_array_equal(values[:, :60, 3:], position_values(SOURCES["shifted"])[:, :, :44])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("same", None),
        ("half a pixel off", "bilinear"),
        ("finer", "average"),
        ("coarser", "bilinear"),
        ("turned", "bilinear"),
        ("turned by a right angle", "bilinear"),
    ],
)
def test_resampling_that_is_chosen(positions: dict[str, Path], name: str, expected: str | None):
    assert aligned_reader(positions[name], grid=GRID).resampling == expected


def test_finer_file_turned_by_a_right_angle_is_averaged(tmp_path: Path):
    fine = turned_grid(utm_grid(183, 141, size=10 / 3), 90, 1.2)
    path = write_positions(tmp_path / "x.tif", fine)
    assert aligned_reader(path, grid=GRID).resampling == "average"
    assert aligned_reader(path, grid=GRID, resampling="max").resampling == "max"


def test_finer_file_turned_otherwise_is_not_averaged_over_slivers(tmp_path: Path):
    fine = turned_grid(utm_grid(183, 141, size=10 / 3), 30, 1.2)
    assert aligned_reader(write_positions(tmp_path / "x.tif", fine), grid=GRID).resampling == "bilinear"


def test_curved_rows_are_followed(tmp_path: Path):
    # 250 m pixels at 45 N, 6 degrees off the meridian: GDAL's own tolerance would be an eighth of a pixel.
    grid = GeoBox((256, 256), Affine(250, 0, 30_000, 0, -250, 5_040_000), UTM33)
    source = GeoBox((400, 500), Affine(3e-3, 0, 8.8, 0, -2.2e-3, 45.6), WGS84)
    path = write_positions(tmp_path / "x.tif", source)
    values = whole(aligned_reader(path, grid=grid, resampling="nearest"))
    assert np.isfinite(values).mean() > 0.9
    assert np.nanmax(np.abs(values - true_positions(grid, source))) < 0.502


_windows = st.builds(Window, st.integers(-8, 62), st.integers(-8, 50), st.integers(1, 30), st.integers(1, 30))


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("resampling", ["nearest", "bilinear", "cubic", "average", "mode"])
def test_a_pixel_is_the_same_to_the_bit_in_every_window(positions: dict[str, Path], name: str, resampling):
    reader = aligned_reader(positions[name], grid=GRID, resampling=resampling)
    frame = np.full((2, 61 + 80, 47 + 80), np.nan, np.float32)
    frame[:, 40 : 40 + 61, 40 : 40 + 47] = whole(reader)

    @settings(max_examples=8, database=None)
    @given(window=_windows, margin=st.integers(0, 3))
    def same(window: Window, margin: int) -> None:
        part = reader.read(window, margin)
        rows, cols = (
            Window(window.row + 40, window.col + 40, window.height, window.width).padded(margin).slices
        )
        assert part.dtype == np.float32
        assert part.tobytes() == frame[:, rows, cols].tobytes()

    same()


def test_windows_over_many_blocks_of_many_bands(tmp_path: Path):
    # 40 bands at a tenth of the pixel size need blocks smaller than the window.
    rng = np.random.default_rng(1)
    grid = utm_grid(80, 70)
    path = write_raster(
        tmp_path / "x.tif", rng.random((40, 400, 350), np.float32), utm_grid(400, 350, size=2.01)
    )
    reader = aligned_reader(path, grid=grid)
    full = whole(reader)
    for window in (Window(3, 5, 70, 60), Window(63, 0, 2, 70), Window(79, 69, 1, 1)):
        rows, cols = window.slices
        assert reader.read(window).tobytes() == full[:, rows, cols].tobytes()


@pytest.mark.parametrize("name", ["half a pixel off", "finer", "coarser", "degrees", "turned"])
@pytest.mark.parametrize("resampling", ["nearest", "bilinear", "cubic", "average", "max"])
def test_agrees_with_one_warp_of_the_whole_scene(positions: dict[str, Path], name: str, resampling: str):
    reader = aligned_reader(positions[name], grid=GRID, resampling=resampling)
    expected = true_positions(GRID, SOURCES[name])
    steps = np.hypot(*np.array([np.gradient(axis) for axis in expected])[:, :, 30, 20].T)
    with (
        rasterio.open(positions[name]) as dataset,
        WarpedVRT(
            dataset,
            crs=UTM33,
            transform=GRID.affine,
            height=61,
            width=47,
            resampling=rasterio.enums.Resampling[resampling],
            src_nodata=math.nan,
            nodata=math.nan,
            tolerance=1e-4,
            XSCALE=1 / steps[1],
            YSCALE=1 / steps[0],
        ) as warped,
    ):
        reference = warped.read()
    difference = np.abs(whole(reader) - reference)
    assert np.mean(np.isnan(difference) != np.isnan(reference)) < 0.001
    assert np.nanpercentile(difference, 99) < 0.01


def test_average_of_a_block_is_its_mean(tmp_path: Path):
    rng = np.random.default_rng(0)
    fine = rng.random((2, 120, 80), np.float32)
    path = write_raster(tmp_path / "x.tif", fine, utm_grid(120, 80, size=2.5))
    reader = aligned_reader(path, grid=utm_grid(30, 20), kind="msi")
    means = fine.reshape(2, 30, 4, 20, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(whole(reader), means, rtol=1e-5)


def test_decibels_are_averaged_as_power(tmp_path: Path):
    # 0 dB and -20 dB: power 1 and 0.01, mean 0.505. The mean of the decibels would be -10 dB = 0.1.
    fine = np.where(np.indices((40, 40)).sum(axis=0) % 2, 0.0, -20.0).astype(np.float32)[np.newaxis]
    path = write_raster(tmp_path / "x.tif", fine, utm_grid(40, 40, size=5))
    reader = aligned_reader(path, grid=utm_grid(20, 20), kind="sar", decibel=True)
    np.testing.assert_allclose(whole(reader), 0.505, rtol=1e-6)
    on_grid = aligned_reader(path, kind="sar", decibel=True)
    assert set(np.unique(whole(on_grid))) == {np.float32(0.01), np.float32(1)}


def test_decibels_of_no_signal_are_no_data(tmp_path: Path):
    """10 log10 of a power of 0 is -inf, which must not come back as a power of 0."""
    decibels = np.full((2, 40, 40), -10, np.float32)
    decibels[0, :8, :8], decibels[0, 8:12, :4], decibels[1, 20:24, 20:24] = -np.inf, np.inf, np.nan
    path = write_raster(tmp_path / "x.tif", decibels, utm_grid(40, 40, size=5))
    missing = ~np.isfinite(decibels)
    values = whole(aligned_reader(path, kind="sar", decibel=True))
    np.testing.assert_array_equal(np.isnan(values), missing)
    np.testing.assert_allclose(values[~missing], 0.1, rtol=1e-6)
    averaged = whole(aligned_reader(path, grid=utm_grid(20, 20), kind="sar", decibel=True))
    gone = missing.reshape(2, 20, 2, 20, 2).all(axis=(2, 4))
    np.testing.assert_array_equal(np.isnan(averaged), gone)
    np.testing.assert_allclose(averaged[~gone], 0.1, rtol=1e-6)


@pytest.mark.parametrize("place", [100, 30_000, 1_500_000, -100])
def test_a_changed_file_of_the_same_size_and_time_is_another(tmp_path: Path, place: int):
    """In the header, in a small file, and where thousands of bytes change in a large one."""
    noise = np.random.default_rng(0).random((3, 500, 500), np.float32)
    path = write_raster(tmp_path / "x.tif", noise, utm_grid(500, 500), compress=None)
    before, stat = aligned_reader(path).identity(), path.stat()
    content = bytearray(path.read_bytes())
    changed = slice(place, place + (1 if place < 1 << 16 else 65_536)) if place > 0 else slice(place, None)
    content[changed] = bytes(byte ^ 1 for byte in content[changed])
    reader = aligned_reader(path)
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    after = reader.identity()
    assert {name for name in before if before[name] != after[name]} == {"content"}


@pytest.mark.parametrize(
    "grid", [utm_grid(40, 30), utm_grid(20, 15, size=20), utm_grid(39, 29, east=400_004)]
)
@pytest.mark.parametrize(
    ("dtype", "declared", "override", "hole"),
    [
        ("float32", -9999.0, None, -9999.0),
        ("float32", None, None, math.nan),
        ("float32", None, None, math.inf),
        ("float32", math.nan, None, math.nan),
        ("float32", -3.4e38, None, np.float32(-3.4e38)),
        ("float64", 1e300, None, 1e300),
        ("float32", None, 7.25, 7.25),
        ("int16", -1, None, -1),
        ("uint16", 0, 65535, 65535),
        ("uint8", 255, None, 255),
    ],
)
def test_holes_are_nan_and_do_not_spread_into_values(
    tmp_path: Path, grid: GeoBox, dtype: str, declared: float | None, override: float | None, hole: float
):
    values = np.full((2, 40, 30), 100, dtype)
    values[0, 10:20, 8:16] = hole
    path = write_raster(tmp_path / "x.tif", values, utm_grid(40, 30), nodata=declared)
    aligned = whole(aligned_reader(path, grid=grid, nodata=override))
    first, second = aligned
    inside = np.isfinite(second)
    assert inside.mean() > 0.9
    assert (second[inside] == 100).all()
    assert (first[np.isfinite(first)] == 100).all()
    rows, cols = true_positions(grid, utm_grid(40, 30))
    assert np.isnan(first[(rows > 11) & (rows < 19) & (cols > 9) & (cols < 15)]).all()
    around = (rows < 10) | (rows > 20) | (cols < 8) | (cols > 16)
    assert np.isfinite(first[around & inside]).all()


def test_nodata_that_the_type_cannot_hold_is_nowhere(tmp_path: Path):
    values = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
    path = write_raster(tmp_path / "x.tif", values, utm_grid(8, 8))
    for nodata in (-1.0, 256.0, 0.5, math.nan, 1e300):
        read = whole(aligned_reader(path, nodata=nodata))
        np.testing.assert_array_equal(read, values)


def test_masks_inside_the_file_are_holes(tmp_path: Path):
    values = np.full((2, 8, 8), 5, np.uint8)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        path = write_raster(tmp_path / "x.tif", values, utm_grid(8, 8))
        with rasterio.open(path, "r+") as dataset:
            mask = np.full((8, 8), 255, np.uint8)
            mask[2, 3] = 0
            dataset.write_mask(mask)
    assert not path.with_suffix(".tif.msk").exists()
    read = whole(aligned_reader(path))
    assert np.isnan(read[:, 2, 3]).all()
    assert np.isnan(read).sum() == 2


def test_alpha_is_a_mask_and_no_band(tmp_path: Path):
    values = np.full((4, 8, 8), 200, np.uint8)
    values[3] = 255
    values[3, 1, 1] = 0
    path = write_raster(tmp_path / "x.tif", values, utm_grid(8, 8), photometric="rgb", alpha="yes")
    reader = aligned_reader(path)
    assert reader.indexes == (1, 2, 3)
    read = whole(reader)
    assert np.isnan(read[:, 1, 1]).all() and np.isnan(read).sum() == 3


def test_bands_are_chosen_in_order(tmp_path: Path):
    values = np.arange(5, dtype=np.float32).reshape(5, 1, 1) * np.ones((1, 4, 4), np.float32)
    path = write_raster(tmp_path / "x.tif", values, utm_grid(4, 4))
    with rasterio.open(path, "r+") as dataset:
        dataset.descriptions = ("a", "b", "", "d", "e")
    reader = aligned_reader(path, bands=(5, 3, 1), invalid_bands=(1,))
    assert (reader.indexes, reader.band_names) == ((5, 3), ("e", "band 3"))
    assert reader.read(Window(0, 0, 1, 1)).ravel().tolist() == [4, 2]
    assert aligned_reader(path, invalid_bands=(2, 4)).indexes == (1, 3, 5)
    with pytest.raises(RasterError, match="has bands 1 to 5, asked for 6"):
        aligned_reader(path, bands=(1, 6))
    with pytest.raises(RasterError, match="no band is left"):
        aligned_reader(path, invalid_bands=(1, 2, 3, 4, 5))


def test_valid_is_where_every_band_has_data(tmp_path: Path):
    values = np.ones((2, 4, 4), np.float32)
    values[0, 1, 1] = values[1, 2, 2] = np.nan
    reader = aligned_reader(write_raster(tmp_path / "x.tif", values, utm_grid(4, 4)))
    valid = reader.valid(Window(0, 0, 4, 4), margin=1)
    assert valid.shape == (6, 6)
    assert valid.sum() == 14 and not valid[2, 2] and not valid[3, 3]


def test_recipe_travels(positions: dict[str, Path]):
    reader = aligned_reader(positions["degrees"], grid=GRID)
    copy = pickle.loads(pickle.dumps(reader))
    assert copy == reader and hash(copy) == hash(reader)
    with ThreadPoolExecutor(3) as threads:
        results = set(threads.map(lambda one: whole(one).tobytes(), [reader, copy] * 6))
    assert len(results) == 1


def test_file_without_overlap_is_refused_with_both_extents(tmp_path: Path):
    path = write_positions(tmp_path / "far.tif", utm_grid(east=500_000))
    with pytest.raises(AlignmentError, match=r"far\.tif: does not overlap.* 500000 to .* 400000 to "):
        aligned_reader(path, grid=GRID)


@pytest.mark.parametrize("resampling", ["nearest", "bilinear"])
@pytest.mark.parametrize("name", ["full disc", "world"])
@pytest.mark.parametrize(
    "grid",
    [
        GeoBox((50, 40), Affine(1000, 0, 4e5, 0, -1000, 3.9e6), "EPSG:32654"),
        GeoBox((300, 300), Affine(1000, 0, 7e5, 0, -1000, 8.2e6), "EPSG:32760"),
        GeoBox((200, 200), Affine(40_000, 0, -4e6, 0, -40_000, 4e6), "EPSG:3413"),
    ],
    ids=["Japan", "Fiji, across 180 degrees", "the north pole"],
)
def test_images_of_half_the_earth_are_read_where_they_exist(
    tmp_path: Path, grid: GeoBox, name: str, resampling: Literal["nearest", "bilinear"]
) -> None:
    source = {
        "full disc": GeoBox((1100, 1100), Affine(10_000, 0, -5.5e6, 0, -10_000, 5.5e6), CRS_OF_A_FULL_DISC),
        "world": GeoBox((720, 1440), Affine(0.25, 0, -180, 0, -0.25, 90), WGS84),
    }[name]
    path = write_positions(tmp_path / "x.tif", source)
    values = whole(aligned_reader(path, grid=grid, resampling=resampling))
    rows, cols = np.mgrid[: grid.shape[0], : grid.shape[1]] + 0.5
    assert grid.crs is not None
    col, row = pixels_by_proj(grid, source, cols, rows)
    inside = (col >= 0) & (col <= source.shape[1]) & (row >= 0) & (row <= source.shape[0])
    assert inside.sum() > 500
    np.testing.assert_array_equal(np.isfinite(values).all(axis=0), inside)
    seam = 1 if grid.crs.proj.utm_zone else 8  # pixels at it that a kernel reaches
    away = inside & (col > seam) & (col < source.shape[1] - seam) & (row > 20)  # and away from the pole
    limit = 0.501 if resampling == "nearest" else 0.12
    assert np.abs(values[0] - row)[away].max() < limit and np.abs(values[1] - col)[away].max() < limit


def test_grids_without_crs(tmp_path: Path):
    grid = GeoBox((20, 20), BARE.translate_pix(5, 10).affine, None)
    path = write_positions(tmp_path / "bare.tif", BARE)
    assert aligned_reader(path).grid == BARE
    np.testing.assert_array_equal(
        whole(aligned_reader(path, grid=grid)), position_values(BARE)[:, 10:30, 5:25]
    )
    larger = GeoBox((20, 20), Affine.scale(2), None)
    with pytest.raises(AlignmentError, match=r"bare\.tif: neither the file nor the grid has a CRS"):
        aligned_reader(path, grid=larger)


def test_only_one_has_a_crs(tmp_path: Path):
    bare = write_positions(tmp_path / "bare.tif", BARE)
    with pytest.raises(AlignmentError, match=r"bare\.tif: has no CRS.* gdal_edit"):
        aligned_reader(bare, grid=GRID)
    placed = write_positions(tmp_path / "placed.tif", GRID)
    with pytest.raises(AlignmentError, match=r"placed\.tif: .* has a CRS and the other has none"):
        aligned_reader(placed, grid=BARE)


def test_raw_geometry_is_refused_with_advice(tmp_path: Path):
    path = tmp_path / "raw.tif"
    points = [GroundControlPoint(r, c, 13 + c / 100, 45 - r / 100) for r in (0, 8) for c in (0, 8)]
    options = {"driver": "GTiff", "height": 8, "width": 8, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", gcps=points, crs=WGS84, **options) as dataset:
        dataset.write(np.ones((1, 8, 8), np.uint8))
    with pytest.raises(AlignmentError, match=r"4 ground control points.*warp_gcps = polynomial"):
        aligned_reader(path, grid=GRID)


def test_file_that_changes_under_the_recipe_is_noticed(tmp_path: Path):
    path = write_positions(tmp_path / "x.tif", GRID)
    reader = aligned_reader(path)
    write_positions(path, utm_grid(30, 30))
    with pytest.raises(RasterError, match=r"x\.tif: has changed"):
        whole(reader)
    path.unlink()
    with pytest.raises(RasterError, match=r"x\.tif: no such file"):
        whole(reader)


def test_memory_is_that_of_the_window(tmp_path: Path):
    # Decodes to 16 GB; only the blocks under the window may be touched.
    path = tmp_path / "large.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=40_000,
        width=50_000,
        count=2,
        dtype="float32",
        crs=UTM33,
        transform=Affine(1, 0, 400_000.5, 0, -1, 5_000_000.5),
        tiled=True,
        blockxsize=512,
        blockysize=512,
        sparse_ok=True,
    ):
        pass
    script = (
        "from tests.memory import peak_kib; from tests.rasters import utm_grid\n"
        "from geo_xmodal.types import Window\n"
        "from geo_xmodal.raster.reader import aligned_reader\n"
        f"reader = aligned_reader({str(path)!r}, grid=utm_grid(400, 500, size=100))\n"
        "before = peak_kib()\n"
        "assert (reader.read(Window(200, 200, 30, 30)) == 0).all() and reader.resampling == 'average'\n"
        "print(peak_kib() - before)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root
    )
    assert int(done.stdout) < 600 * 1024


def test_every_real_file_is_aligned_or_refused_in_one_line(real_data: Path):
    files = sorted((real_data / "geotiff_samples").glob("*.tif")) + sorted(
        (real_data / "sen1floods11").glob("*.tif")
    )
    assert files
    aligned = 0
    for path in files:
        own = aligned_reader(path)
        values = whole(own)
        assert np.isfinite(values).any(), path
        for other in files:
            try:
                reader = aligned_reader(other, grid=own.grid)
            except AlignmentError as error:
                assert "does not overlap" in str(error) and "\n" not in str(error)
            else:
                aligned += 1
                assert np.isfinite(whole(reader)).any(), (path, other)
    assert aligned >= len(files)
    floods = sorted((real_data / "sen1floods11").glob("*.tif"))
    readers = [aligned_reader(path, grid=aligned_reader(floods[0]).grid) for path in floods]
    assert {reader.resampling for reader in readers} == {None}


def test_a_dem_that_names_no_value_has_the_usual_ones(tmp_path: Path):
    values = np.array([[[-9999, -32768, -32767, 0, -12, 300]]], np.float32)
    grid = utm_grid(1, 6)
    silent = aligned_reader(write_raster(tmp_path / "silent.tif", values, grid), kind="dem")
    read = silent.read(Window(0, 0, 1, 6))[0, 0]
    np.testing.assert_array_equal(read, [np.nan, np.nan, np.nan, 0, -12, 300])
    (said,) = silent.assumptions
    assert "-9999, -32768, -32767" in said.text
    told = aligned_reader(write_raster(tmp_path / "told.tif", values, grid, nodata=0), kind="dem")
    read = told.read(Window(0, 0, 1, 6))[0, 0]
    np.testing.assert_array_equal(read, [-9999, -32768, -32767, np.nan, -12, 300])
    assert not told.assumptions
    other = aligned_reader(tmp_path / "silent.tif", kind="lidar")
    np.testing.assert_array_equal(other.read(Window(0, 0, 1, 6)), values)


@pytest.mark.parametrize(
    ("written", "plain", "size"),
    [("EPSG:32633+5773", UTM33, (10.0, 4e5, 5e6)), ("EPSG:4979", WGS84, (1e-4, 13.0, 45.0))],
    ids=["with heights above the geoid", "with heights above the ellipsoid"],
)
def test_heights_of_a_crs_are_no_part_of_its_place(
    tmp_path: Path, written: str, plain: str, size: tuple[float, float, float]
) -> None:
    pixel, x, y = size
    affine = Affine(pixel, 0, x, 0, -pixel, y)
    grid = GeoBox((40, 30), affine, plain)
    path = write_positions(tmp_path / "x.tif", GeoBox((40, 30), affine, pyproj.CRS(written).to_wkt()))
    reader = aligned_reader(path, grid=grid)
    assert reader.resampling is None and reader.source == grid
    np.testing.assert_array_equal(whole(reader), position_values(grid))


_DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")


def test_the_types_of_values_that_are_read(tmp_path: Path) -> None:
    for dtype in [
        "uint8",
        "int8",
        "uint16",
        "int16",
        "uint32",
        "int32",
        "uint64",
        "int64",
        "float32",
        "float64",
    ]:
        low = -100 if dtype.startswith(("i", "f")) else 0
        values = np.linspace(low, 120, 400).reshape(1, 20, 20).astype(dtype)
        path = write_raster(tmp_path / f"{dtype}.tif", values, utm_grid(20, 20))
        np.testing.assert_array_equal(whole(aligned_reader(path)), values.astype(np.float32))
    for bits, dtype in ((1, "uint8"), (12, "uint16"), (16, "float32")):
        values = (np.arange(400) % 2).reshape(1, 20, 20).astype(dtype)
        path = write_raster(tmp_path / f"{bits}.tif", values, utm_grid(20, 20), nbits=bits)
        np.testing.assert_array_equal(whole(aligned_reader(path)), values)
    large = np.full((1, 20, 20), 2**24 + 1, np.int32)
    read = whole(aligned_reader(write_raster(tmp_path / "large.tif", large, utm_grid(20, 20))))
    assert (read == 2**24).all()  # float32 holds 24 bits
    beyond = np.full((1, 20, 20), 1e300)
    assert np.isnan(whole(aligned_reader(write_raster(tmp_path / "x.tif", beyond, utm_grid(20, 20))))).all()


def test_how_pixels_are_stored_changes_no_value(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 255, (3, 200, 180)).astype(np.uint8)
    grid = utm_grid(200, 180)
    ways: list[dict[str, object]] = [
        {"compress": name}
        for name in ("lzw", "packbits", "lzma", "zstd", "lerc", "lerc_zstd", "lerc_deflate", "deflate")
    ]
    ways += [
        {"bigtiff": "yes"},
        {"interleave": "band"},
        {"interleave": "pixel", "predictor": 2},
        {"tiled": False, "blockysize": 1},
        {"blockxsize": 16, "blockysize": 32},
        {"interleave": "pixel", "compress": "webp", "webp_lossless": True},
        {"endianness": "big"},
    ]
    for number, way in enumerate(ways):
        path = write_raster(tmp_path / f"{number}.tif", values, grid, **way)
        np.testing.assert_array_equal(whole(aligned_reader(path)), values)
    with rasterio.open(tmp_path / "0.tif", "r+") as dataset:
        dataset.build_overviews([2, 4])
        dataset.update_tags(TIFFTAG_DATETIME="2024:05:01 10:00:00", AREA_OR_POINT="Point")
    np.testing.assert_array_equal(whole(aligned_reader(tmp_path / "0.tif")), values)
    assert aligned_reader(tmp_path / "0.tif").grid == grid
    smaller = utm_grid(50, 45, size=40)
    np.testing.assert_array_equal(
        whole(aligned_reader(tmp_path / "0.tif", grid=smaller)),
        whole(aligned_reader(tmp_path / "1.tif", grid=smaller)),
    )


def test_blocks_that_are_not_stored_hold_the_value_of_no_data_or_0(tmp_path: Path) -> None:
    for nodata, expected in ((None, 0.0), (7, np.nan)):
        path = tmp_path / f"{nodata}.tif"
        options = {"height": 20, "width": 20, "count": 1, "dtype": "uint8", "sparse_ok": True}
        with rasterio.open(path, "w", driver="GTiff", crs=UTM33, nodata=nodata, **options) as dataset:
            dataset.transform = utm_grid().affine
        np.testing.assert_array_equal(whole(aligned_reader(path)), np.full((1, 20, 20), expected))
