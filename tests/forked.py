"""Functions in processes of their own, forked from one that has imported what is slow to import."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

_SLOW = ["geo_xmodal.mapping.mapper", "geo_xmodal.mapping.picture", "tests.training.shares", "torch._dynamo"]
"""The last is what optimisers of PyTorch import in their first step."""


def start_forked(work: Callable[..., None], *given: Any, said: Path | None = None) -> BaseProcess:
    """Start `work(*given)`, which has to be a function of a module; its output goes to the file `said`.

    The process has one thread and the environment of the first such process. It starts in no time, where a
    new Python takes seconds to import PyTorch.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_SLOW)
    process = context.Process(target=_begin, args=(work, given, said))
    process.start()
    return process


def _begin(work: Callable[..., None], given: tuple[Any, ...], said: Path | None) -> None:
    if said is not None:
        file = os.open(said, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        os.dup2(file, 1)
        os.dup2(file, 2)
    work(*given)
