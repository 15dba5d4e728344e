"""Reference labels: scarce training pixels in small clumps, and dense test polygons apart from them."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from geo_xmodal.simulate.noise import Ints, uniform
from geo_xmodal.types import ClassArray, Window, windows_over

GAP = 8
"""Least distance in pixels between test pixels and the strip that holds the training pixels."""

BINS = 256
"""How finely polygons are ranked."""

_CLUMP = 6  # pixels: a clump is a disc of up to 5 x 5 in a cell of this size

ReadClasses = Callable[[Window], ClassArray]


def scaled_counts(counts: Sequence[int], share: float, least: int) -> tuple[int, ...]:
    """Published training counts scaled to a scene that is `share` of the published one, `least` or more."""
    return tuple(max(round(count * share), least) for count in counts)


@dataclass(frozen=True)
class TrainingPixels:
    """Positions (n, 2) of training pixels, row and column, and their class ids (n,)."""

    position: Ints
    label: ClassArray


def choose_training(
    read: ReadClasses, strip: Window, class_ids: Sequence[int], counts: Sequence[int], seed: int
) -> TrainingPixels:
    """Clumps of a few pixels, as digitised by hand, spread over `strip` until each class has its count.

    Memory is bounded by the counts, not by the strip.

    Args:
        read: Class ids of a window, 0 where the legend has none.
        strip: Where training pixels may lie.
        class_ids: The legend.
        counts: Training pixels wanted of each class; fewer where the strip has fewer.
        seed: Of the draw.
    """
    best: dict[int, list[tuple[float, int, int]]] = {class_id: [] for class_id in class_ids}
    room = dict(zip(class_ids, counts, strict=True))
    for cells, priority, center in _candidates(read, strip, seed):
        for (row, col), rank, class_id in zip(cells, priority, center, strict=True):
            if class_id not in best:
                continue
            heap = best[class_id]
            if len(heap) < room[class_id]:
                heapq.heappush(heap, (-rank, int(row), int(col)))
            elif -rank > heap[0][0]:
                heapq.heapreplace(heap, (-rank, int(row), int(col)))
    positions, labels = [np.empty((0, 2), np.int64)], [np.empty(0, np.uint8)]
    for class_id, heap in best.items():
        taken = 0
        for _, row, col in sorted(heap, reverse=True):
            clump = _clump(read, row, col, class_id, seed)[: room[class_id] - taken]
            positions.append(clump)
            labels.append(np.full(len(clump), class_id, np.uint8))
            taken += len(clump)
            if taken == room[class_id]:
                break
    return TrainingPixels(np.concatenate(positions), np.concatenate(labels))


def _candidates(
    read: ReadClasses, strip: Window, seed: int
) -> Iterator[tuple[Ints, npt.NDArray[np.float64], list[int]]]:
    """Centres of possible clumps, their rank and class: one for each cell of a lattice in the strip."""
    for part in windows_over(strip.height // _CLUMP, strip.width // _CLUMP, 64):
        rows, cols = np.meshgrid(
            np.arange(part.row, part.row + part.height) * _CLUMP + strip.row + 2,
            np.arange(part.col, part.col + part.width) * _CLUMP + strip.col + 2,
            indexing="ij",
        )
        top, left = int(rows.min()), int(cols.min())
        classes = read(Window(top, left, int(rows.max()) - top + 1, int(cols.max()) - left + 1))
        centers = np.stack([rows.ravel(), cols.ravel()], axis=1)
        rank = uniform(seed, 160, centers[:, 0], centers[:, 1])
        yield centers, rank, classes[centers[:, 0] - top, centers[:, 1] - left].tolist()


def _clump(read: ReadClasses, row: int, col: int, class_id: int, seed: int) -> Ints:
    """Positions of the pixels of one clump, of the class of its centre, centre first."""
    offsets = np.mgrid[-2:3, -2:3].reshape(2, -1).T
    squared = (offsets**2).sum(axis=1)
    largest = (1, 2, 4)[int(3 * uniform(seed, 161, row, col)[0])]
    offsets = offsets[np.argsort(squared, kind="stable")][: int((squared <= largest).sum())]
    classes = read(Window(row - 2, col - 2, 5, 5))
    same = classes[offsets[:, 0] + 2, offsets[:, 1] + 2] == class_id
    return np.asarray(offsets[same] + (row, col))


@dataclass
class LabelledPolygons:
    """Which polygons of a test area are labelled, so that classes have the shares wanted.

    Count every window of the area, `settle`, then ask `keep`.

    Attributes:
        share: Share of all pixels of the area that is labelled, at most.
        weights: Share of each class among the labelled pixels.
    """

    share: float
    weights: dict[int, float]
    _counts: Ints = field(default_factory=lambda: np.zeros((256, BINS), np.int64))
    _total: int = 0
    _cut: Ints = field(default_factory=lambda: np.zeros(256, np.int64))

    def count(self, classes: ClassArray, rank: ClassArray) -> None:
        """Add a window: class ids, and the rank of the polygon of each pixel."""
        self._total += classes.size
        flat = classes.astype(np.int64).ravel() * BINS + rank.ravel()
        self._counts += np.bincount(flat, minlength=256 * BINS).reshape(256, BINS)

    def settle(self) -> None:
        """Choose, for each class, how many ranks of polygons are labelled."""
        for class_id, weight in self.weights.items():
            labelled = np.concatenate([[0], np.cumsum(self._counts[class_id])])
            self._cut[class_id] = int(np.argmin(np.abs(labelled - weight * self.share * self._total)))

    def keep(self, classes: ClassArray, rank: ClassArray) -> ClassArray:
        """Class ids where the polygon of a pixel is labelled, 0 elsewhere."""
        return np.where(rank < self._cut[classes], classes, 0).astype(np.uint8)
