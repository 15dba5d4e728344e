"""Time and peak memory of steps that take turns in one process: the machine's speed and load cancel.

The timing study of the supplement of ICLR 2026 submission 20073 (random tensors, each method's mean time by
batch size) is asked here as ratios: value and gradient of each objective against those of torch's cosine
similarity, the best of rounds in which all take their turn.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from geo_xmodal.correlation.registry import objective

Step = Callable[[], None]
Score = Callable[..., Tensor]

BASELINE = "torch_cosine"
"""What ratios are to: value and gradient of `torch.nn.functional.cosine_similarity(f, g).mean()`."""

_MIN_SECONDS = 2e-3
_CLASSES = 10
"""Of the labels that an objective is given that needs some."""


class Cost(NamedTuple):
    """What one step takes: seconds, and bytes held at most beyond its arguments."""

    seconds: float
    peak: int


@dataclass(frozen=True)
class TimedSize:
    """What value and gradient of objectives take at one size.

    Attributes:
        samples: rows m of both feature matrices.
        features: their columns K.
        costs: by objective, `BASELINE` first; those are missing that took too long at a smaller size.
    """

    samples: int
    features: int
    costs: Mapping[str, Cost]

    def time_ratio(self, name: str) -> float:
        """Time by that of the baseline."""
        return self.costs[name].seconds / self.costs[BASELINE].seconds

    def memory_ratio(self, name: str) -> float:
        """Peak memory by that of the baseline."""
        return self.costs[name].peak / max(self.costs[BASELINE].peak, 1)


def time_objectives(
    names: Sequence[str],
    samples: Sequence[int],
    features: Sequence[int],
    device: torch.device,
    *,
    rounds: int = 50,
    budget: float = 0.5,
    limit: float = 5.0,
) -> Iterator[TimedSize]:
    """Time objectives on standard normal features, size by size.

    Args:
        names: from `OBJECTIVES`.
        samples: numbers of rows m.
        features: numbers of columns K.
        device: where they are computed.
        rounds: how often each takes its turn at most.
        budget: seconds after which one takes no further turn at a size.
        limit: seconds of a step above which an objective is not tried at larger sizes.

    Raises:
        UsageError: An unknown objective.
    """
    slow: list[tuple[str, int, int]] = []
    for k in sorted(features):
        for m in sorted(samples):
            left_out = {name for name, rows, columns in slow if m >= rows and k >= columns}
            asked = [name for name in names if name not in left_out]
            costs = measure(objective_steps(asked, m, k, device), rounds, device, budget)
            slow += [(name, m, k) for name, cost in costs.items() if cost.seconds > limit]
            yield TimedSize(m, k, costs)


def objective_steps(names: Sequence[str], m: int, k: int, device: torch.device) -> dict[str, Step]:
    """Value and gradient of the baseline and of objectives by name, on the same (m, K) features."""
    f, g = random_features(m, k, device)
    labels = torch.arange(m, device=device) % _CLASSES
    steps = {BASELINE: gradient_step(torch_cosine, f, g)}
    for name in names:
        score = objective(name)
        steps[name] = gradient_step(score, f, g, **({"labels": labels} if score.needs_labels else {}))
    return steps


def torch_cosine(f: Tensor, g: Tensor) -> Tensor:
    """What nothing should be slower than."""
    return F.cosine_similarity(f, g).mean()


def random_features(m: int, k: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Two standard normal (m, K) matrices that ask for their gradient."""
    generator = torch.Generator().manual_seed(0)
    f, g = torch.randn(2, m, k, generator=generator).to(device)
    return f.requires_grad_(), g.requires_grad_()


def gradient_step(score: Score, f: Tensor, g: Tensor, **options: Tensor) -> Step:
    """Value and gradient once."""

    def step() -> None:
        f.grad = g.grad = None
        score(f, g, **options).backward()  # type: ignore[no-untyped-call]

    return step


def keep_freed_memory() -> None:
    """Let glibc keep what is freed: else page faults of large temporaries are most of what is timed.

    For the whole process, for good: for programs that do nothing else.
    """
    trim_threshold, mmap_max = -1, -4
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(mmap_max, 0)
        set_option(trim_threshold, 2**31 - 1)


def measure(steps: Mapping[str, Step], rounds: int, device: torch.device, budget: float) -> dict[str, Cost]:
    """Best time of each step over rounds in which each takes its turn, and peak memory of its first call.

    Args:
        steps: what to time, by name.
        rounds: how often at most.
        device: where the steps run.
        budget: seconds after which a step takes no further turn.
    """
    peaks: dict[str, int] = {}
    spent: dict[str, float] = {}
    best: dict[str, float] = {}
    repeats: dict[str, int] = {}
    peak_bytes(lambda: None, device)  # the first one takes a second, whatever the step
    for name, step in steps.items():
        start = clock(device)
        peaks[name] = peak_bytes(step, device)
        spent[name] = clock(device) - start
        best[name] = spent[name] if spent[name] > 1 else min(seconds(step, 1, device) for _ in range(2))
        repeats[name] = max(1, min(200, int(_MIN_SECONDS / best[name])))
    for _ in range(rounds):
        for name, step in steps.items():
            if spent[name] < budget:
                once = seconds(step, repeats[name], device)
                best[name] = min(best[name], once)
                spent[name] += once * repeats[name]
    return {name: Cost(best[name], peaks[name]) for name in steps}


def seconds(step: Step, repeats: int, device: torch.device) -> float:
    """Seconds a call."""
    start = clock(device)
    for _ in range(repeats):
        step()
    return (clock(device) - start) / repeats


def clock(device: torch.device) -> float:
    """Now, in seconds: with one thread the time of its processor, which other work hardly changes."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    one_thread = device.type == "cpu" and torch.get_num_threads() == 1
    return time.process_time() if one_thread else time.perf_counter()


def peak_bytes(step: Step, device: torch.device) -> int:
    """Most memory that a step holds at once, as the allocator sees it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True, acc_events=True
    ) as record:
        step()
    held = peak = 0
    events = [e for e in record.profiler.kineto_results.events() if e.name() == "[memory]"]
    for event in sorted(events, key=lambda e: e.start_ns()):
        held = max(0, held + event.nbytes())  # what an earlier step left may be freed first
        peak = max(peak, held)
    return peak
