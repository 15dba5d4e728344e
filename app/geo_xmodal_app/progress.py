"""How far a command is, read from the lines that it writes: `[done/total] message (time, time left)`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from geo_xmodal.errors import UsageError
from geo_xmodal.pace import Pace
from geo_xmodal.small_files import SmallFile, read_json_object

_TAIL_BYTES = 16_384
_LINE = re.compile(r"\[(\d+)/(\d+)\] ?(.*?)(?: \(\d\d:\d\d:\d\d[^()]*\))?")
_ERROR = "error: "
_RESULT = SmallFile("the result of a command", UsageError, "run it again", 64 << 20)


def follow(pace: Pace, errors: Path, now: float) -> Pace:
    """`pace` brought up to what standard error says at `now`; a count that starts again is counted anew."""
    found = next((match for line in reversed(_tail(errors)) if (match := _LINE.fullmatch(line))), None)
    if found is None:
        return pace
    return pace.after(int(found[1]), int(found[2]), found[3], now)


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
