"""How far a command is, read from its events: JSON lines on standard error (`geo_xmodal.commands.events`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from geo_xmodal.errors import UsageError
from geo_xmodal.pace import Pace
from geo_xmodal.requests import REQUESTS
from geo_xmodal.small_files import SmallFile, read_json_object

_TAIL_BYTES = 16_384
_RESULT = SmallFile("the result of a command", UsageError, "run it again", 64 << 20)


def follow(pace: Pace, errors: Path, now: float) -> Pace:
    """`pace` brought up to what the command says at `now`; a count that starts again is counted anew."""
    last = next((one for one in reversed(_events(errors)) if one["event"] == "progress"), None)
    if last is None:
        return pace
    return pace.after(int(last["done"]), int(last["total"]), str(last["message"]), now)


def notes_in(errors: Path) -> list[str]:
    """What a command said beside its progress."""
    notes = (one for one in _events(errors) if one["event"] == "note")
    return [f"{one['kind']}: {one['message']}" if one["kind"] else str(one["message"]) for one in notes]


def error_in(errors: Path, command: str) -> str | None:
    """The error that a command ended with, its options called as forms call them."""
    last = next((one for one in reversed(_events(errors)) if one["event"] == "error"), None)
    if last is None:
        return None
    request = REQUESTS.get(command)
    described = request.describe().values() if request is not None else ()
    labels = {one.name: one.option.label for one in described}
    return "".join(part if isinstance(part, str) else _worded(part, labels) for part in last["parts"])


def result_in(path: Path) -> dict[str, Any] | None:
    """The JSON object that a command printed, once it is whole."""
    try:
        return read_json_object(path, _RESULT)
    except UsageError:
        return None


def _worded(part: dict[str, str], labels: dict[str, str]) -> str:
    name = f"'{labels.get(part['option'], part['option'])}'"
    return f"{name} {part['value']}" if part["value"] else name


def _events(path: Path) -> list[dict[str, Any]]:
    """The last events that are whole; what a library or a dying process writes between them is no event."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    found = []
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "event" in event:
            found.append(event)
    return found
