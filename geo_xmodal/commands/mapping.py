"""`map`: a model and a sensor to a classified GeoTIFF."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import geo_xmodal as gx
from geo_xmodal.commands.console import Console, fields, table
from geo_xmodal.commands.options import (
    AllowAddresses,
    Json,
    Resume,
    Scale,
    Shares,
    WarpGcps,
    chosen_bands,
    known_models,
    known_scenes,
    opened_scene,
)
from geo_xmodal.errors import UsageError
from geo_xmodal.outputs import check_writable

Engine = Literal["torch", "openvino"]
Precision = Literal["float32", "bf16", "int8"]
Device = Literal["cpu", "cuda"]
Pixels = Literal["model", "own"]


def map_(
    model: Annotated[
        str,
        typer.Option(
            help="A run folder, a model folder, or a shipped model's name.", autocompletion=known_models
        ),
    ],
    out: Annotated[Path, typer.Option(help="The map, a GeoTIFF.")],
    scene: Annotated[
        str | None,
        typer.Option(
            "--scene", metavar="NAME_OR_PATH", help="Map this scene ...", autocompletion=known_scenes
        ),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="FILE|FOLDER|LIST.txt|URL",
            help="... or this GeoTIFF, folder of tiles or of band files, or list of tiles; may come again.",
        ),
    ] = None,
    bands: Annotated[
        str | None,
        typer.Option(metavar="N,N,...|NAME,...", help="Bands of --input, in the model's order."),
    ] = None,
    scale: Annotated[
        Scale | None, typer.Option(help="How a radar --input holds power (default: linear).")
    ] = None,
    pixels: Annotated[
        Pixels, typer.Option(help="Whose pixel size the map has, where they differ by more than a tenth.")
    ] = "model",
    area: Annotated[
        str | None,
        typer.Option(
            metavar="FILE[:LAYER]", help="Map only these polygons (GeoPackage or GeoJSON, any CRS)."
        ),
    ] = None,
    warp_gcps: WarpGcps = None,
    probability: Annotated[
        bool, typer.Option("--probability", help="Also write the probability of the class, in percent.")
    ] = False,
    entropy: Annotated[
        bool, typer.Option("--entropy", help="Also write how undecided the model is, in percent.")
    ] = False,
    class_probabilities: Annotated[
        bool, typer.Option("--class-probabilities", help="Also write the probability of every class.")
    ] = False,
    picture: Annotated[Path | None, typer.Option(help="Also write a picture with a legend (PNG).")] = None,
    window: Annotated[int, typer.Option(help="Pixels along the side of a window.")] = 512,
    workers: Annotated[int, typer.Option(help="Processes on this machine.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler, or its file.")] = None,
    engine: Annotated[
        Engine | None, typer.Option(help="What runs the network (default: openvino, where it is installed).")
    ] = None,
    precision: Annotated[Precision, typer.Option(help="Numbers that it computes with.")] = "float32",
    device: Annotated[Device, typer.Option(help="Where it runs; cuda with torch.")] = "cpu",
    resume: Resume = False,
    any_values: Annotated[
        bool,
        typer.Option("--any-values", help="Map values outside of the model's ranges, too."),
    ] = False,
    shares: Shares = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only say what it would take: windows, memory, disk, time."),
    ] = False,
    allow_addresses: AllowAddresses = False,
    json: Json = False,
) -> None:
    """Map a scene, or any GeoTIFF, tiles or band files of the same sensor; the other sensor is not needed."""
    console = Console(json)
    for place in (out, picture):
        if place is not None:
            check_writable(place)
    folder = gx.find_model(model)
    card = gx.read_card(folder)
    if scene is not None and not inputs:
        if bands is not None or scale is not None or warp_gcps is not None:
            raise UsageError(
                "--bands, --scale and --warp-gcps are for --input: a scene says them in scene.toml"
            )
        opened = opened_scene(scene, console, allow_addresses)
        reader = opened.reader(gx.target_modality(opened, card))
        given = gx.fit_input(reader, card, pixels=pixels, area=area, name=opened.name)
    elif inputs and scene is None:
        given = gx.map_input(
            inputs,
            card,
            bands=chosen_bands(bands),
            decibel=scale == "db",
            pixels=pixels,
            area=area,
            warp_gcps=warp_gcps,
            remote=True,
        )
    else:
        raise UsageError("what is to be mapped? give either --scene or --input")
    options: dict[str, Any] = {
        "window": window,
        "workers": workers,
        "scheduler": scheduler,
        "engine": engine,
        "precision": precision,
        "device": device,
        "probability": probability,
        "entropy": entropy,
        "class_probabilities": class_probabilities,
        "resume": resume,
        "any_values": any_values,
        "shares": shares,
    }
    if dry_run:
        _tell(console, gx.plan_map(folder, given.reader, out, **options), given.notes)
        return
    with console.progress(timed=False) as progress:
        result = gx.map_scene(
            folder, given.reader, out, picture=picture, mapped=given.name, progress=progress, **options
        )
    warnings = (*given.notes, *result.warnings)
    _say(console, warnings, result.assumptions)
    total = sum(count for class_id, count in result.counts.items() if class_id)
    mapped = {entry.id: result.counts.get(entry.id, 0) / max(total, 1) for entry in card.classes}
    console.result(
        {
            "map": out,
            "probability": result.probability,
            "entropy": result.entropy,
            "class_probabilities": result.class_probabilities,
            "picture": result.picture,
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
            "warnings": warnings,
            "assumptions": [str(one) for one in result.assumptions],
            "shares": _shares(result.shares, card),
        },
        table(
            "class",
            "pixels",
            "share, percent",
            rows=[
                (entry.name, result.counts.get(entry.id, 0), f"{100 * mapped[entry.id]:.1f}")
                for entry in card.classes
            ],
        ),
        fields(
            map=out,
            probability=result.probability,
            entropy=result.entropy,
            class_probabilities=result.class_probabilities,
            picture=result.picture,
            class_shares=None if result.shares is None else result.shares.choice,
        ),
        f"{total:,} pixels in {result.seconds:.1f} seconds",
    )


def _shares(shares: gx.ClassShares | None, card: gx.Card) -> dict[str, Any] | None:
    """Whose class shares the map has, and what they are."""
    if shares is None:
        return None
    of_class = {str(land.id): share for land, share in zip(card.legend, shares.wanted, strict=True)}
    return {"choice": shares.choice, "shares": of_class}


def _say(console: Console, warnings: Sequence[str], assumptions: Sequence[gx.Assumption]) -> None:
    for warning in warnings:
        console.note(f"note: {warning}")
    console.assumed(assumptions)


def _tell(console: Console, plan: gx.MapPlan, notes: Sequence[str]) -> None:
    warnings = (*notes, *plan.warnings)
    _say(console, warnings, plan.assumptions)
    left = plan.windows - plan.resumed
    console.result(
        asdict(plan) | {"warnings": warnings, "assumptions": [str(one) for one in plan.assumptions]},
        fields(
            grid=f"{plan.shape[0]:,} rows x {plan.shape[1]:,} columns",
            crs=plan.crs or "none",
            pixel=f"{plan.pixel[0]:.4g} x {plan.pixel[1]:.4g} {plan.pixel_unit}",
            windows=f"{plan.windows:,}" + (f", {left:,} of them left" if plan.resumed else ""),
            windows_with_data=_or_unknown(plan.windows_with_data, ","),
            model=f"{plan.parameters:,} numbers",
            class_shares=None if plan.shares is None else plan.shares.choice,
            engine=f"{plan.runtime}, {plan.slots} windows at once",
            memory=_bytes(plan.memory),
            memory_of_each_worker=None if plan.worker_memory is None else _bytes(plan.worker_memory),
            disk=_disk(plan),
            pixels_per_second=_or_unknown(plan.pixels_per_second, ",.0f"),
            time="unknown" if plan.seconds is None else f"at most {_duration(plan.seconds)}",
            would_write=", ".join(str(raster) for raster in plan.rasters),
        ),
        "nothing was written",
    )


def _disk(plan: gx.MapPlan) -> str:
    expected = "" if plan.disk_expected is None else f"about {_bytes(plan.disk_expected)}, "
    return f"{expected}at most {_bytes(plan.disk_bound)}; {_bytes(plan.disk_free)} are free"


def _or_unknown(number: float | None, form: str) -> str:
    return "unknown" if number is None else format(number, form)


def _bytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
