"""Labels as ENVI regions of interest, exported as text.

The format, from a real export of ENVI 4.8: lines of comments give the size of the image (`; File Dimension:
1905 x 349`, columns first) and for each region its name and number of points (`; ROI name:`, `; ROI npts:`);
then follow the points of all regions in that order, `ID X Y` from 1 on with any further columns.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from geo_xmodal.errors import LabelError
from geo_xmodal.small_files import SmallFile, read_bytes, shortened
from geo_xmodal.types import ClassArray

_FILE = SmallFile(
    "a text export of ENVI regions of interest", LabelError, "export it from the .roi again", 64 << 20
)
_MAX_PIXELS = 2**28


def read_regions(path: Path, names: tuple[str, ...]) -> ClassArray:
    """Class ids (row, col) of the regions in a text file, 0 = in none.

    Args:
        path: The file.
        names: Name of each class in the file, in the order of the ids from 1 on.

    Raises:
        LabelError: The file is no such export, is incomplete, or names other regions.
    """
    text = read_bytes(path, _FILE).decode("utf-8", "replace")
    dimension = re.search(r"^;\s*File Dimension:\s*(\d{1,9})\s*x\s*(\d{1,9})", text, re.M)
    found = [name.strip() for name in re.findall(r"^;\s*ROI name:(.*)$", text, re.M)]
    counts = [int(count) for count in re.findall(r"^;\s*ROI npts:\s*(\d{1,9})", text, re.M)]
    if dimension is None or not found or len(found) != len(counts):
        raise _FILE.refuse(path, "has no size of the image, or regions without their number of points")
    cols, rows = int(dimension[1]), int(dimension[2])
    if not 0 < rows * cols <= _MAX_PIXELS:
        raise LabelError(f"{path}: an image of {rows} x {cols} pixels, expected at most {_MAX_PIXELS} pixels")
    ids = np.array([_class_id(path, name, names) for name in found])
    points = _points(path, text)
    if len(points) != sum(counts):
        raise LabelError(
            f"{path}: {len(points)} points, expected {sum(counts)} as its header says; fetch it again"
        )
    col, row = points.T - 1
    if len(points) and not ((row >= 0) & (row < rows) & (col >= 0) & (col < cols)).all():
        raise LabelError(f"{path}: points outside its {rows} x {cols} pixels")
    labels = np.zeros((rows, cols), np.uint8)
    labels[row, col] = np.repeat(ids, counts)
    return labels


def _class_id(path: Path, name: str, names: tuple[str, ...]) -> int:
    plain = {_plain(known): number for number, known in enumerate(names, start=1)}
    if _plain(name) not in plain:
        raise LabelError(
            f"{path}: region {shortened(repr(name))}; expected {', '.join(names) or 'no regions of interest'}"
        )
    return plain[_plain(name)]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _points(path: Path, text: str) -> np.ndarray:
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith(";")]
    try:
        return np.array([[int(line[1]), int(line[2])] for line in lines], np.int64).reshape(-1, 2)
    except (ValueError, IndexError, OverflowError):
        raise _FILE.refuse(path, "a line of points is not ID X Y") from None
