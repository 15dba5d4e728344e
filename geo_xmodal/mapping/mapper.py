"""A whole scene to a map: windows out to workers, one writer, and nothing lost when it is stopped."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path

from geo_xmodal import bundle
from geo_xmodal.errors import UsageError
from geo_xmodal.mapping.engine import Engine, check_engine, engine_version
from geo_xmodal.mapping.inputs import WindowReader, check_fit, files_of, identity_of, with_full_paths
from geo_xmodal.mapping.outputs import SOFTWARE, MapFiles, unfinished_map, write_map
from geo_xmodal.mapping.pools import window_pool
from geo_xmodal.mapping.tasks import PAYLOAD, WindowTask, run_window
from geo_xmodal.types import Progress, Window, windows_over

_AHEAD = 2
"""Windows in flight for each that is being computed: one in work, one waiting, so that no worker idles."""

_MAX_WINDOW = 1 << 16


@dataclass(frozen=True)
class MapResult:
    """A finished map.

    Attributes:
        out: The class map; `<out>.aux.xml` and `<stem>.qml` beside it tell GDAL and QGIS what it shows.
        probability: The map of top-1 probability in percent, if asked for.
        shape: Rows and columns.
        counts: Pixels of each class id; 0 is no data.
        windows: Windows in all.
        resumed: How many of them an earlier run had done.
        seconds: Wall-clock time of this run.
        pixels_per_second: Pixels that this run mapped, over that time.
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
        workers: Processes on this machine; 1 works in this process. More import the calling script anew, as
            Python's multiprocessing does: it needs its `if __name__ == "__main__"`.
        scheduler: Address of a Dask cluster that sees the same files, in place of `workers`.
        threads: Windows at once with `workers=1`; None for torch's number of threads.
        engine: What runs the network.
        probability: Also write `<out>_probability.tif`.
        resume: Go on with what an earlier run left; without, that is cleared.
        progress: Told after each window.

    Raises:
        KeyboardInterrupt: If stopped; its text says how to go on.
        UsageError: If an option has no meaning, or no scheduler answers.
        BundleError: If the model cannot be loaded.
        ModelMismatchError: If it was made for other data.
        RasterError: If the input cannot be read.
        ResumeError: If what an earlier run left is of something else.
        OutputError: If the map cannot be written.
    """
    started = time.monotonic()
    files = MapFiles.of(out, probability)
    files.check(files_of(reader))
    _check_numbers(window=window, workers=workers, threads=threads)
    if scheduler is not None and workers > 1:
        raise UsageError(
            f"--workers {workers} with --scheduler: a cluster has its own workers; give one of both"
        )
    card = bundle.load(bundle_folder).card
    warnings = check_fit(card, reader, reader.grid)
    task = WindowTask(
        bundle_folder=bundle.bundle_folder(bundle_folder).resolve(),
        weights_sha256=card.weights_sha256,
        engine=check_engine(engine),
        reader=with_full_paths(reader),
        probability=probability,
    )
    rows, cols = reader.grid.shape
    windows = list(windows_over(rows, cols, window))
    with unfinished_map(files, _identity(task, window), len(windows), resume) as journal:
        resumed = len(journal.finished)
        todo = [(index, part) for index, part in enumerate(windows) if index not in journal.finished]
        speed = _Speed(sum(part.height * part.width for _, part in todo))
        if todo:
            with window_pool(workers, scheduler, threads) as (executor, slots):
                for index, payload in _computed(executor, slots * _AHEAD, task, todo):
                    journal.append(index, payload)
                    message = speed.after(windows[index])
                    if progress is not None:
                        progress(len(journal.finished), len(windows), message)
        counts = write_map(files, journal, windows, reader.grid, card)
    seconds = time.monotonic() - started
    return MapResult(
        out=files.classes,
        probability=files.probability,
        shape=(rows, cols),
        counts=counts,
        windows=len(windows),
        resumed=resumed,
        seconds=seconds,
        pixels_per_second=speed.pixels / seconds,
        warnings=tuple(warnings),
    )


def _check_numbers(**numbers: int | None) -> None:
    for name, number in numbers.items():
        if number is not None and not 1 <= number <= _MAX_WINDOW:
            raise UsageError(f"--{name} {number}: give a number from 1 to {_MAX_WINDOW}")


def _identity(task: WindowTask, window: int) -> dict[str, str]:
    return {
        "model": task.weights_sha256,
        "engine": engine_version(task.engine),
        "software": SOFTWARE,
        "window": str(window),
        "probability": str(task.probability),
        "payload": PAYLOAD,
        **identity_of(task.reader),
    }


def _computed(
    executor: Executor, limit: int, task: WindowTask, todo: list[tuple[int, Window]]
) -> Iterator[tuple[int, bytes]]:
    """Index and payload of every window, in the order they get done, at most `limit` in flight."""
    waiting = iter(todo)
    running: dict[Future[bytes], int] = {}

    def submit(count: int) -> None:
        for index, window in itertools.islice(waiting, count):
            running[executor.submit(run_window, task, window)] = index

    try:
        submit(limit)
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            submit(len(done))
            for future in done:
                yield running.pop(future), future.result()
    except CancelledError:
        raise UsageError("the Dask cluster is gone, or gave windows back undone: look at its logs") from None
    finally:
        for future in running:
            future.cancel()


class _Speed:
    """Pixels done, and what that says of the time left."""

    def __init__(self, total: int) -> None:
        self.pixels = 0
        self._total = total
        self._started = time.monotonic()

    def after(self, window: Window) -> str:
        self.pixels += window.height * window.width
        speed = self.pixels / max(time.monotonic() - self._started, 1e-9)
        minutes, seconds = divmod(round((self._total - self.pixels) / speed), 60)
        return f"{speed / 1e6:.2f} Mpixel/s, {minutes}:{seconds:02d} left"
