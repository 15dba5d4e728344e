"""How many windows there is memory for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
import torch

from geo_xmodal.errors import MemoryShortageError
from geo_xmodal.mapping.needs import MapMemory, windows_at_once
from geo_xmodal.memory import least

SMALL = MapMemory(process=700 << 20, window=1 << 20, reading=0, writing=0)


@pytest.fixture
def eight_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(8)
    yield
    torch.set_num_threads(before)


def heavy(share: float) -> MapMemory:
    """Windows that take this share of what is free."""
    return dataclasses.replace(SMALL, window=int(least().free * share))


@pytest.mark.usefixtures("eight_threads")
def test_as_many_windows_at_once_as_there_is_memory_for() -> None:
    assert windows_at_once(SMALL, 512, 1, None, None) == 8
    assert windows_at_once(heavy(0.4), 512, 1, None, None) == 2
    assert windows_at_once(SMALL, 512, 1, None, 3) == 3


def test_what_is_asked_for_is_refused_where_it_does_not_fit() -> None:
    with pytest.raises(
        MemoryShortageError, match=r"windows of 512 pixels, 4 at once needs .*smaller 'window'"
    ):
        windows_at_once(heavy(0.4), 512, 1, None, 4)
    with pytest.raises(MemoryShortageError, match=r"windows of 4096 pixels, 1 at once needs"):
        windows_at_once(heavy(2), 4096, 1, None, None)


def test_processes_take_memory_each() -> None:
    many = 2 + least().free // (300 << 20)
    with pytest.raises(MemoryShortageError, match=rf"by {many} processes needs .*fewer 'workers'"):
        windows_at_once(SMALL, 512, many, None, None)
    assert windows_at_once(SMALL, 512, many, "tcp://127.0.0.1:8786", None) is None
