"""Which Sentinel-1 patch of BigEarthNet belongs to which Sentinel-2 patch: their names do not tell."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from geo_xmodal.chips.config import ChipSplit
from geo_xmodal.errors import ChipError
from geo_xmodal.small_files import SmallFile, file_errors, read_bytes, read_json_object, read_text

S1_V1 = "BigEarthNet-S1-v1.0"

_PATCH = SmallFile("the metadata of a Sentinel-1 patch", ChipError, "fetch BigEarthNet again", 1 << 20)
_METADATA = SmallFile(
    "the metadata of BigEarthNet v2 (patch_id, s1_name, split)", ChipError, "fetch it again", 512 << 20
)
_COLUMNS = ("patch_id", "s1_name", "split")
_SPLITS: Mapping[str, ChipSplit] = {"train": "train", "validation": "validation", "test": "test"}


def patches_v1(folder: Path) -> dict[tuple[str, ...], ChipSplit | None]:
    """Names of the two patches of each pair, as the metadata of the Sentinel-1 patch says.

    Raises:
        ChipError: The metadata of a patch cannot be read, or names no Sentinel-2 patch.
    """
    found: dict[tuple[str, ...], ChipSplit | None] = {}
    for patch in sorted(_folders(folder / S1_V1)):
        path = patch / f"{patch.name}_labels_metadata.json"
        other = read_json_object(path, _PATCH).get("corresponding_s2_patch")
        if not isinstance(other, str) or not _is_name(other):
            raise _PATCH.refuse(path, "names no corresponding_s2_patch")
        found[patch.name, other] = None
    return found


def patches_v2(folder: Path) -> dict[tuple[str, ...], ChipSplit | None]:
    """Scene and name of the two patches of each pair and their split, from metadata.parquet or metadata.csv.

    Raises:
        ChipError: There is neither, it cannot be read, or it lacks a column.
    """
    found: dict[tuple[str, ...], ChipSplit | None] = {}
    for s2, s1, split in _metadata(folder):
        if not _is_name(s2) or not _is_name(s1):
            raise _METADATA.refuse(folder, f"{s2!r} and {s1!r} are no names of patches")
        # a patch is called after its scene, then (Sentinel-1) the tile, then its row and column
        key = (s1.rsplit("_", 3)[0], s1, s2.rsplit("_", 2)[0], s2)
        found[key] = _SPLITS.get(split)
    return found


def _metadata(folder: Path) -> Iterator[tuple[str, str, str]]:
    parquet, text = folder / "metadata.parquet", folder / "metadata.csv"
    if text.is_file() or not parquet.is_file():
        content = read_text(text, _METADATA)
        with file_errors(text, _METADATA, csv.Error):
            rows = csv.DictReader(content.splitlines(), strict=True)
            _check_columns(text, rows.fieldnames or ())
            for row in rows:
                yield cast(tuple[str, str, str], tuple(row[name] or "" for name in _COLUMNS))
        return
    import pyarrow as pa  # takes a while, and few sets of chips have such a file
    import pyarrow.parquet as pq

    with file_errors(parquet, _METADATA, pa.ArrowException):
        file = pq.ParquetFile(pa.BufferReader(read_bytes(parquet, _METADATA)))
        _check_columns(parquet, file.schema_arrow.names)
        for batch in file.iter_batches(columns=list(_COLUMNS)):
            columns: list[list[Any]] = [batch.column(name).to_pylist() for name in _COLUMNS]
            for values in zip(*columns, strict=True):
                yield cast(tuple[str, str, str], tuple(str(value or "") for value in values))


def _check_columns(path: Path, names: Any) -> None:
    lacking = [name for name in _COLUMNS if name not in names]
    if lacking:
        raise _METADATA.refuse(path, f"has no column {', '.join(lacking)}")


def _folders(folder: Path) -> Iterator[Path]:
    try:
        yield from (entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise ChipError(f"{folder}: cannot be read: {error.strerror}") from None


def _is_name(text: str) -> bool:
    return bool(text) and text not in (".", "..") and not set(text) & set("/\\\0")
