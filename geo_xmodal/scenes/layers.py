"""Rasters of a scene folder, written tile by tile and read back before they count as written."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox

from geo_xmodal.errors import AlignmentError
from geo_xmodal.memory import usable_processors
from geo_xmodal.raster import (
    Adaptation,
    WindowReader,
    covered_window,
    create_raster,
    extent_text,
    file_window,
    kept_open,
    tags_of,
)
from geo_xmodal.types import ClassArray, FloatArray, Progress, Window, windows_over

TILE = 256
"""Side of the tiles that are read, warped and written at once; that of the reader's own blocks."""

_TILES_BYTES = 2**29
"""Of the tiles that are read before they can be written."""

_POLL = 0.2
"""Seconds after which a thread that waits looks whether anybody still wants its tiles."""


@dataclass(frozen=True)
class Layer:
    """A raster to be written: where its values come from, and the window of the grid that it covers.

    `tags` is asked when all of it is read. `read` may be asked in several `threads` at once, and for
    windows of `side` pixels.
    """

    file: str
    origin: str
    read: Callable[[Window], FloatArray | ClassArray]
    window: Window
    dtype: str
    nodata: float
    band_names: tuple[str, ...]
    band_tags: tuple[Mapping[str, str], ...]
    colors: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    tags: Callable[[], Mapping[str, str]] = dict
    threads: int = 1
    side: int = TILE


def sensor_layer(file: str, reader: WindowReader) -> Layer:
    """The values of a sensor on its reader's grid, float32 with NaN for no data."""
    tags = tuple(
        {}
        if band.wavelength is None
        else {"wavelength": f"{band.wavelength:g}", "wavelength_units": "Nanometers"}
        for band in reader.bands
    )
    return Layer(
        file,
        reader.name,
        reader.read,
        _snapped(covered_window(reader), reader.grid),
        "float32",
        math.nan,
        reader.band_names,
        tags,
        tags=lambda: tags_of(reader.product),
        threads=_threads(len(reader.bands)),
    )


def _threads(bands: int) -> int:
    """As many as there are cores, and tiles of so many bands in memory: each holds two, the writer one."""
    return max(1, min(usable_processors(), _TILES_BYTES // (2 * 4 * bands * TILE**2)))


def _snapped(covered: Window, grid: GeoBox) -> Window:
    """Grown to whole tiles of the grid, so that a tile is read, warped and written once."""
    row, col = covered.row // TILE * TILE, covered.col // TILE * TILE
    end_row = min(-(-(covered.row + covered.height) // TILE) * TILE, grid.shape[0])
    end_col = min(-(-(covered.col + covered.width) // TILE) * TILE, grid.shape[1])
    return Window(row, col, end_row - row, end_col - col)


def write_layers(
    layers: Sequence[Layer], folder: Path, grid: GeoBox, progress: Progress | None = None
) -> None:
    """Write rasters on the pixels of `grid` that they cover.

    Args:
        layers: What is written.
        folder: Where to.
        grid: Of the scene.
        progress: Told after every tile.

    Raises:
        AlignmentError: One holds no data on the grid.
        RasterioError, OSError: It cannot be written.
    """
    total = sum(len(_tiles(layer.window, layer.side)) for layer in layers)
    done = 0
    for layer in layers:
        holds_data = False
        with (
            create_raster(folder / layer.file, threads=layer.threads, **_profile(layer, grid)) as writer,
            _read_ahead(layer) as tiles,
        ):
            _describe(writer.dataset, layer)
            for tile, values in tiles:
                holds_data |= bool((values != layer.nodata).any() and np.isfinite(values).any())
                row, col = tile.row - layer.window.row, tile.col - layer.window.col
                writer.write(values, window=file_window(Window(row, col, tile.height, tile.width)))
                done += 1
                if progress is not None:
                    progress(done, total, f"aligning {Path(layer.origin).name}")
            writer.dataset.update_tags(**layer.tags())
        if not holds_data:
            raise _without_data(layer.origin, grid)


@contextmanager
def _read_ahead(layer: Layer) -> Iterator[Iterator[tuple[Window, FloatArray | ClassArray]]]:
    """The tiles of a layer in their order, read in its threads; no thread is left when the block ends."""
    tiles = _tiles(layer.window, layer.side)
    if layer.threads == 1:
        with kept_open():
            yield ((tile, layer.read(tile)) for tile in tiles)
        return
    count = min(layer.threads, len(tiles))
    ready: list[Queue[FloatArray | ClassArray]] = [Queue(1) for _ in range(count)]
    ended = Event()

    def work(number: int) -> None:
        with kept_open():
            for tile in tiles[number::count]:
                if ended.is_set():
                    return
                values = layer.read(tile)
                while not ended.is_set():
                    with suppress(Full):
                        ready[number].put(values, timeout=_POLL)
                        break

    with ThreadPoolExecutor(count, thread_name_prefix="align") as pool:
        workers = [pool.submit(work, number) for number in range(count)]
        try:
            yield (
                (tile, _next(ready[place % count], workers[place % count]))
                for place, tile in enumerate(tiles)
            )
        finally:
            ended.set()


def _next(ready: Queue[FloatArray | ClassArray], worker: Future[None]) -> FloatArray | ClassArray:
    while True:
        with suppress(Empty):
            return ready.get(timeout=_POLL)
        if worker.done() and ready.empty():
            worker.result()  # says why nothing comes


def check_data(reader: WindowReader) -> None:
    """See that a sensor has a value somewhere on its reader's grid: one band is read until one is found.

    Raises:
        AlignmentError: It has none.
        RasterError: It cannot be read.
    """
    covered = _snapped(covered_window(reader), reader.grid)
    tiles = _tiles(covered, TILE)
    middle = len(tiles) // 2
    with kept_open():
        for band in range(len(reader.bands)):
            one = reader.adapted(Adaptation(bands=(band,)))
            if any(one.valid(tile).any() for tile in (*tiles[middle:], *tiles[:middle])):
                return
    raise _without_data(reader.name, reader.grid)


def _without_data(name: str, grid: GeoBox) -> AlignmentError:
    return AlignmentError(f"{name}: holds no data on the reference grid ({extent_text(grid)})")


def _tiles(window: Window, side: int) -> list[Window]:
    """A window cut in tiles, in positions of the grid."""
    return [
        Window(window.row + tile.row, window.col + tile.col, tile.height, tile.width)
        for tile in windows_over(window.height, window.width, side)
    ]


def _profile(layer: Layer, grid: GeoBox) -> dict[str, object]:
    floats = layer.dtype == "float32"
    return {
        "height": layer.window.height,
        "width": layer.window.width,
        "count": len(layer.band_names),
        "dtype": layer.dtype,
        "nodata": layer.nodata,
        "crs": None if grid.crs is None else grid.crs.to_wkt(),
        "transform": grid.translate_pix(layer.window.col, layer.window.row).affine,
        "tiled": True,
        "blockxsize": TILE,
        "blockysize": TILE,
        "interleave": "band",
        "compress": "deflate",
        "zlevel": 1 if floats else 6,  # noise does not get smaller by trying longer
        "predictor": 3 if floats else 1,
        "bigtiff": "if_safer",
    }


def _describe(dataset: rasterio.io.DatasetWriter, layer: Layer) -> None:
    for band, (name, tags) in enumerate(zip(layer.band_names, layer.band_tags, strict=True), 1):
        dataset.set_band_description(band, name)
        dataset.update_tags(band, **tags)
    if layer.colors:
        dataset.write_colormap(1, layer.colors)
