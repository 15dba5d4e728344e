"""On how many threads a run trains: they divide sums, so that another number gives another model.

One number for all machines is no way out: on one thread training does not use what there is, and the ways of
PyTorch that give the same on any number take twice the time on one thread, and more on several.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from geo_xmodal.memory import usable_processors
from geo_xmodal.training.files import CONFIG, read_json


def recorded_threads(folder: Path) -> int | None:
    """What the run in a folder was begun with; None where there is none, or none that says so."""
    found = (read_json(folder / CONFIG) or {}).get("threads")
    return found if type(found) is int and found > 0 else None


def threads_for(folder: Path, resume: bool) -> int:
    """Threads to train on: as the run was begun, if it is resumed where there are as many processors."""
    recorded = recorded_threads(folder) if resume else None
    own = torch.get_num_threads()
    return own if recorded is None or recorded > max(own, usable_processors()) else recorded


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """Let PyTorch compute on so many threads in the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
