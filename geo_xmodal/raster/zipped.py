"""Vector files in a zip: shapefiles (each a layer), one file of another format, or a KMZ.

What is no vector file (pictures of a KMZ, a read-me) stays in the zip.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from geo_xmodal.errors import VectorError
from geo_xmodal.raster import shapefile
from geo_xmodal.raster.features import Bounds, Features, ObjectArray, Source
from geo_xmodal.zip_files import MAGIC as MAGIC
from geo_xmodal.zip_files import ZipKind, check_entry, opened_zip, plain_files, unpack_entry

MAX_UNPACKED = 1 << 29
"""Bytes of all vector files of a zip."""

_ZIP = ZipKind(
    "one vector file, or shapefiles",
    VectorError,
    max_entries=4096,
    max_contents=1 << 20,
    max_ratio=200,
    free_bytes=64 << 20,
)
_SINGLE = (".gpkg", ".geojson", ".json", ".kml", ".csv", ".tsv")
_HIDDEN = ("__MACOSX", ".")
"""How folders and files of a Mac begin that hold nothing of the user's."""


@dataclass(frozen=True, eq=False)
class Unpacked:
    """The vector files of a zip, in a folder that lasts as long as somebody holds this.

    Attributes:
        folder: Where they lie.
        files: Name of each (of a shapefile its .shp) to where it lies.
    """

    folder: tempfile.TemporaryDirectory[str]
    files: dict[str, Path]

    @property
    def shapefiles(self) -> bool:
        """Whether they are shapefiles, each a layer."""
        return all(path.suffix == ".shp" for path in self.files.values())

    @property
    def stems(self) -> list[str]:
        """Names of the files without their endings."""
        return [path.stem for path in self.files.values()]


@dataclass(frozen=True, eq=False)
class ZippedSource:
    """A layer of a file that was in a zip, which keeps that file."""

    path: Path
    source: Source
    unpacked: Unpacked

    def values(self, column: str) -> ObjectArray:
        """As of every layer."""
        with naming(self.path, self.unpacked):
            return self.source.values(column)

    def features(self, column: str | None, bounds: Bounds | None) -> Features:
        """As of every layer."""
        with naming(self.path, self.unpacked):
            return self.source.features(column, bounds)


@lru_cache(maxsize=4)
def unpacked(path: Path, _stamp: tuple[int, ...]) -> Unpacked:
    """The vector files of the zip at `path`.

    Raises:
        VectorError: It holds none, or several that are no shapefiles, or something that may not be unpacked.
    """
    try:
        with opened_zip(path, _ZIP) as opened:
            wanted = _wanted(opened)
            # removed with the last that holds it, whatever cannot be
            folder = tempfile.TemporaryDirectory(prefix="geo-xmodal-", ignore_cleanup_errors=True)
            for name, entry in wanted.items():
                unpack_entry(opened, entry, Path(folder.name) / name, _ZIP)
    except VectorError as error:
        raise VectorError(f"{path}: {error}") from None
    found = [Path(folder.name) / name for name in wanted]
    files = {file.name: file for file in found if file.suffix in (".shp", *_SINGLE)}
    return Unpacked(folder, files)


def _wanted(opened: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """What is to be unpacked, by the name that it gets: endings in small letters."""
    found: dict[str, zipfile.ZipInfo] = {}
    left = MAX_UNPACKED
    for path, entry in plain_files(opened, _ZIP):
        suffix = path.suffix.lower()
        if suffix not in (*shapefile.PARTS, *_SINGLE) or _is_hidden(path):
            continue
        name = path.stem + suffix
        if name in found:
            raise VectorError(
                f"the zip holds {name[:80]!r} twice, in several folders; expected {_ZIP.expected}"
            )
        check_entry(entry, left, _ZIP, "a vector file")
        left -= entry.file_size
        found[name] = entry
    kinds = Counter(PurePosixPath(name).suffix for name in found)
    singles = sum(kinds[suffix] for suffix in _SINGLE)
    if singles + bool(kinds[".shp"]) != 1:
        listed = ", ".join(sorted(name for name in found if name.endswith((".shp", *_SINGLE)))[:5])
        raise VectorError(f"the zip holds {listed or 'no vector file'}; expected {_ZIP.expected}")
    return found


def _is_hidden(path: PurePosixPath) -> bool:
    return any(part.startswith(_HIDDEN) for part in path.parts)


@contextmanager
def naming(path: Path, files: Unpacked) -> Iterator[None]:
    """Errors about an unpacked file are about the zip that the user knows."""
    try:
        yield
    except VectorError as error:
        raise VectorError(error.marked.replace(f"{files.folder.name}/", f"{path}/")) from None
