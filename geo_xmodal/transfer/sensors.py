"""The sensors of a study: read together, and standardised each by its own training chips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geo_xmodal.chips import Chip, ChipSet, ChipSource, ChipsReader, StackedChips, chips_for
from geo_xmodal.errors import ChipError
from geo_xmodal.samples import band_statistics
from geo_xmodal.types import BandStatistics, Window

_CHIPS, _PIXELS = 64, 4_096
"""Chips, and pixels of each, that statistics come from."""


@dataclass(frozen=True)
class Sensors:
    """Sensors of a set of chips, and which chips have all of them.

    Attributes:
        source: the set, with the first sensor as target.
        names: of the sensors.
    """

    source: ChipSource
    names: tuple[str, ...]

    @classmethod
    def of(cls, chips: ChipSet, names: tuple[str, ...]) -> Sensors:
        """The sensors that are asked for; none are the set's target.

        Raises:
            ChipError: The set has no such sensor, or no chip with labels trains or tests that has all.
        """
        names = names or (chips.target,)
        for name in names:
            chips.kind(name)
        found = cls(chips_for(chips, names[0]), names)
        for split in ("train", "test"):
            if not found.chips(split):
                raise ChipError(
                    f"{chips.folder}: no chip with labels and {' and '.join(names)} is in {split}"
                )
        return found

    def chips(self, split: str) -> list[int]:
        """Numbers of the chips of a split that have labels and all sensors."""
        return [
            number
            for number, chip in enumerate(self.source.chips.chips)
            if chip.split == split and self._serves(chip)
        ]

    def _serves(self, chip: Chip) -> bool:
        return chip.labelled and all(name in chip.sensors for name in self.names)

    @property
    def reader(self) -> StackedChips:
        """The bands of all sensors."""
        return StackedChips(
            tuple(ChipsReader(self.source.chips, name, self.source.target_name) for name in self.names)
        )

    def whole(self, number: int) -> Window:
        """A chip, from its first pixel."""
        rows, cols = self.source.chips.grid(self.source.chips.chips[number], self.source.target_name).shape
        return Window(0, 0, int(rows), int(cols))

    def statistics(self, numbers: Sequence[int]) -> list[BandStatistics]:
        """Of each sensor, from pixels of some of the chips.

        Raises:
            TrainingDataError: A band has no value there.
        """
        chips = self.source.chips
        some = [numbers[k] for k in np.linspace(0, len(numbers) - 1, min(len(numbers), _CHIPS)).astype(int)]
        made = []
        for name in self.names:
            values = []
            for number in some:
                reader = self.source.reader(chips.chips[number], name)
                pixels = reader.read(self.whole(number)).reshape(len(reader.bands), -1)
                values.append(pixels[:, :: max(1, pixels.shape[1] // _PIXELS)].T)
            made.append(band_statistics(np.concatenate(values), reader.band_names, chips.kind(name)))
        return made


def joined_statistics(parts: Sequence[BandStatistics], names: Sequence[str]) -> BandStatistics:
    """Statistics of the bands of several sensors one after the other, called as `StackedChips` has them."""
    bands = (
        parts[0].bands
        if len(parts) == 1
        else tuple(f"{name} {band}" for name, part in zip(names, parts, strict=True) for band in part.bands)
    )
    return BandStatistics(
        bands,
        tuple(one for part in parts for one in part.transform),
        tuple(one for part in parts for one in part.scale),
        tuple(one for part in parts for one in part.low),
        tuple(one for part in parts for one in part.high),
        tuple(one for part in parts for one in part.mean),
        tuple(one for part in parts for one in part.std),
    )
