"""Airborne LiDAR: height above ground and intensity of the first return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from geo_xmodal.simulate.layout import Layout
from geo_xmodal.simulate.noise import NOISE_BLOCK, drawn_in_blocks
from geo_xmodal.simulate.sampling import PixelGrid, PointSpread, ground
from geo_xmodal.simulate.spectra import LATENTS, Material, library
from geo_xmodal.types import Kind, Window

LIDAR_BANDS = ("height", "intensity")
"""Metres above ground, and reflectance at 1064 nm as the receiver sees it."""

_LASER = np.array([1064.0])


@dataclass(frozen=True)
class LidarSensor:
    """An airborne laser scanner.

    Attributes:
        name: In words.
        spread: Footprint.
        height_noise: Standard deviation of heights, metres.
        intensity_noise: Relative standard deviation of intensities.
        stream: Which of the scene's random fields its noise is.
    """

    name: str
    spread: PointSpread
    height_noise: float
    intensity_noise: float
    stream: int

    kind: ClassVar[Kind] = "lidar"
    bands: ClassVar[tuple[str, ...]] = LIDAR_BANDS
    tags: ClassVar[tuple[dict[str, str], ...]] = ()
    dtype: ClassVar[str] = "float32"
    nodata: ClassVar[float | None] = None

    def observe(self, layout: Layout, grid: PixelGrid, window: Window) -> npt.NDArray[np.float32]:
        """Heights and intensities of `window`: (2, row, col) float32, bands `LIDAR_BANDS`."""
        return _observe(layout, self, grid, window)


def _observe(layout: Layout, sensor: LidarSensor, grid: PixelGrid, window: Window) -> npt.NDArray[np.float32]:
    spread = sensor.spread
    land = ground(layout, grid, window, spread.factor, spread.margin)
    cover = land.cover
    spectra = library(_LASER)[:, :, 0]
    bright = spectra[cover.material, 0]
    for k, name in enumerate(LATENTS, start=1):
        bright = bright + spectra[cover.material, k] * np.clip(getattr(cover, name), -1.5, 1.5)
    leafy = np.isin(cover.material, (Material.BROADLEAF, Material.CONIFER, Material.SHRUB))
    # a crown splits the pulse, so that each return is weaker
    bright = np.where(leafy, 0.55, 1.0) * (1.0 - 0.25 * np.abs(cover.slope)) * bright
    height, intensity = spread.apply(cover.height), spread.apply(bright)
    crown = spread.apply(leafy * cover.height)
    noise = drawn_in_blocks(
        window,
        layout.seed,
        sensor.stream,
        lambda random: random.standard_normal((3, NOISE_BLOCK, NOISE_BLOCK), np.float32),
    )
    # pulses go some way into a crown before they return
    height = height + sensor.height_noise * noise[0] - 0.12 * crown * np.abs(noise[2])
    intensity = intensity * (1.0 + sensor.intensity_noise * noise[1])
    return np.stack(
        [np.rint(height * 10.0) / 10.0, np.rint(np.maximum(intensity, 0.0) * 128.0) / 128.0]
    ).astype(np.float32)
