"""Damaged and hostile MATLAB 5 files: read or refused in one line, and the process lives on."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from geo_xmodal.errors import RasterError
from geo_xmodal.published import matfile

MIXED = {
    "hsi": {
        "Data": np.arange(60.0).reshape(4, 5, 3),
        "Lidar": np.array([[np.ones((2, 2)), "x"]], object),
        "few": scipy.sparse.eye(3).tocsc(),
        "waves": np.ones((2, 2)) * 1j,
        "name": "größer",
        "inner": {"deep": np.array([[{"z": np.arange(3)}, "q"]], object)},
    },
    "labels": np.arange(6, dtype=np.uint8).reshape(2, 3),
}

EVERY_BYTE = """
import sys
from pathlib import Path
from geo_xmodal.errors import RasterError
from geo_xmodal.published import matfile

whole, copy = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
refused = 0
for place in range(124, len(whole)):
    for value in (0, 1, 4, 8, 14, 255):
        copy.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
        try:
            found = matfile.read_variable(copy, "hsi.Data")
        except RasterError as error:
            assert "\\n" not in str(error)
            refused += 1
        else:
            assert found.dtype.kind in "biuf"
print(refused)
"""


@pytest.mark.parametrize("packed", [False, True])
def test_every_kind_of_content_is_walked(packed: bool, tmp_path: Path) -> None:
    path = tmp_path / "scene.mat"
    scipy.io.savemat(path, MIXED, do_compression=packed)
    np.testing.assert_array_equal(matfile.read_variable(path, "hsi.Data"), MIXED["hsi"]["Data"])
    np.testing.assert_array_equal(matfile.read_variable(path, "hsi.Lidar.[0]"), np.ones((2, 2)))
    np.testing.assert_array_equal(matfile.read_variable(path, "hsi.inner.deep.[0].z"), [[0, 1, 2]])
    np.testing.assert_array_equal(matfile.read_variable(path, "labels"), MIXED["labels"])


@pytest.mark.parametrize("packed", [False, True])
def test_a_large_array_is_walked(packed: bool, tmp_path: Path) -> None:
    path = tmp_path / "scene.mat"
    image = np.arange(3_000_000.0).reshape(1000, 3000)
    scipy.io.savemat(path, {"hsi": {"Data": image, "more": "behind it"}}, do_compression=packed)
    np.testing.assert_array_equal(matfile.read_variable(path, "hsi.Data"), image)


def test_any_damaged_byte_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "scene.mat"
    scipy.io.savemat(
        path, {"hsi": {"Data": np.ones((2, 5, 3), np.uint8), "Lidar": np.array([[1, "x"]], object)}}
    )
    # In a process of its own: what this guards against ends the process that reads
    done = subprocess.run(
        [sys.executable, "-c", EVERY_BYTE, path, tmp_path / "copy.mat"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 500


@pytest.mark.parametrize("packed", [False, True])
def test_any_cut_is_refused(packed: bool, tmp_path: Path) -> None:
    whole, copy = tmp_path / "scene.mat", tmp_path / "copy.mat"
    scipy.io.savemat(whole, {"hsi": MIXED["hsi"]}, do_compression=packed)
    content = whole.read_bytes()
    for length in range(128, len(content) - 8, 7):
        copy.write_bytes(content[:length])
        with pytest.raises(RasterError, match=r"damaged or incomplete|has no variable hsi"):
            matfile.read_variable(copy, "hsi.Data")


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(kind: int, sizes: tuple[int, ...], name: bytes, content: bytes) -> bytes:
    flags = element(6, struct.pack("<II", kind, 0))
    return element(
        14, flags + element(5, struct.pack(f"<{len(sizes)}i", *sizes)) + element(1, name) + content
    )


def holding(content: bytes) -> bytes:
    """A file whose struct `hsi` has one field, `Data`."""
    names = element(5, struct.pack("<i", 8)) + element(1, b"Data".ljust(8, b"\0"))
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\x01IM" + matrix(2, (1, 1), b"hsi", names + content)


def nested(levels: int) -> bytes:
    content = matrix(6, (1, 1), b"", element(9, struct.pack("<d", 7)))
    for _ in range(levels):
        content = matrix(1, (1, 1), b"", content)
    return content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (matrix(1, (100_000, 100_000), b"", b""), "10000000000 elements in 0 bytes"),
        (nested(20_000), "deeper than 32 levels"),
        (matrix(6, (1, 1), b"", element(8, bytes(8))), "an element of kind 8, expected"),
        (matrix(1, (300, 400), b"", element(14, b"") * 120_000), "more than 100000 elements"),
        (matrix(1, (1, 2), b"", matrix(1, (1, 60_000), b"", element(14, b"") * 60_000) * 2), "more than 100"),
        (matrix(99, (1, 1), b"", b""), "class 99"),
        (matrix(6, (1,), b"", element(9, bytes(8))), "an array of 1"),
        (struct.pack("<II", 14, 4000), "an element of 4000 bytes in one of 0"),
    ],
)
def test_hostile_structs(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "scene.mat"
    path.write_bytes(holding(content))
    with pytest.raises(RasterError, match=words):
        matfile.read_variable(path, "hsi.Data")


def test_what_is_built_right_is_read(tmp_path: Path) -> None:
    path = tmp_path / "scene.mat"
    path.write_bytes(holding(matrix(6, (1, 1), b"", element(9, struct.pack("<d", 7)))))
    np.testing.assert_array_equal(matfile.read_variable(path, "hsi.Data"), [[7]])
