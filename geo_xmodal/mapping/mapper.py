"""A whole scene to a map: windows out to workers, one writer, and nothing lost when it is stopped."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from odc.geo.geobox import GeoBox

import geo_xmodal
from geo_xmodal import bundle
from geo_xmodal.bundle import Card
from geo_xmodal.errors import GeoXmodalError, OutputError, UsageError
from geo_xmodal.mapping import geotiff
from geo_xmodal.mapping.engine import Engine, check_engine, engine_version
from geo_xmodal.mapping.inputs import WindowReader, check_fit, files_of, identity_of, with_full_paths
from geo_xmodal.mapping.journal import Journal
from geo_xmodal.mapping.pools import window_pool
from geo_xmodal.mapping.tasks import NO_PROBABILITY, WindowTask, run_window, unpack_window
from geo_xmodal.types import ClassArray, Progress, Window, windows_over

_AHEAD = 2
"""Windows in flight for each that is computed: one in work, one waiting, so that no worker is idle."""

_MAX_WINDOW = 1 << 16


@dataclass(frozen=True)
class MapResult:
    """A finished map.

    Attributes:
        out: The class map.
        probability: The map of top-1 probability in percent, if asked for.
        shape: Rows and columns.
        counts: Pixels of each class id; 0 is no data.
        windows: Windows in all, and how many of them an earlier run had done.
        resumed: See `windows`.
        seconds: Wall-clock time of this run.
        pixels_per_second: Pixels mapped by this run over that time.
        warnings: Lines that the user should see.
    """

    out: Path
    probability: Path | None
    shape: tuple[int, int]
    counts: Mapping[int, int]
    windows: int
    resumed: int
    seconds: float
    pixels_per_second: float
    warnings: tuple[str, ...]


def map_scene(
    bundle_folder: Path,
    reader: WindowReader,
    out: Path,
    *,
    window: int = 512,
    workers: int = 1,
    scheduler: str | None = None,
    threads: int | None = None,
    engine: Engine = "torch",
    probability: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> MapResult:
    """Map everything that a reader covers.

    The map is the same to the byte for any number of workers, and whether or not it was stopped and resumed;
    for another window size it is the same but for ties.

    Args:
        bundle_folder: A model, or a run folder that holds one.
        reader: The target sensor; its grid becomes the map's.
        out: The map, `.tif`. An older one stays until the new one is whole.
        window: Side of the windows, in pixels; a multiple of `engine.TILE` wastes no work.
        workers: Processes on this machine; 1 works in this process.
        scheduler: Address of a Dask cluster that sees the same files, in place of `workers`.
        threads: Windows at once with `workers=1`; None for torch's number of threads.
        engine: What runs the network.
        probability: Also write `<out>_probability.tif`.
        resume: Go on with what an earlier run left; without, that is cleared.
        progress: Told after each window.

    Raises:
        KeyboardInterrupt: If stopped; its text says how to go on.
        UsageError: If an option has no meaning, or no scheduler answers.
        ModelMismatchError: If the model was made for other data.
        ResumeError: If what an earlier run left is of something else.
        OutputError: If the map cannot be written; finished windows are kept, and it says so.
    """
    started = time.monotonic()
    _check_options(window, workers, scheduler, threads, out, reader)
    card = bundle.load(bundle_folder).card
    warnings = check_fit(card, reader, reader.grid)
    folder = bundle.bundle_folder(bundle_folder).resolve()
    task = WindowTask(
        folder, card.weights_sha256, check_engine(engine), with_full_paths(reader), probability
    )
    plan = _Plan(reader.grid, window)
    targets = _Targets.beside(out, probability)
    with _work_folder(targets) as work, _journal(work, task, plan, targets, resume) as journal:
        resumed = len(journal.finished)
        mapped = sum(w.height * w.width for i, w in plan.windows() if i not in journal.finished)
        with _kept_on_failure(journal, plan, targets):
            with window_pool(workers, scheduler, threads) as (executor, slots):
                results = _computed(executor, slots * _AHEAD, task, plan, journal.finished)
                for index, payload in results:
                    journal.append(index, payload)
                    if progress is not None:
                        progress(len(journal.finished), len(plan), _rate(journal, resumed, plan, started))
            counts = _write(work, journal, plan, card, targets)
    shutil.rmtree(work)
    seconds = time.monotonic() - started
    return MapResult(
        out=out,
        probability=targets.probability,
        shape=plan.shape,
        counts=counts,
        windows=len(plan),
        resumed=resumed,
        seconds=seconds,
        pixels_per_second=mapped / seconds,
        warnings=tuple(warnings),
    )
