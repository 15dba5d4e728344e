"""Zips of strangers: looked at before they are unpacked, and unpacked by hand.

A zip names its files as it likes (`../`, links, the same name twice), and may promise a gigabyte in a
kilobyte; its table of contents alone may be larger than the memory. Messages here do not name the zip: who
calls does.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from geo_xmodal.errors import GeoXmodalError
from geo_xmodal.small_files import SmallFile, file_errors
from geo_xmodal.wording import size_words

MAGIC = b"PK\x03\x04"
"""How a zip that holds files begins."""

_END = b"PK\x05\x06"
_END_BYTES = 22 + (1 << 16)
"""The record that ends a zip, with the longest comment that it may have."""
_REGULAR = (0, 0o100000)
_SLICE = 1 << 20
_SHOWN = 80


@dataclass(frozen=True)
class ZipKind:
    """What a zip should hold, and how much.

    Attributes:
        expected: What it holds, in words.
        error: What is raised.
        max_entries: Files in it.
        max_contents: Bytes of its table of contents.
        max_ratio: Decoded to stored bytes of a file.
        free_bytes: Decoded bytes up to which a file may be packed as tightly as it likes.
    """

    expected: str
    error: type[GeoXmodalError]
    max_entries: int
    max_contents: int
    max_ratio: int
    free_bytes: int = 0

    @property
    def as_file(self) -> SmallFile:
        """The zip as `small_files` refuses it."""
        return SmallFile(f"a zip of {self.expected}", self.error, "pack it again", self.max_contents)


@contextmanager
def opened_zip(path: Path, kind: ZipKind) -> Iterator[zipfile.ZipFile]:
    """A zip whose table of contents is short enough to be read.

    Raises:
        GeoXmodalError: Of `kind`: it is no such zip.
    """
    _check_contents(path, kind)
    with _damage(kind):
        opened = zipfile.ZipFile(path)
    with opened:
        yield opened


def plain_files(opened: zipfile.ZipFile, kind: ZipKind) -> Iterator[tuple[PurePosixPath, zipfile.ZipInfo]]:
    """The files of a zip and their paths inside it, which lead nowhere else; folders are left out.

    Raises:
        GeoXmodalError: Of `kind`: a file without a name, a link, or a path out of the zip.
    """
    for entry in opened.infolist():
        if not entry.filename:
            raise kind.error("the zip holds a file without a name: fetch or pack it again")
        path = PurePosixPath(entry.filename)
        if entry.is_dir():
            continue
        link = (entry.external_attr >> 16) & 0o170000 not in _REGULAR
        if path.is_absolute() or ".." in path.parts or "\\" in entry.filename or link:
            raise kind.error(f"the zip holds {entry.filename[:_SHOWN]!r}, which is no plain file")
        yield path, entry


def check_entry(entry: zipfile.ZipInfo, most: int, kind: ZipKind, of: str) -> None:
    """See that a file of a zip can be unpacked, and how large it says it gets.

    Raises:
        GeoXmodalError: Of `kind`: it is encrypted, or larger than `most` bytes, or packed too tightly.
    """
    if entry.flag_bits & 1:
        raise kind.error("the zip is encrypted: pack it without a password")
    tight = entry.file_size > max(kind.free_bytes, kind.max_ratio * max(entry.compress_size, 1))
    if entry.file_size > most or tight:
        raise kind.error(
            f"{PurePosixPath(entry.filename).name[:_SHOWN]} unpacks from "
            f"{size_words(entry.compress_size)} to {size_words(entry.file_size)}, more than that of {of}"
        )


def unpack_entry(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, out: Path, kind: ZipKind) -> None:
    """Write a file of a zip to a new file; `zipfile` stops at the size that it promises, and checks its sum.

    Raises:
        GeoXmodalError: Of `kind`: it is damaged.
    """
    with out.open("xb") as target:
        target.writelines(_slices(opened, entry, kind))


def _slices(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, kind: ZipKind) -> Iterator[bytes]:
    with _damage(kind), opened.open(entry) as source:
        while content := source.read(_SLICE):
            yield content


@contextmanager
def _damage(kind: ZipKind) -> Iterator[None]:
    also = (zipfile.LargeZipFile, NotImplementedError, RuntimeError)
    with file_errors("a damaged zip", kind.as_file, *also):
        yield


def _check_contents(path: Path, kind: ZipKind) -> None:
    """`zipfile` reads the whole table of contents into memory; see first how long it is."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _END_BYTES))
        tail = file.read()
    end = tail.rfind(_END)
    if end < 0 or len(tail) < end + 22:
        raise kind.error("the zip has no end: fetch or pack it again")
    entries = int.from_bytes(tail[end + 10 : end + 12], "little")
    contents = int.from_bytes(tail[end + 12 : end + 16], "little")
    if entries > kind.max_entries or contents > kind.max_contents:
        raise kind.error(f"the zip holds {entries} files, expected {kind.expected}")
