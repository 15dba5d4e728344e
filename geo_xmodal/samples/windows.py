"""Whole windows with the labels that lie in them, for networks that learn from images.

The labels are those of the pixels that any method learns from: windows hold no other, so that methods on
pixels and on windows can be compared. What surrounds them is only looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from geo_xmodal.memory import least
from geo_xmodal.patches import HeldPatches, LocalFunction, Patches, Tell, joined_patches
from geo_xmodal.raster import WindowReader
from geo_xmodal.samples.options import GatherOptions
from geo_xmodal.samples.values import Pixels
from geo_xmodal.scenes import LabelledPixels
from geo_xmodal.types import (
    NO_LABEL,
    ClassArray,
    FloatArray,
    IntArray,
    LabelledWindows,
    TrainingWindows,
    Window,
)

MAX_HELD_OUT = 64
"""Windows that validation looks at; they are looked at after every epoch."""

_COPIES = 3
"""Windows in memory are read, prepared and drawn: so many times they are there while a method begins."""

PlacesOf = Callable[[Window], ClassArray]
"""Place in the legend (row, col) of the labels in a window, `NO_LABEL` without one."""


@dataclass(frozen=True)
class WindowSource:
    """Where windows come from: a scene, or all chips of a set on their grid.

    Attributes:
        reader: the target sensor.
        train: windows that train, all of one size.
        held_out: windows of validation: the images of tiles of a map.
        train_places: labels that train.
        held_out_places: labels that are held out.
    """

    reader: WindowReader
    train: Sequence[Window]
    held_out: Sequence[Window]
    train_places: PlacesOf
    held_out_places: PlacesOf


@dataclass(frozen=True, eq=False)
class ReadPatches(Patches):
    """Windows of a sensor that are read from its files whenever they are asked for.

    Attributes:
        reader: the sensor.
        windows: all of one size.
        size: their rows and columns.
    """

    reader: WindowReader
    windows: tuple[Window, ...]
    size: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Windows, bands, rows and columns."""
        return len(self.windows), len(self.reader.bands), *self.size

    @property
    def held(self) -> None:
        """They are on disk."""
        return None

    def take(self, index: IntArray) -> FloatArray:
        """Read from the files."""
        out = np.empty((len(index), *self.shape[1:]), np.float32)
        for place, one in enumerate(index.tolist()):
            out[place] = self.reader.read(self.windows[one])
        return out

    def chosen(self, index: IntArray) -> ReadPatches:
        """Read later."""
        return ReadPatches(self.reader, tuple(self.windows[one] for one in index.tolist()), self.size)

    def cropped(self, margin: int) -> Patches:
        """Windows have no pixel in their middle.

        Raises:
            ValueError: Always.
        """
        raise ValueError("windows are not patches around pixels: they are not cropped")

    def derived(self, function: LocalFunction) -> Patches:
        """Windows are not kept in other forms.

        Raises:
            ValueError: Always.
        """
        raise ValueError("windows are read from files: nothing derived of them is kept")

    def tell(self, update: Tell) -> None:
        """The places, and what is read."""
        update(repr((self.windows, sorted(self.reader.identity().items()))).encode())


def window_side(shapes: Sequence[tuple[int, int]], options: GatherOptions) -> int:
    """Side of the windows that images are cut from at random: twice that of an image, where there is room.

    Args:
        shapes: rows and columns of all scenes or chips.
        options: with the size of tiles.
    """
    image = options.tile + 2 * options.overlap
    largest = max((max(shape) for shape in shapes), default=0)
    return min(2 * image, max(image, largest + 2 * options.overlap))


def windows_around(
    places: PlacesOf,
    shape: tuple[int, int],
    side: int,
    options: GatherOptions,
    part: Window | None = None,
) -> Iterator[Window]:
    """Windows that hold a labelled pixel, so close that any image of a tile's size lies in one of them.

    At the edges they reach a little beyond the grid, as the images of tiles of maps do.

    Args:
        places: the labels.
        shape: rows and columns that the windows should cover.
        side: of the windows.
        options: with the size of tiles.
        part: where these rows and columns lie on the grid; None for its first ones.
    """
    step = side - (options.tile + 2 * options.overlap) + 1
    beyond = [max(0, length + 2 * options.overlap - side) for length in shape]
    rows, cols = (range(0, length + step, step) for length in beyond)
    for row in rows:
        for col in cols:
            window = Window(row, col, side, side).moved(-options.overlap, -options.overlap)
            if part is not None:
                window = window.moved(part.row, part.col)
            if (places(window) != NO_LABEL).any():
                yield window


def tiles_with(pixels: LabelledPixels, options: GatherOptions) -> list[Window]:
    """Images of the tiles of a map that hold a pixel: at most `MAX_HELD_OUT`, spread evenly."""
    tiles = np.unique(pixels.position // options.tile, axis=0)
    chosen = tiles[np.linspace(0, len(tiles) - 1, min(len(tiles), MAX_HELD_OUT)).round().astype(int)]
    return [
        Window(row * options.tile, col * options.tile, options.tile, options.tile).padded(options.overlap)
        for row, col in chosen.tolist()
    ]


def marked(groups: Sequence[Pixels]) -> LabelledPixels:
    """The labelled pixels of groups; the label of each is its place in the legend plus 1."""
    position = np.concatenate([group.position for group in groups])
    index = np.concatenate([cast(IntArray, group.index) for group in groups])
    return LabelledPixels.of(position, (index + 1).astype(np.uint8))


def places_of(pixels: LabelledPixels, core: int = 0) -> PlacesOf:
    """The labels of pixels whose `label` is the place in the legend plus 1.

    Args:
        pixels: with labels.
        core: pixels at each edge of a window that are left out.
    """

    def places(window: Window) -> ClassArray:
        out = np.full((window.height, window.width), NO_LABEL, np.uint8)
        inner = window.padded(-core)
        found = pixels.within(inner)
        out[inner.seen_from(window).slices] = np.where(found > 0, found - 1, NO_LABEL)
        return out

    return places


def gather_windows(sources: Sequence[WindowSource], options: GatherOptions, dense: bool) -> TrainingWindows:
    """The windows of all sources, in memory where they fit into `options.memory`, else read when needed.

    Args:
        sources: scenes, or chips.
        options: with the size of tiles.
        dense: whether the labels are all that there are, and not some drawn class by class.

    Raises:
        RasterError, LabelError: A file cannot be read.
    """
    needed = sum(
        4 * len(one.reader.bands) * window.height * window.width
        for one in sources
        for window in (*one.train, *one.held_out)
    )
    held = needed <= options.memory * 2**30 and _COPIES * needed <= least().free
    return TrainingWindows(
        _joined([(one.reader, one.train, one.train_places) for one in sources], held),
        _joined([(one.reader, one.held_out, one.held_out_places) for one in sources], held),
        dense,
    )


def _joined(
    parts: Sequence[tuple[WindowReader, Sequence[Window], PlacesOf]], held: bool
) -> LabelledWindows | None:
    """The windows of several readers; None where there are none."""
    filled = [part for part in parts if part[1]]
    if not filled:
        return None
    size = (filled[0][1][0].height, filled[0][1][0].width)
    patches: list[Patches] = [ReadPatches(reader, tuple(windows), size) for reader, windows, _ in filled]
    if held:
        patches = [HeldPatches(one.take(np.arange(len(one)))) for one in patches]
    places = [np.stack([of(window) for window in windows]) for _, windows, of in filled]
    return LabelledWindows(joined_patches(patches), np.concatenate(places))
