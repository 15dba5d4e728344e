"""A whole scene to a map: windows out to workers, one writer, and nothing lost when it is stopped."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geo_xmodal.class_shares import ClassShares
from geo_xmodal.mapping.layers import unpack_sums
from geo_xmodal.mapping.outputs import unfinished_map, write_map
from geo_xmodal.mapping.pools import computed, window_pool
from geo_xmodal.mapping.prepare import prepare_map
from geo_xmodal.mapping.speed import Speed
from geo_xmodal.raster import Assumption, WindowReader
from geo_xmodal.requests import MapOptions
from geo_xmodal.types import Progress


@dataclass(frozen=True)
class MapResult:
    """A finished map.

    Attributes:
        out: The class map; `<out>.aux.xml` and `<stem>.qml` beside it tell GDAL and QGIS what it shows.
        probability: The map of top-1 probability in percent, if asked for.
        entropy: The map of relative entropy in percent, if asked for.
        class_probabilities: The probability of each class in percent, one band each, if asked for.
        picture: The map as a PNG, if asked for.
        shape: Rows and columns.
        counts: Pixels of each class id; 0 is no data.
        windows: Windows in all.
        resumed: How many of them an earlier run had done.
        seconds: Wall-clock time of this run.
        pixels_per_second: Pixels that this run mapped, over that time.
        warnings: Lines that the user should see.
        assumptions: What was taken for granted about the input.
        shares: Class shares of its predictions; None where they are those that the model has learned.
    """

    out: Path
    probability: Path | None
    entropy: Path | None
    class_probabilities: Path | None
    picture: Path | None
    shape: tuple[int, int]
    counts: Mapping[int, int]
    windows: int
    resumed: int
    seconds: float
    pixels_per_second: float
    warnings: tuple[str, ...]
    assumptions: tuple[Assumption, ...]
    shares: ClassShares | None


def map_scene(
    bundle_folder: Path | str,
    reader: WindowReader,
    out: Path | str,
    options: MapOptions | None = None,
    *,
    mapped: str | None = None,
    progress: Progress | None = None,
    **given: Any,
) -> MapResult:
    """Map everything that a reader covers.

    The map is the same to the byte for any number of workers, and whether or not it was stopped and resumed;
    for another window size it is the same but for ties.

    Args:
        bundle_folder: A model, or a run folder that holds one.
        reader: The target sensor; its grid becomes the map's.
        out: The map, `.tif`. An older one stays until the new one is whole.
        options: How it is made. With more than one process on this machine, the calling script is imported
            anew, as Python's multiprocessing does: it needs its `if __name__ == "__main__"`. With less than
            float32 some labels differ. With `resume`, it goes on with what an earlier run left; without, that
            is cleared.
        mapped: What is mapped, by name, for the map's tags; None for the names of the input's files.
        progress: Told after each window.
        **given: Fields of `MapOptions` by name, over those of `options`.

    Raises:
        KeyboardInterrupt: If stopped; its text says how to go on.
        UsageError: If an option has no meaning.
        ClusterError: If no scheduler answers, it goes away, or its workers are not fit.
        BundleError: If the model cannot be loaded.
        ClassSharesError: If class shares cannot be estimated, or do not fit the model.
        ModelMismatchError: If it was made for other data.
        RasterError: If the input cannot be read.
        ResumeError: If what an earlier run left is of something else.
        OutputError: If the map cannot be written.
        MemoryShortageError: If there is too little memory for it.
    """
    bundle_folder, out = Path(bundle_folder), Path(out)
    started = time.monotonic()
    options = MapOptions.of(options, given)
    prepared = prepare_map(bundle_folder, reader, out, options, mapped=mapped)
    files, task, windows = prepared.files, prepared.task, prepared.windows
    with unfinished_map(files, prepared.identity, len(windows), options.resume, prepared.begun) as journal:
        resumed = len(journal.finished)
        todo = [(index, part) for index, part in enumerate(windows) if index not in journal.finished]
        speed = Speed(sum(part.height * part.width for _, part in todo))
        if todo:
            with window_pool(task, options.workers, options.scheduler, prepared.threads) as pool:
                for index, payload in computed(pool, todo):
                    journal.append(index, payload)
                    message = speed.after(windows[index], unpack_sums(task.layers, payload))
                    if progress is not None:
                        progress(len(journal.finished), len(windows), message)
        counts = write_map(
            files,
            journal,
            windows,
            prepared.grid,
            prepared.card,
            prepared.mapped,
            prepared.assumptions,
            task.shares,
        )
    seconds = time.monotonic() - started
    return MapResult(
        out=files.out,
        probability=files.rasters.get("probability"),
        entropy=files.rasters.get("entropy"),
        class_probabilities=files.rasters.get("class_probabilities"),
        picture=files.picture,
        shape=(prepared.grid.shape[0], prepared.grid.shape[1]),
        counts=counts,
        windows=len(windows),
        resumed=resumed,
        seconds=seconds,
        pixels_per_second=speed.pixels / seconds,
        warnings=prepared.warnings,
        assumptions=prepared.assumptions,
        shares=task.shares,
    )
