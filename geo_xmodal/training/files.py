"""The small files of a run folder, each written whole or not at all."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

from geo_xmodal.errors import OutputError, ResumeError
from geo_xmodal.outputs import output_errors, write_text
from geo_xmodal.small_files import SmallFile, read_json_lines, read_json_object
from geo_xmodal.training.checkpoint import FILE as CHECKPOINT

CONFIG, LOG, METRICS, REPORT = "config.json", "log.jsonl", "metrics.json", "report.html"

_ANEW = "it is damaged: train anew without --resume"
_FILE = SmallFile("a file of a run, in JSON", ResumeError, _ANEW, 256 << 20)
_LOG_FILE = SmallFile("the log of a run, one JSON object an epoch", ResumeError, _ANEW, 256 << 20)


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
        return read_json_object(path, _FILE)
    except ResumeError:
        return None


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
        """The rows on disk, without one at the end that a kill cut off.

        Raises:
            ResumeError: A row is damaged.
        """
        if not self.path.is_file():
            return []
        rows, cut_off = read_json_lines(self.path, _LOG_FILE)
        if cut_off:
            warnings.warn(
                f"{self.path}: its last line was cut off when the run was stopped, and is left out",
                stacklevel=2,
            )
        for number, row in enumerate(rows, start=1):
            if type(row.get("epoch")) is not int:
                raise _LOG_FILE.refuse(self.path, f"row {number} says no epoch")
        return rows
