"""Options of commands that ask little, and what several commands make of what they are given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

import geo_xmodal as gx
from geo_xmodal.commands.console import Console
from geo_xmodal.errors import UsageError
from geo_xmodal.named_options import option

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
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


def assigned_crs(given: Sequence[str]) -> str | dict[Path | str, str] | None:
    """`EPSG:32633`, or `FILE=EPSG:32633` of each of several files.

    Raises:
        UsageError: Both are given, or several for all files.
    """
    pairs = (one.rpartition("=") for one in given)
    files: dict[Path | str, str] = {file: crs for file, equals, crs in pairs if equals}
    of_all = [one for one in given if "=" not in one]
    if not files and len(of_all) <= 1:
        return of_all[0] if of_all else None
    if of_all:
        raise UsageError(
            f"{option('assign_crs', ' '.join(given))}: expected one CRS for all files that have none, or "
            f"{option('assign_crs', 'FILE=EPSG:...')} of each"
        )
    return files


def coordinate_columns(text: str | None) -> tuple[str, str] | None:
    """`x,y` as the two columns.

    Raises:
        UsageError: They are not two.
    """
    if text is None:
        return None
    names = [part.strip() for part in text.split(",")]
    if len(names) != 2 or not all(names):
        raise UsageError(f"{option('coordinates', repr(text))}: expected two columns, such as east,north")
    return names[0], names[1]


def reclass_table(given: Sequence[str]) -> dict[str, str]:
    """`VALUE=CLASS`, or files of values and classes, as one table.

    Raises:
        UsageError: One is neither, or a value comes twice.
        LabelError: A file is no such table.
    """
    table: dict[str, str] = {}
    for one in given:
        value, equals, name = one.partition("=")
        if not equals and not Path(one).is_file():
            raise UsageError(
                f"{option('reclass', repr(one))}: expected VALUE=CLASS, such as "
                f"{option('reclass', '3=Grass')}, or a CSV file of values and classes"
            )
        more = gx.read_reclass(one) if Path(one).is_file() else {value.strip(): name.strip()}
        twice = next((key for key in more if key in table), None)
        if twice is not None:
            raise UsageError(f"{option('reclass')}: value {twice!r} is given twice")
        table |= more
    return table


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
