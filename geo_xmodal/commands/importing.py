"""`import`: published scenes as people have them on disk, and tables of points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import geo_xmodal as gx
from geo_xmodal.commands import importing_points
from geo_xmodal.commands.console import Console, fields, table
from geo_xmodal.commands.options import Json, Unlabelled
from geo_xmodal.errors import UsageError
from geo_xmodal.kinds import Kind
from geo_xmodal.outputs import check_writable

PointScale = Literal["linear", "db", "dn"]
_POINTS = "points"

_Patterns = Annotated[
    str | None,
    typer.Option(
        metavar="PATTERN,...",
        help="Of a table of points: columns that are no bands, whatever the patterns of bands say.",
    ),
]


def _bands_of(sensor: str) -> Any:
    return typer.Option(
        metavar="PATTERN,...",
        help=f"Of a table of points: columns that are bands of the {sensor} sensor, such as SAR-*.",
    )


def _kind_of(sensor: str) -> Any:
    return typer.Option(help=f"What the {sensor} sensor measures (default: by the names of its columns).")


def _scale_of(sensor: str) -> Any:
    return typer.Option(
        help=f"How a radar as {sensor} sensor holds power: linear (default), db, or dn for digital numbers "
        "(20 log10 DN - 83 dB)."
    )


def import_(
    name: Annotated[
        str | None, typer.Argument(help="A published scene, as --list names it, or points.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="The folder with its files; of points the table (CSV, Parquet, GeoParquet, GeoPackage)."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The scene folder.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse files whose sizes or counts are not as published.")
    ] = False,
    list_: Annotated[
        bool, typer.Option("--list", help="List the published scenes and the files that are looked for.")
    ] = False,
    target_bands: Annotated[str | None, _bands_of("target")] = None,
    target_kind: Annotated[Kind | None, _kind_of("target")] = None,
    target_scale: Annotated[PointScale | None, _scale_of("target")] = None,
    rich_bands: Annotated[str | None, _bands_of("auxiliary")] = None,
    rich_kind: Annotated[Kind | None, _kind_of("auxiliary")] = None,
    rich_scale: Annotated[PointScale | None, _scale_of("auxiliary")] = None,
    leave_out: _Patterns = None,
    label: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Of a table of points: codes or names of classes.")
    ] = None,
    legend: Annotated[
        Path | None,
        typer.Option(help="Names of the codes: a table of codes and names, or TOML as scene.toml has it."),
    ] = None,
    unlabelled: Unlabelled = None,
    coordinates: Annotated[
        str | None,
        typer.Option(metavar="X,Y", help="Columns of the coordinates (default: lon and lat, or geometries)."),
    ] = None,
    crs: Annotated[
        str | None, typer.Option(help="Of the coordinates (default: the file's, else longitude, latitude).")
    ] = None,
    no_data: Annotated[
        str | None, typer.Option(metavar="NUMBER,...", help="Values of bands that mean no data.")
    ] = None,
    series: Annotated[
        str | None,
        typer.Option(metavar="SAMPLE,TIME", help="Columns that say which rows are one sample's, and when."),
    ] = None,
    interpolate: Annotated[
        bool, typer.Option("--interpolate", help="Fill gaps of a series from the times before and after.")
    ] = False,
    places: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Points of one place train or test together.")
    ] = None,
    cells: Annotated[
        float | None, typer.Option(metavar="DEGREES", help="Places are cells of so many degrees instead.")
    ] = None,
    random: Annotated[
        bool, typer.Option("--random", help="Divide points at random instead, which flatters accuracy.")
    ] = False,
    test: Annotated[
        float | None, typer.Option(help="Share of the labels of points that test.", show_default="0.5")
    ] = None,
    min_per_class: Annotated[
        int | None, typer.Option(help="Points that a class has at least.", show_default="10")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the division of points.", show_default="0")
    ] = None,
    layer: Annotated[str | None, typer.Option(help="Layer of a GeoPackage of points.")] = None,
    json: Json = False,
) -> None:
    """Make a scene folder of a published scene (Berlin, Houston2013, ...), or of a table of points."""
    console = Console(json)
    of_points = {
        "--target-bands": target_bands, "--target-kind": target_kind, "--target-scale": target_scale,
        "--rich-bands": rich_bands, "--rich-kind": rich_kind, "--rich-scale": rich_scale,
        "--leave-out": leave_out, "--label": label, "--legend": legend, "--unlabelled": unlabelled,
        "--coordinates": coordinates, "--crs": crs, "--no-data": no_data, "--series": series,
        "--interpolate": interpolate or None, "--places": places, "--cells": cells,
        "--random": random or None, "--test": test, "--min-per-class": min_per_class, "--seed": seed,
        "--layer": layer,
    }  # fmt: skip
    given = {option: value for option, value in of_points.items() if value is not None}
    if given and name != _POINTS:
        raise UsageError(f"{next(iter(given))} is for tables of points: geo-xmodal import points TABLE")
    if list_:
        if name is not None or folder is not None or out is not None:
            raise UsageError("--list takes no scene, no folder and no --out")
        _show_known(console)
        return
    if name is None or folder is None or out is None:
        raise UsageError(
            "expected NAME FOLDER --out DIR, points TABLE --out DIR, or --list; see geo-xmodal import --help"
        )
    if name == _POINTS:
        if strict:
            raise UsageError("--strict compares with published counts, and points have none: leave it out")
        importing_points.run(folder, out, given, console)
        return
    check_writable(out)
    with console.progress() as progress:
        report = gx.import_scene(name, folder, out, strict=strict, progress=progress)
    _show(report, console)


def _show(report: gx.ImportReport, console: Console) -> None:
    content = asdict(report)
    content["counts"] = [asdict(count) for count in report.counts]
    splits = list(dict.fromkeys(count.split for count in report.counts))
    by_class = {
        number: {count.split: count for count in report.counts if count.id == number}
        for number in dict.fromkeys(count.id for count in report.counts)
    }
    console.result(
        content,
        fields(scene=f"{report.out} ({report.name}, real; maps are made from {report.target})"),
        table(
            *("part", "bands, rows, columns", "file"),
            rows=[
                (part, " x ".join(map(str, report.shapes[part])) if part in report.shapes else "", file)
                for part, file in report.files.items()
            ],
        ),
        table(
            *("id", "class"),
            *(heading for split in splits for heading in (f"{split} pixels", "published")),
            rows=[
                (number, one[splits[0]].name, *(cell for split in splits for cell in _cells(one[split])))
                for number, one in by_class.items()
            ],
        ),
        f"published: {report.compared_with}",
    )
    for note in report.notes:
        console.note(note, "note")
    for difference in report.differences:
        console.note(f"not as published: {difference}")
    console.note(f"the reader of {report.name} was checked against: {report.checked}")
    console.note(f"next: geo-xmodal train --scene {report.out}")


def _cells(count: Any) -> tuple[int, int | str]:
    return count.found, "not known" if count.expected is None else count.expected


def _show_known(console: Console) -> None:
    known = gx.published_scenes()
    console.result(
        {"scenes": [_described(scene) for scene in known]},
        *(
            part
            for scene in known
            for part in (
                fields(
                    scene=f"{scene.name}: {scene.title}, {len(scene.classes)} classes",
                    **{sensor.name: _ways(sensor.sources) for sensor in scene.sensors},
                    labels=" or ".join(" + ".join(files) for files in scene.label_files),
                    checked_against=scene.checked,
                ),
                "",
            )
        ),
        "Files may be MATLAB (5 or 7.3), GeoTIFF or ENVI, labels also ENVI regions of interest as text.",
    )


def _ways(sources: Sequence[Any]) -> str:
    return " or ".join(" + ".join(one.stems) for one in sources)


def _described(scene: gx.PublishedScene) -> dict[str, Any]:
    return {
        "name": scene.name,
        "title": scene.title,
        "citation": scene.citation,
        "targets": scene.targets,
        "sensors": [
            {
                "name": sensor.name,
                "kind": sensor.kind,
                "sensor": sensor.title,
                "bands": sensor.bands,
                "sizes": sensor.shapes,
                "files": [one.stems for one in sensor.sources],
            }
            for sensor in scene.sensors
        ],
        "labels": scene.label_files,
        "classes": [one.name for one in scene.classes],
        "counts": [asdict(counts) for counts in scene.counts],
        "checked": scene.checked,
    }
