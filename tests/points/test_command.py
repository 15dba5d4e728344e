"""`geo-xmodal import points`, as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from geo_xmodal.commands.app import run
from tests.points.tables import table, write_parquet

WORDS = [
    "--target-bands",
    "S1-*",
    "--target-scale",
    "db",
    "--auxiliary-bands",
    "S2-*",
    "--leave-out",
    "*count*",
]


def test_a_table_becomes_a_scene_that_info_describes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = write_parquet(table(), tmp_path / "t.parquet"), tmp_path / "scene"
    words = ["import", "points", file, "--out", out, *WORDS, "--label", "class", "--places", "field"]
    assert run([str(word) for word in (*words, "--json")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["places"] == 12 and told["bands"] == {"sar": 2, "msi": 2}
    assert run(["info", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["points"]["places"] == 12
    assert run(["info", str(out)]) == 0
    assert "make no map" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["points", "t.csv", "--out", "o"], "needs --target-bands"),
        (["points", "t.csv", "--out", "o", "--target-bands", "a"], "needs --label"),
        (["berlin", "x", "--out", "o", "--label", "a"], "--label is for tables of points"),
        (["points", "t.csv", "--out", "o", *WORDS, "--label", "c", "--no-data", "x"], "--no-data 'x'"),
        (["points", "t.csv", "--out", "o", *WORDS, "--label", "c", "--series", "a"], "expected two columns"),
        (["points", "t.csv", "--out", "o", *WORDS, "--label", "c", "--cells", "1", "--random"], "give one"),
        (["points", "t.csv", "--out", "o", *WORDS, "--label", "c", "--strict"], "--strict compares"),
        (["points", "t.csv", "--out", "o", *WORDS, "--label", "c"], "no such file"),
    ],
)
def test_wrong_words_are_one_line(
    words: list[str],
    match: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["import", *words]) == 2
    assert match in capsys.readouterr().err.replace("\n", " ")
