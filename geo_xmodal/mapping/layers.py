"""What a map can show besides classes, and how a window of it travels: few bytes, each raster by itself."""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import entr

from geo_xmodal.raster import PixelAreas
from geo_xmodal.types import ClassArray, FloatArray, IntArray, Window

NO_PROBABILITY = 255
"""Percent where there is no data."""

PAYLOAD = "sums with areas, classes, percents, each compressed by itself"
"""What a finished window holds; another version's windows are not taken up."""

LayerName = Literal["classes", "probability", "entropy", "class_probabilities"]

_IDS = 256
_SUMS, _LENGTHS = "sums", struct.Struct("<I")


@dataclass(frozen=True)
class Layers:
    """What is asked for besides classes, each a raster of percents.

    Attributes:
        probability: Of the class that was mapped.
        entropy: Of the probabilities of all classes, over the largest that it can be.
        class_probabilities: Of every class, one band each in the legend's order.
    """

    probability: bool = False
    entropy: bool = False
    class_probabilities: bool = False

    @property
    def names(self) -> tuple[LayerName, ...]:
        """The rasters of the map, classes first."""
        asked: tuple[tuple[LayerName, bool], ...] = (
            ("classes", True),
            ("probability", self.probability),
            ("entropy", self.entropy),
            ("class_probabilities", self.class_probabilities),
        )
        return tuple(name for name, wanted in asked if wanted)

    @property
    def need_all_classes(self) -> bool:
        """Whether the best class and its probability do not do."""
        return self.entropy or self.class_probabilities

    def bytes_per_pixel(self, classes: int) -> int:
        """Of all rasters together, uncompressed."""
        return len(self.names) - self.class_probabilities + classes * self.class_probabilities


@dataclass(frozen=True)
class WindowSums:
    """What is counted of a window while it is at hand.

    Attributes:
        pixels: (256,) pixels of each class id.
        percent: (256,) sum of the probability, in percent, of the pixels of each id.
        parts: (256,) area of the pixels of each id, in the parts of the grid's `PixelAreas`.
    """

    pixels: IntArray
    percent: IntArray
    parts: IntArray


def pack_window(
    layers: Layers,
    areas: PixelAreas,
    window: Window,
    ids: ClassArray,
    probability: FloatArray,
    probabilities: FloatArray | None,
) -> bytes:
    """A finished window as bytes.

    Args:
        layers: What to keep.
        areas: Of the map's pixels.
        window: Where it lies on the map.
        ids: (row, col) class ids, 0 where there is no data.
        probability: (row, col) of the class.
        probabilities: (class, row, col), where `layers` needs all classes.
    """
    missing = ids == 0
    percent = _percent(probability, missing)
    pixels, area_parts = areas.count(ids, window, _IDS)
    percents = np.bincount(ids.ravel(), percent.ravel(), _IDS).astype(np.int64)
    contents: dict[str, npt.NDArray[np.generic]] = {
        _SUMS: np.stack([pixels, percents, area_parts]).astype("<i8"),
        "classes": ids,
        "probability": percent,
    }
    if probabilities is not None:
        contents["entropy"] = _percent(_relative_entropy(probabilities), missing)
        contents["class_probabilities"] = np.stack([_percent(one, missing) for one in probabilities])
    parts = [zlib.compress(contents[name].tobytes(), 1) for name in (_SUMS, *layers.names)]
    return b"".join(_LENGTHS.pack(len(part)) for part in parts) + b"".join(parts)


def unpack_sums(layers: Layers, payload: bytes) -> WindowSums:
    """What was counted of a window; the same `layers` as when it was packed."""
    sums = np.frombuffer(_part(layers, payload, _SUMS, 24 * _IDS), "<i8").reshape(3, _IDS).astype(np.int64)
    return WindowSums(*sums)


def unpack_layer(layers: Layers, payload: bytes, name: LayerName, window: Window) -> ClassArray:
    """One raster's part of a window, (band, row, col); the same `layers` as when it was packed."""
    most = (_IDS if name == "class_probabilities" else 1) * window.height * window.width
    content = _part(layers, payload, name, most)
    return np.frombuffer(content, np.uint8).reshape(-1, window.height, window.width)


def _part(layers: Layers, payload: bytes, wanted: str, most: int) -> bytes:
    names = (_SUMS, *layers.names)
    if len(payload) < _LENGTHS.size * len(names):
        raise ValueError("a window is incomplete")
    lengths = [length for (length,) in _LENGTHS.iter_unpack(payload[: _LENGTHS.size * len(names)])]
    place = names.index(wanted)
    start = _LENGTHS.size * len(names) + sum(lengths[:place])
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(payload[start : start + lengths[place]], most)
    if not unpacker.eof:
        raise ValueError(f"{wanted} of a window are incomplete, or more than {most} bytes")
    return content


def _relative_entropy(probabilities: FloatArray) -> FloatArray:
    """Shannon entropy over the logarithm of the number of classes: 0 one class is sure, 1 all are equal."""
    entropy = np.zeros(probabilities.shape[1:], np.float32)
    for one in probabilities:  # class by class: a copy of all may be large
        entropy += entr(one)
    return entropy / np.float32(math.log(max(len(probabilities), 2)))


def _percent(share: FloatArray, missing: npt.NDArray[np.bool_]) -> ClassArray:
    return np.where(missing, NO_PROBABILITY, np.rint(100 * share)).astype(np.uint8)
