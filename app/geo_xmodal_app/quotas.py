"""How much room there is, and what nobody uses any more.

The unit that is removed is `sessions/SESSION/ROOM/ITEM`: an upload, a scene, a run, a map, a job. It goes as
a whole, and never while a job that waits or runs names it, or while its session is there.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from geo_xmodal.errors import UsageError
from geo_xmodal_app.sessions import sessions_path
from geo_xmodal_app.settings import Settings

UNFINISHED_DAYS = 1.0
"""After which an upload that nobody went on with is removed."""

_PRESENT_SECONDS = 3600.0
"""How long after its last page a session still counts as being there."""

_RESERVE = 1 << 30
"""Bytes of the disk that uploads leave free: jobs write too."""


def check_room(
    settings: Settings, session: str, size: int, promised: Callable[[Path], int] = lambda folder: 0
) -> None:
    """See that `size` more bytes fit.

    Args:
        settings: Quotas.
        session: Whose bytes they are.
        size: How many.
        promised: Bytes that are still to come for a session, by its folder.

    Raises:
        UsageError: They do not fit; what is full, and how to make room.
    """
    sessions = sessions_path(settings.work)
    used = {folder.name: folder_bytes(folder) + promised(folder) for folder in sessions.glob("*")}
    mine = used.get(session, 0)
    if mine + size > settings.session_bytes:
        raise UsageError(
            f"{_gib(size)} more do not fit: your files take {_gib(mine)} of {_gib(settings.session_bytes)}; "
            "remove some that you do not need"
        )
    total = sum(used.values())
    if total + size > settings.total_bytes:
        raise UsageError(
            f"{_gib(size)} more do not fit: all files on this server take {_gib(total)} of "
            f"{_gib(settings.total_bytes)}; ask who runs it"
        )
    free = shutil.disk_usage(settings.work).free - sum(promised(folder) for folder in sessions.glob("*"))
    if size + _RESERVE > free:
        raise UsageError(
            f"{_gib(size)} more do not fit: {_gib(free)} are free on the server's disk; ask who runs it"
        )


def folder_bytes(folder: Path) -> int:
    """Bytes of all files in a folder; what goes away meanwhile counts nothing."""
    return sum(size for size, _ in _files(folder))


def sweep(
    settings: Settings,
    in_use: Collection[str],
    last_used: Callable[[Path], float],
    now: float | None = None,
) -> list[Path]:
    """Remove what nobody used for `settings.days`.

    Args:
        settings: Work folder and days.
        in_use: Command lines of jobs that wait or run: whatever they name stays.
        last_used: When the browser last asked for a file of a folder, in seconds since the epoch.
        now: Seconds since the epoch (default: the clock's).

    Returns:
        What was removed.
    """
    now = time.time() if now is None else now
    removed = []
    sessions = sessions_path(settings.work)
    present = {folder for folder in sessions.glob("*") if now - folder.lstat().st_mtime < _PRESENT_SECONDS}
    for item in sessions.glob("*/*/*"):
        if item.parents[1] in present:
            continue
        unfinished = item.parent.name == "uploads" and (item / ".partial").exists()
        days = min(settings.days, UNFINISHED_DAYS) if unfinished else settings.days
        newest = max([item.lstat().st_mtime, last_used(item), *(changed for _, changed in _files(item))])
        if now - newest > days * 86_400 and not any(str(item) in words for words in in_use):
            shutil.rmtree(item, ignore_errors=True) if item.is_dir() else item.unlink(missing_ok=True)
            removed.append(item)
    for folder in sessions.glob("*"):
        newest = max([folder.lstat().st_mtime, *(changed for _, changed in _files(folder))])
        if now - newest > settings.days * 86_400 and not any(folder.glob("*/*")):
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder)
    return removed


def _files(folder: Path) -> Iterator[tuple[int, float]]:
    """Size and time of change of every file in a folder."""
    for path in folder.rglob("*"):
        try:
            found = path.lstat()
        except OSError:
            continue
        if not path.is_dir():
            yield found.st_size, found.st_mtime


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.2f} GiB"
