"""Training on values on disk: memory that does not grow with samples, and the rate beside values in memory.

    python -m tests.benchmarks.bench_samples memory [--samples 50000,2000000] [--folder F]
    python -m tests.benchmarks.bench_samples rate [--samples 3000] [--folder F]

A made-up raster of 2048 x 2048 pixels, 244 bands of an auxiliary sensor and 4 of a target, computed when
read; patches are 21 x 21 pixels of both. Each case is a process of its own. Memory is what a process has for
itself (RssAnon): files that are mapped are the system's, which drops them at need.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from geo_xmodal.methods import METHODS
from geo_xmodal.methods.base import LoopOptions
from geo_xmodal.networks.patch_branch import PatchBranch, PatchBranchOptions, PatchEncoder
from geo_xmodal.networks.registry import NETWORKS
from geo_xmodal.patches import HeldPatches, Patches
from geo_xmodal.raster.window_reader import Band
from geo_xmodal.samples import Storage, centre_statistics, read_patches
from geo_xmodal.training.loop import fit
from geo_xmodal.training.request import Variant
from geo_xmodal.types import (
    FloatArray,
    IntArray,
    LandClass,
    ModalitySummary,
    PixelGroup,
    TrainingData,
    Window,
)

SIDE, MARGIN, CLASSES, LABELLED = 2048, 10, 8, 1000
CASES = {
    "hgr, patches of both": ("hgr", {"encoder": "small", "patch": "21"}),
    "hgr, pixel_cnn": ("hgr", {}),
    "cnn of 244 bands": (
        "cnn",
        {"mode": "self_training", "contrasts": "", "kernels": "5,3,15", "widths": "32,64,64"},
    ),
}
STEPS = {"pass_over": "labels", "label_batch": "128", "batch_size": "512", "epochs": "2"}


class SmallEncoder(PatchEncoder):
    """A patch encoder that costs next to nothing, so that what is measured is the reading."""

    def __init__(self, bands: int, embedding: int, attention: str = "none") -> None:
        nn.Module.__init__(self)
        self.backbone = nn.Sequential(
            nn.Conv2d(bands, 16, 3, stride=3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip
        self.last = nn.Linear(16, embedding)


class Small(PatchBranch):
    """The target branch to it."""

    choice = "small"
    patch_encoder = SmallEncoder


class Made:
    """A raster of classes in blocks, mixed spectra and noise, computed when it is read."""

    def __init__(self, name: str, bands: int) -> None:
        rng = np.random.default_rng(bands)
        self.name = f"{name}.tif"
        self.bands = tuple(Band(f"b{k}") for k in range(bands))
        self.spectra = rng.normal(size=(CLASSES, bands)).astype(np.float32)
        self.noise = rng.normal(size=(64, 64, bands)).astype(np.float32)

    def identity(self) -> dict[str, str]:
        """Of the made-up file."""
        return {"name": self.name}

    def read(self, window: Window, margin: int = 0) -> FloatArray:
        """(band, row, col), NaN beyond the edge."""
        window = window.padded(margin)
        rows = np.arange(window.row, window.row + window.height)
        cols = np.arange(window.col, window.col + window.width)
        values = self.spectra[classes(rows[:, None], cols)] + self.noise[rows % 64][:, cols % 64]
        values[(rows < 0) | (rows >= SIDE)] = np.nan
        values[:, (cols < 0) | (cols >= SIDE)] = np.nan
        return cast(FloatArray, values.transpose(2, 0, 1))


def classes(rows: IntArray, cols: IntArray) -> IntArray:
    """Class of each pixel."""
    return cast(IntArray, (rows // 16 * 7 + cols // 16 * 3) % CLASSES)


def drawn(count: int) -> IntArray:
    """(n, 2) pixels at random, in the order of rows."""
    flat = np.sort(np.random.default_rng(0).choice(SIDE * SIDE, count, replace=False))
    return np.stack([flat // SIDE, flat % SIDE], axis=1)


def made_data(samples: int, auxiliary: Made | None, target: Made, storage: Storage | None) -> TrainingData:
    """Labelled and unlabelled pairs of a raster (or the target alone), as `gather` has."""
    positions = np.random.default_rng(1).permutation(drawn(samples + LABELLED))
    parts = {"labelled": positions[:LABELLED].copy(), "unlabelled": drawn_order(positions[LABELLED:])}
    del positions  # only the groups keep them

    def patches(reader: Made) -> dict[str, Patches]:
        if storage is not None:
            stored = storage.patches(reader, MARGIN, [*parts.values()])  # type: ignore[arg-type]
            return dict(zip(parts, stored, strict=True))
        together = np.concatenate([*parts.values()])
        held = read_patches(reader, together, MARGIN)  # type: ignore[arg-type]
        return {"labelled": HeldPatches(held[:LABELLED]), "unlabelled": HeldPatches(held[LABELLED:])}

    def summary(reader: Made, name: str, kind: Any, found: dict[str, Patches]) -> ModalitySummary:
        names = [band.name for band in reader.bands]
        return ModalitySummary(
            name, kind, "made up", centre_statistics([*found.values()], names, kind, storage)
        )

    targets = patches(target)
    auxiliaries = None if auxiliary is None else patches(auxiliary)
    label = classes(*parts["labelled"].T)
    groups = {
        name: PixelGroup(
            parts[name],
            targets[name],
            auxiliaries[name] if auxiliaries else None,
            label if name == "labelled" else None,
        )
        for name in parts
    }
    none = np.empty(0, np.int64)
    pairs = "pairs" if auxiliary else "target"
    alone = {name: group.without_auxiliary().take(none) for name, group in groups.items()}
    whole = {f"{name}_{kind}": alone[name] for name in groups for kind in ("pairs", "target")}
    whole |= {f"{name}_{pairs}": group for name, group in groups.items()}
    return TrainingData(
        classes=tuple(LandClass(k + 1, f"class {k}", f"#0000{k:02x}") for k in range(CLASSES)),
        target=summary(target, "target", "other", targets),
        auxiliary=None
        if auxiliary is None or auxiliaries is None
        else summary(auxiliary, "auxiliary", "hsi", auxiliaries),
        validation=groups["labelled"].without_auxiliary(),
        margin=MARGIN,
        auxiliary_margin=MARGIN,
        **whole,
    )


def drawn_order(positions: IntArray) -> IntArray:
    """In the order of rows, as pools are."""
    return positions[np.lexsort((positions[:, 1], positions[:, 0]))]


@contextmanager
def watched() -> Iterator[list[int]]:
    """Peak memory of its own that this process has in the block, in bytes, looked at all the time."""
    peak, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            text = Path("/proc/self/status").read_text(encoding="ascii")
            peak[0] = max(peak[0], int(text.split("RssAnon:")[1].split()[0]) << 10)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def trained(case: str, samples: int, stored: bool, steps: int, folder: Path) -> dict[str, float]:
    """Peak memory of a process that trains, and samples a second of its last stage."""
    torch.set_num_threads(1)
    NETWORKS.own = {**NETWORKS.own, "small": (Small, PatchBranchOptions)}
    method_name, settings = CASES[case]
    method = METHODS[method_name]
    options = method.Options.model_validate({**STEPS, **settings, "least_steps": str(steps)})
    storage = Storage(folder / "run") if stored else None
    auxiliary = Made("auxiliary", 244)
    rows: list[dict[str, Any]] = []
    times: list[float] = []

    def log(row: dict[str, Any]) -> None:
        rows.append(row)
        times.append(time.process_time())

    with watched() as peak:
        began = time.perf_counter()
        if method.uses_auxiliary:
            data = made_data(samples, auxiliary, Made("target", 4), storage)
        else:
            data = made_data(samples, None, auxiliary, storage)
        made = time.perf_counter() - began
        variant = Variant(method_name, method, options)
        learner = method.learner(variant.seen(data), options, 0)
        del data
        ready = time.perf_counter() - began - made
        (folder / "run").mkdir(exist_ok=True)
        fit(learner, cast(LoopOptions, options), 0, folder=folder / "run", log=log)
    disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    batch = options.batch_size + options.label_batch
    samples = max(steps, -(-LABELLED // options.label_batch)) * batch
    rate, on_processor = samples / rows[-1]["seconds"], samples / (times[-1] - times[-2])
    return {
        "peak": peak[0],
        "rate": rate,
        "on_processor": on_processor,
        "made": made,
        "ready": ready,
        "disk": disk,
    }


def in_child(case: str, samples: int, stored: bool, steps: int, folder: Path) -> dict[str, float]:
    """`trained` in a process of its own."""
    code = (
        "import json, sys; from pathlib import Path; from tests.benchmarks.bench_samples import trained; "
        "case, samples, stored, steps, folder = json.loads(sys.argv[1]); "
        "print(json.dumps(trained(case, samples, stored, steps, Path(folder))))"
    )
    with tempfile.TemporaryDirectory(dir=folder) as place:
        asked = json.dumps([case, samples, stored, steps, place])
        done = subprocess.run(
            [sys.executable, "-c", code, asked], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise SystemExit(done.stderr)
    return cast(dict[str, float], json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("memory", "rate"))
    parser.add_argument("--samples", default="")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--cases", default="")
    parser.add_argument("--folder", type=Path, default=None)
    asked = parser.parse_args()
    cases = [case for case in CASES if asked.cases in case]
    if asked.what == "memory":
        print(
            "| samples | peak memory, MiB | of the first | on disk, GiB | made, s | prepared, s | samples/s |"
        )
        print("|---|---|---|---|---|---|---|")
        first = 0.0
        for samples in map(int, (asked.samples or "50000,2000000").split(",")):
            found = in_child(cases[0], samples, True, asked.steps, asked.folder)
            first = first or found["peak"]
            print(
                f"| {samples:,} | {found['peak'] / 2**20:,.0f} | {found['peak'] / first:.3f} "
                f"| {found['disk'] / 2**30:.1f} | {found['made']:.0f} | {found['ready']:.0f} "
                f"| {found['rate']:,.0f} |",
                flush=True,
            )
        return
    print("| case | samples/s in memory | from the store | ratio | per second of the processor | ratio |")
    print("|---|---|---|---|---|---|")
    for case in cases:
        held, stored = (
            in_child(case, int(asked.samples or 3000), kept, asked.steps, asked.folder)
            for kept in (False, True)
        )
        a, b = (f"{held[what]:,.0f} | {stored[what]:,.0f}" for what in ("rate", "on_processor"))
        print(
            f"| {case} | {a} | {stored['rate'] / held['rate']:.2f} "
            f"| {b.replace(' | ', ', ')} "
            f"| {stored['on_processor'] / held['on_processor']:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
