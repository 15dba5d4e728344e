"""Pairs of pixels of a scene that no test pixel has touched, in blocks that share nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from numpy.lib.stride_tricks import sliding_window_view

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.networks.standardize import Standardize
from geo_xmodal.raster import Assumption, WindowReader, checked_values, kept_open
from geo_xmodal.samples import band_statistics, block_side, blocks_with, drawn, read_patches, unlabelled_pools
from geo_xmodal.scenes import Scene, labelled_pixels
from geo_xmodal.selection import near
from geo_xmodal.types import BandStatistics, IntArray, Progress

FloatArray = npt.NDArray[np.float64]

SIDES = (1, 3, 7, 15)
"""Windows (pixels) in which the second sensor is summarised."""

BLOCK_SIDES = (256, 128, 64, 48, 32, 24, 16, 12, 8)
"""Block sizes (pixels) tried when none is asked for, largest first: more than neighbours are alike."""

ENOUGH_BLOCKS = 20
ENOUGH_SAMPLES = 500
"""What folds, intervals and nulls should have; the first layout that has it is taken."""

MIN_BLOCKS = 8
MIN_SAMPLES = 100
"""What they cannot do without."""

MAX_WINDOWS = 64
"""Windows of a scene that are read: more pixels, of larger scenes, take long and tell little more."""

_NONE: IntArray = np.empty((0, 2), np.int64)
_SPARE = 10
"""Times the samples that are looked at, because many lie too near to test pixels or edges of blocks."""


@dataclass(frozen=True)
class Layout:
    """Square blocks whose inner pixels alone are used, so that no window crosses from one into another.

    Attributes:
        side: of a block in pixels.
        reach: radius of the widest window in pixels.
        test: (n, 2) pixels that no window may hold.
    """

    side: int
    reach: int
    test: IntArray

    def keeps(self, positions: IntArray) -> npt.NDArray[np.bool_]:
        """Which pixels (n, 2) may be used."""
        place = positions % self.side
        inside: npt.NDArray[np.bool_] = np.all(
            (place >= self.reach) & (place < self.side - self.reach), axis=1
        )
        return inside & ~near(self.test, positions, self.reach)

    def blocks(self, positions: IntArray) -> IntArray:
        """Block ids (n,)."""
        ids = np.unique(positions // self.side, axis=0, return_inverse=True)[1]
        return np.asarray(ids.reshape(-1), np.int64)


@dataclass(frozen=True)
class Pair:
    """Two sensors of a scene and the pixels by which they are compared.

    Attributes:
        first: name of the sensor that is read at the pixel.
        second: name of the sensor that is read at the pixel and in windows around it.
        readers: of both.
        statistics: of both, over `positions`: clipping and transform of each band.
        layout: which pixels may be used.
        positions: (n, 2) pixels where both have data.
        values: (n, bands) of the first sensor there.
        seen: pixels that `positions` were chosen from.
        assumptions: what was taken for granted about the sensors' files.
    """

    first: str
    second: str
    readers: tuple[WindowReader, WindowReader]
    statistics: tuple[BandStatistics, BandStatistics]
    layout: Layout
    positions: IntArray
    values: npt.NDArray[np.float32]
    seen: int
    assumptions: tuple[Assumption, ...] = ()

    @property
    def sides(self) -> tuple[int, ...]:
        """Windows that the layout has room for."""
        return tuple(side for side in SIDES if side // 2 <= self.layout.reach)

    def views(self, positions: IntArray, sides: tuple[int, ...]) -> tuple[FloatArray, dict[int, FloatArray]]:
        """The first sensor at pixels (n, 2), (n, bands), and the second in windows of these sides."""
        if positions is self.positions:  # read already
            first = _standardised(self.values.T[:, :, None], self.statistics[0])[:, :, 0].T.astype(np.float64)
        else:
            first = window_features(self.readers[0], self.statistics[0], positions, (1,))[1]
        return first, window_features(self.readers[1], self.statistics[1], positions, sides)


@kept_open()
def pair_of(
    scene: Scene,
    first: str,
    second: str,
    *,
    samples: int,
    block: int | None,
    seed: int,
    progress: Progress | None,
) -> Pair:
    """Choose the pixels: as many windows as leave enough blocks and samples, in blocks as large as they can.

    Raises:
        SceneError: no such modality.
        TrainingDataError: too few pixels have both sensors away from test pixels.
    """
    readers = scene.reader(first), scene.reader(second)
    assumptions = tuple(one for reader in readers for one in checked_values(reader))
    test = labelled_pixels(scene, "test").position if scene.has_labels("test") else _NONE
    pool = unlabelled_pools(
        readers[1], readers[0], _NONE, test, 0, _SPARE * samples, 0, seed, progress, MAX_WINDOWS
    ).pairs
    layout = _layout(pool, test, block)
    if layout is None:
        asked = "" if block is None else f" in blocks of {block} pixels"
        raise TrainingDataError(
            f"{scene.folder}: {len(pool)} pixels have both {first} and {second} and are no test pixels, too "
            f"few for {MIN_BLOCKS} separate blocks with {MIN_SAMPLES} pixels{asked}; check that the "
            "files overlap and have values in every band, or use smaller blocks"
        )
    positions = pool[layout.keeps(pool)]
    positions = positions[np.sort(drawn(positions, samples, seed))]
    values = [read_patches(reader, positions, 0, progress)[:, :, 0, 0] for reader in readers]
    statistics = [
        band_statistics(there, reader.band_names, scene.modality(name).kind)
        for name, reader, there in zip((first, second), readers, values, strict=True)
    ]
    return Pair(
        first,
        second,
        readers,
        (statistics[0], statistics[1]),
        layout,
        positions,
        values[0],
        len(pool),
        assumptions,
    )


@kept_open()
def window_features(
    reader: WindowReader, statistics: BandStatistics, positions: IntArray, sides: tuple[int, ...]
) -> dict[int, FloatArray]:
    """A sensor around pixels: its values (side 1), or mean and standard deviation of each band in a window.

    Values are clipped, transformed and standardised first (radar power by its logarithm). Pixels without
    data do not count.

    Args:
        reader: of the sensor.
        statistics: of its bands.
        positions: (n, 2) pixels that have data.
        sides: of the windows, odd.

    Returns:
        For each side (n, bands) or (n, 2 bands).
    """
    bands, reach = len(reader.bands), max(sides) // 2
    out = {side: np.empty((len(positions), bands * (1 if side == 1 else 2))) for side in sides}
    for window, members in blocks_with(positions, block_side(bands)):
        raw = reader.read(window, reach)
        values = _standardised(raw, statistics)
        rows, cols = (positions[members] - (window.row - reach, window.col - reach)).T
        for band, (one, there) in enumerate(zip(values, np.isfinite(raw), strict=True)):
            for side in sides:
                if side == 1:
                    out[1][members, band] = one[rows, cols]
                else:
                    mean, deviation = _moments(one, there, side, (rows, cols))
                    out[side][members, band] = mean
                    out[side][members, bands + band] = deviation
    return out


def _standardised(raw: npt.NDArray[np.float32], statistics: BandStatistics) -> npt.NDArray[np.float32]:
    """(band, row, col) as a model takes them."""
    with torch.no_grad():
        standardised: npt.NDArray[np.float32] = Standardize(statistics)(
            torch.from_numpy(np.ascontiguousarray(raw))[None]
        )[0].numpy()
    return standardised


def _moments(
    values: npt.NDArray[np.float32], there: npt.NDArray[np.bool_], side: int, at: tuple[IntArray, IntArray]
) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of the values that are there, in windows around pixels of a block.

    Window by window: running sums over the block would carry the rounding of pixels outside the window.
    """
    rows, cols = (index - side // 2 for index in at)
    patches, present = (
        sliding_window_view(z, (side, side))[rows, cols].astype(np.float64) for z in (values, there)
    )
    count = present.sum(axis=(1, 2))
    mean = (patches * present).sum(axis=(1, 2)) / count
    squares = (patches - mean[:, None, None]) ** 2 * present
    return mean, np.sqrt(squares.sum(axis=(1, 2)) / count)


def _layout(pool: IntArray, test: IntArray, block: int | None) -> Layout | None:
    sides = BLOCK_SIDES if block is None else (block,)
    spare: Layout | None = None
    for window in reversed(SIDES):
        free = pool[~near(test, pool, window // 2)]
        for side in (one for one in sides if one > 2 * (window // 2)):
            layout = Layout(side, window // 2, test)
            kept = free[Layout(side, window // 2, _NONE).keeps(free)]
            blocks = len(np.unique(kept // side, axis=0))
            if blocks >= ENOUGH_BLOCKS and len(kept) >= ENOUGH_SAMPLES:
                return layout
            if spare is None and blocks >= MIN_BLOCKS and len(kept) >= MIN_SAMPLES:
                spare = layout
    return spare
