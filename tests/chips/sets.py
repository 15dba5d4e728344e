"""Small copies of known sets of chips: names, formats and values as people have them on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.transform import from_origin

Array = npt.NDArray[Any]


def write(
    path: Path,
    pixels: Array,
    driver: str = "GTiff",
    pixel: float | None = None,
    west: float = 500_000.0,
    **profile: Any,
) -> Path:
    """A raster of (row, col) or (band, row, col), with a place only where a size of pixels is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = pixels if pixels.ndim == 3 else pixels[None]
    place = (
        {}
        if pixel is None
        else {"crs": "EPSG:32632", "transform": from_origin(west, 5_700_000, pixel, pixel)}
    )
    settings = {
        "driver": driver,
        "count": bands.shape[0],
        "height": bands.shape[1],
        "width": bands.shape[2],
        "dtype": bands.dtype,
    }
    with rasterio.open(path, "w", **settings | place | profile) as dataset:
        dataset.write(bands)
    return path


def stripes(side: int, values: tuple[int, ...], dtype: str = "uint8") -> Array:
    """(side, side): as many stripes of rows as values."""
    rows = np.arange(side) * len(values) // side
    return np.repeat(np.array(values, dtype)[rows][:, None], side, axis=1)


def colored(values: Array, colors: dict[int, tuple[int, int, int]]) -> Array:
    """(3, row, col) colours of values."""
    table = np.zeros((256, 3), np.uint8)
    for value, color in colors.items():
        table[value] = color
    return table[values].transpose(2, 0, 1)


VAIHINGEN_COLORS = {1: (255, 255, 255), 2: (0, 0, 255), 3: (0, 255, 255), 0: (0, 0, 0)}


def vaihingen(folder: Path, side: int = 20) -> Path:
    """Areas 1, 3 (train), 2 (test) with the eroded ground truth, whose borders are black."""
    rng = np.random.default_rng(0)
    for area in (1, 2, 3):
        name = f"top_mosaic_09cm_area{area}.tif"
        write(folder / "top" / name, rng.integers(1, 255, (3, side, side), np.uint8))
        heights = rng.normal(280, 5, (side, side)).astype(np.float32)
        write(folder / "dsm" / f"dsm_09cm_matching_area{area}.tif", heights)
        truth = colored(stripes(side, (1, 2, 3, 0)), VAIHINGEN_COLORS)
        write(folder / "gts_for_participants" / name, truth)
    return folder


def globe230k(folder: Path, count: int = 12, side: int = 16) -> Path:
    """JPEG pictures, PNG labels 1 to 10, and heights and radar of some."""
    rng = np.random.default_rng(0)
    for number in range(1, count + 1):
        write(
            folder / f"image_patch/data_{number}.jpg", rng.integers(0, 255, (3, side, side), np.uint8), "JPEG"
        )
        write(folder / f"label_patch/data_{number}.png", stripes(side, (1, 10)), "PNG")
        if number % 2:
            write(folder / f"dem_patch/data_{number}.tif", np.full((side, side), 100.0 + number, np.float32))
            write(folder / f"vvvh_patch/data_{number}.tif", np.full((2, side, side), -10.0, np.float32))
    return folder


def geonrw(folder: Path, side: int = 32, cities: dict[str, int] | None = None) -> Path:
    """Tiles of cities, of which Neuss is for test; JPEG 2000 without loss."""
    rng = np.random.default_rng(0)
    for city, tiles in (cities or {"aachen": 2, "bonn": 1, "neuss": 1}).items():
        for number in range(tiles):
            tile, west = f"{286 + number}_5626", 500_000.0 + number * side
            picture = rng.integers(1, 255, (3, side, side), np.uint8)
            lossless = {"QUALITY": "100", "REVERSIBLE": "YES"}
            write(folder / city / f"{tile}_rgb.jp2", picture, "JP2OpenJPEG", 1.0, west, **lossless)
            heights = rng.normal(80, 1, (side, side)).astype(np.float32)
            write(folder / city / f"{tile}_dem.tif", heights, pixel=1.0, west=west)
            write(folder / city / f"{tile}_seg.tif", stripes(side, (0, 1, 2, 10)), pixel=1.0, west=west)
    return folder


def sen12ms(folder: Path, side: int = 16) -> Path:
    """Two scenes, radar in decibels, land cover of four schemes; lists name Sentinel-2 files."""
    rng = np.random.default_rng(0)
    chips = [("ROIs1158_spring", 1, 30), ("ROIs1158_spring", 1, 31), ("ROIs1868_summer", 59, 2)]
    for season, scene, patch in chips:

        def at(source: str, season: str = season, scene: int = scene, patch: int = patch) -> Path:
            return folder / season / f"{source}_{scene}" / f"{season}_{source}_{scene}_p{patch}.tif"

        write(at("s1"), np.full((2, side, side), -20.0, np.float32), pixel=10.0)
        write(at("s2"), rng.integers(1, 10_000, (13, side, side), np.uint16), pixel=10.0)
        schemes = np.stack([stripes(side, (1, 5, 12, 17)), *[np.full((side, side), 99, np.uint8)] * 3])
        write(at("lc"), schemes, pixel=10.0)
    lines = [f"{season}_s2_{scene}_p{patch}.tif" for season, scene, patch in chips]
    (folder / "train_list.txt").write_text("\n".join(lines[:2]) + "\n")
    (folder / "test_list.txt").write_text(lines[2] + "\n")
    return folder


S2_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
_COARSE = {"B01": 6, "B09": 6, "B05": 2, "B06": 2, "B07": 2, "B8A": 2, "B11": 2, "B12": 2}


def _patches(s1: Path, s2: Path, value: int, side: int) -> None:
    for band, power in (("VV", -10.0), ("VH", -20.0)):
        write(s1 / f"{s1.name}_{band}.tif", np.full((side, side), power, np.float32), pixel=10.0)
    for number, band in enumerate(S2_BANDS):
        times = _COARSE.get(band, 1)
        shape = (side // times, side // times)
        write(s2 / f"{s2.name}_{band}.tif", np.full(shape, value + number, np.uint16), pixel=10.0 * times)


def bigearthnet_v1(folder: Path, side: int = 12) -> Path:
    """Two pairs, told by the metadata of the Sentinel-1 patches."""
    for number in (45, 46):
        s1 = f"S1A_IW_GRDH_1SDV_20170613T165043_33UUP_0_{number}"
        s2 = f"S2A_MSIL2A_20170613T101031_0_{number}"
        _patches(folder / "BigEarthNet-S1-v1.0" / s1, folder / "BigEarthNet-v1.0" / s2, 100 * number, side)
        metadata = {"labels": ["Pastures"], "corresponding_s2_patch": s2}
        path = folder / "BigEarthNet-S1-v1.0" / s1 / f"{s1}_labels_metadata.json"
        path.write_text(json.dumps(metadata))
    return folder


def bigearthnet_v2(folder: Path, side: int = 12) -> Path:
    """Two pairs with reference maps, one to train and one to test; metadata.parquet tells them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: dict[str, list[str]] = {"patch_id": [], "s1_name": [], "split": []}
    for number, split in ((57, "train"), (58, "test")):
        s1_scene, s2_scene = (
            "S1A_IW_GRDH_1SDV_20170613T165043",
            "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP",
        )
        s1, s2 = f"{s1_scene}_33UUP_26_{number}", f"{s2_scene}_26_{number}"
        _patches(
            folder / "BigEarthNet-S1" / s1_scene / s1, folder / "BigEarthNet-S2" / s2_scene / s2, number, side
        )
        map_ = folder / "Reference_Maps" / s2_scene / s2 / f"{s2}_reference_map.tif"
        write(map_, stripes(side, (112, 211, 523, 999), "uint16"), pixel=10.0)
        for name, value in zip(rows, (s2, s1, split), strict=True):
            rows[name].append(value)
    pq.write_table(pa.table(rows), folder / "metadata.parquet")
    return folder


CHIPS_TOML = """\
name = "fields"
target = "sar"

[modalities.sar]
files = "sar/{id}.tif"
kind = "sar"
[modalities.msi]
files = "msi/{id}.png"
kind = "msi"

[labels]
files = "labels/{id}.png"

[[classes]]
id = 1
name = "Wheat"
color = "#ddcc77"
[[classes]]
id = 2
name = "Maize"
color = "#117733"
values = [2, 3]

[splits.train]
ids = ["a*"]
[splits.test]
file = "test.txt"
"""


def fields(folder: Path, train: int = 8, test: int = 2, side: int = 24) -> Path:
    """Two crops, of which radar and colours tell: chips a0, a1, ... train and b0, b1, ... test."""
    rng = np.random.default_rng(0)
    names = [f"a{number}" for number in range(train)] + [f"b{number}" for number in range(test)]
    for name in names:
        values = stripes(side, (1, 2) if rng.integers(2) else (3, 1))
        wheat = values == 1
        power = np.where(wheat, 1.0, 6.0) * rng.gamma(4.0, 0.25, (2, side, side))
        write(folder / f"sar/{name}.tif", power.astype(np.float32))
        color = np.where(wheat, 80, 160) + rng.normal(0, 4, (3, side, side))
        write(folder / f"msi/{name}.png", color.astype(np.uint8), "PNG")
        write(folder / f"labels/{name}.png", values, "PNG")
    (folder / "test.txt").write_text("\n".join(names[train:]) + "\n")
    (folder / "chips.toml").write_text(CHIPS_TOML)
    return folder


def indoor(folder: Path, labels: str, paired_lines: bool = False) -> Path:
    """Four photographs with depth in the folders of CMX: two train, two test."""
    rng = np.random.default_rng(0)
    for name in range(4):
        write(folder / f"RGB/{name}.jpg", rng.integers(0, 255, (3, 24, 32), np.uint8), "JPEG")
        write(folder / f"HHA/{name}.jpg", rng.integers(0, 255, (3, 24, 32), np.uint8), "JPEG")
        write(folder / f"Depth/{name}.png", rng.integers(0, 9000, (24, 32), np.uint16), "PNG")
        write(folder / f"{labels}/{name}.png", stripes(32, (0, 1, 37))[:24], "PNG")
    for split, names in (("train", (0, 1)), ("test", (2, 3))):
        lines = [f"RGB/{name}.jpg {labels}/{name}.png" if paired_lines else str(name) for name in names]
        (folder / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return folder
