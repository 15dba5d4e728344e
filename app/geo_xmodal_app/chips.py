"""What a sensor shows around one pixel, for somebody who is to say what lies there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

import geo_xmodal as gx
from geo_xmodal.types import Window
from geo_xmodal_app.layers import first_bands

_MARK = ("#000000", "#ffff00")
_PERCENTILES = 2, 98


def chip(reader: gx.WindowReader, row: int, col: int, reach: int, side: int) -> Image.Image:
    """A picture of the pixels around one, which has a frame.

    Args:
        reader: The sensor, on the grid of `row` and `col`.
        row: Of the pixel.
        col: Of the pixel.
        reach: Pixels to each side, where the grid has them.
        side: Of the picture, in pixels of the screen.

    Raises:
        RasterError: A file cannot be read.
    """
    height, width = reader.grid.shape
    top, left = max(0, row - reach), max(0, col - reach)
    window = Window(top, left, min(height, row + reach + 1) - top, min(width, col + reach + 1) - left)
    shown = shown_pixels(reader, window)
    if shown.shape[-1] != 3:
        shown = np.repeat(shown[..., :1], 3, axis=-1)
    scale = side / max(shown.shape[:2])
    size = (max(1, round(shown.shape[1] * scale)), max(1, round(shown.shape[0] * scale)))
    picture = Image.fromarray(shown).resize(size, Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(picture)
    x, y = (col - left) * scale, (row - top) * scale
    for grown, color in zip((2, 1), _MARK, strict=True):
        draw.rectangle((x - grown, y - grown, x + scale + grown - 1, y + scale + grown - 1), outline=color)
    return picture


def shown_pixels(reader: gx.WindowReader, window: Window) -> npt.NDArray[np.uint8]:
    """A window of a sensor (row, col, band) in the bands that it is shown in, stretched; 0 without data.

    Raises:
        RasterError: A file cannot be read.
    """
    values = reader.read(window)
    waves = [band.wavelength for band in reader.bands]
    bands = first_bands(reader.kind, reader.band_names, waves)
    return np.stack([_stretched(values[band], reader.kind) for band in bands], axis=-1)


def _stretched(band: npt.NDArray[np.float32], kind: gx.Kind) -> npt.NDArray[np.uint8]:
    values = band.astype(np.float64)
    if gx.KINDS[kind].power:
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(values > 0, 10 * np.log10(values), np.nan)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return np.zeros(values.shape, np.uint8)
    low, high = np.percentile(finite, _PERCENTILES)
    unit = np.clip((values - low) / max(float(high - low), 1e-12), 0, 1)
    return np.where(np.isfinite(unit), np.nan_to_num(unit) * 255, 0).astype(np.uint8)
