"""`align`: what a scene costs that refers to its files, and copies at the side of gdalwarp.

    python -m tests.benchmarks.bench_align refer [--folder F]
    python -m tests.benchmarks.bench_align copy [--rounds 3] [--folder F]
    python -m tests.benchmarks.bench_align read [--folder F]

The scene is a radar image of 2048 x 2048 pixels and an HSI of 947 x 360 pixels and 244 bands, as int16.
`refer` gives seconds of the whole command and bytes on disk. `copy` runs `align --copy` and
`gdalwarp -multi -wo NUM_THREADS=2` in turn: same grid, resampling, compression, tiles and threads. `read`
gives the seconds of reading training pixels from both kinds of scene.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from scipy.ndimage import gaussian_filter

import geo_xmodal as gx
from geo_xmodal.samples import GatherOptions, gather
from tests.rasters import utm_grid, write_raster

RADAR, BANDS = (2048, 2048), 244
FINE, COARSE = utm_grid(*RADAR), utm_grid(947, 360, 20.0, east=405_000.0)
TILES = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate"}
FEW = GatherOptions(labels_per_class=200, unlabelled=5000, unlabelled_target=2000)


def make_files(folder: Path) -> dict[str, Path]:
    """The radar image, the HSI (smooth in space, with noise) and labels, unless they are there."""
    paths = {name: folder / f"{name}.tif" for name in ("radar", "hyper", "labels")}
    if all(path.is_file() for path in paths.values()):
        return paths
    draw = np.random.default_rng(0)
    write_raster(
        paths["radar"], draw.gamma(2, 0.05, (2, *RADAR)).astype(np.float32), FINE, predictor=3, **TILES
    )
    parts = [gaussian_filter(draw.normal(size=COARSE.shape), size) for size in (2, 4, 8, 16)]
    shapes = np.stack([part / part.std() for part in parts])
    cube = np.empty((BANDS, *COARSE.shape), np.int16)
    for band in cube:
        land = 1500 + 300 * np.tensordot(draw.normal(size=4), shapes, 1)
        band[:] = land + draw.normal(size=COARSE.shape) * 8
    write_raster(paths["hyper"], cube, COARSE, nodata=-32768, predictor=2, interleave="band", **TILES)
    ids = np.zeros((1, *RADAR), np.uint8)
    for number, (row, col) in enumerate(draw.integers(0, 2030, (1200, 2))):
        ids[0, row : row + 8, col : col + 8] = 1 + number % 5
    write_raster(paths["labels"], ids, FINE, nodata=0, **TILES)
    return paths


def aligned(paths: dict[str, Path], out: Path, *more: str) -> float:
    """Seconds of the command."""
    shutil.rmtree(out, ignore_errors=True)
    words = [
        sys.executable, "-m", "geo_xmodal.cli", "align", str(out), "--reference", str(paths["radar"]),
        "--target-kind", "sar", "--hsi", str(paths["hyper"]), "--labels", str(paths["labels"]), *more,
    ]  # fmt: skip
    return _seconds(words)


def warped(paths: dict[str, Path], like: Path, out: Path) -> float:
    """Seconds of gdalwarp to the grid of `like`, with its compression."""
    with rasterio.open(like) as copy:
        left, bottom, right, top = copy.bounds
        size = [str(copy.width), str(copy.height)]
    out.unlink(missing_ok=True)
    creation = [
        "COMPRESS=DEFLATE", "ZLEVEL=1", "PREDICTOR=3", "TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256",
        "INTERLEAVE=BAND", "BIGTIFF=IF_SAFER", "NUM_THREADS=2",
    ]  # fmt: skip
    words = [
        "gdalwarp", "-q", "-multi", "-wo", "NUM_THREADS=2", "-wm", "500", "-r", "bilinear", "-ot", "Float32",
        "-dstnodata", "nan", "-t_srs", "EPSG:32633", "-te", *map(repr, (left, bottom, right, top)),
        "-ts", *size, *(word for one in creation for word in ("-co", one)), str(paths["hyper"]), str(out),
    ]  # fmt: skip
    return _seconds(words)


def _seconds(words: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def refer(paths: dict[str, Path], folder: Path) -> dict[str, float]:
    seconds = aligned(paths, folder / "refers")
    size = sum(path.stat().st_size for path in (folder / "refers").iterdir())
    return {"seconds": seconds, "megabytes": size / 1e6}


def copy(paths: dict[str, Path], folder: Path, rounds: int) -> dict[str, object]:
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(aligned(paths, folder / "copies", "--copy"))
        theirs.append(warped(paths, folder / "copies" / "hsi.tif", folder / "gdalwarp.tif"))
    with rasterio.open(folder / "copies" / "hsi.tif") as a, rasterio.open(folder / "gdalwarp.tif") as b:
        one, other = a.read(1), b.read(1)
    return {
        "align --copy": ours,
        "gdalwarp": theirs,
        "ratio": statistics.median(a / b for a, b in zip(ours, theirs, strict=True)),
        "largest difference": float(np.nanmax(np.abs(one - other))),
        "megabytes": [(folder / name).stat().st_size / 1e6 for name in ("copies/hsi.tif", "gdalwarp.tif")],
    }


def read(paths: dict[str, Path], folder: Path) -> dict[str, float]:
    found = {}
    for name, more in (("refers", ()), ("copies", ("--copy",))):
        if not (folder / name / "scene.toml").is_file():
            aligned(paths, folder / name, *more)
        start = time.process_time()
        gather(gx.open_scene(folder / name), FEW)
        found[f"{name}: processor seconds"] = time.process_time() - start
    refers, copies = found.values()
    return found | {"ratio": refers / copies}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("refer", "copy", "read"))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        paths = make_files(folder)
        if given.what == "copy":
            print(json.dumps(copy(paths, folder, given.rounds), indent=1))
        else:
            print(json.dumps({"refer": refer, "read": read}[given.what](paths, folder), indent=1))


if __name__ == "__main__":
    main()
