"""`evaluate`: a map against reference labels."""

from __future__ import annotations

from typing import Any

import rich.table

import geo_xmodal as gx
from geo_xmodal.commands.console import Console, table
from geo_xmodal.commands.options import assigned_crs, coordinate_columns, reclass_table, unlabelled_values
from geo_xmodal.commands.parsing import command
from geo_xmodal.commands.results import accuracy_tables
from geo_xmodal.outputs import check_writable
from geo_xmodal.requests import EvaluateRequest


@command(EvaluateRequest)
def evaluate(request: EvaluateRequest, console: Console) -> None:
    """Evaluate, and show how good the map is."""
    out = request.out
    if out is not None:
        check_writable(out)
    with console.progress() as progress:
        result = gx.evaluate_map(
            request.map,
            request.reference,
            out,
            layer=request.layer,
            sampled=request.sampled,
            classes=request.classes,
            reclass=reclass_table(request.reclass),
            unlabelled=unlabelled_values(request.unlabelled),
            assign_crs=assigned_crs(request.assign_crs),
            coordinates=coordinate_columns(request.coordinates),
            warp_gcps=request.warp_gcps,
            progress=progress,
        )
    for line in result.metrics.get("notes", ()):
        console.warn(line, "note")
    parts: list[rich.table.Table | str] = accuracy_tables(result.metrics)
    if request.sampled:
        parts.append(_areas(result.metrics["areas"]))
    if out is not None:
        parts.append(f"report: {out / 'report.html'}")
    console.result(result.metrics, *parts)


def _areas(areas: dict[str, Any]) -> rich.table.Table:
    return table(
        "class",
        f"mapped area, {areas['unit']}",
        f"estimated area, {areas['unit']}",
        "user's accuracy",
        "producer's accuracy",
        rows=[
            (
                one["name"],
                f"{one['mapped_area']:,.1f}",
                _estimate(one["area"], 1.0),
                _estimate(one["users_accuracy"], 100.0),
                _estimate(one["producers_accuracy"], 100.0),
            )
            for one in areas["classes"]
        ],
    )


def _estimate(estimate: dict[str, Any], factor: float) -> str:
    if estimate["value"] is None:
        return "-"
    value = f"{factor * estimate['value']:,.1f}"
    return value if estimate["se"] is None else f"{value} ± {factor * 1.96 * estimate['se']:,.1f}"
