"""What `align` is asked: an option for each kind of sensor between the reference and the labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import create_model

from geo_xmodal.kinds import KINDS, Kind
from geo_xmodal.requests.common import (
    LABELS_METAVAR,
    AssignCrs,
    Coordinates,
    Reclass,
    Scale,
    Unlabelled,
    WarpGcps,
)
from geo_xmodal.requests.option import Option, Request

_FILES_METAVAR = "FILE|FOLDER|LIST.txt|URL"
_LABELS = (
    "a raster, or a GeoPackage, GeoJSON, shapefile, KML, CSV of points, or a zip of one, with its class "
    "column; again for another file"
)


class _Reference(Request):
    out: Annotated[Path, Option("Scene folder", "The scene folder.", takes="new folder", positional=True)]
    reference: Annotated[
        str,
        Option(
            "Reference: the sensor to map from",
            "The sensor to map from; the scene gets its grid.",
            takes="sensor files",
            metavar=_FILES_METAVAR,
        ),
    ]
    target_kind: Annotated[
        Kind | None,
        Option("What the reference measures", "What the reference measures (default: what its name says)."),
    ] = None


_SENSORS: dict[str, Any] = {
    name: (
        Annotated[
            tuple[str, ...],
            Option(
                kind.heading,
                f"{kind.heading}: a GeoTIFF, tiles or band files; again for another sensor.",
                takes="sensor files",
                metavar=_FILES_METAVAR,
            ),
        ],
        (),
    )
    for name, kind in KINDS.items()
}
if TYPE_CHECKING:
    _WithSensors = _Reference
else:
    _WithSensors = create_model("_WithSensors", __base__=_Reference, **_SENSORS)


class AlignRequest(_WithSensors):
    """Bring files of any CRS and resolution onto one grid, where they are."""

    command: ClassVar[str] = "align"
    title: ClassVar[str] = "Align sensors to a scene"

    labels: Annotated[
        tuple[str, ...],
        Option(
            "Labels, to be split into training and test",
            f"Labels, to be split into training and test: {_LABELS}.",
            takes="labels",
            metavar=LABELS_METAVAR,
        ),
    ] = ()
    train_labels: Annotated[
        tuple[str, ...],
        Option("Labels for training", "Labels for training.", takes="labels", metavar=LABELS_METAVAR),
    ] = ()
    test_labels: Annotated[
        tuple[str, ...],
        Option("Labels for test", "Labels for test.", takes="labels", metavar=LABELS_METAVAR),
    ] = ()
    classes: Annotated[
        Path | None,
        Option(
            "Class list (TOML)",
            "TOML file with a list of classes, such as another scene.toml, or a known legend: corine, nlcd, "
            "worldcover.",
            expert=True,
            takes="file",
            suffix="toml",
        ),
    ] = None
    reclass: Reclass = ()
    unlabelled: Unlabelled = None
    assign_crs: AssignCrs = ()
    coordinates: Coordinates = None
    scale: Annotated[
        Scale | None,
        Option(
            "How radar rasters hold power",
            "How the radar files hold power (default: linear, if they can).",
            expert=True,
        ),
    ] = None
    bands: Annotated[
        tuple[str, ...],
        Option(
            "Bands of a sensor",
            "Bands of a sensor, such as msi=B02,B03,B04; names those of a folder of band files.",
            expert=True,
            metavar="SENSOR=N,N,...|NAME,...",
        ),
    ] = ()
    warp_gcps: WarpGcps = None
    copies: Annotated[
        bool,
        Option(
            "Write copies into the scene folder",
            "Write copies on the one grid (default: refer to the files where they are).",
            name="copy",
            expert=True,
        ),
    ] = False
    name: Annotated[
        str | None,
        Option("Name of the scene", "Name of the scene (default: that of the folder).", expert=True),
    ] = None

    def sensors(self) -> dict[Kind, tuple[str, ...]]:
        """The files of each kind of sensor."""
        return {kind: getattr(self, kind) for kind in KINDS}
