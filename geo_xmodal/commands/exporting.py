"""`export`: a map or a model, handed over to other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

import geo_xmodal as gx
from geo_xmodal.commands.console import Console, fields
from geo_xmodal.commands.options import AllowAddresses, Json, opened_scene
from geo_xmodal.errors import UsageError
from geo_xmodal.outputs import check_writable

Format = Literal["qgis", "gpkg", "stac", "onnx"]

_TAKES: dict[Format, tuple[str, ...]] = {
    "qgis": ("--map", "--scene", "--run", "--classes"),
    "gpkg": ("--map", "--mmu", "--sieve", "--simplify", "--classes"),
    "stac": ("--map", "--model", "--date", "--classes"),
    "onnx": ("--model", "--tile", "--shares"),
}
"""Which options a format has a use for."""


def export(
    to: Annotated[
        Format,
        typer.Option(
            help="qgis: a folder with a project. gpkg: polygons. stac: a catalogue item. onnx: a network."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder (qgis) or file (gpkg, stac, onnx).")],
    map_: Annotated[Path | None, typer.Option("--map", help="A classified GeoTIFF.")] = None,
    model: Annotated[
        str | None, typer.Option(help="A run folder, a model folder, or a shipped model's name.")
    ] = None,
    scene: Annotated[
        str | None,
        typer.Option("--scene", metavar="NAME_OR_PATH", help="qgis: add this scene's sensors and labels."),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            help="qgis: the run that trained the model, or a folder of evaluate: tell its accuracy."
        ),
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with a list of classes that names the values of a map of another program."
        ),
    ] = None,
    mmu: Annotated[
        float, typer.Option(metavar="HECTARES", help="gpkg: smaller areas join their longest neighbour.")
    ] = 0.0,
    sieve: Annotated[
        int, typer.Option(metavar="PIXELS", help="gpkg: the same, in pixels; the larger of both counts.")
    ] = 0,
    simplify: Annotated[
        float, typer.Option(metavar="METRES", help="gpkg: straighten outlines by this much; neighbours fit.")
    ] = 0.0,
    date: Annotated[
        str | None,
        typer.Option(metavar="DAY[/DAY]", help="stac: when the mapped data were taken, such as 2024-06-01."),
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(metavar="PIXELS", help="onnx: fix rows and columns, for programs that need them fixed."),
    ] = None,
    shares: Annotated[
        str | None,
        typer.Option(
            metavar="labels|equal|FILE",
            help="onnx: what its maps should be right about, as for map (default: what the card says).",
        ),
    ] = None,
    allow_addresses: AllowAddresses = False,
    json: Json = False,
) -> None:
    """Hand a map or a model over to other programs."""
    console = Console(json)
    options = {
        "--map": map_,
        "--model": model,
        "--scene": scene,
        "--run": run,
        "--date": date,
        "--classes": classes,
        "--shares": shares,
    }
    numbers = {"--mmu": mmu, "--sieve": sieve, "--simplify": simplify, "--tile": tile}
    given = [name for name, value in options.items() if value is not None]
    _check(to, given + [name for name, value in numbers.items() if value])
    check_writable(out)
    if to == "qgis" and map_ is not None:
        opened = None if scene is None else opened_scene(scene, console, allow_addresses)
        _qgis(map_, out, opened, run, classes, console)
    elif to == "gpkg" and map_ is not None:
        _polygons(map_, out, mmu, sieve, simplify, classes, console)
    elif to == "onnx" and model is not None:
        _onnx(model, out, tile, shares, console)
    else:
        _stac(map_, model, out, date, classes, console)


def _check(to: Format, given: list[str]) -> None:
    for name in given:
        if name not in _TAKES[to]:
            formats = ", ".join(format_ for format_, takes in _TAKES.items() if name in takes)
            raise UsageError(f"{name} has no meaning with --to {to}, only with --to {formats}: leave it out")
    if to == "stac" and ("--map" in given) == ("--model" in given):
        raise UsageError("--to stac: give either --map or --model")
    if to != "stac" and _TAKES[to][0] not in given:
        raise UsageError(f"--to {to} needs {_TAKES[to][0]}")


def _qgis(
    map_: Path, out: Path, scene: gx.Scene | None, run: Path | None, classes: Path | None, console: Console
) -> None:
    with console.progress() as progress:
        made = gx.export_qgis(map_, out, scene=scene, run=run, classes=classes, progress=progress)
    for warning in made.warnings:
        console.note(warning, "note")
    console.result(
        {"out": out, "project": made.project, "layers": made.layers, "warnings": made.warnings},
        fields(project=made.project, layers=", ".join(made.layers)),
    )


def _polygons(
    map_: Path, out: Path, mmu: float, sieve: int, simplify: float, classes: Path | None, console: Console
) -> None:
    with console.progress() as progress:
        made = gx.export_polygons(
            map_, out, mmu=mmu, sieve=sieve, simplify=simplify, classes=classes, progress=progress
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


def _stac(
    map_: Path | None, model: str | None, out: Path, date: str | None, classes: Path | None, console: Console
) -> None:
    if map_ is not None and map_.is_dir():
        raise UsageError(f"{map_} is a folder, expected a GeoTIFF: give a map, or a model with --model")
    made = gx.export_stac(map_ or gx.find_model(model or ""), out, date=date, classes=classes)
    for warning in made.warnings:
        console.note(warning, "note")
    console.result(
        {"out": made.out, "id": made.id, "extensions": made.extensions, "warnings": made.warnings},
        fields(item=made.out),
    )


def _onnx(model: str, out: Path, tile: int | None, shares: str | None, console: Console) -> None:
    made = gx.export_onnx(gx.find_model(model), out, tile=tile, shares=shares)
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
