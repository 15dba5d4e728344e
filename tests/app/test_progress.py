from __future__ import annotations

import json
from pathlib import Path

import pytest

from geo_xmodal.pace import Pace
from geo_xmodal_app.progress import error_in, follow, notes_in, result_in


@pytest.fixture
def errors(tmp_path: Path) -> Path:
    return tmp_path / "errors.txt"


def lines(*events: object) -> str:
    """Events as a command writes them; a text is a line that is none."""
    return "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in events)


def step(done: int, total: int, message: str) -> dict[str, object]:
    return {"event": "progress", "done": done, "total": total, "message": message, "seconds_left": None}


def said(message: str, kind: str = "") -> dict[str, object]:
    return {"event": "note", "kind": kind, "message": message}


def test_the_last_line_of_progress_counts(errors: Path) -> None:
    assert follow(Pace(), errors, 0.0) == Pace()
    written = lines(
        said("scene tiny"), step(1, 10, "loss 0.5"), said("slow", "note"), step(2, 10, "loss 0.4")
    )
    errors.write_text(written + json.dumps(step(3, 10, "half a line"))[:40])
    pace = follow(Pace(), errors, 100.0)
    assert (pace.done, pace.total) == (2, 10)
    assert pace.seconds_left(100.0) is None
    errors.write_text(lines(step(4, 10, "student: loss 0.1")))
    pace = follow(pace, errors, 110.0)
    assert (pace.done, pace.message) == (4, "student: loss 0.1")
    assert pace.seconds_left(110.0) == pytest.approx(30.0)
    assert follow(pace, errors, 115.0).seconds_left(115.0) == pytest.approx(25.0)
    assert follow(pace, errors, 500.0).seconds_left(500.0) == 0.0


def test_a_count_that_starts_again_is_counted_anew(errors: Path) -> None:
    errors.write_text(lines(step(8, 10, "seed 0")))
    pace = follow(Pace(), errors, 100.0)
    errors.write_text(lines(step(1, 10, "seed 1")))
    pace = follow(pace, errors, 200.0)
    assert (pace.done, pace.first, pace.since) == (1, 1, 200.0)
    errors.write_text(lines(step(1, 50, "seed 1")))
    assert follow(pace, errors, 300.0).since == 300.0


def test_a_long_log_is_read_from_its_end(errors: Path) -> None:
    errors.write_text(lines(step(1, 9, "x")) * 10_000 + lines(said("done soon", "note"), step(7, 9, "y")))
    assert follow(Pace(), errors, 1.0).done == 7
    assert notes_in(errors) == ["note: done soon"]


def test_how_it_ended(errors: Path, tmp_path: Path) -> None:
    assert error_in(errors, "map") is None
    parts = ["no labels: leave ", {"option": "any_values", "value": ""}, " out"]
    error = {"event": "error", "message": "no labels: leave --any-values out", "parts": parts, "status": 2}
    errors.write_bytes(b"[1/2] \xff\xfe\n[1]\n" + lines("killed", error).encode())
    assert error_in(errors, "map") == "no labels: leave 'Map values outside of the model's ranges' out"
    assert error_in(errors, "info") == "no labels: leave 'any_values' out"
    result = tmp_path / "result.json"
    for text, value in (("", None), ('{"oa": 0.', None), ("[1]", None), ('{"oa": 0.5}', {"oa": 0.5})):
        result.write_text(text)
        assert result_in(result) == value
