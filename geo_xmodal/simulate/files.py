"""GeoTIFFs of a simulated scene: tiled, compressed, the same bytes for the same pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rasterio
from rasterio.transform import Affine

from geo_xmodal.simulate.preset import Preset
from geo_xmodal.simulate.sampling import PixelGrid
from geo_xmodal.types import LandClass


@contextmanager
def created(
    path: Path,
    preset: Preset,
    grid: PixelGrid,
    names: Sequence[str],
    dtype: str,
    *,
    block: int,
    nodata: float | None = None,
    wavelengths: Sequence[float] = (),
    widths: Sequence[float] = (),
) -> Iterator[Any]:
    """A new GeoTIFF open for writing (a rasterio writer), on `grid` of the scene that `preset` describes.

    Args:
        path: Where.
        preset: Coordinate reference system and origin.
        grid: Rows, columns and place.
        names: Description of each band.
        dtype: Of the pixels.
        block: Side of the tiles, pixels, a multiple of 16.
        nodata: Value of pixels without data.
        wavelengths: Centre of each band in nanometres, for optical sensors.
        widths: Full width at half maximum of each band in nanometres.
    """
    left, top = preset.origin
    profile = {
        "driver": "GTiff",
        "width": grid.cols,
        "height": grid.rows,
        "count": len(names),
        "dtype": dtype,
        "crs": f"EPSG:{preset.epsg}",
        "transform": Affine(grid.pixel, 0.0, left + grid.left, 0.0, -grid.pixel, top - grid.top),
        "tiled": True,
        "blockxsize": block,
        "blockysize": block,
        "interleave": "band",
        "compress": "deflate",
        "zlevel": 9,
        "predictor": {"float32": 3, "int16": 2}.get(dtype, 1),
        "nodata": nodata,
        "BIGTIFF": "IF_SAFER",
    }
    # the default block cache is a share of the machine's memory, which would unbound ours
    with rasterio.Env(GDAL_CACHEMAX=64), rasterio.open(path, "w", **profile) as dataset:
        for band, name in enumerate(names, start=1):
            dataset.set_band_description(band, name)
        for band, (wavelength, width) in enumerate(zip(wavelengths, widths, strict=True), start=1):
            dataset.update_tags(
                band, wavelength=f"{wavelength:g}", wavelength_units="Nanometers", fwhm=f"{width:g}"
            )
        yield dataset


def color_table(classes: Sequence[LandClass]) -> dict[int, tuple[int, int, int, int]]:
    """Colours of class ids for a palette GeoTIFF; 0 is transparent."""
    table = {entry.id: (*bytes.fromhex(entry.color[1:]), 255) for entry in classes}
    return {0: (0, 0, 0, 0), **table}  # type: ignore[dict-item]
