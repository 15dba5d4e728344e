"""One window of a map, as a worker does it: read, classify, hand back few bytes."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from pathlib import Path

import rasterio

from geo_xmodal import bundle
from geo_xmodal.bundle import Bundle
from geo_xmodal.class_shares import ClassShares
from geo_xmodal.errors import BundleError
from geo_xmodal.mapping.area import AreaReader
from geo_xmodal.mapping.engine import Classifier
from geo_xmodal.mapping.layers import Layers, pack_window
from geo_xmodal.mapping.runtimes import Runtime
from geo_xmodal.mapping.seen import read_seen, scene_window
from geo_xmodal.raster import WindowReader, pixel_areas
from geo_xmodal.types import FloatArray, Window

FILE_CACHE_BYTES = 128 << 20
_loaded = threading.local()
_loading = threading.Lock()


@dataclass(frozen=True)
class WindowTask:
    """All that a worker must know; it is sent to each once.

    Attributes:
        bundle_folder: The model, where the worker sees it.
        weights_sha256: Of the model that was asked for.
        runtime: What runs the network.
        reader: The input.
        layers: What is asked for besides classes.
        shares: Class shares that the map has; None for those that the model has learned.
    """

    bundle_folder: Path
    weights_sha256: str
    runtime: Runtime
    reader: WindowReader
    layers: Layers
    shares: ClassShares | None = None


def run_window(task: WindowTask, window: Window) -> bytes:
    """Class ids of a window, and what else is asked for, as `pack_window` packs them."""
    return classify_window(task, window, read_window(task, window))


def read_window(task: WindowTask, window: Window) -> FloatArray:
    """The first half of `run_window`: values (band, row, col) with what the model looks at around them."""
    model = _model(task.bundle_folder, task.weights_sha256).model
    with rasterio.Env(GDAL_CACHEMAX=FILE_CACHE_BYTES):
        return read_seen(model, task.reader, window)


def classify_window(task: WindowTask, window: Window, values: FloatArray) -> bytes:
    """The second half of `run_window`."""
    classifier = _classifier(task)
    wanted = task.reader.inside(window) if isinstance(task.reader, AreaReader) else None
    areas = pixel_areas(task.reader.grid)
    place = scene_window(task.reader, window)
    if not task.layers.need_all_classes:
        return pack_window(task.layers, areas, window, *classifier.classify(values, wanted, place), None)
    probabilities = classifier.probabilities(values, wanted, place)
    ids, probability = classifier.best(probabilities)
    return pack_window(task.layers, areas, window, ids, probability, probabilities)


def _classifier(task: WindowTask) -> Classifier:
    """The model, loaded once a process; one classifier a thread, as an engine's buffers are not shared."""
    key = (task.bundle_folder, task.weights_sha256, task.runtime, task.shares)
    if getattr(_loaded, "key", None) != key:
        model = _model(task.bundle_folder, task.weights_sha256)
        _loaded.classifier = Classifier(model, task.runtime, threads=1, shares=task.shares)
        _loaded.key = key
    classifier: Classifier = _loaded.classifier
    return classifier


def _model(folder: Path, sha256: str) -> Bundle:
    with _loading:  # or every thread would load its own
        return _loaded_model(folder, sha256)


@functools.lru_cache(maxsize=1)
def _loaded_model(folder: Path, sha256: str) -> Bundle:
    model = bundle.load(folder)
    if model.card.weights_sha256 != sha256:
        raise BundleError(f"{folder}: the model was replaced while it was mapping: map again")
    return model
