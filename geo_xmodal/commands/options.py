"""Options that several commands have, and checks of what they are given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

import geo_xmodal as gx
from geo_xmodal.commands.console import Console
from geo_xmodal.errors import UsageError
from geo_xmodal.named_options import option

Scale = Literal["linear", "db"]
"""How a radar file holds power."""

WarpGcps = Annotated[
    Literal["polynomial", "tps"] | None,
    typer.Option(
        help="What follows the ground control points of files without another place: a polynomial near them, "
        "or a thin plate spline through them (default: such files stay on their pixel grid)."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with what was stopped.")]
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"],
    typer.Option(help="What trains: auto is a CUDA device where there is one, else the processor."),
]
Precision = Annotated[
    Literal["float32", "bf16"],
    typer.Option(help="Of activations in training; weights and what is minimised stay float32."),
]
Unlabelled = Annotated[
    str | None,
    typer.Option(
        metavar="VALUE,...",
        help="Values that mean unlabelled, in place of 0 and negative numbers (nodata: only what has no "
        "value, so that 0 is a class).",
    ),
]


Shares = Annotated[
    str | None,
    typer.Option(
        metavar="labels|equal|estimated|FILE",
        help="What the map should be right about: labels (a fair sample of the land), equal (every class "
        "counts alike), estimated (from the image that is mapped), or a CSV file of known areas "
        "(default: what the model's card says; in training, equal where labels were drawn class by class, "
        "else labels).",
    ),
]
AllowAddresses = Annotated[
    bool,
    typer.Option(
        "--allow-addresses",
        help="Let scene.toml name addresses (s3, https, http): reading them asks servers.",
    ),
]


def known_scenes() -> list[str]:
    """Names of scenes, for completion in a shell."""
    return [scene.name for scene in gx.list_scenes()]


def known_models() -> list[str]:
    """Names of shipped models, for completion in a shell."""
    return [model.name for model in gx.list_models()]


SceneName = Annotated[
    str,
    typer.Option(
        "--scene",
        metavar="NAME_OR_PATH",
        help="A scene folder, or the name of a known scene.",
        autocompletion=known_scenes,
    ),
]


_SCENES = typer.Option(
    "--scene",
    metavar="NAME_OR_PATH",
    help="A scene folder, or the name of a known scene; given several times, they are learned from "
    "together. Also a folder of scene folders, or a .txt list with one a line.",
    autocompletion=known_scenes,
)
SceneNames = Annotated[list[str], _SCENES]
AnySceneNames = Annotated[list[str] | None, _SCENES]
Chips = Annotated[
    Path | None,
    typer.Option(
        "--chips",
        metavar="FOLDER",
        help="A set of chips in place of scenes: a folder with a chips.toml, or a copy of a known set.",
    ),
]
Layout = Annotated[
    str | None,
    typer.Option("--layout", metavar="NAME", help="The known set that the chips are (default: looked for)."),
]
HoldOut = Annotated[
    list[str] | None,
    typer.Option(
        "--hold-out",
        metavar="SCENE",
        help="One of the scenes that only tests, with all its labels. May be given several times.",
    ),
]


def opened_scene(name_or_path: str, console: Console, allow_addresses: bool = False) -> gx.Scene:
    """The scene, after saying which it is and whether it is real."""
    scene = gx.open_scene(name_or_path, addresses=allow_addresses)
    _note(scene, console)
    return scene


def opened_scenes(
    names_or_paths: Sequence[str], console: Console, allow_addresses: bool
) -> tuple[gx.Scene, ...]:
    """The scenes, after saying which they are and whether they are real."""
    scenes = gx.open_scenes(names_or_paths, addresses=allow_addresses)
    for scene in scenes:
        _note(scene, console)
    return scenes


def learned_from(
    scenes: Sequence[str],
    chips: Path | None,
    layout: str | None,
    console: Console,
    allow_addresses: bool,
) -> tuple[gx.Scene, ...] | gx.ChipSet:
    """Scenes or a set of chips, whichever is named.

    Raises:
        UsageError: Neither is, or both are.
    """
    if (chips is None) == (not scenes):
        raise UsageError(
            f"name what to learn from: {option('scene', 'NAME_OR_PATH')}, or "
            f"{option('chips', 'FOLDER')}, one "
            f"of the two; see geo-xmodal train {option('help')}"
        )
    if layout is not None and chips is None:
        raise UsageError(
            f"{option('layout')} says what known set chips are: give {option('chips', 'FOLDER')}"
        )
    if chips is None:
        return opened_scenes(scenes, console, allow_addresses)
    found = gx.open_chips(chips, layout)
    truth = "simulated" if found.simulated else "real"
    by = "chips.toml" if found.layout is None else f"known layout {found.layout}"
    console.note(f"chips {found.name} ({truth}): {found.folder} ({by})")
    return found


def _note(scene: gx.Scene, console: Console) -> None:
    origin = {"path": "a path", "data": "in $GEO_XMODAL_DATA", "sample": "a sample scene"}[scene.source]
    truth = "simulated" if scene.simulated else "real"
    console.note(f"scene {scene.name} ({truth}): {scene.folder} ({origin})")


def key_values(pairs: Sequence[str]) -> dict[str, str]:
    """`key=value` options as a dictionary.

    Raises:
        UsageError: if one has no `=`, or a key comes twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        key = key.strip()
        if not equals or not key:
            raise UsageError(
                f"{option('set', repr(pair))}: expected key=value, such as {option('set', 'epochs=20')}"
            )
        if key in found:
            raise UsageError(f"{option('set', key)} is given twice: {found[key]!r} and {value.strip()!r}")
        found[key] = value.strip()
    return found


def unlabelled_values(text: str | None) -> tuple[str, ...] | None:
    """`0,99` as values of labels."""
    return None if text is None else tuple(part.strip() for part in text.split(","))


def chosen_bands(text: str | None) -> tuple[int | str, ...] | None:
    """`1,2,5` as numbers, `B02,B03` as names.

    Raises:
        UsageError: if that is not what it is.
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    numbers = all(part.isdecimal() and int(part) > 0 for part in parts)
    if not all(parts) or (not numbers and any(part.lstrip("+-").isdecimal() for part in parts)):
        raise UsageError(
            f"{option('bands', repr(text))}: expected band numbers from 1 up, such as 1,2, or "
            f"names, such as VV,VH"
        )
    return tuple(int(part) for part in parts) if numbers else tuple(parts)
