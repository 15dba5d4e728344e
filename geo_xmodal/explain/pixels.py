"""The pixels that explanations are computed on: test pixels, drawn class by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from geo_xmodal.errors import LabelError, TrainingDataError
from geo_xmodal.memory import check_memory
from geo_xmodal.networks import PixelModel
from geo_xmodal.raster import WindowReader, name_key
from geo_xmodal.samples import read_patches
from geo_xmodal.scenes import Scene, labelled_pixels
from geo_xmodal.types import IntArray, LandClass, Progress, Window, lattice

_MAX_TRIED = 10
"""Pixels that are looked at for each that is wanted, where sensors cover a part of the scene."""

MAX_SIDE = 512
"""Rows and columns of the window of Grad-CAM, where nobody chooses one."""

AT_ONCE = 64
"""Patches that go through a network at a time."""


@dataclass(frozen=True, eq=False)
class ExplainedPixels:
    """Pixels with the patches that a model sees of them.

    Attributes:
        position: (n, 2) row and column on the scene's grid.
        patches: (n, band, 2m + 1, 2m + 1) standardised; 0 where a value is missing.
        label: (n,) index into the model's classes: that of the test label, or the predicted class.
        labelled: Whether these are test labels.
    """

    position: IntArray
    patches: Tensor
    label: Tensor
    labelled: bool

    def __len__(self) -> int:
        return len(self.label)

    @property
    def classes(self) -> list[int]:
        """Places in the legend of the classes that the pixels have."""
        return sorted(set(self.label.tolist()))

    def of_class(self, place: int) -> Tensor:
        """(k,) which of the pixels are of a class, by its place in the legend."""
        return (self.label == place).nonzero()[:, 0]


def explained_pixels(
    model: PixelModel,
    legend: Sequence[LandClass],
    scene: Scene,
    reader: WindowReader,
    samples: int,
    seed: int,
    progress: Progress | None = None,
) -> ExplainedPixels:
    """Test pixels of a scene, as many of each class as can be; of a scene without labels, any pixels.

    Classes are the model's where their names are the same. Pixels at which a band is missing are left out,
    as a map leaves them out. Without test labels, pixels of windows that are spread over the scene stand with
    the class that the model predicts.

    Args:
        model: What is explained.
        legend: Its classes.
        scene: Where the pixels are.
        reader: The target sensor, with the model's bands in its order.
        samples: Pixels at most.
        seed: Of the draw.
        progress: Told while patches are read.

    Raises:
        LabelError: The test labels are of none of the model's classes, or no pixel has data.
        MemoryShortageError: The patches do not fit into memory.
    """
    labelled = scene.has_labels("test") and len(labelled_pixels(scene, "test")) > 0
    rng = np.random.default_rng(seed)
    position, label = (
        _drawn_labels(scene, legend, samples, rng) if labelled else (_spread(reader, samples, rng), None)
    )
    side = 2 * model.margin + 1
    needed = 4 * len(position) * model.bands * side * side
    check_memory(f"patches of {len(position):,} pixels", 3 * needed, "explain with fewer pixels")
    raw = read_patches(reader, position, model.margin, progress)
    there = np.isfinite(raw[:, :, model.margin, model.margin]).all(axis=1)
    if not there.any():
        raise LabelError(
            f"scene {scene.name}: {reader.name} has no data at any of {len(position):,} pixels that were "
            "drawn: choose a scene that the model's sensor covers"
        )
    with torch.no_grad():
        patches = model.standardize(torch.from_numpy(raw[there]))
    classes = (
        in_parts(model.network, patches).argmax(dim=1) if label is None else torch.from_numpy(label[there])
    )
    return ExplainedPixels(position[there], patches, classes, labelled)


def paired_positions(scene: Scene, readers: Sequence[WindowReader], samples: int, seed: int) -> IntArray:
    """(n, 2) pixels at which all sensors have data: test pixels where there are such, else any.

    Args:
        scene: Where the pixels are.
        readers: Of its sensors.
        samples: Pixels at most.
        seed: Of the draw.

    Raises:
        TrainingDataError: There is none, or one alone, of which nothing can be said.
    """
    rng = np.random.default_rng(seed)
    pools: list[IntArray] = []
    if scene.has_labels("test"):
        test = labelled_pixels(scene, "test").position
        pools.append(test[np.sort(rng.permutation(len(test))[: _MAX_TRIED * samples])])
    pools.append(_spread(readers[0], _MAX_TRIED * samples, rng))
    for position in pools:
        for reader in readers:
            if len(position):
                values = read_patches(reader, position, 0)
                position = position[np.isfinite(values).all(axis=(1, 2, 3))]
        if len(position) > 1:
            return position[np.sort(rng.permutation(len(position))[:samples])]
    raise TrainingDataError(
        f"scene {scene.name}: {' and '.join(reader.name for reader in readers)} have data at the same place "
        "at no pixel that was drawn: choose a scene where both sensors lie on each other"
    )


def busiest_window(position: IntArray | None, shape: tuple[int, int], side: int = MAX_SIDE) -> Window:
    """The window with most of some pixels, of those of `side` that tile a grid; without pixels its middle."""
    rows, cols = shape
    if position is None:
        height, width = min(rows, side), min(cols, side)
        return Window((rows - height) // 2, (cols - width) // 2, height, width)
    blocks, counts = np.unique(position // side, axis=0, return_counts=True)
    row, col = (blocks[counts.argmax()] * side).tolist()
    return Window(row, col, min(side, rows - row), min(side, cols - col))


@torch.no_grad()
def in_parts(network: nn.Module, patches: Tensor) -> Tensor:
    """(n, outputs) of a network at the centres of patches (n, band, p, p), some at a time."""
    return torch.cat([network(part).flatten(1) for part in torch.split(patches, AT_ONCE)])


def _drawn_labels(
    scene: Scene, legend: Sequence[LandClass], samples: int, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Positions and classes of test pixels: the same number of each class, as far as there are so many."""
    pixels = labelled_pixels(scene, "test")
    places = {name_key(land.name): place for place, land in enumerate(legend)}
    place_of = np.full(256, -1, np.int64)
    for land in scene.classes:
        place_of[land.id] = places.get(name_key(land.name), -1)
    label = place_of[pixels.label]
    present = np.unique(label[label >= 0])
    if not len(present):
        theirs, ours = (", ".join(land.name for land in which) for which in (scene.classes, legend))
        raise LabelError(
            f"scene {scene.name} has test labels of {theirs}; the model knows {ours}: "
            "choose a scene with classes of the same names"
        )
    share = max(1, samples // len(present))
    chosen = np.sort(
        np.concatenate([rng.permutation(np.flatnonzero(label == place))[:share] for place in present])
    )
    return pixels.position[chosen], label[chosen]


def _spread(reader: WindowReader, samples: int, rng: np.random.Generator) -> IntArray:
    """Positions drawn from windows that are spread over a grid, where the reader has data."""
    found = []
    rows, cols = reader.grid.shape
    for window in lattice((rows, cols)):
        found.append(np.argwhere(reader.valid(window)) + np.array([window.row, window.col]))
    every: IntArray = np.concatenate(found).astype(np.int64)
    return every[np.sort(rng.permutation(len(every))[:samples])]
