"""Maps to export: made by a model, or written as another program would."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from geo_xmodal.mapping.geotiff import legend_tag
from geo_xmodal.types import LandClass
from tests import rasters

CLASSES = (
    LandClass(1, "Wheat", "#ddcc77"),
    LandClass(4, "Maize & <b>beans</b>", "#117733"),
    LandClass(9, 'Water "deep"', "#88ccee"),
)

SYSTEM_PYTHON = "/usr/bin/python3"
LOOK = Path(__file__).with_name("look.py")

Look = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def look(system_program: Callable[[str], str]) -> Look:
    """What QGIS makes of a file (`look.py`)."""
    system_program("qgis_process.bin")

    def ask(file: Path, **request: Any) -> dict[str, Any]:
        environment = {"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/"), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            [SYSTEM_PYTHON, LOOK, file, json.dumps({key: _plain(value) for key, value in request.items()})],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=environment | {"QT_QPA_PLATFORM": "offscreen"},
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("JSON")]
        assert lines, done.stdout + done.stderr
        told: dict[str, Any] = json.loads(lines[0][4:])
        return told

    return ask


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def write_map(
    path: Path,
    ids: npt.NDArray[np.uint8],
    grid: GeoBox | None = None,
    *,
    legend: Sequence[LandClass] | None = CLASSES,
    percent: npt.NDArray[np.uint8] | None = None,
    nodata: int | None = 0,
    **tags: str,
) -> Path:
    """A class map; with `percent` also its probability, without `legend` as another program makes it."""
    grid = grid or rasters.utm_grid(*ids.shape)
    rasters.write_raster(path, ids[None], grid, nodata=nodata)
    if legend is not None:
        tags |= legend_tag(legend)
    if tags:
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(**tags)
    if percent is not None:
        rasters.write_raster(path.with_name(f"{path.stem}_probability.tif"), percent[None], grid, nodata=255)
    return path


def patchy(shape: tuple[int, int], seed: int = 0, scale: int = 5) -> npt.NDArray[np.uint8]:
    """Patches and single pixels of `CLASSES`, and no data."""
    rng = np.random.default_rng(seed)
    coarse = rng.choice([0, 1, 4, 9], (shape[0] // scale + 1, shape[1] // scale + 1), p=[0.1, 0.3, 0.3, 0.3])
    ids = np.kron(coarse, np.ones((scale, scale), int))[: shape[0], : shape[1]].astype(np.uint8)
    noise = rng.random(shape) < 0.1
    ids[noise] = rng.choice([0, 1, 4, 9], int(noise.sum()))
    return ids
