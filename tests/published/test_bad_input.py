"""Folders and files that are not what they are said to be: one clear line, and nothing half-written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io

import geo_xmodal as gx
from geo_xmodal.errors import AlignmentError, GeoXmodalError, LabelError, OutputError, RasterError, SceneError
from geo_xmodal.published import matfile
from geo_xmodal.published.envi import open_envi
from geo_xmodal.published.regions import read_regions
from tests.published import copies
from tests.published.copies import COLS, ROWS, WRITERS, cube, labels


def refused(kind: type[GeoXmodalError], name: str, folder: Path) -> str:
    """The one line with which an import ends that leaves nothing behind."""
    out = folder.parent / "scene"
    with pytest.raises(kind) as caught:
        gx.import_scene(name, folder, out)
    assert type(caught.value) is kind
    assert not out.exists() and not [one for one in out.parent.iterdir() if one.name.startswith(".scene")]
    line = str(caught.value)
    assert "\n" not in line and len(line) < 900
    return line


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    copies.write_copy(tmp_path / "copy", "trento")
    return tmp_path / "copy"


def test_unknown_scenes_are_named_with_those_that_are_known(copy: Path) -> None:
    with pytest.raises(
        GeoXmodalError, match=r"no published scene 'trnto'; did you mean trento\? known: berlin"
    ):
        gx.import_scene("trnto", copy, copy.parent / "scene")


def test_a_folder_that_is_missing_or_a_file(tmp_path: Path) -> None:
    assert "no such folder" in refused(SceneError, "berlin", tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    assert "is a file, expected the folder" in refused(SceneError, "berlin", tmp_path / "file")


def test_a_folder_without_the_files_says_what_was_looked_for_and_found(copy: Path) -> None:
    line = refused(SceneError, "berlin", copy)
    assert "no file of sar, hsi; looked for sar: data_SAR_HR or berlin_sar; hsi: data_HS_LR" in line
    assert "found HSI.mat, LiDAR.mat, TRLabel.mat, TSLabel.mat" in line


def test_missing_labels_say_what_was_looked_for(copy: Path) -> None:
    (copy / "TSLabel.mat").unlink()
    line = refused(SceneError, "trento", copy)
    assert "no labels of trento: looked for TRLabel + TSLabel; or trento_gt + trento_index" in line


def test_another_scene_with_the_same_file_names(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    copies.write_copy(folder, "berlin")
    copies.write_mat5(folder, "data_HS_LR", "data_HS_LR", np.ones((180, 332, 485), np.uint8))
    line = refused(SceneError, "berlin", folder)
    assert "not berlin: data_HS_LR.mat: data_HS_LR has 180 bands of 332 x 485 pixels" in line
    assert "expected 244 bands of 1723 x 476 or 797 x 220; it looks like augsburg" in line


def test_two_scenes_in_one_folder(copy: Path) -> None:
    copies.write_copy(copy / "again", "trento")
    (copy / "one").mkdir()
    (copy / "HSI.mat").rename(copy / "one" / "HSI.mat")
    assert "several files of one name: again/HSI.mat, one/HSI.mat" in refused(SceneError, "trento", copy)


def test_a_link_out_of_the_folder(copy: Path) -> None:
    outside = copy.parent / "outside.mat"
    (copy / "HSI.mat").rename(outside)
    (copy / "HSI.mat").symlink_to(outside)
    assert "a link that leads out of" in refused(SceneError, "trento", copy)


@pytest.mark.parametrize(
    ("rows", "cols", "words"),
    [
        (ROWS, COLS + 8, "cannot cover the same ground as 24 x 32; give files of one scene"),
        (COLS, ROWS, "rows and columns are swapped"),
    ],
)
def test_images_of_different_ground(rows: int, cols: int, words: str, copy: Path) -> None:
    copies.write_mat5(copy, "HSI", "HSI", cube(63, rows, cols))
    line = refused(AlignmentError, "trento", copy)
    assert "HSI.mat: HSI: " in line and words in line


def test_labels_of_another_size(copy: Path) -> None:
    copies.write_mat5(copy, "TSLabel", "TSLabel", labels(6, ROWS, COLS + 1)[1])
    line = refused(AlignmentError, "trento", copy)
    assert "TSLabel.mat: TSLabel: labels of 24 x 33 pixels, expected the target's 24 x 32" in line


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.full((ROWS, COLS), 7.0), "values 7, expected class ids 1 to 6 and 0"),
        (np.full((ROWS, COLS), 1.5), "values 1.5, expected class ids"),
        (np.full((ROWS, COLS), np.nan), "values nan, expected class ids"),
        (np.zeros((ROWS, COLS)), "no pixel is labelled"),
    ],
)
def test_labels_that_are_none(values: np.ndarray, words: str, copy: Path) -> None:
    copies.write_mat5(copy, "TRLabel", "TRLabel", values)
    assert words in refused(LabelError, "trento", copy)


def test_a_picture_is_no_label_map(copy: Path) -> None:
    (copy / "TRLabel.mat").unlink()
    copies.write_tif(copy, "TRLabel", "", cube(3, dtype=np.uint8))
    assert "3 bands, expected one of class ids" in refused(LabelError, "trento", copy)


def test_points_that_fit_no_label_map(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    copies.write_copy(folder, "augsburg")
    (folder / "TestImage.mat").unlink()
    copies.write_mat5(folder, "augsburg_gt", "augsburg_gt", labels(7)[0])
    points = {"augsburg_train": [[0, 1], [2, 2]], "augsburg_test": [[ROWS + 5, 1]]}
    scipy.io.savemat(folder / "augsburg_index.mat", points)
    assert "its rows and columns are not those of labelled pixels" in refused(LabelError, "augsburg", folder)


@pytest.mark.parametrize("writer", ["mat5", "mat73"])
def test_variables_of_other_names_are_listed_with_their_sizes(writer: str, copy: Path) -> None:
    if writer == "mat5":
        two = {"first": np.ones((ROWS, COLS, 63)), "second": np.ones((ROWS, COLS, 63), np.uint16)}
        scipy.io.savemat(copy / "HSI.mat", two)
    else:
        with h5py.File(copy / "HSI.mat", "w", userblock_size=512) as file:
            file["first"] = np.ones((63, COLS, ROWS))
            file["second"] = np.ones((63, COLS, ROWS), np.uint16)
        copies.mark_73(copy / "HSI.mat")
    line = refused(RasterError, "trento", copy)
    assert "expected the variable HSI, or one array with 2 or 3 axes" in line
    assert "it holds first (24 x 32 x 63 double), second (24 x 32 x 63 uint16)" in line


@pytest.mark.parametrize("writer", WRITERS)
def test_truncated_files(writer: str, copy: Path) -> None:
    (copy / "HSI.mat").unlink()
    noise = np.random.default_rng(0).random((63, ROWS, COLS), np.float32)
    path = WRITERS[writer](copy, "HSI", "HSI", noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    line = refused(RasterError, "trento", copy)
    assert path.name in line
    assert any(words in line for words in ("fetch it again", "upload it again", "cannot be read"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"PK\x03\x04 a zip file with another ending", "not a MATLAB file of version 5 or 7.3"),
        (b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + b"\xff" * 64, "damaged or incomplete"),
        (b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n" + b"\xff" * 64, "damaged or incomplete"),
    ],
)
def test_files_that_are_no_matlab_files(content: bytes, words: str, copy: Path) -> None:
    (copy / "HSI.mat").write_bytes(content)
    assert words in refused(RasterError, "trento", copy)


@pytest.mark.parametrize(
    "value",
    [
        np.array([[np.ones((ROWS, COLS, 63))]], object),
        {"Data": np.ones((ROWS, COLS, 63))},
        "text",
        scipy.sparse.eye(5),
    ],
    ids=["cell", "struct", "text", "sparse"],
)
def test_what_is_no_array_of_numbers(value: object, copy: Path) -> None:
    scipy.io.savemat(copy / "HSI.mat", {"HSI": value})
    assert "HSI.mat: expected the variable HSI, or one array" in refused(RasterError, "trento", copy)


def test_complex_numbers_are_refused(copy: Path) -> None:
    scipy.io.savemat(copy / "HSI.mat", {"HSI": np.ones((ROWS, COLS, 63), np.complex64)})
    assert "HSI" in refused(RasterError, "trento", copy)


def test_a_struct_that_is_another(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    scene = "muufl_gulfport_campus_1_hsi_220_label"
    scipy.io.savemat(folder / f"{scene}.mat", {"hsi": {"Cube": np.ones((ROWS, COLS, 64))}})
    line = refused(RasterError, "muufl", folder)
    assert f"{scene}.mat: hsi has no Lidar[0].z, or not as plain numbers" in line


def hostile_73(path: Path, fill: Callable[[h5py.File], None]) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        fill(file)
    copies.mark_73(path)


def test_hdf5_that_leads_to_other_files_is_refused(copy: Path) -> None:
    secret = copy.parent / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["HSI"] = np.ones((63, COLS, ROWS), np.float32)
    raw = copy.parent / "secret.bin"
    raw.write_bytes(b"\1" * (63 * COLS * ROWS))

    def link(file: h5py.File) -> None:
        file["HSI"] = h5py.ExternalLink(str(secret), "/HSI")

    def virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((63, COLS, ROWS), np.float32)
        layout[:] = h5py.VirtualSource(str(secret), "HSI", (63, COLS, ROWS))
        file.create_virtual_dataset("HSI", layout)

    def outside(file: h5py.File) -> None:
        file.create_dataset("HSI", (63, COLS, ROWS), np.uint8, external=[(str(raw), 0, h5py.h5f.UNLIMITED)])

    for fill, words in ((link, "HSI (link)"), (virtual, "reads other files"), (outside, "reads other files")):
        hostile_73(copy / "HSI.mat", fill)
        line = refused(RasterError, "trento", copy)
        assert words in line


def test_a_struct_in_hdf5_is_read_in_this_file_alone(tmp_path: Path) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["Data"] = np.ones((3, 2))
    path = tmp_path / "struct.mat"

    def fill(file: h5py.File) -> None:
        file.create_group("hsi")["Data"] = np.arange(6.0).reshape(3, 2)
        file["hsi"]["Other"] = h5py.ExternalLink(str(secret), "/Data")
        file["hsi"]["Cell"] = np.array([file["hsi/Data"].ref], h5py.ref_dtype)

    hostile_73(path, fill)
    np.testing.assert_array_equal(matfile.read_variable(path, "hsi.Data"), [[0, 2, 4], [1, 3, 5]])
    with pytest.raises(RasterError, match="Other is a link, expected the array itself"):
        matfile.read_variable(path, "hsi.Other")
    with pytest.raises(RasterError, match="hsi has no Cell, or not as plain numbers"):
        matfile.read_variable(path, "hsi.Cell")


def test_more_than_a_machine_holds_is_refused_before_it_is_read(copy: Path) -> None:
    hostile_73(
        copy / "HSI.mat",
        lambda file: file.create_dataset("HSI", (200_000, 200_000, 63), np.float64, chunks=(64, 64, 1)),
    )
    assert "bytes, expected at most" in refused(RasterError, "trento", copy)


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"chunks": (63, 1000, 1000)},
        {"chunks": (1, 1000, 1000), "compression": "gzip"},
        {"chunks": (1, 1000, 1000), "compression": "gzip", "fillvalue": 7},
    ],
    ids=str,
)
def test_numbers_that_were_never_written_are_refused_before_memory_is_taken(
    kept: dict[str, Any], copy: Path
) -> None:
    def fill(file: h5py.File) -> None:
        file.create_dataset("HSI", (63, 4000, 4000), np.float64, **kept)

    hostile_73(copy / "HSI.mat", fill)
    assert (copy / "HSI.mat").stat().st_size < 10_000
    line = refused(RasterError, "trento", copy)
    assert "HSI has 8064000000 bytes, the file holds 0 for them: it was never filled" in line


def test_a_piece_larger_than_what_is_in_it_is_refused(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file.create_dataset("HSI", (2, 2), np.uint8, chunks=(2**14, 2**14), maxshape=(None, None))

    hostile_73(tmp_path / "HSI.mat", fill)
    with pytest.raises(RasterError, match="HSI has 4 bytes, the file holds 0 for them"):
        matfile.read_variable(tmp_path / "HSI.mat", "HSI")


def test_what_packs_best_is_read(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file.create_dataset("one", data=np.zeros((2000, 2000)), chunks=(2000, 2000), compression="gzip")
        file.create_dataset("none", data=np.zeros((0, 3)))

    hostile_73(tmp_path / "zeros.mat", fill)
    assert matfile.read_variable(tmp_path / "zeros.mat", "one").shape == (2000, 2000)
    assert matfile.read_variable(tmp_path / "zeros.mat", "none").shape == (3, 0)


LITTLE_MEMORY = """
import sys
from pathlib import Path
from geo_xmodal.errors import MemoryShortageError
from geo_xmodal.published import matfile
from tests.memory import limit_memory

limit_memory(64)
try:
    matfile.read_variable(Path(sys.argv[1]), "HSI")
except MemoryShortageError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space of a process")
@pytest.mark.parametrize("version", ["5", "7.3"])
def test_memory_is_asked_for_before_an_array_is_read(version: str, tmp_path: Path) -> None:
    path = tmp_path / "image.mat"
    # packs a hundredfold: of what packs better SciPy unpacks much before it looks at it
    values = np.resize(np.random.default_rng(0).integers(0, 256, 20_000, np.uint8), (128, 1000, 1000))
    if version == "5":
        scipy.io.savemat(path, {"HSI": values}, do_compression=True)
    else:
        hostile_73(path, lambda file: file.create_dataset("HSI", data=values, compression="gzip"))
    done = subprocess.run([sys.executable, "-c", LITTLE_MEMORY, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{path}: HSI needs 12") and done.stdout.count("\n") == 1


def test_mat5_that_claims_too_much_is_refused(copy: Path) -> None:
    path = copies.write_mat5(copy, "HSI", "HSI", cube(2))
    scipy.io.savemat(path, {"HSI": copies.matlab(cube(63))}, do_compression=False)
    content = path.read_bytes()
    dims = np.array([ROWS, COLS, 63], "<i4").tobytes()
    assert content.count(dims) == 1
    path.write_bytes(content.replace(dims, np.array([2**20, 2**20, 63], "<i4").tobytes()))
    assert "bytes, expected at most" in refused(RasterError, "trento", copy)


def test_envi_headers_that_are_none(tmp_path: Path) -> None:
    data = copies.write_envi(tmp_path, "HSI", "", cube(3))
    header = data.with_suffix(".hdr")
    text = header.read_text()
    with open_envi(data, header) as dataset:
        np.testing.assert_array_equal(dataset.read(), cube(3))
    for content, words in (
        ("<VRTDataset/>", "not an ENVI header"),
        (text + "file compression = 1\n", "compressed pixels"),
        (text.replace("header offset = 0", "header offset = 999999"), "truncated"),
        (text.replace("bands   = 3", "bands   = 9999999"), "HSI.dat"),
        (text.replace("samples = 32", "samples = 99999"), "HSI.dat"),
    ):
        header.write_text(content)
        with pytest.raises(RasterError, match=words), open_envi(data, header) as dataset:
            dataset.read()


def test_envi_follows_no_neighbour(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("x" * 4096)
    data = copies.write_envi(tmp_path, "HSI", "", cube(1))
    for name in ("HSI.dat.ovr", "HSI.dat.aux.xml", "HSI.dat.msk"):
        (tmp_path / name).write_text(
            f"<VRTDataset rasterXSize='8' rasterYSize='8'><VRTRasterBand dataType='Byte' band='1' "
            f"subClass='VRTRawRasterBand'><SourceFilename>{secret}</SourceFilename></VRTRasterBand></VRTDataset>"
        )
    with open_envi(data, data.with_suffix(".hdr")) as dataset:
        assert len(dataset.files) == 2 and dataset.overviews(1) == []


REGIONS = """; ENVI Output of ROIs (4.8)
; Number of ROIs: 2
; File Dimension: 5 x 4
;
; ROI name: Forest
; ROI npts: 2
;
; ROI name: water
; ROI npts: 1
;    ID     X    Y
      1     1    1
      2     5    4

      1     2    3
"""


def test_regions_of_interest(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(REGIONS)
    expected = np.zeros((4, 5), np.uint8)
    expected[0, 0] = expected[3, 4] = 2
    expected[2, 1] = 1
    np.testing.assert_array_equal(read_regions(path, ("Water", "forest")), expected)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Forest", "desert", "region 'desert'; expected Water, forest"),
        ("ROI npts: 2", "ROI npts: 3", "3 points, expected 4 as its header says"),
        ("5    4", "6    4", "points outside its 4 x 5 pixels"),
        ("1     2    3", "1     0    3", "points outside"),
        ("5    4", "five four", "a line of points is not ID X Y"),
        ("; File Dimension: 5 x 4", ";", "expected a text export of ENVI regions"),
        ("5 x 4", "999999999 x 999999999", "expected at most"),
    ],
)
def test_regions_of_interest_that_are_none(old: str, new: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(REGIONS.replace(old, new))
    with pytest.raises(LabelError, match=words):
        read_regions(path, ("Water", "forest"))


def test_regions_of_interest_that_cannot_be_read(tmp_path: Path) -> None:
    large, pipe = tmp_path / "large.txt", tmp_path / "pipe.txt"
    with large.open("wb") as file:
        file.truncate(1 << 30)
    os.mkfifo(pipe)
    for path, words in (
        (large, "larger than"),
        (pipe, "expected a text export"),
        (tmp_path / "none.txt", "no such file"),
        (tmp_path, "expected a text export"),
    ):
        with pytest.raises(LabelError, match=words) as caught:
            read_regions(path, ("Water", "forest"))
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_names_and_headers_of_nothing_but_spaces_take_no_time(tmp_path: Path) -> None:
    regions, header = tmp_path / "regions.txt", tmp_path / "image.hdr"
    regions.write_text(f"; File Dimension: 2 x 2\n; ROI name: a{' ' * 1_000_000}b\n; ROI npts: 0\n")
    with pytest.raises(LabelError, match="region 'a"):
        read_regions(regions, ("Water",))
    header.write_text("ENVI" + "\n" * 1_000_000)
    (tmp_path / "image.dat").touch()
    with pytest.raises(RasterError), open_envi(tmp_path / "image.dat", header):
        pass


def test_something_in_the_way_is_left_alone(copy: Path) -> None:
    out = copy.parent / "scene"
    out.mkdir()
    (out / "mine").write_text("mine")
    with pytest.raises(OutputError, match="is in the way"):
        gx.import_scene("trento", copy, out)
    assert (out / "mine").read_text() == "mine"
