"""The values that parts hand each other: no files, no tensors, nothing that changes."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from geo_xmodal.kinds import Kind as Kind
from geo_xmodal.patches import FloatArray as FloatArray
from geo_xmodal.patches import IntArray as IntArray
from geo_xmodal.patches import Patches, joined_patches

Transform = Literal["identity", "log", "asinh"]
"""Band-wise map to a scale on which differences mean the same everywhere (`BandStatistics`)."""

MAX_NAME = 200
"""Letters of the name of a class: in scenes, and in models trained on them."""

MAX_SENSOR = 500
"""Letters of the text that says which sensor a modality is, likewise."""

MAX_UNIT = 100
"""Letters of the unit of a band; a file may say anything."""

ClassArray = npt.NDArray[np.uint8]


class Progress(Protocol):
    """Told how far long work has come; may raise `KeyboardInterrupt` to stop it."""

    def __call__(self, done: int, total: int, message: str) -> None:
        """Report `done` of `total` steps; both are 0 while the steps cannot be counted yet."""


@dataclass(frozen=True, order=True)
class Window:
    """A rectangle of whole pixels on a grid; may reach beyond the grid's edge."""

    row: int
    col: int
    height: int
    width: int

    def padded(self, margin: int) -> Window:
        """The window with `margin` pixels more on every side."""
        return Window(self.row - margin, self.col - margin, self.height + 2 * margin, self.width + 2 * margin)

    def moved(self, rows: int, cols: int) -> Window:
        """The window so many rows further down and columns to the right."""
        return Window(self.row + rows, self.col + cols, self.height, self.width)

    def common(self, other: Window) -> Window | None:
        """What both windows hold, or None."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        height = min(self.row + self.height, other.row + other.height) - row
        width = min(self.col + self.width, other.col + other.width) - col
        return Window(row, col, height, width) if height > 0 and width > 0 else None

    def seen_from(self, other: Window) -> Window:
        """The same pixels, counted from the first of `other`."""
        return Window(self.row - other.row, self.col - other.col, self.height, self.width)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices (meaningful inside the grid only)."""
        return slice(self.row, self.row + self.height), slice(self.col, self.col + self.width)


def windows_over(height: int, width: int, size: int) -> Iterator[Window]:
    """Windows of `size` x `size` pixels (smaller at the far edges) that tile a grid row by row."""
    for row in range(0, height, size):
        for col in range(0, width, size):
            yield Window(row, col, min(size, height - row), min(size, width - col))


def lattice(shape: tuple[int, int], per_side: int = 4, side: int = 64) -> Iterator[Window]:
    """Windows of at most `side` pixels a side, spread evenly over a grid: a sample of it to look at.

    Where there is room they begin at multiples of their side, so that each lies in one tile of most files.
    """
    rows, cols = (np.linspace(0, length, per_side + 1).astype(int).tolist() for length in shape)
    for top, bottom in itertools.pairwise(rows):
        for left, right in itertools.pairwise(cols):
            height, width = min(bottom - top, side), min(right - left, side)
            if height and width:
                row, col = (top + bottom - height) // 2, (left + right - width) // 2
                yield Window(max(top, row - row % height), max(left, col - col % width), height, width)


@dataclass(frozen=True)
class LandClass:
    """One class of the legend: id 1..255 in maps, a name, and a colour `#rrggbb`."""

    id: int
    name: str
    color: str

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0-255."""
        red, green, blue = bytes.fromhex(self.color[1:])
        return red, green, blue


@dataclass(frozen=True)
class BandStatistics:
    """How a modality's raw bands become network input; from training pixels only.

    For band b: t = transform(clip(x, low, high)), input = (t - mean) / std, where transform is
    `identity`: t = x;  `log`: t = ln(max(x, scale)), scale > 0;  `asinh`: t = asinh(x / scale), scale > 0.
    All tuples have one entry a band.
    """

    bands: tuple[str, ...]
    transform: tuple[Transform, ...]
    scale: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class ModalitySummary:
    """A modality as a model sees it.

    Attributes:
        name: In the scene.
        kind: What it measures.
        sensor: In words.
        statistics: Of its bands.
        unit: Of its values, where the files or the kind tell.
        scaled: Whether its files had scale and offset tags, which were applied.
    """

    name: str
    kind: Kind
    sensor: str
    statistics: BandStatistics
    unit: str = ""
    scaled: bool = False

    @property
    def bands(self) -> int:
        """Number of bands."""
        return len(self.statistics.bands)


@dataclass(frozen=True)
class PixelGroup:
    """Pixels with what is known of them: raw values (not yet standardised), NaN where a sensor has no data.

    Attributes:
        position: (n, 2) int64, row and column on the scene's reference grid; of points, of the first pixel
            of their place.
        target: (n, band, 2m + 1, 2m + 1), the target sensor's patch around each pixel.
        auxiliary: (n, band, 2q + 1, 2q + 1), the training-only sensor's patch, or None.
        label: (n,) int64, index into `TrainingData.classes` (not the class id), or None.
    """

    position: IntArray
    target: Patches
    auxiliary: Patches | None = None
    label: IntArray | None = None

    def __len__(self) -> int:
        return len(self.position)

    def take(self, index: IntArray) -> PixelGroup:
        """The pixels at `index`, in that order."""
        return PixelGroup(
            self.position[index],
            self.target.chosen(index),
            None if self.auxiliary is None else self.auxiliary.chosen(index),
            None if self.label is None else self.label[index],
        )

    def cropped(self, margin: int, auxiliary_margin: int) -> PixelGroup:
        """The same pixels with smaller patches."""
        auxiliary = None if self.auxiliary is None else self.auxiliary.cropped(auxiliary_margin)
        return dataclasses.replace(self, target=self.target.cropped(margin), auxiliary=auxiliary)

    def without_auxiliary(self) -> PixelGroup:
        """The same pixels as the target sensor alone knows them."""
        return dataclasses.replace(self, auxiliary=None)


NO_LABEL = 255
"""Place in the legend that stands for no label, in `LabelledWindows`; a legend has at most 255 classes."""


@dataclass(frozen=True)
class LabelledWindows:
    """Windows of the target sensor, some pixels of which have a label.

    Attributes:
        target: (n, band, row, col) raw values, NaN where there is no data.
        label: (n, row, col) place in `TrainingData.classes`, `NO_LABEL` without a label.
    """

    target: Patches
    label: ClassArray

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True)
class TrainingWindows:
    """Windows for networks that learn from images.

    Attributes:
        train: With the labels of the labelled groups, or None where there are none.
        held_out: With those of `validation`, or some of them: images of tiles as a map has them.
        dense: Whether the labels are all that there are, and not some drawn class by class.
    """

    train: LabelledWindows | None
    held_out: LabelledWindows | None
    dense: bool


@dataclass(frozen=True)
class TrainingData:
    """The four groups of training data, and labelled pixels held out of them in blocks for validation.

    The two groups of pairs have `auxiliary` filled, the two target-only groups have `auxiliary` None;
    the labelled groups and `validation` have `label`. Any group may be empty. `windows` is there where a
    method learns from images.
    """

    classes: tuple[LandClass, ...]
    target: ModalitySummary
    auxiliary: ModalitySummary | None
    labelled_pairs: PixelGroup
    labelled_target: PixelGroup
    unlabelled_pairs: PixelGroup
    unlabelled_target: PixelGroup
    validation: PixelGroup
    margin: int
    auxiliary_margin: int = 0
    notes: Mapping[str, Any] = field(default_factory=dict)
    windows: TrainingWindows | None = None

    @property
    def unlabelled(self) -> int:
        """Number of unlabelled pixels, seen by both sensors or by the target alone."""
        return len(self.unlabelled_pairs) + len(self.unlabelled_target)

    @property
    def pairs(self) -> int:
        """Number of pixels that have both sensors."""
        return len(self.labelled_pairs) + len(self.unlabelled_pairs)

    def cropped(self, margin: int, auxiliary_margin: int) -> TrainingData:
        """The same pixels for a method that looks less far."""
        if (margin, auxiliary_margin) == (self.margin, self.auxiliary_margin):
            return self
        groups = ("labelled_pairs", "labelled_target", "unlabelled_pairs", "unlabelled_target", "validation")
        smaller = {name: getattr(self, name).cropped(margin, auxiliary_margin) for name in groups}
        return dataclasses.replace(self, margin=margin, auxiliary_margin=auxiliary_margin, **smaller)

    def without_auxiliary(self) -> TrainingData:
        """The same pixels for a control: pairs become target-only pixels, in the same order."""
        return dataclasses.replace(
            self,
            auxiliary=None,
            labelled_pairs=self.labelled_pairs.take(np.empty(0, np.int64)),
            labelled_target=join_groups([self.labelled_pairs.without_auxiliary(), self.labelled_target]),
            unlabelled_pairs=self.unlabelled_pairs.take(np.empty(0, np.int64)),
            unlabelled_target=join_groups(
                [self.unlabelled_pairs.without_auxiliary(), self.unlabelled_target]
            ),
        )


def join_groups(groups: Sequence[PixelGroup]) -> PixelGroup:
    """Pixels of several groups as one, in their order; auxiliary patches and labels where all have them.

    Raises:
        ValueError: There is no group.
    """
    if not groups:
        raise ValueError("no group of pixels to join")
    filled = [group for group in groups if len(group)]
    filled = filled or sorted(groups, key=lambda group: group.auxiliary is None)[:1]
    if len(filled) == 1:
        return filled[0]
    auxiliaries = [group.auxiliary for group in filled if group.auxiliary is not None]
    labels = [group.label for group in filled if group.label is not None]
    return PixelGroup(
        np.concatenate([group.position for group in filled]),
        joined_patches([group.target for group in filled]),
        joined_patches(auxiliaries) if len(auxiliaries) == len(filled) else None,
        np.concatenate(labels) if len(labels) == len(filled) else None,
    )
