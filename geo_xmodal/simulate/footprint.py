"""Where the sensors of a scene look, and where its training and test pixels may lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geo_xmodal.simulate.layout import Layout
from geo_xmodal.simulate.preset import Modality, Preset
from geo_xmodal.simulate.reference import GAP
from geo_xmodal.simulate.sampling import PixelGrid
from geo_xmodal.types import Window


@dataclass(frozen=True)
class Footprint:
    """A scene of `rows` x `cols` pixels of the target sensor."""

    preset: Preset
    rows: int
    cols: int

    def layout(self, seed: int) -> Layout:
        """The land; small scenes get small districts, or they would hold a single class."""
        extent = min(self.rows, self.cols) * self.grid.pixel
        return self.preset.layout(seed, float(np.clip(extent / self.preset.full_extent, 0.25, 1.0)))

    @property
    def grid(self) -> PixelGrid:
        """The target sensor's pixels, which labels share."""
        pixel = self.preset.modalities[self.preset.target].pixel
        return PixelGrid(0.0, 0.0, pixel, self.rows, self.cols)

    def grid_of(self, modality: Modality) -> PixelGrid:
        """The grid of a modality; one of other pixels than the target's lies a fraction of a pixel off."""
        grid = self.grid
        if modality.pixel == grid.pixel and modality.strip == 1.0:
            return grid
        left, top = 0.13 * modality.pixel, 0.31 * modality.pixel
        return PixelGrid(
            left,
            top,
            modality.pixel,
            int((grid.rows * grid.pixel - top) / modality.pixel),
            int((grid.cols * grid.pixel * modality.strip - left) / modality.pixel),
        )

    @property
    def strip(self) -> Window:
        """The target's pixels that every modality covers whole: training pixels lie here."""
        grids = [self.grid_of(modality) for modality in self.preset.modalities.values()]
        pixel = self.grid.pixel
        top = int(np.ceil(max(grid.top for grid in grids) / pixel))
        left = int(np.ceil(max(grid.left for grid in grids) / pixel))
        bottom = int(min(grid.top + grid.rows * grid.pixel for grid in grids) / pixel)
        right = int(min(grid.left + grid.cols * grid.pixel for grid in grids) / pixel)
        return Window(top, left, bottom - top, right - left)

    @property
    def test_area(self) -> Window:
        """East of the strip, so far that no test pixel is near a pixel that has both sensors."""
        # the pixel after the strip may be covered in part
        first = self.strip.col + self.strip.width + 1 + GAP
        return Window(0, first, self.rows, self.cols - first)
