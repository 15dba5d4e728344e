"""The small files of a run folder, each written whole or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from geo_xmodal.errors import OutputError
from geo_xmodal.outputs import output_errors, write_text
from geo_xmodal.training.checkpoint import FILE as CHECKPOINT

CONFIG, LOG, METRICS, REPORT = "config.json", "log.jsonl", "metrics.json", "report.html"


def check_is_run(folder: Path) -> None:
    """See that a folder with something in it is a run folder.

    Raises:
        OutputError: It is not.
    """
    if not (folder / CONFIG).is_file():
        raise OutputError(f"{folder} is not empty and holds no run: choose another --out")


def clear_run(folder: Path) -> None:
    """Take away what an earlier run left in its folder; anything else stays."""
    with output_errors(folder):
        for name in (METRICS, LOG, REPORT, CHECKPOINT, CONFIG):
            (folder / name).unlink(missing_ok=True)
        for old in (*folder.glob("seed-*"), folder / "controls", folder / "model"):
            if old.is_dir():
                shutil.rmtree(old)


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
