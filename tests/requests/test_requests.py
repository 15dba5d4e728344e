"""One description of every command: what is made from it, and that an option is written once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
import typer
import typer.main
from pydantic import Field

from geo_xmodal.commands.app import app, run
from geo_xmodal.commands.console import Console
from geo_xmodal.commands.parsing import command
from geo_xmodal.errors import UsageError
from geo_xmodal.explain import model_routines, pretrained_routines
from geo_xmodal.requests import (
    REQUESTS,
    ExplainRequest,
    MapOptions,
    MapRequest,
    Option,
    SimulateRequest,
    TrainCommand,
    described,
    reference_page,
)
from geo_xmodal.simulate import PRESETS
from scripts.reference import pages
from tests.conftest import REPOSITORY


class WithOneMore(MapRequest):
    """Map with one option more."""

    command: ClassVar[str] = "map"

    smoothing: Annotated[
        int, Option("Smoothing", "Pixels around {input} that vote.", unit="pixels"), Field(ge=0, le=9)
    ] = 0


def test_an_option_of_map_is_one_edit() -> None:
    asked: list[MapRequest] = []

    @command(WithOneMore)
    def map_(request: WithOneMore, console: Console) -> None:
        asked.append(request)

    made = typer.Typer()
    made.command()(map_)
    given = ["--model", "m", "--out", "o.tif", "--input", "a.tif", "--input", "b.tif", "--smoothing", "3"]
    typer.main.get_command(made)(given, standalone_mode=False)
    assert asked == [WithOneMore(model="m", out=Path("o.tif"), inputs=("a.tif", "b.tif"), smoothing=3)]
    with pytest.raises(typer.TyperException, match="less than or equal to 9"):
        typer.main.get_command(made)([*given, "--smoothing", "10"], standalone_mode=False)
    (about,) = described([WithOneMore])["commands"]
    option = about["options"][-1]
    assert option["flag"] == "--smoothing" and option["unit"] == "pixels"
    assert (option["minimum"], option["maximum"], option["default"]) == (0, 9, 0)
    row = "| `--smoothing` | integer, from 0 to 9, pixels | `0` | basic | Pixels around --input that vote. |"
    assert row in reference_page([WithOneMore])


@pytest.mark.parametrize("name", REQUESTS)
def test_the_command_line_has_every_option(name: str) -> None:
    parser = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    shown = {flag for one in parser.params for flag in one.opts}
    for one in REQUESTS[name].describe().values():
        assert (one.field if one.option.positional else one.flag) in shown
        assert one.option.label, "forms need a name for it"
        assert set(one.option.applies) <= {other.name for other in REQUESTS[name].describe().values()}


def test_what_is_made_from_the_models_is_current() -> None:
    for place, text in pages().items():
        assert (REPOSITORY / place).read_text(encoding="utf-8") == text, "run python scripts/reference.py"


def test_a_request_says_its_command_line() -> None:
    request = TrainCommand(scenes=("a b", "c"), method="svm", seeds=3, control=True, settings=("epochs=2",))
    words = request.words()
    assert words == [
        "geo-xmodal", "train", "--scene", "a b", "--scene", "c", "--method", "svm", "--seeds", "3",
        "--control", "--set", "epochs=2",
    ]  # fmt: skip
    parser = typer.main.get_command(app).commands["train"]  # type: ignore[attr-defined]
    assert parser.make_context("train", words[2:]).params["scenes"] == ["a b", "c"]
    assert SimulateRequest(out=Path("x"), rows=64).words() == ["geo-xmodal", "simulate", "x", "--rows", "64"]


def test_describe_prints_it_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["describe", "map", "--json"]) == 0
    (about,) = json.loads(capsys.readouterr().out)["commands"]
    assert about["name"] == "map"
    by_name = {one["name"]: one for one in about["options"]}
    assert by_name["engine"]["choices"] == ["torch", "openvino"]
    assert by_name["probability"]["group"] == "basic" and by_name["window"]["group"] == "expert"
    assert by_name["input"]["many"] and not by_name["input"]["required"]
    assert run(["describe", "train", "--json"]) == 0
    (about,) = json.loads(capsys.readouterr().out)["commands"]
    (method,) = [one for one in about["options"] if one["name"] == "method"]
    assert {"auto", "hgr", "svm"} <= {*method["words"]}
    assert run(["describe", "map"]) == 0
    assert "--class-probabilities" in capsys.readouterr().out
    assert run(["describe", "nothing"]) == 2


def test_words_that_forms_offer_are_all_that_there_are() -> None:
    words = {one.field: one.option.words for one in ExplainRequest.describe().values()}
    assert set(words["routines"]) == {*model_routines.NAMES, *pretrained_routines.NAMES}
    words = {one.field: one.option.words for one in SimulateRequest.describe().values()}
    assert set(words["like"]) == set(PRESETS)


def test_values_that_cannot_be_are_refused_in_python_too() -> None:
    with pytest.raises(UsageError, match=r"window: .* found 0"):
        MapOptions.checked({"window": 0})
    with pytest.raises(UsageError, match="windows"):
        MapOptions.checked({"windows": 5})
