"""Scene folders from the real scenes that docs/results.md measures on.

    python scripts/real_scenes.py DATA OUT

DATA holds muufl/, potsdam/, berlin_urban_gradient/ and worldcereal/ as described in docs/results.md; OUT
gets the scenes muufl, muufl_150, potsdam, berlin_urban_gradient, worldcereal_flanders and
worldcereal_corsica, each a folder that `geo-xmodal train --scene` takes. Names after OUT make only these.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.features import rasterize
from rasterio.windows import from_bounds

import geo_xmodal as gx
from geo_xmodal.raster import grid_of, open_layer, open_raster, read_features
from geo_xmodal.scenes import parse_config, write_config
from geo_xmodal.types import Window

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
GRADIENT_CLASSES = [
    (1, "Roof", "#d9746c"),
    (2, "Pavement", "#4d4d4d"),
    (3, "Low vegetation", "#a6d96a"),
    (4, "Tree", "#1b7837"),
    (5, "Soil", "#b8864b"),
    (6, "Other", "#aa4499"),
]
STRIPS = 8
"""Strips from north to south of the Berlin-Urban-Gradient scene, which train and test in turn."""

STRIP_BUFFER = 20
"""Rows (72 m) beside a test strip that do not train: windows of the largest default size share no pixel."""

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


def berlin_urban_gradient(data: Path, out: Path) -> None:
    """Four bands of 3.6 m, which are the grid, and an EnMAP image of 30 m over all of it; both from HyMap."""
    out.mkdir(parents=True)
    copied(data / "hires.tif", out / "msi.tif")
    copied(data / "enmap.tif", out / "hsi.tif")
    with open_raster(data / "hires.tif") as dataset:
        grid = grid_of(dataset)
    rows, cols = grid.shape
    layer = open_layer(data / "landcover.gpkg")
    names, shapes = read_features(layer, "Level_2", grid, Window(0, 0, rows, cols))
    ids = {name: number for number, name, _ in GRADIENT_CLASSES}
    burnt = [(shape, ids[name]) for name, shape in zip(names, shapes, strict=True)]
    labels = rasterize(burnt, (rows, cols), dtype="uint8")
    strip = np.arange(rows) * STRIPS // rows
    tests = strip % 2 == 1
    beside = np.convolve(tests, np.ones(2 * STRIP_BUFFER + 1), "same") > 0
    for name, kept in (("train", ~beside), ("test", tests)):
        values = np.where(kept[:, None], labels, 0).astype(np.uint8)
        copied(data / "hires.tif", out / f"{name}.tif", values[None], dtype="uint8", nodata=0)
    config = {
        "name": "berlin_urban_gradient",
        "description": "Berlin-Urban-Gradient: HyMap bands of 3.6 m, EnMAP simulated from the same flight",
        "citation": "Okujeni, van der Linden, Hostert (2016), doi:10.5880/enmap.2016.008",
        "license": "CC BY-SA 4.0",
        "target": "msi",
        "modalities": {
            "msi": {"file": "msi.tif", "kind": "msi", "sensor": "HyMap, 4 bands of 3.6 m"},
            "hsi": {"file": "hsi.tif", "kind": "hsi", "sensor": "EnMAP of 30 m, simulated from HyMap"},
        },
        "classes": classes(GRADIENT_CLASSES),
        "labels": {"train": {"file": "train.tif"}, "test": {"file": "test.tif"}},
    }
    write_config(parse_config(config), out)


def worldcereal_flanders(data: Path, out: Path) -> None:
    """Features of a year of Sentinel-1 and Sentinel-2 at points of fields; whole locations test."""
    request = gx.PointsRequest(
        target=gx.SensorColumns(
            bands=("SAR-*",), kind="sar", scale="db", sensor="Sentinel-1, features of 2018"
        ),
        auxiliary=gx.SensorColumns(bands=("OPTICAL-*",), kind="msi", sensor="Sentinel-2, features of 2018"),
        leave_out=("OPTICAL-l2a*", "SAR-*sigma0*"),
        label="OUTPUT",
        places="location_id",
        min_per_class=25,
    )
    gx.import_points(data / "flanders_2018.parquet", out, request)


def worldcereal_corsica(data: Path, out: Path) -> None:
    """Monthly Sentinel-1 and Sentinel-2 at points of fields; whole cells of 0.1 degrees test."""
    request = gx.PointsRequest(
        target=gx.SensorColumns(bands=("S1-*",), kind="sar", scale="dn", sensor="Sentinel-1, monthly"),
        auxiliary=gx.SensorColumns(bands=("S2-L2A-B*",), kind="msi", sensor="Sentinel-2 L2A, monthly"),
        label="ewoc_code",
        no_data=(65535, 0),
        series=("sample_id", "timestamp"),
        interpolate=True,
        cells=0.1,
        min_per_class=25,
    )
    gx.import_points(data / "corsica_2022_month.geoparquet", out, request)


SCENES = {
    "muufl": (muufl, "muufl"),
    "muufl_150": (muufl_150, "muufl"),
    "potsdam": (potsdam, "potsdam"),
    "berlin_urban_gradient": (berlin_urban_gradient, "berlin_urban_gradient"),
    "worldcereal_flanders": (worldcereal_flanders, "worldcereal"),
    "worldcereal_corsica": (worldcereal_corsica, "worldcereal"),
}
"""How each scene is made, and from which folder of DATA."""

if __name__ == "__main__":
    if len(sys.argv) < 3 or not set(sys.argv[3:]) <= set(SCENES):
        sys.exit(__doc__)
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    for scene in sys.argv[3:] or SCENES:
        make, folder = SCENES[scene]
        make(source / folder, target / scene)
