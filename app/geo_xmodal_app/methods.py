"""The methods and their options as fields of a form; no PyTorch in the server (`method_worker`)."""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from geo_xmodal.errors import GeoXmodalError, UsageError
from geo_xmodal_app.fields import Field, FieldKind, Form

BASIC = ("epochs", "learning_rate", "correlation_weight", "teachers", "cost", "components", "balance")
"""Options that are asked for first, where a method has them."""

OptionKind = Literal["choice", "bool", "int", "float", "text"]

_FIELDS: Mapping[OptionKind, FieldKind] = {
    "choice": "choice",
    "bool": "flag",
    "int": "integer",
    "float": "number",
    "text": "text",
}
_IDLE_SECONDS = 600


class Option(BaseModel):
    """An option of a method: what it may be, and how it is asked for; other types are typed as text."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: OptionKind
    default: Any
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    help: str = ""

    def field(self, expert: bool) -> Field:
        """The option as a field of a form."""
        return Field(
            self.name,
            _FIELDS[self.kind],
            self.name.replace("_", " "),
            self.default,
            {one: one for one in self.choices},
            self.low,
            self.high,
            help=self.help,
            expert=expert,
        )


class Method(BaseModel):
    """A method: what it does in a line, whether it learns from two sensors or must, and its options."""

    model_config = ConfigDict(frozen=True)

    name: str
    summary: str
    uses_auxiliary: bool
    needs_auxiliary: bool
    options: tuple[Option, ...]


class _Worker:
    """The process that knows the methods; started when it is asked, ended when nobody asks any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._end: threading.Timer | None = None
        atexit.register(self.stop)

    def ask(self, *question: Any) -> Any:
        with self._lock:
            self._later()
            if self._process is None or self._process.poll() is not None:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "geo_xmodal_app.method_worker"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    start_new_session=True,
                )
            assert self._process.stdin is not None and self._process.stdout is not None
            try:
                self._process.stdin.write(json.dumps(question) + "\n")
                self._process.stdin.flush()
                answer = self._process.stdout.readline()
            except OSError:
                answer = ""
        if not answer:
            raise GeoXmodalError("the methods cannot be listed: their process ended; load the page again")
        return json.loads(answer)

    def _later(self) -> None:
        """Hundreds of megabytes are not kept for a form that nobody looks at."""
        if self._end is not None:
            self._end.cancel()
        self._end = threading.Timer(_IDLE_SECONDS, self.stop)
        self._end.daemon = True
        self._end.start()

    def stop(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.wait()
                self._process = None


@lru_cache(maxsize=1)
def _worker() -> _Worker:
    return _Worker()


@lru_cache(maxsize=1)
def methods() -> Mapping[str, Method]:
    """The methods by name. The first call takes as long as PyTorch takes to import, in another process."""
    found = [Method.model_validate(one) for one in _worker().ask("methods")]
    return {one.name: one for one in found}


def ask_options(options: Sequence[Option], form: Form) -> dict[str, str]:
    """Fields for every option of a method; the settings that differ from the defaults.

    Args:
        options: The method's.
        form: Takes the fields.
    """
    names = [one.name for one in options]
    first = [name for name in BASIC if name in names] or names[:3]
    order = sorted(options, key=lambda one: first.index(one.name) if one.name in first else len(first))
    values = form.ask_all([one.field(expert=one.name not in first) for one in order])
    return {one.name: as_setting(values[one.name]) for one in options if values[one.name] != one.default}


def check_options(method: str, settings: Mapping[str, str]) -> None:
    """See that settings can be, together too.

    Raises:
        UsageError: One cannot; one line.
    """
    problem = _problem(method, tuple(sorted(settings.items()))) if settings else None
    if problem is not None:
        raise UsageError(problem)


@lru_cache(maxsize=256)
def _problem(method: str, settings: tuple[tuple[str, str], ...]) -> str | None:
    answer: str | None = _worker().ask("check", method, dict(settings))
    return answer


def as_setting(value: Any) -> str:
    """A value as `--set key=value` takes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return f"{value:.10g}" if isinstance(value, float) else str(value)
