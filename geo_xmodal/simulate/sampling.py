"""From a continuous land to pixels: fine sampling, shadows, and a Gaussian point spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geo_xmodal.simulate.cover import Cover
from geo_xmodal.simulate.layout import Layout
from geo_xmodal.simulate.noise import Floats, Hashes
from geo_xmodal.types import Window

FWHM_TO_SIGMA = 1.0 / 2.354820045030949


@dataclass(frozen=True)
class PixelGrid:
    """A sensor's pixels in the land: north-up squares.

    Attributes:
        left: Easting of the upper left corner from the scene's, metres.
        top: Distance of that corner south of the scene's, metres.
        pixel: Pixel size, metres.
        rows: Number of rows.
        cols: Number of columns.
    """

    left: float
    top: float
    pixel: float
    rows: int
    cols: int


@dataclass(frozen=True)
class PointSpread:
    """A Gaussian point spread on fine samples, `factor` a pixel side.

    Attributes:
        factor: Fine samples along a pixel's side.
        fwhm: Full width at half maximum, pixels.
    """

    factor: int
    fwhm: float

    @property
    def margin(self) -> int:
        """Fine samples beyond a pixel's edge that it sees (2.5 standard deviations)."""
        return max(0, int(np.ceil(2.5 * self.fwhm * FWHM_TO_SIGMA * self.factor - self.factor / 2.0)))

    @property
    def taps(self) -> Floats:
        """Weights of fine samples along one axis, from `margin` before a pixel to `margin` after; sum 1."""
        offset = np.arange(-self.margin, self.factor + self.margin) - (self.factor - 1) / 2.0
        weight = np.exp(-0.5 * (offset / (self.fwhm * FWHM_TO_SIGMA * self.factor)) ** 2)
        return np.asarray(weight / weight.sum())

    def apply(self, fine: Floats) -> Floats:
        """Pixels from fine samples that reach `margin` beyond them: (row, col) to (row, col).

        A sum of shifted arrays rather than a library convolution: its order of additions, and so every bit
        of a pixel, is the same in every window.
        """
        taps = self.taps
        rows = (fine.shape[0] - 2 * self.margin) // self.factor
        cols = (fine.shape[1] - 2 * self.margin) // self.factor
        down = np.zeros((rows, fine.shape[1]))
        for k, weight in enumerate(taps):
            down += weight * fine[k : k + self.factor * (rows - 1) + 1 : self.factor]
        out = np.zeros((rows, cols))
        for k, weight in enumerate(taps):
            out += weight * down[:, k : k + self.factor * (cols - 1) + 1 : self.factor]
        return out


@dataclass(frozen=True)
class Ground:
    """The land on fine samples around a window of pixels.

    Attributes:
        cover: What covers each sample, arrays (row, col).
        angle: Direction of walls, radians.
        parcel: Hash of the polygon of a sample.
        step: Distance between samples, metres.
        border: Samples beyond the window on every side.
    """

    cover: Cover
    angle: Floats
    parcel: Hashes
    step: float
    border: int

    def shifted(self, values: Floats, rows: int, cols: int) -> Floats:
        """`values` found `rows` south and `cols` east of each sample; wrong only in the outermost samples."""
        return np.roll(values, (-rows, -cols), axis=(0, 1))

    def shadow(self, azimuth: float, slope: float, reach: int) -> Floats:
        """1 where something higher stands between a sample and a source, 0 elsewhere.

        Args:
            azimuth: Where the source is, degrees clockwise from north.
            slope: Tangent of its elevation.
            reach: Longest shadow, samples (at most `border`).
        """
        south, east = -np.cos(np.radians(azimuth)), np.sin(np.radians(azimuth))
        hidden = np.zeros(self.cover.height.shape, np.bool_)
        for k in range(1, reach + 1):
            there = self.shifted(self.cover.height, round(k * south), round(k * east))
            hidden |= there - k * self.step * slope > self.cover.height + 1.0
        return hidden.astype(np.float64)


def ground(layout: Layout, grid: PixelGrid, window: Window, factor: int, border: int) -> Ground:
    """The land under `window`: `factor` samples along a pixel's side, and `border` samples more around."""
    step = grid.pixel / factor
    rows = np.arange(window.row * factor - border, (window.row + window.height) * factor + border)
    cols = np.arange(window.col * factor - border, (window.col + window.width) * factor + border)
    y, x = np.meshgrid(grid.top + (rows + 0.5) * step, grid.left + (cols + 0.5) * step, indexing="ij")
    cover, angle, parcel = layout.cover(x, y)
    return Ground(cover, angle, parcel, step, border)
