"""Precomputed features: AlphaEarth's bytes and TESSERA's floats, values computed here without the package."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio import Affine

import geo_xmodal as gx
from geo_xmodal.errors import AlignmentError, RasterError
from geo_xmodal.raster.embedding import Product, described, product_in
from geo_xmodal.raster.mosaic import mosaic
from geo_xmodal.raster.reader import AlignedReader, aligned_reader
from geo_xmodal.raster.window_reader import WindowReader
from geo_xmodal.types import FloatArray, Window
from tests.rasters import utm_grid, write_raster

NAMES = tuple(f"A{band:02d}" for band in range(64))
GRID = utm_grid(60, 48)
ONE_CODE = np.array([math.copysign((abs(v) / 127.5) ** 2, v) for v in range(-127, 128)])
"""What AlphaEarth's bytes -127 to 127 stand for."""


def vectors(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(64, row, col) int8 of unit vectors, some of them masked."""
    rng = np.random.default_rng(seed)
    vector = rng.normal(size=(64, height, width))
    vector /= np.linalg.norm(vector, axis=0)
    stored = np.rint(np.sign(vector) * np.sqrt(np.abs(vector)) * 127.5).clip(-127, 127).astype(np.int8)
    stored[:, rng.random((height, width)) < 0.1] = -128
    return stored


def true_values(stored: np.ndarray) -> np.ndarray:
    """float64 with NaN, by the table."""
    values = ONE_CODE[np.maximum(stored, -127).astype(int) + 127]
    values[stored == -128] = np.nan
    return values


def write_alpha_earth(path: Path, stored: np.ndarray, grid: GeoBox = GRID, *, named: bool = True) -> Path:
    write_raster(path, stored, grid, nodata=-128 if named else None)
    if named:
        with rasterio.open(path, "r+") as dataset:
            dataset.descriptions = NAMES
    return path


def write_tessera(path: Path, values: np.ndarray, grid: GeoBox = GRID, **tags: str) -> Path:
    write_raster(path, values, grid)
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(**tags)
    return path


def bottom_up(grid: GeoBox) -> GeoBox:
    """The same pixels, the southernmost row first."""
    return GeoBox(
        grid.shape, grid.affine @ Affine.translation(0, grid.shape[0]) @ Affine.scale(1, -1), grid.crs
    )


def coarser(grid: GeoBox, size: float) -> GeoBox:
    """The first corner and extent of `grid` in pixels of `size` times its own."""
    shape = (int(grid.shape[0] / size), int(grid.shape[1] / size))
    return GeoBox(shape, grid.affine @ Affine.scale(size), grid.crs)


def features(path: Path, grid: GeoBox | None = None, **options: object) -> AlignedReader:
    return aligned_reader(path, grid=grid, kind="embedding", **options)  # type: ignore[arg-type]


def whole(reader: WindowReader) -> FloatArray:
    return reader.read(Window(0, 0, *reader.grid.shape))


def averaged(values: np.ndarray, size: float) -> np.ndarray:
    """Area-weighted mean of whole vectors over squares of `size` pixels, without those that are missing."""

    def weights(pixels: int) -> np.ndarray:
        edges = np.arange(pixels)
        cells = np.arange(int(pixels / size))[:, None] * size
        return np.clip(np.minimum(edges + 1, cells + size) - np.maximum(edges, cells), 0, 1)

    down, across = weights(values.shape[1]), weights(values.shape[2])
    known = np.isfinite(values).all(axis=0)
    total = np.einsum("ir,brc,jc->bij", down, np.where(known, values, 0), across)
    weight = np.einsum("ir,rc,jc->ij", down, known, across)
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / weight


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=0)


@pytest.mark.parametrize("named", [True, False], ids=["named, nodata told", "neither"])
def test_bytes_are_signed_squares_and_minus_128_is_no_data(named: bool, tmp_path: Path) -> None:
    stored = np.arange(-128, 128, dtype=np.int16).astype(np.int8).reshape(1, 16, 16).repeat(64, axis=0)
    path = write_alpha_earth(tmp_path / "aef.tif", stored, utm_grid(16, 16), named=named)
    values = whole(features(path))
    assert np.isnan(values[:, 0, 0]).all()
    zero = divmod(128, 16)
    assert np.isnan(values[(slice(None), *zero)]).all()  # a vector of zeros has no direction
    expected = true_values(stored)
    expected[(slice(None), *zero)] = np.nan
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    assert values[0, 15, 15] == np.float32((127 / 127.5) ** 2)


def test_a_vector_that_lacks_a_band_is_missing(tmp_path: Path) -> None:
    stored = np.full((64, 8, 8), 16, np.int8)
    stored[7, 2, 3] = -128
    missing = np.isnan(whole(features(write_alpha_earth(tmp_path / "aef.tif", stored, utm_grid(8, 8)))))
    assert missing[:, 2, 3].all()
    assert missing.sum() == 64


@pytest.mark.parametrize("size", [2.0, 3.0, 2.5])
def test_coarser_vectors_are_area_weighted_means_of_length_one(size: float, tmp_path: Path) -> None:
    stored = vectors(*GRID.shape)
    reader = features(write_alpha_earth(tmp_path / "aef.tif", stored), coarser(GRID, size))
    expected = unit(averaged(true_values(stored), size))
    np.testing.assert_allclose(whole(reader), expected, atol=2e-6)


def test_finer_vectors_have_length_one(tmp_path: Path) -> None:
    stored = vectors(*GRID.shape)
    values = whole(features(write_alpha_earth(tmp_path / "aef.tif", stored), coarser(GRID, 0.4)))
    known = np.isfinite(values).all(axis=0)
    assert known.mean() > 0.5
    np.testing.assert_allclose(np.linalg.norm(values[:, known], axis=0), 1, atol=1e-5)


def test_bottom_up_files_are_read_right(tmp_path: Path) -> None:
    stored = vectors(*GRID.shape)
    up = features(write_alpha_earth(tmp_path / "up.tif", stored))
    turned = write_alpha_earth(tmp_path / "down.tif", stored[:, ::-1], bottom_up(GRID))
    with rasterio.open(turned) as dataset:
        assert dataset.transform.e > 0
    np.testing.assert_array_equal(whole(features(turned))[:, ::-1], whole(up))
    np.testing.assert_array_equal(whole(features(turned, GRID)), whole(up))
    expected = unit(averaged(true_values(stored), 3))
    np.testing.assert_allclose(whole(features(turned, coarser(GRID, 3))), expected, atol=2e-6)


def test_resampled_vectors_do_not_depend_on_the_window(tmp_path: Path) -> None:
    reader = features(write_alpha_earth(tmp_path / "aef.tif", vectors(*GRID.shape)), coarser(GRID, 2.5))
    all_of_it = whole(reader)
    for window in (Window(0, 0, 5, 7), Window(3, 4, 11, 2), Window(17, 9, 7, 10), Window(23, 18, 1, 1)):
        rows, cols = window.slices
        np.testing.assert_array_equal(reader.read(window), all_of_it[:, rows, cols])


def test_a_mosaic_is_put_together_before_it_is_resampled(tmp_path: Path) -> None:
    stored = vectors(*GRID.shape)
    west = GeoBox((60, 23), GRID.affine, GRID.crs)
    east = GeoBox((60, 25), GRID.affine @ Affine.translation(23, 0), GRID.crs)
    write_alpha_earth(tmp_path / "west.tif", stored[:, ::-1, :23], bottom_up(west))
    write_alpha_earth(tmp_path / "east.tif", stored[:, ::-1, 23:], bottom_up(east))
    tiles = [(name, features(tmp_path / name)) for name in ("west.tif", "east.tif")]
    resampled = mosaic(tiles).on(coarser(GRID, 2.5))
    np.testing.assert_allclose(whole(resampled), unit(averaged(true_values(stored), 2.5)), atol=2e-6)


def test_floats_of_tessera_are_averaged_as_they_are(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(0, 3, (128, *GRID.shape)).astype(np.float32)
    values[:, 5:9, 7:12] = np.nan
    path = write_tessera(tmp_path / "tile.tif", values, TESSERA_DATASET_VERSION="v1")
    assert features(path).bands[0].product == Product("TESSERA", "1")
    np.testing.assert_array_equal(whole(features(path)), values)
    np.testing.assert_allclose(whole(features(path, coarser(GRID, 3))), averaged(values, 3), atol=1e-5)


@pytest.mark.parametrize(
    ("bands", "dtype"), [(128, "int8"), (64, "uint8"), (64, "int16"), (32, "int8")], ids=str
)
def test_integers_that_cannot_be_decoded_are_refused(bands: int, dtype: str, tmp_path: Path) -> None:
    path = write_raster(tmp_path / "features.tif", np.ones((bands, 8, 8), dtype), utm_grid(8, 8))
    with pytest.raises(RasterError, match=rf"{bands} bands of {dtype}, expected floats.*AlphaEarth.*int8"):
        features(path)


def test_the_bands_of_a_unit_vector_stay_together(tmp_path: Path) -> None:
    path = write_alpha_earth(tmp_path / "aef.tif", vectors(8, 8), utm_grid(8, 8))
    backwards = features(path, bands=tuple(range(64, 0, -1)))
    np.testing.assert_array_equal(whole(backwards)[::-1], whole(features(path)))
    with pytest.raises(RasterError, match=r"64 bands.*one vector.*asked for 2"):
        features(path, bands=(1, 2))
    with pytest.raises(RasterError, match=r"64 bands.*one vector.*asked for 63"):
        features(path, invalid_bands=(5,))


def test_tiles_of_two_versions_are_not_joined(tmp_path: Path) -> None:
    values = np.ones((128, 8, 8), np.float32)
    for version in ("1.0", "1.1"):
        write_tessera(tmp_path / f"{version}.tif", values, utm_grid(8, 8), TESSERA_DATASET_VERSION=version)
    tiles = [(name, features(tmp_path / name)) for name in ("1.0.tif", "1.1.tif")]
    with pytest.raises(AlignmentError, match=r"1\.1\.tif.*TESSERA 1\.1.*TESSERA 1\.0"):
        mosaic(tiles)


def test_a_description_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    values = np.ones((128, 8, 8), np.float32)
    path = write_tessera(tmp_path / "t.tif", values, utm_grid(8, 8), TESSERA_DATASET_VERSION="1.0")
    assert features(path, sensor="TESSERA v1.0").bands[0].product == Product("TESSERA", "1.0")
    with pytest.raises(RasterError, match=r"TESSERA 1\.0.*TESSERA 1\.1"):
        features(path, sensor="TESSERA v1.1")


@pytest.mark.parametrize(
    ("text", "product"),
    [
        ("TESSERA v1.1", Product("TESSERA", "1.1")),
        ("tessera_v2, 2024", Product("TESSERA", "2")),
        ("tessera_2024.tif", Product("TESSERA")),
        ("tile.tif [TESSERA 1.0 vultr]", Product("TESSERA", "1.0 vultr")),
        ("AlphaEarth 2023", Product("AlphaEarth")),
        ("Google Satellite Embedding V1", Product("AlphaEarth")),
        ("Sentinel-1", None),
    ],
)
def test_a_description_names_the_product(text: str, product: Product | None) -> None:
    assert product_in(text) == product
    assert product_in(described(text, product)) == product


def test_what_is_known_of_one_version_does_not_contradict() -> None:
    old, new = Product("TESSERA", "1.0"), Product("TESSERA", "1.1")
    assert old.contradicts(new)
    assert not old.contradicts(Product("TESSERA"))
    assert old.contradicts(Product("AlphaEarth"))


def test_align_decodes_and_keeps_the_product(tmp_path: Path) -> None:
    stored = vectors(*GRID.shape)
    aef = write_alpha_earth(tmp_path / "aef.tif", stored[:, ::-1], bottom_up(GRID), named=False)
    radar = write_raster(tmp_path / "sar.tif", np.ones((2, 24, 19), np.float32), coarser(GRID, 2.5))
    scene = gx.align_scene(
        tmp_path / "scene", reference=radar, modalities={"sar": radar, "embedding": aef}, copy=True
    )
    expected = unit(averaged(true_values(stored), 2.5))
    np.testing.assert_allclose(whole(scene.reader("embedding")), expected, atol=2e-6)
    assert product_in(scene.modality("embedding").sensor) == Product("AlphaEarth")
    assert scene.reader("embedding").band_names == NAMES
    again = scene.reader("embedding").on(coarser(scene.grid, 2))
    np.testing.assert_allclose(whole(again), unit(averaged(whole(scene.reader("embedding")), 2)), atol=2e-6)


def test_align_keeps_the_version_in_the_file_it_writes(tmp_path: Path) -> None:
    values = np.random.default_rng(2).normal(size=(128, *GRID.shape)).astype(np.float32)
    tags = {"TESSERA_DATASET_VERSION": "v1.1", "TESSERA_DATASET_VARIANT": "vultr"}
    tile = write_tessera(tmp_path / "tile.tif", values, **tags)
    radar = write_raster(tmp_path / "sar.tif", np.ones((2, *GRID.shape), np.float32), GRID)
    scene = gx.align_scene(tmp_path / "scene", reference=radar, modalities={"embedding": tile})
    assert scene.modality("embedding").sensor == "tile.tif [TESSERA 1.1 vultr]"
    assert features(scene.path("embedding")).product == Product("TESSERA", "1.1 vultr")
