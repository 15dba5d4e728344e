"""A set of chips as something to learn from and to test on, where a `SceneSet` is expected."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from geo_xmodal.chips.canvas import ChipsReader, on_grid
from geo_xmodal.chips.chip_set import Chip, ChipSet
from geo_xmodal.chips.survey import spread
from geo_xmodal.errors import ChipError, UsageError
from geo_xmodal.kinds import Kind
from geo_xmodal.raster import WindowReader, checked_values
from geo_xmodal.scenes import Sensor, Side
from geo_xmodal.types import ClassArray, LandClass, Window, windows_over
from geo_xmodal.wording import counted

_LOOKED_AT = 3
"""Chips whose values are looked at before anything is learned from them."""


@dataclass(frozen=True)
class ChipSource:
    """Chips with the sensors of a run.

    Attributes:
        chips: The set.
        target_name: The sensor that maps are made from.
        auxiliary_name: The auxiliary sensor, or None.
        notes: What is taken for granted, a line each.
    """

    chips: ChipSet
    target_name: str
    auxiliary_name: str | None
    notes: tuple[str, ...] = ()

    several = False
    single_pixels = False
    held_out: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The set's."""
        return self.chips.name

    @property
    def target(self) -> str:
        """The sensor that maps are made from."""
        return self.target_name

    @property
    def kind(self) -> Kind:
        """What that measures."""
        return self.chips.kind(self.target_name)

    @property
    def classes(self) -> tuple[LandClass, ...]:
        """The legend."""
        return self.chips.classes

    @property
    def simulated(self) -> tuple[str, ...]:
        """Its name, where it is simulated."""
        return (self.name,) if self.chips.simulated else ()

    @property
    def members(self) -> tuple[ChipMember]:
        """The one thing that it consists of."""
        return (self._member,)

    @property
    def training(self) -> tuple[ChipMember]:
        """The same."""
        return self.members

    def usable(self, chip: Chip) -> bool:
        """Whether a chip has the target sensor."""
        return self.target_name in chip.sensors

    def group(self, chip: Chip) -> str:
        """What lies together with a chip: the set's group where it has several, else the chip itself."""
        return self.chips.group(chip) if self._grouped else chip.id

    def reader(self, chip: Chip, sensor: str) -> WindowReader:
        """A sensor of a chip on the grid of its target."""
        return self.chips.reader(chip, sensor, self.target_name)

    @cached_property
    def _grouped(self) -> bool:
        return len({self.chips.group(chip) for chip in self.chips.of("train")}) > 1

    def joined_classes(self) -> list[dict[str, Any]]:
        """Which class became which: each itself."""
        return [{"id": land.id, "name": land.name, "scenes": {self.name: land.id}} for land in self.classes]

    def describe(self) -> dict[str, Any]:
        """The set, for config.json."""
        splits = {split: len(self.chips.of(split)) for split in ("train", "validation", "test")}
        return {
            "scene": {"name": self.name, "simulated": self.chips.simulated},
            "chips": {"layout": self.chips.layout, "splits": splits, "sha256": self._digest},
        }

    @cached_property
    def _member(self) -> ChipMember:
        return ChipMember(self.chips, Sensor(self.target_name), self._auxiliary)

    @property
    def _auxiliary(self) -> Sensor | None:
        return None if self.auxiliary_name is None else Sensor(self.auxiliary_name)

    @cached_property
    def _digest(self) -> str:
        """One word for what tests: its chips, and what their labels mean."""
        digest = hashlib.sha256(self.chips.config.model_dump_json(include={"labels", "classes"}).encode())
        for chip in self.chips.of("test"):
            digest.update(f"{chip.id}\0{chip.labelled}\0".encode())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class ChipMember:
    """All chips of a set where a scene is expected.

    Attributes:
        chips: The set.
        target: The sensor that maps are made from.
        auxiliary: The auxiliary sensor, or None.
    """

    chips: ChipSet
    target: Sensor
    auxiliary: Sensor | None

    number = 0
    held_out = False
    single_pixels = False
    has_labels = True

    @property
    def name(self) -> str:
        """The set's."""
        return self.chips.name

    @property
    def simulated(self) -> bool:
        """Whether the sensors are simulated."""
        return self.chips.simulated

    @property
    def ids(self) -> Mapping[int, int]:
        """The class id of each: its own."""
        return {land.id: land.id for land in self.chips.classes}

    @property
    def grid(self) -> GeoBox:
        """That of the first chip that trains, for the size of pixels."""
        return self.chips.grid(self.chips.of("train")[0], self.target.name)

    @property
    def rows(self) -> int:
        """Rows of the grid of all chips, on which windows are counted."""
        return int(self.reader(self.target).grid.shape[0])

    @property
    def tests(self) -> bool:
        """Whether a chip tests."""
        return bool(self._test_chips)

    def reader(self, sensor: Sensor) -> ChipsReader:
        """A sensor of all chips, on their grid."""
        return ChipsReader(self.chips, sensor.name, self.target.name)

    def test_windows(self, size: int) -> Iterator[tuple[Window, ClassArray]]:
        """The windows of the chips that test, which hold labels, and these; a chip is read at a time."""
        for number, chip in self._test_chips:
            labels = self.chips.labels(chip, self.target.name)
            if labels is None:
                continue
            for window in windows_over(labels.shape[0], labels.shape[1], size):
                ids = labels[window.slices]
                if ids.any():
                    yield on_grid(number, window), ids

    def pictured(self) -> ChipPicture:
        """A chip that tests and is known to the target, to look at."""
        _, chip = self._test_chips[0]
        return ChipPicture(self, chip)

    @property
    def _test_chips(self) -> list[tuple[int, Chip]]:
        return [
            (number, chip)
            for number, chip in enumerate(self.chips.chips)
            if chip.split == "test" and chip.labelled and self.target.name in chip.sensors
        ]


@dataclass(frozen=True)
class ChipPicture:
    """One chip, to look at.

    Attributes:
        member: All chips.
        chip: The chip.
    """

    member: ChipMember
    chip: Chip

    @property
    def name(self) -> str:
        """The chip's."""
        return f"chip {self.chip.id}"

    @property
    def target(self) -> Sensor:
        """The sensor that maps are made from."""
        return self.member.target

    @property
    def grid(self) -> GeoBox:
        """The chip's."""
        return self.member.chips.grid(self.chip, self.target.name)

    def reader(self, sensor: Sensor) -> WindowReader:
        """A sensor of the chip."""
        return self.member.chips.reader(self.chip, sensor.name, self.target.name)

    def read_labels(self, side: Side, window: Window) -> ClassArray:
        """Class ids (row, col) of a window, 0 = unlabelled; the chip tests, and does not train."""
        labels = self.member.chips.labels(self.chip, self.target.name) if side == "test" else None
        if labels is None:
            return np.zeros((window.height, window.width), np.uint8)
        return labels[window.slices]


def chips_for(
    chips: ChipSet, target: str | None = None, auxiliary: str | None = None, *, labels_needed: bool = True
) -> ChipSource:
    """A set with the sensors of a run.

    Args:
        chips: The set.
        target: Modality that maps are made from; None is the set's.
        auxiliary: Modality that only training has; None is the HSI, else any that a training chip has.
        labels_needed: Whether it is an error that no chip with labels trains, or none tests.

    Raises:
        ChipError: There is no such modality, or no chip trains or tests.
        UsageError: Both are the same.
    """
    target = target or chips.target
    chips.kind(target)
    if auxiliary is not None:
        chips.kind(auxiliary)
    if auxiliary == target:
        raise UsageError(
            f"{auxiliary} is both the target and the auxiliary modality; name another one as auxiliary"
        )
    train = [chip for chip in chips.of("train") if target in chip.sensors]
    if not train:
        raise ChipError(f"{chips.folder}: no chip with {target} trains: see geo-xmodal info {chips.folder}")
    if labels_needed and not any(chip.labelled for chip in train):
        raise ChipError(
            f"{chips.folder}: {counted(len(train), 'chip')} train and none has labels: a map needs labels to "
            "learn from"
        )
    tested = any(chip.labelled and target in chip.sensors for chip in chips.of("test"))
    if labels_needed and not tested:
        raise ChipError(
            f"{chips.folder}: no chip with labels tests: name some in a chips.toml ([splits.test])"
        )
    others = [chips.target, *chips.config.auxiliary] if auxiliary is None else [auxiliary]
    present = [name for name in others if name != target and any(name in chip.sensors for chip in train)]
    if auxiliary is not None and not present:
        raise ChipError(f"{chips.folder}: no training chip has {auxiliary}")
    return ChipSource(chips, target, present[0] if present else None, chips.notes)


def chip_assumptions(chips: ChipSet, among: Sequence[Chip], sensors: Iterable[str]) -> tuple[str, ...]:
    """What is taken for granted about some of the chips, a line each; the first stands for all of its kind.

    Raises:
        RasterError: Values are not what the sensor measures.
    """
    found: dict[str, str] = {}
    for sensor in sensors:
        for chip in spread([one for one in among if sensor in one.sensors], _LOOKED_AT):
            for one in checked_values(chips.reader(chip, sensor)):
                found.setdefault(f"{sensor} {one.code}", f"{sensor} of chip {chip.id}: {one.text}")
    return tuple(found.values())
