"""Hyperspectral and multispectral sensors: mixing, illumination, point spread, noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from geo_xmodal.simulate.layout import Layout
from geo_xmodal.simulate.noise import NOISE_BLOCK, Floats, Singles, drawn_in_blocks, smooth
from geo_xmodal.simulate.sampling import FWHM_TO_SIGMA, Ground, PixelGrid, PointSpread, ground
from geo_xmodal.simulate.spectra import LATENTS, library
from geo_xmodal.types import Kind, Window

REFLECTANCE_SCALE = 10000
NODATA = -32768

_SUN_AZIMUTH = 152.0
_SUN_SLOPE = 1.15  # tangent of 49 degrees, a summer noon at Berlin
_SHADOW = 24.0  # metres: the longest shadow that is traced
_SKY = 0.30  # share of light that reaches the shade


@dataclass(frozen=True)
class OpticalSensor:
    """An imaging spectrometer or a multispectral camera.

    Attributes:
        name: In words.
        wavelengths: Band centres, nanometres.
        widths: Full width at half maximum of each band's Gaussian response, nanometres.
        spread: Point spread.
        snr: Best signal-to-noise ratio at 30 % reflectance.
        striping: Strength of column stripes, in standard deviations of the noise.
        stream: Which of the scene's random fields its noise is.
    """

    name: str
    wavelengths: tuple[float, ...]
    widths: tuple[float, ...]
    spread: PointSpread
    snr: float
    striping: float
    stream: int

    dtype: ClassVar[str] = "int16"
    nodata: ClassVar[float | None] = NODATA

    @property
    def kind(self) -> Kind:
        """Hyperspectral if it has dozens of bands."""
        return "hsi" if len(self.wavelengths) > 20 else "msi"

    @property
    def bands(self) -> tuple[str, ...]:
        """Description of each band."""
        return tuple(f"{nm:g} nm" for nm in self.wavelengths)

    @property
    def tags(self) -> tuple[dict[str, str], ...]:
        """What a GeoTIFF says of each band."""
        return tuple(
            {"wavelength": f"{nm:g}", "wavelength_units": "Nanometers", "fwhm": f"{width:g}"}
            for nm, width in zip(self.wavelengths, self.widths, strict=True)
        )

    def observe(self, layout: Layout, grid: PixelGrid, window: Window) -> npt.NDArray[np.int16]:
        """What the sensor sees of `window`: (band, row, col) int16, reflectance x 10000."""
        return _observe(layout, self, grid, window)

    def library(self) -> npt.NDArray[np.float64]:
        """(material, 1 + latent, band): the spectral library through the bands' responses."""
        nm = np.arange(380.0, 2501.0, 1.0)
        centers, widths = np.array(self.wavelengths)[:, None], np.array(self.widths)[:, None]
        response = np.exp(-0.5 * ((nm - centers) / (widths * FWHM_TO_SIGMA)) ** 2)
        response /= response.sum(axis=1, keepdims=True)
        return np.asarray(library(nm) @ response.T)

    def noise(self) -> Floats:
        """Standard deviation of the noise in each band, reflectance.

        The sun gives less beyond 1000 nm, and next to nothing where water vapour absorbs.
        """
        nm = np.array(self.wavelengths)
        light = np.where(nm < 500, 0.45 + 0.55 * (nm - 380) / 120, np.exp(-np.maximum(nm - 560, 0) / 1500))
        for center, width, depth in (
            (760, 5, 0.4),
            (940, 22, 0.6),
            (1130, 28, 0.7),
            (1390, 42, 0.96),
            (1870, 55, 0.97),
        ):
            light *= 1.0 - depth * np.exp(-0.5 * ((nm - center) / width) ** 2)
        return np.asarray(0.3 / (self.snr * light))


def _illumination(land: Ground) -> Floats:
    """Light on each sample relative to flat open ground: leaning roofs, shade, the rough top of crowns."""
    shade = land.shadow(_SUN_AZIMUTH, _SUN_SLOPE, min(land.border, int(_SHADOW / land.step)))
    toward = np.cos(land.angle + np.pi / 2 - np.radians(_SUN_AZIMUTH - 90.0))
    lean = 1.0 + 0.28 * land.cover.slope * toward
    return np.asarray(lean * (1.0 - (1.0 - _SKY) * shade))


def _observe(layout: Layout, sensor: OpticalSensor, grid: PixelGrid, window: Window) -> npt.NDArray[np.int16]:
    spread = sensor.spread
    step = grid.pixel / spread.factor
    shade_border = int(_SHADOW / step) + 1
    land = ground(layout, grid, window, spread.factor, spread.margin + shade_border)
    light = _illumination(land)
    inner = (slice(shade_border, -shade_border),) * 2
    latents = [np.clip(getattr(land.cover, name)[inner], -1.5, 1.5) for name in LATENTS]
    light, material = light[inner], land.cover.material[inner]
    spectra = sensor.library()
    signal = np.zeros((len(sensor.wavelengths), window.height, window.width))
    for m in np.unique(material):
        lit = light * (material == m)
        for k, weight in enumerate((lit, *(lit * latent for latent in latents))):
            if spectra[m, k].any():
                # mixing is linear, so the point spread may act on abundances instead of on every band
                signal += spectra[m, k][:, None, None] * spread.apply(weight)
    signal = _through_the_air(signal, sensor, grid, window, layout.seed)
    noise = sensor.noise()[:, None, None]
    drawn = drawn_in_blocks(window, layout.seed, sensor.stream, lambda random: _normals(random, len(noise)))
    column = Window(0, window.col, 1, window.width)
    stripes = drawn_in_blocks(
        column, layout.seed, sensor.stream + 1, lambda random: _normals(random, len(noise))
    )
    signal = signal + noise * (drawn + sensor.striping * stripes)
    # finer steps than the noise would only store noise
    quantum = 2.0 ** np.maximum(np.rint(np.log2(noise * REFLECTANCE_SCALE)), 0.0)
    counts = np.rint(signal * REFLECTANCE_SCALE / quantum) * quantum
    return np.clip(counts, -2048, 16384).astype(np.int16)


def _normals(random: np.random.Generator, bands: int) -> Singles:
    return random.standard_normal((bands, NOISE_BLOCK, NOISE_BLOCK), np.float32)


def _through_the_air(
    signal: Floats, sensor: OpticalSensor, grid: PixelGrid, window: Window, seed: int
) -> Floats:
    """Residues of atmospheric correction: haze that brightens the blue, and an across-track gradient."""
    rows = grid.top + (window.row + np.arange(window.height) + 0.5) * grid.pixel
    cols = grid.left + (window.col + np.arange(window.width) + 0.5) * grid.pixel
    y, x = np.meshgrid(rows, cols, indexing="ij")
    haze = 0.004 * (1.0 + smooth(x, y, 2500.0, seed + 140, octaves=2))
    blue = (450.0 / np.array(sensor.wavelengths))[:, None, None] ** 2
    across = 1.0 + 0.03 * (2.0 * (x - grid.left) / (grid.cols * grid.pixel) - 1.0)
    return np.asarray(signal * across + haze * blue)
