"""`evaluate`: a map against reference labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import rich.table
import typer

import geo_xmodal as gx
from geo_xmodal.commands.console import Console, table
from geo_xmodal.commands.options import Json, Unlabelled, WarpGcps, unlabelled_values
from geo_xmodal.commands.results import accuracy_tables
from geo_xmodal.outputs import check_writable


def evaluate(
    map_: Annotated[Path, typer.Option("--map", help="A classified GeoTIFF.")],
    reference: Annotated[
        str,
        typer.Option(
            metavar="FILE[[:LAYER]:COLUMN]", help="A label raster, or a vector file and its class column."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Folder for metrics.json and report.html.")] = None,
    layer: Annotated[str | None, typer.Option(help="Layer of a vector file that has several.")] = None,
    sampled: Annotated[
        bool,
        typer.Option(
            "--sampled",
            help="The reference is a random sample stratified by the map's classes: "
            "estimate areas and accuracies with intervals.",
        ),
    ] = False,
    classes: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with a list of classes that names the values of a map of another program."
        ),
    ] = None,
    unlabelled: Unlabelled = None,
    warp_gcps: WarpGcps = None,
    json: Json = False,
) -> None:
    """Measure a map against reference labels of any CRS and resolution."""
    console = Console(json)
    if out is not None:
        check_writable(out)
    with console.progress() as progress:
        result = gx.evaluate_map(
            map_,
            reference,
            out,
            layer=layer,
            sampled=sampled,
            classes=classes,
            unlabelled=unlabelled_values(unlabelled),
            warp_gcps=warp_gcps,
            progress=progress,
        )
    for line in result.metrics.get("notes", ()):
        console.warn(line, "note")
    parts: list[rich.table.Table | str] = accuracy_tables(result.metrics)
    if sampled:
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
