"""A command in several processes that torchrun started: the first one speaks, and all end alike."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import ParamSpec, TypeVar, cast

import geo_xmodal as gx
from geo_xmodal.commands import process

P = ParamSpec("P")
R = TypeVar("R")


def joining(command: Callable[P, R]) -> Callable[P, R]:
    """A command that has an option `device`, in all processes that were started for it together."""

    @functools.wraps(command)
    def in_each(*given: P.args, **named: P.kwargs) -> R:
        if not process.is_one_of_several():
            return command(*given, **named)
        from geo_xmodal.processes import joined  # takes PyTorch with it

        compute = gx.compute_for(cast(str, named["device"]), "float32")
        with joined(compute.device):
            return command(*given, **named)

    return in_each


def together() -> AbstractContextManager[None]:
    """An error of one process in the block is an error of all, said once."""
    if not process.is_one_of_several():
        return nullcontext()
    from geo_xmodal import processes

    return processes.together()
