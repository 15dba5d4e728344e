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
from geo_xmodal.named_options import option
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
    for name, what in (
        ("target_bands", "the columns that are the sensor to map from, such as 'SAR-*'"),
        ("label", "the column of classes"),
    ):
        if name not in given:
            raise UsageError(f"import points needs {option(name)}: {what}")
    for name in ("auxiliary_kind", "auxiliary_scale"):
        if name in given and "auxiliary_bands" not in given:
            raise UsageError(
                f"{option(name)} is of the auxiliary sensor: say which columns it has, "
                f"{option('auxiliary_bands')}"
            )
    sensors = {
        side: {
            "bands": _parts(given[f"{side}_bands"]),
            **{key: given[f"{side}_{key}"] for key in ("kind", "scale") if f"{side}_{key}" in given},
        }
        for side in ("target", "auxiliary")
        if f"{side}_bands" in given
    }
    values: dict[str, Any] = {
        **sensors,
        **{
            name: given[name]
            for name in (
                "label", "legend", "crs", "interpolate", "places", "cells", "random", "test",
                "min_per_class", "seed", "layer",
            )
            if name in given
        },
    }  # fmt: skip
    for name in ("leave_out", "unlabelled"):
        if name in given:
            values[name] = _parts(given[name])
    for name, example in (("coordinates", "lon,lat"), ("series", "sample_id,timestamp")):
        if name in given:
            parts = _parts(given[name])
            if len(parts) != 2:
                raise UsageError(
                    f"{option(name, repr(given[name]))}: expected two columns, such as {example}"
                )
            values[name] = parts
    if "no_data" in given:
        values["no_data"] = [_number(part) for part in _parts(given["no_data"])]
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
        raise UsageError(f"{option('no_data', repr(text))}: expected numbers, such as 65535,0")
    return value


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
