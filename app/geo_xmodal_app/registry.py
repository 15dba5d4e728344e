"""Files by id: what the browser may ask for, and who may.

The browser never names a path. A page registers a file for its session (or for everybody, as the samples
are) and hands the id to the browser; `/files/{id}` gives the file to that session alone. An id stands for
one content: when the file changes, the old id leads nowhere and registering it again gives a new one, so
that no answer ever mixes two versions of a file.
"""

from __future__ import annotations

import sqlite3
import stat
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, cast

import geo_xmodal as gx
from geo_xmodal.errors import UsageError
from geo_xmodal.outputs import output_errors
from geo_xmodal.small_files import real_path
from geo_xmodal_app.sessions import is_id, new_id, session_path
from geo_xmodal_app.settings import settings

EVERYBODY = "everybody"
"""The session of files that every session may read: samples."""

FileKind = Literal["raster", "vector", "bundle", "report", "picture", "archive", "other"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    id TEXT PRIMARY KEY, session TEXT NOT NULL, path TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
    size INTEGER NOT NULL, changed INTEGER NOT NULL, used REAL NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS content ON files (session, path, kind, name, size, changed);
"""
_USED_SECONDS = 60.0
"""How exactly the time of last use is kept: a viewer asks for many ranges a second."""


@dataclass(frozen=True)
class FileEntry:
    """A registered file.

    Attributes:
        id: What the browser knows it by.
        path: Where it lies.
        kind: What it is.
        name: What a download is called.
        size: Bytes.
    """

    id: str
    path: Path
    kind: FileKind
    name: str
    size: int


class Registry:
    """The files of one work folder; survives a restart.

    Args:
        work: The work folder.
        data: Folders of which every session may read.
    """

    def __init__(self, work: Path, data: tuple[Path, ...] = ()) -> None:
        self._work = work
        self._shared = (work / "shared", *data)
        place = work / "registry.sqlite"
        self._lock = threading.Lock()
        with output_errors(place, sqlite3.Error):
            work.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(place, check_same_thread=False, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.executescript(_SCHEMA)

    def register(self, session: str, path: Path, kind: FileKind, name: str | None = None) -> str:
        """The id of a file for `session` (or `EVERYBODY`); the same file gives the same id.

        Args:
            session: Who may read it.
            path: A regular file in the session's own folder, in `shared/` of the work folder, in a data
                folder that the operator allows, or among the samples.
            kind: What it is.
            name: What a download is called (default: the file's own name).

        Raises:
            UsageError: It is no file, or lies where this session has nothing to read.
        """
        place = real_path(path)
        if not _inside(place, self._readable(session)):
            raise UsageError(f"{path.name}: not a file of this session, of the samples or of a data folder")
        stamp = _stamp(place)
        if stamp is None:
            raise UsageError(f"{path.name}: no such file, or not a regular one")
        row = (session, str(place), kind, name or path.name, *stamp)
        with self._lock:
            self._database.execute(
                "INSERT OR IGNORE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (new_id(), *row, time.time())
            )
            found = self._database.execute(
                "SELECT id FROM files WHERE session = ? AND path = ? AND kind = ? AND name = ? "
                "AND size = ? AND changed = ?",
                row,
            ).fetchone()
        return str(found[0])

    def entry(self, session: str, file: str) -> FileEntry | None:
        """What `file` is, if `session` may read it and it is unchanged; None otherwise."""
        if not is_id(file):
            return None
        with self._lock:
            row = self._database.execute(
                "SELECT path, kind, name, size, changed, used FROM files WHERE id = ? AND session IN (?, ?)",
                (file, session, EVERYBODY),
            ).fetchone()
        if row is None:
            return None
        path, kind, name, size, changed, used = row
        if _stamp(Path(path)) != (size, changed):
            return None
        if time.time() - used > _USED_SECONDS:
            with self._lock:
                self._database.execute("UPDATE files SET used = ? WHERE id = ?", (time.time(), file))
        return FileEntry(file, Path(path), cast(FileKind, kind), name, size)

    def resolve(self, session: str, file: str) -> Path:
        """Where `file` lies.

        Raises:
            UsageError: There is no such file for this session, or it changed since.
        """
        found = self.entry(session, file)
        if found is None:
            raise UsageError("this file is not there any more: load the page again")
        return found.path

    def last_used(self, folder: Path) -> float:
        """When a file in `folder` was last asked for, in seconds since the epoch; 0 if never."""
        start = f"{real_path(folder)}/"
        with self._lock:
            row = self._database.execute(
                "SELECT max(used) FROM files WHERE substr(path, 1, ?) = ?", (len(start), start)
            ).fetchone()
        return float(row[0] or 0)

    def forget_missing(self) -> None:
        """Drop the ids of files that are gone or changed."""
        with self._lock:
            rows = self._database.execute("SELECT id, path, size, changed FROM files").fetchall()
        gone = [(row[0],) for row in rows if _stamp(Path(row[1])) != (row[2], row[3])]
        with self._lock:
            self._database.executemany("DELETE FROM files WHERE id = ?", gone)

    def _readable(self, session: str) -> Iterable[Path]:
        yield from self._shared
        yield from _samples()
        if session != EVERYBODY:
            yield session_path(self._work, session)


def registry() -> Registry:
    """The registry of this process's work folder."""
    return _registry(settings().work, settings().data)


@lru_cache(maxsize=8)
def _registry(work: Path, data: tuple[Path, ...]) -> Registry:
    return Registry(work, data)


@lru_cache(maxsize=1)
def _samples() -> tuple[Path, ...]:
    return tuple(scene.folder.resolve() for scene in gx.list_scenes() if scene.source == "sample")


def _inside(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except (OSError, ValueError):
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None
