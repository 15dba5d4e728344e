"""Small tables of points whose answers are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import geo_xmodal as gx

CLASSES = ("crop", "forest", "water")


def table(places: int = 12, each: int = 6, unlabelled: int = 3) -> pd.DataFrame:
    """Places of points of one class each, with bands that tell the class, and a few points without label."""
    rng = np.random.default_rng(0)
    rows = []
    for place in range(places):
        for k in range(each):
            number = place % len(CLASSES)
            rows.append(
                {
                    "S1-VV": -20.0 + 5 * number + rng.normal(0, 0.2),
                    "S1-VH": -25.0 + 4 * number + rng.normal(0, 0.2),
                    "S2-B04": 0.1 + 0.2 * number + rng.normal(0, 0.01),
                    "S2-B08": 0.9 - 0.2 * number + rng.normal(0, 0.01),
                    "S2-count": 7.0,
                    "class": "" if k >= each - unlabelled and place < 3 else CLASSES[number],
                    "lon": 3.05 + 0.1 * place + 0.001 * k,
                    "lat": 51.05 + 0.001 * k,
                    "field": f"field {place}",
                }
            )
    return pd.DataFrame(rows)


def write_parquet(frame: pd.DataFrame, path: Path) -> Path:
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
    return path


def write_csv(frame: pd.DataFrame, path: Path, sep: str = ",") -> Path:
    frame.to_csv(path, index=False, sep=sep)
    return path


def request(**changes: Any) -> gx.PointsRequest:
    asked: dict[str, Any] = {
        "target": gx.SensorColumns(bands=("S1-*",), scale="db"),
        "auxiliary": gx.SensorColumns(bands=("S2-*",)),
        "leave_out": ("*count*",),
        "label": "class",
        "places": "field",
        "min_per_class": 2,
    }
    return gx.PointsRequest(**(asked | changes))


def read_points(scene: Path) -> pd.DataFrame:
    return pd.read_csv(scene / "points.csv", keep_default_na=False)
