"""How long a map of 10,000 x 10,000 pixels takes to become polygons, and how much memory.

    python -m tests.benchmarks.bench_export [SIDE]

The map is the sample scene berlin as the shipped model maps it from radar, mirrored side by side: as many
areas a hectare as a real map of single pixels has. Each export runs in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio

import geo_xmodal as gx
from tests.memory import peak_kib

EXPORTS: dict[str, dict[str, float]] = {
    "unit of 1 ha": {"mmu": 1.0},
    "unit of 1 ha, simplified by 20 m": {"mmu": 1.0, "simplify": 20.0},
    "every area": {},
}


def write_map(folder: Path, side: int) -> Path:
    small, large = folder / "small.tif", folder / "map.tif"
    scene = gx.open_scene("berlin")
    gx.map_scene(gx.find_model("berlin-sar-hgr"), scene.reader("sar"), small, probability=True)
    for name in (small, small.with_name("small_probability.tif")):
        with rasterio.open(name) as dataset:
            ids, tags, profile = dataset.read(1), dataset.tags(), dataset.profile
        mirrored = np.block([[ids, ids[:, ::-1]], [ids[::-1], ids[::-1, ::-1]]])
        rows, cols = (-(-side // length) for length in mirrored.shape)
        whole = np.tile(mirrored, (rows, cols))[:side, :side]
        with rasterio.open(
            folder / name.name.replace("small", "map"), "w", **profile | {"height": side, "width": side}
        ) as dataset:
            dataset.write(whole, 1)
            dataset.update_tags(**tags)
    return large


def measure(path: Path, options: dict[str, float]) -> dict[str, float]:
    out = path.with_suffix(".gpkg")
    started = time.perf_counter()
    made = gx.export_polygons(path, out, **options)  # type: ignore[arg-type]
    return {
        "seconds": time.perf_counter() - started,
        "peak_mib": peak_kib() / 1024,
        "polygons": made.polygons,
        "file_mb": out.stat().st_size / 1e6,
    }


def main(side: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_map(Path(folder), side)
        print(f"map of {side:,} x {side:,} pixels")
        for name, options in EXPORTS.items():
            command = [sys.executable, "-m", __name__ if __spec__ is None else __spec__.name, "one"]
            done = subprocess.run(
                [*command, str(path), json.dumps(options)], stdout=subprocess.PIPE, check=True
            )
            told = json.loads(done.stdout)
            print(
                f"{name}: {told['seconds']:.0f} s, {told['peak_mib']:.0f} MiB at most, "
                f"{told['polygons']:,} polygons, {told['file_mb']:.0f} MB",
                flush=True,
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        print(json.dumps(measure(Path(sys.argv[2]), json.loads(sys.argv[3]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
