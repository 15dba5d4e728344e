"""GeoTIFFs of a simulated scene: tiled, compressed, the same bytes for the same pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from affine import Affine

from geo_xmodal.raster import RasterWriter, create_raster
from geo_xmodal.simulate.preset import Preset
from geo_xmodal.simulate.sampling import PixelGrid


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
    tags: Sequence[Mapping[str, str]] = (),
) -> Iterator[RasterWriter]:
    """A new GeoTIFF open for writing, on `grid` of the scene that `preset` describes.

    Args:
        path: Where.
        preset: Coordinate reference system and origin.
        grid: Rows, columns and place.
        names: Description of each band.
        dtype: Of the pixels.
        block: Side of the tiles, pixels, a multiple of 16.
        nodata: Value of pixels without data.
        tags: Metadata of each band, if any.
    """
    left, top = preset.origin
    place = Affine(grid.pixel, 0.0, left + grid.left, 0.0, -grid.pixel, top - grid.top)
    shape = (grid.rows, grid.cols)
    with placed(
        path, shape, f"EPSG:{preset.epsg}", place, names, dtype, block=block, nodata=nodata, tags=tags
    ) as writer:
        yield writer


@contextmanager
def placed(
    path: Path,
    shape: tuple[int, int],
    crs: str | None,
    transform: Affine,
    names: Sequence[str],
    dtype: str,
    *,
    block: int,
    nodata: float | None = None,
    tags: Sequence[Mapping[str, str]] = (),
) -> Iterator[RasterWriter]:
    """A new GeoTIFF open for writing, with rows and columns anywhere.

    Args:
        path: Where.
        shape: Rows and columns.
        crs: `EPSG:n` or WKT; None without CRS.
        transform: Pixels to coordinates.
        names: Description of each band.
        dtype: Of the pixels.
        block: Side of the tiles, pixels, a multiple of 16.
        nodata: Value of pixels without data.
        tags: Metadata of each band, if any.
    """
    profile: dict[str, Any] = {
        "width": shape[1],
        "height": shape[0],
        "count": len(names),
        "dtype": dtype,
        "crs": crs,
        "transform": transform,
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
    with create_raster(path, **profile) as writer:
        for band, name in enumerate(names, start=1):
            writer.dataset.set_band_description(band, name)
        for band, values in enumerate(tags, start=1):
            writer.dataset.update_tags(band, **values)
        yield writer
