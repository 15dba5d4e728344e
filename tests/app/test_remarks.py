"""Names, notes and dates of runs and maps."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from geo_xmodal.errors import UsageError
from geo_xmodal_app.remarks import Remark, keep_remark, remark, shown_name


def test_what_was_said_is_kept(tmp_path: Path) -> None:
    assert shown_name(tmp_path) == tmp_path.name
    keep_remark(tmp_path, " Müllheim <b> ", "two\nlines", "2024-05-31")
    assert remark(tmp_path) == Remark(name="Müllheim <b>", note="two\nlines", date=datetime.date(2024, 5, 31))
    assert shown_name(tmp_path) == "Müllheim <b>"
    keep_remark(tmp_path, "", "", "")
    assert shown_name(tmp_path) == tmp_path.name


@pytest.mark.parametrize(
    ("name", "note", "date", "words"),
    [("a\x00b", "", "", "cannot be shown"), ("a" * 101, "", "", "100"), ("", "a" * 2001, "", "2000"),
     ("", "", "31.5.2024", "date"), ("", "", "2024-02-30", "date")],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_in_one_line(
    tmp_path: Path, name: str, note: str, date: str, words: str
) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        keep_remark(tmp_path, name, note, date)
    assert "\n" not in str(refused.value)
    assert remark(tmp_path) == Remark()


def test_a_damaged_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "remark.json").write_text('{"name": 3}')
    assert remark(tmp_path) == Remark()
