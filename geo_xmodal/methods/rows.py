"""What a pool knows of its pixels, a row each: computed once where it lies in memory, else batch by batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from geo_xmodal.patches import Patches

CHUNK = 4096
"""Pixels that are prepared, or seen by a network that does not learn, at a time."""

Step = Callable[[Tensor], Tensor]
"""Rows to as many rows; what it makes of a row does not depend on the others."""


class Rows(ABC):
    """(n, ...) float32, a row a pixel."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of pixels."""

    @property
    @abstractmethod
    def held(self) -> Tensor | None:
        """All rows, where they lie in memory; None where they do not."""

    @property
    def chunk(self) -> int:
        """Rows that are looked at at a time where all are."""
        return CHUNK

    @abstractmethod
    def take(self, index: Tensor) -> Tensor:
        """The rows at `index`, in memory."""

    @abstractmethod
    def mapped(self, step: Step, size: int | None = None) -> Rows:
        """What `step` makes of the rows: at once where they lie in memory, else whenever some are taken.

        Args:
            step: Keeps what it needs to itself: modules that train or move to a device are no part of it.
            size: Rows that it gets at a time where all are mapped at once; None is all.
        """

    @abstractmethod
    def some(self, index: Tensor) -> Rows:
        """The rows at `index`."""


@dataclass(frozen=True, eq=False)
class HeldRows(Rows):
    """Rows in memory."""

    values: Tensor

    def __len__(self) -> int:
        return len(self.values)

    @property
    def held(self) -> Tensor:
        """The tensor."""
        return self.values

    def take(self, index: Tensor) -> Tensor:
        """A copy of some."""
        return self.values[index]

    @torch.no_grad()
    def mapped(self, step: Step, size: int | None = None) -> HeldRows:
        """At once."""
        if size is None:
            return HeldRows(step(self.values))
        return HeldRows(torch.cat([step(part) for part in torch.split(self.values, size)]))

    def some(self, index: Tensor) -> HeldRows:
        """A copy of some."""
        return HeldRows(self.values[index])


@dataclass(frozen=True, eq=False)
class StoredRows(Rows):
    """Patches that do not lie in memory, and what is done to them whenever some are taken."""

    patches: Patches
    steps: tuple[Step, ...] = ()

    def __len__(self) -> int:
        return len(self.patches)

    @property
    def held(self) -> None:
        """They are not in memory."""
        return None

    @property
    def chunk(self) -> int:
        """Fewer, where patches are large."""
        return self.patches.chunk(CHUNK)

    @torch.no_grad()
    def take(self, index: Tensor) -> Tensor:
        """Read and prepared."""
        rows = torch.from_numpy(self.patches.take(index.cpu().numpy()))
        for step in self.steps:
            rows = step(rows)
        return rows.contiguous()  # noise is drawn in the order of memory

    def mapped(self, step: Step, size: int | None = None) -> StoredRows:
        """Later."""
        return StoredRows(self.patches, (*self.steps, step))

    def some(self, index: Tensor) -> StoredRows:
        """Read later."""
        return StoredRows(self.patches.chosen(index.cpu().numpy()), self.steps)


def rows_of(patches: Patches) -> Rows:
    """Patches as rows, where they are."""
    held = patches.held
    return StoredRows(patches) if held is None else HeldRows(torch.from_numpy(held))


def absent(pixels: int, *shape: int) -> Rows:
    """NaN for every pixel, in the memory of one."""
    return HeldRows(torch.full((1, *shape), torch.nan).expand(pixels, *shape))
