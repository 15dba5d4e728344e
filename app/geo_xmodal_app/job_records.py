"""What is kept of a job on disk: `sessions/SESSION/jobs/JOB/job.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from geo_xmodal.errors import UsageError
from geo_xmodal.outputs import write_json
from geo_xmodal.small_files import SmallFile, read_json_object, validated
from geo_xmodal_app.processes import Running
from geo_xmodal_app.sessions import session_path, sessions_path

State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]

ROOM = "jobs"
ACTIVE: tuple[State, ...] = ("queued", "running")

_RECORD = "job.json"
_FILE = SmallFile("the record of a job", UsageError, "remove its folder", 4 << 20)
_RESUMABLE = ("train", "map")
"""Commands that go on with `--resume`."""


class Record(BaseModel):
    """A job on disk.

    Attributes:
        turn: When it came into the queue: at first when it was made, later when it was resumed.
        stopping: When it was asked to stop.
        message: Its one line of error, or what is being done about it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    session: str
    title: str
    argv: tuple[str, ...] = Field(min_length=1)
    folder: Path
    state: State
    created: FiniteFloat
    turn: FiniteFloat
    started: FiniteFloat | None = None
    ended: FiniteFloat | None = None
    pid: int | None = Field(default=None, gt=0, lt=1 << 31)
    born: FiniteFloat = 0.0
    stopping: FiniteFloat | None = None
    message: str = ""

    @property
    def running(self) -> Running | None:
        """Its process, once it was started."""
        return None if self.pid is None else Running(self.pid, self.born)

    @property
    def resumable(self) -> bool:
        """Whether it stopped, and can go on."""
        return self.state in ("cancelled", "interrupted") and self.argv[0] in _RESUMABLE

    def place(self, work: Path) -> Path:
        """The job's folder."""
        return session_path(work, self.session) / ROOM / self.id


def write_record(work: Path, record: Record) -> None:
    """Keep a job as it stands.

    Raises:
        OutputError: The disk takes no file.
    """
    write_json(record.place(work) / _RECORD, record.model_dump(mode="json"))


def read_records(work: Path) -> list[Record]:
    """The jobs of all sessions; what cannot be read is left out."""
    records = []
    for path in sessions_path(work).glob(f"*/{ROOM}/*/{_RECORD}"):
        try:
            record = validated(Record, read_json_object(path, _FILE), path, _FILE)
        except UsageError:  # half a disk is no reason not to serve the rest
            continue
        if path.parent == record.place(work):
            records.append(record)
    return records
