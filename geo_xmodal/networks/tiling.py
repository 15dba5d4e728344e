"""Tiles on a fixed lattice: how a network maps whose predictions depend on the image around each pixel.

Strides and attention make a prediction depend on where in its input a pixel lies. Such a network is given
the same tiles whatever part of a scene is asked for: they are counted from the first pixel of the scene's
grid, not from that of the window, so that a map does not depend on how it was cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from geo_xmodal.types import Window


@dataclass(frozen=True)
class Tiling:
    """Tiles of `step` pixels a side, each predicted from an image that reaches beyond it.

    The image of a tile reaches `crop + blend` pixels beyond it on every side. The outer `crop` pixels are
    seen and not predicted. On the `2 blend` pixels around a border, both tiles predict, and their logits are
    averaged with weights that fall linearly from one tile to the other (and sum to 1 at every pixel).

    Attributes:
        step: side of a tile, in pixels.
        crop: pixels of the image on each side that are only context.
        blend: pixels on each side beyond the tile that it predicts, too; 0 crops without averaging.
    """

    step: int
    crop: int
    blend: int = 0

    @property
    def image(self) -> int:
        """Side of what the network sees of a tile, in pixels."""
        return self.predicted + 2 * self.crop

    @property
    def predicted(self) -> int:
        """Side of what it predicts of a tile, in pixels."""
        return self.step + 2 * self.blend

    def tiles(self, window: Window) -> Iterator[Window]:
        """What is predicted of every tile that has a part in a window, row by row; tiles overlap by blends.

        Args:
            window: on the grid that the lattice is counted from.
        """
        rows, cols = (
            range((start - self.blend) // self.step, (start + length - 1 + self.blend) // self.step + 1)
            for start, length in ((window.row, window.height), (window.col, window.width))
        )
        for row in rows:
            for col in cols:
                yield Window(
                    row * self.step - self.blend,
                    col * self.step - self.blend,
                    self.predicted,
                    self.predicted,
                )

    def seen(self, window: Window) -> Window:
        """What all tiles that have a part in a window see together."""
        tiles = list(self.tiles(window))
        first, last = tiles[0], tiles[-1]
        whole = Window(
            first.row,
            first.col,
            last.row + last.height - first.row,
            last.col + last.width - first.col,
        )
        return whole.padded(self.crop)

    def taper(self) -> Tensor:
        """(predicted, predicted) weights of a tile's predictions; they sum to 1 at every pixel."""
        if not self.blend:
            return torch.ones(self.predicted, self.predicted)
        rising = (torch.arange(2 * self.blend, dtype=torch.float32) + 0.5) / (2 * self.blend)
        flat = torch.ones(self.step - 2 * self.blend)
        one = torch.cat([rising, flat, rising.flip(0)])
        return one[:, None] * one[None, :]
