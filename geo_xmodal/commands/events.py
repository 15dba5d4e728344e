"""Progress, notes, the error and the result of a command as JSON lines on standard error, for programs.

Each line is an object with a key `event`:

- `progress`: `done` and `total` steps (0 while they cannot be counted), `message`, and `seconds_left`, null
  where nobody knows;
- `note`: `message`, and its `kind`: `note`, `assumed`, `warning`, or empty for what is merely said;
- `error`: `message` as the command line words it, and `parts`, a list of texts and of objects with an
  `option` and a `value`, which the reader words itself;
- `result`: `result`, as `--json` prints it.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import pydantic_core

from geo_xmodal.named_options import as_flag, parts, worded

Form = Literal["text", "json"]
"""How progress, notes and errors are written."""

NoteKind = Literal["", "note", "assumed", "warning"]

_form: Form = "text"


@contextmanager
def as_asked(arguments: Sequence[str]) -> Iterator[None]:
    """Write in the form that arguments ask for, also what the parser refuses of them."""
    global _form
    asked = "--progress=json" in arguments or ("--progress", "json") in itertools.pairwise(arguments)
    _form = "json" if asked else "text"
    try:
        yield
    finally:
        _form = "text"


def wanted() -> bool:
    """Whether standard error holds events in place of text."""
    return _form == "json"


def progress(done: int, total: int, message: str, seconds_left: float | None) -> None:
    """Report how far it has come."""
    _write(
        event="progress",
        done=done,
        total=total,
        message=message,
        seconds_left=None if seconds_left is None else round(seconds_left, 1),
    )


def note(message: str, kind: NoteKind) -> None:
    """Say something beside the result."""
    _write(event="note", kind=kind, message=message)


def error(marked: str, status: int) -> None:
    """Report why the command fails; `marked` names options as `named_options` does."""
    shown = [
        one if isinstance(one, str) else {"option": one.name, "value": one.value} for one in parts(marked)
    ]
    _write(event="error", message=worded(marked, as_flag), parts=shown, status=status)


def result(content: Any) -> None:
    """Hand the result over."""
    _write(event="result", result=content)


def _write(**event: Any) -> None:
    sys.stderr.write(pydantic_core.to_json(event, inf_nan_mode="null").decode() + "\n")
    sys.stderr.flush()
