"""Patches around chosen pixels: files are read in blocks, each once, and only where there are such pixels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from geo_xmodal.raster import WindowReader
from geo_xmodal.types import FloatArray, IntArray, Progress, Window

_BLOCK = 256
"""Sides of blocks are multiples of it, as those of most tiled files are."""

_BLOCK_VALUES = 2**24
"""Values held for one block (64 MB as float32)."""


def block_side(bands: int) -> int:
    """Side in pixels of the blocks that a scene of `bands` bands is read in."""
    return _BLOCK * max(1, int((_BLOCK_VALUES / bands) ** 0.5) // _BLOCK)


def blocks_with(positions: IntArray, side: int) -> Iterator[tuple[Window, IntArray]]:
    """The smallest window around the pixels of each block of `side` pixels, and the indices of these pixels.

    Args:
        positions: (n, 2) row and column.
        side: Side of a block.
    """
    if not len(positions):
        return
    _, block = np.unique(positions // side, axis=0, return_inverse=True)
    order = np.argsort(block.reshape(-1), kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(block.reshape(-1)[order])) + 1):
        row, col = positions[members].min(axis=0)
        height, width = positions[members].max(axis=0) - (row, col) + 1
        yield Window(int(row), int(col), int(height), int(width)), members


def read_patches(
    reader: WindowReader, positions: IntArray, margin: int, progress: Progress | None = None
) -> FloatArray:
    """The patch of side 2 margin + 1 around every pixel, raw values, NaN where there is no data.

    Args:
        reader: Of one modality.
        positions: (n, 2) row and column.
        margin: Patch radius in pixels.
        progress: Told after every block.

    Returns:
        (n, band, 2 margin + 1, 2 margin + 1), in the order of `positions`.
    """
    side = 2 * margin + 1
    bands = len(reader.bands)
    out = np.empty((len(positions), bands, side, side), np.float32)
    done = 0
    for window, members in blocks_with(positions, block_side(bands)):
        block = reader.read(window, margin)
        rows, cols = (positions[members] - (window.row, window.col)).T
        views = np.lib.stride_tricks.sliding_window_view(block, (side, side), axis=(1, 2))
        out[members] = views[:, rows, cols].transpose(1, 0, 2, 3)
        done += len(members)
        if progress is not None:
            progress(done, len(positions), f"reading patches of {Path(reader.name).name}")
    return out
