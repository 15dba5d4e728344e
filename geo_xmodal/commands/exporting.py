"""`export`: a map or a model, handed over to other programs."""

from __future__ import annotations

from pathlib import Path

import geo_xmodal as gx
from geo_xmodal.commands.console import Console, fields, table
from geo_xmodal.commands.options import opened_scene, reclass_table
from geo_xmodal.commands.parsing import command
from geo_xmodal.errors import UsageError
from geo_xmodal.named_options import option
from geo_xmodal.outputs import check_writable
from geo_xmodal.requests import ExportRequest


@command(ExportRequest)
def export(request: ExportRequest, console: Console) -> None:
    """Write it, and say where."""
    _check(request)
    check_writable(request.out)
    if request.to == "qgis" and request.map is not None:
        opened = (
            None if request.scene is None else opened_scene(request.scene, console, request.allow_addresses)
        )
        _qgis(request, request.map, opened, console)
    elif request.to == "gpkg" and request.map is not None:
        _polygons(request, request.map, console)
    elif request.to == "geotiff" and request.map is not None:
        _geotiff(request, request.map, console)
    elif request.to == "onnx" and request.model is not None:
        _onnx(request, request.model, console)
    else:
        _stac(request, console)


def _check(request: ExportRequest) -> None:
    options = request.describe()
    to = option("to", request.to)
    given = {one.name: one for field, one in options.items() if getattr(request, field)}
    for name, one in given.items():
        formats = one.option.applies.get("to", (request.to,))
        if request.to not in formats:
            raise UsageError(
                f"{option(name)} has no meaning with {to}, only with {option('to', ', '.join(formats))}: "
                "leave it out"
            )
    if request.to == "stac" and ("map" in given) == ("model" in given):
        raise UsageError(f"{to}: give either {option('map')} or {option('model')}")
    needed = "model" if request.to == "onnx" else "map"
    if request.to != "stac" and needed not in given:
        raise UsageError(f"{to} needs {option(needed)}")


def _qgis(request: ExportRequest, map_: Path, scene: gx.Scene | None, console: Console) -> None:
    with console.progress() as progress:
        made = gx.export_qgis(
            map_, request.out, scene=scene, run=request.run, classes=request.classes, progress=progress
        )
    for warning in made.warnings:
        console.note(warning, "note")
    console.result(
        {"out": request.out, "project": made.project, "layers": made.layers, "warnings": made.warnings},
        fields(project=made.project, layers=", ".join(made.layers)),
    )


def _polygons(request: ExportRequest, map_: Path, console: Console) -> None:
    out = request.out
    with console.progress() as progress:
        made = gx.export_polygons(
            map_,
            out,
            mmu=request.mmu,
            sieve=request.sieve,
            simplify=request.simplify,
            classes=request.classes,
            progress=progress,
        )
    for warning in made.warnings:
        console.note(warning, "note")
    console.result(
        {
            "out": out,
            "layer": made.layer,
            "polygons": made.polygons,
            "merged_pixels": made.merged_pixels,
            "warnings": made.warnings,
        },
        fields(file=out, layer=made.layer, polygons=made.polygons, pixels_merged=made.merged_pixels),
    )


def _geotiff(request: ExportRequest, map_: Path, console: Console) -> None:
    with console.progress() as progress:
        made = gx.export_map(
            map_,
            request.out,
            classes=request.classes,
            reclass=reclass_table(request.reclass),
            mmu=request.mmu,
            sieve=request.sieve,
            progress=progress,
        )
    for warning in made.warnings:
        console.note(warning, "note")
    classes = [
        {"id": one.id, "name": one.name, "color": one.color, "pixels": made.pixels[one.id]}
        for one in made.classes
    ]
    console.result(
        {
            "out": made.out,
            "classes": classes,
            "merged_pixels": made.merged_pixels,
            "warnings": made.warnings,
        },
        fields(map=made.out, pixels_merged=made.merged_pixels),
        table("id", "class", "pixels", rows=[(one["id"], one["name"], one["pixels"]) for one in classes]),
    )


def _stac(request: ExportRequest, console: Console) -> None:
    if request.map is not None and request.map.is_dir():
        raise UsageError(
            f"{request.map} is a folder, expected a GeoTIFF: give a map, or a model with {option('model')}"
        )
    what = request.map or gx.find_model(request.model or "")
    made = gx.export_stac(what, request.out, date=request.date, classes=request.classes)
    for warning in made.warnings:
        console.note(warning, "note")
    console.result(
        {"out": made.out, "id": made.id, "extensions": made.extensions, "warnings": made.warnings},
        fields(item=made.out),
    )


def _onnx(request: ExportRequest, model: str, console: Console) -> None:
    made = gx.export_onnx(gx.find_model(model), request.out, tile=request.tile, shares=request.shares)
    console.result(
        {
            "out": made.out,
            "opset": made.opset,
            "tile": made.tile,
            "margin": made.margin,
            "max_difference": made.max_difference,
            "pixels": made.pixels,
        },
        fields(
            network=made.out,
            input=f"raw values, {made.tile or 'any'} rows and columns; as many probabilities come out",
            margin=f"{made.margin} pixels at each edge lack their surroundings: overlap tiles by twice that",
            check=f"the same classes as in torch on {made.pixels:,} pixels, probabilities to "
            f"{made.max_difference:.1e}",
        ),
    )
