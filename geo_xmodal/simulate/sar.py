"""Dual-polarisation C-band SAR: backscatter by material, double bounce, and a speckled covariance matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from geo_xmodal.simulate.layout import Layout
from geo_xmodal.simulate.noise import NOISE_BLOCK, Floats, Singles, drawn_in_blocks, uniform
from geo_xmodal.simulate.sampling import Ground, PixelGrid, PointSpread, ground
from geo_xmodal.simulate.spectra import Material
from geo_xmodal.types import Kind, Window

SAR_BANDS = ("C11", "C22", "Re C12", "Im C12")
"""VV power, VH power, and the real and imaginary part of their covariance."""


@dataclass(frozen=True)
class _Surface:
    """Backscatter of a material in dB, and how it moves with growth, wetness and roughness."""

    vv: float
    vh: float
    growth: float = 0.0
    wetness: float = 0.0
    rough: float = 0.0


_SURFACES = {
    Material.ASPHALT: _Surface(-15.5, -24.5, rough=1.0),
    Material.CONCRETE: _Surface(-14.5, -23.5, rough=1.0),
    Material.GRAVEL: _Surface(-12.5, -21.5, rough=1.2),
    Material.CLAY_TILE: _Surface(-8.5, -15.5, rough=1.5),
    Material.DARK_TILE: _Surface(-8.5, -15.5, rough=1.5),
    Material.BITUMEN: _Surface(-10.5, -19.0, rough=2.5),
    Material.METAL: _Surface(-9.0, -18.5, rough=4.0),
    Material.BRIGHT_ROOF: _Surface(-10.5, -19.0, rough=3.0),
    Material.GRASS: _Surface(-12.5, -19.6, growth=0.9, wetness=0.8, rough=0.6),
    Material.DRY_GRASS: _Surface(-13.2, -20.6, growth=0.8, wetness=0.7, rough=0.6),
    Material.CROP: _Surface(-11.2, -17.6, growth=1.4, wetness=0.5, rough=0.8),
    Material.BROADLEAF: _Surface(-8.7, -14.2, growth=0.7, wetness=0.3, rough=0.5),
    Material.CONIFER: _Surface(-9.3, -15.0, growth=0.6, wetness=0.3, rough=0.5),
    Material.SHRUB: _Surface(-10.0, -16.2, growth=0.8, wetness=0.4, rough=0.6),
    Material.LOAM: _Surface(-11.5, -21.4, wetness=1.7, rough=2.0),
    Material.SAND: _Surface(-13.2, -23.0, wetness=1.5, rough=1.8),
    Material.PEAT: _Surface(-10.8, -20.6, wetness=1.3, rough=1.8),
    Material.WATER: _Surface(-20.5, -28.0, rough=1.5),
    Material.TURF: _Surface(-14.0, -22.5),
    Material.TRACK: _Surface(-15.0, -24.0),
    Material.COURT: _Surface(-15.5, -24.5),
    Material.CAR: _Surface(-3.0, -13.0, rough=2.0),
}

_NOISE_FLOOR = 10.0**-2.7  # noise-equivalent sigma nought of -27 dB
_LOOK_AZIMUTH = 78.0  # an ascending, right-looking pass
_INCIDENCE_SLOPE = 1.23  # cotangent of 39 degrees: tangent of the sensor's elevation
_SHADOW = 40.0  # metres


@dataclass(frozen=True)
class SarSensor:
    """A dual-polarisation SAR product.

    Attributes:
        name: In words.
        spread: Impulse response.
        looks: Equivalent number of looks; the covariance is Wishart with so many degrees of freedom.
        stream: Which of the scene's random fields its speckle is.
    """

    name: str
    spread: PointSpread
    looks: float
    stream: int

    kind: ClassVar[Kind] = "sar"
    bands: ClassVar[tuple[str, ...]] = SAR_BANDS
    tags: ClassVar[tuple[dict[str, str], ...]] = ()
    dtype: ClassVar[str] = "float32"
    nodata: ClassVar[float | None] = None

    def observe(self, layout: Layout, grid: PixelGrid, window: Window) -> npt.NDArray[np.float32]:
        """The covariance matrix of `window`: (4, row, col) float32, linear power, bands `SAR_BANDS`."""
        return measure(expected_covariance(layout, self, grid, window), self, window, layout.seed)


def _coefficients(name: str) -> Floats:
    return np.array([getattr(_SURFACES[material], name) for material in Material])


def backscatter(land: Ground, seed: int) -> tuple[Floats, Floats, npt.NDArray[np.complex128]]:
    """Expected VV power, VH power and their covariance of each fine sample.

    Walls that face the sensor add a double bounce that falls with their angle to the look direction; walls
    at an angle turn part of it into VH, correlated with VV. A few structures on large buildings are far
    brighter than the rest.
    """
    cover, material = land.cover, land.cover.material
    change = (
        _coefficients("growth")[material] * np.clip(cover.growth, -1.5, 1.5)
        + _coefficients("wetness")[material] * np.clip(cover.wetness, -1.5, 1.5)
        + _coefficients("rough")[material] * cover.rough
    )
    vv = 10.0 ** ((_coefficients("vv")[material] + change) / 10.0)
    # growth adds volume, which depolarises more than it reflects
    volume = 0.6 * _coefficients("growth")[material] * np.clip(cover.growth, -1.5, 1.5)
    vh = 10.0 ** ((_coefficients("vh")[material] + change + volume) / 10.0)

    built = ((material >= Material.CLAY_TILE) & (material <= Material.BRIGHT_ROOF)).astype(np.float64)
    turn = np.remainder(land.angle - np.radians(_LOOK_AZIMUTH - 90.0) + np.pi / 4, np.pi / 2) - np.pi / 4
    wall = built * np.clip(cover.height - land.shifted(cover.height, 0, -1), 0.0, 40.0) * (4.6 / land.step)
    bounce = (
        wall * (0.22 * np.exp(-0.5 * (turn / np.radians(12.0)) ** 2) + 0.045) * 10.0 ** (0.25 * cover.rough)
    )
    spark = (
        built * (cover.height > 5.0) * _sparks(land, seed) * cover.height / 12.0 * 10.0 ** (0.3 * cover.rough)
    )
    turned = np.sin(2.0 * turn)
    vv = vv + bounce + spark
    vh = vh + bounce * (0.05 + 0.18 * turned**2) + 0.08 * spark
    shade = land.shadow(
        _LOOK_AZIMUTH + 180.0, 1.0 / _INCIDENCE_SLOPE, min(land.border, int(_SHADOW / land.step))
    )
    vv, vh = vv * (1.0 - 0.8 * shade), vh * (1.0 - 0.8 * shade)
    # rotated dihedrals correlate VV with VH; vegetation and soil, symmetric under reflection, do not
    coherence = 0.45 * np.sign(turn) * np.abs(turned) * bounce / vv * np.exp(0.35j)
    return vv + _NOISE_FLOOR, vh + _NOISE_FLOOR, coherence * np.sqrt(vv * vh)


def _sparks(land: Ground, seed: int) -> Floats:
    """Corner reflectors: strong in a few places of about 10 m, nothing elsewhere."""
    draw = uniform(
        seed, 150, land.parcel, np.floor(land.cover.tint * 500.0), np.floor(land.cover.height * 20.0)
    )
    return np.where(draw < 0.10, 0.7 * (draw / 0.10) ** 2, 0.0)


def expected_covariance(layout: Layout, sensor: SarSensor, grid: PixelGrid, window: Window) -> Floats:
    """(4, row, col): the covariance matrix of each pixel before speckle."""
    spread = sensor.spread
    border = int(_SHADOW * spread.factor / grid.pixel) + 1
    land = ground(layout, grid, window, spread.factor, spread.margin + border)
    vv, vh, cross = backscatter(land, layout.seed)
    inner = (slice(border, -border),) * 2
    return np.stack([spread.apply(band[inner]) for band in (vv, vh, cross.real, cross.imag)])


def measure(expected: Floats, sensor: SarSensor, window: Window, seed: int) -> npt.NDArray[np.float32]:
    """Speckle on `expected` (4, row, col), rounded to what is worth storing; see `speckled`."""
    bartlett = drawn_in_blocks(
        window, seed, sensor.stream, lambda random: bartlett_factors(random, sensor.looks, NOISE_BLOCK)
    )
    return _rounded(speckled(expected, bartlett, sensor.looks))


def bartlett_factors(random: np.random.Generator, looks: float, size: int) -> Singles:
    """(4, size, size): diagonal and lower element (re, im) of the factor of a complex Wishart matrix.

    With L looks, W = A A^H for A = [[a, 0], [c, b]], a^2 ~ Gamma(L), b^2 ~ Gamma(L - 1) and c a standard
    complex normal number (Bartlett decomposition, Goodman 1963); L need not be whole.
    """
    shape = (size, size)
    a = np.sqrt(random.standard_gamma(looks, shape))
    b = np.sqrt(random.standard_gamma(looks - 1.0, shape))
    c = random.standard_normal((2, *shape)) / np.sqrt(2.0)
    return np.stack([a, b, c[0], c[1]]).astype(np.float32)


def speckled(expected: Floats, bartlett: npt.ArrayLike, looks: float) -> Floats:
    """A multi-look sample covariance of mean `expected`: (4, row, col), always positive semi-definite.

    With the Cholesky factor K of the expected matrix, C = K A A^H K^H / L.
    """
    a, b, c_real, c_imag = np.asarray(bartlett, np.float64)
    c11, c22, re, im = expected
    k11 = np.sqrt(c11)
    k21 = (re - 1j * im) / k11
    k22 = np.sqrt(np.maximum(c22 - np.abs(k21) ** 2, 0.0))
    first = k11 * a
    second = k21 * a + k22 * (c_real + 1j * c_imag)
    third = k22 * b
    cross = first * np.conj(second)
    return np.stack([first**2, np.abs(second) ** 2 + third**2, cross.real, cross.imag]) / looks


def _rounded(values: Floats) -> npt.NDArray[np.float32]:
    """7 of 23 bits of mantissa (0.8 %), far below the speckle.

    Powers are rounded up and the covariance towards zero, so that the matrix stays positive semi-definite.
    """
    bits = values.astype(np.float32).view(np.uint32)
    bits[:2] += np.uint32(0xFFFF)
    return np.asarray((bits & np.uint32(0xFFFF0000)).view(np.float32))
