"""Messages name options; each surface words them."""

from __future__ import annotations

import json
import re

import pytest

from geo_xmodal.commands.app import run
from geo_xmodal.errors import UsageError
from geo_xmodal.named_options import NamedOption, as_flag, option, parts, worded
from tests.conftest import REPOSITORY


def test_a_message_is_worded_by_who_shows_it() -> None:
    error = UsageError(f"give {option('warp_gcps', 'tps')}, or leave {option('input')} out")
    assert str(error) == "give warp_gcps=tps, or leave 'input' out"
    assert worded(error.marked, as_flag) == "give --warp-gcps tps, or leave --input out"
    assert list(parts(error.marked))[1] == NamedOption("warp_gcps", "tps")


def test_a_name_in_a_file_marks_nothing() -> None:
    hostile = option("a", "x" + option("b"))
    assert worded(hostile, as_flag) == "--a xb"
    assert worded("\ue000no end", as_flag) == "no end"
    assert worded("\ue000Not-A-Name\ue002", as_flag) == "Not-A-Name"


def test_errors_come_as_events(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["map", "--model", "berlin-sar-hgr", "--out", "x.tif", "--progress", "json"]) == 2
    captured = capsys.readouterr()
    (event,) = [json.loads(line) for line in captured.err.splitlines()]
    assert event["event"] == "error" and event["status"] == 2
    assert event["message"] == "what is to be mapped? give either --scene or --input"
    assert {"option": "scene", "value": ""} in event["parts"]
    assert run(["map", "--progress=json"]) == 2  # what the parser refuses, too
    assert json.loads(capsys.readouterr().err)["event"] == "error"


def test_the_library_names_no_flag_of_the_command_line() -> None:
    """Messages mark options; what makes and words flags are the command line and the request models."""
    package = REPOSITORY / "geo_xmodal"
    surfaces = ("commands", "requests", "named_options.py")
    others = ("gdal_translate --config", "dask scheduler --scheduler-file")
    for path in sorted(package.rglob("*.py")):
        if path.relative_to(package).parts[0] in surfaces:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if re.search(r"(?<![\w-])--[a-z]", line) and not any(other in line for other in others):
                raise AssertionError(f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()}")
