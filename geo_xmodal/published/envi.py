"""ENVI rasters: raw pixels with a header in text beside them.

GDAL needs to see the header, and would look at other neighbours too: the two are opened in a folder of their
own, a link to the pixels and a copy of the header. The pixels of a file that is too short would be made up as
zeros, so its size is checked.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import RasterioError

from geo_xmodal.errors import RasterError
from geo_xmodal.small_files import real_path

_GUARD = {"GDAL_PAM_ENABLED": "NO", "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none", "GDAL_HTTP_TIMEOUT": "5"}

_MAX_HEADER = 2**20
_MAX_BANDS = 4096


@contextmanager
def open_envi(data: Path, header: Path) -> Iterator[Any]:
    """Open an ENVI raster for reading (a rasterio reader).

    Raises:
        RasterError: The header is none, or says that the pixels are compressed; there are fewer pixels than
            it says; or reading fails inside the `with` block.
    """
    text = _checked_header(header)
    try:
        with tempfile.TemporaryDirectory(prefix="envi.") as private:
            pixels = Path(private) / "image.dat"
            pixels.symlink_to(real_path(data))
            pixels.with_suffix(".hdr").write_bytes(_in_utf8(text))
            with rasterio.Env(**_GUARD), rasterio.open(pixels, driver="ENVI") as dataset:
                _check(dataset, data, text)
                yield dataset
    except RasterioError as error:
        raise RasterError(f"{data}: cannot be read as ENVI with {header.name}: {error}") from error


def _checked_header(header: Path) -> bytes:
    try:
        with header.open("rb") as file:
            text = file.read(_MAX_HEADER + 1)
    except OSError as error:
        raise RasterError(f"{header}: cannot be opened: {error.strerror}") from None
    if not text.lstrip().startswith(b"ENVI") or len(text) > _MAX_HEADER:
        raise RasterError(f"{header}: not an ENVI header, which starts with ENVI and is a short text")
    if _number(text, b"file compression"):
        raise RasterError(f"{header}: compressed pixels; save the file again without compression")
    return text


def _in_utf8(header: bytes) -> bytes:
    """Descriptions in headers are often in the letters of Windows, which GDAL would hand on as they are."""
    try:
        header.decode("utf-8")
    except UnicodeDecodeError:
        return header.decode("latin-1").encode("utf-8")
    return header


def _check(dataset: Any, data: Path, header: bytes) -> None:
    if not 0 < dataset.count <= _MAX_BANDS:
        raise RasterError(f"{data}: {dataset.count} bands, expected 1 to {_MAX_BANDS}")
    size = math.prod((dataset.count, dataset.height, dataset.width)) * np.dtype(dataset.dtypes[0]).itemsize
    needed, stored = size + _number(header, b"header offset"), data.stat().st_size
    if stored < needed:
        raise RasterError(
            f"{data}: truncated: its header promises {needed} bytes, the file has {stored}; fetch it again"
        )


def _number(header: bytes, key: bytes) -> int:
    found = re.search(rb"^[^\S\n]*" + key.replace(b" ", rb"\s+") + rb"\s*=\s*(\d{1,18})", header, re.M | re.I)
    return int(found[1]) if found else 0
