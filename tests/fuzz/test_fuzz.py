from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from geo_xmodal.errors import UsageError
from tests.fuzz import server
from tests.fuzz.readers import READERS, Reader
from tests.fuzz.server import run

COUNT = 15


@pytest.mark.parametrize("name", READERS)
def test_mutated_files_are_read_or_refused_in_a_line(name: str) -> None:
    """A short run of `python -m tests.fuzz`; the first mutations of another seed than by hand."""
    found = run(name, COUNT, seed=2026)
    assert not found.examples
    assert found.verdicts["refused"] + found.verdicts["fine"] == COUNT


@pytest.mark.parametrize("name", READERS)
def test_the_files_that_are_mutated_are_sound(name: str, tmp_path: Path) -> None:
    READERS[name].seed(tmp_path)
    assert server.judged(READERS[name], tmp_path) == ("fine", "")


def refuse(message: str) -> None:
    raise UsageError(message)


def fault(folder: Path) -> None:
    raise KeyError("x")


def hang(folder: Path) -> None:
    while True:
        pass


def eat(folder: Path) -> bytes:
    return bytes(4 << 30)


@pytest.mark.parametrize(
    ("read", "verdict"),
    [
        (lambda folder: None, "fine"),
        (lambda folder: refuse(f"{folder / 'x.bin'}: no"), "refused"),
        (lambda folder: refuse("no"), "fault"),
        (lambda folder: refuse(f"{folder / 'x.bin'}: a\nb"), "fault"),
        (fault, "fault"),
        (lambda folder: os.kill(os.getpid(), signal.SIGSEGV), "crash"),
        (lambda folder: os._exit(0), "crash"),
        (hang, "hang"),
        (eat, "memory"),
    ],
)
def test_the_harness_tells_what_it_sees_and_goes_on(
    read: Callable[[Path], Any], verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seed(folder: Path) -> None:
        (folder / "x.bin").write_bytes(b"content")

    monkeypatch.setitem(server.READERS, "x", Reader("x.bin", seed, read, (lambda rng, content: content,)))  # type: ignore[arg-type]
    monkeypatch.setattr(server, "HANG_SECONDS", 0.2)
    found = run("x", 2, seed=0)
    assert found.verdicts == {verdict: 2}
