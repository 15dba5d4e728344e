"""Masks whose 0 is a class: in rasters of labels 0 means no label, so every value is raised by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import geo_xmodal as gx
from geo_xmodal.errors import LabelError
from geo_xmodal.outputs import new_file
from geo_xmodal.types import windows_over

_WINDOW = 2048


def with_zero_class(path: Path, out: Path) -> Path:
    """A copy of a raster of labels whose class ids are one more than its values; 0 where it has no data.

    Args:
        path: One band of whole numbers from 0 to 254.
        out: The copy; kept if it is newer than the raster.

    Raises:
        LabelError: A value is no such number.
        RasterError: It cannot be read.
        OutputError: The copy cannot be written.
    """
    if out.is_file() and out.stat().st_mtime_ns >= path.stat().st_mtime_ns:
        return out
    with gx.open_raster(path) as dataset:
        missing = dataset.nodata if dataset.nodata != 0 else None
        profile = {
            "height": dataset.height, "width": dataset.width, "count": 1, "dtype": "uint8", "nodata": 0,
            "crs": dataset.crs, "transform": dataset.transform, "compress": "deflate",
        }  # fmt: skip
        with new_file(out) as beside, gx.create_raster(beside, **profile) as copy:
            for window in windows_over(dataset.height, dataset.width, _WINDOW):
                place = ((window.row, window.row + window.height), (window.col, window.col + window.width))
                values = dataset.read(1, window=place)
                labelled = np.ones(values.shape, bool) if missing is None else values != missing
                found = values[labelled]
                if found.size and not ((found >= 0) & (found <= 254) & (found == np.floor(found))).all():
                    raise LabelError(f"{path}: values beside 0 to 254, so 0 cannot become a class")
                raised = np.zeros(values.shape, np.uint8)
                raised[labelled] = found.astype(np.uint8) + 1
                copy.write(raised, 1, window=place)
    return out
