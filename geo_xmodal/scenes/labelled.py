"""Which pixels of a scene train and which test, from two label files or from one and a split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from odc.geo.geobox import GeoBox

from geo_xmodal.raster import Stamp, label_stamp, read_labels
from geo_xmodal.scenes.config import LabelsConfig, SceneConfig, SplitConfig, scene_file
from geo_xmodal.scenes.splits import Partition, block_split, random_split
from geo_xmodal.types import ClassArray, IntArray, LandClass, Window, windows_over

Side = Literal["train", "test"]
SIDES: tuple[Side, ...] = ("train", "test")

_WINDOW = 1024

_MAX_KEPT = 32
"""Scenes whose labels are kept in memory, so that a run of several reads them once."""


class Labelled(Protocol):
    """What has labels on a grid: a `Scene`."""

    @property
    def folder(self) -> Path:
        """Where the label files lie."""

    @property
    def config(self) -> SceneConfig:
        """The checked scene.toml."""

    @property
    def grid(self) -> GeoBox:
        """The grid that labels are brought onto."""

    @property
    def classes(self) -> tuple[LandClass, ...]:
        """The legend."""

    def label_source(self, split: Literal["train", "test", "all"]) -> LabelsConfig:
        """The labels of a split; `LabelError` if there are none."""


@dataclass(frozen=True)
class LabelledPixels:
    """Pixels of a grid that have a label, in row-major order.

    Attributes:
        position: (n, 2) row and column.
        label: (n,) class ids.
    """

    position: IntArray
    label: ClassArray

    @classmethod
    def of(cls, position: IntArray, label: ClassArray) -> LabelledPixels:
        """Pixels in any order."""
        order = np.lexsort((position[:, 1], position[:, 0]))
        return cls(position[order], label[order])

    def __len__(self) -> int:
        return len(self.label)

    def within(self, window: Window) -> ClassArray:
        """Class ids (row, col) of a window, 0 where none of the pixels is."""
        first, last = np.searchsorted(self.position[:, 0], [window.row, window.row + window.height])
        rows, cols = (self.position[first:last] - (window.row, window.col)).T
        inside = (cols >= 0) & (cols < window.width)
        out = np.zeros((window.height, window.width), np.uint8)
        out[rows[inside], cols[inside]] = self.label[first:last][inside]
        return out


def read_split(scene: Labelled, split: Side, window: Window) -> ClassArray:
    """Class ids (row, col) of the training or test labels of a window, 0 = unlabelled.

    Where scene.toml has a `[split]`, its one set of labels is divided as a whole, the same way at every call.

    Raises:
        LabelError: The scene has no such labels, or they hold values outside its classes.
    """
    if scene.config.split is not None:
        return labelled_pixels(scene, split).within(window)
    source = scene.label_source(split)
    return read_labels(source, scene_file(scene.folder, source.file), scene.grid, scene.classes, window)


def labelled_pixels(scene: Labelled, split: Side) -> LabelledPixels:
    """Every training or test pixel of a scene: 17 bytes each, read window by window, once for all seeds.

    Raises:
        LabelError: The scene has no such labels, or they hold values outside its classes.
    """
    divide = scene.config.split
    source = scene.label_source(split if divide is None else "all")
    path = scene_file(scene.folder, source.file)
    key = (source.model_dump_json(), path, label_stamp(path), scene.grid, scene.classes)
    return _undivided(*key) if divide is None else _divided(*key, divide)[split]


def every_labelled_pixel(scene: Labelled) -> LabelledPixels:
    """All labelled pixels of a scene, the ones between train and test too; training first, where both are.

    Raises:
        LabelError: The scene has no such labels, or they hold values outside its classes.
    """
    if scene.config.split is not None:
        source = scene.label_source("all")
        path = scene_file(scene.folder, source.file)
        return _undivided(source.model_dump_json(), path, label_stamp(path), scene.grid, scene.classes)
    train, test = (labelled_pixels(scene, side) for side in SIDES)
    position = np.concatenate([train.position, test.position])
    flat = position[:, 0] * int(scene.grid.shape[1]) + position[:, 1]
    _, first = np.unique(flat, return_index=True)
    return LabelledPixels(position[first], np.concatenate([train.label, test.label])[first])


def labelled_windows(
    scene: Labelled, split: Side, size: int = _WINDOW
) -> Iterator[tuple[Window, ClassArray]]:
    """The windows of `size` x `size` pixels that hold labels of a split, and these; row by row.

    Raises:
        LabelError: The scene has no such labels, or they hold values outside its classes.
    """
    return windows_of(labelled_pixels(scene, split), scene.grid, size)


def windows_of(pixels: LabelledPixels, grid: GeoBox, size: int) -> Iterator[tuple[Window, ClassArray]]:
    """The windows of `size` x `size` pixels of a grid that hold any of the pixels, and these; row by row."""
    height, width = grid.shape
    for window in windows_over(height, width, size):
        ids = pixels.within(window)
        if ids.any():
            yield window, ids


def all_labelled(
    source: LabelsConfig, path: Path, grid: GeoBox, classes: Sequence[LandClass]
) -> LabelledPixels:
    """Every labelled pixel of a label file on a grid; raises as `read_labels`."""
    positions, ids = [np.empty((0, 2), np.int64)], [np.empty(0, np.uint8)]
    height, width = grid.shape
    for window in windows_over(height, width, _WINDOW):
        block = read_labels(source, path, grid, classes, window)
        found = np.argwhere(block)
        positions.append(found + np.array([window.row, window.col]))
        ids.append(block[found[:, 0], found[:, 1]])
    return LabelledPixels.of(np.concatenate(positions), np.concatenate(ids))


@lru_cache(maxsize=2 * _MAX_KEPT)
def _undivided(
    source: str, path: Path, stamp: Stamp | None, grid: GeoBox, classes: tuple[LandClass, ...]
) -> LabelledPixels:
    return all_labelled(LabelsConfig.model_validate_json(source), path, grid, classes)


@lru_cache(maxsize=_MAX_KEPT)
def _divided(
    source: str,
    path: Path,
    stamp: Stamp | None,
    grid: GeoBox,
    classes: tuple[LandClass, ...],
    divide: SplitConfig,
) -> dict[str, LabelledPixels]:
    pixels = all_labelled(LabelsConfig.model_validate_json(source), path, grid, classes)
    sides = _partition(pixels, divide)
    return {
        "train": LabelledPixels(pixels.position[sides.train], pixels.label[sides.train]),
        "test": LabelledPixels(pixels.position[sides.test], pixels.label[sides.test]),
    }


def _partition(pixels: LabelledPixels, divide: SplitConfig) -> Partition:
    position, label = pixels.position, pixels.label.astype(np.int64)
    if divide.kind == "random":
        return random_split(position, label, divide.test, divide.buffer, divide.seed)
    return block_split(position, label, divide.block, divide.test, divide.buffer, divide.seed)
