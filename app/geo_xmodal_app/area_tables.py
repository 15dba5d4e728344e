"""Areas of the classes of a map as a file for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from geo_xmodal.outputs import write_text

_FORMULA = ("=", "+", "-", "@", "\t")
"""How a text begins that a spreadsheet would compute; a legend's names are whatever somebody wrote."""


def write_areas(rows: Sequence[Mapping[str, object]], out: Path) -> Path:
    """Write a table of areas as CSV, a row a class; nothing is written where it is there already.

    Args:
        rows: Column to value, all of the same columns.
        out: The file.

    Raises:
        OutputError: It cannot be written.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(rows[0] if rows else ())
    table.writerows([_cell(value) for value in row.values()] for row in rows)
    if not out.is_file() or out.read_text(encoding="utf-8") != text.getvalue():
        write_text(out, text.getvalue())
    return out


def _cell(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.10g}"
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
