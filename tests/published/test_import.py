"""Copies of published scenes in every layout and format become scenes with every pixel in its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import scipy.io
from odc.geo.geobox import GeoBox
from rasterio import Affine

import geo_xmodal as gx
from geo_xmodal.errors import SceneError
from geo_xmodal.types import Window
from tests.published import copies
from tests.published.copies import COLS, LAYOUTS, ROWS, SCENES, WRITERS, code, cube, labels

EVERYWHERE = Window(0, 0, ROWS, COLS)
UTM15 = "EPSG:32615"


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_scene_in_every_format(name: str, writer: str, tmp_path: Path) -> None:
    published = copies.write_copy(tmp_path / "copy" / "deeper", name, WRITERS[writer])
    report = gx.import_scene(name, tmp_path / "copy", tmp_path / "scene")

    scene = gx.open_scene(tmp_path / "scene")
    assert not scene.simulated
    assert scene.target == report.target == published.targets[0]
    assert scene.classes == published.classes
    assert set(scene.config.modalities) == set(LAYOUTS[name].images)
    for modality, (_, _, bands) in LAYOUTS[name].images.items():
        np.testing.assert_array_equal(scene.reader(modality).read(EVERYWHERE), cube(bands))
    train, test = labels(len(published.classes))
    if "all" in report_splits(report):
        np.testing.assert_array_equal(stored(tmp_path / "scene/all.tif"), np.maximum(train, test))
        assert any("without a split" in note for note in report.notes)
        assert scene.config.split is not None
    else:
        np.testing.assert_array_equal(scene.read_labels("train", EVERYWHERE), train)
        np.testing.assert_array_equal(scene.read_labels("test", EVERYWHERE), test)
    assert report.shapes["hsi"] == (LAYOUTS[name].images["hsi"][2], ROWS, COLS)
    pixel = gx.describe_raster(scene.path(scene.target)).grid.affine.a
    assert pixel == published.pixel and not scene.has_crs


def report_splits(report: gx.ImportReport) -> set[str]:
    return {count.split for count in report.counts}


def stored(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return np.asarray(dataset.read(1))


def test_differences_are_said_in_the_report_and_in_the_scene(tmp_path: Path) -> None:
    copies.write_copy(tmp_path / "copy", "trento")
    report = gx.import_scene("Trento", tmp_path / "copy", tmp_path / "scene")
    assert "hsi: 63 bands of 24 x 32 pixels, published 63 bands of 166 x 600" in report.differences
    train = next(count for count in report.counts if count.split == "train" and count.name == "Woods")
    assert train.expected == 154
    assert train.found == int(np.sum(labels(6)[0] == 4))
    assert f"train Woods: {train.found} pixels, published 154" in report.differences
    description = gx.open_scene(tmp_path / "scene").config.description
    assert "not as published: lidar: 1 band of 24 x 32 pixels" in description
    with pytest.raises(SceneError, match=r"not as trento is published.*without strict"):
        gx.import_scene("trento", tmp_path / "copy", tmp_path / "strict", strict=True)
    assert not (tmp_path / "strict").exists()


def test_full_size_with_the_published_counts_differs_in_nothing(real_data: Path, tmp_path: Path) -> None:
    def real(file: str) -> np.ndarray:
        with rasterio.open(real_data / "muufl" / file) as dataset:
            return np.asarray(dataset.read())

    copies.write_mat5(tmp_path, "LiDAR", "LiDAR", real("lidar.tif")[:2])
    copies.write_mat5(tmp_path, "HSI", "HSI", np.ones((64, 325, 220), np.uint8))
    for split in ("train", "test"):
        copies.write_mat5(tmp_path, f"mask_{split}_150", f"mask_{split}", real(f"labels_{split}_150.tif")[0])
    report = gx.import_scene("muufl", tmp_path, tmp_path / "scene", strict=True)
    assert report.differences == ()
    assert "150 pixels a class" in report.compared_with
    np.testing.assert_array_equal(
        gx.open_scene(tmp_path / "scene").reader("lidar").read(Window(0, 0, 325, 220)), real("lidar.tif")[:2]
    )


def test_the_original_hsi_of_berlin_covers_the_radar_by_nearest_neighbour(tmp_path: Path) -> None:
    copies.write_copy(tmp_path, "berlin")
    coarse = cube(244, ROWS // 2, COLS // 2)
    copies.write_mat5(tmp_path, "data_HS_LR", "data_HS_LR", coarse)
    report = gx.import_scene("berlin", tmp_path, tmp_path / "scene")
    assert report.shapes["hsi"] == (244, ROWS // 2, COLS // 2)
    assert any("12 x 16 pixels are brought onto 24 x 32 by nearest" in note for note in report.notes)
    got = gx.open_scene(tmp_path / "scene").reader("hsi").read(EVERYWHERE)
    np.testing.assert_array_equal(got, coarse.repeat(2, axis=1).repeat(2, axis=2))


def test_with_coordinates_a_coarser_hsi_keeps_its_pixels(tmp_path: Path) -> None:
    copies.write_copy(tmp_path, "berlin")
    fine = GeoBox((ROWS, COLS), Affine(13.89, 0, 380_000, 0, -13.89, 5_820_000), "EPSG:32633")
    (tmp_path / "data_SAR_HR.mat").unlink()
    copies.write_tif(tmp_path, "data_SAR_HR", "", cube(4), fine)
    coarse = cube(244, ROWS // 2, COLS // 2)
    copies.write_mat5(tmp_path, "data_HS_LR", "data_HS_LR", coarse)
    gx.import_scene("berlin", tmp_path, tmp_path / "scene")
    scene = gx.open_scene(tmp_path / "scene")
    assert gx.describe_raster(scene.path("hsi")).grid.shape == (ROWS // 2, COLS // 2)
    assert scene.config.modalities["hsi"].resampling == "nearest"
    got = scene.reader("hsi").read(EVERYWHERE)
    np.testing.assert_array_equal(got, coarse.repeat(2, axis=1).repeat(2, axis=2))


@pytest.mark.parametrize("lidar", ["cell", "struct array", "struct"])
def test_the_struct_of_muufl(lidar: str, tmp_path: Path) -> None:
    first, second = copies.matlab(cube(2)), copies.matlab(cube(2) + 5)
    if lidar == "cell":
        part = np.empty((1, 2), object)
        part[0, 0], part[0, 1] = {"z": first, "info": "first"}, {"z": second, "info": "second"}
    elif lidar == "struct array":
        part = np.empty((1, 2), [("info", object), ("z", object)])
        part[0, 0], part[0, 1] = ("first", first), ("second", second)
    else:
        part = {"z": first}
    train, test = labels(11)
    truth = np.maximum(train, test).astype(np.int16)
    truth[truth == 0] = -1
    scipy.io.savemat(
        tmp_path / "muufl_gulfport_campus_1_hsi_220_label.mat",
        {
            "hsi": {
                "Data": copies.matlab(cube(64)),
                "Lidar": part,
                "RGB": np.zeros((4, 4, 3)),
                "sceneLabels": {"labels": truth, "Materials_Type": "eleven"},
            }
        },
    )
    report = gx.import_scene("muufl", tmp_path, tmp_path / "scene")
    scene = gx.open_scene(tmp_path / "scene")
    np.testing.assert_array_equal(scene.reader("lidar").read(EVERYWHERE), cube(2))
    np.testing.assert_array_equal(scene.reader("hsi").read(EVERYWHERE), cube(64))
    np.testing.assert_array_equal(stored(tmp_path / "scene/all.tif"), np.maximum(train, test))
    assert report.files["lidar"].endswith(": hsi.Lidar[0].z")


@pytest.mark.parametrize("base", [0, 1])
def test_rows_and_columns_of_training_and_test_pixels(base: int, tmp_path: Path) -> None:
    train, test = labels(7)
    copies.write_mat5(tmp_path, "augsburg_sar", "augsburg_sar", cube(4))
    copies.write_mat5(tmp_path, "augsburg_hsi", "augsburg_hsi", cube(180))
    copies.write_mat5(tmp_path, "augsburg_gt", "augsburg_gt", np.maximum(train, test))
    scipy.io.savemat(
        tmp_path / "augsburg_index.mat",
        {"augsburg_train": np.argwhere(train) + base, "augsburg_test": np.argwhere(test) + base},
    )
    report = gx.import_scene("augsburg", tmp_path, tmp_path / "scene")
    scene = gx.open_scene(tmp_path / "scene")
    np.testing.assert_array_equal(scene.read_labels("train", EVERYWHERE), train)
    np.testing.assert_array_equal(scene.read_labels("test", EVERYWHERE), test)
    assert f"augsburg_index.mat: rows and columns are counted from {base}" in report.notes


def regions(maps: np.ndarray, names: tuple[str, ...]) -> str:
    points = [np.argwhere(maps == number)[:, ::-1] + 1 for number in range(1, len(names) + 1)]
    lines = [
        "; ENVI Output of ROIs (4.8)",
        f"; Number of ROIs: {len(names)}",
        f"; File Dimension: {COLS} x {ROWS}",
    ]
    for name, some in zip(names, points, strict=True):
        lines += [";", f"; ROI name: {name}", "; ROI rgb value: {0, 205, 0}", f"; ROI npts: {len(some)}"]
    lines.append(";    ID     X    Y")
    for some in points:
        lines += [f"{number:7d} {x:5d} {y:4d}" for number, (x, y) in enumerate(some, 1)] + [""]
    return "\r\n".join(lines)


def test_the_files_of_the_2013_contest(tmp_path: Path) -> None:
    published = SCENES["houston2013"]
    grid = GeoBox((ROWS, COLS), Affine(2.5, 0, 271_460, 0, -2.5, 3_290_891), UTM15)
    stem = "2013_IEEE_GRSS_DF_Contest"
    copies.write_tif(tmp_path, f"{stem}_CASI", "", cube(144), grid)
    copies.write_tif(tmp_path, f"{stem}_LIDAR", "", cube(1), grid)
    train, test = labels(15)
    for split, values in (("TR", train), ("VA", test)):
        (tmp_path / f"{stem}_Samples_{split}.txt").write_bytes(regions(values, published.regions).encode())
    report = gx.import_scene("houston2013", tmp_path, tmp_path / "scene")
    scene = gx.open_scene(tmp_path / "scene")
    assert report.target == "lidar" and scene.has_crs
    assert gx.describe_raster(scene.path("hsi")).grid == grid
    np.testing.assert_array_equal(scene.read_labels("train", EVERYWHERE), train)
    np.testing.assert_array_equal(scene.read_labels("test", EVERYWHERE), test)


def test_the_files_of_the_2018_contest(tmp_path: Path) -> None:
    """LiDAR of half a metre, HSI of a metre with two bands that are none, labels over a part."""
    west, north = 271_460.0, 3_290_891.0
    half = GeoBox((40, 60), Affine(0.5, 0, west, 0, -0.5, north), UTM15)
    whole = GeoBox((20, 30), Affine(1, 0, west, 0, -1, north), UTM15)
    part = GeoBox((ROWS, COLS), Affine(0.5, 0, west + 4, 0, -0.5, north - 3), UTM15)
    phase = tmp_path / "Phase2"
    names = ("UH17_GI1F051", "UH17_GI2F051", "UH17_GI3F051", "UH17c_GEF051")
    for number, stem in enumerate(names):
        place = phase / "Lidar GeoTiff Rasters" / f"product {number}"
        place.mkdir(parents=True)
        copies.write_tif(place, stem, "", cube(4, 40, 60)[number], half)
    (phase / "FullHSIDataset").mkdir()
    data = copies.write_envi(
        phase / "FullHSIDataset", "20170218_UH_CASI_S4_NAD83", "", cube(50, 20, 30, np.int32), whole
    )
    data.rename(data.with_suffix(".pix"))
    header = data.with_suffix(".hdr")
    waves = ", ".join(f"{374.4 + 14.3 * band:.1f}" for band in range(50))
    header.write_text(f"{header.read_text()}wavelength units = Nanometers\nwavelength = {{{waves}}}\n")
    truth = np.maximum(*labels(20))
    copies.write_tif(phase, "2018_IEEE_GRSS_DFC_GT_TR", "", truth, part)

    report = gx.import_scene("houston2018", tmp_path, tmp_path / "scene")
    scene = gx.open_scene(tmp_path / "scene")
    everything = Window(0, 0, 40, 60)
    np.testing.assert_array_equal(scene.reader("lidar").read(everything), cube(4, 40, 60))
    assert scene.reader("lidar").band_names[3] == "surface model"
    hsi = scene.reader("hsi").read(everything)
    np.testing.assert_array_equal(hsi, cube(48, 20, 30).repeat(2, axis=1).repeat(2, axis=2))
    waves_kept = gx.describe_raster(scene.path("hsi")).wavelengths
    assert waves_kept is not None and len(waves_kept) == 48 and waves_kept[0] == pytest.approx(374.4)
    assert any("its last 2 bands are no measurements" in note for note in report.notes)
    on_scene = scene.read_labels("all", everything)
    np.testing.assert_array_equal(on_scene[6 : 6 + ROWS, 8 : 8 + COLS], truth)
    assert on_scene.sum() == truth.sum()


def test_labels_with_coordinates_place_images_without(tmp_path: Path) -> None:
    copies.write_copy(tmp_path, "houston2013")
    grid = GeoBox((ROWS, COLS), Affine(2.5, 0, 271_460, 0, -2.5, 3_290_891), UTM15)
    train, test = labels(15)
    copies.write_tif(tmp_path, "2013_IEEE_GRSS_DF_Contest_Samples_TR", "", train, grid)
    copies.write_tif(tmp_path, "2013_IEEE_GRSS_DF_Contest_Samples_VA", "", test, grid)
    gx.import_scene("houston2013", tmp_path, tmp_path / "scene")
    scene = gx.open_scene(tmp_path / "scene")
    assert gx.describe_raster(scene.path("msi")).grid == grid
    np.testing.assert_array_equal(scene.read_labels("test", EVERYWHERE), test)


def test_another_variable_is_taken_if_it_is_the_only_image_and_said(tmp_path: Path) -> None:
    copies.write_copy(tmp_path, "trento")
    scipy.io.savemat(
        tmp_path / "HSI.mat", {"data": copies.matlab(cube(63)), "author": "somebody", "scale": 1.0}
    )
    report = gx.import_scene("trento", tmp_path, tmp_path / "scene")
    assert "HSI.mat: took data, its only array that can be an image" in report.notes
    got = gx.open_scene(tmp_path / "scene").reader("hsi").read(EVERYWHERE)
    np.testing.assert_array_equal(got, cube(63))


@pytest.mark.parametrize("writer", ["mat5", "mat73"])
def test_bands_on_the_first_axis_are_found_and_said(writer: str, tmp_path: Path) -> None:
    copies.write_copy(tmp_path, "trento")
    WRITERS[writer](tmp_path, "HSI", "HSI", np.moveaxis(cube(63), (0, 1, 2), (1, 2, 0)))
    report = gx.import_scene("trento", tmp_path, tmp_path / "scene")
    assert "hsi: bands are the first axis, not the last" in report.notes
    got = gx.open_scene(tmp_path / "scene").reader("hsi").read(EVERYWHERE)
    assert got[7, 3, 5] == code(7, 3, 5)
    np.testing.assert_array_equal(got, cube(63))


def test_decibels_are_noticed(tmp_path: Path) -> None:
    copies.write_copy(tmp_path, "berlin")
    copies.write_mat5(tmp_path, "data_SAR_HR", "data_SAR_HR", np.full((4, ROWS, COLS), -10.0))
    report = gx.import_scene("berlin", tmp_path, tmp_path / "scene")
    scene = gx.open_scene(tmp_path / "scene")
    assert scene.config.modalities["sar"].scale == "db" and "sar: holds decibels" in report.notes
    np.testing.assert_allclose(scene.reader("sar").read(EVERYWHERE), 0.1, rtol=1e-6)


def test_pixels_of_both_sets_are_said(tmp_path: Path) -> None:
    copies.write_copy(tmp_path, "trento")
    train, test = labels(6)
    test[0, 1:3] = 1
    copies.write_mat5(tmp_path, "TSLabel", "TSLabel", test)
    report = gx.import_scene("trento", tmp_path, tmp_path / "scene")
    both = int(np.sum((train > 0) & (test > 0)))
    assert both > 0 and f"{both} pixels are in training and in test" in report.differences


def test_the_known_numbers_add_up_to_the_published_totals() -> None:
    totals = {
        (scene.name, counts.name): (sum(counts.train), sum(counts.test))
        for scene in SCENES.values()
        for counts in scene.counts
    }
    assert totals == {
        ("berlin", "the split of S2FL"): (2820, 461_851),
        ("berlin", "the split of X-ModalNet"): (5702, 13_946),
        ("augsburg", "the split of S2FL"): (761, 77_533),
        ("houston2013", "the split of the 2013 contest"): (2832, 12_197),
        ("houston2013", "the split of X-ModalNet"): (2897, 12_021),  # the paper's own totals: 2832, 12197
        ("houston2018", "the split of UniFast-HGR"): (18_750, 2_000_160),
        ("muufl", "150 pixels a class"): (1650, 52_037),
        ("trento", "the usual split"): (819, 29_395),
    }
    for scene in SCENES.values():
        assert [one.id for one in scene.classes] == list(range(1, len(scene.classes) + 1))
        assert len({one.color for one in scene.classes}) == len(scene.classes)
        assert all(len(counts.train) == len(scene.classes) for counts in scene.counts)
        assert len(scene.regions) in (0, len(scene.classes))


def test_the_split_that_fits_is_the_one_compared_with(tmp_path: Path) -> None:
    """Labels with the very counts of X-ModalNet, not of the contest, in an image large enough."""
    published = SCENES["houston2013"]
    known = published.counts[1]
    rows, cols = 96, 192
    grid = np.zeros(rows * cols, np.uint8)
    train, test = grid.copy(), grid.copy()
    train[: sum(known.train)] = np.repeat(np.arange(1, 16), known.train)
    test[-sum(known.test) :] = np.repeat(np.arange(1, 16), known.test)
    copies.write_mat5(tmp_path, "data_HS_LR", "data_HS_LR", np.ones((144, rows, cols), np.uint8))
    copies.write_mat5(tmp_path, "data_MS_HR", "data_MS_HR", np.ones((8, rows, cols), np.uint8))
    copies.write_mat5(tmp_path, "TrainImage", "TrainImage", train.reshape(rows, cols))
    copies.write_mat5(tmp_path, "TestImage", "TestImage", test.reshape(rows, cols).astype(np.float32))
    report = gx.import_scene("houston2013", tmp_path, tmp_path / "scene")
    assert "X-ModalNet" in report.compared_with
    assert all(count.found == count.expected for count in report.counts)
    assert len(report.differences) == 2  # the sizes of the two images
