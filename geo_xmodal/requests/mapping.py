"""What `map` is asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from geo_xmodal.requests.common import MODEL, SHARES, AllowAddresses, AssignCrs, Resume, Scale, WarpGcps
from geo_xmodal.requests.option import Option, Request

Engine = Literal["torch", "openvino"]
"""What runs a network."""

Precision = Literal["float32", "bf16", "int8"]
"""Numbers that a network computes with: bf16 has eight bits of mantissa, int8 is whole
(`geo_xmodal.mapping.quantizing`)."""

Device = Literal["cpu", "cuda"]
"""Where a network runs."""

Pixels = Literal["model", "own"]
"""Whose pixel size a map has."""

MAX_WINDOW = 1 << 16
"""Pixels along the side of a window."""


class MapOptions(Request):
    """How a map is made, whatever is mapped: the options of `map_scene` and `plan_map`.

    `engine` None takes OpenVINO on a CPU where it is installed, else PyTorch. `shares` may also be known
    areas, by class id or name. `window` is best a multiple of `geo_xmodal.mapping.engine.TILE`.
    """

    probability: Annotated[
        bool, Option("Probability", "Also write the probability of the class, in percent.")
    ] = False
    entropy: Annotated[
        bool, Option("Entropy", "Also write how undecided the model is, in percent.", expert=True)
    ] = False
    class_probabilities: Annotated[
        bool,
        Option("Class probabilities", "Also write the probability of every class.", expert=True),
    ] = False
    picture: Annotated[
        Path | str | None,
        Option(
            "Figure",
            "Also write a picture with a legend (PNG).",
            expert=True,
            takes="new file",
            suffix="png",
        ),
    ] = None
    window: Annotated[
        int,
        Option("Window", "Pixels along the side of a window.", unit="pixels", expert=True, pages="hidden"),
        Field(ge=1, le=MAX_WINDOW),
    ] = 512
    workers: Annotated[
        int,
        Option("Processes", "Processes on this machine.", expert=True, pages="hidden"),
        Field(ge=1, le=MAX_WINDOW),
    ] = 1
    threads: Annotated[
        int | None,
        Option(
            "Windows at once",
            "Windows at once in one process (default: threads of the processor, as far as memory lasts).",
            expert=True,
            pages="hidden",
        ),
        Field(ge=1),
    ] = None
    scheduler: Annotated[
        str | None,
        Option("Dask scheduler", "Address of a Dask scheduler, or its file.", expert=True, pages="hidden"),
    ] = None
    engine: Annotated[
        Engine | None,
        Option("Engine", "What runs the network (default: openvino, where it is installed).", expert=True),
    ] = None
    precision: Annotated[Precision, Option("Precision", "Numbers that it computes with.", expert=True)] = (
        "float32"
    )
    device: Annotated[Device, Option("Device", "Where it runs; cuda with torch.", expert=True)] = "cpu"
    resume: Resume = False
    any_values: Annotated[
        bool,
        Option(
            "Map values outside of the model's ranges",
            "Map values outside of the model's ranges, too.",
            expert=True,
        ),
    ] = False
    shares: Annotated[str | Path | Mapping[Any, Any] | None, SHARES] = None


class MapSource(Request):
    """Which model maps what."""

    model: Annotated[str, Option("Model", MODEL, takes="model")]
    out: Annotated[Path, Option("Land-cover map", "The map, a GeoTIFF.", takes="new raster")]
    scene: Annotated[
        str | None, Option("Scene", "Map this scene ...", takes="scene", metavar="NAME_OR_PATH")
    ] = None
    inputs: Annotated[
        tuple[str, ...],
        Option(
            "Raster to map",
            "... or this GeoTIFF, folder of tiles or of band files, or list of tiles; may come again.",
            name="input",
            takes="sensor files",
            metavar="FILE|FOLDER|LIST.txt|URL",
        ),
    ] = ()
    bands: Annotated[
        str | None,
        Option(
            "Bands of the raster",
            "Bands of {input}, in the model's order.",
            expert=True,
            metavar="N,N,...|NAME,...",
        ),
    ] = None
    scale: Annotated[
        Scale | None,
        Option(
            "How a radar raster holds power",
            "How a radar {input} holds power (default: linear).",
            expert=True,
        ),
    ] = None
    pixels: Annotated[
        Pixels,
        Option(
            "Pixel size",
            "Whose pixel size the map has, where they differ by more than a tenth.",
            expert=True,
        ),
    ] = "model"
    area: Annotated[
        str | None,
        Option(
            "Map only within these polygons",
            "Map only these polygons (GeoPackage, GeoJSON, shapefile, KML, or a zip of one; any CRS).",
            takes="polygons",
            metavar="FILE[:LAYER]",
        ),
    ] = None
    assign_crs: AssignCrs = ()
    warp_gcps: WarpGcps = None


class MapRequest(MapOptions, MapSource):
    """Map a scene, or any GeoTIFF, tiles or band files of the same sensor; the other sensor is not needed."""

    command: ClassVar[str] = "map"
    title: ClassVar[str] = "Map land cover"

    dry_run: Annotated[
        bool,
        Option(
            "Dry run",
            "Only say what it would take: windows, memory, disk, time.",
            expert=True,
            surfaces=("command line",),
        ),
    ] = False
    allow_addresses: AllowAddresses = False
