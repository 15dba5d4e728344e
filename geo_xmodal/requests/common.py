"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from geo_xmodal.requests.option import Option

Scale = Literal["linear", "db"]
"""How a radar file holds power."""

TrainingDevice = Literal["auto", "cpu", "cuda", "mps"]
TrainingPrecision = Literal["float32", "bf16"]

MODEL = "A run folder, a model folder, or a shipped model's name."
SCENE = "A scene folder, or the name of a known scene."
CLASS_LIST = (
    "TOML file with a list of classes that names the values of a map of another program, or a known legend: "
    "corine, dynamic-world, nlcd, worldcover."
)
UNLABELLED = (
    "Values that mean unlabelled, in place of 0 and negative numbers (nodata: only what has no "
    "value, so that "
    "0 is a class)."
)
LABELS_METAVAR = "FILE[[:LAYER]:COLUMN]"

MAX_SEEDS = 1000
"""Of one run or comparison."""

WarpGcps = Annotated[
    Literal["polynomial", "tps"] | None,
    Option(
        "Warp by ground control points",
        "What follows the ground control points of files without another place: a polynomial near them, "
        "or a thin plate spline through them (default: such files stay on their pixel grid).",
        expert=True,
    ),
]
Resume = Annotated[
    bool, Option("Resume what was stopped", "Go on with what was stopped.", expert=True, pages="hidden")
]
Device = Annotated[
    TrainingDevice,
    Option(
        "Device",
        "What trains: auto is a CUDA device where there is one, else the processor.",
        expert=True,
    ),
]
Precision = Annotated[
    TrainingPrecision,
    Option(
        "Precision",
        "Of activations in training; weights and what is minimised stay float32.",
        expert=True,
    ),
]
Unlabelled = Annotated[
    str | None,
    Option(
        "Values that mean unlabelled",
        UNLABELLED,
        expert=True,
        metavar="VALUE,...",
    ),
]
Reclass = Annotated[
    tuple[str, ...],
    Option(
        "Merge and rename classes",
        "A value in the labels and the class that it becomes, such as 3=Grass; several values may become one "
        "class, one without a name is unlabelled. Or a CSV file of values and classes.",
        expert=True,
        metavar="VALUE=CLASS|FILE.csv",
    ),
]
AssignCrs = Annotated[
    tuple[str, ...],
    Option(
        "CRS of files that have none",
        "CRS of vector files that have none, such as EPSG:32633; FILE=EPSG:... of one of several.",
        expert=True,
        metavar="[FILE=]EPSG:CODE",
        surfaces=("command line",),
    ),
]
Coordinates = Annotated[
    str | None,
    Option(
        "Columns of the coordinates",
        "Columns of x and y of CSV files (default: those called lon and lat, longitude and latitude, "
        "x and y, or easting and northing).",
        expert=True,
        metavar="X,Y",
        surfaces=("command line",),
    ),
]
AllowAddresses = Annotated[
    bool,
    Option(
        "Let scenes name addresses",
        "Let scene.toml name addresses (s3, https, http): reading them asks servers.",
        expert=True,
        surfaces=("command line",),
    ),
]
Target = Annotated[
    str | None,
    Option("Sensor to map from", "The sensor to map from (default: the scene's target).", expert=True),
]
Layout = Annotated[
    str | None,
    Option(
        "Layout of the chips",
        "The known set that the chips are (default: looked for).",
        expert=True,
        metavar="NAME",
        pages="hidden",
    ),
]
Scenes = Annotated[
    tuple[str, ...],
    Option(
        "Scenes",
        "A scene folder, or the name of a known scene; given several times, they are learned from "
        "together. Also a folder of scene folders, or a .txt list with one a line.",
        name="scene",
        takes="scene",
        metavar="NAME_OR_PATH",
    ),
]
HoldOut = Annotated[
    tuple[str, ...],
    Option(
        "Scenes that only test",
        "One of the scenes that only tests, with all its labels. May be given several times.",
        expert=True,
        metavar="SCENE",
        pages="hidden",
    ),
]
ClassList = Annotated[
    Path | None,
    Option("Class list (TOML)", CLASS_LIST, expert=True, takes="file", suffix="toml"),
]


SHARES = Option(
    "What should the map be right about?",
    "What the map should be right about: labels (a fair sample of the land), equal (every class counts "
    "alike), estimated (from the image that is mapped), or a CSV file of known areas (default: what the "
    "model's card says; in training, equal where labels were drawn class by class, else labels).",
    expert=True,
    takes="shares",
    metavar="labels|equal|estimated|FILE",
)
