"""Times a whole map against the bare network on the same pixels in memory, and that against the machine.

    python -m tests.benchmarks.bench_mapping [--size 1024] [--rounds 3] [--folder F] [--runtimes torch]

What a map takes above 1 is reading, compressing, writing and checking. What the network falls short of the
rate of a matrix product is activations, small layers, and the edges of tiles.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
import torch

from geo_xmodal.mapping import Runtime, map_scene
from tests.benchmarks.mapping_case import (
    WINDOW,
    Case,
    bare_network,
    best_of,
    make_case,
    matrix_product_rate,
    windows_in_memory,
)


def whole_map(case: Case, runtime: Runtime, out: Path) -> Callable[[], object]:
    """What a user runs."""
    return lambda: map_scene(
        case.folder,
        case.reader,
        out,
        window=WINDOW,
        engine=runtime.engine,
        precision=runtime.precision,
    )


def main(argv: Sequence[str] | None = None) -> None:
    installed = [name for name in ("torch", "openvino") if importlib.util.find_spec(name)]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=1024, help="rows and columns of the scene")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where scene and model stay for the next time")
    parser.add_argument(
        "--runtimes", type=lambda text: text.split(","), default=installed, help="such as openvino:bf16"
    )
    arguments = parser.parse_args(argv)
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as name:
        case = make_case(arguments.folder or Path(name), arguments.size)
        windows, out = windows_in_memory(case), Path(name) / "map.tif"
        shape = f"{arguments.size} x {arguments.size} pixels, {len(case.reader.bands)} bands"
        print(f"{shape}, {case.multiplications:,} multiply-adds a pixel")
        print(f"{threads} threads; best of {arguments.rounds + 1} rounds")
        print(
            "| engine | matrix product, 10^9/s | network, 10^9/s | share | Mpixel/s | map | map / network "
            "| labels as the first's |"
        )
        print("|---|---|---|---|---|---|---|---|")
        labels: list[npt.NDArray[np.generic]] = []
        for text in arguments.runtimes:
            runtime = Runtime.of(*text.split(":"))
            machine = matrix_product_rate(threads)
            steps = [
                bare_network(case, runtime, threads, windows),
                whole_map(case, runtime, out),
            ]
            network, whole = best_of(arguments.rounds, steps)
            with rasterio.open(out) as dataset:
                labels.append(dataset.read(1))
            same = float((labels[-1] == labels[0]).mean())
            machine = max(machine, matrix_product_rate(threads))
            rate = case.pixels * case.multiplications / network
            speed, mapped = case.pixels / network / 1e6, case.pixels / whole / 1e6
            print(
                f"| {text} | {machine / 1e9:.0f} | {rate / 1e9:.0f} | {rate / machine:.0%} "
                f"| {speed:.2f} | {mapped:.2f} | {whole / network:.2f} | {same:.3%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
