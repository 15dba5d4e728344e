from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geo_xmodal.errors import AlignmentError, RasterError
from geo_xmodal.raster.band_files import band_files_reader, names_bands, rasters_in
from geo_xmodal.raster.grid import with_pixels
from geo_xmodal.types import Window
from tests.rasters import utm_grid, write_raster

FINE = utm_grid(120, 90)
COARSE = with_pixels(FINE, 2, 2)


def band(path: Path, axis: int, grid: object = FINE) -> Path:
    """A file that holds row (0) or column (1), in fine pixels, of each pixel's centre."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = 2 if grid is COARSE else 1
    shape = COARSE.shape if grid is COARSE else FINE.shape
    values = (np.indices(shape)[axis] + 0.5) * size
    return write_raster(path, values[None].astype(np.float32), grid)  # type: ignore[arg-type]


@pytest.fixture
def safe(tmp_path: Path) -> Path:
    """Like a Sentinel-2 product: bands in folders of their resolution."""
    granule = tmp_path / "S2A.SAFE" / "GRANULE" / "L2A" / "IMG_DATA"
    band(granule / "R10m" / "T32TQM_20210101_B02_10m.tif", 0)
    band(granule / "R10m" / "T32TQM_20210101_B08_10m.tif", 1)
    band(granule / "R20m" / "T32TQM_20210101_B02_20m.tif", 0, COARSE)
    band(granule / "R20m" / "T32TQM_20210101_B05_20m.tif", 0, COARSE)
    band(granule / "R20m" / "T32TQM_20210101_B8A_20m.tif", 1, COARSE)
    (granule / "R10m" / "T32TQM_20210101_B03_10m.jp2").write_bytes(b"jp2")
    band(granule / "R10m" / ".hidden_B04.tif", 0)
    return tmp_path / "S2A.SAFE"


def test_bands_come_in_the_order_asked_for_on_the_finest_grid(safe: Path) -> None:
    reader, notes = band_files_reader(safe, ["B8A", "b02", "B05", "B08"], kind="msi")
    assert reader.grid == FINE and reader.kind == "msi"
    assert reader.band_names == ("B8A", "b02", "B05", "B08")
    assert notes == ["band b02 lies at several pixel sizes: taken T32TQM_20210101_B02_10m.tif, the finest"]
    values = reader.read(Window(0, 0, 120, 90))
    rows, cols = np.indices(FINE.shape) + 0.5
    assert np.abs(values - np.stack([cols, rows, rows, cols])).max() <= 0.5
    np.testing.assert_array_equal(values[1], rows)
    np.testing.assert_array_equal(reader.read(Window(10, 20, 30, 40), 2), values[:, 8:42, 18:62])


def test_on_another_grid_each_band_is_resampled_once_from_its_own_file(safe: Path) -> None:
    reader, _ = band_files_reader(safe, ["B02", "B05"])
    coarse = reader.on(COARSE)
    assert [one.resampling for one in coarse.readers] == ["average", None]
    values = coarse.read(Window(0, 0, *COARSE.shape))
    np.testing.assert_allclose(values[0], values[1])


def test_bands_that_all_are_coarse_stay_coarse(safe: Path) -> None:
    assert band_files_reader(safe, ["B05", "B8A"])[0].grid == COARSE


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("B11", r"no file is called after band B11; files: T32TQM_20210101_B02_10m.tif, "),
        (
            "B03",
            r"band B03 is JPEG 2000 .*gdal_translate -of GTiff .*B03_10m.jp2 .*B03_10m.tif",
        ),
        ("T32TQM", "2 files are called after band T32TQM"),
        ("B04", "no file is called after band B04"),
        ("B0", "no file is called after band B0;"),
    ],
)
def test_a_band_without_its_one_file_is_one_line(name: str, message: str, safe: Path) -> None:
    with pytest.raises(RasterError, match=message) as caught:
        band_files_reader(safe, ["B02", name])
    assert "\n" not in str(caught.value)


def test_files_must_hold_one_band_of_one_place(tmp_path: Path) -> None:
    band(tmp_path / "x_B1.tif", 0)
    write_raster(tmp_path / "x_B2.tif", np.zeros((3, 9, 9), np.float32), utm_grid(9, 9))
    with pytest.raises(RasterError, match=r"x_B2.tif: has 3 bands, expected a file of one band"):
        band_files_reader(tmp_path, ["B1", "B2"])
    write_raster(tmp_path / "x_B2.tif", np.zeros((1, 9, 9), np.float32), utm_grid(9, 9, east=9e5))
    with pytest.raises(AlignmentError, match="does not overlap"):
        band_files_reader(tmp_path, ["B1", "B2"])


def test_folders_without_geotiff_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(RasterError, match="a folder without a GeoTIFF"):
        rasters_in(tmp_path)
    (tmp_path / "B02.jp2").write_bytes(b"x")
    with pytest.raises(RasterError, match=r"JPEG 2000 files \(B02.jp2\): convert each with: gdal_translate"):
        rasters_in(tmp_path)


def test_tiles_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b.tif", "a/z.TIFF", "a.tif", "c/a.tif", ".map.tif.partial/x.tif", ".y.tif", "n.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = [path.relative_to(tmp_path).as_posix() for path in rasters_in(tmp_path)]
    assert found == ["a.tif", "a/z.TIFF", "b.tif", "c/a.tif"]


def test_names_of_several_words() -> None:
    files = [Path("scene_band_1.tif"), Path("scene_band_2.tif")]
    assert names_bands(files, ["band 1", "band 2"])
    assert not names_bands(files, ["band 1", "band 3"])
    assert not names_bands(files, ["", "?"])
