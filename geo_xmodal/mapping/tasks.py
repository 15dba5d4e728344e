"""One window of a map, as a worker does it: read, classify, hand back few bytes."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio

from geo_xmodal import bundle
from geo_xmodal.errors import BundleError
from geo_xmodal.mapping.engine import Classifier, Engine
from geo_xmodal.mapping.inputs import WindowReader
from geo_xmodal.types import ClassArray, IntArray, Window

NO_PROBABILITY = 255
"""Percent where there is no data."""

PAYLOAD = "classes, percent, sums of percent"
"""What a finished window holds; another version's windows are not taken up."""

_IDS = 256

_FILE_CACHE_BYTES = 128 << 20
_loaded = threading.local()


@dataclass(frozen=True)
class WindowTask:
    """All that a worker must know; small, so that it travels with every window.

    Attributes:
        bundle_folder: The model, where the worker sees it.
        weights_sha256: Of the model that was asked for.
        reader: The input.
        probability: Whether percent is asked for besides classes.
    """

    bundle_folder: Path
    weights_sha256: str
    engine: Engine
    reader: WindowReader
    probability: bool


def run_window(task: WindowTask, window: Window) -> bytes:
    """Class ids of a window, percent if asked for, and each class's sum of percent; compressed."""
    classifier = _classifier(task.bundle_folder, task.weights_sha256, task.engine)
    with rasterio.Env(GDAL_CACHEMAX=_FILE_CACHE_BYTES):
        values = task.reader.read(window, classifier.margin)
    ids, probability = classifier.classify(values)
    percent = np.where(ids > 0, np.rint(100 * probability), NO_PROBABILITY).astype(np.uint8)
    content = ids.tobytes()
    if task.probability:
        content += percent.tobytes()
    sums = np.bincount(ids.ravel(), percent.ravel(), _IDS)
    return zlib.compress(content + sums.astype("<i8").tobytes(), 1)


def unpack_window(payload: bytes, window: Window) -> tuple[ClassArray, IntArray]:
    """What `run_window` gave.

    Returns:
        (layer, row, col): class ids, and percent if it was asked for; and (256,): the sum of percent over
        the pixels of each class id.
    """
    content = zlib.decompress(payload)
    pixels = len(content) - _IDS * 8
    layers = np.frombuffer(content, np.uint8, pixels).reshape(-1, window.height, window.width)
    return layers, np.frombuffer(content, "<i8", _IDS, pixels).astype(np.int64)


def _classifier(folder: Path, sha256: str, engine: Engine) -> Classifier:
    """The model, loaded once a thread: an engine's buffers are not shared."""
    key = (folder, sha256, engine)
    if getattr(_loaded, "key", None) != key:
        model = bundle.load(folder)
        if model.card.weights_sha256 != sha256:
            raise BundleError(f"{folder}: the model was replaced while it was mapping: map again")
        _loaded.classifier = Classifier(model, engine, threads=1)
        _loaded.key = key
    classifier: Classifier = _loaded.classifier
    return classifier
