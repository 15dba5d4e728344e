"""What a reader takes for granted about a file: it is said, and the values are the right ones."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from odc.geo.geobox import GeoBox
from rasterio import Affine
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.rpc import RPC

import geo_xmodal as gx
from geo_xmodal.errors import AlignmentError, RasterError
from geo_xmodal.raster.mosaic import mosaic
from geo_xmodal.raster.reader import AlignedReader, aligned_reader
from geo_xmodal.raster.value_check import checked_values
from geo_xmodal.raster.window_reader import Adaptation
from geo_xmodal.types import Kind, Window
from tests.rasters import utm_grid, write_raster

GRID = utm_grid(40, 40)


def whole(reader: AlignedReader) -> np.ndarray:
    return reader.read(Window(0, 0, *reader.grid.shape))


def said(reader: AlignedReader) -> dict[str, str]:
    """Code of each assumption to its line."""
    return {one.code: str(one) for one in reader.assumptions}


def four_bands(path: Path, fourth: np.ndarray, names: tuple[str, ...] = ()) -> Path:
    """Red, green, blue and another, as TIFF marks them: the fourth as alpha."""
    values = np.full((4, 40, 40), 7, np.uint8)
    values[3] = fourth
    write_raster(path, values, GRID, photometric="rgb", alpha="unspecified")
    with rasterio.open(path, "r+") as dataset:
        dataset.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
        if names:
            dataset.descriptions = names
    return path


def test_a_near_infrared_that_is_marked_as_alpha_is_data(tmp_path: Path) -> None:
    near_infrared = np.arange(1600).reshape(40, 40) % 256
    for names in ((), ("red", "green", "blue", "nir")):
        reader = aligned_reader(four_bands(tmp_path / f"{len(names)}.tif", near_infrared, names))
        np.testing.assert_array_equal(whole(reader)[3], near_infrared)
        assert np.isfinite(whole(reader)).all()
        assert "band 4 is marked as alpha but" in said(reader)["alpha"]
    two_valued = np.where(near_infrared < 100, 0, 200)
    reader = aligned_reader(four_bands(tmp_path / "water.tif", two_valued, ("r", "g", "b", "nir")))
    np.testing.assert_array_equal(whole(reader)[3], two_valued)


@pytest.mark.parametrize("names", [(), ("red", "green", "blue", "Alpha")])
def test_an_alpha_is_a_mask(tmp_path: Path, names: tuple[str, ...]) -> None:
    clear = np.zeros((40, 40), bool)
    clear[:, :9] = True
    blended = np.where(clear, 0, 255)
    blended[3:5, 9] = (100, 200)
    reader = aligned_reader(four_bands(tmp_path / "x.tif", blended, names))
    assert len(reader.bands) == 3
    np.testing.assert_array_equal(np.isnan(whole(reader)), np.broadcast_to(clear, (3, 40, 40)))
    assert "band 4 is alpha" in said(reader)["alpha"]
    asked = aligned_reader(tmp_path / "x.tif", bands=(4, 1))
    np.testing.assert_array_equal(whole(asked)[0], blended)


def test_scale_and_offset_are_applied_and_nodata_is_as_stored(tmp_path: Path) -> None:
    stored = np.arange(1000, 1000 + 2 * 1600, dtype=np.uint16).reshape(2, 40, 40)
    stored[0, 3, 3] = 0
    path = write_raster(tmp_path / "x.tif", stored, GRID, nodata=0)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets, dataset.units = (1e-4, 2e-4), (-0.1, 0.5), ("reflectance", "")
    reader = aligned_reader(path)
    expected = stored * np.array([1e-4, 2e-4]).reshape(2, 1, 1) + np.array([-0.1, 0.5]).reshape(2, 1, 1)
    expected[0, 3, 3] = np.nan
    np.testing.assert_allclose(whole(reader), expected, atol=1e-6)
    assert [(band.scale, band.offset, band.unit) for band in reader.bands] == [
        (1e-4, -0.1, "reflectance"),
        (2e-4, 0.5, ""),
    ]
    assert "scale and offset tags are applied" in said(reader)["scale"]
    as_stored = whole(reader.adapted(Adaptation(encoding="stored")))
    np.testing.assert_array_equal(as_stored[1], stored[1])
    shifted = whole(reader.adapted(Adaptation(encoding="shifted")))
    np.testing.assert_allclose(shifted[1], stored[1] + 2500.0)
    assert np.isnan(as_stored[0, 3, 3]) and np.isnan(shifted[0, 3, 3])
    identities = [reader.adapted(Adaptation(encoding=one)).identity() for one in ("physical", "shifted")]
    assert identities[0] != identities[1]


def test_decibels_stored_as_hundredths_become_power(tmp_path: Path) -> None:
    stored = np.full((1, 40, 40), -1500, np.int16)
    path = write_raster(tmp_path / "x.tif", stored, GRID)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales = (0.01,)
    np.testing.assert_allclose(whole(aligned_reader(path, kind="sar", decibel=True)), 10**-1.5, rtol=1e-6)


def test_a_scale_of_nothing_is_refused(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "x.tif", np.ones((1, 40, 40), np.uint8), GRID)
    with rasterio.open(path, "r+") as dataset:
        dataset.offsets = (float("inf"),)
    with pytest.raises(RasterError, match=r"band 1 has scale 1 and offset inf in its tags.*gdal_edit.py"):
        aligned_reader(path)


def test_radar_of_0_in_all_bands_is_no_data(tmp_path: Path) -> None:
    power = np.random.default_rng(0).gamma(4, 0.01, (2, 40, 40)).astype(np.float32)
    power[:, :, :10] = 0
    power[0, 20, 20] = 0  # one band alone may be 0: a rounded cross-polarisation
    power[1, 30, 5] = np.nan
    untagged = aligned_reader(write_raster(tmp_path / "a.tif", power, GRID), kind="sar")
    outside = (np.nan_to_num(power) == 0).all(axis=0)
    np.testing.assert_array_equal(np.isnan(whole(untagged)).all(axis=0), outside)
    assert whole(untagged)[0, 20, 20] == 0
    assert [one.text for one in checked_values(untagged)] == [
        "25% of the pixels looked at are 0 in all bands: taken as no data",
        "less than 1% of the pixels looked at are 0 in some bands, but not in all: taken as data; where 0 is "
        "no data in one band, say so: nodata in scene.toml, or gdal_edit.py -a_nodata 0 FILE",
    ]
    lit = write_raster(tmp_path / "b.tif", np.where(power == 0, np.float32(0.1), power), GRID)
    assert checked_values(aligned_reader(lit, kind="sar")) == ()
    power[:, :, :10] = 0.1
    half = utm_grid(20, 20, size=20)
    averaged = aligned_reader(tmp_path / "a.tif", grid=half, kind="sar")
    np.testing.assert_array_equal(np.isnan(whole(averaged)).all(axis=0)[:, :5], np.full((20, 5), True))
    means = power[:, :, 12:].reshape(2, 20, 2, 14, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(whole(averaged)[:, :, 6:], means, rtol=1e-5)
    other = aligned_reader(tmp_path / "a.tif", kind="msi")
    assert (whole(other)[:, :, :4] == 0).all() and checked_values(other) == ()


@pytest.mark.parametrize("lost", [0, 1])
@pytest.mark.parametrize("border", [0, 8])
def test_radar_of_0_in_one_of_two_bands_is_data_and_said(tmp_path: Path, lost: int, border: int) -> None:
    power = np.random.default_rng(0).gamma(4, 0.01, (2, 40, 40)).astype(np.float32)
    power[lost, :, :20] = 0
    power[:, :, :border] = 0
    path = write_raster(tmp_path / "a.tif", power, GRID)
    reader = aligned_reader(path, kind="sar")
    *_, line = checked_values(reader)
    assert line.text.startswith(f"{(20 - border) / 40:.0%} of the pixels looked at are 0 in some bands, but")
    assert len(checked_values(reader)) == (2 if border else 1)
    np.testing.assert_array_equal(whole(reader)[:, :, border:], power[:, :, border:])
    with rasterio.open(path, "r+") as dataset:
        dataset.nodata = 0
    told = aligned_reader(path, kind="sar")
    assert checked_values(told) == ()
    np.testing.assert_array_equal(np.isfinite(whole(told)).all(axis=0), (power != 0).all(axis=0))
    assert checked_values(aligned_reader(tmp_path / "a.tif", kind="msi")) == ()


def test_thermal_0_is_data_where_another_value_is_none(tmp_path: Path) -> None:
    celsius = np.random.default_rng(0).normal(5, 4, (1, 40, 40)).astype(np.float32)
    celsius[:, :8] = 0
    untold = aligned_reader(write_raster(tmp_path / "a.tif", celsius, GRID), kind="thermal")
    assert np.isnan(whole(untold)[:, :8]).all()
    (line,) = checked_values(untold)
    assert "20% of the pixels looked at are 0 in all bands: taken as no data; where 0 is" in line.text
    told = aligned_reader(write_raster(tmp_path / "b.tif", celsius, GRID, nodata=-9999), kind="thermal")
    np.testing.assert_array_equal(whole(told), celsius)
    (line,) = checked_values(told)
    assert "20% of the pixels looked at are 0 in all bands: taken as data" in line.text
    asked = aligned_reader(tmp_path / "a.tif", kind="thermal", nodata=-9999)
    np.testing.assert_array_equal(whole(asked), celsius)
    zero = aligned_reader(write_raster(tmp_path / "c.tif", celsius, GRID, nodata=0), kind="thermal")
    assert np.isnan(whole(zero)[:, :8]).all() and checked_values(zero) == ()


def test_a_fill_of_0_is_a_stored_number(tmp_path: Path) -> None:
    stored = np.full((1, 40, 40), 40_000, np.uint16)  # as Landsat's surface temperature: x 0.00341802 + 149
    stored[:, :8] = 0
    path = write_raster(tmp_path / "a.tif", stored, GRID)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.00341802,), (149.0,)
    values = whole(aligned_reader(path, kind="thermal"))
    assert np.isnan(values[:, :8]).all()
    np.testing.assert_allclose(values[:, 8:], 40_000 * 0.00341802 + 149)
    decibels = write_raster(tmp_path / "b.tif", np.zeros((1, 40, 40), np.float32), GRID)
    assert (whole(aligned_reader(decibels, kind="sar", decibel=True)) == 1).all()


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("thermal", 40_000, "outside of -150 to 2500 K or °C, where thermal values lie (median 4e+04)"),
        ("dem", 12_000, "outside of -12000 to 9000 m, where elevation values lie (median 1.2e+04)"),
    ],
)
def test_values_that_a_kind_cannot_have_are_said(tmp_path: Path, kind: Kind, value: int, words: str) -> None:
    path = write_raster(tmp_path / "x.tif", np.full((1, 40, 40), value, np.uint16), GRID, nodata=1)
    (line,) = checked_values(aligned_reader(path, kind=kind))
    assert "100% of the values looked at lie" in line.text and words in line.text
    assert checked_values(aligned_reader(path, kind="other")) == ()
    plausible = write_raster(tmp_path / "y.tif", np.full((1, 40, 40), 291, np.float32), GRID, nodata=1)
    assert checked_values(aligned_reader(plausible, kind=kind)) == ()


@pytest.mark.parametrize("fill", [-3.4028235e38, -99999.0, 32767.0])
def test_a_fill_value_that_is_not_told_is_named(tmp_path: Path, fill: float) -> None:
    metres = np.random.default_rng(0).normal(200, 50, (1, 40, 40)).astype(np.float32)
    metres[:, :6] = fill
    metres[:, 6, :9] = np.arange(20_000, 20_009)
    path = write_raster(tmp_path / "x.tif", metres, GRID)
    line = str(checked_values(aligned_reader(path, kind="dem"))[-1])
    found = re.search(
        r"(\d+)% of the values .*: nodata in scene.toml, or gdal_edit.py -a_nodata (\S+) FILE", line
    )
    assert found is not None, line
    assert found[1] == "16" and np.float32(found[2]) == np.float32(fill)
    with rasterio.open(path, "r+") as dataset:
        dataset.nodata = float(found[2])
    np.testing.assert_array_equal(
        np.isnan(whole(aligned_reader(path, kind="dem"))), metres == np.float32(fill)
    )


def test_values_out_of_range_without_a_fill_name_none(tmp_path: Path) -> None:
    metres = np.random.default_rng(0).uniform(20_000, 30_000, (1, 40, 40)).astype(np.float32)
    line = checked_values(aligned_reader(write_raster(tmp_path / "x.tif", metres, GRID), kind="dem"))[-1]
    assert line.text.endswith("-a_nodata VALUE FILE")
    stored = write_raster(tmp_path / "y.tif", np.full((1, 40, 40), 30_000, np.uint16), GRID)
    with rasterio.open(stored, "r+") as dataset:
        dataset.scales = (2.0,)
    assert checked_values(aligned_reader(stored, kind="dem"))[-1].text.endswith("-a_nodata VALUE FILE")


def test_what_lies_beside_a_file_is_said(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "x.tif", np.ones((1, 40, 40), np.uint8), GRID)
    assert aligned_reader(path).assumptions == ()
    masked = np.ones((40, 40), bool)
    masked[:7] = False
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK="NO"), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(masked)
    notes = tmp_path / "x.tif.aux.xml"
    statistics = '<Metadata><MDI key="STATISTICS_MEAN">1</MDI></Metadata>'
    notes.write_text(f'<PAMDataset><PAMRasterBand band="1">{statistics}</PAMRasterBand></PAMDataset>')
    assert "x.tif.aux.xml" not in said(aligned_reader(path))["beside"]  # what any viewer leaves
    notes.write_text("<PAMDataset><SRS>EPSG:32633</SRS></PAMDataset>")
    (tmp_path / "x.tif.ovr").write_bytes(b"")
    reader = aligned_reader(path)
    for name in ("x.tif.msk (a mask) is not read", "x.tif.aux.xml", "x.tif.ovr"):
        assert name in said(reader)["beside"]
    assert np.isfinite(whole(reader)).all()
    # What the advised command does: GDAL copies the mask into the file.
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK="YES"):
        rasterio.shutil.copy(path, tmp_path / "y.tif", driver="GTiff")
    inside = aligned_reader(tmp_path / "y.tif")
    np.testing.assert_array_equal(np.isnan(whole(inside))[0], ~masked)
    assert inside.masked and "beside" not in said(inside)


def without_place(path: Path, value: int = 1) -> Path:
    return write_raster(
        path, np.full((1, 40, 40), value, np.float32), GeoBox((40, 40), Affine.identity(), None)
    )


def test_files_without_a_place_are_said_and_not_put_together(tmp_path: Path) -> None:
    control, coefficients, bare = (without_place(tmp_path / f"{name}.tif") for name in "abc")
    with rasterio.open(control, "r+") as dataset:
        points = [GroundControlPoint(r, c, 10 + c / 99, 50 - r / 99, 0) for r in (0, 40) for c in (0, 40)]
        dataset.gcps = (points, "EPSG:4326")
    with rasterio.open(coefficients, "r+") as dataset:
        ones = [1.0] * 20
        dataset.rpcs = RPC(0.0, 1.0, 50.0, 1.0, ones, ones, 10.0, 1.0, 20.0, 20.0, ones, ones, 20.0, 20.0)
    readers = {path.name: aligned_reader(path) for path in (control, coefficients, bare)}
    assert "4 ground control points" in said(readers["a.tif"])["place"]
    assert "warp_gcps" in said(readers["a.tif"])["place"]
    assert "gdalwarp -rpc" in said(readers["b.tif"])["place"]
    assert "neither CRS nor place" in said(readers["c.tif"])["place"]
    assert (whole(readers["a.tif"]) == 1).all()
    with pytest.raises(AlignmentError, match=r"a.tif: has 4 ground control points.*need a place each"):
        mosaic([*readers.items()])
    assert (mosaic([("c.tif", readers["c.tif"])]).read(Window(0, 0, 40, 40)) == 1).all()


def test_tiles_are_put_together_by_the_names_of_their_bands(tmp_path: Path) -> None:
    files = []
    for index, names in enumerate((("B02", "B03", "B04"), ("B04", "B02", "B03"))):
        grid = utm_grid(40, 40, east=400_000 + 400 * index)
        values = np.stack([np.full((40, 40), int(name[1:])) for name in names]).astype(np.uint16)
        files.append(write_raster(tmp_path / f"{index}.tif", values, grid))
        with rasterio.open(files[-1], "r+") as dataset:
            dataset.descriptions = names
    tiles = mosaic([(path.name, aligned_reader(path)) for path in files])
    read = tiles.read(Window(0, 0, 40, 80))
    assert [set(np.unique(band)) for band in read] == [{2.0}, {3.0}, {4.0}]


def test_tiles_with_and_without_scale_tags_are_not_put_together(tmp_path: Path) -> None:
    files = [
        write_raster(
            tmp_path / f"{k}.tif", np.ones((1, 40, 40), np.uint16), utm_grid(40, 40, east=4e5 + 400 * k)
        )
        for k in range(2)
    ]
    with rasterio.open(files[1], "r+") as dataset:
        dataset.scales = (1e-4,)
    with pytest.raises(AlignmentError, match=r"1.tif: has scale and offset tags, 0.tif has none"):
        mosaic([(path.name, aligned_reader(path)) for path in files])


def test_what_holds_of_many_tiles_is_said_once(tmp_path: Path) -> None:
    names = [f"{k}.tif" for k in range(3)]
    for k, name in enumerate(names):
        write_raster(tmp_path / name, np.ones((1, 40, 40), np.float32), utm_grid(40, 40, east=4e5 + 400 * k))
    tiles = mosaic([(name, aligned_reader(tmp_path / name, kind="dem")) for name in names])
    (line,) = map(str, tiles.assumptions)
    assert line.startswith("0.tif and 2 more: does not say which value is no data")


def test_what_the_source_said_is_not_said_again_of_its_copy(tmp_path: Path) -> None:
    power = np.random.default_rng(0).gamma(4, 0.01, (1, 40, 40)).astype(np.float32)
    bare = GeoBox((40, 40), Affine(10, 0, 300, 0, -10, 900), None)
    files = [write_raster(tmp_path / f"{name}.tif", power, bare) for name in ("radar", "other")]
    scene = gx.align_scene(
        tmp_path / "scene",
        reference=files[0],
        modalities={"sar": files[0], "sar2": files[1]},
    )
    lines = [str(one) for name in ("sar", "sar2") for one in checked_values(scene.reader(name))]
    no_place = "has no CRS: its coordinates are taken as they are"
    assert lines == [f"radar.tif: {no_place}", f"other.tif: {no_place}"]


def test_several_images_and_a_colour_table_are_said(tmp_path: Path) -> None:
    values = np.arange(1600, dtype=np.uint16).reshape(1, 40, 40)
    path = write_raster(tmp_path / "two.tif", values, GRID)
    write_raster(path, values[:, :20, :20], utm_grid(20, 20), APPEND_SUBDATASET="YES")
    reader = aligned_reader(path)
    np.testing.assert_array_equal(whole(reader), values)
    assert "holds 2 images, the first of which is read" in said(reader)["images"]
    ids = (values % 7).astype(np.uint8)
    table = write_raster(tmp_path / "table.tif", ids, GRID, photometric="palette")
    with rasterio.open(table, "r+") as dataset:
        dataset.write_colormap(1, {1: (255, 0, 0, 255), 2: (0, 255, 0, 0)})
    np.testing.assert_array_equal(whole(aligned_reader(table)), ids)
    assert "has a colour table: its values are taken as they are" in said(aligned_reader(table))["colors"]


@pytest.mark.parametrize(("photometric", "bands"), [("cmyk", 4), ("cielab", 3)])
def test_colours_that_are_computed_are_refused(tmp_path: Path, photometric: str, bands: int) -> None:
    values = np.random.default_rng(0).integers(1, 200, (bands, 40, 40)).astype(np.uint8)
    path = write_raster(tmp_path / "x.tif", values, GRID, photometric=photometric)
    with pytest.raises(RasterError, match=rf"x\.tif: its values are colours \({photometric.upper()}\)"):
        aligned_reader(path)


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_which_end_is_white_changes_no_value(tmp_path: Path, photometric: str) -> None:
    values = np.arange(1600).reshape(1, 40, 40).astype(np.uint8)
    path = write_raster(tmp_path / "x.tif", values, GRID, photometric=photometric)
    np.testing.assert_array_equal(whole(aligned_reader(path)), values)


@pytest.mark.parametrize("beside", ["x.tfw", "x.wld", "x_RPC.TXT"])
def test_a_place_beside_a_file_without_one_is_said(tmp_path: Path, beside: str) -> None:
    (tmp_path / beside).write_text("10\n0\n0\n-10\n400005\n4999995\n")
    bare = aligned_reader(without_place(tmp_path / "x.tif"))
    assert bare.grid.affine.is_identity
    assert f"{beside} (its place) is not read: take it in with: gdal_translate" in said(bare)["beside"]
    (tmp_path / "x.tif").unlink()
    placed = write_raster(tmp_path / "x.tif", np.ones((1, 40, 40), np.float32), GRID)
    assert aligned_reader(placed).assumptions == ()
