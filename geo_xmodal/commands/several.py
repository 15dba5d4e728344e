"""A command in several processes that torchrun started: the first one speaks, and all end alike."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

import geo_xmodal as gx
from geo_xmodal.commands import process
from geo_xmodal.commands.console import Console


class _OnDevice(Protocol):
    @property
    def device(self) -> str: ...


Q = TypeVar("Q", bound=_OnDevice)


def joining(command: Callable[[Q, Console], None]) -> Callable[[Q, Console], None]:
    """A command whose request has a `device`, in all processes that were started for it together."""

    @functools.wraps(command)
    def in_each(request: Q, console: Console) -> None:
        if not process.is_one_of_several():
            command(request, console)
            return
        from geo_xmodal.processes import joined  # takes PyTorch with it

        compute = gx.compute_for(request.device, "float32")
        with joined(compute.device):
            command(request, console)

    return in_each


def together() -> AbstractContextManager[None]:
    """An error of one process in the block is an error of all, said once."""
    if not process.is_one_of_several():
        return nullcontext()
    from geo_xmodal import processes

    return processes.together()
