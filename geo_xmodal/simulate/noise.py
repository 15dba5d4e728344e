"""Hashes, smooth noise and Voronoi cells: functions of position and seed alone.

Nothing here keeps state or looks at a neighbouring pixel, so any window of a scene gives the same values
and a scene of any size can be made window by window.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geo_xmodal.types import Window

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint32]
Singles = npt.NDArray[np.float32]

NOISE_BLOCK = 64
"""Side in pixels of the blocks in which sensor noise is drawn (`drawn_in_blocks`)."""


def hashed(*keys: npt.ArrayLike) -> Hashes:
    """Well-mixed 32-bit hash of integer keys, broadcast together."""
    value = np.zeros(1, np.uint32)
    with np.errstate(over="ignore"):
        for key in keys:
            # int64 first: negative lattice indices wrap instead of overflowing
            value = value ^ np.asarray(key).astype(np.int64).astype(np.uint32)
            value = value * np.uint32(0x9E3779B1)
            value = (value ^ (value >> np.uint32(15))) * np.uint32(0x85EBCA6B)
            value = value ^ (value >> np.uint32(13))
    return value


def uniform(*keys: npt.ArrayLike) -> Floats:
    """Uniform numbers in [0, 1), one for each combination of integer keys."""
    return hashed(*keys).astype(np.float64) * 2.0**-32


def _lattice(x: Floats, y: Floats, margin: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Lattice cell (row, col) of each point, and the row and column indices of a table around them."""
    col, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    cols = np.arange(col.min() - margin, col.max() + margin + 1)
    rows = np.arange(row.min() - margin, row.max() + margin + 1)
    return row, col, rows, cols


def smooth(x: Floats, y: Floats, scale: float, seed: int, octaves: int = 1) -> Floats:
    """Smooth noise in about [-1, 1]; `octaves` add detail, each of half the length and 0.55 of the size.

    Args:
        x: Easting of each point, metres.
        y: Northing of each point (downwards), metres.
        scale: Distance over which the coarsest octave changes, metres.
        seed: Which noise.
        octaves: How many lengths are summed.
    """
    total = np.zeros(np.broadcast(x, y).shape)
    if total.size == 0:
        return total
    weight, weights = 1.0, 0.0
    for octave in range(octaves):
        gx, gy = x * (2**octave / scale), y * (2**octave / scale)
        row, col, rows, cols = _lattice(gx, gy, 1)
        table = 2.0 * uniform(seed, 7919 + octave, rows[:, None], cols[None, :]) - 1.0
        fx, fy = gx - col, gy - row
        wx, wy = fx * fx * (3.0 - 2.0 * fx), fy * fy * (3.0 - 2.0 * fy)
        r, c = row - rows[0], col - cols[0]
        upper = table[r, c] * (1.0 - wx) + table[r, c + 1] * wx
        lower = table[r + 1, c] * (1.0 - wx) + table[r + 1, c + 1] * wx
        total += weight * (upper * (1.0 - wy) + lower * wy)
        weights += weight**2
        weight *= 0.55
    # the root of summed squares keeps the spread the same whatever the octaves
    return np.asarray(total / np.sqrt(weights))


@dataclass(frozen=True)
class Cells:
    """The Voronoi cell of each point: lattice index, site and distance to the edge in metres, next cell."""

    row: Ints
    col: Ints
    site_x: Floats
    site_y: Floats
    edge: Floats
    next_row: Ints
    next_col: Ints


def voronoi(x: Floats, y: Floats, size: float, jitter: float, merge: float, seed: int) -> Cells:
    """Voronoi cells of one jittered site a lattice cell, some of them joined to a neighbour.

    Args:
        x: Easting of each point, metres.
        y: Northing of each point (downwards), metres.
        size: Side of a lattice cell, metres.
        jitter: How far a site may lie from the middle of its lattice cell, at most 0.5 of `size`.
        merge: Share of cells that belong to their eastern or southern neighbour.
        seed: Which cells.
    """
    row, col, rows, cols = _lattice(x / size, y / size, 3)
    sites_row, sites_col = (part.ravel() for part in np.meshgrid(rows, cols, indexing="ij"))
    sites_x = (sites_col + 0.5 + jitter * (2.0 * uniform(seed, 1, sites_row, sites_col) - 1.0)) * size
    sites_y = (sites_row + 0.5 + jitter * (2.0 * uniform(seed, 2, sites_row, sites_col) - 1.0)) * size
    draw = uniform(seed, 3, sites_row, sites_col)
    owner = np.arange(len(draw)) + np.where(draw < merge / 2, 1, np.where(draw < merge, len(cols), 0))
    middle = (row - rows[0]) * len(cols) + (col - cols[0])
    around = [middle + d_row * len(cols) + d_col for d_row in (-1, 0, 1) for d_col in (-1, 0, 1)]
    squares = [(sites_x[at] - x) ** 2 + (sites_y[at] - y) ** 2 for at in around]
    nearest, near = np.zeros(x.shape, np.int64), np.full(x.shape, np.inf)
    for at, square in zip(around, squares, strict=True):
        nearest, near = np.where(square < near, at, nearest), np.minimum(near, square)
    mine = owner[nearest]
    edge, next_at = np.full(x.shape, size), mine.copy()
    for at, square in zip(around, squares, strict=True):
        other = owner[at] != mine
        gap = np.hypot(sites_x[at] - sites_x[nearest], sites_y[at] - sites_y[nearest])
        # distance to the bisector of the two sites
        distance = np.where(other, (square - near) / (2.0 * gap + 1e-9), np.inf)
        edge, next_at = np.minimum(edge, distance), np.where(distance < edge, owner[at], next_at)
    return Cells(
        row=sites_row[mine],
        col=sites_col[mine],
        site_x=sites_x[mine],
        site_y=sites_y[mine],
        edge=edge,
        next_row=sites_row[next_at],
        next_col=sites_col[next_at],
    )


@dataclass(frozen=True)
class Grid:
    """The cell of a rectangular grid that each point is in: index, and metres from the cell's corner."""

    i: Ints
    j: Ints
    a: Floats
    b: Floats


def grid_cells(u: Floats, v: Floats, pitch_u: npt.ArrayLike, pitch_v: npt.ArrayLike) -> Grid:
    """Cells of `pitch_u` x `pitch_v` metres along the axes `u` and `v`."""
    pitch_u, pitch_v = np.asarray(pitch_u, np.float64), np.asarray(pitch_v, np.float64)
    i, j = np.floor(u / pitch_u), np.floor(v / pitch_v)
    return Grid(i.astype(np.int64), j.astype(np.int64), u - i * pitch_u, v - j * pitch_v)


def drawn_in_blocks(
    window: Window, seed: int, stream: int, draw: Callable[[np.random.Generator], Singles]
) -> Singles:
    """Random numbers a pixel that do not depend on how a scene is cut into windows.

    Args:
        window: The pixels.
        seed: Seed of the scene.
        stream: Which of the scene's independent random fields.
        draw: Gives (channel, NOISE_BLOCK, NOISE_BLOCK) numbers from a generator; called once a block.

    Returns:
        (channel, row, col) float32.
    """
    row0, col0 = window.row // NOISE_BLOCK, window.col // NOISE_BLOCK
    blocks = [
        [
            draw(np.random.Generator(np.random.PCG64([seed, stream, row, col])))
            for col in range(col0, -(-(window.col + window.width) // NOISE_BLOCK))
        ]
        for row in range(row0, -(-(window.row + window.height) // NOISE_BLOCK))
    ]
    whole = np.concatenate([np.concatenate(line, axis=2) for line in blocks], axis=1)
    top, left = window.row - row0 * NOISE_BLOCK, window.col - col0 * NOISE_BLOCK
    return whole[:, top : top + window.height, left : left + window.width]
