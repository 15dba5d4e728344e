"""What a map would take, found out without making it: all checks, and a few windows in its middle."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odc.geo.crs import CRS

from geo_xmodal import bundle
from geo_xmodal.class_shares import ClassShares
from geo_xmodal.mapping.journal import finished_windows
from geo_xmodal.mapping.layers import unpack_sums
from geo_xmodal.mapping.outputs import room_for_files
from geo_xmodal.mapping.pools import WindowPool, computed, window_pool
from geo_xmodal.mapping.prepare import PreparedMap, prepare_map
from geo_xmodal.mapping.tasks import WindowTask
from geo_xmodal.raster import Assumption, WindowReader, pixel_size
from geo_xmodal.requests import MapOptions
from geo_xmodal.types import Window

_TRIAL_SIDE, _TRIALS = 512, 8
"""Pixels along a side of what is computed of a window to time it; so many are tried until one has data."""

_WRITTEN_PER_SECOND = 25e6
"""Bytes of finished windows, uncompressed, that are put together to files; a small part of the whole."""


@dataclass(frozen=True)
class MapPlan:
    """A map to be made.

    Attributes:
        rasters: The rasters that would be written.
        shape: Rows and columns.
        crs: Its name, and its EPSG code if it has one; None without.
        pixel: Height and width of a pixel.
        pixel_unit: Their unit.
        windows: Windows in all.
        resumed: How many of them an earlier run has done; with `resume` only.
        windows_with_data: None where only reading everything would tell.
        parameters: Numbers of the model.
        runtime: What runs it.
        slots: Windows that are computed at once.
        memory: Bytes that this process takes at most, and
        worker_memory: each process that works for it; None where none does.
        disk_expected: Bytes on the disk while the map comes about, by how the trial's windows compress; None
            without trial.
        disk_bound: The same at most.
        disk_free: Bytes that are free there.
        pixels_per_second: Measured in the middle of the scene; None where no data was found there.
        seconds: Time to compute the windows that are left, if all of them hold data, and to put the files
            together; None as above.
        warnings: Lines that the user should see.
        assumptions: What was taken for granted about the input.
        shares: Class shares of its predictions; None where they are those that the model has learned.
    """

    rasters: tuple[Path, ...]
    shape: tuple[int, int]
    crs: str | None
    pixel: tuple[float, float]
    pixel_unit: str
    windows: int
    resumed: int
    windows_with_data: int | None
    parameters: int
    runtime: str
    slots: int
    memory: int
    worker_memory: int | None
    disk_expected: int | None
    disk_bound: int
    disk_free: int
    pixels_per_second: float | None
    seconds: float | None
    warnings: tuple[str, ...]
    assumptions: tuple[Assumption, ...]
    shares: ClassShares | None


@dataclass(frozen=True)
class _Trial:
    slots: int
    whole: int
    with_data: int
    pixels_per_second: float | None = None
    bytes_per_pixel: float | None = None


def plan_map(
    bundle_folder: Path | str,
    reader: WindowReader,
    out: Path | str,
    options: MapOptions | None = None,
    **given: Any,
) -> MapPlan:
    """What `map_scene` would take; arguments and errors are the same, nothing is written."""
    bundle_folder, out = Path(bundle_folder), Path(out)
    # a figure takes no part in what is estimated
    options = MapOptions.of(options, given).model_copy(update={"picture": None})
    prepared = prepare_map(bundle_folder, reader, out, options, mapped=None)
    finished = finished_windows(prepared.files.journal, prepared.identity) if options.resume else frozenset()
    todo = [part for index, part in enumerate(prepared.windows) if index not in finished]
    with window_pool(prepared.task, options.workers, options.scheduler, prepared.threads) as pool:
        trial = _try(pool, prepared, max(options.workers, pool.slots()))
    rows, cols = prepared.grid.shape
    pixels_left = sum(part.height * part.width for part in todo)
    speed, elsewhere = trial.pixels_per_second, options.workers > 1 or options.scheduler is not None
    model = bundle.load(bundle_folder).model
    *pixel, unit = pixel_size(prepared.grid)
    crs = prepared.grid.crs
    bound = rows * cols * prepared.files.layers.bytes_per_pixel(len(prepared.card.classes))
    expected = None if trial.bytes_per_pixel is None else math.ceil(rows * cols * trial.bytes_per_pixel)
    folder = next(place for place in out.absolute().parents if place.exists())
    return MapPlan(
        rasters=tuple(prepared.files.rasters.values()),
        shape=(rows, cols),
        crs=None if crs is None else _crs_text(crs),
        pixel=(pixel[0], pixel[1]),
        pixel_unit=unit,
        windows=len(prepared.windows),
        resumed=len(finished),
        windows_with_data=trial.with_data if trial.whole == len(prepared.windows) else None,
        parameters=model.size,
        runtime=str(prepared.task.runtime),
        slots=trial.slots,
        memory=prepared.memory.own(trial.slots, elsewhere),
        worker_memory=prepared.memory.worker if elsewhere else None,
        disk_expected=None if expected is None else expected + room_for_files(expected),
        disk_bound=bound + room_for_files(bound),
        disk_free=shutil.disk_usage(folder).free,
        pixels_per_second=speed,
        seconds=None if speed is None else pixels_left / speed + bound / _WRITTEN_PER_SECOND,
        warnings=prepared.warnings,
        assumptions=prepared.assumptions,
        shares=prepared.task.shares,
    )


def _crs_text(crs: CRS) -> str:
    code = crs.proj.to_epsg()
    return crs.proj.name if code is None else f"{crs.proj.name} (EPSG:{code})"


def _try(pool: WindowPool, prepared: PreparedMap, slots: int) -> _Trial:
    """Compute windows from the middle on until some have data, then the same again by the clock."""
    rows, cols = prepared.grid.shape
    nearest = sorted(
        prepared.windows,
        key=lambda w: (w.row + w.height / 2 - rows / 2) ** 2 + (w.col + w.width / 2 - cols / 2) ** 2,
    )
    seen, whole, with_data = 0, 0, 0
    while seen < min(_TRIALS, len(nearest)):
        batch = [_middle(window) for window in nearest[seen : seen + slots]]
        pixels, _ = _compute(pool, prepared.task, batch)
        seen += len(batch)
        whole += sum(part in prepared.windows for part in batch)
        with_data += sum(count > 0 for count in pixels)
        if sum(pixels):
            started = time.monotonic()
            _, size = _compute(pool, prepared.task, batch)
            speed = sum(pixels) / (time.monotonic() - started)
            area = sum(part.height * part.width for part in batch)
            return _Trial(slots, whole, with_data, speed, size / area)
    return _Trial(slots, whole, with_data)


def _compute(pool: WindowPool, task: WindowTask, windows: Sequence[Window]) -> tuple[list[int], int]:
    """Pixels with data in each window, and the bytes of all."""
    payloads = [payload for _, payload in computed(pool, list(enumerate(windows)))]
    pixels = [int(unpack_sums(task.layers, payload).pixels[1:].sum()) for payload in payloads]
    return pixels, sum(len(payload) for payload in payloads)


def _middle(window: Window) -> Window:
    """The middle of a window, no larger than a trial takes."""
    height, width = min(window.height, _TRIAL_SIDE), min(window.width, _TRIAL_SIDE)
    row, col = window.row + (window.height - height) // 2, window.col + (window.width - width) // 2
    return Window(row, col, height, width)
