"""`map`: a model and a sensor to a classified GeoTIFF."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

import geo_xmodal as gx
from geo_xmodal.commands.console import Console, fields, table
from geo_xmodal.commands.options import Json, Resume, Scale, band_numbers, opened_scene
from geo_xmodal.errors import UsageError
from geo_xmodal.outputs import check_writable

Engine = Literal["torch", "openvino"]


def map_(
    model: Annotated[str, typer.Option(help="A run folder, a model folder, or a shipped model's name.")],
    out: Annotated[Path, typer.Option(help="The map, a GeoTIFF.")],
    scene: Annotated[
        str | None, typer.Option("--scene", metavar="NAME_OR_PATH", help="Map this scene ...")
    ] = None,
    file: Annotated[Path | None, typer.Option("--input", help="... or this GeoTIFF.")] = None,
    bands: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Bands of --input, in the model's order.")
    ] = None,
    scale: Annotated[Scale | None, typer.Option(help="How a radar --input holds power [linear].")] = None,
    probability: Annotated[
        bool, typer.Option("--probability", help="Also write the probability of the class, in percent.")
    ] = False,
    picture: Annotated[Path | None, typer.Option(help="Also write a picture with a legend (PNG).")] = None,
    window: Annotated[int, typer.Option(help="Pixels along the side of a window.")] = 512,
    workers: Annotated[int, typer.Option(help="Processes on this machine.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask cluster.")] = None,
    engine: Annotated[Engine, typer.Option(help="What runs the network.")] = "torch",
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Map a scene, or any GeoTIFF of the same sensor; the other sensor is not needed."""
    console = Console(json)
    for place in (out, picture):
        if place is not None:
            check_writable(place)
    folder = gx.find_model(model)
    card = gx.read_card(folder)
    if scene is not None and file is None:
        if bands is not None or scale is not None:
            raise UsageError("--bands and --scale are for --input: a scene says both in scene.toml")
        opened = opened_scene(scene, console)
        reader = opened.reader(gx.target_modality(opened, card))
    elif file is not None and scene is None:
        reader = gx.aligned_reader(
            file, kind=card.target.kind, bands=band_numbers(bands), decibel=scale == "db"
        )
    else:
        raise UsageError("what is to be mapped? give either --scene or --input")
    with console.progress() as progress:
        result = gx.map_scene(
            folder,
            reader,
            out,
            window=window,
            workers=workers,
            scheduler=scheduler,
            engine=engine,
            probability=probability,
            resume=resume,
            progress=progress,
        )
        if picture is not None:
            gx.save_picture(out, picture)
    for warning in result.warnings:
        console.note(f"note: {warning}")
    total = sum(count for class_id, count in result.counts.items() if class_id)
    shares = {entry.id: result.counts.get(entry.id, 0) / max(total, 1) for entry in card.classes}
    console.result(
        {
            "map": out,
            "probability": result.probability,
            "picture": picture,
            "model": folder,
            "height": result.shape[0],
            "width": result.shape[1],
            "classes": [
                {"id": entry.id, "name": entry.name, "pixels": result.counts.get(entry.id, 0)}
                for entry in card.classes
            ],
            "no_data": result.counts.get(0, 0),
            "windows": result.windows,
            "resumed": result.resumed,
            "seconds": result.seconds,
            "pixels_per_second": result.pixels_per_second,
            "warnings": result.warnings,
        },
        table(
            "class",
            "pixels",
            "share, percent",
            rows=[
                (entry.name, result.counts.get(entry.id, 0), f"{100 * shares[entry.id]:.1f}")
                for entry in card.classes
            ],
        ),
        fields(map=out, probability=result.probability, picture=picture),
        f"{total:,} pixels in {result.seconds:.1f} seconds",
    )
