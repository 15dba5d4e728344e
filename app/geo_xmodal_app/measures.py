"""Measures of runs and maps as pages name them, and the files that hold them."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

from geo_xmodal.errors import UsageError
from geo_xmodal.small_files import SmallFile, read_json_object

FILE = "metrics.json"
MEASURES = MappingProxyType(
    {"oa": "Overall accuracy", "aa": "Average accuracy", "kappa": "Kappa", "miou": "Mean IoU"}
)
"""Name in the file to words."""

_METRICS = SmallFile("the measures of a run", UsageError, "train again", 64 << 20)


def run_metrics(folder: Path) -> dict[str, Any]:
    """What a run folder says of its accuracy.

    Raises:
        UsageError: The file is not there, or is damaged.
    """
    return read_json_object(folder / FILE, _METRICS)
