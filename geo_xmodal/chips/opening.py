"""A set of chips by its folder: described by `chips.toml`, or recognised as a known layout."""

from __future__ import annotations

from pathlib import Path

from geo_xmodal.chips.chip_set import Chip, ChipSet
from geo_xmodal.chips.config import CONFIG_NAME, ChipsConfig, read_chips_config
from geo_xmodal.chips.finding import LABELS, Found, found_chips, split_of_chips
from geo_xmodal.chips.layouts import LAYOUTS, Layout
from geo_xmodal.errors import ChipError
from geo_xmodal.named_options import option
from geo_xmodal.wording import counted

_NAMED = 3


def open_chips(folder: Path | str, layout: str | None = None) -> ChipSet:
    """The set of chips in a folder; names of files are looked at, and no raster is read.

    Args:
        folder: With a `chips.toml`, or a copy of a known set.
        layout: Name of the known set that it is (`LAYOUTS`); None takes `chips.toml`, else recognises it.

    Raises:
        ChipError: The folder holds no chip, is described wrongly, or a chip is in two splits.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise ChipError(
            f"{folder}: {'is no folder' if folder.exists() else 'no such folder'}, expected chips"
        )
    if layout is None and (folder / CONFIG_NAME).is_file():
        config = read_chips_config(folder)
        return _chip_set(folder, config, None, found_chips(folder, config), [])
    known = _recognised(folder) if layout is None else _layout(layout)
    config, found = known.variant(folder)
    config, notes = _without_absent_lists(folder, config)
    return _chip_set(folder, config, known.name, found, notes)


def is_chip_folder(folder: Path | str) -> bool:
    """Whether a folder has a `chips.toml`, or looks like a copy of a known set."""
    folder = Path(folder)
    return (folder / CONFIG_NAME).is_file() or any(one.lies_in(folder) for one in LAYOUTS.values())


def _layout(name: str) -> Layout:
    if name not in LAYOUTS:
        raise ChipError(f"unknown layout {name!r}: choose one of {', '.join(LAYOUTS)}")
    return LAYOUTS[name]


def _recognised(folder: Path) -> Layout:
    found = [one for one in LAYOUTS.values() if one.lies_in(folder)]
    if len(found) == 1:
        return found[0]
    if found:
        names = " and ".join(one.name for one in found)
        raise ChipError(
            f"{folder}: looks like {names}: give each a folder of its own, or say {option('layout', 'NAME')}"
        )
    raise ChipError(
        f"{folder}: holds no {CONFIG_NAME}, and looks like no known set ({', '.join(LAYOUTS)}): describe it "
        f"in {CONFIG_NAME} (docs/chips.md)"
    )


def _without_absent_lists(folder: Path, config: ChipsConfig) -> tuple[ChipsConfig, list[str]]:
    """A known set without splits whose lists a copy lacks."""
    absent = {split: how.file for split, how in config.splits.items() if how.file is not None}
    absent = {split: file for split, file in absent.items() if not (folder / file).is_file()}
    if not absent:
        return config, []
    kept = {split: how for split, how in config.splits.items() if split not in absent}
    files = " and ".join(absent.values())
    return config.model_copy(update={"splits": kept}), [
        f"{files} not here: {'no chip is in ' + ' or '.join(absent) if kept else 'every chip trains'}"
    ]


def _chip_set(
    folder: Path, config: ChipsConfig, layout: str | None, found: Found, notes: list[str]
) -> ChipSet:
    splits, about_lists = split_of_chips(folder, config, found)
    chips = tuple(Chip(key, splits.get(key), has - {LABELS}, LABELS in has) for key, has in found.has.items())
    return ChipSet(folder, config, layout, chips, (*notes, *about_lists, *_lacks(config, found, chips)))


def _lacks(config: ChipsConfig, found: Found, chips: tuple[Chip, ...]) -> list[str]:
    """What some chips lack, a line each."""
    lines = []
    if found.lacking:
        lines.append(
            f"{counted(found.lacking, 'chip')} without {config.target} left out, such as {found.example}"
        )
    for sensor in config.auxiliary:
        without = [chip.id for chip in chips if sensor not in chip.sensors]
        if without:
            lines.append(f"{_some(without)} without {sensor}: known to {config.target} alone")
    if config.labels is not None:
        without = [chip.id for chip in chips if not chip.labelled]
        if without:
            lines.append(f"{_some(without)} without labels: learned from as unlabelled, and not tested on")
    aside = [chip.id for chip in chips if chip.split is None]
    if aside:
        lines.append(f"{_some(aside)} in no split: left out")
    return lines


def _some(ids: list[str]) -> str:
    shown = ", ".join(ids[:_NAMED]) + (", ..." if len(ids) > _NAMED else "")
    return f"{counted(len(ids), 'chip')} ({shown})"
