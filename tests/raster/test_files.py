from __future__ import annotations

import multiprocessing
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.transform import GroundControlPoint
from rasterio.vrt import WarpedVRT

from geo_xmodal.errors import RasterError
from geo_xmodal.raster.files import (
    CHIP_FORMATS,
    RasterLimits,
    describe_raster,
    kept_open,
    open_raster,
    read_window,
)
from geo_xmodal.wording import size_words
from tests.rasters import UTM33, utm_grid, vrt_that_reads, write_positions, write_raster, write_sparse

SECRET = b"0123456789" * 20


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_positions(tmp_path / "good.tif", utm_grid())


def refusal(path: Path | str, **options: object) -> str:
    """The message with which `path` is refused: always one line that names the file."""
    with pytest.raises(RasterError) as caught, open_raster(path, **options) as dataset:
        dataset.read(1)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_what_is_written_is_read(good: Path):
    with open_raster(good) as dataset:
        assert dataset.driver == "GTiff"
        assert dataset.read(1)[7, 3] == 7.5
        assert dataset.read(2)[7, 3] == 3.5


@pytest.mark.parametrize("name", ["a b.tif", "ä#?!.tif", "100%25.tiff", "NO_EXTENSION", "a:b.tif"])
def test_any_file_name_is_taken_as_it_is(tmp_path: Path, good: Path, name: str):
    odd = good.rename(tmp_path / name)
    with open_raster(odd) as dataset:
        assert dataset.shape == (60, 50)


@pytest.mark.parametrize(
    ("driver", "format_"), [("PNG", "PNG"), ("JPEG", "JPEG"), ("JP2OpenJPEG", "JPEG 2000")]
)
def test_other_formats_pass_only_where_they_are_asked_for(tmp_path: Path, driver: str, format_: str):
    path = tmp_path / "picture.tif"  # the content decides, not the name
    pixels = np.full((3, 16, 24), 90, np.uint8)
    with rasterio.open(path, "w", driver=driver, count=3, height=16, width=24, dtype="uint8") as dataset:
        dataset.write(pixels)
    with open_raster(path, formats=CHIP_FORMATS) as dataset:
        assert (dataset.driver, dataset.shape, dataset.count) == (driver, (16, 24), 3)
        np.testing.assert_allclose(dataset.read(), pixels, atol=2)
    assert f"not a GeoTIFF but a {format_}" in refusal(path)
    # one that decodes to more than a machine should hold for a pixel of it
    few = RasterLimits(free_block_bytes=1000, block_ratio=1.0)
    if path.stat().st_size < 3 * 16 * 24:
        assert "one block (16 x 24 pixels) decodes to 1.2 kB" in refusal(
            path, formats=CHIP_FORMATS, limits=few
        )
    (tmp_path / "picture.tfw").write_text("1\n0\n0\n-1\n5\n5\n")
    (tmp_path / "picture.wld").write_text("1\n0\n0\n-1\n5\n5\n")
    with open_raster(path, formats=CHIP_FORMATS) as dataset:
        assert dataset.transform.is_identity
    # half a picture is none
    pixels = np.random.default_rng(0).integers(0, 255, (3, 16, 24), np.uint8)
    with rasterio.open(path, "w", driver=driver, count=3, height=16, width=24, dtype="uint8") as dataset:
        dataset.write(pixels)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert str(path) in refusal(path, formats=CHIP_FORMATS)


def test_gdal_itself_would_follow_the_document(tmp_path: Path):
    # If GDAL refused this by itself, the tests below would prove nothing.
    secret = tmp_path / "secret.txt"
    secret.write_bytes(SECRET)
    evil = tmp_path / "evil.tif"
    evil.write_text(vrt_that_reads(secret))
    with rasterio.open(evil) as dataset:
        assert dataset.read(1).tobytes() == SECRET[:64]


@pytest.mark.parametrize("after_warp", [False, True])
def test_document_that_reads_other_files_is_refused(tmp_path: Path, good: Path, after_warp: bool):
    secret = tmp_path / "secret.txt"
    secret.write_bytes(SECRET)
    evil = tmp_path / "evil.tif"
    evil.write_text(vrt_that_reads(secret))
    if after_warp:
        with rasterio.open(good) as dataset, WarpedVRT(dataset, crs="EPSG:4326") as warped:
            warped.read(1)
    assert "not a GeoTIFF" in refusal(evil)
    with pytest.raises(RasterError, match="not a GeoTIFF"):
        describe_raster(evil)


def test_document_behind_the_magic_bytes_is_refused(tmp_path: Path):
    evil = tmp_path / "evil.tif"
    evil.write_bytes(b"II*\0" + vrt_that_reads(tmp_path / "secret.txt").encode())
    assert "cannot be read as a GeoTIFF" in refusal(evil)


def test_side_cars_are_not_looked_at(tmp_path: Path, good: Path):
    secret = tmp_path / "secret.txt"
    secret.write_bytes(SECRET * 50)
    document = vrt_that_reads(secret, 30)
    for suffix in (".ovr", ".msk"):
        Path(f"{good}{suffix}").write_text(document)
    Path(f"{good}.aux.xml").write_text(
        "<PAMDataset><SRS>EPSG:3857</SRS><PAMRasterBand band='1'><NoDataValue>7.5</NoDataValue>"
        "<Description>not mine</Description></PAMRasterBand></PAMDataset>"
    )
    good.with_suffix(".tfw").write_text("1\n0\n0\n-1\n0\n0\n")
    with open_raster(good) as dataset:
        assert dataset.files == [str(good)]
        assert dataset.overviews(1) == []
        assert dataset.nodata is None
        assert dataset.descriptions == (None, None)
        assert dataset.crs.to_epsg() == 32633
        assert dataset.read_masks(1).all()
        assert dataset.read(1)[7, 3] == 7.5


@pytest.mark.parametrize(
    "path",
    [
        "/vsimem/x.tif",
        "/vsicurl/http://localhost/x.tif",
        "//VSIZIP/x.zip",
        "http://localhost/x.tif",
        "file:///x.tif",
        "GTIFF_DIR:1:{good}",
        "GTIFF_RAW:{good}",
        "NETCDF:{good}:x",
        "zip+file://x.zip!x.tif",
        "{good}\0.tif",
        "<VRTDataset/>",
        "  <VRTDataset/>",
    ],
)
def test_what_is_no_path_is_refused(good: Path, path: str):
    assert "not the path of a file" in refusal(path.format(good=good))


def test_things_that_are_no_raster_files(tmp_path: Path):
    empty, text = tmp_path / "empty.tif", tmp_path / "text.tif"
    empty.touch()
    text.write_text("id,name\n1,water\n")
    assert "an empty file" in refusal(empty)
    assert "gdal_translate" in refusal(text)
    assert "is a folder" in refusal(tmp_path)
    assert "no such file" in refusal(tmp_path / "absent.tif")
    fifo = tmp_path / "fifo.tif"
    os.mkfifo(fifo)
    assert "not a regular file" in refusal(fifo)


def test_links_out_of_the_root_are_refused(tmp_path: Path, good: Path):
    root = tmp_path / "root"
    root.mkdir()
    inside = write_positions(root / "inside.tif", utm_grid())
    (root / "out.tif").symlink_to(good)
    (root / "alias.tif").symlink_to(inside)
    assert "outside" in refusal(root / "out.tif", root=root)
    assert "outside" in refusal(root / ".." / "good.tif", root=root)
    with open_raster(root / "alias.tif", root=root) as dataset:
        assert dataset.count == 2


def test_sparse_frame_of_640_gigabytes_is_refused(tmp_path: Path):
    bomb = write_sparse(tmp_path / "bomb.tif", 200_000, 4)
    assert bomb.stat().st_size < 10 * 2**20
    assert "not an empty frame" in refusal(bomb)


def test_real_mosaics_of_tens_of_gigabytes_pass(tmp_path: Path):
    # Stands for 40 GB of float32 stored at a ratio that deflate reaches on smooth data.
    mosaic = write_sparse(tmp_path / "mosaic.tif", 50_000, 4)
    os.truncate(mosaic, 40 * 2**20)
    with open_raster(mosaic) as dataset:
        assert dataset.width * dataset.height * dataset.count * 4 == 40_000_000_000


@pytest.mark.parametrize(
    ("limits", "complaint"),
    [
        (RasterLimits(side=59), "60 x 50 pixels"),
        (RasterLimits(bands=1), "2 bands"),
        (RasterLimits(block_bytes=64 * 64 * 4 - 1), "one block"),
        (RasterLimits(ratio=2, free_bytes=0), "decode to"),
    ],
)
def test_each_limit(good: Path, limits: RasterLimits, complaint: str):
    assert complaint in refusal(good, limits=limits)


def test_limits_are_inclusive(good: Path):
    with open_raster(good, limits=RasterLimits(side=60, bands=2, block_bytes=2 * 64 * 64 * 4)) as dataset:
        assert dataset.count == 2


def test_strip_that_is_a_whole_image_counts_all_its_bands(tmp_path: Path):
    values = np.zeros((3, 200, 100), np.float32)
    path = write_raster(
        tmp_path / "strip.tif", values, utm_grid(200, 100), tiled=False, blockysize=200, interleave="pixel"
    )
    assert f"decodes to {size_words(values.nbytes)}" in refusal(
        path, limits=RasterLimits(block_bytes=values.nbytes - 1)
    )


def test_complex_pixels_are_refused_with_advice(tmp_path: Path):
    path = write_raster(tmp_path / "slc.tif", np.ones((1, 8, 8), np.complex64), utm_grid(8, 8))
    assert "power" in refusal(path)


@pytest.mark.parametrize("compress", ["deflate", "none"])
@pytest.mark.parametrize("interleave", ["band", "pixel"])
def test_truncated_copy_is_refused_wherever_it_is_cut(tmp_path: Path, compress: str, interleave: str):
    rng = np.random.default_rng(0)
    whole = write_raster(
        tmp_path / "whole.tif",
        rng.random((3, 300, 200), dtype=np.float32),
        utm_grid(300, 200),
        compress=compress,
        interleave=interleave,
    )
    content = whole.read_bytes()
    for kept in (4, 8, 200, len(content) // 2, len(content) - 2000, len(content) - 1):
        cut = tmp_path / "cut.tif"
        cut.write_bytes(content[:kept])
        message = refusal(cut)
        assert "the file is cut off" in message or "cannot be read as a GeoTIFF" in message
    assert "the file is cut off" in message


def test_damaged_block_names_file_and_window(tmp_path: Path):
    values = np.random.default_rng(0).random((1, 128, 128), dtype=np.float32)
    path = write_raster(tmp_path / "damaged.tif", values, utm_grid(128, 128))
    content = bytearray(path.read_bytes())
    content[len(content) * 3 // 4 :] = bytes(len(content) - len(content) * 3 // 4)
    path.write_bytes(bytes(content))
    part = rasterio.windows.Window(64, 64, 64, 64)
    where = r"damaged\.tif: rows 64 to 127, columns 64 to 127"
    with pytest.raises(RasterError, match=where) as caught, open_raster(path) as dataset:
        read_window(dataset, [1], part)
    assert "previous exception" not in str(caught.value)


@pytest.mark.parametrize(
    ("affine", "message"),
    [
        (Affine(10, 0, 4e5, 0, -1e290, 5e6), r"places it at 3e\+291, "),
        (Affine(1e-200, 0, 4e5, 0, -1e-200, 5e6), "gives pixels no size"),
        (Affine(10, 0, -1e200, 0, -10, 5e6), r"places it at 1e\+200, expected coordinates within 1e\+12"),
        (Affine(1e11, 0, 0, 0, -1e11, 0), r"places it at 4e\+12, "),
    ],
)
def test_places_beyond_numbers_are_refused(tmp_path: Path, affine: Affine, message: str):
    grid = GeoBox((30, 40), affine, "EPSG:32633")
    assert re.search(message, refusal(write_raster(tmp_path / "x.tif", np.ones((1, 30, 40), np.uint8), grid)))


def test_missing_georeference_is_no_warning(tmp_path: Path):
    path = tmp_path / "plain.tif"
    with rasterio.open(path, "w", driver="GTiff", height=4, width=4, count=1, dtype="uint8") as dataset:
        dataset.write(np.ones((1, 4, 4), np.uint8))
    # A process of its own, because pytest replaces the warning filters.
    script = f"from geo_xmodal.raster.files import describe_raster; print(describe_raster({str(path)!r}).crs)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("None", "")


def test_describe(tmp_path: Path):
    path = write_raster(
        tmp_path / "x.tif", np.zeros((3, 30, 40), np.int16), utm_grid(30, 40), nodata=-9999, compress="lzw"
    )
    with rasterio.open(path, "r+") as dataset:
        dataset.descriptions = ("VV", None, "VH")
    info = describe_raster(path)
    assert (info.height, info.width, info.count, info.dtype) == (30, 40, 3, "int16")
    assert info.crs == UTM33
    assert info.grid == utm_grid(30, 40)
    assert info.nodata == -9999
    assert info.band_names == ("VV", "band 2", "VH")
    assert info.wavelengths is None
    assert info.block == (64, 64)
    assert info.compression == "lzw"
    assert info.bytes == path.stat().st_size


@pytest.mark.parametrize(
    ("tags", "description", "namespace"),
    [
        ({"wavelength": "482.5", "wavelength_units": "Nanometers"}, None, None),
        ({"wavelength": "0.4825", "wavelength_units": "Micrometers"}, None, None),
        ({"WAVELENGTH": "0.4825"}, None, None),
        ({"wavelength": "482.5"}, None, None),
        ({"CENTRAL_WAVELENGTH_UM": "0.4825"}, None, "IMAGERY"),
        ({}, "Band 3 (482.5 nm)", None),
        ({}, "0.4825 Micrometers", None),
    ],
)
def test_wavelengths_in_nanometres_however_they_are_written(
    tmp_path: Path, tags: dict[str, str], description: str | None, namespace: str | None
):
    path = write_raster(tmp_path / "hsi.tif", np.zeros((1, 4, 4), np.float32), utm_grid(4, 4))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(1, ns=namespace, **tags)
        dataset.set_band_description(1, description or "")
    assert describe_raster(path).wavelengths == pytest.approx((482.5,))


def test_a_description_of_nothing_but_digits_is_no_wavelength(tmp_path: Path):
    path = write_raster(tmp_path / "hsi.tif", np.zeros((1, 4, 4), np.float32), utm_grid(4, 4))
    with rasterio.open(path, "r+") as dataset:
        dataset.set_band_description(1, "1" * 1_000_000)
    assert describe_raster(path).wavelengths is None


def test_wavelengths_of_some_bands_only_are_none(tmp_path: Path):
    path = write_raster(tmp_path / "hsi.tif", np.zeros((2, 4, 4), np.float32), utm_grid(4, 4))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(1, wavelength="482.5")
    assert describe_raster(path).wavelengths is None


def _sum(path: Path) -> float:
    with open_raster(path) as dataset:
        return float(dataset.read().sum())


def test_threads_and_processes_open_the_same_file(good: Path):
    with ThreadPoolExecutor(4) as threads:
        sums = set(threads.map(_sum, [good] * 40))
    with multiprocessing.get_context("spawn").Pool(1) as processes:
        sums |= set(processes.map(_sum, [good]))
    assert sums == {_sum(good)}


def test_ground_control_points_are_no_grid(tmp_path: Path):
    path = tmp_path / "raw.tif"
    points = [GroundControlPoint(r, c, 13 + c / 100, 45 - r / 100) for r in (0, 8) for c in (0, 8)]
    with rasterio.open(
        path, "w", driver="GTiff", height=8, width=8, count=1, dtype="uint8", gcps=points, crs="EPSG:4326"
    ) as dataset:
        dataset.write(np.ones((1, 8, 8), np.uint8))
    assert describe_raster(path).crs is None


def test_every_real_file_is_described(real_data: Path):
    files = sorted(real_data.glob("*/*.tif"))
    assert files
    infos = {path.name: describe_raster(path) for path in files}
    assert all(info.width * info.height * info.count > 0 for info in infos.values())
    if "enmap_potsdam_mosaic18.tif" in infos:
        wavelengths = infos["enmap_potsdam_mosaic18.tif"].wavelengths
        assert wavelengths is not None and len(wavelengths) == 224
        assert wavelengths[0] == pytest.approx(418.24)


def test_blocks_of_a_file_that_stays_open_are_decoded_once(tmp_path: Path) -> None:
    """What is on disk by then is not asked."""
    values = np.random.default_rng(0).normal(size=(1, 512, 512)).astype(np.float32)
    tiles = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate"}
    path = write_raster(tmp_path / "x.tif", values, utm_grid(512, 512), **tiles)
    first, second = (rasterio.windows.Window(col, 200, 64, 64) for col in (100, 150))  # of two tiles
    with kept_open(), open_raster(path) as dataset:
        dataset.read(window=first)
        with path.open("r+b") as file:
            file.seek(5000)
            file.write(bytes(path.stat().st_size - 5000))
        np.testing.assert_array_equal(dataset.read(window=second), values[:, 200:264, 150:214])


def test_a_file_stays_open_in_the_block_as_long_as_it_is_the_same(
    tmp_path: Path,
) -> None:
    path = write_positions(tmp_path / "x.tif", utm_grid(60, 50))
    (tmp_path / "text.tif").write_bytes(path.read_bytes()[:3000])
    with kept_open():
        with open_raster(path) as first:
            pass
        with kept_open(), open_raster(path) as again:
            assert again is first and not first.closed
        write_raster(path, np.full((1, 20, 10), 7, np.float32), utm_grid(20, 10))
        with open_raster(path) as changed:
            assert changed is not first and (changed.read() == 7).all()
        for _ in range(2):
            with (
                pytest.raises(RasterError, match=r"cut off|cannot be read"),
                open_raster(tmp_path / "text.tif"),
            ):
                pass
        with pytest.raises(RasterError, match="outside"), open_raster(path, root=tmp_path / "other"):
            pass
    assert first.closed and changed.closed
    with open_raster(path) as alone:
        pass
    assert alone.closed


def test_a_jpeg_2000_with_a_box_without_length_is_refused(tmp_path: Path) -> None:
    """GDAL never gets past it."""
    path = tmp_path / "x.jp2"
    profile = {"driver": "JP2OpenJPEG", "count": 3, "height": 24, "width": 20, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(np.zeros((3, 24, 20), np.uint8))
    content = bytearray(path.read_bytes())
    color = content.index(b"colr")
    content[color - 4 : color] = (3).to_bytes(4, "big")
    path.write_bytes(bytes(content))
    with (
        pytest.raises(RasterError, match=r"x\.jp2: the parts of this JPEG 2000"),
        open_raster(path, formats=CHIP_FORMATS),
    ):
        pytest.fail("opened")
