"""Label files of chips to class ids: values, or colours of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import ColorInterp

from geo_xmodal.chips.config import ChipClass, ChipLabels
from geo_xmodal.errors import LabelError
from geo_xmodal.raster import CHIP_FORMATS, file_window, open_raster, read_window
from geo_xmodal.types import ClassArray, Window

_CHANNELS = 3
_NAMED = 5


def read_chip_labels(
    path: Path, labels: ChipLabels, classes: Sequence[ChipClass], shape: Sequence[int]
) -> ClassArray:
    """Class ids (row, col) of a label file, 0 = unlabelled.

    Raises:
        LabelError: The file has another size than `shape`, or values of no class that do not mean unlabelled.
        RasterError: It cannot be read.
    """
    with open_raster(path, formats=CHIP_FORMATS) as dataset:
        if dataset.shape != tuple(shape):
            raise LabelError(
                f"{path}: labels of {dataset.height} x {dataset.width} pixels for a chip of "
                f"{shape[0]} x {shape[1]}: both must have the same pixels"
            )
        values = _colors(dataset, path) if labels.colors else _values(dataset, path, labels.band)
    if labels.colors:
        meaning = {_number(one.color): one.id for one in classes}
        unlabelled = [_number(str(one)) for one in labels.unlabelled or ()]
    else:
        meaning = {value: one.id for one in classes for value in one.values or (one.id,)}
        given = (0,) if labels.unlabelled is None else labels.unlabelled
        unlabelled = [int(one) for one in given if int(one) not in meaning]
    return _as_ids(values, meaning | dict.fromkeys(unlabelled, 0), path, labels.colors)


def _values(dataset: rasterio.DatasetReader, path: Path, band: int) -> npt.NDArray[np.int64]:
    if band > dataset.count:
        raise LabelError(f"{path}: has {dataset.count} bands, labels.band is {band}")
    raw = _read(dataset, [band])[0]
    missing = ~np.isfinite(raw) if raw.dtype.kind == "f" else np.zeros(raw.shape, bool)
    if dataset.nodata is not None and np.isfinite(dataset.nodata):
        missing |= raw == dataset.nodata
    whole = np.where(missing, 0, raw)
    if raw.dtype.kind == "f" and not np.array_equal(whole, np.rint(whole)):
        raise LabelError(f"{path}: labels that are no whole numbers, expected one number a class")
    return np.where(missing, _NO_VALUE, whole.astype(np.int64))


_NO_VALUE = -(2**40)
"""Of pixels at the file's own nodata value: no class, whatever the class list says."""


def _colors(dataset: rasterio.DatasetReader, path: Path) -> npt.NDArray[np.int64]:
    """Red, green and blue of pixels as one number; those of a palette where there is one."""
    if dataset.dtypes[0] != "uint8":
        raise LabelError(
            f"{path}: pixels of type {dataset.dtypes[0]}, expected the colours of labels (uint8)"
        )
    if dataset.count == 1 and dataset.colorinterp[0] == ColorInterp.palette:
        table = np.zeros((256, _CHANNELS), np.int64)
        for value, color in dataset.colormap(1).items():
            table[value] = color[:_CHANNELS]
        red, green, blue = table[_read(dataset, [1])[0]].transpose(2, 0, 1)
    elif dataset.count < _CHANNELS:
        raise LabelError(
            f"{path}: has {dataset.count} band(s) and no colours, expected red, green and blue: "
            "leave colors = true out where labels are values"
        )
    else:
        red, green, blue = _read(dataset, [1, 2, 3]).astype(np.int64)
    return np.asarray(red << 16 | green << 8 | blue)


def _read(dataset: rasterio.DatasetReader, bands: Sequence[int]) -> npt.NDArray[Any]:
    return read_window(dataset, bands, file_window(Window(0, 0, dataset.height, dataset.width)))


def _as_ids(values: npt.NDArray[np.int64], meaning: dict[int, int], path: Path, colors: bool) -> ClassArray:
    found, place, count = np.unique(values, return_inverse=True, return_counts=True)
    known = meaning | {_NO_VALUE: 0}
    strange = {
        value: pixels
        for value, pixels in zip(found.tolist(), count.tolist(), strict=True)
        if value not in known
    }
    if strange:
        shown = ", ".join(
            f"{_hex(value) if colors else value} ({pixels:,} pixels)"
            for value, pixels in list(strange.items())[:_NAMED]
        )
        raise LabelError(
            f"{path}: {'colours' if colors else 'values'} of no class: {shown}"
            f"{', ...' if len(strange) > _NAMED else ''}; add them to a class, or to labels.unlabelled"
        )
    ids = np.array([known[value] for value in found.tolist()], np.uint8)
    return ids[place.reshape(values.shape)]


def _number(color: str) -> int:
    return int(color[1:], 16)


def _hex(value: int) -> str:
    return f"#{value:06x}"
