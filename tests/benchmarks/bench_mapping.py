"""Times a whole map against the bare network on the same pixels in memory, as a ratio in one run.

    python -m tests.benchmarks.bench_mapping [--size 2048] [--rounds 3] [--engines torch,openvino]

What is above 1 is reading, cutting into tiles, compressing, writing and checking. The two take turns, and
the best of several rounds counts, so that the machine's speed and load cancel.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import rasterio
import torch

from geo_xmodal import bundle
from geo_xmodal.mapping import Classifier, Engine, map_scene
from geo_xmodal.networks import NetworkSpec, PixelModel
from geo_xmodal.scenes.reader import AlignedReader, aligned_reader
from geo_xmodal.types import BandStatistics, FloatArray, Window, windows_over
from tests import tiny

BANDS, CLASSES, WINDOW = 4, 8, 512
NETWORK = NetworkSpec("pixel_cnn", {"contrasts": (7, 15)})


def radar(size: int) -> FloatArray:
    """(band, row, col) speckle."""
    return np.random.default_rng(0).gamma(4, 0.25, (BANDS, size, size)).astype(np.float32)


def write_model(folder: Path) -> bundle.Bundle:
    """A network of the usual size with random weights."""
    statistics = BandStatistics(
        bands=tuple(f"band {band}" for band in range(1, BANDS + 1)),
        transform=("log",) * BANDS,
        scale=(1e-3,) * BANDS,
        low=(0.0,) * BANDS,
        high=(10.0,) * BANDS,
        mean=(0.0,) * BANDS,
        std=(1.0,) * BANDS,
    )
    torch.manual_seed(0)
    model = PixelModel(NETWORK, statistics, CLASSES).eval()
    card = bundle.Card(
        method="cnn",
        network=bundle.NetworkEntry(name=NETWORK.name, options=dict(NETWORK.options)),
        margin=model.margin,
        target=bundle.describe_target("sar", "sar", "random", statistics),
        classes=tuple(
            bundle.ClassEntry(id=one, name=f"class {one}", color=f"#{one:06x}")
            for one in range(1, CLASSES + 1)
        ),
        scene="benchmark",
        simulated=True,
    )
    bundle.save(folder, model, card)
    return bundle.load(folder)


def bare_network(model: bundle.Bundle, reader: AlignedReader, engine: Engine) -> Callable[[], None]:
    """The network on the windows of the scene, which lie in memory already."""
    classifier = Classifier(model, engine, threads=torch.get_num_threads())
    rows, cols = reader.grid.shape
    windows = list(windows_over(rows, cols, WINDOW))
    whole = reader.read(Window(0, 0, rows, cols), classifier.margin)
    border = 2 * classifier.margin
    parts = [whole[:, w.row : w.row + w.height + border, w.col : w.col + w.width + border] for w in windows]

    def run() -> None:
        for part in parts:
            classifier.classify(part)

    return run


def best_of(rounds: int, steps: Sequence[Callable[[], None]]) -> list[float]:
    """Least seconds of each step; they take turns."""
    best = [float("inf")] * len(steps)
    for _ in range(rounds + 1):  # the first round warms up, and counts if it is the fastest all the same
        for index, step in enumerate(steps):
            began = time.perf_counter()
            step()
            best[index] = min(best[index], time.perf_counter() - began)
    return best


def main(argv: Sequence[str] | None = None) -> None:
    installed = [name for name in ("torch", "openvino") if importlib.util.find_spec(name)]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=1536, help="rows and columns of the scene")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", type=lambda text: text.split(","), default=installed)
    arguments = parser.parse_args(argv)
    pixels = arguments.size**2
    print(f"{arguments.size} x {arguments.size} pixels, {BANDS} bands, best of {arguments.rounds + 1} rounds")
    print("| engine | network, Mpixel/s | map, Mpixel/s | map / network, time |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = write_model(folder / "model")
        tiny.write_raster(folder / "sar.tif", radar(arguments.size), tiled=True, compress="deflate")
        reader = aligned_reader(folder / "sar.tif", kind="sar")
        for engine in arguments.engines:

            def mapped(engine: Engine = engine) -> None:
                map_scene(folder / "model", reader, folder / "map.tif", window=WINDOW, engine=engine)

            network, whole = best_of(arguments.rounds, [bare_network(model, reader, engine), mapped])
            with rasterio.open(folder / "map.tif") as dataset:
                assert dataset.shape == (arguments.size, arguments.size)
            print(
                f"| {engine} | {pixels / network / 1e6:.2f} | {pixels / whole / 1e6:.2f} "
                f"| {whole / network:.2f} |"
            )


if __name__ == "__main__":
    main()
