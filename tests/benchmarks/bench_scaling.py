"""Memory of a map of any size, and what a second worker process brings.

    python -m tests.benchmarks.bench_scaling memory [--sizes 4096,16384] [--folder F]
    python -m tests.benchmarks.bench_scaling workers [--size 4096] [--folder F]

The simulated scene of the first size, set side by side, makes the larger ones.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import rasterio
from rasterio.windows import Window

from geo_xmodal.mapping import map_scene
from geo_xmodal.mapping.cluster import local_cluster
from tests.benchmarks.mapping_case import WINDOW, Case, make_case

MAP = """
import json, sys
from pathlib import Path
from geo_xmodal.mapping import map_scene
from geo_xmodal.raster.reader import aligned_reader
from tests.memory import peak_kib

model, source, out, kind = sys.argv[1:]
result = map_scene(Path(model), aligned_reader(source, kind=kind), Path(out))
print(json.dumps([result.seconds, peak_kib() * 1024]))
"""


def repeated(source: Path, size: int, out: Path) -> Path:
    """The raster side by side and one above the other until it is `size` x `size`."""
    with rasterio.open(source) as dataset:
        values = dataset.read()
        profile = dataset.profile | {"height": size, "width": size, "BIGTIFF": "IF_SAFER"}
    side = values.shape[1]
    with rasterio.open(out, "w", **profile) as dataset:
        for row in range(0, size, side):
            for col in range(0, size, side):
                dataset.write(values, window=Window(col, row, side, side))
    return out


def memory(case: Case, sizes: Sequence[int], folder: Path) -> None:
    """Peak resident memory of a process that maps, for each size."""
    print("| rows x columns | Mpixel/s | peak memory, GB |")
    print("|---|---|---|")
    for size in sizes:
        source = case.reader.path
        if size != sizes[0]:
            source = repeated(source, size, folder / f"{size}.tif")
        words = [sys.executable, "-c", MAP, case.folder, source, folder / "map.tif", case.reader.kind]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        seconds, peak = json.loads(done.stdout.splitlines()[-1])
        print(f"| {size} x {size} | {size**2 / seconds / 1e6:.2f} | {peak / 1e9:.2f} |", flush=True)


def workers(case: Case, folder: Path) -> None:
    """One and two single-thread worker processes on this machine, which run already."""
    seconds = []
    for number in (1, 2):
        with local_cluster(number) as address:
            map_scene(case.folder, case.reader, folder / "map.tif", window=WINDOW * 4, scheduler=address)
            began = time.perf_counter()
            map_scene(case.folder, case.reader, folder / "map.tif", window=WINDOW, scheduler=address)
            seconds.append(time.perf_counter() - began)
    print(f"one process {seconds[0]:.1f} s, two {seconds[1]:.1f} s: {seconds[0] / seconds[1]:.2f} times")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["memory", "workers"])
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument(
        "--sizes", type=lambda text: [int(one) for one in text.split(",")], default=[4096, 16384]
    )
    parser.add_argument("--folder", type=Path, help="where scene and model stay for the next time")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = arguments.sizes[0] if arguments.what == "memory" else arguments.size
        case = make_case(arguments.folder or folder, size)
        if arguments.what == "memory":
            memory(case, arguments.sizes, folder)
        else:
            workers(case, folder)


if __name__ == "__main__":
    main()
