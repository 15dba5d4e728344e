from __future__ import annotations

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_xmodal.errors import OutputError, ResumeError
from geo_xmodal.mapping.journal import Journal, finished_windows

TODAY = date(2026, 1, 2)
WHAT = {"model": "a", "grid": "1 x 1"}
windows = st.dictionaries(st.integers(0, 2**40), st.binary(max_size=60), min_size=1, max_size=6)


def written(path: Path, content: dict[int, bytes]) -> int:
    """Write a journal; return the size of its header."""
    with Journal(path, WHAT, resume=False, begun=TODAY) as journal:
        header = path.stat().st_size
        for window, payload in content.items():
            journal.append(window, payload)
    return header


def found(path: Path) -> dict[int, bytes]:
    with Journal(path, WHAT, resume=True, begun=TODAY) as journal:
        return {window: journal.read(window) for window in journal.finished}


@settings(max_examples=60, deadline=None)
@given(windows, st.data())
def test_a_journal_cut_anywhere_keeps_its_first_windows(
    content: dict[int, bytes], data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "windows"
        header = written(path, content)
        assert found(path) == content
        size = path.stat().st_size
        cut = data.draw(st.integers(0, size - 1))
        with path.open("r+b") as file:
            file.truncate(cut)
        left = found(path)
        assert list(left.items()) == list(content.items())[: len(left)]
        assert len(left) < len(content)
        if cut > header:
            room = cut - header
            for payload in list(content.values())[: len(left)]:
                room -= 16 + len(payload)
            assert 0 <= room < 16 + len(list(content.values())[len(left)])


@settings(max_examples=60, deadline=None)
@given(windows, st.data())
def test_a_changed_byte_is_never_taken_for_a_window(content: dict[int, bytes], data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "windows"
        header = written(path, content)
        raw = bytearray(path.read_bytes())
        raw[data.draw(st.integers(header, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(raw)
        left = found(path)
        assert list(left.items()) == list(content.items())[: len(left)]
        assert len(left) < len(content)


@pytest.mark.parametrize(
    "header",
    [
        b"{",
        b"\xff",
        b"[1]",
        b'{"begun": "yesterday"}',
        b'{"begun": [1]}',
        b"9" * 5000,
        b'{"a":' * 20_000,
    ],
    ids=range(7),
)
def test_a_damaged_header_is_refused_and_says_what_to_do(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "windows"
    path.write_bytes(header + b"\n")
    for open_it in (
        lambda: Journal(path, WHAT, resume=True, begun=TODAY),
        lambda: finished_windows(path, WHAT),
    ):
        with pytest.raises(ResumeError, match="start again without 'resume'") as caught:
            open_it()
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_windows_go_on_after_a_cut_one(tmp_path: Path) -> None:
    path = tmp_path / "windows"
    written(path, {1: b"one", 2: b"two"})
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)
    with Journal(path, WHAT, resume=True, begun=TODAY) as journal:
        journal.append(3, b"three")
    assert found(path) == {1: b"one", 3: b"three"}


def test_another_identity_is_refused_and_nothing_lost(tmp_path: Path) -> None:
    path = tmp_path / "windows"
    written(path, {1: b"one"})
    before = path.read_bytes()
    with pytest.raises(
        ResumeError, match="extra was None, is c; model was a, is b: start again without 'resume'"
    ):
        Journal(path, {**WHAT, "model": "b", "extra": "c"}, resume=True, begun=TODAY)
    assert path.read_bytes() == before


def test_held_by_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "windows"
    with Journal(path, WHAT, resume=False, begun=TODAY) as journal:
        journal.append(1, b"one")
        with pytest.raises(OutputError, match="another process"):
            Journal(path, WHAT, resume=False, begun=TODAY)
    assert found(path) == {1: b"one"}


def test_windows_are_counted_without_touching_the_file(tmp_path: Path) -> None:
    path = tmp_path / "windows"
    assert finished_windows(path, WHAT) == frozenset() and not path.exists()
    written(path, {1: b"one", 7: b"two"})
    with path.open("ab") as file:
        file.write(b"cut off")
    before = path.read_bytes()
    assert finished_windows(path, WHAT) == {1, 7}
    with pytest.raises(ResumeError, match="model was a, is b"):
        finished_windows(path, {**WHAT, "model": "b"})
    assert path.read_bytes() == before
    with Journal(path, WHAT, resume=True, begun=TODAY), pytest.raises(OutputError, match="another process"):
        finished_windows(path, WHAT)


def test_the_day_of_the_beginning_stays(tmp_path: Path) -> None:
    written(tmp_path / "windows", {1: b"one"})
    with Journal(tmp_path / "windows", WHAT, resume=True, begun=date(2027, 3, 4)) as journal:
        assert journal.begun == TODAY
    with Journal(tmp_path / "windows", WHAT, resume=False, begun=date(2027, 3, 4)) as journal:
        assert journal.begun == date(2027, 3, 4)


def test_unwritable_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*windows: No such file or directory"):
        Journal(tmp_path / "gone" / "windows", WHAT, resume=False, begun=TODAY)
