"""What the benchmarks of mapping share: a simulated scene, X-ModalNet trained on its like, and a clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

import geo_xmodal as gx
from geo_xmodal import bundle
from geo_xmodal.mapping import Classifier, Runtime
from geo_xmodal.networks import folded
from geo_xmodal.raster.reader import AlignedReader
from geo_xmodal.types import FloatArray, windows_over

WINDOW = 512


@dataclass(frozen=True)
class Case:
    """A scene to map and a model to map it with."""

    reader: AlignedReader
    folder: Path
    model: bundle.Bundle

    @property
    def pixels(self) -> int:
        """Of the scene."""
        rows, cols = self.reader.grid.shape
        return rows * cols

    @property
    def multiplications(self) -> int:
        """Multiply-adds a pixel, what neighbouring tiles compute twice left out."""
        convolutions = [m for m in folded(self.model.model.network).modules() if isinstance(m, nn.Conv2d)]
        return sum(convolution.weight.numel() for convolution in convolutions)


def make_case(folder: Path, size: int) -> Case:
    """A simulated scene of `size` x `size` pixels, 4 bands float32, and X-ModalNet trained on a smaller one.

    What a folder holds already is taken as it is: 4096 x 4096 pixels take minutes to simulate.
    """
    place, run = folder / f"scene_{size}", folder / "run"
    if not place.exists():
        gx.simulate_scene(place, "berlin", rows=size, cols=size, seed=1)
    if not run.exists():
        gx.train_scene(gx.open_scene("berlin"), run, gx.TrainRequest(method="x_modalnet", epochs=20))
    model = bundle.load(run)
    scene = gx.open_scene(place)
    return Case(scene.reader(gx.target_modality(scene, model.card)), run, model)


def windows_in_memory(case: Case) -> list[FloatArray]:
    """Every window of the map with its margin."""
    margin = case.model.model.margin
    return [case.reader.read(window, margin) for window in windows_over(*case.reader.grid.shape, WINDOW)]


def bare_network(
    case: Case, runtime: Runtime, threads: int, windows: Sequence[FloatArray]
) -> Callable[[], None]:
    """The network over windows that lie in memory, one thread each; nothing is read or written."""
    made = threading.local()

    def classify(values: FloatArray) -> None:
        if not hasattr(made, "classifier"):
            made.classifier = Classifier(case.model, runtime, threads=1)
        made.classifier.classify(values)

    pool = ThreadPoolExecutor(threads)

    def run() -> None:
        for _ in pool.map(classify, windows):
            pass

    return run


def matrix_product_rate(threads: int, side: int = 2048) -> float:
    """Multiply-adds a second of float32 matrices: what the machine can do."""
    torch.set_num_threads(threads)
    a, b = torch.rand(2, side, side)
    best = best_of(9, [lambda: torch.mm(a, b)])[0]
    return side**3 / best


def best_of(rounds: int, steps: Sequence[Callable[[], object]]) -> list[float]:
    """Least seconds of each step; they take turns, so that the machine's speed and load cancel."""
    best = [float("inf")] * len(steps)
    for _ in range(rounds + 1):  # the first round warms up, and counts if it is the fastest all the same
        for index, step in enumerate(steps):
            began = time.perf_counter()
            step()
            best[index] = min(best[index], time.perf_counter() - began)
    return best
