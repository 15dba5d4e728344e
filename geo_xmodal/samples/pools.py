"""Where the sensors have data, and random pools of unlabelled pixels, of a scene of any size.

What is kept in memory is bounded by the pixels asked for, and which pixels a pool holds depends on their
positions and the seed alone, not on how the scene was cut.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from geo_xmodal.raster import WindowReader
from geo_xmodal.samples.patches import block_side, blocks_with
from geo_xmodal.scenes import LabelledPixels
from geo_xmodal.types import IntArray, Progress, Window, windows_over

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Availability:
    """Where a modality has data: a pixel has it where every band has a value.

    Attributes:
        pixels: (n,) one entry for every pixel asked about.
        bands: (band,) whether the band has a value at any pixel that was read.
    """

    pixels: BoolArray
    bands: BoolArray


@dataclass(frozen=True)
class UnlabelledPools:
    """Positions (n, 2) of unlabelled pixels in row-major order.

    Attributes:
        pairs: With both sensors.
        target: With the target sensor only.
        free: How many pixels they were drawn from: all that train no class.
        excluded: Share of those whose patch would hold a held-out pixel.
    """

    pairs: IntArray
    target: IntArray
    free: int
    excluded: float


def availability(reader: WindowReader, positions: IntArray, progress: Progress | None = None) -> Availability:
    """Which of the pixels (n, 2) a modality has data for."""
    pixels = np.zeros(len(positions), bool)
    blocks = list(blocks_with(positions, block_side(len(reader.bands))))
    done = 0
    for window, members in blocks:
        rows, cols = (positions[members] - (window.row, window.col)).T
        pixels[members] = reader.valid(window)[rows, cols]
        done += len(members)
        if progress is not None:
            progress(done, len(positions), f"looking for data in {Path(reader.name).name}")
    if pixels.any():  # every band has a value there
        return Availability(pixels, np.ones(len(reader.bands), bool))
    bands = np.zeros(len(reader.bands), bool)
    for window, _ in blocks:
        bands |= np.isfinite(reader.read(window)).any(axis=(1, 2))
    return Availability(pixels, bands)


def unlabelled_pools(
    target: WindowReader,
    auxiliary: WindowReader | None,
    labelled: IntArray,
    held_out: IntArray,
    reach: int,
    pairs_size: int,
    alone_size: int,
    seed: int,
    progress: Progress | None = None,
    max_windows: int | None = None,
) -> UnlabelledPools:
    """Draw unlabelled pixels uniformly from the whole grid, or from windows drawn at random.

    Args:
        target: The target modality, whose grid is drawn from.
        auxiliary: The modality that only training has, or None.
        labelled: (n, 2) pixels that are left out themselves.
        held_out: (n, 2) pixels that no patch may contain.
        reach: Patch radius in pixels.
        pairs_size: Most pixels with both sensors.
        alone_size: Most pixels with the target sensor only.
        seed: The same seed draws the same pixels.
        progress: Told after every block.
        max_windows: Windows that are read at most of those that hold pairs, for scenes that would take long
            to read whole; None reads all.
    """
    pairs, alone = PixelPool(pairs_size, seed), PixelPool(alone_size, seed)
    own, others = _marks(labelled), _marks(held_out)
    bands = len(target.bands) + (0 if auxiliary is None else len(auxiliary.bands))
    height, width = target.grid.shape
    windows = list(windows_over(height, width, block_side(bands))) if pairs_size or alone_size else []
    if max_windows is not None and len(windows) > max_windows:
        corners = np.array([(window.row, window.col) for window in windows])
        windows = [windows[index] for index in np.argsort(position_keys(corners, seed))]
    unlabelled = excluded = with_pairs = 0
    for done, window in enumerate(windows, start=1):
        free = own.within(window) == 0
        near = _dilated(others, window, reach)
        unlabelled += int(free.sum())
        excluded += int((free & near).sum())
        free &= ~near
        if free.any():
            free &= target.valid(window)
        if free.any():
            both = free & auxiliary.valid(window) if auxiliary is not None else np.zeros_like(free)
            pairs.add(_positions(both, window))
            alone.add(_positions(free & ~both, window))
            with_pairs += bool(both.any())
        if progress is not None:
            # how far depends on how many windows are found to hold pairs
            share = max(done / len(windows), 0 if max_windows is None else with_pairs / max_windows)
            progress(int(share * len(windows)), len(windows), "looking for unlabelled pixels")
        if with_pairs == max_windows:
            break
    return UnlabelledPools(pairs.positions, alone.positions, unlabelled, excluded / max(unlabelled, 1))


def test_pool(
    target: WindowReader,
    test: IntArray,
    held_out: IntArray,
    reach: int,
    size: int,
    seed: int,
    progress: Progress | None = None,
) -> UnlabelledPools:
    """Draw test pixels as unlabelled ones, as if none had auxiliary data: the protocol of some papers.

    Args:
        target: The target modality.
        test: (n, 2) test pixels.
        held_out: (n, 2) pixels that no patch may contain.
        reach: Patch radius in pixels.
        size: Most pixels.
        seed: The same seed draws the same pixels.
        progress: Told after every block.
    """
    near = np.zeros(len(test), bool)
    if len(held_out) and len(test):
        from scipy.spatial import cKDTree  # slow to import

        near = cKDTree(held_out).query(test, p=np.inf)[0] <= reach
    free = test[~near]
    pool = PixelPool(size, seed)
    pool.add(free[availability(target, free, progress).pixels])
    return UnlabelledPools(test[:0], pool.positions, len(test), float(near.sum()) / max(len(test), 1))


def _marks(positions: IntArray) -> LabelledPixels:
    return LabelledPixels.of(positions, np.ones(len(positions), np.uint8))


def _dilated(marks: LabelledPixels, window: Window, reach: int) -> BoolArray:
    from scipy.ndimage import maximum_filter  # slow to import

    near = maximum_filter(marks.within(window.padded(reach)), size=2 * reach + 1) > 0
    return np.asarray(near[reach : reach + window.height, reach : reach + window.width])


def _positions(mask: BoolArray, window: Window) -> IntArray:
    rows, cols = np.nonzero(mask)
    return np.stack([rows + window.row, cols + window.col], axis=1)


def position_keys(positions: IntArray, seed: int) -> npt.NDArray[np.uint64]:
    """A pseudo-random number for every pixel, that no other pixel has: splitmix64 of row, column and seed.

    Sebastiano Vigna's finaliser (Steele et al., OOPSLA 2014); a bijection, hence no ties.
    """
    row, col = positions.astype(np.uint64).T
    with np.errstate(over="ignore"):
        z = (row << np.uint64(32)) + col + np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))


class PixelPool:
    """A uniform random sample, without replacement and of bounded size, of all pixels it was shown.

    Attributes:
        shown: How many these were.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.shown = 0
        self._size = size
        self._seed = seed
        self._positions: IntArray = np.empty((0, 2), np.int64)

    def add(self, positions: IntArray) -> None:
        """Show pixels (n, 2); no pixel twice over all calls."""
        self.shown += len(positions)
        pool = np.concatenate([self._positions, positions])
        self._positions = pool[drawn(pool, self._size, self._seed)]

    @property
    def positions(self) -> IntArray:
        """(n, 2) row and column of the sample, in row-major order."""
        return self._positions[np.lexsort((self._positions[:, 1], self._positions[:, 0]))]


def drawn(positions: IntArray, size: int, seed: int) -> IntArray:
    """Indices of at most `size` of the pixels (n, 2): those with the smallest keys."""
    (index,) = drawn_of_scenes([positions], size, [seed])
    return index


def drawn_of_scenes(positions: Sequence[IntArray], size: int, seeds: Sequence[int]) -> list[IntArray]:
    """Indices of at most `size` of the pixels (n, 2) of all scenes together, scene by scene.

    Any set of pixels is as likely as any other, so that a scene has its share of those that there are. Drawn
    from what was drawn in each scene with its seed, it is as if drawn from all of them.
    """
    counts = [len(one) for one in positions]
    if sum(counts) <= size:
        return [np.arange(count) for count in counts]
    keys = [position_keys(one, seed) for one, seed in zip(positions, seeds, strict=True)]
    chosen = np.argpartition(np.concatenate(keys), size)[:size]
    starts = np.cumsum([0, *counts])
    return [chosen[(chosen >= start) & (chosen < end)] - start for start, end in itertools.pairwise(starts)]


def scene_seed(seed: int, number: int) -> int:
    """The seed of a scene's keys, so that places on two grids are drawn apart; the first has the run's."""
    if number == 0:
        return seed
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0])
