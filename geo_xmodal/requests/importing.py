"""What `import` is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from geo_xmodal.kinds import Kind
from geo_xmodal.requests.common import UNLABELLED
from geo_xmodal.requests.option import Option, Request

POINTS = "points"
"""The name that stands for a table of points."""

PointScale = Literal["linear", "db", "dn"]
_OF_POINTS = {"name": (POINTS,)}


def _bands_of(sensor: str, label: str, formerly: str = "") -> Option:
    return Option(
        label,
        f"Of a table of points: columns that are bands of the {sensor} sensor, such as SAR-*.",
        metavar="PATTERN,...",
        applies=_OF_POINTS,
        formerly=formerly,
    )


def _kind_of(sensor: str, label: str, formerly: str = "") -> Option:
    return Option(
        label, f"What the {sensor} sensor measures (default: by the names of its columns).",
        expert=True, applies=_OF_POINTS, formerly=formerly,
    )  # fmt: skip


def _scale_of(sensor: str, label: str, formerly: str = "") -> Option:
    return Option(
        label,
        f"How a radar as {sensor} sensor holds power: linear (default), db, or dn for digital numbers "
        "(20 log10 DN - 83 dB).",
        expert=True,
        formerly=formerly,
        applies=_OF_POINTS,
    )


class ImportRequest(Request):
    """Make a scene folder of a published scene (Berlin, Houston2013, ...), or of a table of points."""

    command: ClassVar[str] = "import"
    title: ClassVar[str] = "Import a published scene or points"

    name: Annotated[
        str | None,
        Option(
            "Scene",
            "A published scene, as {list} names it, or points.",
            positional=True,
            takes="published scene",
        ),
    ] = None
    folder: Annotated[
        Path | None,
        Option(
            "Folder or table",
            "The folder with its files; of points the table (CSV, Parquet, GeoParquet, GeoPackage).",
            positional=True,
            takes="folder",
        ),
    ] = None
    out: Annotated[Path | None, Option("Scene folder", "The scene folder.", takes="new folder")] = None
    strict: Annotated[
        bool,
        Option("As published only", "Refuse files whose sizes or counts are not as published.", expert=True),
    ] = False
    listed: Annotated[
        bool,
        Option(
            "List",
            "List the published scenes and the files that are looked for.",
            name="list",
            surfaces=("command line",),
        ),
    ] = False
    target_bands: Annotated[str | None, _bands_of("target", "Columns of the target sensor")] = None
    target_kind: Annotated[Kind | None, _kind_of("target", "Kind of the target sensor")] = None
    target_scale: Annotated[PointScale | None, _scale_of("target", "Scale of the target sensor")] = None
    auxiliary_bands: Annotated[
        str | None, _bands_of("auxiliary", "Columns of the auxiliary sensor", "rich_bands")
    ] = None
    auxiliary_kind: Annotated[
        Kind | None, _kind_of("auxiliary", "Kind of the auxiliary sensor", "rich_kind")
    ] = None
    auxiliary_scale: Annotated[
        PointScale | None, _scale_of("auxiliary", "Scale of the auxiliary sensor", "rich_scale")
    ] = None
    leave_out: Annotated[
        str | None,
        Option(
            "Columns that are no bands",
            "Of a table of points: columns that are no bands, whatever the patterns of bands say.",
            expert=True,
            metavar="PATTERN,...",
            applies=_OF_POINTS,
        ),
    ] = None
    label: Annotated[
        str | None,
        Option(
            "Column of classes",
            "Of a table of points: codes or names of classes.",
            metavar="COLUMN",
            applies=_OF_POINTS,
        ),
    ] = None
    legend: Annotated[
        Path | None,
        Option(
            "Names of the codes",
            "Names of the codes: a table of codes and names, or TOML as scene.toml has it.",
            takes="file",
            applies=_OF_POINTS,
        ),
    ] = None
    unlabelled: Annotated[
        str | None,
        Option(
            "Values that mean unlabelled", UNLABELLED, expert=True, metavar="VALUE,...", applies=_OF_POINTS
        ),
    ] = None
    coordinates: Annotated[
        str | None,
        Option(
            "Columns of the coordinates",
            "Columns of the coordinates (default: lon and lat, or geometries).",
            metavar="X,Y",
            applies=_OF_POINTS,
        ),
    ] = None
    crs: Annotated[
        str | None,
        Option(
            "CRS of the coordinates",
            "Of the coordinates (default: the file's, else longitude, latitude).",
            expert=True,
            applies=_OF_POINTS,
        ),
    ] = None
    no_data: Annotated[
        str | None,
        Option(
            "No data",
            "Values of bands that mean no data.",
            expert=True,
            metavar="NUMBER,...",
            applies=_OF_POINTS,
        ),
    ] = None
    series: Annotated[
        str | None,
        Option(
            "Columns of a series",
            "Columns that say which rows are one sample's, and when.",
            expert=True,
            metavar="SAMPLE,TIME",
            applies=_OF_POINTS,
        ),
    ] = None
    interpolate: Annotated[
        bool,
        Option(
            "Fill gaps",
            "Fill gaps of a series from the times before and after.",
            expert=True,
            applies=_OF_POINTS,
        ),
    ] = False
    places: Annotated[
        str | None,
        Option(
            "Column of places",
            "Points of one place train or test together.",
            metavar="COLUMN",
            applies=_OF_POINTS,
        ),
    ] = None
    cells: Annotated[
        float | None,
        Option(
            "Side of places",
            "Places are cells of so many degrees instead.",
            unit="degrees",
            expert=True,
            metavar="DEGREES",
            applies=_OF_POINTS,
        ),
    ] = None
    random: Annotated[
        bool,
        Option(
            "Divide at random",
            "Divide points at random instead, which flatters accuracy.",
            expert=True,
            applies=_OF_POINTS,
        ),
    ] = False
    test: Annotated[
        float | None,
        Option(
            "Share that tests",
            "Share of the labels of points that test.",
            default_text="0.5",
            applies=_OF_POINTS,
        ),
    ] = None
    min_per_class: Annotated[
        int | None,
        Option(
            "Fewest points per class",
            "Points that a class has at least.",
            default_text="10",
            expert=True,
            applies=_OF_POINTS,
        ),
    ] = None
    seed: Annotated[
        int | None,
        Option("Seed", "Of the division of points.", default_text="0", expert=True, applies=_OF_POINTS),
        Field(ge=0),
    ] = None
    layer: Annotated[
        str | None,
        Option("Layer", "Layer of a GeoPackage of points.", expert=True, applies=_OF_POINTS),
    ] = None
