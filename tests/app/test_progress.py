from __future__ import annotations

from pathlib import Path

import pytest

from geo_xmodal.pace import Pace
from geo_xmodal_app.progress import error_in, follow, notes_in, result_in


@pytest.fixture
def errors(tmp_path: Path) -> Path:
    return tmp_path / "errors.txt"


def test_the_last_line_of_progress_counts(errors: Path) -> None:
    assert follow(Pace(), errors, 0.0) == Pace()
    errors.write_text("scene tiny\n[1/10] teacher: loss 0.5\nnote: slow\n[2/10] teacher: lo")
    pace = follow(Pace(), errors, 100.0)
    assert (pace.done, pace.total) == (2, 10)
    assert pace.seconds_left(100.0) is None
    errors.write_text("[4/10] student: loss 0.1\n")
    pace = follow(pace, errors, 110.0)
    assert (pace.done, pace.message) == (4, "student: loss 0.1")
    assert pace.seconds_left(110.0) == pytest.approx(30.0)
    assert follow(pace, errors, 115.0).seconds_left(115.0) == pytest.approx(25.0)
    assert follow(pace, errors, 500.0).seconds_left(500.0) == 0.0


def test_a_count_that_starts_again_is_counted_anew(errors: Path) -> None:
    errors.write_text("[8/10] seed 0\n")
    pace = follow(Pace(), errors, 100.0)
    errors.write_text("[1/10] seed 1\n")
    pace = follow(pace, errors, 200.0)
    assert (pace.done, pace.first, pace.since) == (1, 1, 200.0)
    errors.write_text("[1/50] seed 1\n")
    assert follow(pace, errors, 300.0).since == 300.0


def test_a_long_log_is_read_from_its_end(errors: Path) -> None:
    errors.write_text("[1/9] x\n" * 100_000 + "note: done soon\n[7/9] y\n")
    assert follow(Pace(), errors, 1.0).done == 7
    assert notes_in(errors) == ["note: done soon"]


def test_how_it_ended(errors: Path, tmp_path: Path) -> None:
    assert error_in(errors) is None
    errors.write_bytes(b"[1/2] \xff\xfe\nerror: first\nerror: no labels: draw some\n")
    assert error_in(errors) == "no labels: draw some"
    result = tmp_path / "result.json"
    for text, value in (("", None), ('{"oa": 0.', None), ("[1]", None), ('{"oa": 0.5}', {"oa": 0.5})):
        result.write_text(text)
        assert result_in(result) == value
