"""`map`: a model and a sensor to a classified GeoTIFF."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

import geo_xmodal as gx
from geo_xmodal.commands.console import Console, fields, table
from geo_xmodal.commands.options import Json, Resume, check_writable, opened_scene
from geo_xmodal.errors import ModelMismatchError, UsageError


class Engine(str, enum.Enum):
    """What runs the network."""

    torch = "torch"
    openvino = "openvino"


class Scale(str, enum.Enum):
    """How a radar file holds power."""

    linear = "linear"
    db = "db"


def map_(
    model: Annotated[str, typer.Option(help="A run folder, a model folder, or a shipped model's name.")],
    out: Annotated[Path, typer.Option(help="The map, a GeoTIFF.")],
    scene: Annotated[
        str | None, typer.Option("--scene", metavar="NAME_OR_PATH", help="Map this scene ...")
    ] = None,
    file: Annotated[Path | None, typer.Option("--input", help="... or this GeoTIFF.")] = None,
    scale: Annotated[Scale, typer.Option(help="How a radar --input holds power.")] = Scale.linear,
    probability: Annotated[
        bool, typer.Option("--probability", help="Also write the probability of the class, in percent.")
    ] = False,
    window: Annotated[int | None, typer.Option(min=16, help="Pixels along the side of a window.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Windows that are mapped at the same time.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask cluster.")] = None,
    engine: Annotated[Engine, typer.Option(help="What runs the network.")] = Engine.torch,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Map a scene, or any GeoTIFF of the same sensor; the other sensor is not needed."""
    if (scene is None) == (file is None):
        raise UsageError("give either --scene or --input: what is to be mapped")
    if scene is not None and scale is Scale.db:
        raise UsageError("--scale is for --input: a scene says in scene.toml how its files hold power")
    console = Console(json)
    check_writable(out)
    bundle = gx.find_model(model)
    card = gx.read_card(bundle)
    reader = (
        _scene_reader(opened_scene(scene, console), card)
        if scene is not None
        else gx.aligned_reader(_given(file), kind=card.target.kind, decibel=scale is Scale.db)
    )
    with console.progress() as progress:
        result = gx.map_scene(
            bundle,
            reader,
            out,
            window=window,
            workers=workers,
            scheduler=scheduler,
            engine=engine.value,
            probability=probability,
            resume=resume,
            progress=progress,
        )
