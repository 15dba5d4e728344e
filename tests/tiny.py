"""A scene of two sensors small enough to train on in a second: three crops in bands, radar and HSI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.transform import from_origin

SIDE = 96
PIXEL = 10.0
CRS = "EPSG:32633"
WEST, NORTH = 500_000.0, 5_800_000.0
HSI_COLUMNS = 64

SCENE = """\
name = "tiny"
description = "Three crops in stripes"
simulated = true
target = "sar"

[modalities.sar]
file = "sar.tif"
kind = "sar"
sensor = "two polarisations, 4 looks"

[modalities.hsi]
file = "hsi.tif"
kind = "hsi"

[[classes]]
id = 1
name = "Wheat"
color = "#ddcc77"
[[classes]]
id = 4
name = "Maize"
color = "#117733"
[[classes]]
id = 9
name = "Water"
color = "#88ccee"

[labels.train]
file = "train.tif"
[labels.test]
file = "test.tif"
"""

IDS = (1, 4, 9)


def write_raster(
    path: Path,
    pixels: npt.NDArray[Any],
    *,
    west: float = WEST,
    north: float = NORTH,
    pixel: float = PIXEL,
    crs: str | None = CRS,
    **profile: Any,
) -> Path:
    """A GeoTIFF from (row, col) or (band, row, col)."""
    bands = pixels if pixels.ndim == 3 else pixels[None]
    settings = {
        "driver": "GTiff",
        "count": bands.shape[0],
        "height": bands.shape[1],
        "width": bands.shape[2],
        "dtype": bands.dtype,
        "crs": crs,
        "transform": from_origin(west, north, pixel, pixel),
    }
    with rasterio.open(path, "w", **settings | profile) as dataset:
        dataset.write(bands)
    return path


def truth(rows: int = SIDE, cols: int = SIDE) -> npt.NDArray[np.uint8]:
    """Class ids (row, col): diagonal stripes 12 pixels wide."""
    row, col = np.mgrid[:rows, :cols]
    return np.array(IDS, np.uint8)[(row + col) // 12 % 3]


def write_other_scene(folder: Path, seed: int = 1, name: str = "other", **place: Any) -> Path:
    """The scene in another UTM zone, where Maize is 1, Water is 2, and what was Wheat is Forest, 3."""
    west, north = place.pop("west", 300_000.0), place.pop("north", 5_000_000.0)
    write_scene(folder, seed, west=west, north=north, crs="EPSG:32632", **place)
    new = {1: 3, 4: 1, 9: 2}
    for file in ("train.tif", "test.tif"):
        with rasterio.open(folder / file, "r+") as labels:
            ids = labels.read(1)
            table = np.zeros(10, np.uint8)
            table[list(new)] = list(new.values())
            labels.write(table[ids], 1)
    text = SCENE.replace('name = "tiny"', f'name = "{name}"')
    text = text.replace('id = 1\nname = "Wheat"', 'id = 3\nname = "Forest"')
    text = text.replace('id = 4\nname = "Maize"', 'id = 1\nname = "maize"').replace("id = 9\n", "id = 2\n")
    (folder / "scene.toml").write_text(text, encoding="utf-8")
    return folder


def write_scene(folder: Path, seed: int = 0, tested: float = 1.0, **place: Any) -> Path:
    """The scene folder: radar everywhere, HSI and training pixels in the west, test pixels in the east.

    `tested` is the share of the east that is labelled: a comparison lays out all test pixels by t-SNE, which
    takes its time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    ids = truth()
    index = np.searchsorted(IDS, ids)
    power = np.array([[0.1, 0.02], [0.2, 0.06], [0.02, 0.004]], np.float32)[index].transpose(2, 0, 1)
    write_raster(folder / "sar.tif", (power * rng.gamma(4, 1 / 4, power.shape)).astype(np.float32), **place)
    spectra = np.linspace([0.1, 0.2, 0.05], [0.5, 0.35, 0.02], 8, dtype=np.float32)[:, index]
    hsi = spectra + rng.normal(0, 0.02, spectra.shape).astype(np.float32)
    write_raster(folder / "hsi.tif", hsi[:, :, :HSI_COLUMNS], **place)
    thinned = np.where(rng.random(ids.shape) < 0.2, ids, 0).astype(np.uint8)
    train, test = thinned.copy(), ids.copy()
    train[:, HSI_COLUMNS - 8 :] = 0
    test[:, :HSI_COLUMNS] = 0
    if tested < 1:
        test[np.random.default_rng(seed).random(ids.shape) >= tested] = 0
    write_raster(folder / "train.tif", train, **place)
    write_raster(folder / "test.tif", test, **place)
    (folder / "scene.toml").write_text(SCENE, encoding="utf-8")
    return folder


QUICK = ("--method", "hgr", "--epochs", "2", "--set", "unlabelled=500", "--set", "teachers=1")
"""Options of `train` that make it quick on this scene."""
