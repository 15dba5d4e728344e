"""Small rasters for tests: ones whose values tell where they are, and ones that mean harm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import rasterio
from odc.geo.geobox import GeoBox
from rasterio import Affine

UTM33 = "EPSG:32633"
WGS84 = "EPSG:4326"
CRS_OF_MARS = (
    'PROJCS["Mars eqc",GEOGCS["GCS_Mars",DATUM["D_Mars",SPHEROID["Mars",3396190,169.8944472]],'
    'PRIMEM["Reference_Meridian",0],UNIT["degree",0.0174532925199433]],PROJECTION["Equirectangular"],'
    'PARAMETER["standard_parallel_1",0],PARAMETER["central_meridian",0],PARAMETER["false_easting",0],'
    'PARAMETER["false_northing",0],UNIT["metre",1]]'
)
CRS_OF_A_SITE = 'LOCAL_CS["site grid",UNIT["metre",1]]'
CRS_OF_A_FULL_DISC = "+proj=geos +lon_0=140.7 +h=35785863 +sweep=x +ellps=WGS84 +units=m"


def utm_grid(height: int = 60, width: int = 50, size: float = 10.0, east: float = 400_000.0) -> GeoBox:
    """A north-up grid of `size` metres in UTM zone 33."""
    return GeoBox((height, width), Affine(size, 0, east, 0, -size, 5_000_000.0), UTM33)


def turned_grid(grid: GeoBox, degrees: float, size: float = 1.0) -> GeoBox:
    """`grid` turned about its centre, with pixels `size` times as large on as many rows and columns."""
    x, y = grid.shape[1] / 2, grid.shape[0] / 2
    turn = (
        Affine.translation(x, y) @ Affine.rotation(degrees) @ Affine.scale(size) @ Affine.translation(-x, -y)
    )
    return GeoBox(grid.shape, grid.affine @ turn, grid.crs)


def position_values(grid: GeoBox) -> np.ndarray:
    """(2, row, col) float32: row and column of each pixel's centre."""
    rows, cols = np.mgrid[: grid.shape[0], : grid.shape[1]]
    return np.stack([rows + 0.5, cols + 0.5]).astype(np.float32)


def write_raster(path: Path, values: np.ndarray, grid: GeoBox, **profile: object) -> Path:
    """Write (band, row, col) `values` on `grid`; `profile` goes to rasterio."""
    count, height, width = values.shape
    options = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate", **profile}
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=count,
        height=height,
        width=width,
        dtype=values.dtype,
        crs=None if grid.crs is None else grid.crs.to_wkt(),
        transform=grid.affine,
        **options,
    ) as dataset:
        dataset.write(values)
    return path


def write_positions(path: Path, grid: GeoBox, **profile: object) -> Path:
    """A raster on `grid` that holds each pixel's row and column."""
    return write_raster(path, position_values(grid), grid, **profile)


def write_sparse(path: Path, side: int, count: int, dtype: str = "float32") -> Path:
    """An empty frame of `side` x `side` pixels: little on disk, much once decoded."""
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=side,
        width=side,
        count=count,
        dtype=dtype,
        crs=UTM33,
        transform=Affine(10, 0, 400_000, 0, -10, 5_000_000),
        tiled=True,
        blockxsize=512,
        blockysize=512,
        sparse_ok=True,
        bigtiff="yes",
        interleave="pixel",
    ):
        pass
    return path


def vrt_that_reads(secret: Path, side: int = 8) -> str:
    """A GDAL document whose pixels are the bytes of the file `secret`."""
    return (
        f'<VRTDataset rasterXSize="{side}" rasterYSize="{side}">'
        '<VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand">'
        f'<SourceFilename relativetoVRT="0">{secret}</SourceFilename>'
        "<ImageOffset>0</ImageOffset><PixelOffset>1</PixelOffset>"
        f"<LineOffset>{side}</LineOffset></VRTRasterBand></VRTDataset>"
    )


def pixels_by_proj(grid: GeoBox, source: GeoBox, col: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, ...]:
    """Columns and rows on the north-up `source` of positions on `grid`, by PROJ alone; infinite: nowhere."""
    assert grid.crs is not None and source.crs is not None
    a, b, c, d, e, f = tuple(grid.affine)[:6]
    transformer = pyproj.Transformer.from_crs(grid.crs.proj, source.crs.proj, always_xy=True)
    x, y = transformer.transform(a * col + b * row + c, d * col + e * row + f)
    a, _, c, _, e, f = tuple(source.affine)[:6]
    with np.errstate(invalid="ignore"):
        return (x - c) / a, (y - f) / e


def point_scale(grid: GeoBox) -> float:
    """PROJ's own factor from metres on the ground to metres of a conformal CRS, in the middle of a grid."""
    assert grid.crs is not None
    height, width = grid.shape
    projection = pyproj.Proj(grid.crs.proj)
    lon, lat = projection(*(grid.affine @ (width / 2, height / 2)), inverse=True)
    return float(projection.get_factors(lon, lat).meridional_scale)


def outline_area(grid: GeoBox, steps: int = 4000) -> float:
    """Square metres within the outline of a grid, its sides followed by many short geodesics."""
    assert grid.crs is not None
    height, width = grid.shape
    side = np.linspace(0, 1, steps, endpoint=False)
    zero, one = np.zeros_like(side), np.ones_like(side)
    cols = np.concatenate([side, one, 1 - side, zero]) * width
    rows = np.concatenate([zero, side, one, 1 - side]) * height
    a, b, c, d, e, f = tuple(grid.affine)[:6]
    crs = grid.crs.proj
    transformer = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    lon, lat = transformer.transform(a * cols + b * rows + c, d * cols + e * rows + f)
    return abs(crs.get_geod().polygon_area_perimeter(lon, lat)[0])
