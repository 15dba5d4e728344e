"""Segments of what is seen of a sensor: neighbouring pixels that look alike, labelled with one click.

SLIC superpixels (R. Achanta et al., "SLIC superpixels compared to state-of-the-art superpixel methods", IEEE
TPAMI 34(11), 2012) by scikit-image, in the bands that the viewer shows at first, stretched as there. Chosen
here: compactness 0.1 of values from 0 to 1, after a Gaussian of one pixel.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from rasterio.features import shapes

import geo_xmodal as gx
from geo_xmodal.errors import UsageError
from geo_xmodal.types import Window
from geo_xmodal_app.chips import shown_pixels

MAX_SIDE = 1024
"""Rows and columns of a window that is divided."""

MIN_PIXELS, MAX_PIXELS = 16, 10_000
"""Of a segment, on average."""

_COMPACTNESS, _SIGMA = 0.1, 1.0
_KEPT = 8

Rings = tuple[tuple[tuple[float, float], ...], ...]


def segments(reader: gx.WindowReader, window: Window, pixels: int) -> tuple[Rings, ...]:
    """Polygons of the segments of a window, along the edges of pixels.

    Args:
        reader: The sensor, on the scene's grid.
        window: Of the grid, with at most `MAX_SIDE` rows and columns.
        pixels: Of a segment, on average.

    Returns:
        For each segment its rings, the outer one first, of (col, row) of the grid. Where the sensor has no
        data there is none.

    Raises:
        UsageError: The window or the segments are larger than they may be.
        RasterError: A file cannot be read.
    """
    if max(window.height, window.width) > MAX_SIDE:
        raise UsageError(
            f"{window.height} x {window.width} pixels are in view, expected at most {MAX_SIDE} x {MAX_SIDE} "
            "for segments: zoom in"
        )
    if not MIN_PIXELS <= pixels <= MAX_PIXELS:
        raise UsageError(f"segments of {pixels} pixels, expected {MIN_PIXELS} to {MAX_PIXELS}")
    known: Any = reader  # readers are frozen, which their protocol does not say
    return _segments(known, window, pixels)


@lru_cache(maxsize=_KEPT)
def _segments(reader: Any, window: Window, pixels: int) -> tuple[Rings, ...]:
    from skimage.segmentation import slic  # takes a second to import, and few draw by segments

    image = shown_pixels(reader, window) / 255
    seen = reader.valid(window)
    if not seen.any():
        return ()
    count = max(1, round(seen.sum() / pixels))
    numbers = slic(
        image,
        n_segments=count,
        compactness=_COMPACTNESS,
        sigma=_SIGMA,
        mask=None if seen.all() else seen,
        start_label=1,
        channel_axis=-1,
        convert2lab=False,
    )
    found = shapes(numbers.astype(np.int32), mask=seen, connectivity=4)
    return tuple(_moved(geometry, window) for geometry, _ in found)


def _moved(geometry: dict[str, Any], window: Window) -> Rings:
    return tuple(tuple((x + window.col, y + window.row) for x, y in ring) for ring in geometry["coordinates"])
