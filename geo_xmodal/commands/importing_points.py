"""`import points`: a table of points to a scene folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import geo_xmodal as gx
from geo_xmodal.commands.console import Console, fields, table
from geo_xmodal.errors import UsageError
from geo_xmodal.outputs import check_writable
from geo_xmodal.small_files import first_problem


def run(file: Path, out: Path, given: Mapping[str, Any], console: Console) -> None:
    """Make the scene, and say what became of the table.

    Args:
        file: The table.
        out: The scene folder.
        given: Options of the command line that were given, by name.
        console: What is told.
    """
    request = _request(given)
    check_writable(out)
    with console.progress() as progress:
        report = gx.import_points(file, out, request, progress)
    for note in report.notes:
        console.note(note, "note")
    trains = sum(counts["train"] for counts in report.counts.values())
    tests = sum(counts["test"] for counts in report.counts.values())
    console.result(
        asdict(report),
        fields(
            scene=f"{report.out}: {report.points:,} points at {report.places:,} places",
            sensors=", ".join(f"{name} ({bands} bands)" for name, bands in report.bands.items()),
            points=f"{trains:,} train, {tests:,} test, {report.unlabelled:,} without label; "
            f"{report.pairs:,} have both sensors",
            divided=report.divided,
        ),
        table(
            "class",
            "train",
            "test",
            rows=[(name, counts["train"], counts["test"]) for name, counts in report.counts.items()],
        ),
    )
    console.note(f"next: geo-xmodal train --scene {report.out}")


def _request(given: Mapping[str, Any]) -> gx.PointsRequest:
    """The options as a request.

    Raises:
        UsageError: One is missing, or is not what it should be.
    """
    for option, what in (
        ("--target-bands", "the columns that are the sensor to map from, such as 'SAR-*'"),
        ("--label", "the column of classes"),
    ):
        if option not in given:
            raise UsageError(f"import points needs {option}: {what}")
    for option in ("--rich-kind", "--rich-scale"):
        if option in given and "--rich-bands" not in given:
            raise UsageError(f"{option} is of the auxiliary sensor: say which columns it has, --rich-bands")
    sensors = {
        side: {
            "bands": _parts(given[f"--{side}-bands"]),
            **{key: given[f"--{side}-{key}"] for key in ("kind", "scale") if f"--{side}-{key}" in given},
        }
        for side in ("target", "rich")
        if f"--{side}-bands" in given
    }
    values: dict[str, Any] = {
        **sensors,
        **{
            option.removeprefix("--").replace("-", "_"): given[option]
            for option in (
                "--label", "--legend", "--crs", "--interpolate", "--places", "--cells", "--random", "--test",
                "--min-per-class", "--seed", "--layer",
            )
            if option in given
        },
    }  # fmt: skip
    for option in ("--leave-out", "--unlabelled"):
        if option in given:
            values[option.removeprefix("--").replace("-", "_")] = _parts(given[option])
    for option, example in (("--coordinates", "lon,lat"), ("--series", "sample_id,timestamp")):
        if option in given:
            parts = _parts(given[option])
            if len(parts) != 2:
                raise UsageError(f"{option} {given[option]!r}: expected two columns, such as {example}")
            values[option.removeprefix("--")] = parts
    if "--no-data" in given:
        values["no_data"] = [_number(part) for part in _parts(given["--no-data"])]
    try:
        return gx.PointsRequest.model_validate(values)
    except ValidationError as error:
        raise UsageError(first_problem(error)) from None


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"--no-data {text!r}: expected numbers, such as 65535,0")
    return value


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
