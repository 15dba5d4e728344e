"""What objectives cost: time and memory by batch and dimension, as ratios in one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from geo_xmodal.correlation.timing import BASELINE, TimedSize, keep_freed_memory, time_objectives
from geo_xmodal.correlation.two_view import named_objectives
from geo_xmodal.errors import UsageError
from geo_xmodal.memory import check_memory
from geo_xmodal.named_options import option
from geo_xmodal.training.engine import compute_for
from geo_xmodal.types import Progress

SAMPLES = (64, 256, 1024, 4096)
FEATURES = (64, 256, 1024)
"""Default sizes."""

MAX_SIZE = 65_536
"""Rows or columns."""

TIMING_READING = (
    "Value and gradient together, float32, random features; the best of rounds in which all take turns. "
    "Ratios are to torch's cosine similarity in the same run; memory is the most that a step holds beyond "
    "its arguments. With one thread time is processor time, else elapsed time, which other work on the "
    "machine changes."
)


@dataclass(frozen=True)
class TimingStudy:
    """Time and memory of objectives, size by size.

    Attributes:
        sizes: from few to many columns, and of each from few to many rows.
        data: device, threads, versions; plain values.
        file_name: of its files in a folder, without their endings.
        baseline: what ratios are to, among the names.
    """

    file_name: ClassVar[str] = "timing"
    baseline: ClassVar[str] = BASELINE

    sizes: tuple[TimedSize, ...]
    data: Mapping[str, Any]

    @property
    def reading(self) -> str:
        """How the numbers are to be read."""
        return TIMING_READING

    @property
    def names(self) -> tuple[str, ...]:
        """Of the baseline and the objectives."""
        return tuple(self.sizes[0].costs)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "baseline": BASELINE,
            "sizes": [
                {
                    "samples": size.samples,
                    "features": size.features,
                    "costs": {
                        name: {
                            "seconds": cost.seconds,
                            "peak_bytes": cost.peak,
                            "time_ratio": size.time_ratio(name),
                            "memory_ratio": size.memory_ratio(name),
                        }
                        for name, cost in size.costs.items()
                    },
                }
                for size in self.sizes
            ],
            "reading": self.reading,
            "data": dict(self.data),
        }


def time_correlation(
    objectives: Sequence[str] = (),
    *,
    samples: Sequence[int] = SAMPLES,
    features: Sequence[int] = FEATURES,
    device: str = "auto",
    budget: float = 0.5,
    alone: bool = False,
    progress: Progress | None = None,
) -> TimingStudy:
    """Measure what value and gradient of objectives take, against torch's cosine similarity.

    Source: the supplement of ICLR 2026 submission 20073 times its methods on random tensors by batch size.

    Args:
        objectives: names from `geo_xmodal.correlation.OBJECTIVES`; empty for all.
        samples: numbers of rows m.
        features: numbers of columns K.
        device: auto, cpu or cuda.
        budget: seconds after which an objective takes no further turn at a size.
        alone: whether this process does nothing else: memory that it frees is then kept for it, for good, so
            that page faults of large temporaries are not timed.
        progress: told of each size.

    Raises:
        UsageError: An unknown objective, a size out of bounds, or no such device.
        MemoryShortageError: There is too little memory for the largest size.
    """
    names = named_objectives(tuple(objectives), labelled=True)
    for name, sizes in (("batches", samples), ("dimensions", features)):
        if not sizes or not all(2 <= size <= MAX_SIZE for size in sizes):
            found = ", ".join(map(str, sizes)) or "none"
            raise UsageError(f"{option(name)}: expected numbers from 2 to {MAX_SIZE}, found {found}")
    compute = compute_for(device, "float32")
    if compute.device == "mps":
        raise UsageError(f"{option('device', 'mps')}: its memory cannot be measured; choose cpu or cuda")
    most, width = max(samples), max(features)
    if compute.device == "cpu":
        # features and gradients of both sides, and a few square matrices of the larger forms
        values = 8 * most * width + 6 * max(most, width) ** 2
        check_memory(
            f"{most} x {width} features", 4 * values, f"lower {option('batches')} or {option('dimensions')}"
        )
    if alone:
        keep_freed_memory()
    where = torch.device(compute.device)
    total = len(set(samples)) * len(set(features))
    sizes_done: list[TimedSize] = []
    steps = time_objectives(names, sorted(set(samples)), sorted(set(features)), where, budget=budget)
    for _ in range(total):
        if progress is not None:
            progress(len(sizes_done), total, "timing objectives")
        sizes_done.append(next(steps))
    data = {
        "device": str(where),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    return TimingStudy(tuple(sizes_done), data)
