"""Patches around chosen pixels: files are read in blocks, each once, and only where there are such pixels."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from geo_xmodal.memory import threads_asked
from geo_xmodal.raster import WindowReader, kept_open
from geo_xmodal.types import FloatArray, IntArray, Progress, Window

_BLOCK = 256
"""Sides of blocks are multiples of it, as those of most tiled files are."""

_BLOCK_VALUES = 2**24
"""Values held for one block (64 MB as float32)."""

_MAX_THREADS = 4
"""Threads that read at a time: each holds a block, and what it is warped from."""


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
    blocks = list(blocks_with(positions, block_side(bands)))
    done, telling, ended = 0, threading.Lock(), threading.Event()

    @kept_open()
    def read(part: list[tuple[Window, IntArray]]) -> None:
        nonlocal done
        for window, members in part:
            if ended.is_set():
                return
            block = reader.read(window, margin)
            rows, cols = (positions[members] - (window.row, window.col)).T
            views = np.lib.stride_tricks.sliding_window_view(block, (side, side), axis=(1, 2))
            out[members] = views[:, rows, cols].transpose(1, 0, 2, 3)
            with telling:
                done += len(members)
                if progress is not None:
                    progress(done, len(positions), f"reading patches of {Path(reader.name).name}")

    threads = min(threads_asked(), len(blocks), _MAX_THREADS)
    if threads < 2:
        read(blocks)
        return out
    with ThreadPoolExecutor(threads, thread_name_prefix="patches") as pool:
        # neighbours share decoded blocks of a file: each thread reads a part of the scene
        bounds = np.linspace(0, len(blocks), threads + 1).astype(int)
        try:
            list(pool.map(read, (blocks[low:high] for low, high in itertools.pairwise(bounds))))
        finally:
            ended.set()  # where one thread fails, or somebody stops it, the others end, too
    return out
