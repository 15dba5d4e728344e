"""Uploads: streamed to disk slice by slice, checked by their first bytes, continued after a cut.

Each upload lies in a folder of its own under a name that the server chose: what the browser calls the file
is only ever shown. Until the last byte is there and checked, it is `.partial` and no page sees it.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from io import FileIO
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

import geo_xmodal as gx
from geo_xmodal.errors import OutputError, UsageError
from geo_xmodal.outputs import reason, write_json
from geo_xmodal.small_files import SmallFile, read_json_object, validated
from geo_xmodal.wording import size_words
from geo_xmodal_app.quotas import check_room
from geo_xmodal_app.sessions import is_id, new_id, session_folder
from geo_xmodal_app.settings import Settings, settings
from geo_xmodal_app.unpacking import unpack_bundle

Purpose = Literal["raster", "labels", "area", "bundle"]
"""What a file is uploaded for: a GeoTIFF; labels (GeoTIFF, or a vector file, also zipped); an area (a vector
file); a model as a zip of model.safetensors and card.json."""

ROOM = "uploads"
HEAD_BYTES = 512
"""First bytes that tell what a file is."""

_RECORD, _PARTIAL, _BUNDLE = "upload.json", ".partial", "bundle"
_FILE = SmallFile("the record of an upload", UsageError, "upload the file again", 1 << 20)
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_GEOPACKAGE = (b"GPKG", b"GP10", b"GP11")

_SUFFIXES: dict[Purpose, tuple[str, ...]] = {
    "raster": (".tif",),
    "labels": (".tif", ".gpkg", ".geojson", ".zip", ".kml", ".csv"),
    "area": (".gpkg", ".geojson", ".zip", ".kml"),
    "bundle": (".zip",),
}
_NAMES = {
    ".tif": "GeoTIFF",
    ".gpkg": "GeoPackage",
    ".geojson": "GeoJSON",
    ".zip": "zip",
    ".kml": "KML",
    ".csv": "CSV",
}
_SHAPEFILE = b"\0\0\x27\x0a"
_TABLES = (".csv", ".tsv")
"""How names of text tables end, which nothing in them tells."""


class _Record(BaseModel):
    """What is kept of an upload beside its bytes; `file` is set once it is whole."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    purpose: Purpose
    name: str = Field(max_length=255)
    size: int = Field(gt=0)
    file: str | None = None


class UploadConflictError(UsageError):
    """Bytes that do not follow those that came, or come twice at a time; the upload itself is well."""


@dataclass(frozen=True)
class Upload:
    """A file that somebody uploads.

    Attributes:
        id: Its id.
        purpose: What it is for.
        name: What the file was called; only to be shown.
        size: Bytes in all.
        received: Bytes so far.
        path: Where it lies, once it is whole; the folder with card.json for a bundle.
    """

    id: str
    purpose: Purpose
    name: str
    size: int
    received: int
    path: Path | None


class Uploads:
    """The uploads of one work folder."""

    def __init__(self, chosen: Settings) -> None:
        self._settings = chosen
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    def begin(self, session: str, purpose: Purpose, name: str, size: int) -> Upload:
        """Make room for a file.

        Raises:
            UsageError: It is empty, or larger than a quota allows.
            OutputError: The disk takes no file.
        """
        if size < 1:
            raise UsageError(f"{name}: the file is empty")
        if size > self._settings.upload_bytes:
            raise UsageError(
                f"{name}: {size_words(size)}, more than the {size_words(self._settings.upload_bytes)} that "
                "an upload may have"
            )
        with self._lock:
            # what was promised to uploads under way is not on the disk yet
            check_room(self._settings, session, size, promised=self._promised)
            upload = new_id()
            folder = session_folder(session, ROOM, upload)
            (folder / _PARTIAL).touch()
            write_json(folder / _RECORD, _Record(purpose=purpose, name=_shown(name), size=size).model_dump())
        found = self.upload(session, upload)
        assert found is not None
        return found

    @contextmanager
    def writing(self, session: str, upload: str, offset: int) -> Iterator[Callable[[bytes], None]]:
        """A function that takes the bytes from `offset` on; what it took stays when the sender goes away.

        Raises:
            UsageError: There is no such upload, more comes than was announced, or the first bytes are of
                something else.
            UploadConflictError: Its next byte is another, or it is being written.
            OutputError: The disk is full.
        """
        folder, record = self._open(session, upload)
        with self._alone(upload), (folder / _PARTIAL).open("r+b", buffering=0) as file:
            received = file.seek(0, 2)
            if offset != received:
                raise UploadConflictError(f"{record.name}: the next byte is {received}, not {offset}")
            yield _Writer(file, folder, record, received)

    def finish(self, session: str, upload: str) -> Upload:
        """Check a file whose last byte has come, and show it to the pages.

        Raises:
            UsageError: Bytes are missing, or it is not what it is uploaded for.
            BundleError: It is no model that can be loaded.
        """
        folder, record = self._open(session, upload)
        partial = folder / _PARTIAL
        with self._alone(upload):
            if partial.stat().st_size != record.size:
                come, whole = size_words(partial.stat().st_size), size_words(record.size)
                raise UsageError(
                    f"{record.name}: the file is cut off, {come} of {whole} have come: upload it again"
                )
            with partial.open("rb") as file:
                suffix = check_head(record.purpose, record.name, file.read(HEAD_BYTES))
            if record.purpose == "bundle":
                unpack_bundle(partial, folder / _BUNDLE, record.name)
                partial.unlink()
                file_name = _BUNDLE
            else:
                file_name = f"data{suffix}"
                partial.rename(folder / file_name)
            write_json(folder / _RECORD, record.model_copy(update={"file": file_name}).model_dump())
        found = self.upload(session, upload)
        assert found is not None
        return found

    def upload(self, session: str, upload: str) -> Upload | None:
        """One upload; None if this session has none of that id."""
        if not is_id(upload):
            return None
        folder = _folder(session, upload)
        record = _read(folder)
        if record is None:
            return None
        if record.file is not None:
            path = folder / record.file
            return Upload(upload, record.purpose, record.name, record.size, record.size, path)
        try:
            received = (folder / _PARTIAL).stat().st_size
        except FileNotFoundError:  # moved to its place, and the server killed before it said so
            return None
        return Upload(upload, record.purpose, record.name, record.size, received, None)

    def uploads(self, session: str) -> tuple[Upload, ...]:
        """The session's uploads that are whole, the newest first."""
        folders = session_folder(session, ROOM).iterdir()
        newest = sorted(folders, key=lambda folder: folder.lstat().st_mtime, reverse=True)
        found = (self.upload(session, folder.name) for folder in newest)
        return tuple(one for one in found if one is not None and one.path is not None)

    def remove(self, session: str, upload: str) -> None:
        """Remove an upload and its file; nothing happens if there is none."""
        if is_id(upload):
            shutil.rmtree(_folder(session, upload), ignore_errors=True)

    def _open(self, session: str, upload: str) -> tuple[Path, _Record]:
        folder = _folder(session, upload)
        record = _read(folder) if is_id(upload) else None
        if record is None or record.file is not None:
            raise UsageError("no such upload is under way: pick the file again")
        return folder, record

    @contextmanager
    def _alone(self, upload: str) -> Iterator[None]:
        with self._lock:
            if upload in self._busy:
                raise UploadConflictError("this upload is being written already: wait a moment")
            self._busy.add(upload)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(upload)

    def _promised(self, session_folder: Path) -> int:
        """Bytes that uploads under way in a session may still bring."""
        total = 0
        for folder in (session_folder / ROOM).glob("*"):
            record = _read(folder)
            partial = folder / _PARTIAL
            if record is not None and record.file is None and partial.exists():
                total += max(0, record.size - partial.stat().st_size)
        return total


class _Writer:
    """Appends bytes, and checks the first of them as soon as they are there."""

    def __init__(self, file: FileIO, folder: Path, record: _Record, received: int) -> None:
        self._file, self._folder, self._record, self._received = file, folder, record, received

    def __call__(self, content: bytes) -> None:
        if self._received + len(content) > self._record.size:
            raise UsageError(
                f"{self._record.name}: more than the {size_words(self._record.size)} that were announced"
            )
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise OutputError(f"{self._record.name}: {reason(error, self._folder)}") from None
        before, self._received = self._received, self._received + len(content)
        needed = min(HEAD_BYTES, self._record.size)
        if before < needed <= self._received:
            self._file.seek(0)
            check_head(self._record.purpose, self._record.name, self._file.read(HEAD_BYTES))
            self._file.seek(0, 2)


def check_head(purpose: Purpose, name: str, head: bytes) -> str:
    """The suffix for a file that begins with `head`.

    Raises:
        UsageError: It is not what is uploaded for this purpose, whatever its name says.
    """
    found = _suffix(head) or _table(name, head)
    allowed = _SUFFIXES[purpose]
    if found in allowed:
        return found
    if head.startswith(_SHAPEFILE) and ".zip" in allowed and purpose != "bundle":
        raise UsageError(f"{name}: a part of a shapefile: zip it with its .dbf and .prj, and upload the zip")
    expected = " or ".join(_NAMES[suffix] for suffix in allowed)
    what = f"a {_NAMES[found]}" if found else gx.format_of(head)
    raise UsageError(f"{name}: this is {what}, not a {expected}")


def _suffix(head: bytes) -> str:
    if head.startswith(_TIFF):
        return ".tif"
    if head.startswith(b"SQLite format 3\0") and head[68:72] in _GEOPACKAGE:
        return ".gpkg"
    if head.startswith(b"PK\x03\x04"):
        return ".zip"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"<") and b"<kml" in head.lower():
        return ".kml"
    return ".geojson" if start.startswith(b"{") else ""


def _table(name: str, head: bytes) -> str:
    """`.csv` for what may be a text table."""
    return ".csv" if name.lower().endswith(_TABLES) and b"\0" not in head else ""


def _folder(session: str, upload: str) -> Path:
    return session_folder(session, ROOM, make=False) / upload


def _shown(name: str) -> str:
    """The last part of what the browser calls the file, without what could steer a terminal or a page."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(letter if letter.isprintable() else "?" for letter in last)[:200] or "unnamed"


def _read(folder: Path) -> _Record | None:
    path = folder / _RECORD
    try:
        return validated(_Record, read_json_object(path, _FILE), path, _FILE)
    except UsageError:
        return None


def uploads() -> Uploads:
    """The uploads of this process's work folder."""
    return _uploads(settings())


@lru_cache(maxsize=8)
def _uploads(chosen: Settings) -> Uploads:
    return Uploads(chosen)
