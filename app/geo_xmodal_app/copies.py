"""Rasters as a browser can read them by range: tiled, with overviews, each band apart.

A file that is so already is used as it is. Any other is copied once, window by window, into the session's
folder; that happens in a thread of its own, as a large file takes minutes and GDAL holds no lock meanwhile.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import product
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import rasterio
import rasterio.windows
from odc.geo.geobox import GeoBox
from rasterio._err import CPLE_BaseError  # what GDAL says past rasterio's own errors
from rasterio.enums import Interleaving, MaskFlags, Resampling
from rasterio.errors import RasterioError

import geo_xmodal as gx
from geo_xmodal.outputs import new_file
from geo_xmodal.small_files import real_path
from geo_xmodal.types import Window, windows_over
from geo_xmodal_app.sessions import session_folder

BLOCK = 256
_FEW_PIXELS = 1024
"""Side up to which a raster needs no overview."""

_MAX_BLOCK, _MIN_ROWS = 1024, 64
"""Rows and columns of a tile or strip that one request is worth."""
_WINDOW_BYTES = 1 << 25
_PIXEL_BANDS = 4
"""Bands up to which it does not matter that a tile holds them all."""

_DTYPES = frozenset(["uint8", "int8", "uint16", "int16", "float32"])
"""What a browser draws without loss."""

_COMPRESSIONS = frozenset([None, "deflate", "adobe_deflate", "lzw", "packbits"])

_WRITING = (RasterioError, CPLE_BaseError)
"""What GDAL says of a file that cannot be written."""

Tell = Callable[[float], None]


class Writer(Protocol):
    """Makes a file."""

    def __call__(self, *, out: Path, tell: Tell) -> None:
        """Write `out`, telling the share that is done; 1.0 when it is there."""


def is_readable_by_range(path: Path) -> bool:
    """Whether a browser can draw the raster from few, small requests.

    Raises:
        RasterError: It cannot be opened.
    """
    with gx.open_raster(path) as dataset:
        rows, cols = dataset.block_shapes[0]
        side = max(dataset.shape)
        smallest = side / max([1, *dataset.overviews(1)])
        compression = dataset.compression.value.lower() if dataset.compression else None
        return (
            max(rows, cols) <= _MAX_BLOCK
            and rows >= min(_MIN_ROWS, dataset.height)
            and smallest <= _FEW_PIXELS
            and (dataset.interleaving == Interleaving.band or dataset.count <= _PIXEL_BANDS)
            and set(dataset.dtypes) <= _DTYPES
            and compression in _COMPRESSIONS
            and MaskFlags.per_dataset not in dataset.mask_flag_enums[0]
        )


def write_copy(path: Path, *, out: Path, tell: Tell, classes: bool = False) -> None:
    """Write a copy that a browser can read by range; memory is bounded by a window.

    Values stay what they are: in the file's own type where a browser knows it, else as float32 with NaN for
    no data.

    Args:
        path: The raster.
        out: The copy.
        tell: Told the share that is done.
        classes: Values are class ids, so that overviews never hold a mean.

    Raises:
        RasterError: The raster cannot be read.
        OutputError: The copy cannot be written.
    """
    reader = gx.aligned_reader(path)
    with gx.open_raster(path) as dataset:
        unmasked = MaskFlags.per_dataset not in dataset.mask_flag_enums[0]
        own = set(dataset.dtypes) <= _DTYPES and unmasked and not any(band.tagged for band in reader.bands)
        if own:
            bands, dtype = tuple(range(1, dataset.count + 1)), np.dtype(dataset.dtypes[0])
            profile = _profile(reader.grid, dtype.name, dataset.count, dataset.nodata)
            _write(lambda window: gx.read_window(dataset, bands, _place(window)), profile, out, tell, classes)
    if not own:
        write_values(reader, out=out, tell=tell, classes=classes)


def write_values(reader: gx.WindowReader, *, out: Path, tell: Tell, classes: bool = False) -> None:
    """As `write_copy`, of a sensor's values on its reader's grid: float32 with NaN for no data."""
    _write(reader.read, _profile(reader.grid, "float32", len(reader.bands), math.nan), out, tell, classes)


def _write(
    read: Callable[[Window], np.ndarray], profile: dict[str, Any], out: Path, tell: Tell, classes: bool
) -> None:
    pixel_bytes = profile["count"] * np.dtype(profile["dtype"]).itemsize
    side = BLOCK * max(1, int(math.sqrt(_WINDOW_BYTES / pixel_bytes) / BLOCK))
    windows = list(windows_over(profile["height"], profile["width"], side))
    with new_file(out, *_WRITING) as beside:
        with gx.create_raster(beside, **profile) as copy:
            for done, window in enumerate(windows, 1):
                copy.write(read(window), window=_place(window))
                tell(0.7 * done / len(windows))
        _add_overviews(beside, classes)
    tell(1.0)


def _place(window: Window) -> rasterio.windows.Window:
    return rasterio.windows.Window(window.col, window.row, window.width, window.height)


def _profile(grid: GeoBox, dtype: str, bands: int, nodata: float | None) -> dict[str, Any]:
    return {
        "height": grid.shape[0],
        "width": grid.shape[1],
        "count": bands,
        "dtype": dtype,
        "nodata": nodata,
        "crs": None if grid.crs is None else grid.crs.to_wkt(),
        "transform": grid.affine,
        "predictor": 3 if dtype == "float32" else 2,
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "interleave": "band",
        "compress": "deflate",
        "zlevel": 1,
        "bigtiff": "if_safer",
    }


def _add_overviews(path: Path, classes: bool) -> None:
    with (
        rasterio.Env(GDAL_TIFF_OVR_BLOCKSIZE=BLOCK, COMPRESS_OVERVIEW="DEFLATE", BIGTIFF_OVERVIEW="IF_SAFER"),
        rasterio.open(path, "r+", driver="GTiff") as copy,
    ):
        side, factors = max(copy.shape), [2]
        while side / factors[-1] > _FEW_PIXELS / 2:
            factors.append(factors[-1] * 2)
        if side <= _FEW_PIXELS / 2:
            return
        copy.build_overviews(factors, Resampling.nearest if classes else Resampling.average)
    if _lacks_overviews(path, factors):
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))


def _lacks_overviews(path: Path, factors: Sequence[int]) -> bool:
    """Whether some block of the overviews is not in a closed file: a full disk loses them without a word."""
    with rasterio.open(path, driver="GTiff") as copy:
        if copy.overviews(1) != list(factors):
            return True
        for level, factor in enumerate(factors):
            down, across = (math.ceil(math.ceil(side / factor) / BLOCK) for side in copy.shape)
            for band, row, col in product(copy.indexes, range(down), range(across)):
                if copy.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=band, ovr=level) is None:
                    return True
    try:
        for level in range(len(factors)):
            with rasterio.open(path, driver="GTiff", overview_level=level) as overview:
                for _, window in overview.block_windows(1):
                    overview.read(window=window)
    except RasterioError:
        return True
    return False


@dataclass
class Copying:
    """A copy that is being made, or was."""

    out: Path
    share: float = 0.0
    future: Future[None] | None = field(default=None, repr=False)

    @property
    def ready(self) -> bool:
        """Whether the copy can be read."""
        return self.out.is_file()

    @property
    def problem(self) -> str | None:
        """Why there is none and will be none."""
        if self.future is None or not self.future.done():
            return None
        error = self.future.exception()
        return None if error is None else str(error)


def prepared(session: str, path: Path, *, classes: bool = False) -> Copying:
    """What to show of a raster: the file itself, or its copy, which is begun if it is not there.

    Raises:
        RasterError: It cannot be opened.
    """
    if is_readable_by_range(path):
        return Copying(path, 1.0)
    return made_once(session, f"{_mark(path)}|{classes}", partial(write_copy, path, classes=classes))


def prepared_values(session: str, reader: gx.WindowReader) -> Copying:
    """A sensor's values on its reader's grid; float32.

    Raises:
        RasterError: A file cannot be read.
    """
    return made_once(session, f"values|{sorted(reader.identity().items())}", partial(write_values, reader))


def prepared_labels(session: str, scene: gx.Scene, split: Literal["train", "test"]) -> Copying:
    """Class ids of the labels of a split on the scene's grid, whatever file they come from."""
    source = scene.label_source("all") if scene.config.split is not None else scene.label_source(split)
    stated = scene.config.model_dump_json(include={"classes", "labels", "split"})
    mark = f"{_mark(scene.folder / source.file)}|{stated}|{split}"
    return made_once(session, mark, partial(_write_labels, scene, split))


def made_once(session: str, mark: str, write: Writer) -> Copying:
    """The file that `write` makes, begun if it is not there.

    Args:
        session: Whose folder it lies in.
        mark: Everything that its content depends on.
        write: Called with `out` and `tell`, in another thread.
    """
    name = hashlib.sha256(mark.encode()).hexdigest()[:24]
    out = session_folder(session, "view", name) / "raster.tif"
    known = _copies()
    if out.is_file():
        return Copying(out, 1.0)
    if out not in known or known[out].share == 1.0:  # it was removed since
        known[out] = begun = Copying(out)

        def tell(share: float) -> None:
            begun.share = share

        begun.future = _pool().submit(write, out=out, tell=tell)
    return known[out]


def _mark(path: Path) -> str:
    stat = path.stat()
    return f"{real_path(path)}|{stat.st_size}|{stat.st_mtime_ns}"


def _write_labels(scene: gx.Scene, split: Literal["train", "test"], out: Path, tell: Tell) -> None:
    windows = list(windows_over(scene.grid.shape[0], scene.grid.shape[1], 4 * BLOCK))
    profile = _profile(scene.grid, "uint8", 1, 0)
    with new_file(out, *_WRITING) as beside:
        with gx.create_raster(beside, **profile) as copy:
            for done, window in enumerate(windows, 1):
                copy.write(scene.read_labels(split, window), 1, window=_place(window))
                tell(0.9 * done / len(windows))
        _add_overviews(beside, classes=True)
    tell(1.0)


@lru_cache(maxsize=1)
def _copies() -> dict[Path, Copying]:
    return {}


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="copies")


def small_pixels(path: Path, bands: tuple[int, ...], side: int = 512) -> Any:
    """Bands (band, row, col) of a prepared raster in little, float32, NaN where there is no data.

    Raises:
        RasterError: It cannot be read.
    """
    with gx.open_raster(path) as dataset:
        scale = max(1.0, max(dataset.shape) / side)
        shape = (len(bands), round(dataset.height / scale) or 1, round(dataset.width / scale) or 1)
        values = dataset.read(bands, out_shape=shape, masked=True).astype(np.float32).filled(np.nan)
    values[~np.isfinite(values)] = np.nan
    return values
