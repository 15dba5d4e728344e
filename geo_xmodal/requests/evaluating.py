"""What `evaluate` is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from geo_xmodal.requests.common import (
    LABELS_METAVAR,
    AssignCrs,
    ClassList,
    Coordinates,
    Reclass,
    Unlabelled,
    WarpGcps,
)
from geo_xmodal.requests.option import Option, Request


class EvaluateRequest(Request):
    """Measure a map against reference labels of any CRS and resolution."""

    command: ClassVar[str] = "evaluate"
    title: ClassVar[str] = "Evaluate a map"

    map: Annotated[Path, Option("Land-cover map", "A classified GeoTIFF.", takes="raster")]
    reference: Annotated[
        str,
        Option(
            "Reference labels",
            "A label raster, or a vector file and its class column.",
            takes="labels",
            metavar=LABELS_METAVAR,
        ),
    ]
    out: Annotated[
        Path | None,
        Option(
            "Folder for metrics and report", "Folder for metrics.json and report.html.", takes="new folder"
        ),
    ] = None
    layer: Annotated[
        str | None,
        Option(
            "Layer",
            "Layer of a vector file that has several.",
            expert=True,
            surfaces=("command line",),
        ),
    ] = None
    sampled: Annotated[
        bool,
        Option(
            "Random sample, stratified by the map",
            "The reference is a random sample stratified by the map's classes: estimate areas and "
            "accuracies with intervals. Polygons drawn by hand are no random sample.",
        ),
    ] = False
    classes: ClassList = None
    reclass: Reclass = ()
    unlabelled: Unlabelled = None
    assign_crs: AssignCrs = ()
    coordinates: Coordinates = None
    warp_gcps: WarpGcps = None
