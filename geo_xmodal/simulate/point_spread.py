"""A coarser sensor of the same bands: a Gaussian point spread, sampled once a coarse pixel."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox
from rasterio import Affine

from geo_xmodal.errors import UsageError
from geo_xmodal.simulate.noise import Floats
from geo_xmodal.simulate.sampling import PointSpread
from geo_xmodal.types import FloatArray

MIN_KNOWN = 0.5
"""Share of a coarse pixel's own fine pixels that must have data."""


def degrade(image: FloatArray, factor: int, fwhm: float | None = None) -> FloatArray:
    """An image of the same bands with pixels `factor` times as large.

    The "spatial simulation" of X-ModalNet (Hong et al. 2020, section 4.1.1): an isotropic Gaussian point
    spread. The paper does not give its width; the default is one coarse pixel. Its taps are centred on the
    coarse pixel, between two fine ones where `factor` is even, which a filter of the fine image followed by
    taking every n-th pixel would miss by half a pixel.

    Missing pixels have no weight (normalised convolution), nor has what lies outside the image; a constant
    image stays constant up to its edges.

    Args:
        image: (band, row, col), NaN where there is no data.
        factor: Fine pixels along a coarse one.
        fwhm: Full width at half maximum of the point spread, fine pixels (default: `factor`).

    Returns:
        (band, row // factor, col // factor) float32, from the upper left corner; rows and columns at the
        far edges that do not fill a coarse pixel only take part in the spread. NaN where more than half of
        a coarse pixel's own fine pixels are missing, however much its spread sees beyond them.

    Raises:
        UsageError: A factor below 1 or larger than the image, or a width that is not positive.
    """
    check_factor(factor, (image.shape[1], image.shape[2]))
    spread = point_spread(factor, fwhm)
    margin = ((0, 0), (spread.margin, spread.margin), (spread.margin, spread.margin))
    return sampled(np.pad(image.astype(np.float64), margin, constant_values=np.nan), spread)


def point_spread(factor: int, fwhm: float | None = None) -> PointSpread:
    """The point spread of `degrade`, whose width is given in fine pixels.

    Raises:
        UsageError: A width that is not positive.
    """
    width = float(factor if fwhm is None else fwhm)
    if not (math.isfinite(width) and width > 0):
        raise UsageError(f"point spread of {width:g} pixels: expected a width above 0")
    return PointSpread(factor, width / factor)


def check_factor(factor: int, shape: tuple[int, int]) -> None:
    """Refuse a factor that leaves no pixel.

    Raises:
        UsageError: Naming the factor and the size.
    """
    rows, cols = shape
    if not 1 <= factor <= min(rows, cols):
        raise UsageError(
            f"pixels {factor} times as large: expected 1 to {min(rows, cols)} times "
            f"for an image of {rows} x {cols} pixels"
        )


def coarse_grid(grid: GeoBox, factor: int) -> GeoBox:
    """The grid of `degrade`: the same upper left corner, pixels `factor` times as large.

    Raises:
        UsageError: A factor below 1 or larger than the grid.
    """
    rows, cols = grid.shape
    check_factor(factor, (rows, cols))
    return GeoBox((rows // factor, cols // factor), grid.affine @ Affine.scale(factor), grid.crs)


def sampled(padded: FloatArray, spread: PointSpread) -> FloatArray:
    """Coarse pixels of fine ones that reach `spread.margin` beyond them: (band, row, col) float32.

    A coarse pixel is the same whatever else is in the array (to the rounding of float64 sums), so that
    windows may be cut anywhere.
    """
    bands = []
    for band in padded:
        known = np.isfinite(band)
        values = spread.apply(np.where(known, band, 0.0))
        if not known.all():
            weight = spread.apply(known.astype(np.float64))
            enough = _known_share(known, spread) >= MIN_KNOWN
            values = np.where(enough, values / np.where(enough, weight, 1.0), np.nan)
        bands.append(values.astype(np.float32))
    return np.stack(bands)


def _known_share(known: npt.NDArray[np.bool_], spread: PointSpread) -> Floats:
    """Share (coarse row, coarse col) of each coarse pixel's own fine ones that have data."""
    n, edge = spread.factor, spread.margin
    rows, cols = ((length - 2 * edge) // n for length in known.shape)
    own = known[edge : edge + rows * n, edge : edge + cols * n]
    return np.asarray(own.reshape(rows, n, cols, n).mean(axis=(1, 3)))
