"""Options of a command on pages: an option that a request model has more is a field, and reaches the job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field
from streamlit.testing.v1 import AppTest

from geo_xmodal.requests import EvaluateRequest, ExportRequest, MapRequest, Option, TrainCommand
from geo_xmodal_app.fields import Field as Asked
from geo_xmodal_app.jobs import queue
from geo_xmodal_app.request_fields import given, option_fields
from geo_xmodal_app.screens import mapping
from geo_xmodal_app.sessions import LOCAL
from geo_xmodal_app.settings import VARIABLE, Settings


class WithMore(MapRequest):
    """Map with options more."""

    command: ClassVar[str] = "map"

    smoothing: Annotated[
        int, Option("Smoothing", "Pixels around {input} that vote.", unit="pixels"), Field(ge=0, le=9)
    ] = 0
    sharpness: Annotated[float | None, Option("Sharpness", "Of edges.", expert=True)] = None
    votes: Annotated[tuple[Literal["a", "b"], ...], Option("Votes", "Who votes.", pages="hidden")] = ()


def test_an_option_of_map_is_on_the_page_and_in_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, Settings(work=tmp_path / "work").model_dump_json())
    monkeypatch.setattr(mapping, "MapRequest", WithMore)
    page = AppTest.from_string(
        "from geo_xmodal_app.screens import mapping\nmapping.show()", default_timeout=60
    )
    page.query_params["model"], page.query_params["scene"] = "shipped:berlin-sar-hgr", "sample:berlin"
    page.run()
    assert not page.exception and not page.error
    fields = {one.label: one for one in page.number_input}
    assert fields["Smoothing, pixels"].help.replace("\\", "") == "Pixels around 'Raster to map' that vote."
    assert fields["Sharpness"].value is None
    assert "Votes" not in [one.label for one in page.multiselect]
    folded = [one.label for one in page.expander[0].number_input]
    assert "Sharpness" in folded and "Smoothing, pixels" not in folded
    assert "--smoothing" not in page.code[0].value
    fields["Smoothing, pixels"].set_value(3).run()
    assert "--smoothing=3" in page.code[0].value
    next(one for one in page.button if one.label == "Start mapping").click().run()
    (job,) = queue().jobs(LOCAL)
    assert {"--smoothing=3", "--probability"} <= set(job.command.split())
    assert not any("sharpness" in word for word in job.command.split())


@pytest.mark.parametrize("request_of", [MapRequest, TrainCommand, EvaluateRequest, ExportRequest])
def test_every_field_says_what_it_is_and_starts_as_the_command_does(request_of: Any) -> None:
    described = request_of.describe()
    for name, field in option_fields(request_of, {}).items():
        assert field.label and field.help.endswith((".", ")")) and "{" not in field.help
        assert field.takes(field.start), name
        asked = given({name: field.start})
        assert asked.get(name, described[name].default) == described[name].default


def test_nobody_types_a_path_of_the_server_or_what_it_runs_on() -> None:
    for request in (MapRequest, TrainCommand, EvaluateRequest, ExportRequest):
        described = request.describe()
        for name, field in option_fields(request, {}).items():
            assert described[name].type != "path" and described[name].option.takes == ""
            assert isinstance(field, Asked)
    hidden = {"workers", "threads", "scheduler", "window", "resume", "allow_addresses", "dry_run", "picture"}
    assert not hidden & set(option_fields(MapRequest, {}))


def test_what_does_not_apply_is_not_asked() -> None:
    assert {"mmu", "sieve", "simplify"} <= set(option_fields(ExportRequest, {"to": "gpkg"}))
    assert not option_fields(ExportRequest, {"to": "qgis"})
    assert json.dumps(given({"mmu": 0.5, "date": "", "tile": None})) == '{"mmu": 0.5}'
