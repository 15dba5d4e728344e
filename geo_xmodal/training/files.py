"""The small files of a run folder, each written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geo_xmodal.errors import OutputError


def write_text(path: Path, text: str) -> None:
    """Write a file beside its place and rename it.

    Raises:
        OutputError: if the folder cannot be written or is full.
    """
    beside = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path}: {error.strerror}") from None


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write an object as JSON, one entry a line, keys in their own order."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file of ours; None if there is none, or it is no JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


class RunLog:
    """`log.jsonl`: one row an epoch. A resumed run drops the rows from its first epoch on, then goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        self._continued = False

    def append(self, row: dict[str, Any]) -> None:
        """Add the row of an epoch."""
        if not self._continued:
            self.rows = [earlier for earlier in self.read() if earlier["epoch"] < row["epoch"]]
            self._continued = True
        self.rows.append(row)
        write_text(self.path, "".join(json.dumps(one) + "\n" for one in self.rows))

    def read(self) -> list[dict[str, Any]]:
        """The rows on disk."""
        if not self.path.is_file():
            return []
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines() if line]
