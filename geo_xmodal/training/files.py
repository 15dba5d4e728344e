"""A run folder and its small files: begun, finished, and what stays when it is cut short."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from geo_xmodal.errors import LabelError, OutputError, ResumeError, TrainingDataError
from geo_xmodal.named_options import option
from geo_xmodal.outputs import (
    OLD,
    UNFINISHED,
    beside,
    check_no_links,
    check_writable,
    held,
    is_marked,
    mark_finished,
    mark_unfinished,
    output_errors,
    put_folder,
    swap_folder,
    without_link,
    write_text,
)
from geo_xmodal.pretrained import FOLDER as ENCODERS
from geo_xmodal.requests.explaining import RUN_FOLDER
from geo_xmodal.samples import STORED
from geo_xmodal.small_files import SmallFile, read_json_lines, read_json_object, real_path
from geo_xmodal.training.checkpoint import FILE as CHECKPOINT

CONFIG, LOG, METRICS, REPORT = "config.json", "log.jsonl", "metrics.json", "report.html"
FINDINGS = "findings.json"
"""What a method found out on its way, until the run is finished."""

_ANEW = f"it is damaged: train anew without {option('resume')}"
_FILE = SmallFile("a file of a run, in JSON", ResumeError, _ANEW, 256 << 20)
_LOG_FILE = SmallFile("the log of a run, one JSON object an epoch", ResumeError, _ANEW, 256 << 20)

WAY_OUT = "the same command, resumed, goes on"

_NEW, _DROPPED = "partial", "dropped"
"""Hidden names, beside a run folder, of one that is to come and of one that is to go."""

_OURS = re.compile(
    rf"{CONFIG}|{LOG}|{FINDINGS}|{METRICS}|{REPORT}|{CHECKPOINT}|{UNFINISHED}|model|{ENCODERS}|controls|"
    rf"{RUN_FOLDER}|"
    rf"seed-\d+|\.({CONFIG}|{LOG}|{FINDINGS}|{METRICS}|{REPORT}|{CHECKPOINT}|model|{ENCODERS})\.\w+"
)


@contextmanager
def held_run(out: Path) -> Iterator[None]:
    """Keep a run folder for this process, and put right what a killed one left there.

    Raises:
        OutputError: Another process writes it, it cannot be written, or holds something else than a run.
    """
    place = real_path(out)
    check_writable(out)
    with held(out):
        with output_errors(out):
            check_no_links(place, lambda name: _OURS.fullmatch(name) is not None)
            _mend(place)
            ours = _is_empty(place) or (place / CONFIG).is_file() or is_marked(place, WAY_OUT)
        if not ours:
            raise OutputError(f"{out} is not empty and holds no run: choose another {option('out')}")
        yield


@contextmanager
def begun_run(out: Path, resume: bool) -> Iterator[None]:
    """A run folder that says that it is not finished until the block has ended well; held by the caller.

    What an earlier run left has a hidden name until then, and other files of the folder stay where they are.
    If the block fails before its first epoch, or its data are to blame, the earlier run gets its place back.
    With `resume`, what is there is gone on with; a finished run says that it is not only once it is written
    to (`mark_unfinished`).

    Raises:
        OutputError: The folder cannot be written, or somebody else took it away meanwhile.
    """
    place = real_path(out)
    existed, continued = place.exists(), resume and (place / CONFIG).exists()
    with output_errors(out):
        if not continued:
            _begin(place)
        elif not is_finished(place):
            mark_unfinished(place, WAY_OUT)
    try:
        yield
    except BaseException as error:
        older = beside(place, OLD)
        hopeless = older.exists() and isinstance(error, (TrainingDataError, LabelError))
        if hopeless or not (continued or _has_begun(place)):
            with suppress(OSError):
                _take_back(place, existed)
        raise
    with output_errors(out):
        if not continued or not is_finished(place):
            mark_finished(place)
        if beside(place, OLD).exists():
            shutil.rmtree(beside(place, OLD))


def is_finished(folder: Path) -> bool:
    """Whether a run folder holds a whole run."""
    return (folder / METRICS).is_file() and not (folder / UNFINISHED).exists()


def recorded_store(folder: Path) -> bool | None:
    """Whether runs in a folder learned from values on disk; None where there is none that says what from.

    They differ in the last digits from those that learned from values in memory, and go on as they began.
    """
    for path in sorted(folder.rglob(CONFIG)):
        data = (read_json(path) or {}).get("data")
        if isinstance(data, dict) and "sha256" in data:
            return data.get("values") == STORED
    return None


def check_there(folder: Path) -> None:
    """See that the folder of a run in work is still there.

    Raises:
        OutputError: It is not.
    """
    if not (folder / CONFIG).is_file():
        raise OutputError(
            f"{folder}: {CONFIG} is gone: somebody moved or removed the folder while it was trained into; "
            "train again"
        )


def _begin(place: Path) -> None:
    """Make room for a new run, so that one or the other is there at any time."""
    if _is_empty(place):
        place.mkdir(exist_ok=True)
        mark_unfinished(place, WAY_OUT)
        return
    new, older = beside(place, _NEW), beside(place, OLD)
    new.mkdir()
    mark_unfinished(new, WAY_OUT)
    if older.exists() or not _has_begun(place):  # what is here is the rest of a run that a new one replaces
        swap_folder(new, place, beside(place, _DROPPED))
        _drop(beside(place, _DROPPED), place)
    else:
        swap_folder(new, place, older)
        _carry(older, place)


def _is_empty(place: Path) -> bool:
    """Whether nothing is there, or only what a run leaves that is killed as it begins."""
    names = {path.name for path in place.iterdir()} if place.exists() else set()
    return not names - {UNFINISHED, beside(place / CONFIG, _NEW).name}


def _has_begun(place: Path) -> bool:
    """Whether there is anything that a run that is resumed need not do again."""
    return any(path.name in (LOG, FINDINGS, CHECKPOINT, METRICS) for path in place.rglob("*"))


def _take_back(place: Path, existed: bool) -> None:
    """Give the earlier run its place back; without one, leave the folder as it was found."""
    older, dropped = beside(place, OLD), beside(place, _DROPPED)
    if older.exists():
        swap_folder(older, place, dropped)
        if dropped.exists():
            _drop(dropped, place)
        return
    for path in place.iterdir():
        if path.name != UNFINISHED and _OURS.fullmatch(path.name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (place / UNFINISHED).unlink()
    if not existed:
        place.rmdir()


def _mend(place: Path) -> None:
    """Put right what a killed process left between two steps."""
    new, older, dropped = (without_link(beside(place, what)) for what in (_NEW, OLD, _DROPPED))
    if new.exists():
        shutil.rmtree(new)
    if not place.exists():
        waiting = next((one for one in (dropped, older) if one.exists()), None)
        if waiting is not None:
            put_folder(waiting, place)
    if dropped.exists():
        _drop(dropped, place)
    if older.exists():
        _carry(older, place)
        if is_finished(place):
            shutil.rmtree(older)


def _drop(dropped: Path, place: Path) -> None:
    _carry(dropped, place)
    shutil.rmtree(dropped)


def _carry(source: Path, place: Path) -> None:
    """What is no part of a run stays in its place."""
    for path in source.iterdir():
        if not _OURS.fullmatch(path.name) and not (place / path.name).exists():
            path.rename(place / path.name)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file of ours; None if there is none, or it is no JSON object."""
    try:
        return read_json_object(path, _FILE)
    except ResumeError:
        return None


class RunLog:
    """`log.jsonl`: one row an epoch. A resumed run drops the rows from its first epoch on, then goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        self._continued = False

    def append(self, row: dict[str, Any]) -> None:
        """Add the row of an epoch."""
        if not self._continued:
            self.rows = [earlier for earlier in self.read() if earlier["epoch"] < row["epoch"]]
            self._continued = True
        self.rows.append(row)
        write_text(self.path, "".join(json.dumps(one) + "\n" for one in self.rows))

    def read(self) -> list[dict[str, Any]]:
        """The rows on disk, without one at the end that a kill cut off.

        Raises:
            ResumeError: A row is damaged.
        """
        if not self.path.is_file():
            return []
        rows, cut_off = read_json_lines(self.path, _LOG_FILE)
        if cut_off:
            warnings.warn(
                f"{self.path}: its last line was cut off when the run was stopped, and is left out",
                stacklevel=2,
            )
        for number, row in enumerate(rows, start=1):
            if type(row.get("epoch")) is not int:
                raise _LOG_FILE.refuse(self.path, f"row {number} says no epoch")
        return rows
