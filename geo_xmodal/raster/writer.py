"""New GeoTIFFs that are read back before they count as written.

GDAL does not report every block that a full disk lost: some errors come when a file is closed, some not at
all, and what is left may open, and read as zeros.
"""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import Window as FileWindow

_Piece = tuple[list[int], FileWindow | None, int]
"""Bands, window and checksum of what was written at once."""


@dataclass(frozen=True)
class RasterWriter:
    """A GeoTIFF that is open for writing; it remembers the checksum of what it was given.

    Attributes:
        dataset: For descriptions, tags and colours; pixels go through `write`.
        threads: That read back what was written.
    """

    dataset: rasterio.io.DatasetWriter
    threads: int = 1
    _written: list[_Piece] = field(default_factory=list)

    def write(
        self,
        values: npt.NDArray[Any],
        indexes: int | Sequence[int] | None = None,
        window: FileWindow | None = None,
    ) -> None:
        """Write pixels (band, row, col), or (row, col) of one band; each pixel once.

        Args:
            values: In the file's dtype.
            indexes: 1-based bands; all of them if None.
            window: Where; everywhere if None.

        Raises:
            ValueError: Of another dtype: a conversion by GDAL could not be compared.
        """
        if values.dtype != self.dataset.dtypes[0]:
            raise ValueError(f"values are {values.dtype}, the file holds {self.dataset.dtypes[0]}")
        self.dataset.write(values, indexes, window=window)
        bands = [indexes] if isinstance(indexes, int) else list(indexes or self.dataset.indexes)
        self._written.append((bands, window, _checksum(values)))

    def lost(self, path: Path | str) -> bool:
        """Whether the closed file at `path` lacks something that was written."""
        with ThreadPoolExecutor(self.threads) as pool:
            parts = [self._written[first :: self.threads] for first in range(self.threads)]
            return any(list(pool.map(partial(_differ, path), parts)))


def _differ(path: Path | str, written: Sequence[_Piece]) -> bool:
    """Whether any piece of a closed file is not what was written."""
    try:
        with rasterio.open(path, driver="GTiff") as dataset:
            return any(
                _checksum(dataset.read(bands, window=window)) != checksum
                for bands, window, checksum in written
            )
    except RasterioError:
        return True


def _checksum(values: npt.NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(values).data)


@contextmanager
def create_raster(path: Path | str, *, threads: int = 1, **profile: Any) -> Iterator[RasterWriter]:
    """A new GeoTIFF, open for writing as long as the `with` block runs, then read back.

    Args:
        path: Nobody else looks at it yet.
        threads: That compress blocks and read them back.
        profile: As for `rasterio.open`.

    Raises:
        RasterioError: GDAL cannot write it.
        OSError: It does not hold what was written; `geo_xmodal.outputs.output_errors` says why.
    """
    with rasterio.open(path, "w", driver="GTiff", num_threads=threads, **profile) as dataset:
        writer = RasterWriter(dataset, threads)
        yield writer
    if writer.lost(path):
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
