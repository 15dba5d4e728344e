"""Time and peak memory of steps that take turns in one process: the machine's speed and load cancel."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch

Step = Callable[[], None]
MIN_SECONDS = 2e-3


class Cost(NamedTuple):
    """What one step takes: seconds, and bytes held at most beyond its arguments."""

    seconds: float
    peak: int


def keep_freed_memory() -> None:
    """Let glibc keep what is freed: else page faults of large temporaries are most of what is timed."""
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
    peaks, spent, best, repeats = {}, {}, {}, {}
    for name, step in steps.items():
        start = clock(device)
        peaks[name] = peak_bytes(step, device)
        spent[name] = clock(device) - start
        best[name] = spent[name] if spent[name] > 1 else min(seconds(step, 1, device) for _ in range(2))
        repeats[name] = max(1, min(200, int(MIN_SECONDS / best[name])))
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
