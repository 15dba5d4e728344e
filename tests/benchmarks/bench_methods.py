"""Times training of a method on as many pixels as the released Berlin training set has.

    OMP_NUM_THREADS=2 python -m tests.benchmarks.bench_methods [--method x_modalnet] [--epochs 200]

Random values: 2,820 labelled pixels, all pairs, of 4 SAR and 244 HSI bands in 8 classes, and 20,000
unlabelled ones of the target sensor. `epochs` are those of each stage; a method may settle before its last.
`seconds` is the wall clock, `cpu_seconds` what the process took of all cores.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import torch

from geo_xmodal.methods import METHODS
from geo_xmodal.patches import HeldPatches
from geo_xmodal.training.loop import fit
from geo_xmodal.types import (
    BandStatistics,
    LandClass,
    ModalitySummary,
    PixelGroup,
    TrainingData,
)

LABELLED, UNLABELLED, SAR_BANDS, HSI_BANDS, CLASSES = 2_820, 20_000, 4, 244, 8


def statistics(bands: int) -> BandStatistics:
    """Those of standard normal values."""
    return BandStatistics(
        bands=tuple(f"band {band}" for band in range(bands)),
        transform=("identity",) * bands,
        scale=(1.0,) * bands,
        low=(-3.0,) * bands,
        high=(3.0,) * bands,
        mean=(0.0,) * bands,
        std=(1.0,) * bands,
    )


def berlin_sized(margin: int) -> TrainingData:
    """Random pixels; the label shifts the bands a little, so that there is something to learn."""
    rng = np.random.default_rng(0)
    axes = rng.normal(size=(CLASSES, SAR_BANDS + HSI_BANDS)).astype(np.float32)

    def group(n: int, labelled: bool, auxiliary: bool) -> PixelGroup:
        label = rng.integers(CLASSES, size=n)
        side = 2 * margin + 1
        shift = 0.3 * axes[label][:, :, None, None]
        target = rng.normal(size=(n, SAR_BANDS, side, side)).astype(np.float32) + shift[:, :SAR_BANDS]
        spectra = rng.normal(size=(n, HSI_BANDS, 1, 1)).astype(np.float32) + shift[:, SAR_BANDS:]
        position = np.stack([np.arange(n), np.arange(n)], axis=1)
        return PixelGroup(
            position,
            HeldPatches(target),
            HeldPatches(spectra) if auxiliary else None,
            label if labelled else None,
        )

    return TrainingData(
        classes=tuple(LandClass(i + 1, f"class {i + 1}", f"#0000{i:02x}") for i in range(CLASSES)),
        target=ModalitySummary("sar", "sar", "random", statistics(SAR_BANDS)),
        auxiliary=ModalitySummary("hsi", "hsi", "random", statistics(HSI_BANDS)),
        labelled_pairs=group(LABELLED, labelled=True, auxiliary=True),
        labelled_target=group(0, labelled=True, auxiliary=False),
        unlabelled_pairs=group(0, labelled=False, auxiliary=True),
        unlabelled_target=group(UNLABELLED, labelled=False, auxiliary=False),
        validation=group(0, labelled=True, auxiliary=False),
        margin=margin,
    )


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--method", default="x_modalnet", choices=list(METHODS))
    parser.add_argument("--epochs", default="200")
    parser.add_argument("--set", action="append", default=[], metavar="key=value")
    asked = parser.parse_args()
    method = METHODS[asked.method]
    settings = dict(one.split("=", 1) for one in asked.set)
    options = method.Options.model_validate({"epochs": asked.epochs, **settings})
    data = berlin_sized(options.margin)
    wall, cpu = time.perf_counter(), time.process_time()
    learner = method.learner(data, options, 0)
    stages: list[str] = []
    fit(learner, options, 0, log=lambda row: stages.append(row["stage"]))
    print(
        json.dumps(
            {
                "method": asked.method,
                "settings": settings,
                "threads": torch.get_num_threads(),
                "epochs": {stage: stages.count(stage) for stage in dict.fromkeys(stages)},
                "seconds": round(time.perf_counter() - wall, 1),
                "cpu_seconds": round(time.process_time() - cpu, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
