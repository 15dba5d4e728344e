"""Patches around pixels, wherever their values lie: what is asked for comes into memory, all need not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Shape = tuple[int, int, int, int]
_AT_ONCE = 64 << 20
"""Bytes of patches that are looked at at a time."""

Tell = Callable[[bytes | memoryview], None]
"""Takes bytes, as the `update` of a digest does."""


@dataclass(frozen=True)
class LocalFunction:
    """What makes a few numbers of each pixel and its neighbours, wherever in an image they lie.

    Attributes:
        word: A fingerprint of what it computes.
        features: How many numbers.
        margin: How far the neighbours reach, in pixels: so many are lost on each side of an image.
        function: (k, row, col, band) float32 to (k, row - 2 margin, col - 2 margin, feature).
    """

    word: str
    features: int
    margin: int
    function: Callable[[FloatArray], FloatArray]

    def __call__(self, images: FloatArray) -> FloatArray:
        """(k, row, col, band) to (k, row - 2 margin, col - 2 margin, feature)."""
        return self.function(images)


class Patches(ABC):
    """A patch for each of n pixels: (n, band, row, col) float32 raw values, NaN where there is no data."""

    @property
    @abstractmethod
    def shape(self) -> Shape:
        """Pixels, bands, and the side of a patch twice."""

    def __len__(self) -> int:
        return self.shape[0]

    @property
    @abstractmethod
    def held(self) -> FloatArray | None:
        """All values, where they lie in memory; None where they do not."""

    @abstractmethod
    def take(self, index: IntArray) -> FloatArray:
        """(len(index), band, row, col), in memory; the order of the axes there is any."""

    @abstractmethod
    def chosen(self, index: IntArray) -> Patches:
        """The patches of the pixels at `index`, in that order."""

    @abstractmethod
    def cropped(self, margin: int) -> Patches:
        """What lies up to `margin` pixels around the middle of each.

        Raises:
            ValueError: They are smaller.
        """

    @abstractmethod
    def derived(self, function: LocalFunction) -> Patches:
        """What `function` makes of the patches, smaller by its margin.

        Raises:
            OSError: Patches on disk get a file more, and the disk is full, say.
            ValueError: The patches are smaller than the neighbourhoods that it looks at.
        """

    @abstractmethod
    def tell(self, update: Tell) -> None:
        """Hand over what the values depend on, for a digest; the pixels' positions may be left to others."""

    def chunk(self, most: int) -> int:
        """How many patches are looked at at a time where all are: at most so many, and some MB."""
        values = self.shape[1] * self.shape[2] * self.shape[3]
        return max(1, min(most, _AT_ONCE // (4 * values)))

    def parts(self, size: int) -> Iterator[FloatArray]:
        """All patches in order, `size` at a time; one part without pixels where there are none."""
        for start in range(0, max(1, len(self)), size):
            yield self.take(np.arange(start, min(start + size, len(self))))


@dataclass(frozen=True, eq=False)
class HeldPatches(Patches):
    """Patches in memory.

    Attributes:
        values: (n, band, row, col) float32.
    """

    values: FloatArray

    @property
    def shape(self) -> Shape:
        """Of the array."""
        n, bands, rows, cols = self.values.shape
        return n, bands, rows, cols

    @property
    def held(self) -> FloatArray:
        """The array."""
        return self.values

    def take(self, index: IntArray) -> FloatArray:
        """A copy of some."""
        return self.values[index]

    def chosen(self, index: IntArray) -> HeldPatches:
        """A copy of some."""
        return HeldPatches(self.values[index])

    def cropped(self, margin: int) -> HeldPatches:
        """A copy of the middles, in memory of its own; the same where nothing is cut."""
        cut = cut_of(self.shape, margin)
        if not cut:
            return self
        rows, cols = (slice(cut, side - cut) for side in self.values.shape[2:])
        return HeldPatches(np.ascontiguousarray(self.values[:, :, rows, cols]))

    def derived(self, function: LocalFunction) -> HeldPatches:
        """At once."""
        cut_of(self.shape, function.margin)
        made = function(np.ascontiguousarray(self.values.transpose(0, 2, 3, 1)))
        return HeldPatches(np.ascontiguousarray(made.transpose(0, 3, 1, 2)))

    def parts(self, size: int) -> Iterator[FloatArray]:
        """Views of the array."""
        for start in range(0, max(1, len(self)), size):
            yield self.values[start : start + size]

    def tell(self, update: Tell) -> None:
        """The values themselves."""
        update(np.ascontiguousarray(self.values).data)


@dataclass(frozen=True)
class AbsentPatches(Patches):
    """Patches of a sensor that saw none of the pixels: NaN.

    Attributes:
        size: Their shape.
    """

    size: Shape

    @property
    def shape(self) -> Shape:
        """As given."""
        return self.size

    @property
    def held(self) -> FloatArray:
        """As many NaN."""
        return np.full(self.size, np.nan, np.float32)

    def take(self, index: IntArray) -> FloatArray:
        """NaN."""
        return np.full((len(index), *self.size[1:]), np.nan, np.float32)

    def chosen(self, index: IntArray) -> AbsentPatches:
        """Fewer."""
        return AbsentPatches((len(index), *self.size[1:]))

    def cropped(self, margin: int) -> AbsentPatches:
        """Smaller."""
        n, bands, side, _ = self.size
        side -= 2 * cut_of(self.size, margin)
        return AbsentPatches((n, bands, side, side))

    def derived(self, function: LocalFunction) -> AbsentPatches:
        """As absent."""
        n, _, side, _ = self.size
        side -= 2 * function.margin
        return AbsentPatches((n, function.features, side, side))

    def tell(self, update: Tell) -> None:
        """How many."""
        update(repr(self.size).encode())


@dataclass(frozen=True, eq=False)
class _JoinedPatches(Patches):
    """Patches of several sources, one after the other; made by `joined_patches`."""

    sources: tuple[Patches, ...]

    @property
    def shape(self) -> Shape:
        """Of all together."""
        return (sum(map(len, self.sources)), *self.sources[0].shape[1:])

    @property
    def held(self) -> None:
        """Not all of them are in memory."""
        return None

    def take(self, index: IntArray) -> FloatArray:
        """From each source what lies there."""
        ends = np.cumsum([len(source) for source in self.sources])
        which = np.searchsorted(ends, index, side="right")
        within = index - np.concatenate([[0], ends[:-1]])[which]
        asked = np.unique(which)
        if len(asked) == 1:
            return self.sources[int(asked[0])].take(within)
        _, bands, rows, cols = self.shape
        across = np.empty((len(index), rows, cols, bands), np.float32)  # as a store gives them
        out: FloatArray = across.transpose(0, 3, 1, 2)
        for one in asked:
            out[which == one] = self.sources[one].take(within[which == one])
        return out

    def chosen(self, index: IntArray) -> Patches:
        """Looked up when they are taken."""
        return _ChosenPatches(self, index)

    def cropped(self, margin: int) -> Patches:
        """Each source by itself."""
        return joined_patches([source.cropped(margin) for source in self.sources])

    def derived(self, function: LocalFunction) -> Patches:
        """Each source by itself."""
        return joined_patches([source.derived(function) for source in self.sources])

    def tell(self, update: Tell) -> None:
        """Each source, and how much of it."""
        for source in self.sources:
            update(str(len(source)).encode())
            source.tell(update)


@dataclass(frozen=True, eq=False)
class _ChosenPatches(Patches):
    """Some of the patches of a source."""

    source: Patches
    index: IntArray

    @property
    def shape(self) -> Shape:
        """As many as were chosen."""
        return (len(self.index), *self.source.shape[1:])

    @property
    def held(self) -> None:
        """The source is not in memory."""
        return None

    def take(self, index: IntArray) -> FloatArray:
        """From where they lie in the source."""
        chosen: IntArray = self.index[index]
        return self.source.take(chosen)

    def chosen(self, index: IntArray) -> Patches:
        """Some of them."""
        return _ChosenPatches(self.source, self.index[index])

    def cropped(self, margin: int) -> Patches:
        """The source's, smaller."""
        return _ChosenPatches(self.source.cropped(margin), self.index)

    def derived(self, function: LocalFunction) -> Patches:
        """The source's."""
        return _ChosenPatches(self.source.derived(function), self.index)

    def tell(self, update: Tell) -> None:
        """The source, and which of it."""
        self.source.tell(update)
        update(np.ascontiguousarray(self.index).data)


def joined_patches(sources: Sequence[Patches]) -> Patches:
    """Patches one after the other: an array where all are in memory, else they stay where they are.

    Args:
        sources: Of as many bands and of the same size; one at least.
    """
    filled = [source for source in sources if len(source)] or list(sources[:1])
    shapes = {source.shape[1:] for source in filled}
    if len(shapes) > 1:
        raise ValueError(f"patches of shapes {sorted(shapes)} cannot be joined")
    if len(filled) == 1:
        return filled[0]
    values = [source.held for source in filled if not isinstance(source, AbsentPatches)]
    if any(one is None for one in values):
        return _JoinedPatches(tuple(filled))
    return HeldPatches(np.concatenate([source.held for source in filled]))


def cut_of(shape: Shape, margin: int) -> int:
    """Pixels to cut on each side of patches.

    Raises:
        ValueError: They are smaller.
    """
    cut = shape[-1] // 2 - margin
    if cut < 0:
        raise ValueError(f"patches of {shape[-1]} pixels a side have no margin of {margin}")
    return cut
