"""Progress as a log shows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from geo_xmodal.commands import console, events
from geo_xmodal.commands.console import Console
from geo_xmodal.pace import Pace
from geo_xmodal_app.progress import follow


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    @staticmethod
    def strftime(form: str) -> str:
        assert form == "%H:%M:%S"
        return "14:05:33"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(console, "time", made)
    return made


def test_lines_say_the_time_of_day_and_the_time_left(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Console().progress() as progress:
        progress(0, 0, "looking: 3 %")
        clock.now += 5.0
        for step in range(101):
            progress(step, 100, "teacher: epoch 1 of 2")
            clock.now += 40.0  # a step takes longer than any window of a bar
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "[0/0] looking: 3 % (14:05:33)"
    assert lines[1] == "[0/100] teacher: epoch 1 of 2 (14:05:33)"
    assert lines[2] == "[1/100] teacher: epoch 1 of 2 (14:05:33, about 66 min left)"
    assert lines[-1] == "[100/100] teacher: epoch 1 of 2 (14:05:33, about 0 s left)"
    assert len(lines) == 102


def test_quick_steps_write_no_endless_log(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Console().progress() as progress:
        for step in range(36_001):
            progress(step, 36_000, "training")
            clock.now += 0.1  # an hour
    count = len(capsys.readouterr().err.splitlines())
    assert 150 < count < 400  # every second at first, twice a minute in the end


def test_messages_that_tell_the_time_left_are_left_alone(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Console().progress(timed=False, long=lambda time: f"{time} to go") as progress:
        for step in range(11):
            progress(step, 10, "1.00 Mpixel/s, at most 3:20 left")
            clock.now += 100.0
    assert set(capsys.readouterr().err.splitlines()[1:3]) == {
        "[1/10] 1.00 Mpixel/s, at most 3:20 left (14:05:33)",
        "[2/10] 1.00 Mpixel/s, at most 3:20 left (14:05:33)",
    }


@pytest.mark.parametrize(
    ("seconds", "announced"),
    [(0.5, []), (1.5, []), (3.0, ["note: 5 min to go"]), (60.0, ["note: 1.6 h to go"])],
)
def test_long_work_is_announced_once(
    clock: Clock, capsys: pytest.CaptureFixture[str], seconds: float, announced: list[str]
) -> None:
    with Console().progress(long=lambda time: f"{time} to go") as progress:
        for step in range(101):
            progress(step, 100, "training")
            clock.now += seconds
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert said == announced


def test_the_app_reads_events(clock: Clock, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with events.as_asked(["train", "--progress", "json"]), Console().progress() as progress:
        for done in range(3):
            progress(done, 10, "run 1 of 2: seed 0, hgr, teacher: epoch 1 of 2, loss 0.5 (mean)")
            clock.now += 30.0
    place = tmp_path / "errors.txt"
    place.write_text(capsys.readouterr().err)
    last = json.loads(place.read_text().splitlines()[-1])
    assert last["event"] == "progress" and last["seconds_left"] == 240.0
    pace = follow(Pace(), place, 5.0)
    assert (pace.done, pace.total) == (2, 10)
    assert pace.message == "run 1 of 2: seed 0, hgr, teacher: epoch 1 of 2, loss 0.5 (mean)"


def test_result_and_notes_are_events(capsys: pytest.CaptureFixture[str]) -> None:
    with events.as_asked(["map", "--progress=json"]):
        Console().assumed(["a.tif: has no CRS"])
        Console(json=True).result({"oa": float("nan")})
    captured = capsys.readouterr()
    assert [json.loads(line) for line in captured.err.splitlines()] == [
        {"event": "note", "kind": "assumed", "message": "a.tif: has no CRS"},
        {"event": "result", "result": {"oa": None}},
    ]
    assert json.loads(captured.out) == {"oa": None}


def test_what_was_assumed_is_said_once_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    Console().assumed(["a.tif: has no CRS", "b.tif: has no CRS", "a.tif: has no CRS"])
    assert capsys.readouterr().err == "assumed: a.tif: has no CRS\nassumed: b.tif: has no CRS\n"
