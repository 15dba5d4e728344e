"""What a newcomer is told before anything runs: help, examples, completion."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

import geo_xmodal as gx
from geo_xmodal.commands.app import app, run

COMMANDS = sorted(info.name for info in app.registered_commands if info.name)


def help_of(command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "400")
    assert run([command, "--help"]) == 0
    return capsys.readouterr().out


def squeezed(text: str) -> str:
    return re.sub(r"[\s│]+", "", text)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_word_of_help_arrives(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Square brackets, above all, which a terminal library may take for colours."""
    shown = squeezed(help_of(command, capsys, monkeypatch))
    function = next(one.callback for one in app.registered_commands if one.name == command)
    assert function is not None
    assert squeezed(inspect.getdoc(function) or "nothing").rstrip(".") in shown
    parameters = typer.main.get_command(app).commands[command].params  # type: ignore[attr-defined]
    assert parameters
    for parameter in parameters:
        assert squeezed(getattr(parameter, "help", None) or "") in shown, parameter.name


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_examples_that_it_takes(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = help_of(command, capsys, monkeypatch)
    examples = re.findall(rf"^ +(geo-xmodal {command}\b.*?) *$", shown.partition("Examples:")[2], re.M)
    assert examples
    parser = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
    for example in examples:
        parser.make_context(command, shlex.split(example)[2:])


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("tra", "train"),
        ("map --eng", "--engine"),
        ("map --engine o", "openvino"),
        ("align --target-kind th", "thermal"),
        ("train --scene ti", "tiny"),
        ("map --model ber", "berlin-sar-hgr"),
    ],
)
def test_a_shell_completes(words: str, wanted: str, tmp_path: Path) -> None:
    from tests.tiny import write_scene

    write_scene(tmp_path / "tiny")
    done = subprocess.run(
        [sys.executable, "-m", "geo_xmodal.cli"],
        env={
            **os.environ,
            "_GEO_XMODAL_COMPLETE": "complete_bash",
            "COMP_WORDS": f"geo-xmodal {words}",
            "COMP_CWORD": str(len(words.split())),
            "GEO_XMODAL_DATA": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert wanted in done.stdout.split(), done.stderr


def test_completion_can_be_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    assert "--install-completion" in capsys.readouterr().out


def test_methods_show_the_settings_of_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["methods", "hgr"]) == 0
    shown = capsys.readouterr().out
    assert {"labels_per_class", "unlabelled", "validation", "transductive"} < set(gx.DATA_SETTINGS)
    for name, setting in gx.DATA_SETTINGS.items():
        assert re.search(rf"^{name} +", shown, re.M)
        assert setting.description and setting.description in shown
