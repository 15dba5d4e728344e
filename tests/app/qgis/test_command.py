"""Finding, running and stopping the command, without QGIS."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from types import ModuleType

import psutil
import pytest

from tests.app.qgis.conftest import COMMAND, PLUGIN, imported
from tests.waiting import wait_until

STUB = """#!/bin/sh
if [ "$1" = --version ]; then echo "geo-xmodal 9.9.9"; exit 0; fi
echo "scene here" >&2
echo '{{"event": "progress", "done": 1, "total": 4, "message": "first quarter", "seconds_left": 9.5}}' >&2
echo '{{"event": "note", "kind": "warning", "message": "mind the gap"}}' >&2
{body}
"""


@pytest.fixture(scope="module")
def command() -> ModuleType:
    return imported(PLUGIN / "command.py")


def stub(folder: Path, body: str) -> Path:
    """A program that behaves like geo-xmodal."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "geo-xmodal"
    program.write_text(STUB.format(body=body), encoding="utf-8")
    program.chmod(0o755)
    return program


def run(command: ModuleType, program: Path) -> object:
    """`map` of a program that says nothing of interest."""
    return command.run_command(
        [str(program)],
        ["map"],
        lambda *_: None,
        lambda *_: None,
        lambda: False,
        lambda option, value: f"<{option}{value}>",
    )


def test_result_progress_and_lines(command: ModuleType, tmp_path: Path) -> None:
    program = stub(tmp_path, """echo '{"args": "'"$*"'"}'""")
    steps: list[object] = []
    said: list[object] = []
    result = command.run_command(
        [str(program)],
        ["map", "--out", "x"],
        lambda *step: steps.append(step),
        lambda *note: said.append(note),
        lambda: False,
        str,
    )
    assert result == {"args": "map --out x --json --progress json"}
    assert steps == [(1, 4, "first quarter", 9.5)]
    assert said == [("scene here", ""), ("mind the gap", "warning")]


def test_error_line_is_the_message(command: ModuleType, tmp_path: Path) -> None:
    parts = ["sar.tif: no such file: check ", {"option": "input", "value": ""}]
    event = json.dumps({"event": "error", "message": "", "parts": parts, "status": 2})
    program = stub(tmp_path, f"echo '{event}' >&2; exit 2")
    with pytest.raises(command.CommandError, match=r"^sar.tif: no such file: check <input>$"):
        run(command, program)


@pytest.mark.parametrize("status", [0, 3])
def test_no_result_and_no_error_is_told(command: ModuleType, tmp_path: Path, status: int) -> None:
    program = stub(tmp_path, f"echo nonsense; exit {status}")
    with pytest.raises(
        command.CommandError, match="no result that can be read" if status == 0 else "status 3"
    ):
        run(command, program)


@pytest.mark.parametrize("stubborn", [False, True])
def test_cancel_ends_workers_too(
    command: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stubborn: bool
) -> None:
    monkeypatch.setattr(command, "_GRACE_SECONDS", 0.5)
    ignore = "trap '' INT; " if stubborn else ""
    program = stub(tmp_path, f"{ignore}sleep 4321 & sleep 4321 & echo $! > {tmp_path}/worker; wait")
    stop = threading.Event()
    with pytest.raises(command.Cancelled):
        command.run_command(
            [str(program)],
            [],
            lambda *_: threading.Timer(0.3, stop.set).start(),
            lambda *_: None,
            stop.is_set,
            str,
        )
    worker = int((tmp_path / "worker").read_text())
    wait_until(
        lambda: not psutil.pid_exists(worker) or psutil.Process(worker).status() == psutil.STATUS_ZOMBIE
    )


def test_setting_names_program_environment_or_python(command: ModuleType, tmp_path: Path) -> None:
    program = stub(tmp_path / "env" / "bin", "")
    python = program.with_name("python3")
    python.symlink_to(sys.executable)
    for setting in (program, tmp_path / "env", python):
        assert command.find_command(str(setting)) == [str(program)]


def test_setting_goes_before_variable_and_path(
    command: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = {name: stub(tmp_path / name, "") for name in ("setting", "variable", "path")}
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GEO_XMODAL_COMMAND", str(programs["variable"]))
    assert command.find_command(str(programs["setting"])) == [str(programs["setting"])]
    assert command.find_command() == [str(programs["variable"])]
    installed = imported(_copied(tmp_path / "profile" / "python" / "plugins" / "geo_xmodal_qgis"))
    monkeypatch.delenv("GEO_XMODAL_COMMAND")
    assert installed.find_command() == [str(programs["path"])]


def test_checkout_finds_its_own_environment(command: ModuleType, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "geo_xmodal").mkdir(parents=True)
    program = stub(checkout / ".venv" / "bin", "")
    assert imported(_copied(checkout / "app" / "qgis" / "geo_xmodal_qgis")).find_command() == [str(program)]


def test_wrong_setting_is_told(command: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(command.CommandError, match=r"the setting of the geo_xmodal provider says .*nowhere"):
        command.find_command(str(tmp_path / "nowhere"))


def test_nothing_found_says_what_to_do(
    command: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    installed = imported(_copied(tmp_path / "profile" / "python" / "plugins" / "geo_xmodal_qgis"))
    with pytest.raises(installed.CommandError, match=r"pip install geo_xmodal.*Settings > Options"):
        installed.find_command()


def test_version_of_the_command(command: ModuleType, tmp_path: Path) -> None:
    assert command.command_version([str(stub(tmp_path, ""))]) == "9.9.9"
    if COMMAND.exists():
        from geo_xmodal.version import VERSION

        assert command.command_version([str(COMMAND)]) == VERSION


def test_another_program_is_told(command: ModuleType) -> None:
    with pytest.raises(command.CommandError, match="is not a geo-xmodal that works"):
        command.command_version(["/bin/ls"])


def test_settings_of_qgis_are_not_inherited(command: ModuleType) -> None:
    given = {
        "PATH": "/bin",
        "PYTHONHOME": "/qgis",
        "GDAL_DATA": "/qgis",
        "PROJ_LIB": "/qgis",
        "HOME": "/home",
    }
    assert command.clean_environment(given) == {"PATH": "/bin", "HOME": "/home", "PYTHONUTF8": "1"}


def _copied(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / "command.py"
    copy.write_bytes((PLUGIN / "command.py").read_bytes())
    return copy
