"""Small rasters whose every pixel is known, as the viewer gets them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
from rasterio.transform import from_origin

import geo_xmodal as gx
from geo_xmodal.types import LandClass
from geo_xmodal_app.viewer import Layer, Viewport, class_areas

ROWS, COLS, PIXEL = 300, 500, 10.0
WEST, NORTH = 500_000.0, 5_800_000.0
HECTARES = PIXEL**2 / 10_000 / 0.9996**2
"""Of a pixel on the ellipsoid: on the meridian of UTM, the scale is 0.9996."""

EVIL = "<img src=x onerror=window.hacked=1>"

DEGREES = rasterio.Affine(0.0004, 0, 10, 0, -0.0002, 60)
"""Of a grid at 60 degrees north whose pixels are oblong in degrees, so it is shown in rows and columns."""

CLASSES = (
    LandClass(1, "Wheat", "#ddcc77"),
    LandClass(4, f"Maize {EVIL}", "#117733"),
    LandClass(9, "Water", "#88ccee"),
)
WAVELENGTHS = (450.0, 490.0, 560.0, 610.0, 665.0, 740.0, 865.0, 940.0)
BLOCK = 50
DOUBTFUL_FROM = 250
"""Columns from here on have a probability of 40 %, the others of 90 %."""


def classes() -> npt.NDArray[np.uint8]:
    """Squares of 50 pixels with classes 1, 4, 9 in turn; the first square has no class."""
    row, col = np.mgrid[:ROWS, :COLS] // BLOCK
    ids = np.array([1, 4, 9], np.uint8)[(row + col) % 3]
    ids[:BLOCK, :BLOCK] = 0
    return ids


def other_classes() -> npt.NDArray[np.uint8]:
    """The same, but the lower half is water."""
    ids = classes()
    ids[ROWS // 2 :] = 9
    return ids


def power() -> npt.NDArray[np.float32]:
    """Radar power (2, row, col): -20 dB to 0 dB from west to east, and a tenth of it; a corner is missing."""
    rise = 10 ** (np.linspace(-20, 0, COLS, dtype=np.float64) / 10)
    first = np.broadcast_to(rise, (ROWS, COLS))
    both = np.stack([first, first / 10]).astype(np.float32)
    both[:, -40:, -40:] = np.nan
    return both


def spectra() -> npt.NDArray[np.float32]:
    """Eight bands (band, row, col): 0.1 a band more, and a gradient from north to south."""
    rise = np.linspace(0, 0.05, ROWS, dtype=np.float32)[None, :, None]
    return np.arange(8, dtype=np.float32)[:, None, None] / 10 + rise + np.zeros((8, ROWS, COLS), np.float32)


def write_cog(path: Path, pixels: npt.NDArray[Any], crs: str | None = "EPSG:32633", **profile: Any) -> Path:
    """A COG (bands together) of (row, col) or (band, row, col)."""
    bands = pixels if pixels.ndim == 3 else pixels[None]
    settings: dict[str, Any] = {
        "driver": "GTiff",
        "count": len(bands),
        "height": bands.shape[1],
        "width": bands.shape[2],
        "dtype": bands.dtype,
        "crs": crs,
        "transform": from_origin(WEST, NORTH, PIXEL, PIXEL) if crs else rasterio.Affine.identity(),
    }
    plain = path.with_suffix(".plain.tif")
    with rasterio.open(plain, "w", **settings | profile) as dataset:
        dataset.write(bands)
    mode = "MODE" if bands.dtype == np.uint8 else "AVERAGE"
    rasterio.shutil.copy(
        plain, path, driver="COG", BLOCKSIZE=128, COMPRESS="DEFLATE", OVERVIEW_RESAMPLING=mode
    )
    plain.unlink()
    return path


def write_scene(folder: Path) -> Path:
    """All files of the scene."""
    folder.mkdir(parents=True, exist_ok=True)
    write_cog(folder / "classes.tif", classes(), nodata=0)
    write_cog(folder / "other.tif", other_classes(), nodata=0)
    doubt = np.full((ROWS, COLS), 90, np.uint8)
    doubt[:, DOUBTFUL_FROM:] = 40
    write_cog(folder / "probability.tif", doubt, nodata=255)
    write_cog(folder / "sar.tif", power())
    write_cog(folder / "hsi.tif", spectra())
    labels = np.where(np.indices((ROWS, COLS)).sum(axis=0) % 7 == 0, classes(), 0).astype(np.uint8)
    write_cog(folder / "labels.tif", labels, nodata=0)
    write_cog(folder / "pixels.tif", classes(), crs=None, nodata=0)
    write_cog(folder / "degrees.tif", classes(), "EPSG:4326", transform=DEGREES, nodata=0)
    return folder


def scene_layers(folder: Path, url: Callable[[str], str] = str) -> tuple[Layer, ...]:
    """The layers of `write_scene`; only the first map is shown at first."""
    areas = class_areas(folder / "classes.tif", CLASSES)
    return (
        Layer("map", "Land cover", url("classes.tif"), "classes", CLASSES, ("class",), nodata=0,
              probability="probability", areas=areas, date="2024-05-31"),
        Layer("other", f"Second map {EVIL}", url("other.tif"), "classes", CLASSES, ("class",), nodata=0,
              visible=False, date="2023-06-01"),
        Layer("probability", "Probability", url("probability.tif"), "probability", bands=("probability",),
              nodata=255, scale=0.01, visible=False),
        Layer("labels", "Labels", url("labels.tif"), "labels", CLASSES, ("label",), nodata=0, visible=False),
        Layer("sar", "SAR", url("sar.tif"), "continuous", bands=("VV", "VH"), decibel=True,
              stretch=((-20.0, 0.0), (-30.0, -10.0)), shown_bands=(0,), visible=False),
        Layer("hsi", "HSI", url("hsi.tif"), "continuous", bands=tuple(f"b{n} {EVIL}" for n in range(8)),
              wavelengths=WAVELENGTHS, unit="reflectance", shown_bands=(4, 2, 1), visible=False),
    )  # fmt: skip


def viewport(path: Path) -> Viewport:
    """The grid of a file."""
    return Viewport.of(gx.describe_raster(path))
