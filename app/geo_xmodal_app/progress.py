"""How far a command is, read from the lines that it writes: `[done/total] message`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from geo_xmodal.errors import UsageError
from geo_xmodal.small_files import SmallFile, read_json_object

_TAIL_BYTES = 16_384
_LINE = re.compile(r"\[(\d+)/(\d+)\] ?(.*)")
_ERROR = "error: "
_RESULT = SmallFile("the result of a command", UsageError, "run it again", 64 << 20)


@dataclass(frozen=True)
class Pace:
    """Steps done, and since when they are counted.

    Attributes:
        done: Steps done, of `total`.
        message: What the command said with them.
        first: Steps that were done when counting began, at `since`.
        at: When `done` last changed; times are in seconds since the epoch.
    """

    done: int = 0
    total: int = 0
    message: str = ""
    first: int = 0
    since: float = 0.0
    at: float = 0.0

    def seconds_left(self, now: float) -> float | None:
        """A guess from the pace since counting began; None before there is one."""
        counted, took = self.done - self.first, self.at - self.since
        if counted < 1 or took <= 0 or self.total < self.done:
            return None
        return max(0.0, (self.total - self.done) * took / counted - (now - self.at))


def follow(pace: Pace, errors: Path, now: float) -> Pace:
    """`pace` brought up to what standard error says at `now`; a count that starts again is counted anew."""
    found = next((match for line in reversed(_tail(errors)) if (match := _LINE.fullmatch(line))), None)
    if found is None:
        return pace
    done, total, message = int(found[1]), int(found[2]), found[3]
    if pace.at == 0 or done < pace.done or total != pace.total:
        return Pace(done, total, message, done, now, now)
    if done == pace.done:
        return replace(pace, message=message)
    return replace(pace, done=done, message=message, at=now)


def notes_in(errors: Path) -> list[str]:
    """What a command said beside its progress."""
    return [line for line in _tail(errors) if line and not _LINE.fullmatch(line)]


def error_in(errors: Path) -> str | None:
    """The line of error that a command ended with."""
    lines = [line for line in _tail(errors) if line.startswith(_ERROR)]
    return lines[-1].removeprefix(_ERROR) if lines else None


def result_in(path: Path) -> dict[str, Any] | None:
    """The JSON object that a command printed, once it is whole."""
    try:
        return read_json_object(path, _RESULT)
    except UsageError:
        return None


def _tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return text.splitlines()[1 if size > _TAIL_BYTES else 0 :]
