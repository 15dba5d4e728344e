"""Scene folders from the real scenes that docs/results.md measures on.

    python scripts/real_scenes.py DATA OUT

DATA holds muufl/ and potsdam/ as described in docs/results.md; OUT gets the scenes muufl, muufl_150 and
potsdam, each a folder that `geo-xmodal train --scene` takes.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.windows import from_bounds

import geo_xmodal as gx
from geo_xmodal.raster import open_raster
from geo_xmodal.scenes import parse_config, write_config

MUUFL_CLASSES = [
    (1, "trees", "#1b7837"),
    (2, "mostly grass", "#a6d96a"),
    (3, "mixed ground surface", "#dfc27d"),
    (5, "road", "#4d4d4d"),
    (7, "building shadow", "#2c5f8a"),
    (8, "building", "#d9746c"),
    (9, "sidewalk", "#e6e6e6"),
]
MUUFL_OTHER_CLASSES = [
    (4, "dirt and sand", "#b8864b"),
    (6, "water", "#2c7fb8"),
    (10, "yellow curb", "#f4c95d"),
    (11, "cloth panels", "#c2185b"),
]
POTSDAM_CLASSES = [
    (1, "roof", "#d9746c"),
    (2, "pavement", "#4d4d4d"),
    (3, "low vegetation", "#a6d96a"),
    (4, "tree", "#1b7837"),
    (5, "soil", "#b8864b"),
    (6, "water", "#2c7fb8"),
]
BUFFER = 3
"""Pixels around the window of MUUFL that are neither trained nor tested on."""

SENTINEL2_BANDS = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
"""The land bands of Sentinel-2 (the others see the atmosphere)."""

Array = npt.NDArray[np.generic]


def copied(source: Path, target: Path, values: Array | None = None, **changes: object) -> None:
    """A raster again in the scene folder, with other values where they are given."""
    with open_raster(source) as dataset:
        profile = {**dataset.profile, "driver": "GTiff", "compress": "deflate", "tiled": True, **changes}
        profile.pop("blockxsize", None)
        profile.pop("blockysize", None)
        descriptions, tags = dataset.descriptions, [dataset.tags(i) for i in dataset.indexes]
        values = dataset.read() if values is None else values
    profile["count"] = len(values)
    with rasterio.open(target, "w", **profile) as out:
        out.write(values)
        if len(descriptions) == len(values):
            for index, (name, band_tags) in enumerate(zip(descriptions, tags, strict=True), 1):
                out.set_band_description(index, name or f"band {index}")
                out.update_tags(index, **band_tags)


def classes(entries: list[tuple[int, str, str]]) -> list[dict[str, object]]:
    return [{"id": number, "name": name, "color": color} for number, name, color in sorted(entries)]


def muufl(data: Path, out: Path) -> None:
    """HSI and labels inside a window of 100 x 100 pixels only, LiDAR everywhere, tests outside the window."""
    out.mkdir(parents=True)
    copied(data / "lidar.tif", out / "lidar.tif")
    copied(data / "hsi_window.tif", out / "hsi.tif")
    with open_raster(data / "labels.tif") as dataset, open_raster(data / "hsi_window.tif") as hsi:
        labels = dataset.read(1)
        window = from_bounds(*hsi.bounds, transform=dataset.transform).round()
    labels[~np.isin(labels, [number for number, _, _ in MUUFL_CLASSES])] = 0
    top, left = int(window.row_off), int(window.col_off)
    bottom, right = top + int(window.height), left + int(window.width)
    train, test = np.zeros_like(labels), labels.copy()
    train[top:bottom, left:right] = labels[top:bottom, left:right]
    test[top - BUFFER : bottom + BUFFER, left - BUFFER : right + BUFFER] = 0
    for name, values in (("train", train), ("test", test)):
        copied(data / "labels.tif", out / f"{name}.tif", values[None], nodata=0)
    config = {
        "name": "muufl",
        "description": "MUUFL Gulfport: HSI and labels in a window only; its place was found by matching",
        "citation": "P. Gader et al., MUUFL Gulfport Hyperspectral and LiDAR Airborne Data Set",
        "target": "lidar",
        "modalities": {
            "lidar": {"file": "lidar.tif", "kind": "lidar", "sensor": "Gemini ALTM, height and intensity"},
            "hsi": {"file": "hsi.tif", "kind": "hsi", "sensor": "CASI-1500, 64 bands"},
        },
        "classes": classes(MUUFL_CLASSES),
        "labels": {"train": {"file": "train.tif"}, "test": {"file": "test.tif"}},
    }
    write_config(parse_config(config), out)


def muufl_150(data: Path, out: Path) -> None:
    """The published split: 150 pixels a class anywhere, the rest for test (pixels apart, places not)."""
    out.mkdir(parents=True)
    copied(data / "lidar.tif", out / "lidar.tif")
    copied(data / "hsi_window.tif", out / "hsi.tif")
    for name in ("train", "test"):
        copied(data / f"labels_{name}_150.tif", out / f"{name}.tif", nodata=0)
    config = {
        "name": "muufl_150",
        "description": "MUUFL Gulfport, published split of 150 pixels a class, HSI in a window only",
        "citation": "P. Gader et al., MUUFL Gulfport Hyperspectral and LiDAR Airborne Data Set",
        "target": "lidar",
        "modalities": {
            "lidar": {"file": "lidar.tif", "kind": "lidar", "sensor": "Gemini ALTM, height and intensity"},
            "hsi": {"file": "hsi.tif", "kind": "hsi", "sensor": "CASI-1500, 64 bands"},
        },
        "classes": classes(MUUFL_CLASSES + MUUFL_OTHER_CLASSES),
        "labels": {"train": {"file": "train.tif"}, "test": {"file": "test.tif"}},
    }
    write_config(parse_config(config), out)


def potsdam(data: Path, out: Path) -> None:
    """EnMAP and the Sentinel-2 bands simulated from it, labels split into blocks."""
    out.mkdir(parents=True)
    cube = data / "enmap_potsdam_mosaic18.tif"
    copied(cube, out / "hsi.tif")
    responses = data / "sentinel2a_msi_srf.geojson"
    with tempfile.TemporaryDirectory() as folder:
        made = gx.simulate_sensor(Path(folder) / "made", cube, responses, bands=SENTINEL2_BANDS)
        shutil.copyfile(made.scene.path("msi"), out / "msi.tif")
    with open_raster(cube) as dataset:
        empty = [band for band in dataset.indexes if (dataset.read(band) == dataset.nodata).all()]
    copied(data / "enmap_landcover_unstyled.tif", out / "labels.tif")
    config = {
        "name": "potsdam",
        "description": "EnMAP over Potsdam (DLR); the MSI is simulated from it with Sentinel-2A's responses",
        "target": "msi",
        "modalities": {
            "msi": {"file": "msi.tif", "kind": "msi", "sensor": "Sentinel-2A, simulated from EnMAP"},
            "hsi": {"file": "hsi.tif", "kind": "hsi", "sensor": "EnMAP L2A", "invalid_bands": empty},
        },
        "classes": classes(POTSDAM_CLASSES),
        "labels": {"all": {"file": "labels.tif"}},
        "split": {"kind": "blocks", "block": 20, "buffer": 6, "test": 0.5, "seed": 0},
    }
    write_config(parse_config(config), out)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    muufl(source / "muufl", target / "muufl")
    muufl_150(source / "muufl", target / "muufl_150")
    potsdam(source / "potsdam", target / "potsdam")
