"""Whole windows of chips as samples, for what learns from pictures and not from single pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from geo_xmodal.chips import Chip, ChipSource, ChipSplit
from geo_xmodal.types import FloatArray, IntArray, Window

UNLABELLED = -1
"""What stands for the class of a pixel without a label, or beyond its chip."""


@dataclass(frozen=True)
class ChipWindows:
    """Windows of chips, raw values; NaN where there is no data, no such sensor, or no chip.

    Attributes:
        target: (n, band, row, col) of the target sensor.
        auxiliary: (n, band, row, col) of the auxiliary sensor, or None where the set has none.
        label: (n, row, col) int64, place of the class in the legend, `UNLABELLED` without one.
    """

    target: FloatArray
    auxiliary: FloatArray | None
    label: IntArray

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True)
class ChipSamples:
    """Windows of the chips of a split: any of them at any time, none kept in memory.

    Sample i is a window of chip i // `per_chip`. Where it lies in a chip that is larger is drawn from the
    seed, the epoch and i alone, so that a batch is the same whatever was read before, and by whom; a chip
    that is smaller lies at the upper left of its window.

    Attributes:
        source: The chips, with their sensors.
        split: Which of them.
        size: Rows and columns of a window.
        per_chip: Windows of a chip in an epoch.
        labelled: Only chips with labels.
    """

    source: ChipSource
    split: ChipSplit = "train"
    size: int = 256
    per_chip: int = 1
    labelled: bool = False

    def __post_init__(self) -> None:
        if self.size < 1 or self.per_chip < 1:
            raise ValueError(f"windows of {self.size} pixels, {self.per_chip} a chip: expected at least 1")

    def __len__(self) -> int:
        return len(self._members) * self.per_chip

    def drawn(self, seed: int, epoch: int, step: int, batch_size: int) -> IntArray:
        """Which samples a step learns from; over an epoch each comes once, the last batch may be smaller."""
        order = np.random.default_rng([seed, epoch]).permutation(len(self))
        return np.asarray(order[step * batch_size : (step + 1) * batch_size], np.int64)

    def take(self, index: IntArray, seed: int = 0, epoch: int = 0) -> ChipWindows:
        """The samples at `index`, in that order.

        Raises:
            IndexError: There are fewer.
            ChipError, LabelError, RasterError: A chip cannot be read.
        """
        size, (bands, auxiliary_bands) = (self.size, self.size), self._bands
        target = np.full((len(index), bands, *size), np.nan, np.float32)
        auxiliary = None
        if auxiliary_bands is not None:
            auxiliary = np.full((len(index), auxiliary_bands, *size), np.nan, np.float32)
        label = np.full((len(index), *size), UNLABELLED, np.int64)
        for place, sample in enumerate(index.tolist()):
            if not 0 <= sample < len(self):
                raise IndexError(f"sample {sample} of {len(self)}")
            chip = self._members[sample // self.per_chip]
            reader = self.source.reader(chip, self.source.target_name)
            window = self._window(reader.grid.shape, [seed, epoch, sample])
            target[place] = reader.read(window)
            if auxiliary is not None and self.source.auxiliary_name in chip.sensors:
                auxiliary[place] = self.source.reader(chip, str(self.source.auxiliary_name)).read(window)
            self._label(chip, window, label[place])
        return ChipWindows(target, auxiliary, label)

    @cached_property
    def _members(self) -> tuple[Chip, ...]:
        return tuple(
            chip
            for chip in self.source.chips.of(self.split)
            if self.source.usable(chip) and (chip.labelled or not self.labelled)
        )

    @cached_property
    def _bands(self) -> tuple[int, int | None]:
        """Of the target and of the auxiliary sensor."""
        member = self.source.members[0]
        auxiliary = None if member.auxiliary is None else len(member.reader(member.auxiliary).bands)
        return len(member.reader(member.target).bands), auxiliary

    def _window(self, shape: Sequence[int], key: Sequence[int]) -> Window:
        rng = np.random.default_rng(key)
        row, col = (int(rng.integers(max(1, int(side) - self.size + 1))) for side in shape)
        return Window(row, col, self.size, self.size)

    def _label(self, chip: Chip, window: Window, out: IntArray) -> None:
        ids = self.source.chips.labels(chip, self.source.target_name)
        if ids is None:
            return
        place = np.full(256, UNLABELLED, np.int64)
        place[[land.id for land in self.source.classes]] = np.arange(len(self.source.classes))
        part = place[ids[window.slices]]
        out[: part.shape[0], : part.shape[1]] = part
