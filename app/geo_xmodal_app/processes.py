"""Commands in processes of their own, that a restarted server finds again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

import geo_xmodal as gx

RESULT, ERRORS = "result.json", "errors.txt"
"""What a command writes to standard output and to standard error, in the job's folder."""

_MARK = "GEO_XMODAL_JOB"
_NICE = 5 if os.name != "nt" else psutil.BELOW_NORMAL_PRIORITY_CLASS

_COMMAND = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from geo_xmodal.cli import main; main(sys.argv[1:])"
)
"""The command line, which heeds Ctrl-C even under a server whose shell had it ignored (nohup)."""

_SAME_SECONDS = 2.0
"""Clocks of the process table and of the record agree to this; ids of processes are used again."""


@dataclass(frozen=True)
class Running:
    """A process that was started, as it is remembered on disk.

    Attributes:
        pid: Its id, also of its process group.
        born: When it was started, in seconds since the epoch.
    """

    pid: int
    born: float


def start(
    argv: Sequence[str], folder: Path, job: str, within: Sequence[Path] = ()
) -> tuple[Running, subprocess.Popen[bytes]]:
    """Start `geo-xmodal argv`, its result and events as JSON, in a group of its own, out of reach of Ctrl-C.

    It leaves the processor to the pages, and carries the job's id, by which `find` knows it.

    Args:
        argv: The command and its options.
        folder: Of the job.
        job: Its id.
        within: Folders, besides a scene's own, that files of scenes may lie in.

    Raises:
        OSError: It cannot be started.
    """
    with (folder / RESULT).open("wb") as out, (folder / ERRORS).open("wb") as errors:
        child = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, *argv, "--json", "--progress", "json"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("STREAMLIT_")}
            | {_MARK: job, gx.WITHIN_VARIABLE: os.pathsep.join(map(str, within))},
        )
    with suppress(psutil.Error):  # it ended at once
        psutil.Process(child.pid).nice(_NICE)
    return Running(child.pid, _born(child.pid)), child


def find(job: str) -> Running | None:
    """The process of a job whose number was not written down, because the server died as it began."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # somebody else's, or gone
            if process.environ().get(_MARK) == job:
                found.append(Running(process.pid, float(process.create_time())))
    return min(found, key=lambda one: one.born, default=None)  # its own workers carry the mark too


def alive(running: Running) -> bool:
    """Whether that very process still runs."""
    try:
        process = psutil.Process(running.pid)
        same = abs(process.create_time() - running.born) < _SAME_SECONDS
        return bool(same and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def tell(running: Running, number: signal.Signals) -> None:
    """Send a signal: `SIGINT` to the command alone, which stops its workers itself; others to its group."""
    if not alive(running):
        return
    try:
        if number == signal.SIGINT:
            os.kill(running.pid, number)
        else:
            os.killpg(running.pid, number)
    except (ProcessLookupError, PermissionError):  # it ended meanwhile
        return


def _born(pid: int) -> float:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0
