"""`import`: published scenes as people have them on disk, and tables of points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import geo_xmodal as gx
from geo_xmodal.commands import importing_points
from geo_xmodal.commands.console import Console, fields, table
from geo_xmodal.commands.parsing import command
from geo_xmodal.errors import UsageError
from geo_xmodal.named_options import option
from geo_xmodal.outputs import check_writable
from geo_xmodal.requests import ImportRequest
from geo_xmodal.requests.importing import POINTS


@command(ImportRequest)
def import_(request: ImportRequest, console: Console) -> None:
    """Import, and say what came of it."""
    name, folder, out = request.name, request.folder, request.out
    given = _of_points(request)
    if given and name != POINTS:
        raise UsageError(
            f"{option(next(iter(given)))} is for tables of points: geo-xmodal import points TABLE"
        )
    if request.listed:
        if name is not None or folder is not None or out is not None:
            raise UsageError(f"{option('list')} takes no scene, no folder and no {option('out')}")
        _show_known(console)
        return
    if name is None or folder is None or out is None:
        raise UsageError(
            f"expected NAME FOLDER {option('out', 'DIR')}, points TABLE {option('out', 'DIR')}, or "
            f"{option('list')}; see geo-xmodal import {option('help')}"
        )
    if name == POINTS:
        if request.strict:
            raise UsageError(
                f"{option('strict')} compares with published counts, and points have none: leave it out"
            )
        importing_points.run(folder, out, given, console)
        return
    check_writable(out)
    with console.progress() as progress:
        report = gx.import_scene(name, folder, out, strict=request.strict, progress=progress)
    _show(report, console)


def _of_points(request: ImportRequest) -> dict[str, Any]:
    """Options for tables of points that were given, by name."""
    return {
        one.name: getattr(request, field)
        for field, one in request.describe().items()
        if "name" in one.option.applies and _is_given(getattr(request, field))
    }


def _is_given(value: object) -> bool:
    return value is not None and value is not False


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
