"""Where a command's words go: results to standard output, progress and notes to standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

import pydantic_core
import rich.console
import rich.progress
import rich.table

from geo_xmodal.types import Progress

_WIDTH = 160
"""Columns for tables that go to a file or a pipe, which have no width of their own."""

_QUIET_SECONDS = 1.0
"""Shortest time between two progress lines where standard error is no terminal."""


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


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Console:
    """The two streams of one command; with `json`, standard output holds one JSON object and nothing else."""

    json: bool = False

    def note(self, text: str) -> None:
        """A line beside the result."""
        print(one_line(text), file=sys.stderr if self.json else sys.stdout, flush=True)

    def warn(self, text: str) -> None:
        """A line for people on standard error, whatever the result is printed as."""
        print(one_line(text), file=sys.stderr, flush=True)

    def result(self, content: Any, *human: rich.console.RenderableType) -> None:
        """The command's result: `content` as JSON, or `human` for people."""
        if self.json:
            sys.stdout.write(pydantic_core.to_json(content, inf_nan_mode="null").decode() + "\n")
            sys.stdout.flush()
            return
        out = _console(sys.stdout)
        for part in human:
            out.print(part)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """A bar on a terminal, now and then a line elsewhere."""
        if not sys.stderr.isatty():
            yield _ProgressLines(sys.stderr)
            return
        with rich.progress.Progress(
            rich.progress.TextColumn("{task.description}", markup=False),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TimeRemainingColumn(),
            console=_console(sys.stderr),
            transient=True,
        ) as bars:
            task = bars.add_task("", total=None)
            yield lambda done, total, message: bars.update(
                task, completed=done, total=total, description=one_line(message)
            )


class _ProgressLines:
    """Progress where no bar can be drawn: a line at the start, at the end and every second."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = -_QUIET_SECONDS

    def __call__(self, done: int, total: int, message: str) -> None:
        now = time.monotonic()
        if now - self._last >= _QUIET_SECONDS or done >= total:
            self._last = now
            print(f"[{done}/{total}] {one_line(message)}", file=self._stream, flush=True)


def _console(stream: TextIO) -> rich.console.Console:
    width = None if stream.isatty() else _WIDTH
    return rich.console.Console(file=stream, markup=False, highlight=False, emoji=False, width=width)
