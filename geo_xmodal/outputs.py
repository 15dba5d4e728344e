"""Outputs appear whole or not at all: written beside their place under a hidden name, then renamed.

Whatever goes wrong, the message names the output that was asked for, never the hidden one.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from geo_xmodal.errors import OutputError

_MAKE_ROOM = "free some space or choose another disk"
_YOUR_OWN = "choose a place that you may write to"

ADVICE: Mapping[int, str] = {
    errno.ENOSPC: _MAKE_ROOM,
    errno.EDQUOT: _MAKE_ROOM,
    errno.EFBIG: "choose a disk that takes files of that size",
    errno.EACCES: _YOUR_OWN,
    errno.EPERM: _YOUR_OWN,
    errno.EROFS: _YOUR_OWN,
    errno.ENOTDIR: "a file is in the way: choose another place",
    errno.EISDIR: "a folder is in the way: choose another place",
    errno.EEXIST: "something is in the way: choose another place",
    errno.ENOTEMPTY: "something is in the way: choose another place",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOENT: "check the path",
    errno.EMFILE: "close other programs or raise the limit of open files (ulimit -n)",
}
"""What to do about errors of the file system; other errors of the operating system are faults."""

_FULL_BYTES = 1 << 20


def reason(error: BaseException, folder: Path) -> str:
    """Why writing into `folder` failed, and what to do; one line.

    GDAL tells a full disk, or a folder without permission, only by what it could not do there.
    """
    number = error.errno if isinstance(error, OSError) else None  # GDAL's own errors number otherwise
    if number in (None, errno.EIO) and shutil.disk_usage(folder).free < _FULL_BYTES:
        return f"no room left on the disk: {_MAKE_ROOM}"
    if number is None and not os.access(folder, os.W_OK):
        number = errno.EACCES
    if number is not None:
        text = getattr(error, "strerror", None) or os.strerror(number)
        return f"{text}: {ADVICE.get(number, 'choose another place')}"
    while error.__cause__ is not None:  # the first of a chain says what happened, the last only that it did
        error = error.__cause__
    return f"{' '.join(str(error).split())}: check the room on the disk and the limits of its files"


@contextmanager
def output_errors(out: Path, *also: type[Exception]) -> Iterator[None]:
    """Whatever the operating system (or a library, by `also`) refuses in the block becomes an `OutputError`.

    Raises:
        OutputError: Naming `out`, why, and what to do.
    """
    expected: tuple[type[Exception], ...] = (OSError, *also)
    try:
        yield
    except expected as error:
        why = re.sub(rf"\.{re.escape(out.name)}\.\w+", out.name, reason(error, _nearest(out)))
        raise OutputError(f"cannot write {out}: {why}") from error


@contextmanager
def new_file(out: Path, *also: type[Exception]) -> Iterator[Path]:
    """A path beside `out` to write to; it becomes `out` if the block ends well, and is gone if it does not.

    Args:
        out: The file; its folder is made.
        also: What else than an `OSError` means that it could not be written.

    Raises:
        OutputError: The file cannot be written.
    """
    beside = out.with_name(f".{out.name}.partial")
    with output_errors(out, *also):
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            yield beside
            beside.replace(out)
        finally:
            with suppress(OSError):
                beside.unlink()


def write_text(out: Path, text: str) -> None:
    """Write a text file.

    Raises:
        OutputError: The file cannot be written.
    """
    with new_file(out) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write an object as JSON, one entry a line, keys in their own order.

    Raises:
        OutputError: The file cannot be written.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def folder_beside(out: Path, *also: type[Exception]) -> Iterator[Path]:
    """A hidden folder beside `out`; what is still in it at the end of the block is gone.

    Args:
        out: What the folder's content is for; the folder that holds it is made.
        also: What else than an `OSError` means that it could not be written.

    Raises:
        OutputError: Something in the block could not be written.
    """
    with output_errors(out, *also):
        out.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        try:
            beside.chmod(0o755)
            yield beside
        finally:
            shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def new_folder(out: Path, *also: type[Exception]) -> Iterator[Path]:
    """A folder to fill that becomes `out` if the block ends well, and is gone if it does not.

    Args:
        out: Must not exist, or be an empty folder.
        also: What else than an `OSError` means that it could not be written.

    Raises:
        OutputError: Something is in the way, or could not be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out}: is in the way: give a folder that does not exist yet, or an empty one")
    with folder_beside(out, *also) as beside:
        yield beside
        if out.exists():
            out.rmdir()
        beside.rename(out)


def check_writable(out: Path) -> None:
    """Find out before the work starts that `out` (a file or a folder, there or to come) cannot be written.

    Raises:
        OutputError: The nearest folder that exists is none, or takes no file.
    """
    with output_errors(out), suppress(FileNotFoundError, NotADirectoryError):
        out.lstat()  # a name that is too long, say
    place = out if out.is_dir() else _nearest(out)
    if not place.is_dir():
        raise OutputError(f"{out}: {place} is a file, expected a folder: choose another place")
    with output_errors(out), tempfile.TemporaryFile(dir=place):
        pass


def _nearest(out: Path) -> Path:
    """The closest folder (or what stands in its place) above `out` that exists."""
    place = out.absolute().parent
    while not os.path.lexists(place):
        place = place.parent
    return place
