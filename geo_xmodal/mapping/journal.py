"""Finished windows of an unfinished map, on disk: an append-only file that any sudden end leaves usable.

One line of JSON says what the windows belong to; then records follow, each with its length and CRC-32. A
record that was cut off by a kill or a full disk fails its check, and is dropped when the file is opened
again.
Nothing is ever written in place, so no order of writes to the disk can leave a wrong window behind.
"""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from geo_xmodal.errors import OutputError, ResumeError
from geo_xmodal.named_options import option
from geo_xmodal.outputs import output_errors, try_lock
from geo_xmodal.small_files import SmallFile, file_errors, parse_json

_RECORD = struct.Struct("<QII")  # window, length of the payload, CRC-32 of both and the payload
_MAX_HEADER = 1 << 20
_FILE = SmallFile(
    "the finished windows of a map",
    ResumeError,
    f"it is damaged: start again without {option('resume')}",
    _MAX_HEADER,
)
_BEGUN = "begun"
_SYNC_SECONDS = 10.0


class Journal:
    """The finished windows of one map; held by one process at a time.

    Args:
        path: The file; its folder exists.
        identity: What the windows depend on.
        resume: Keep the windows of an earlier run, which must have the same identity.
        begun: The day on which the map is begun; an earlier run's is kept with its windows.
        out: What messages name in place of the file; the file if None.

    Raises:
        ResumeError: If the earlier run differs, saying in what.
        OutputError: If another process holds the file, or it cannot be written.
    """

    def __init__(
        self, path: Path, identity: Mapping[str, str], resume: bool, begun: date, out: Path | None = None
    ) -> None:
        self.path = path
        self._out = out or path
        with ExitStack() as stack, output_errors(self._out):
            self._file: BinaryIO = stack.enter_context(path.open("a+b", buffering=0))
            _lock(self._file, path, alone=True)
            found = _scan(self._file, identity, path) if resume else _Sound()
            self.begun = found.begun or begun
            self.finished = found.finished
            """Window -> offset and length of its payload."""
            self._end = found.end
            self._file.truncate(self._end)
            if not self._end:
                header = {**identity, _BEGUN: self.begun.isoformat()}
                self._write(json.dumps(header, sort_keys=True).encode() + b"\n")
            self._synced = time.monotonic()
            stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return self._end

    def append(self, window: int, payload: bytes) -> None:
        """Keep a finished window.

        Raises:
            OutputError: If the disk is full, say; the windows before this one stay.
        """
        with output_errors(self._out):
            self._write(_RECORD.pack(window, len(payload), _checksum(window, payload)) + payload)
            if time.monotonic() - self._synced > _SYNC_SECONDS:  # bounds what a power cut can take
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()
        self.finished[window] = (self._end - len(payload), len(payload))

    def read(self, window: int) -> bytes:
        """The payload of a finished window."""
        offset, length = self.finished[window]
        self._file.seek(offset)
        return self._file.read(length)

    def damaged(self) -> AbstractContextManager[None]:
        """Around the use of what `read` gave: a window that is none is the file's fault."""
        return file_errors(self.path, _FILE)

    def _write(self, content: bytes) -> None:
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._file.truncate(self._end)
            raise
        self._end += len(content)


def finished_windows(path: Path, identity: Mapping[str, str]) -> frozenset[int]:
    """The windows that an unfinished map has, found without touching it; none where it is not begun.

    Raises:
        ResumeError: As for `Journal`.
        OutputError: If another process holds the file, or it cannot be read.
    """
    with output_errors(path):
        try:
            file = path.open("rb", buffering=0)
        except FileNotFoundError:
            return frozenset()
        with file:
            _lock(file, path, alone=False)
            return frozenset(_scan(file, identity, path).finished)


def recorded_entry(path: Path, name: str) -> str | None:
    """What an unfinished map says that its windows depend on, found without touching it; None if nothing.

    Raises:
        ResumeError: The file is damaged.
        OutputError: It cannot be read.
    """
    with output_errors(path):
        try:
            with path.open("rb", buffering=0) as file:
                found = _header(file, path)
        except FileNotFoundError:
            return None
    value = None if found is None else found.get(name)
    return value if isinstance(value, str) else None


@dataclass(frozen=True)
class _Sound:
    """The sound part of a file: where it ends, the day in its header, and window -> offset and length."""

    end: int = 0
    begun: date | None = None
    finished: dict[int, tuple[int, int]] = field(default_factory=dict)


def _scan(file: BinaryIO, identity: Mapping[str, str], path: Path) -> _Sound:
    before = _header(file, path)
    if before is None:
        return _Sound()
    begun = before.pop(_BEGUN, None)
    with file_errors(path, _FILE):
        day = None if begun is None else date.fromisoformat(str(begun))
    _check_same(before, dict(identity), path)
    end = file.tell()
    finished: dict[int, tuple[int, int]] = {}
    size = os.fstat(file.fileno()).st_size
    while end + _RECORD.size <= size:
        window, length, checksum = _RECORD.unpack(file.read(_RECORD.size))
        if end + _RECORD.size + length > size:
            break
        if _checksum(window, file.read(length)) != checksum:
            break
        finished[window] = (end + _RECORD.size, length)
        end += _RECORD.size + length
    return _Sound(end, day, finished)


def _header(file: BinaryIO, path: Path) -> dict[str, Any] | None:
    """The first line, after which the file stands; None where it is not whole."""
    file.seek(0)
    header = file.readline(_MAX_HEADER)
    if not header.endswith(b"\n"):
        return None
    with file_errors(path, _FILE):
        found = parse_json(header.decode("utf-8"), path, _FILE)
    if not isinstance(found, dict):
        raise _FILE.refuse(path, "its first line is no JSON object")
    return found


def _lock(file: BinaryIO, path: Path, alone: bool) -> None:
    """Against other processes: a writer is alone, readers only keep writers away."""
    if not try_lock(file, alone=alone):
        raise OutputError(f"{path.parent}: another process writes this map: wait, or give another output")


def _checksum(window: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(struct.pack("<QI", window, len(payload))))


def _check_same(before: dict[str, str], now: dict[str, str], path: Path) -> None:
    different = [name for name in sorted(before.keys() | now.keys()) if before.get(name) != now.get(name)]
    if different:
        what = "; ".join(f"{name} was {before.get(name)}, is {now.get(name)}" for name in different[:3])
        raise ResumeError(
            f"{path.parent}: the unfinished map is of something else: {what}"
            f"{'; ...' if len(different) > 3 else ''}: start again without {option('resume')}"
        )
