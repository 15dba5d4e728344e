"""Jobs: commands that run in processes of their own, one after the other, and outlive reloads and restarts.

Each job has a folder with `job.json`, and with what its command writes. The record is written before and
after everything that happens to the job, so a server that starts finds all of them: those that wait go on
waiting, one whose process still runs is taken over, and one whose process is gone is told by what it left.
"""

from __future__ import annotations

import logging
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from geo_xmodal.errors import GeoXmodalError, UsageError
from geo_xmodal.pace import Pace
from geo_xmodal_app import processes
from geo_xmodal_app.drafts import SCENE, apply_edits
from geo_xmodal_app.job_records import ACTIVE, ROOM, Record, State, read_records, write_record
from geo_xmodal_app.processes import ERRORS, RESULT
from geo_xmodal_app.progress import error_in, follow, notes_in, result_in
from geo_xmodal_app.quotas import sweep
from geo_xmodal_app.registry import registry
from geo_xmodal_app.sessions import new_id, session_folder
from geo_xmodal_app.settings import Settings, settings

_LOG = logging.getLogger(__name__)

COMMANDS = ("train", "map", "evaluate", "compare", "align", "export", "correlate", "simulate", "explain")
SHORT = ("map", "evaluate", "align", "export", "explain")
"""Those that take seconds to minutes, and need not wait for a training."""

TERM_SECONDS, KILL_SECONDS = 20.0, 40.0
"""After which a command that was asked to stop is told to, and then is stopped."""

_TICK_SECONDS = 0.5
_SWEEP_SECONDS = 3600.0


@dataclass(frozen=True)
class Job:
    """A job as it stands.

    Attributes:
        id: Its id.
        title: What it is called on the page.
        command: The command line that does the same, for people: `geo-xmodal train ...`.
        folder: The run folder or the map's folder that it writes to.
        state: `interrupted`: it ended without saying how (killed, or the machine went down).
        created: Seconds since the epoch; so are `started` and `ended`.
        ahead: Jobs before it in the queue.
        done: Steps done, of `total`; 0 of 0 before the first is known.
        doing: What it does now, or its one line of error.
        seconds_left: Guess from the pace so far.
        resumable: `resume` goes on where it stopped.
    """

    id: str
    title: str
    command: str
    folder: Path
    state: State
    created: float
    started: float | None
    ended: float | None
    ahead: int
    done: int
    total: int
    doing: str
    seconds_left: float | None
    resumable: bool


class Queue:
    """The jobs of one work folder; reads those that are there.

    Args:
        chosen: Work folder, slots and quotas.
    """

    def __init__(self, chosen: Settings) -> None:
        self._settings = chosen
        self._lock = threading.RLock()
        self._records = {record.id: _found(record) for record in read_records(chosen.work)}
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._paces: dict[str, Pace] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._swept = 0.0

    def start(self) -> None:
        """Begin to work on the queue; nothing runs before."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop working, and stop what runs so that it can go on later; what waits goes on waiting."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for record in self._in("running"):
            if record.running is not None:
                processes.tell(record.running, signal.SIGINT)
        end = time.monotonic() + TERM_SECONDS
        while self._in("running") and time.monotonic() < end:
            self._look(time.time())
            time.sleep(0.05)

    def submit(self, session: str, title: str, argv: Sequence[str], folder: Path) -> str:
        """Queue a command; returns the job's id.

        Args:
            session: Whose job it is.
            title: What it is called on the page.
            argv: Command and options without `--json`: `["train", "--scene=muufl", "--out=..."]`. Write
                `--option=value`, so that no value is taken for an option.
            folder: The run folder, or the folder that the map goes to.

        Raises:
            UsageError: No such command, or too many jobs wait.
        """
        if not argv or argv[0] not in COMMANDS:
            raise UsageError(f"{argv[:1]}: expected one of {', '.join(COMMANDS)}")
        with self._lock:
            self._check_waiting(session)
            now = time.time()
            record = Record(
                id=new_id(), session=session, title=title, argv=tuple(argv), folder=folder, state="queued",
                created=now, turn=now,
            )  # fmt: skip
            session_folder(session, ROOM, record.id)
            self._keep(record)
        return record.id

    def jobs(self, session: str) -> tuple[Job, ...]:
        """The session's jobs, the newest first."""
        with self._lock:
            mine = [record for record in self._records.values() if record.session == session]
            return tuple(self._shown(record) for record in sorted(mine, key=lambda one: -one.created))

    def job(self, session: str, job: str) -> Job | None:
        """One job; None if this session has none of that id."""
        with self._lock:
            record = self._records.get(job)
            return self._shown(record) if record is not None and record.session == session else None

    def result(self, session: str, job: str) -> dict[str, Any] | None:
        """What the command printed as JSON; None while there is none."""
        return result_in(self._folder(session, job) / RESULT)

    def notes(self, session: str, job: str) -> list[str]:
        """Lines that the command wrote beside its result, without progress."""
        return notes_in(self._folder(session, job) / ERRORS)

    def cancel(self, session: str, job: str) -> None:
        """Take it from the queue, or stop it as Ctrl-C does (and harder if it does not listen)."""
        with self._lock:
            record = self._mine(session, job)
            if record.state == "queued":
                self._keep(record.model_copy(update={"state": "cancelled", "ended": time.time()}))
            elif record.state == "running" and record.stopping is None:
                self._keep(record.model_copy(update={"stopping": time.time(), "message": "stopping"}))
                if record.running is not None:
                    processes.tell(record.running, signal.SIGINT)

    def resume(self, session: str, job: str) -> None:
        """Queue it again, to go on where it stopped.

        Raises:
            UsageError: It is not a job that stopped and can go on, or too many jobs wait.
        """
        with self._lock:
            record = self._mine(session, job)
            if not record.resumable:
                raise UsageError(f"{record.title}: it is {record.state} and cannot be resumed")
            self._check_waiting(session)
            again = record.argv if "--resume" in record.argv else (*record.argv, "--resume")
            fresh = {"ended": None, "pid": None, "born": 0.0, "stopping": None, "message": ""}
            self._keep(
                record.model_copy(update={"state": "queued", "argv": again, "turn": time.time(), **fresh})
            )

    def forget(self, session: str, job: str) -> None:
        """Remove a job that has ended from the list; its folder stays.

        Raises:
            UsageError: It waits or runs.
        """
        with self._lock:
            record = self._mine(session, job)
            if record.state in ACTIVE:
                raise UsageError(f"{record.title}: it is {record.state}: cancel it first")
            del self._records[job]
            shutil.rmtree(self._place(record), ignore_errors=True)

    def _work(self) -> None:
        while not self._stop.wait(_TICK_SECONDS):
            try:
                self._look(time.time())
                self._start_next()
                self._sweep()
            except Exception:  # whatever a disk or a process does, the queue goes on
                _LOG.exception("the queue of jobs")

    def _look(self, now: float) -> None:
        """See how far the jobs are, and which have ended."""
        with self._lock:
            for record in self._in("running"):
                errors = self._place(record) / ERRORS
                self._paces[record.id] = follow(self._paces.get(record.id, Pace()), errors, now)
                child = self._children.get(record.id)
                lives = child.poll() is None if child is not None else _alive(record)
                if not lives:
                    self._conclude(record, None if child is None else child.returncode, now)
                elif record.stopping is not None and record.running is not None:
                    waited = now - record.stopping
                    if waited > KILL_SECONDS:
                        processes.tell(record.running, signal.SIGKILL)
                    elif waited > TERM_SECONDS:
                        processes.tell(record.running, signal.SIGTERM)

    def _conclude(self, record: Record, status: int | None, now: float) -> None:
        """Say how a job ended; of one that an earlier server started, only what it left tells."""
        folder = self._place(record)
        whole, error = result_in(folder / RESULT) is not None, error_in(folder / ERRORS, record.argv[0])
        state: State
        if whole and status in (0, None):
            state, message = _finished(record)
        elif record.stopping is not None:
            state, message = "cancelled", "cancelled"
        elif error is not None:
            state, message = "failed", error
        else:
            state = "interrupted"
            stopped = status in (None, 129, 130, 143)  # SIGHUP, Ctrl-C, SIGTERM
            message = "it was stopped from outside" if stopped else f"it ended with {status}"
        self._children.pop(record.id, None)
        self._keep(record.model_copy(update={"state": state, "ended": now, "message": message}))

    def _start_next(self) -> None:
        with self._lock:
            record = None if self._stop.is_set() else self._next()
            if record is None:
                return
            now = time.time()
            self._paces.pop(record.id, None)
            # Before it runs: a server that dies here leaves a job that is looked for, never one begun twice.
            self._keep(record := record.model_copy(update={"state": "running", "started": now}))
            try:
                running, child = processes.start(
                    record.argv, self._place(record), record.id, self._settings.data
                )
            except OSError as error:
                message = f"it cannot be started: {error.strerror}"
                self._keep(record.model_copy(update={"state": "failed", "ended": now, "message": message}))
                return
            self._children[record.id] = child
            self._keep(record.model_copy(update={"pid": running.pid, "born": running.born}))

    def _next(self) -> Record | None:
        """The next that may start: where all slots are taken, one lane more is there for short jobs."""
        running = self._in("running")
        waiting = self._order()
        if len(running) < self._settings.slots:
            return next(iter(waiting), None)
        if any(one.argv[0] in SHORT for one in running):
            return None
        return next((one for one in waiting if one.argv[0] in SHORT), None)

    def _order(self) -> list[Record]:
        """Who is next: the session that has waited longest since its last job began, then who came first."""
        latest: dict[str, float] = {}
        for record in self._records.values():
            latest[record.session] = max(latest.get(record.session, 0.0), record.started or 0.0)
        return sorted(self._in("queued"), key=lambda record: (latest[record.session], record.turn))

    def _sweep(self) -> None:
        now = time.time()
        if now - self._swept < _SWEEP_SECONDS:
            return
        self._swept = now
        with self._lock:
            active = [record for record in self._records.values() if record.state in ACTIVE]
            named = [f"{self._place(one)} {one.folder} {' '.join(one.argv)}" for one in active]
        for path in sweep(self._settings, named, registry().last_used):
            with self._lock:
                if path.parent.name == ROOM:
                    self._records.pop(path.name, None)
        registry().forget_missing()

    def _in(self, state: State) -> list[Record]:
        with self._lock:
            return [record for record in self._records.values() if record.state == state]

    def _check_waiting(self, session: str) -> None:
        count = sum(one.session == session and one.state in ACTIVE for one in self._records.values())
        if count >= self._settings.session_jobs:
            raise UsageError(f"{count} of your jobs wait or run already: cancel one, or wait for one to end")

    def _mine(self, session: str, job: str) -> Record:
        record = self._records.get(job)
        if record is None or record.session != session:
            raise UsageError("no such job: load the page again")
        return record

    def _folder(self, session: str, job: str) -> Path:
        with self._lock:
            return self._place(self._mine(session, job))

    def _place(self, record: Record) -> Path:
        return record.place(self._settings.work)

    def _keep(self, record: Record) -> None:
        write_record(self._settings.work, record)
        self._records[record.id] = record

    def _shown(self, record: Record) -> Job:
        pace = self._paces.get(record.id, Pace())
        order = [one.id for one in self._order()] if record.state == "queued" else []
        running = record.state == "running"
        return Job(
            id=record.id,
            title=record.title,
            command=shlex.join(["geo-xmodal", *record.argv]),
            folder=record.folder,
            state=record.state,
            created=record.created,
            started=record.started if record.state != "queued" else None,
            ended=record.ended,
            ahead=order.index(record.id) + len(self._in("running")) if order else 0,
            done=pace.done,
            total=pace.total,
            doing=pace.message if running and record.stopping is None else record.message,
            seconds_left=pace.seconds_left(time.time()) if running else None,
            resumable=record.resumable,
        )


def _finished(record: Record) -> tuple[State, str]:
    """What is left to do when a command has done its part: a new scene gets its names, colours and split."""
    if record.argv[0] == "align":
        try:
            apply_edits(record.folder, record.folder / SCENE)
        except (GeoXmodalError, ValueError, OSError) as error:
            return "failed", f"the scene was made, but its classes could not be named: {error}"
    return "done", ""


def _found(record: Record) -> Record:
    """A job as it was written down, with its process if only the number of that is lacking."""
    if record.state != "running" or record.pid is not None:
        return record
    running = processes.find(record.id)
    return record if running is None else record.model_copy(update=asdict(running))


def _alive(record: Record) -> bool:
    return record.running is not None and processes.alive(record.running)


def queue() -> Queue:
    """The queue of this process's work folder."""
    return _queue(settings())


@lru_cache(maxsize=8)
def _queue(chosen: Settings) -> Queue:
    return Queue(chosen)
