"""Where a command's words go: results to standard output, progress and notes to standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

import pydantic_core
import rich.console
import rich.progress
import rich.table

from geo_xmodal.commands import events
from geo_xmodal.pace import Pace, duration
from geo_xmodal.types import Progress

_WIDTH = 160
"""Columns for tables that go to a file or a pipe, which have no width of their own."""

_LONG_NUMBER = 1e16
"""Whole numbers from which digits are no longer exact."""

_QUIET_SECONDS = (1.0, 30.0)
"""Shortest time between two progress lines where standard error is no terminal: at first, and in the end."""

_QUIET_SHARE = 1 / 60
"""Share of the time passed that must pass before the next line: long work writes no endless log."""

_KNOWN_SECONDS, _KNOWN_STEPS = 15.0, 5
"""How long steps are counted, and how many, before they say how long the work takes."""

_LONG_SECONDS = 180.0
"""Work of this length is announced."""


def one_line(text: str) -> str:
    """`text` on one line, without what could steer a terminal (names in files are not ours)."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


def table(*columns: str, rows: Sequence[Sequence[object]], title: str | None = None) -> rich.table.Table:
    """A table of text; numbers to the right."""
    made = rich.table.Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[number], int | float) for row in rows)
        made.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(one_line(_shown(cell)) for cell in row))
    return made


def fields(**values: object) -> rich.table.Table:
    """What a thing is, one property a line; properties that are None are left out."""
    made = rich.table.Table(show_header=False, box=None, pad_edge=False)
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    for name, value in values.items():
        if value is not None:
            made.add_row(name.replace("_", " "), one_line(_shown(value)))
    return made


def plain_number(value: float) -> str:
    """A number with all its digits, whole ones without a point."""
    return str(int(value)) if value.is_integer() and abs(value) < _LONG_NUMBER else repr(float(value))


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Console:
    """The two streams of one command; with `json`, standard output holds one JSON object and nothing else.

    Attributes:
        json: Whether the result is printed as JSON.
        silent: Nothing is said at all: another process speaks.
    """

    json: bool = False
    silent: bool = False

    def note(self, text: str, kind: events.NoteKind = "") -> None:
        """A line beside the result."""
        self._print(text, kind, sys.stderr if self.json else sys.stdout)

    def warn(self, text: str, kind: events.NoteKind = "") -> None:
        """A line for people on standard error, whatever the result is printed as."""
        self._print(text, kind, sys.stderr)

    def _print(self, text: str, kind: events.NoteKind, stream: TextIO) -> None:
        if self.silent:
            return
        if events.wanted():
            events.note(one_line(text), kind)
            return
        print(one_line(f"{kind}: {text}" if kind else text), file=stream, flush=True)

    def assumed(self, assumptions: Iterable[object]) -> None:
        """Lines on what was taken for granted, each once."""
        for line in dict.fromkeys(map(str, assumptions)):
            self.warn(line, "assumed")

    def result(self, content: Any, *human: rich.console.RenderableType) -> None:
        """The command's result: `content` as JSON, or `human` for people."""
        if self.silent:
            return
        if events.wanted():
            events.result(content)
        if self.json:
            sys.stdout.write(pydantic_core.to_json(content, inf_nan_mode="null").decode() + "\n")
            sys.stdout.flush()
            return
        out = _console(sys.stdout)
        for part in human:
            out.print(part)

    @contextmanager
    def progress(self, *, timed: bool = True, long: Callable[[str], str] | None = None) -> Iterator[Progress]:
        """A bar on a terminal, now and then a line elsewhere.

        Args:
            timed: whether to say how much time is left; not where messages do.
            long: for work of more than some minutes, what to say once that is known, of a time in words.
        """
        if self.silent:
            yield lambda done, total, message: None
            return
        if events.wanted():
            yield _Reports(_Lines(_event), timed, long)
            return
        if not sys.stderr.isatty():
            yield _Reports(_Lines(_line), timed, long)
            return
        with rich.progress.Progress(
            rich.progress.TextColumn("{task.description}", markup=False),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TextColumn("{task.fields[left]}", markup=False),
            console=_console(sys.stderr),
            transient=True,
        ) as bars:
            yield _Reports(_Bar(bars), timed, long)


class _Shown(Protocol):
    """Where progress is shown."""

    def show(self, pace: Pace, left: float | None) -> None:
        """How it stands; `left` is how many seconds it will take, as far as is known."""

    def say(self, text: str) -> None:
        """A note that stays."""


class _Bar:
    """A bar on a terminal."""

    def __init__(self, bars: rich.progress.Progress) -> None:
        self._bars = bars
        self._task = bars.add_task("", total=None, left="")

    def show(self, pace: Pace, left: float | None) -> None:
        self._bars.update(
            self._task,
            completed=pace.done,
            total=pace.total or None,
            description=one_line(pace.message),
            left=_left_text(left),
        )

    def say(self, text: str) -> None:
        self._bars.console.print(f"note: {text}")


class _Lines:
    """Lines where no bar can be drawn: at the start, at the end and now and then."""

    def __init__(self, write: Callable[[Pace, float | None], None]) -> None:
        self._write = write
        self._began = time.monotonic()
        self._next = self._began

    def show(self, pace: Pace, left: float | None) -> None:
        now = time.monotonic()
        if now < self._next and (pace.done < pace.total or not pace.total):
            return
        shortest, longest = _QUIET_SECONDS
        self._next = now + min(max(shortest, _QUIET_SHARE * (now - self._began)), longest)
        self._write(pace, left)

    def say(self, text: str) -> None:
        if events.wanted():
            events.note(text, "note")
        else:
            print(f"note: {text}", file=sys.stderr, flush=True)


def _line(pace: Pace, left: float | None) -> None:
    times = ", ".join(part for part in (time.strftime("%H:%M:%S"), _left_text(left)) if part)
    print(f"[{pace.done}/{pace.total}] {one_line(pace.message)} ({times})", file=sys.stderr, flush=True)


def _event(pace: Pace, left: float | None) -> None:
    events.progress(pace.done, pace.total, one_line(pace.message), left)


def _left_text(seconds: float | None) -> str:
    return "" if seconds is None else f"about {duration(seconds)} left"


class _Reports:
    """Progress as a command takes it: the time left, and how long it will take."""

    def __init__(self, shown: _Shown, timed: bool, long: Callable[[str], str] | None) -> None:
        self._shown = shown
        self._timed = timed
        self._long = long
        self._pace = Pace()

    def __call__(self, done: int, total: int, message: str) -> None:
        now = time.monotonic()
        self._pace = pace = self._pace.after(done, total, message, now)
        seconds = pace.seconds_left(now) if self._timed or events.wanted() else None
        self._shown.show(pace, seconds)
        known = pace.counted >= _KNOWN_SECONDS and pace.done - pace.first >= _KNOWN_STEPS
        if self._long is not None and seconds is not None and known:
            if seconds + pace.counted >= _LONG_SECONDS:
                self._shown.say(one_line(self._long(duration(seconds))))
            self._long = None


def _console(stream: TextIO) -> rich.console.Console:
    width = None if stream.isatty() else _WIDTH
    return rich.console.Console(file=stream, markup=False, highlight=False, emoji=False, width=width)
