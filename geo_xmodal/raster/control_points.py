"""Rasters whose place is ground control points: where their pixels lie, and how far the points agree.

Points of an affine transform are that transform, exactly. Other points are followed by a polynomial of the
second order (least squares, GDAL's own choice from six points up), or by a thin plate spline through all.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import rasterio
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from rasterio import Affine
from rasterio._err import CPLE_BaseError  # what GDAL says past rasterio's own errors
from rasterio.control import GroundControlPoint
from rasterio.errors import RasterioError
from rasterio.transform import GCPTransformer
from rasterio.warp import calculate_default_transform

from geo_xmodal.errors import RasterError
from geo_xmodal.named_options import option
from geo_xmodal.raster.ground import MAX_PLACE, MIN_PIXEL

WarpGcps = Literal["polynomial", "tps"]
"""What follows points that no affine transform does: a polynomial near them, or a thin plate spline."""

Points = npt.NDArray[np.float64]

ControlPoint = tuple[float, float, float, float]
"""Column and row, from the corner of the first pixel, and x and y in the CRS."""

_NAMES: Mapping[WarpGcps, str] = {
    "polynomial": "a polynomial of the second order",
    "tps": "a thin plate spline",
}

_MIN = 3
_MIN_OF_A_POLYNOMIAL = 6
_EXACT = 0.01
"""Pixels by which points may miss an affine transform and yet be points of it."""

_FLAT = 1e-9
"""Least area that points span, as a share of the square of their spread, to lie on no line."""

_CONTRADICTORY = 0.05
"""Share of the diagonal by which points of one image are not missed, nor pixels that are followed there and
back."""

_HALF_THE_EARTH = 180.0
"""Degrees of longitude that no image spans."""

_LATTICE = 32
"""Parts of a side at whose ends there and back are compared."""


@dataclass(frozen=True)
class ControlGrid:
    """Pixels whose place is a curve near, or through, ground control points; stands where a `GeoBox` does.

    Attributes:
        shape: Rows and columns.
        crs: Of the points.
        points: The points.
        method: What follows them.
        slack: Pixels by which a pixel is missed when it is followed there and back, at most: the two ways
            are fitted one by one.
    """

    shape: tuple[int, int]
    crs: CRS
    points: tuple[ControlPoint, ...]
    method: WarpGcps
    slack: float = 0.0

    def places(self, pixels: Points) -> Points:
        """Coordinates (n, 2; x, y) of positions in pixels (n, 2; column, row)."""
        with rasterio.Env(), self._transformer() as transformer:
            return np.stack(transformer.xy(pixels[:, 1], pixels[:, 0], offset="ul"), axis=1)

    def pixels(self, places: Points) -> Points:
        """Positions in pixels (n, 2; column, row) of coordinates (n, 2; x, y)."""
        with rasterio.Env(), self._transformer() as transformer:
            rows, cols = transformer.rowcol(places[:, 0], places[:, 1], op=np.positive)
            return np.stack([cols, rows], axis=1)

    def gdal(self, row: int = 0, col: int = 0) -> dict[str, Any]:
        """The points as GDAL's transformers take them, seen from a pixel."""
        points = [GroundControlPoint(r - row, c - col, x, y, 0.0) for c, r, x, y in self.points]
        return {"gcps": points, **({"METHOD": "GCP_TPS"} if self.method == "tps" else {})}

    def regular(self) -> GeoBox:
        """A north-up grid over all pixels, of pixels about as large as they are."""
        height, width = self.shape
        crs = self.crs.to_wkt()
        with rasterio.Env():
            affine, cols, rows = calculate_default_transform(crs, crs, width, height, **self.gdal())
        return GeoBox((rows, cols), affine, self.crs)

    def __str__(self) -> str:
        """All that decides where pixels lie, in short."""
        points = hashlib.sha256(repr(self.points).encode()).hexdigest()
        return f"{self.shape[0]} x {self.shape[1]} {self.method} of points {points} {self.crs.to_wkt()}"

    def _transformer(self) -> GCPTransformer:
        return GCPTransformer(self.gdal()["gcps"], tps=self.method == "tps")


@dataclass(frozen=True)
class Fit:
    """Where the pixels of a raster lie by its ground control points.

    Attributes:
        grid: Their place.
        text: What was done, with the residual, for people.
    """

    grid: GeoBox | ControlGrid
    text: str


def fit_control_points(dataset: rasterio.DatasetReader, name: str, method: WarpGcps) -> Fit | None:
    """Where the pixels of an open raster lie by its ground control points; None where it has another place.

    Args:
        dataset: The raster.
        name: What messages call it.
        method: What follows points that no affine transform does.

    Raises:
        RasterError: The points are too few, lie on a line, have no CRS or contradict each other; or the place
            is rational polynomial coefficients, which need the height of the ground.
    """
    if dataset.crs is not None:
        return None
    found, crs = dataset.gcps
    if not found:
        if dataset.rpcs is not None:
            raise RasterError(
                f"{name}: its place is rational polynomial coefficients (RPC), which need the height of the "
                "ground and are not warped here: gdalwarp -rpc -to RPC_DEM=DEM.tif INPUT OUTPUT.tif"
            )
        return None
    if crs is None:
        raise RasterError(
            f"{name}: its {len(found)} ground control points have no CRS: give them one with: "
            "gdal_translate -a_srs EPSG:4326 INPUT OUTPUT.tif"
        )
    points = np.array([(point.col, point.row, point.x, point.y) for point in found], np.float64)
    if crs.is_geographic and np.ptp(points[:, 2]) > _HALF_THE_EARTH:
        points[:, 2] %= 360  # an image that crosses 180 degrees
    shape = (dataset.height, dataset.width)
    return _fitted(tuple(map(tuple, points.tolist())), shape, CRS(crs.to_wkt()), method, name)


@lru_cache(maxsize=256)
def _fitted(
    points: tuple[ControlPoint, ...], shape: tuple[int, int], crs: CRS, method: WarpGcps, name: str
) -> Fit:
    count = len(points)
    if count < _MIN:
        raise RasterError(f"{name}: has {count} ground control points, expected at least {_MIN}")
    array = np.array(points)
    if not (np.abs(array) <= MAX_PLACE).all():
        raise RasterError(
            f"{name}: a ground control point has a coordinate that is no number within {MAX_PLACE:.0e}"
        )
    small = np.ptp(array[:, 2:], axis=0).max() < MIN_PIXEL * max(shape)
    if small or _on_a_line(array[:, :2]) or _on_a_line(array[:, 2:]):
        raise RasterError(
            f"{name}: its {count} ground control points lie on a line, expected points that span an area"
        )
    affine = _affine(points)
    residuals = np.full((count, 2), math.inf)
    if abs(affine.determinant) > _FLAT * sum(one**2 for one in (affine.a, affine.b, affine.d, affine.e)):
        residuals = np.array([~affine @ (x, y) for _, _, x, y in points]) - array[:, :2]
    exact = bool(np.abs(residuals).max() <= _EXACT)
    curved = not exact and (method == "tps" or count >= _MIN_OF_A_POLYNOMIAL)
    grid = _curved(array, shape, crs, method, name) if curved else GeoBox(shape, affine, crs)
    if isinstance(grid, ControlGrid):
        residuals = grid.pixels(array[:, 2:]) - array[:, :2]
    rms = math.sqrt(np.mean(np.sum(residuals**2, axis=1)))
    what = _NAMES[method] if curved else "an affine transform"
    if rms > (most := _CONTRADICTORY * math.hypot(*shape)):
        raise RasterError(
            f"{name}: its {count} ground control points contradict each other: {what} misses them by more "
            f"than {most:.0f} pixels (RMS) of {shape[0]} x {shape[1]}; see that they are of this image"
        )
    return Fit(
        grid,
        f"its place is {count} ground control points, followed as asked by {what} that misses them by "
        f"{round(rms, 3):g} pixels (RMS)",
    )


def _on_a_line(places: Points) -> bool:
    spread = np.linalg.svd(places - places.mean(axis=0), compute_uv=False)
    return bool(spread[1] <= math.sqrt(_FLAT) * spread[0])


def _affine(points: Sequence[ControlPoint]) -> Affine:
    """The affine transform by least squares, in fractions: points of a transform give back that transform."""
    cols, rows, x, y = ([Fraction(value) for value in values] for values in zip(*points, strict=True))
    col, row = sum(cols) / len(cols), sum(rows) / len(rows)
    cc = sum((c - col) ** 2 for c in cols)
    rr = sum((r - row) ** 2 for r in rows)
    cr = sum((c - col) * (r - row) for c, r in zip(cols, rows, strict=True))
    coefficients: list[float] = []
    for values in (x, y):
        mean = sum(values) / len(values)
        vc = sum((v - mean) * (c - col) for v, c in zip(values, cols, strict=True))
        vr = sum((v - mean) * (r - row) for v, r in zip(values, rows, strict=True))
        across = (vc * rr - vr * cr) / (cc * rr - cr**2)
        down = (vr * cc - vc * cr) / (cc * rr - cr**2)
        coefficients += map(float, (across, down, mean - across * col - down * row))
    return Affine(*coefficients)


def _curved(array: Points, shape: tuple[int, int], crs: CRS, method: WarpGcps, name: str) -> ControlGrid:
    points = tuple((float(c), float(r), float(x), float(y)) for c, r, x, y in array)
    grid = ControlGrid(shape, crs, points, method)
    across, down = (np.linspace(0, side, _LATTICE + 1) for side in reversed(shape))
    lattice = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)
    try:
        missed = float(np.abs(grid.pixels(grid.places(lattice)) - lattice).max())
        grid.regular()
    except (RasterioError, CPLE_BaseError):
        missed = math.nan
    if not missed <= _CONTRADICTORY * math.hypot(*shape):
        other = "polynomial" if method == "tps" else "tps"
        raise RasterError(
            f"{name}: {_NAMES[method]} cannot follow its {len(points)} ground control points: try {other} "
            f"({option('warp_gcps', other)}), or warp it with: gdalwarp INPUT OUTPUT.tif"
        )
    return ControlGrid(shape, crs, points, method, missed)
