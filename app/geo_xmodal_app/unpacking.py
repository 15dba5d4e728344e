"""A model that comes as a zip: two files, taken out by hand and checked in a process of their own.

A zip names its files as it likes (`../`, links, the same name twice), and may promise a gigabyte in a
kilobyte; its table of contents alone may be larger than the memory.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath

from geo_xmodal.errors import BundleError
from geo_xmodal.outputs import new_folder
from geo_xmodal.small_files import SmallFile, file_errors
from geo_xmodal.wording import size_words

WEIGHTS, CARD = "model.safetensors", "card.json"
MAX_BYTES = {WEIGHTS: 4 << 30, CARD: 4 << 20}
"""What `geo_xmodal.load_bundle` reads at most."""

_ZIP = SmallFile(
    f"a zip of {WEIGHTS} and {CARD}",
    BundleError,
    "pack the folder of the model again",
    sum(MAX_BYTES.values()),
)
_END = b"PK\x05\x06"
_END_BYTES = 22 + (1 << 16)
"""The record that ends a zip, with the longest comment that it may have."""
_MAX_ENTRIES, _MAX_CONTENTS = 16, 1 << 16
_RATIO = 200
"""Decoded to stored bytes; weights and cards shrink by less than ten."""
_SECONDS = 600
_SLICE = 1 << 20

_CHECK = """
import sys
from pathlib import Path
import geo_xmodal as gx
try:
    gx.load_bundle(Path(sys.argv[1]))
except gx.GeoXmodalError as error:
    sys.exit(str(error))
"""


def unpack_bundle(archive: Path, out: Path, name: str) -> None:
    """Unpack and check a model; `out` appears whole and checked, or not at all.

    Args:
        archive: A zip with model.safetensors and card.json, at its top or in one folder.
        out: The bundle folder.
        name: What the file is called in messages.

    Raises:
        BundleError: It is no such zip, or no model that can be loaded.
    """
    try:
        _check_contents(archive)
        with _damage():
            opened = zipfile.ZipFile(archive)
        with opened, new_folder(out) as beside:
            for file, entry in _wanted(opened).items():
                with (beside / file).open("xb") as target:
                    target.writelines(_slices(opened, entry))
            _check_model(beside, out)
    except BundleError as error:
        raise BundleError(f"{name}: {error}") from None


def _check_contents(archive: Path) -> None:
    """`zipfile` reads the whole table of contents into memory; see first how long it is."""
    size = archive.stat().st_size
    with archive.open("rb") as file:
        file.seek(max(0, size - _END_BYTES))
        tail = file.read()
    end = tail.rfind(_END)
    if end < 0 or len(tail) < end + 22:
        raise BundleError("the zip has no end: fetch or pack it again")
    entries = int.from_bytes(tail[end + 10 : end + 12], "little")
    contents = int.from_bytes(tail[end + 12 : end + 16], "little")
    if entries > _MAX_ENTRIES or contents > _MAX_CONTENTS:
        raise BundleError(f"the zip holds {entries} files, expected {WEIGHTS} and {CARD}")


def _wanted(opened: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The two files of a model."""
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in opened.infolist():
        if not entry.filename:
            raise BundleError("the zip holds a file without a name: fetch or pack it again")
        path = PurePosixPath(entry.filename)
        if entry.is_dir():
            continue
        link = (entry.external_attr >> 16) & 0o170000 not in (0, 0o100000)
        if path.is_absolute() or ".." in path.parts or "\\" in entry.filename or link:
            raise BundleError(f"the zip holds {entry.filename[:80]!r}, which is no plain file")
        if path.name not in MAX_BYTES or len(path.parts) > 2 or path.name in found:
            raise BundleError(f"the zip holds {entry.filename[:80]!r}, expected {WEIGHTS} and {CARD} alone")
        if entry.flag_bits & 1:
            raise BundleError("the zip is encrypted: pack it without a password")
        if entry.file_size > MAX_BYTES[path.name] or entry.file_size > _RATIO * max(entry.compress_size, 1):
            raise BundleError(
                f"{path.name} unpacks from {size_words(entry.compress_size)} to "
                f"{size_words(entry.file_size)}, more than that of a model"
            )
        found[path.name] = entry
    missing = [file for file in MAX_BYTES if file not in found]
    if missing:
        raise BundleError(f"the zip holds no {missing[0]}: pack {WEIGHTS} and {CARD} of a model folder")
    return found


def _slices(opened: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """`zipfile` stops at the size that the entry promises, and checks its sum."""
    with _damage(), opened.open(entry) as source:
        while content := source.read(_SLICE):
            yield content


def _damage() -> AbstractContextManager[None]:
    return file_errors("a damaged zip", _ZIP, zipfile.LargeZipFile, NotImplementedError, RuntimeError)


def _check_model(folder: Path, out: Path) -> None:
    """In a process of its own: the server keeps neither PyTorch nor four gigabytes of weights."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CHECK, str(folder)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BundleError(f"checking it took more than {_SECONDS} seconds") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it cannot be loaded"])[-1]
        raise BundleError(last.replace(f"{folder}/", "").replace(str(folder), "the model"))
