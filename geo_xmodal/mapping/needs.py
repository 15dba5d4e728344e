"""Memory that a map takes, by a formula that was measured, and how many windows at once there is room for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from odc.geo.geobox import GeoBox

from geo_xmodal.mapping.geotiff import CACHE_BYTES
from geo_xmodal.mapping.seen import Looking
from geo_xmodal.mapping.tasks import FILE_CACHE_BYTES, WindowTask
from geo_xmodal.memory import check_memory, least
from geo_xmodal.named_options import option

_PROCESS_BYTES = {"torch": 680 << 20, "openvino": 780 << 20}
"""Resident memory of a process once its engine has computed a tile, with the libraries that it maps."""

_SHARED_BYTES = 310 << 20
"""Of that, libraries' files: processes share them, and the system may drop them."""

_TILE_BYTES = 16 << 20
"""Activations of the network for one tile; see `runtimes`."""

_IMAGE_BYTES = 2048
"""The same of a backbone, for each pixel of the image of a tile."""


@dataclass(frozen=True)
class MapMemory:
    """Bytes that a map takes.

    Attributes:
        process: Of a process with its engine, before any window.
        window: Of one window while it is computed.
        reading: What GDAL keeps of the input.
        writing: What GDAL keeps of the map.
    """

    process: int
    window: int
    reading: int
    writing: int

    @property
    def worker(self) -> int:
        """Of a process that computes one window at a time, and writes nothing."""
        return self.process + self.window + self.reading

    def own(self, slots: int, elsewhere: bool) -> int:
        """Of this process: it computes windows at once in `slots`, or collects what others compute."""
        if elsewhere:
            return self.process + self.writing
        return self.process + slots * self.window + max(self.reading, self.writing)


def map_memory(task: WindowTask, grid: GeoBox, classes: int, window: int, model: Looking) -> MapMemory:
    """What mapping a grid takes in windows of `window` pixels with a model."""
    rows, cols = grid.shape
    largest = classes if task.layers.class_probabilities else 1
    return MapMemory(
        process=_PROCESS_BYTES[task.runtime.engine],
        window=_window_bytes(task, classes, min(window, max(rows, cols)), model),
        reading=min(FILE_CACHE_BYTES, 4 * rows * cols * len(task.reader.band_names)),
        writing=min(CACHE_BYTES, 2 * rows * cols * largest),
    )


def windows_at_once(
    memory: MapMemory, window: int, workers: int, scheduler: str | None, threads: int | None
) -> int | None:
    """Windows that this process computes at once: as asked, else one a thread, as far as there is memory.

    None where others compute them, and none is asked for.

    Raises:
        MemoryShortageError: There is too little for what is asked, or for one window.
    """
    if scheduler is not None:
        return threads
    if workers > 1:
        check_memory(
            f"a map in windows of {window} pixels by {workers} processes",
            memory.writing,
            f"give fewer {option('workers')} or a smaller {option('window')}",
            elsewhere=workers * (memory.worker - _SHARED_BYTES),
        )
        return threads
    cache = max(memory.reading, memory.writing)
    room = (least().free - cache) // memory.window
    slots = threads or max(1, min(torch.get_num_threads(), room))
    check_memory(
        f"a map in windows of {window} pixels, {slots} at once",
        cache + slots * memory.window,
        f"give a smaller {option('window')}",
    )
    return slots


def _window_bytes(task: WindowTask, classes: int, side: int, model: Looking) -> int:
    """Memory that one window takes while it is computed.

    Its values as read and with what is missing marked; classes, probability and percents; the
    probabilities of all classes where they are asked for or added up; and what the network keeps of a tile.
    """
    tiling = model.tiling
    reach = 2 * model.margin if tiling is None else tiling.step + 2 * (tiling.blend + tiling.crop)
    values = len(task.reader.band_names) * (side + reach) ** 2 * 4
    per_pixel = 16 + (6 * classes + 8 if task.layers.need_all_classes else 0)
    per_pixel += 0 if tiling is None else 4 * classes
    tile = _TILE_BYTES if tiling is None else _IMAGE_BYTES * tiling.image**2
    return 2 * values + per_pixel * side**2 + tile
