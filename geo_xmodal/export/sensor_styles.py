"""How the image of a sensor looks in QGIS: which bands, and stretched between which values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

import numpy as np
import rasterio

from geo_xmodal.kinds import KINDS, Kind
from geo_xmodal.mapping.qml import renderer_of
from geo_xmodal.raster import AlignedReader, describe_raster, open_raster

_COLORS = ("red", "green", "blue")
_VISIBLE = (660.0, 560.0, 480.0)
"""Nanometres that red, green and blue stand for where bands have a wavelength."""

_SIDE = 512
"""Of the small copy that the stretch is taken from, in pixels."""


@dataclass(frozen=True)
class SensorStyle:
    """Bands of a file (1-based) as grey or as red, green and blue, each from black to bright."""

    bands: tuple[int, ...]
    limits: tuple[tuple[float, float], ...]

    def renderer(self) -> Element:
        """The renderer in the form of QGIS."""
        if len(self.bands) == 1:
            renderer = renderer_of("singlebandgray", grayBand=str(self.bands[0]), gradient="BlackToWhite")
            _add_stretch(renderer, "contrastEnhancement", self.limits[0])
            return renderer
        named = {f"{color}Band": str(band) for color, band in zip(_COLORS, self.bands, strict=True)}
        renderer = renderer_of("multibandcolor", **named)
        for color, limits in zip(_COLORS, self.limits, strict=True):
            _add_stretch(renderer, f"{color}ContrastEnhancement", limits)
        return renderer


def sensor_style(reader: AlignedReader) -> SensorStyle:
    """What shows a sensor best without a person's help.

    Raises:
        RasterError: The file cannot be read.
    """
    with open_raster(reader.path) as dataset:
        bands = _bands(reader.indexes, reader.kind, describe_raster(reader.path).wavelengths)
        stretch = KINDS[reader.kind].display.stretch
        limits = {band: _limits(dataset, band, reader.nodata, stretch) for band in set(bands)}
    return SensorStyle(bands, tuple(limits[band] for band in bands))


def _bands(bands: Sequence[int], kind: Kind, wavelengths: Sequence[float] | None) -> tuple[int, ...]:
    if wavelengths is not None and len(bands) >= len(_VISIBLE):
        return tuple(min(bands, key=lambda band: abs(wavelengths[band - 1] - color)) for color in _VISIBLE)
    return tuple(bands[place] for place in KINDS[kind].display.shown(len(bands)))


def _limits(
    dataset: rasterio.DatasetReader, band: int, nodata: float | None, stretch: tuple[float, float]
) -> tuple[float, float]:
    shape = tuple(min(side, _SIDE) for side in dataset.shape)
    pixels = dataset.read(band, out_shape=shape, masked=True).compressed().astype(np.float64)
    pixels = pixels[np.isfinite(pixels)]
    if nodata is not None:
        pixels = pixels[pixels != nodata]
    if not len(pixels):
        return 0.0, 1.0
    # QGIS applies scale and offset tags to what it shows
    low, high = np.percentile(pixels * dataset.scales[band - 1] + dataset.offsets[band - 1], stretch)
    return float(low), float(high) if high > low else float(low) + 1.0


def _add_stretch(renderer: Element, name: str, limits: tuple[float, float]) -> None:
    stretch = SubElement(renderer, name)
    SubElement(stretch, "minValue").text = f"{limits[0]:.6g}"
    SubElement(stretch, "maxValue").text = f"{limits[1]:.6g}"
    SubElement(stretch, "algorithm").text = "StretchToMinimumMaximum"
