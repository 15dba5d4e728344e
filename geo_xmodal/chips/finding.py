"""Which chips a folder holds: found by the names of their files, or listed in a table."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from geo_xmodal.chips.config import ChipsConfig, ChipSplit, ChipSplitConfig
from geo_xmodal.chips.patterns import BAND, filled, placeholders, values_in
from geo_xmodal.errors import ChipError
from geo_xmodal.small_files import SmallFile, file_errors, inner_file, read_text
from geo_xmodal.wording import counted

Key = tuple[str, ...]
"""The values of a chip's placeholders."""


@dataclass(frozen=True)
class Found:
    """Chips that have a file of the target, in the order of their keys.

    Attributes:
        has: The sensors of each chip, and `LABELS`.
        split: What each is for, where the table says it.
        lacking: Chips without a file of the target, which are left out.
        example: One of those, or an empty text.
    """

    has: Mapping[Key, frozenset[str]]
    split: Mapping[Key, ChipSplit]
    lacking: int
    example: str

    @property
    def files(self) -> int:
        """How many files, or sets of band files, they have."""
        return sum(map(len, self.has.values()))


LABELS = ""
"""What labels are called among the sensors of a chip."""

MAX_CHIPS = 2**24
"""Chips of a set; the largest known has 590,326."""

_LIST = SmallFile("a list of chips, one a line", ChipError, "give one id a line", 256 << 20)
_TABLE = SmallFile(
    "a CSV file that names a chip a line", ChipError, "compare it with docs/file-formats.md", 256 << 20
)

_ALL: ChipSplit = "train"
"""The split of chips of which nobody says any."""

_SPLITS: tuple[ChipSplit, ...] = ("train", "validation", "test")

_NAMED = 3
"""Chips that a line names."""


def found_chips(
    folder: Path, config: ChipsConfig, keys: Mapping[Key, ChipSplit | None] | None = None
) -> Found:
    """The chips in a folder.

    Args:
        folder: Where they lie.
        config: What they are called.
        keys: What tells the chips apart and what they are for, where it is known; else it is taken from the
            table, or from the names of the files.

    Raises:
        ChipError: The folder or the table cannot be read, or there is no chip.
    """
    patterns = {name: _first_file(config, name) for name in config.modalities}
    if config.labels is not None:
        patterns[LABELS] = config.labels.files
    if keys is None and config.table is not None:
        keys = _table_keys(folder, config)
    every = _walked(folder, config, patterns) if keys is None else _looked_up(folder, config, patterns, keys)
    kinds: dict[frozenset[str], frozenset[str]] = {}  # millions of chips share a few sets
    chips = {
        key: kinds.setdefault(frozenset(has), frozenset(has))
        for key, has in sorted(every.items())
        if config.target in has
    }
    if not chips:
        raise ChipError(
            f"{folder}: no chip: no file is called {config.modalities[config.target].files!r}; check the "
            "folder and its description"
        )
    lacking = [key for key in sorted(every) if key not in chips]
    return Found(
        chips,
        {key: split for key, split in (keys or {}).items() if split is not None and key in chips},
        len(lacking),
        "/".join(lacking[0]) if lacking else "",
    )


def split_of_chips(folder: Path, config: ChipsConfig, found: Found) -> tuple[dict[Key, ChipSplit], list[str]]:
    """The split of each chip that is in one, and what should be known of the lists; without any, all train.

    Raises:
        ChipError: A chip is in two splits, or a list cannot be read.
    """
    known = found.has
    if not config.splits:
        return dict(found.split) or dict.fromkeys(known, _ALL), []
    ids = {"/".join(key): key for key in known}
    chosen: dict[Key, ChipSplit] = {}
    notes: list[str] = []
    for split, how in config.splits.items():
        if how.file is None and how.ids is None:
            continue
        if how.file is not None:
            listed = _listed(folder, config, how)
            absent = [key for key in listed if key not in known]
            if absent:
                shown = ", ".join("/".join(key) for key in absent[:_NAMED])
                notes.append(
                    f"{how.file} names {counted(len(absent), 'chip')} of {len(listed):,} that are not here: "
                    f"{shown}{', ...' if len(absent) > _NAMED else ''}"
                )
            members = [key for key in listed if key in known]
        else:
            members = [key for id_, key in ids.items() if any(fnmatchcase(id_, one) for one in how.ids or ())]
            if not members:
                notes.append(f"no chip has an id of the split {split}: {', '.join(how.ids or ())}")
        shared = [key for key in members if chosen.get(key, split) != split]
        if shared:
            raise ChipError(
                f"{folder}: {counted(len(shared), 'chip')} in both {chosen[shared[0]]} and {split}, such as "
                f"{'/'.join(shared[0])}: what trains must not test; take them out of one"
            )
        chosen |= dict.fromkeys(members, split)
    start = 0.0
    for split, how in config.splits.items():
        if how.share is not None:
            drawn = (start, start + how.share)
            members = [key for key in known if drawn[0] <= _place(config.group_of(key)) < drawn[1]]
            chosen |= {key: split for key in members if key not in chosen}
            start += how.share
    for split, how in config.splits.items():
        if how.rest:
            chosen |= {key: split for key in known if key not in chosen}
    return chosen, notes


def _place(group: str) -> float:
    """A number in [0, 1) that only depends on the name of a group."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:6], "big") / 2**48


def _first_file(config: ChipsConfig, name: str) -> str:
    """The pattern of a sensor's file, or of the first where it has one a band."""
    modality = config.modalities[name]
    if not modality.one_a_band:
        return modality.files
    return modality.files.replace("{" + BAND + "}", str((modality.bands or ("",))[0]))


def _walked(folder: Path, config: ChipsConfig, patterns: Mapping[str, str]) -> dict[Key, set[str]]:
    found: dict[Key, set[str]] = {}
    depths = {pattern.count("/") for pattern in patterns.values()}
    for file in _files(folder, max(depths)):
        for name, pattern in patterns.items():
            if file.count("/") != pattern.count("/"):
                continue
            values = values_in(pattern, file)
            if values is not None:
                found.setdefault(tuple(values[one] for one in config.placeholders), set()).add(name)
                if len(found) > MAX_CHIPS:
                    raise ChipError(f"{folder}: more than {MAX_CHIPS:,} chips: divide the folder")
    return found


def _files(folder: Path, depth: int) -> Iterator[str]:
    """Files down to so many folders, relative and with / between folders; hidden ones are left out."""
    todo = [("", 0)]
    while todo:
        inner, level = todo.pop()
        try:
            with os.scandir(folder / inner) as entries:
                for entry in entries:
                    path = f"{inner}/{entry.name}" if inner else entry.name
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir():
                        if level < depth:
                            todo.append((path, level + 1))
                    elif entry.is_file():
                        yield path
        except OSError as error:
            raise ChipError(f"{folder / inner}: cannot be read: {error.strerror}") from None


def _looked_up(
    folder: Path, config: ChipsConfig, patterns: Mapping[str, str], keys: Iterable[Key]
) -> dict[Key, set[str]]:
    found: dict[Key, set[str]] = {}
    for key in keys:
        values = dict(zip(config.placeholders, key, strict=True))
        found[key] = {
            name for name, pattern in patterns.items() if (folder / filled(pattern, values)).is_file()
        }
    return found


def _table_keys(folder: Path, config: ChipsConfig) -> dict[Key, ChipSplit | None]:
    path = inner_file(folder, config.table or "", "folder of chips", ChipError)
    text = read_text(path, _TABLE)
    keys: dict[Key, ChipSplit | None] = {}
    with file_errors(path, _TABLE, csv.Error):
        rows = csv.DictReader(text.splitlines(), strict=True)
        lacking = [name for name in config.placeholders if name not in (rows.fieldnames or ())]
        if lacking:
            raise _TABLE.refuse(path, f"has no column {', '.join(lacking)}")
        for row in rows:
            where = f"{path}: line {rows.line_num}"
            key = _plain(tuple(row[name] or "" for name in config.placeholders), where)
            split = row.get("split") or None
            if split is not None and split not in _SPLITS:
                raise _TABLE.refuse(where, f"split {split!r} is none of {', '.join(_SPLITS)}")
            if key in keys:
                raise _TABLE.refuse(where, f"names chip {'/'.join(key)} a second time")
            keys[key] = next((one for one in _SPLITS if one == split), None)
    return keys


def _plain(key: Key, where: str) -> Key:
    """A key whose values are names: no path leads out of the folder."""
    for value in key:
        if not value or value in (".", "..") or "/" in value or "\\" in value or "\0" in value:
            raise _TABLE.refuse(where, f"{value!r} is no part of a file's name")
    return key


def _listed(folder: Path, config: ChipsConfig, how: ChipSplitConfig) -> list[Key]:
    """The keys that a list names; a line without a value for each placeholder is refused."""
    path = inner_file(folder, how.file or "", "folder of chips", ChipError)
    line = how.line or "/".join("{" + name + "}" for name in config.placeholders)
    patterns = (line,) if isinstance(line, str) else line
    for pattern in patterns:
        if not set(told := placeholders(pattern)) >= set(config.placeholders):
            known = ", ".join(config.placeholders)
            raise ChipError(f"{path}: line = {pattern!r} tells {', '.join(told)}, expected {known}")
    keys: dict[Key, None] = {}
    for number, line in enumerate(read_text(path, _LIST).splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = (values_in(pattern, text) for pattern in patterns)
        values = next((one for one in found if one is not None), None)
        if values is None:
            forms = " or ".join(map(repr, patterns))
            raise _LIST.refuse(f"{path}: line {number}", f"{text!r} is not of the form {forms}")
        keys[tuple(values[name] for name in config.placeholders)] = None
    return list(keys)
