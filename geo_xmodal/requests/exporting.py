"""What `export` is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from geo_xmodal.requests.common import CLASS_LIST, MODEL, AllowAddresses
from geo_xmodal.requests.option import Option, Request

Format = Literal["qgis", "gpkg", "geotiff", "stac", "onnx"]
"""What a map or a model is handed over as."""


class ExportRequest(Request):
    """Hand a map or a model over to other programs."""

    command: ClassVar[str] = "export"
    title: ClassVar[str] = "Export a map or a model"

    to: Annotated[
        Format,
        Option(
            "Format",
            "qgis: a folder with a project. gpkg: polygons. geotiff: the map with another legend. stac: a "
            "catalogue item. onnx: a network.",
        ),
    ]
    out: Annotated[
        Path, Option("Folder", "Folder (qgis) or file (gpkg, geotiff, stac, onnx).", takes="new folder")
    ]
    map: Annotated[
        Path | None,
        Option(
            "Land-cover map",
            "A classified GeoTIFF.",
            takes="raster",
            applies={"to": ("qgis", "gpkg", "geotiff", "stac")},
        ),
    ] = None
    model: Annotated[str | None, Option("Model", MODEL, takes="model", applies={"to": ("stac", "onnx")})] = (
        None
    )
    scene: Annotated[
        str | None,
        Option(
            "Scene",
            "qgis: add this scene's sensors and labels.",
            expert=True,
            takes="scene",
            metavar="NAME_OR_PATH",
            applies={"to": ("qgis",)},
        ),
    ] = None
    run: Annotated[
        Path | None,
        Option(
            "Run or evaluation",
            "qgis: the run that trained the model, or a folder of evaluate: tell its accuracy.",
            expert=True,
            takes="folder",
            applies={"to": ("qgis",)},
        ),
    ] = None
    classes: Annotated[
        Path | None,
        Option(
            "Class list (TOML)",
            CLASS_LIST,
            expert=True,
            takes="file",
            suffix="toml",
            applies={"to": ("qgis", "gpkg", "geotiff", "stac")},
        ),
    ] = None
    reclass: Annotated[
        tuple[str, ...],
        Option(
            "Merge and rename classes",
            "geotiff: a class of the map, by name or value, and the class that it becomes, such as "
            "Oak=Forest; several may become one, one without a name is no data. Or a CSV file of both.",
            expert=True,
            metavar="CLASS=CLASS|FILE.csv",
            applies={"to": ("geotiff",)},
        ),
    ] = ()
    mmu: Annotated[
        float,
        Option(
            "Smallest area",
            "gpkg, geotiff: smaller areas join their longest neighbour.",
            unit="hectares",
            metavar="HECTARES",
            applies={"to": ("gpkg", "geotiff")},
        ),
    ] = 0.0
    sieve: Annotated[
        int,
        Option(
            "Smallest area in pixels",
            "gpkg, geotiff: the same, in pixels; the larger of both counts.",
            unit="pixels",
            expert=True,
            metavar="PIXELS",
            applies={"to": ("gpkg", "geotiff")},
        ),
    ] = 0
    simplify: Annotated[
        float,
        Option(
            "Straighten outlines by",
            "gpkg: straighten outlines by this much; neighbours fit.",
            unit="metres",
            expert=True,
            metavar="METRES",
            applies={"to": ("gpkg",)},
        ),
    ] = 0.0
    date: Annotated[
        str | None,
        Option(
            "When the data were taken",
            "stac: when the mapped data were taken, such as 2024-06-01.",
            expert=True,
            metavar="DAY[/DAY]",
            applies={"to": ("stac",)},
        ),
    ] = None
    tile: Annotated[
        int | None,
        Option(
            "Fixed rows and columns",
            "onnx: fix rows and columns, for programs that need them fixed.",
            unit="pixels",
            expert=True,
            metavar="PIXELS",
            applies={"to": ("onnx",)},
        ),
    ] = None
    shares: Annotated[
        str | None,
        Option(
            "What should the map be right about?",
            "onnx: what its maps should be right about, as for map (default: what the card says).",
            expert=True,
            takes="shares",
            metavar="labels|equal|FILE",
            applies={"to": ("onnx",)},
        ),
    ] = None
    allow_addresses: AllowAddresses = False
