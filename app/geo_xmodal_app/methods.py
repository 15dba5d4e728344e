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

import streamlit as st
from pydantic import BaseModel, ConfigDict

from geo_xmodal.errors import GeoXmodalError, UsageError
from geo_xmodal_app.texts import literal

BASIC = ("epochs", "learning_rate", "correlation_weight", "teachers", "cost", "components", "balance")
"""Options that are asked for first, where a method has them."""

OptionKind = Literal["choice", "bool", "int", "float", "text"]

_COLUMNS = 3
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


class Method(BaseModel):
    """A method: what it does in a line, whether it learns from two sensors or must, and its options."""

    model_config = ConfigDict(frozen=True)

    name: str
    summary: str
    uses_rich: bool
    needs_rich: bool
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


def ask_options(options: Sequence[Option], prefix: str) -> dict[str, str]:
    """Fields for every option of a method; the settings that differ from the defaults.

    Args:
        options: The method's.
        prefix: Of the widgets' keys, so that another method has its own.
    """
    basic = [one for one in options if one.name in BASIC] or list(options)[:3]
    basic.sort(key=lambda one: BASIC.index(one.name) if one.name in BASIC else 0)
    settings = _fields(basic, prefix)
    rest = [one for one in options if one not in basic]
    if rest:
        with st.expander(f"More options ({len(rest)})"):
            settings |= _fields(rest, prefix)
    return settings


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


def _fields(options: Sequence[Option], prefix: str) -> dict[str, str]:
    settings = {}
    columns = st.columns(_COLUMNS)
    for number, option in enumerate(options):
        with columns[number % _COLUMNS]:
            value = _ask(option, f"{prefix}-{option.name}")
        if value != option.default:
            settings[option.name] = as_setting(value)
    return settings


def _ask(option: Option, key: str) -> Any:
    label, words, default = option.name.replace("_", " "), literal(option.help), option.default
    low, high = option.low, option.high
    match option.kind:
        case "choice":
            choices = list(option.choices)
            return st.selectbox(label, choices, index=choices.index(default), help=words, key=key)
        case "bool":
            return st.toggle(label, value=default, help=words, key=key)
        case "int":
            low, high = (None if bound is None else int(bound) for bound in (low, high))
            return int(st.number_input(label, low, high, int(default), step=1, help=words, key=key))
        case "float":
            return float(
                st.number_input(
                    label, low, high, float(default), step=_step(default), format="%.6g", help=words, key=key
                )
            )
    return str(st.text_input(label, default, help=words, key=key)).strip()


def _step(default: float) -> float:
    return float(f"{abs(default) / 10:.0e}") or 0.1


def as_setting(value: Any) -> str:
    """A value as `--set key=value` takes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return f"{value:.10g}" if isinstance(value, float) else str(value)
