"""Outputs appear whole or not at all: written beside their place under a hidden name, then renamed.

A process may be killed before any change of the file system. What is seen then is the older output or the
new one, or says that it is not finished (`unfinished.txt` in a folder); what hidden names hold is put in its
place or taken away by the next run that writes the same output. Nobody else does: an output is held, by a
lock, while it is written.

Whatever goes wrong, the message names the output that was asked for, never the hidden one.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from geo_xmodal.errors import OutputError
from geo_xmodal.named_options import option
from geo_xmodal.small_files import TOO_MANY_FILES, real_path

if sys.platform != "win32":
    import fcntl

UNFINISHED = "unfinished.txt"
"""In a folder whose content is not whole yet: what to do."""

AGAIN = "the same command again finishes it"
"""What to do about a folder of files that are made anew each time."""

OLD = "old"
"""Under this hidden name (`beside`) the older output waits until the new one is whole."""

STORE = "samples"
"""Under this hidden name (`beside`) lie values that a run learns from, until it is finished."""

_PARTIAL = "partial"

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}

_MAKE_ROOM = "free some space or choose another disk"
_YOUR_OWN = "choose a place that you may write to"
_LOOK = "check the disk, the room on it and the limits of its files"

ADVICE: Mapping[int, str] = {
    errno.ENOSPC: _MAKE_ROOM,
    errno.EDQUOT: _MAKE_ROOM,
    errno.EFBIG: "choose a disk that takes files of that size",
    errno.EIO: _LOOK,
    errno.EACCES: _YOUR_OWN,
    errno.EPERM: _YOUR_OWN,
    errno.EROFS: _YOUR_OWN,
    errno.ENOTDIR: "a file is in the way: choose another place",
    errno.EISDIR: "a folder is in the way: choose another place",
    errno.EEXIST: "something is in the way: choose another place",
    errno.ENOTEMPTY: "something is in the way: choose another place",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOENT: "check the path",
    errno.EMFILE: TOO_MANY_FILES,
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
    return f"{' '.join(str(error).split())}: {_LOOK}"


@contextmanager
def output_errors(out: Path, *also: type[Exception]) -> Iterator[None]:
    """Whatever the operating system (or a library, by `also`) refuses in the block becomes an `OutputError`.

    Raises:
        OutputError: Naming `out`, why, and what to do.
    """
    expected: tuple[type[Exception], ...] = (OSError, *also)
    hidden = re.compile(rf"\.{re.escape(out.name)}\.\w+")
    try:
        yield
    except OutputError as error:  # of a file in the folder that becomes `out`
        if not hidden.search(str(error)):
            raise
        raise OutputError(hidden.sub(out.name, str(error))) from error
    except expected as error:
        why = hidden.sub(out.name, reason(error, _nearest(out)))
        raise OutputError(f"cannot write {out}: {why}") from error


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Keep other processes from writing `out` (a file or a folder) during the block.

    A hidden file beside `out` is locked, and is gone afterwards; a process that ends in whatever way holds
    no lock, so that what its hidden names hold then is nobody's. The folder that holds `out` is made, and
    taken away again if nothing came into it. Not more than once for the same output at a time.

    Raises:
        OutputError: Another process holds it, or the lock cannot be written.
    """
    place = real_path(out)
    with output_errors(out):
        made = [folder for folder in place.parents if not folder.exists()]
        if made:
            place.parent.mkdir(parents=True)
        path = _lock_path(place)
        lock = _locked(path)
    if lock is None:
        raise OutputError(f"{out}: another process writes it: wait until it is done, or give another output")
    try:
        yield
    finally:
        with suppress(OSError):  # its folder is gone, say
            _unlock(lock, path)
        for folder in made:
            with suppress(OSError):  # something is in it
                folder.rmdir()


def drop_lock(out: Path) -> None:
    """Take away the lock of a process that was killed when `out` was whole; nobody may hold it now.

    Raises:
        OutputError: Another process holds it, or it cannot be taken away.
    """
    if _lock_path(real_path(out)).exists():
        with held(out):
            pass


def beside(out: Path, what: str) -> Path:
    """The hidden name beside `out` for what is on its way there, or away."""
    return out.with_name(f".{out.name}.{what}")


def without_link(path: Path) -> Path:
    """A hidden name of ours, at which no link lies: what is written there would go where the link leads.

    Raises:
        OSError: The link cannot be taken away.
    """
    if path.is_symlink():
        path.unlink()
    return path


def check_no_links(folder: Path, ours: Callable[[str], bool]) -> None:
    """See that what a command goes on with in a folder lies in it: links there may lead anywhere.

    Args:
        folder: There or not.
        ours: Which names in it are the command's; all that lies below these is.

    Raises:
        OutputError: One of them is a link.
    """
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            if (Path(place) != folder or ours(name)) and path.is_symlink():
                raise OutputError(
                    f"{path} is a link to {path.readlink()}, expected a file or folder of its own: take it "
                    "away, or choose another output"
                )
        if Path(place) == folder:
            folders[:] = [name for name in folders if ours(name)]


def try_lock(file: BinaryIO, *, alone: bool) -> bool:
    """Lock an open file against other processes until it is closed; False where another has it.

    Whoever is alone keeps all others away, who is not keeps those away that want to be. Where the system
    or the file system has no locks, everybody gets one.
    """
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def _lock_path(place: Path) -> Path:
    """Beside the output; in it where nothing can be beside it, as where another disk is mounted."""
    inside = place.is_dir() and not os.access(place.parent, os.W_OK)
    return place / ".lock" if inside else beside(place, "lock")


def _locked(path: Path) -> BinaryIO | None:
    """The lock file, locked; None where another process has it."""
    while True:
        with ExitStack() as stack:
            file: BinaryIO = stack.enter_context(without_link(path).open("ab", buffering=0))
            if not try_lock(file, alone=True):
                return None
            with suppress(FileNotFoundError):  # whoever held it took it away meanwhile
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    stack.pop_all()
                    return file


def _unlock(lock: BinaryIO, path: Path) -> None:
    if sys.platform == "win32":  # which lets nobody take away an open file
        lock.close()
    with lock:
        path.unlink()


@contextmanager
def new_file(out: Path, *also: type[Exception], make_parents: bool = True) -> Iterator[Path]:
    """A path beside `out` to write to; it becomes `out` if the block ends well, and is gone if it does not.

    Args:
        out: The file.
        also: What else than an `OSError` means that it could not be written.
        make_parents: Make the folder that holds it.

    Raises:
        OutputError: The file cannot be written.
    """
    partial = beside(out, _PARTIAL)
    with output_errors(out, *also):
        try:
            if make_parents:
                out.parent.mkdir(parents=True, exist_ok=True)
            partial.unlink(missing_ok=True)  # what a killed process left, or a link that leads elsewhere
            yield partial
            partial.replace(out)
        finally:
            with suppress(OSError):
                partial.unlink()


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
    write_text(path, as_json(value))


def as_json(value: Mapping[str, Any]) -> str:
    """The content of a JSON file: one entry a line, keys in their own order."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


@contextmanager
def folder_beside(out: Path, *also: type[Exception]) -> Iterator[Path]:
    """A hidden folder beside `out`, which is held; what is still in it at the end of the block is gone.

    Args:
        out: What the folder's content is for; the folder that holds it is made.
        also: What else than an `OSError` means that it could not be written.

    Raises:
        OutputError: Something in the block could not be written, or another process writes `out`.
    """
    place = beside(real_path(out), _PARTIAL)
    with held(out), output_errors(out, *also):
        _take_away(place)  # what a killed process left
        place.mkdir()
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)


@contextmanager
def new_folder(out: Path, *also: type[Exception]) -> Iterator[Path]:
    """A folder to fill that becomes `out` if the block ends well, and is gone if it does not.

    Args:
        out: Must not exist, or be an empty folder.
        also: What else than an `OSError` means that it could not be written.

    Raises:
        OutputError: Something is in the way, or could not be written.
    """
    with folder_beside(out, *also) as partial:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise OutputError(f"{out}: is in the way: give a folder that does not exist yet, or an empty one")
        yield partial
        put_folder(partial, real_path(out))


@contextmanager
def replaced_folder(out: Path, *also: type[Exception]) -> Iterator[Path]:
    """A folder to fill that takes the place of the folder `out`, if there is one, when the block ends well.

    Killed between the two renames that this takes, the older folder has a hidden name; `recover_folder` puts
    it back.

    Raises:
        OutputError: Something could not be written.
    """
    place = real_path(out)
    older = beside(place, OLD)
    with folder_beside(out, *also) as partial:
        recover_folder(place)
        yield partial
        swap_folder(partial, place, older)
        _take_away(older)


def recover_folder(place: Path) -> None:
    """Put the older folder back whose successor did not come, or take it away if it did."""
    older = without_link(beside(place, OLD))
    if older.is_dir():
        if place.exists():
            _take_away(older)
        else:
            older.rename(place)


def swap_folder(new: Path, place: Path, older: Path) -> None:
    """Give a folder the place of another, if there is one, which gets the name `older`."""
    if not place.exists():
        put_folder(new, place)
        return
    place.rename(older)
    try:
        new.rename(place)
    except OSError:
        older.rename(place)
        raise


def put_folder(new: Path, place: Path) -> None:
    """Give a folder its place, where there is nothing or an empty folder."""
    if sys.platform == "win32" and place.exists():
        place.rmdir()
    new.rename(place)


def _take_away(folder: Path) -> None:
    if without_link(folder).exists():
        shutil.rmtree(folder)


@contextmanager
def files_together(folder: Path, *also: type[Exception], older: Collection[str] = ()) -> Iterator[Path]:
    """A hidden folder in `folder`, whose files all get their places in `folder` at the end of the block.

    While they do, and if that is cut short, `folder` says that it is unfinished. The block is in one of
    `held(folder)`.

    Args:
        folder: Is made; other files in it stay.
        also: What else than an `OSError` means that something could not be written.
        older: Names of files that earlier outputs may have left; those that are not made anew go.

    Raises:
        OutputError: Something could not be written; until the files move, nothing has changed then.
    """
    partial = folder / f".{_PARTIAL}"
    with output_errors(folder, *also):
        existed = folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        _take_away(partial)
        partial.mkdir()
        try:
            yield partial
            made = sorted(path.name for path in partial.iterdir())
            gone = [name for name in sorted(older) if name not in made and (folder / name).exists()]
            for name in made:
                to_disk(partial / name)
            mark_unfinished(folder, AGAIN)
            for name in gone:
                (folder / name).unlink()
            for name in made:
                (partial / name).replace(folder / name)
            partial.rmdir()
            if is_marked(folder, AGAIN):  # else it is another command's
                mark_finished(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            if not existed:
                with suppress(OSError):  # it is filled
                    folder.rmdir()


def to_disk(path: Path) -> None:
    """A power cut after a rename must not leave an empty file under the name of a whole one."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def mark_unfinished(folder: Path, way_out: str) -> None:
    """Say in a folder that what is there is not whole; that the file is there counts, not what it says."""
    mark = without_link(folder / UNFINISHED)
    if not mark.exists():
        mark.write_text(_mark(way_out), encoding="utf-8")


def is_marked(folder: Path, way_out: str) -> bool:
    """Whether a folder says that it is not finished, and this as the way out (or nothing yet)."""
    mark = folder / UNFINISHED
    return mark.is_file() and mark.read_bytes() in (b"", _mark(way_out).encode())


def _mark(way_out: str) -> str:
    return f"Not finished: {way_out}.\n"


def mark_finished(folder: Path) -> None:
    """Say no more that a folder is not whole.

    Raises:
        FileNotFoundError: It was not said: somebody took the folder away, or what was in it.
    """
    (folder / UNFINISHED).unlink()


def unfinished(place: Path) -> str | None:
    """What to do about an output that was cut short, ready to stand in a message; None about any other.

    Args:
        place: A file or folder as a user names it, there or not.
    """
    mark = place / UNFINISHED
    if mark.is_file():
        return (
            "is not finished: its command is at work, or was stopped; the same command with "
            f"{option('resume')}, or again where it has none, finishes it"
        )
    place = real_path(place)
    if not place.exists():
        if beside(place, OLD).is_dir():
            return (
                f"was being replaced when its command was stopped: the same command again puts it back, "
                f"or rename {beside(place, OLD)}"
            )
        if beside(place, _PARTIAL).exists() or beside(place, STORE).exists():
            return (
                "is not finished: its command is at work, or was stopped; the same command again "
                f"(map with {option('resume')}) finishes it"
            )
    return None


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
