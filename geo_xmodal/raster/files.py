"""The one door for rasters: a file that a person hands over is opened here and nowhere else.

GDAL chooses a driver from a file's content and follows what it names: a VRT saved as `.tif` reads any file
of the machine, sidecars (`.ovr`, `.msk`, `.aux.xml`) lead elsewhere, a small sparse file decodes to more
than the machine holds. So: the magic bytes are checked before GDAL sees the file, one driver is allowed, no
neighbour is looked at, and sizes are checked before anything is decoded
(https://gdal.org/en/stable/user/security.html).
"""

from __future__ import annotations

import codecs
import hashlib
import math
import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyproj.exceptions
import rasterio
import rasterio.windows
import shapely
from odc.geo.geobox import GeoBox
from rasterio._err import CPLE_BaseError  # what GDAL says past rasterio's own errors
from rasterio.enums import ColorInterp, Interleaving
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from geo_xmodal.errors import RasterError
from geo_xmodal.kinds import Kind, guess_kind
from geo_xmodal.outputs import unfinished
from geo_xmodal.raster.grid import grid_of
from geo_xmodal.raster.ground import MAX_PLACE, MIN_PIXEL
from geo_xmodal.small_files import real_path
from geo_xmodal.types import Window
from geo_xmodal.wording import size_words

# A scene without CRS is legal here, and `warnings.catch_warnings` is not safe with threads.
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)

GEOTIFF = "GeoTIFF"

_FORMATS: Mapping[str, tuple[str, tuple[bytes, ...]]] = {
    GEOTIFF: ("GTiff", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    "JPEG 2000": ("JP2OpenJPEG", (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")),
    "PNG": ("PNG", (b"\x89PNG\r\n\x1a\n",)),
    "JPEG": ("JPEG", (b"\xff\xd8\xff",)),
}
"""What a file may be, by name: the one driver that opens it, and how its first bytes begin."""

GEOTIFF_ONLY = frozenset([GEOTIFF])
"""Where places count, and windows of large files."""

CHIP_FORMATS = frozenset(_FORMATS)
"""Where files are small: GDAL decodes all of a PNG, a JPEG and many a JPEG 2000 to read a pixel of it."""

_MAGIC_BYTES = 16

_PNG_END, _PNG_TAIL = b"IEND\xaeB`\x82", 1 << 12
"""The last chunk of a PNG, and the bytes at the end of a file in which it is looked for."""

_OTHER_FORMATS = (
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a PNG"),
    (b"\xff\xd8\xff", "a JPEG"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000"),
    (b"PK", "a zip"),
    (b"\x1f\x8b", "a gzip"),
    (b"\x89HDF", "an HDF5 or NetCDF file"),
    (b"CDF", "a NetCDF file"),
    (b"SQLite format 3", "an SQLite or GeoPackage file"),
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
)
"""First bytes of what people take for a GeoTIFF."""

_GUARD = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "GDAL_HTTP_TIMEOUT": "5",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "YES",  # a truncated JPEG ends in grey otherwise
}

_JPEG2000_PLACE = {"GDAL_GEOREF_SOURCES": "PAM,INTERNAL"}
"""Without PAM among them (which is off all the same) a JPEG 2000 that has no place gets a random one."""

_DTYPES = frozenset(
    ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]
)

_COLOR_SPACES = frozenset(["CMYK", "CIELAB"])
"""Colours that GDAL computes others from; those of photos (YCbCr) are stored for red, green and blue."""

_OFFLINE = {
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "GDAL_HTTP_TIMEOUT": "5",
    "GDAL_HTTP_MAX_RETRY": "0",
    "PROJ_NETWORK": "OFF",
}
"""For every GDAL and PROJ of this process and those it starts: no file causes a request, whoever opens it."""

for _name, _value in _OFFLINE.items():
    os.environ.setdefault(_name, _value)  # who sets one of them otherwise means it

_FAULTS = (
    RasterioError,
    CPLE_BaseError,
    pyproj.exceptions.ProjError,
    shapely.errors.GEOSException,
    UnicodeDecodeError,
)
"""What libraries say of a damaged raster, its CRS or its corners."""

_MAX_NOTES = 1 << 20
_STATISTICS = frozenset(
    b"PAMDataset PAMRasterBand Metadata MDI Histograms HistItem HistMin HistMax BucketCount".split()
    + b"IncludeOutOfRange Approximate HistCounts".split()
)
"""Elements of the notes of GDAL that hold statistics and histograms alone."""

_PLACES_BESIDE = (".tfw", ".TFW", ".tifw", ".wld", ".RPB", "_RPC.TXT", "_rpc.txt")
"""Endings of world files and of files of rational polynomials."""

_BLOCKS_CHECKED = 64

_HEADER_BYTES, _PIECE_BYTES, _PIECES = 1 << 16, 1 << 12, 64
"""What of a file tells it from another: its header, and this many pieces spread over the rest."""

_MAX_KEPT = 32
"""Rasters that a thread keeps open at once."""

_CACHE_BYTES = 32 << 20
"""Of decoded blocks, meanwhile: GDAL's own choice is a share of the machine's memory."""

_MICROMETRES_BELOW = 100.0
"""Without a unit, a smaller wavelength (0.4 to 15) is in micrometres, a larger one in nanometres."""


@dataclass(frozen=True)
class RasterLimits:
    """What a raster may claim before it is refused; real mosaics of tens of gigabytes pass.

    Attributes:
        side: Rows or columns.
        bands: Bands.
        block_bytes: Decoded size of one tile or strip, which has to be held whole to read a pixel of it.
        block_ratio: That to the stored bytes of the whole file, for blocks of more than `free_block_bytes`.
        free_block_bytes: Decoded size of a block up to which its ratio does not matter.
        ratio: Decoded to stored bytes, for files that decode to more than `free_bytes`.
        free_bytes: Decoded size up to which the ratio does not matter.
    """

    side: int = 2**22
    bands: int = 4096
    block_bytes: int = 2**29
    block_ratio: float = 256.0
    free_block_bytes: int = 2**27
    ratio: float = 20_000.0
    free_bytes: int = 32 * 2**30


DEFAULT_LIMITS = RasterLimits()


@dataclass(frozen=True)
class RasterInfo:
    """What a raster is.

    Attributes:
        crs: `EPSG:n` where there is such a code, else WKT; None without CRS.
        band_names: Descriptions in the file, `band 1` and so on where there is none.
        wavelengths: Centre of each band in nanometres, or None where the file does not say.
        block: Rows and columns of a tile or strip.
        bytes: Size of the file.
        control_points: Number of ground control points.
        control_points_crs: Their CRS, as `crs`.
        rpc: Whether it has rational polynomial coefficients.
        alpha: Band (from 1) that is marked as alpha, if one is; whether it is one, a reader decides.
    """

    path: Path
    width: int
    height: int
    count: int
    dtype: str
    crs: str | None
    grid: GeoBox
    nodata: float | None
    band_names: tuple[str, ...]
    wavelengths: tuple[float, ...] | None
    block: tuple[int, int]
    compression: str | None
    bytes: int
    control_points: int = 0
    control_points_crs: str | None = None
    rpc: bool = False
    alpha: int | None = None

    def likely_kind(self, *names: str) -> Kind | None:
        """What it measures, as names of it tell, then that of the file, then those of its bands."""
        texts = (*names, self.path.stem, " ".join(self.band_names))
        return next((kind for kind in map(guess_kind, texts) if kind is not None), None)


@contextmanager
def open_raster(
    path: Path | str,
    *,
    root: Path | str | None = None,
    limits: RasterLimits = DEFAULT_LIMITS,
    formats: frozenset[str] = GEOTIFF_ONLY,
) -> Iterator[rasterio.DatasetReader]:
    """Open a raster for reading, whatever the file turns out to be.

    Args:
        path: A file on this machine; no GDAL prefix, address or document is taken.
        root: Folder that the file must lie in, symbolic links followed.
        limits: Sizes above which the file is refused.
        formats: What it may be, by its first bytes: `GEOTIFF_ONLY` or `CHIP_FORMATS`.

    Yields:
        The open dataset. It belongs to this thread and is closed at the end of the `with` block.

    Raises:
        RasterError: The file is missing, of none of the formats, truncated, too large, outside `root`, or
            fails to be read inside the `with` block.
    """
    file, format_ = _checked_path(path, None if root is None else Path(root), formats)
    found = file.stat()
    if format_ == "JPEG 2000":
        _check_codestream(file, found.st_size)
    key = (file, found.st_size, found.st_mtime_ns, found.st_ino)
    known = _kept.datasets
    usual = format_ == GEOTIFF and limits is DEFAULT_LIMITS
    if known is None or not usual or (key not in known and len(known) >= _MAX_KEPT):
        with opened_raster(str(file), str(file), found.st_size, limits=limits, format_=format_) as dataset:
            if format_ == GEOTIFF:
                _check_complete(dataset, file, found.st_size)
            elif format_ == "PNG":
                _check_end(file, found.st_size)
            yield dataset
        return
    with _guarded(str(file)):
        if key not in known:
            with ExitStack() as unsound:
                dataset = unsound.enter_context(rasterio.open(file, driver="GTiff"))
                _check(dataset, str(file), str(file), found.st_size, limits)
                _check_complete(dataset, file, found.st_size)
                unsound.pop_all()
            known[key] = dataset
        yield known[key]


def _check_codestream(file: Path, size: int) -> None:
    """See that the parts of a JPEG 2000 lie one behind the other up to its end mark.

    Of some files whose parts do not, GDAL and OpenJPEG never make an end. Headers alone are read.
    """
    with file.open("rb") as stream:

        def number(place: int, length: int) -> int:
            stream.seek(place)
            return int.from_bytes(stream.read(length), "big")

        place, end = _codestream(number, size)
        place += 2
        while 0xFF00 < (mark := number(place, 2)) not in (_PART, _END):
            place += 2 + number(place + 2, 2)
        while mark == _PART:
            length = number(place + 6, 4)  # 0: the last part, up to the end
            place = place + max(length, _MIN_PART) if length else max(place + _MIN_PART, end - 2)
            mark = number(place, 2)
    if mark != _END or size > _MAX_JPEG2000:
        raise RasterError(
            f"{file}: the parts of this JPEG 2000 of {size_words(size)} do not reach to its end, or it has "
            f"more than {size_words(_MAX_JPEG2000)}: copy it again, or convert it to GeoTIFF"
        )


def _codestream(number: Callable[[int, int], int], size: int) -> tuple[int, int]:
    """Where a JPEG 2000 has its codestream, from and to; the end of the file where it has none."""
    place = 0
    while place + 8 <= size and number(place, 4) != _CODESTREAM:
        length, kind = number(place, 4), number(place + 4, 4).to_bytes(4, "big")
        head = 16 if length == 1 else 8
        whole = number(place + 8, 8) if length == 1 else length
        if kind == b"jp2c":
            return place + head, place + whole if whole else size
        if whole < head:  # of boxes, only the codestream may lack a length
            return size, size
        place += head if kind in _BOXES_OF_BOXES else whole
    return min(place, size), size


_BOXES_OF_BOXES = (b"jp2h", b"asoc", b"res ", b"uinf")
_CODESTREAM, _PART, _END = 0xFF4FFF51, 0xFF90, 0xFFD9
_MIN_PART = 14
_MAX_JPEG2000 = 1 << 30
"""Bytes of a JPEG 2000; those of chips have a few million."""


class _Kept(threading.local):
    datasets: dict[tuple[Path, int, int, int], rasterio.DatasetReader] | None = None


_kept = _Kept()
"""Rasters that stay open in a thread, by path, size, time and inode."""


@contextmanager
def kept_open() -> Iterator[None]:
    """Rasters that this thread opens in the `with` block stay open to its end, and keep decoded blocks.

    Windows that are read one after another meet the same blocks of a file.
    """
    if _kept.datasets is not None:
        yield
        return
    _kept.datasets = {}
    try:
        with rasterio.Env(GDAL_CACHEMAX=_CACHE_BYTES):
            yield
    finally:
        datasets, _kept.datasets = _kept.datasets, None
        for dataset in datasets.values():
            dataset.close()


@contextmanager
def opened_raster(
    source: str,
    name: str,
    stored: int,
    *,
    limits: RasterLimits = DEFAULT_LIMITS,
    config: Mapping[str, str] = MappingProxyType({}),
    format_: str = GEOTIFF,
) -> Iterator[rasterio.DatasetReader]:
    """Open what a door has let through: `open_raster`, or `geo_xmodal.raster.remote` for addresses.

    Args:
        source: What GDAL is given.
        name: What messages call it.
        stored: Its size in bytes.
        limits: Sizes above which it is refused.
        config: GDAL's settings besides, or in place of, those of the guard.
        format_: What its first bytes say that it is.
    """
    driver, _ = _FORMATS[format_]
    place = _JPEG2000_PLACE if driver == "JP2OpenJPEG" else {}
    with _guarded(name, {**place, **config}, format_), rasterio.open(source, driver=driver) as dataset:
        _check(dataset, source, name, stored, limits)
        yield dataset


@contextmanager
def _guarded(
    name: str, config: Mapping[str, str] = MappingProxyType({}), format_: str = GEOTIFF
) -> Iterator[None]:
    """GDAL as it may open files of strangers; what it says of `name` is one line."""
    try:
        with rasterio.Env(**{**_GUARD, **config}):
            yield
    except _FAULTS as error:
        raise RasterError(f"{name}: cannot be read as a {format_}: {_reason(error)}") from error


def read_window(
    dataset: rasterio.DatasetReader, bands: Sequence[int], window: rasterio.windows.Window
) -> np.ndarray:
    """Pixels (band, row, col) of `window`, in the file's dtype.

    Raises:
        RasterError: The blocks of the window cannot be decoded (file and window named).
    """
    try:
        return np.asarray(dataset.read(list(bands), window=window))
    except RasterioError as error:
        where = (
            f"rows {window.row_off} to {window.row_off + window.height - 1}, "
            f"columns {window.col_off} to {window.col_off + window.width - 1}"
        )
        raise RasterError(
            f"{dataset.name}: {where} cannot be read: {_reason(error)}; the file is damaged or incomplete, "
            "fetch it again"
        ) from error


def describe_raster(path: Path | str, *, root: Path | str | None = None) -> RasterInfo:
    """What the raster at `path` is, from its header alone.

    Raises:
        RasterError: As `open_raster`.
    """
    root = None if root is None else Path(root)
    with open_raster(path, root=root) as dataset:
        file = Path(path)
        points, points_crs = dataset.gcps
        return RasterInfo(
            path=file,
            width=dataset.width,
            height=dataset.height,
            count=dataset.count,
            dtype=dataset.dtypes[0],
            crs=dataset.crs.to_string() if dataset.crs else None,
            grid=grid_of(dataset),
            nodata=dataset.nodata,
            band_names=band_names(dataset),
            wavelengths=_all_wavelengths(dataset),
            block=tuple(dataset.block_shapes[0]),
            compression=dataset.compression.value.lower() if dataset.compression else None,
            bytes=file.stat().st_size,
            control_points=len(points),
            control_points_crs=points_crs.to_string() if points_crs else None,
            rpc=dataset.rpcs is not None,
            alpha=marked_as_alpha(dataset),
        )


def marked_as_alpha(dataset: rasterio.DatasetReader) -> int | None:
    """The first band (from 1) that is marked as alpha."""
    marked = [band for band, color in enumerate(dataset.colorinterp, 1) if color == ColorInterp.alpha]
    return marked[0] if marked else None


def band_names(dataset: rasterio.DatasetReader) -> tuple[str, ...]:
    """The description of every band, `band 1` and so on where there is none."""
    return tuple(name or f"band {band}" for band, name in enumerate(dataset.descriptions, start=1))


def control_points(path: Path) -> tuple[tuple[float, float, float, float], ...]:
    """Column, row, x and y of the ground control points of a raster; none where it has none.

    Raises:
        RasterError: It cannot be opened.
    """
    with open_raster(path) as dataset:
        return tuple((point.col, point.row, point.x, point.y) for point in dataset.gcps[0])


def content_digest(path: Path) -> dict[str, str]:
    """Size and time of a file, and the sha256 of its header and of pieces spread over it.

    Small files are read whole. The cost is bounded, so that thousands of tiles take seconds.

    Raises:
        RasterError: It cannot be read.
    """
    try:
        with path.open("rb") as stream:
            stat = os.fstat(stream.fileno())
            digest = hashlib.sha256(stream.read(_HEADER_BYTES))
            rest = stat.st_size - _HEADER_BYTES
            if rest <= _PIECES * _PIECE_BYTES:
                digest.update(stream.read())
            else:
                for place in np.linspace(_HEADER_BYTES, stat.st_size - _PIECE_BYTES, _PIECES).astype(int):
                    stream.seek(place)
                    digest.update(stream.read(_PIECE_BYTES))
    except OSError as error:
        raise RasterError(f"{path}: cannot be read: {error.strerror}") from None
    return {
        "size": str(stat.st_size),
        "time": str(stat.st_mtime_ns),
        "content": f"sha256 {digest.hexdigest()}",
    }


def sidecars(path: Path, *, placed: bool = True) -> str:
    """What lies beside a raster and is not read, with the way to take it in; empty if nothing does.

    A place that lies beside a raster is of interest only where that has none (`placed`).
    """
    found = []
    for ending in () if placed else _PLACES_BESIDE:
        if (beside := path.with_name(path.stem + ending)).is_file():
            found.append(
                f"{beside.name} (its place) is not read: take it in with: gdal_translate INPUT OUTPUT.tif"
            )
            break
    if (mask := path.with_name(path.name + ".msk")).is_file():
        found.append(
            f"{mask.name} (a mask) is not read: take it in with: "
            "gdal_translate --config GDAL_TIFF_INTERNAL_MASK YES INPUT OUTPUT.tif"
        )
    if (notes := path.with_name(path.name + ".aux.xml")).is_file() and _says_more_than_statistics(notes):
        found.append(
            f"{notes.name} (CRS, no data, names or statistics of GDAL) is not read: "
            "take it in with: gdal_translate INPUT OUTPUT.tif"
        )
    if (smaller := path.with_name(path.name + ".ovr")).is_file():
        found.append(f"{smaller.name} (smaller copies) is not read")
    return "; ".join(found)


def _says_more_than_statistics(notes: Path) -> bool:
    """Whether GDAL's notes hold more than what programs that show a raster write by themselves."""
    with notes.open("rb") as file:
        text = file.read(_MAX_NOTES + 1)
    elements = set(re.findall(rb"<(\w+)", text))
    return len(text) > _MAX_NOTES or not elements <= _STATISTICS


def _checked_path(path: Path | str, root: Path | None, formats: frozenset[str]) -> tuple[Path, str]:
    """Where a file lies, and its format."""
    text = str(path)
    odd = (
        "\0" in text
        or "://" in text
        or text.lstrip().startswith("<")
        or re.match(r"[/\\]+vsi", text, re.IGNORECASE)
        or re.match(r"[A-Za-z0-9_]{2,}:", text)
    )
    if odd:
        raise RasterError(f"{text[:200]!r}: not the path of a file; give a GeoTIFF on this machine")
    file = Path(path)
    try:
        resolved = real_path(file)
        if root is not None and not resolved.is_relative_to(real_path(root)):
            raise RasterError(f"{file}: lies outside {root} (at {resolved}); copy it there")
        if resolved.is_dir():
            raise RasterError(f"{file}: is a folder, expected a GeoTIFF file")
        if not resolved.is_file():
            what = "is not a regular file" if resolved.exists() else unfinished(file) or "no such file"
            raise RasterError(f"{file}: {what}")
        with resolved.open("rb") as stream:
            magic = stream.read(_MAGIC_BYTES)
    except OSError as error:
        raise RasterError(f"{file}: cannot be opened: {error.strerror}") from None
    return resolved, check_magic(magic, str(file), formats)


def check_magic(start: bytes, name: str, formats: frozenset[str] = GEOTIFF_ONLY) -> str:
    """The one of `formats` that a file starts as.

    Raises:
        RasterError: It is none, naming `name` and what it is.
    """
    for format_ in formats:
        if start.startswith(_FORMATS[format_][1]):
            return format_
    raise RasterError(
        f"{name}: not a {' or '.join(sorted(formats))} but {format_of(start)}; "
        "convert it with: gdal_translate -of GTiff INPUT OUTPUT.tif"
    )


def format_of(start: bytes) -> str:
    """What a file that is no GeoTIFF is by its first bytes, in words: `a PDF`."""
    if not start:
        return "an empty file"
    for magic, name in _OTHER_FORMATS:
        if start.startswith(magic):
            return name
    if b"\0" not in start and start.lstrip()[:1] == b"<":
        return "XML" if start.lstrip()[:5] == b"<?xml" else "an HTML or XML page"
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(start)  # may end within a letter
    except UnicodeDecodeError:
        return "an unknown format"
    return "text" if all(letter.isprintable() or letter.isspace() for letter in text) else "an unknown format"


def _check(
    dataset: rasterio.DatasetReader, source: str, file: str, stored: int, limits: RasterLimits
) -> None:
    geotiff = dataset.driver == "GTiff"
    if [Path(name) for name in dataset.files] != [Path(source)]:
        raise RasterError(f"{file}: reads other files ({', '.join(dataset.files)}), expected one file")
    height, width, count = dataset.height, dataset.width, dataset.count
    if not (0 < height <= limits.side and 0 < width <= limits.side):
        raise RasterError(f"{file}: {height} x {width} pixels, expected at most {limits.side} a side")
    if not 0 < count <= limits.bands:
        raise RasterError(f"{file}: {count} bands, expected 1 to {limits.bands}")
    colors = dataset.tags(ns="IMAGE_STRUCTURE").get("SOURCE_COLOR_SPACE")
    if colors in _COLOR_SPACES:
        raise RasterError(
            f"{file}: its values are colours ({colors}), expected measurements: write its bands anew "
            "without that photometric interpretation"
        )
    others = sorted(set(dataset.dtypes) - _DTYPES)
    if others:
        advice = "; convert complex values to power (|z|^2) first" if "complex" in others[0] else ""
        raise RasterError(f"{file}: pixels of type {others[0]}, expected integers or floats{advice}")
    affine = dataset.transform
    sides = (math.hypot(affine.a, affine.d), math.hypot(affine.b, affine.e))
    sound = all(map(math.isfinite, affine)) and not affine.is_degenerate
    if not sound or min(sides) < MIN_PIXEL:
        raise RasterError(
            f"{file}: its geotransform {tuple(affine)[:6]} gives pixels no size; set it with "
            "gdal_edit.py -a_ullr"
        )
    corners = [affine @ (col, row) for col in (0, width) for row in (0, height)]
    farthest = max(abs(one) for corner in corners for one in corner)
    if farthest > MAX_PLACE:
        raise RasterError(
            f"{file}: its geotransform {tuple(affine)[:6]} places it at {farthest:.3g}, expected coordinates "
            f"within {MAX_PLACE:.0e}; set it with gdal_edit.py -a_ullr"
        )
    itemsize = max(np.dtype(name).itemsize for name in dataset.dtypes)
    rows, cols = dataset.block_shapes[0] if geotiff else dataset.shape  # others may be decoded as a whole
    together = count if not geotiff or dataset.interleaving == Interleaving.pixel else 1
    block = rows * cols * itemsize * together
    most = min(limits.block_bytes, max(limits.free_block_bytes, int(limits.block_ratio * stored)))
    if block > most:
        raise RasterError(
            f"{file}: one block ({rows} x {cols} pixels) decodes to {size_words(block)}, expected at most "
            f"{size_words(most)} of a file of {size_words(stored)}; cut it in tiles with: "
            "gdal_translate -co TILED=YES INPUT OUTPUT.tif"
        )
    decoded = height * width * count * itemsize
    if decoded > limits.free_bytes and decoded > limits.ratio * stored:
        raise RasterError(
            f"{file}: {size_words(stored)} decode to {size_words(decoded)}, more than "
            f"{limits.ratio:g} times as many; expected a raster that holds data, not an empty frame"
        )


def _check_complete(dataset: rasterio.DatasetReader, file: Path, stored: int) -> None:
    """A truncated copy opens, since its header is whole; its last blocks then end beyond the file."""
    rows, cols = dataset.block_shapes[0]
    down, across = math.ceil(dataset.height / rows), math.ceil(dataset.width / cols)
    last = down * across - 1
    planes = 1 if dataset.interleaving == Interleaving.pixel else dataset.count
    step = max(1, (last + 1) * planes // _BLOCKS_CHECKED)
    for flat in {last, (last + 1) * planes - 1, *range(0, (last + 1) * planes, step)}:
        plane, block = divmod(flat, last + 1)
        place = f"{block % across}_{block // across}"
        offset = dataset.get_tag_item(f"BLOCK_OFFSET_{place}", "TIFF", bidx=plane + 1)
        size = dataset.get_tag_item(f"BLOCK_SIZE_{place}", "TIFF", bidx=plane + 1)
        if offset and size and int(offset) + int(size) > stored:
            raise RasterError(
                f"{file}: the file is cut off: block {block} of band {plane + 1} ends at byte "
                f"{int(offset) + int(size):,}, and it has {stored:,}; copy or upload it again"
            )


def _check_end(file: Path, stored: int) -> None:
    """A truncated PNG reads as far as it goes, and as 0 from there on."""
    with file.open("rb") as stream:
        stream.seek(max(0, stored - _PNG_TAIL))
        if _PNG_END not in stream.read():
            raise RasterError(
                f"{file}: the file is cut off: the {size_words(stored)} of this PNG lack its end; copy or "
                "upload it again"
            )


def _reason(error: BaseException) -> str:
    """GDAL's own words, which rasterio hides behind "see previous exception"."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())


def wavelengths(dataset: rasterio.DatasetReader) -> tuple[float | None, ...]:
    """The centre of every band in nanometres, None where the file does not say."""
    return tuple(_wavelength(dataset, band) for band in range(1, dataset.count + 1))


def _all_wavelengths(dataset: rasterio.DatasetReader) -> tuple[float, ...] | None:
    known = [value for value in wavelengths(dataset) if value is not None]
    return tuple(known) if len(known) == dataset.count else None


def _wavelength(dataset: rasterio.DatasetReader, band: int) -> float | None:
    micrometres = _number(dataset.tags(band, ns="IMAGERY").get("CENTRAL_WAVELENGTH_UM"))
    if micrometres is not None:
        return micrometres * 1000
    tags = {key.lower(): value for key, value in dataset.tags(band).items()}
    value = _number(tags.get("wavelength", tags.get("center_wavelength")))
    unit = tags.get("wavelength_units", tags.get("wavelength_unit", ""))
    if value is None:
        stated = _stated_wavelength(dataset.descriptions[band - 1] or "")
        if stated is None:
            return None
        value, unit = stated
    return to_nanometres(value, unit)


def to_nanometres(wavelength: float, unit: str = "") -> float:
    """A wavelength in nanometres; without a unit, one below 100 is taken as micrometres."""
    short = unit.strip().lower()
    if short.startswith(("micro", "um", "µm", "μm")) or (not short and wavelength < _MICROMETRES_BELOW):
        return wavelength * 1000
    return wavelength


def _stated_wavelength(description: str) -> tuple[float, str] | None:
    match = re.search(r"(?<!\d)(\d+(?:\.\d+)?)\s*(nm|nanomet|um|µm|μm|micromet)", description, re.IGNORECASE)
    return (float(match[1]), match[2]) if match else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def file_window(window: Window) -> rasterio.windows.Window:
    """Rasterio's name for the same pixels."""
    return rasterio.windows.Window(window.col, window.row, window.width, window.height)
