"""Values of one grid brought onto another: the same for a pixel whatever window is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import shapely
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling as GdalResampling
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT
from rasterio.warp import reproject

from geo_xmodal.errors import AlignmentError
from geo_xmodal.raster.control_points import ControlGrid
from geo_xmodal.raster.embedding import Product, normalised
from geo_xmodal.raster.grid import (
    PixelPlaces,
    extent_text,
    footprint,
    overlap,
    pixel_offset,
    to_pixels,
    upside_down,
)
from geo_xmodal.types import FloatArray, Window

Resampling = Literal["nearest", "bilinear", "cubic", "average", "mode", "max", "min", "med"]
"""How a file that is off the reference grid is brought onto it (GDAL's names)."""

_BLOCK = 256
_BLOCK_VALUES = 2**22
"""Values that are warped at once (16 MB as float32): a single pixel costs as many."""

_SOURCE_VALUES = 2**23
"""Source values that are held for blocks of a window (32 MB as float32)."""

_TOLERANCE = 0.001
"""Source pixels by which GDAL's fast transform between two CRSs may be off."""

_PLACES = np.linspace(0, 1, 9)
"""Shares of the sides at which pixels of two grids are compared."""

_UNUSUAL = 16.0
"""Times the usual size of a derivative that only a seam has."""

_LATTICE = 17
_MARGIN = 4

_DOWN = 1.05
"""Source pixels a grid pixel, above which values are averaged."""

_ALIKE = 0.1
"""Source pixels by which the side of a grid pixel may differ from one, to be of about the same size."""

_TURNED = math.sin(math.radians(5))
"""GDAL averages over the upright box between two opposite corners, which shrinks as a grid turns."""

Read = Callable[[Window], FloatArray]
"""A window of the source grid to its values (band, row, col), NaN where there is no data."""


@dataclass(frozen=True)
class Placement:
    """How the values of one grid come onto another.

    Where the pixels of both are the same they are passed on. Otherwise they are warped in blocks that are
    anchored to the new grid, with the scale of the resampling kernel fixed (GDAL guesses it from each window
    otherwise), so that a pixel has the same value, to the bit, whatever window it is read in.

    Attributes:
        name: What messages call the source.
        source: Where the pixels lie that are read.
        grid: The grid that is wanted.
        bands: Number of bands.
        resampling: None where the pixels are the same.
        product: Whose features the values are, if they are.
    """

    name: str
    source: PixelPlaces
    grid: GeoBox
    bands: int
    resampling: Resampling | None
    product: Product | None = None

    def values(self, window: Window, read: Read) -> FloatArray:
        """Values (band, row, col) of a window of `grid`; NaN outside it and outside the source.

        Args:
            window: What is wanted; it may reach beyond the grid.
            read: Asked for windows inside the source grid only.
        """
        out = self.nothing(window)
        inside = window.common(Window(0, 0, *self.grid.shape))
        if inside is not None:
            for part, values in self._parts(inside, read):
                rows, cols = part.seen_from(window).slices
                out[:, rows, cols] = values
        return out

    def valid(self, window: Window, read: Read) -> npt.NDArray[np.bool_]:
        """Where (row, col) every band of `values` is finite; of bands that miss the same, one is warped."""
        out = np.zeros((window.height, window.width), np.bool_)
        inside = window.common(Window(0, 0, *self.grid.shape))
        if inside is not None:
            for part, values in self._parts(inside, read, _distinct):
                out[part.seen_from(window).slices] = np.isfinite(values).all(axis=0)
        return out

    def nothing(self, window: Window) -> FloatArray:
        """A window (band, row, col) without data."""
        return np.full((self.bands, window.height, window.width), np.nan, np.float32)

    def _parts(
        self, inside: Window, read: Read, of: Callable[[FloatArray], FloatArray] | None = None
    ) -> Iterator[tuple[Window, FloatArray]]:
        """Windows that make up `inside` with their values; `of` says which bands of the source are warped."""
        if self.resampling is None:
            yield from self._copied(inside, read)
            return
        side = self._block_side()
        height, width = self.grid.shape
        blocks = [
            Window(row, col, min(side, height - row), min(side, width - col))
            for row in range(inside.row // side * side, inside.row + inside.height, side)
            for col in range(inside.col // side * side, inside.col + inside.width, side)
        ]
        across, down = _source_pixels(self.grid, self.source)
        margin = _MARGIN + math.ceil(2 * max(across, down))
        needed = [(block, _source_window(self.grid, self.source, block, margin)) for block in blocks]
        for there, group in _read_together(needed, self.bands):
            values = read(there)
            for block, (window, whole) in group:
                part = block.common(inside)
                if part is not None:
                    rows, cols = window.seen_from(there).slices
                    chosen = values[:, rows, cols]
                    if of is not None and not self._unit:  # a vector without length has no direction
                        chosen = of(chosen)
                    warped = self._warped(block, window, chosen, whole)
                    rows, cols = part.seen_from(block).slices
                    yield part, warped[:, rows, cols]

    def _copied(self, inside: Window, read: Read) -> Iterator[tuple[Window, FloatArray]]:
        offset = pixel_offset(self.source, self.grid)
        if offset is None:
            raise AlignmentError(f"{self.name}: its pixels are not the grid's; a resampling is needed")
        there = Window(*offset, *self.source.shape)
        part = inside.common(there)
        if part is not None:
            yield part, read(part.seen_from(there))

    def _block_side(self) -> int:
        """Depends on the grids and bands only, or a pixel would depend on the window it is read in."""
        across, down = _source_pixels(self.grid, self.source)
        side = min(_BLOCK, 1 << int(math.log2(_BLOCK_VALUES / self.bands)) // 2)
        return max(1, min(side, int(math.sqrt(_SOURCE_VALUES / self.bands) / max(across, down, 1))))

    def _warped(self, block: Window, there: Window, values: FloatArray, whole: bool) -> FloatArray:
        """A block of `grid` from the values of a window of the source.

        Without nodata GDAL takes half the time: it is left out where every pixel of the block gets a value.
        """
        across, down = _source_pixels(self.grid, self.source)
        onto = {
            "resampling": GdalResampling[str(self.resampling)],
            "XSCALE": 1 / across,
            "YSCALE": 1 / down,
            "UNIFIED_SRC_NODATA": "NO",
        }
        affine = self.grid.translate_pix(block.col, block.row).affine
        grid = GeoBox((block.height, block.width), affine, self.grid.crs)
        try:
            if isinstance(self.source, ControlGrid):
                values = _by_points(self.source, there, values, grid, onto)
                values[:, ~_within(self.source, self.grid, block)] = np.nan
            else:
                nodata = None if whole and not np.isnan(values).any() else math.nan
                values = _by_grid(self.source, there, values, grid, onto, nodata)
        except RasterioError as error:
            where = extent_text(self.grid)
            raise AlignmentError(f"{self.name}: cannot be warped to the grid ({where}): {error}") from error
        return normalised(values) if self._unit else values

    @property
    def _unit(self) -> bool:
        return self.product is not None and self.product.unit and self.resampling != "nearest"


def _distinct(values: FloatArray) -> FloatArray:
    """One of all bands that miss the same pixels; but two of several, as GDAL treats one band otherwise."""
    missing = np.isnan(values)
    if (missing == missing[:1]).all():
        return values[:2]
    marks = np.packbits(missing.reshape(len(values), -1), axis=1)
    _, first = np.unique(marks, axis=0, return_index=True)
    return values[np.sort(first)]


_Needed = tuple[Window, bool]
"""A window of the source, and whether all that a block reads lies in it."""


def _read_together(
    needed: Sequence[tuple[Window, _Needed | None]], bands: int
) -> Iterator[tuple[Window, list[tuple[Window, _Needed]]]]:
    """Blocks that need any source, in groups, each with a source window that holds what they need."""
    group: list[tuple[Window, _Needed]] = []
    there: Window | None = None
    for block, one in needed:
        if one is None:
            continue
        wider = one[0] if there is None else _around_both(there, one[0])
        if there is not None and wider.height * wider.width * bands > _SOURCE_VALUES:
            yield there, group
            group, wider = [], one[0]
        group.append((block, one))
        there = wider
    if there is not None:
        yield there, group


def _around_both(a: Window, b: Window) -> Window:
    """The smallest window that holds two."""
    row, col = min(a.row, b.row), min(a.col, b.col)
    bottom, right = max(a.row + a.height, b.row + b.height), max(a.col + a.width, b.col + b.width)
    return Window(row, col, bottom - row, right - col)


def _by_grid(
    source: GeoBox,
    there: Window,
    values: FloatArray,
    grid: GeoBox,
    onto: Mapping[str, Any],
    nodata: float | None,
) -> FloatArray:
    """Values (band, row, col) of a window of `source` on `grid`."""
    frame = {
        "driver": "GTiff",
        "height": there.height,
        "width": there.width,
        "count": len(values),
        "dtype": "float32",
        "interleave": "band",  # GDAL warps band by band
        "nodata": nodata,
        "crs": _wkt(source),
        "transform": source.translate_pix(there.col, there.row).affine,
    }
    place = {"crs": _wkt(grid), "transform": grid.affine, "height": grid.shape[0], "width": grid.shape[1]}
    with MemoryFile() as memory:
        with memory.open(**frame) as part:
            part.write(values)
        with (
            memory.open(driver="GTiff") as part,
            WarpedVRT(part, **place, **onto, tolerance=_TOLERANCE) as warped,
        ):
            found: FloatArray = warped.read()
    return found


def _by_points(
    source: ControlGrid, there: Window, values: FloatArray, grid: GeoBox, onto: Mapping[str, Any]
) -> FloatArray:
    """As `_by_grid`, of pixels whose place is ground control points."""
    out = np.full((len(values), *grid.shape), np.nan, np.float32)
    reproject(
        values,
        out,
        src_crs=_wkt(source),
        src_nodata=math.nan,
        dst_crs=_wkt(grid),
        dst_transform=grid.affine,
        dst_nodata=math.nan,
        **source.gdal(there.row, there.col),
        **onto,
    )
    return out


def _within(source: ControlGrid, grid: GeoBox, block: Window) -> npt.NDArray[np.bool_]:
    """Which pixels (row, col) of a block of `grid` lie on the image.

    Far from its image a polynomial may lead back into it.
    """
    outline = _outline(source, grid)
    rows, cols = np.mgrid[: block.height, : block.width]
    inside: npt.NDArray[np.bool_] = shapely.contains_xy(
        outline, cols + block.col + 0.5, rows + block.row + 0.5
    )
    return inside


@lru_cache(maxsize=16)
def _outline(source: ControlGrid, grid: GeoBox) -> shapely.Geometry:
    """The area on `grid` of an image, and as much around it as its place is uncertain."""
    outline = footprint(source, grid, source.slack + 1)
    shapely.prepare(outline)
    return outline


def choose_resampling(
    name: str,
    source: PixelPlaces,
    grid: GeoBox,
    wanted: Resampling | None = None,
    *,
    measured: bool = False,
) -> Resampling | None:
    """How values of `source` come onto `grid`: as `wanted`, and not at all where the pixels are the same.

    The same pixels with their rows in the opposite order (a file stored bottom-up) are passed on, too, by
    the nearest value.

    Without `wanted`, values are averaged where the grid is coarser than the source, and interpolated
    bilinearly where it is finer or turned; but with `measured`, pixels of about the same size get the
    nearest measured value, as interpolation would smooth noise and speckle that a model has learnt.

    Raises:
        AlignmentError: The two do not overlap, or cannot be compared.
    """
    try:
        share, _ = overlap(source, grid)
    except AlignmentError as error:
        raise AlignmentError(f"{name}: {error}") from None
    if share == 0:
        raise AlignmentError(
            f"{name}: does not overlap the grid: the file covers {extent_text(source)}, "
            f"the grid {extent_text(grid)}"
        )
    if pixel_offset(source, grid) is not None:
        return None
    if isinstance(source, GeoBox) and pixel_offset(upside_down(source), grid) is not None:
        return "nearest"
    if grid.crs is None:
        raise AlignmentError(
            f"{name}: neither the file nor the grid has a CRS, and their pixels differ: the file has "
            f"{extent_text(source)}, the grid {extent_text(grid)}; give both a CRS, or the same pixels"
        )
    if wanted is not None:
        return wanted
    (xx, xy), (yx, yy) = _jacobian(grid, source)
    across, down = math.hypot(xx, xy), math.hypot(yx, yy)
    if measured and max(abs(across - 1), abs(down - 1)) <= _ALIKE:
        return "nearest"
    turn = max(min(abs(xx), abs(xy)) / across, min(abs(yx), abs(yy)) / down)
    return "average" if math.sqrt(across * down) > _DOWN and turn < _TURNED else "bilinear"


@lru_cache(maxsize=64)
def _source_pixels(grid: GeoBox, source: PixelPlaces) -> tuple[float, float]:
    """How many source columns and rows a pixel of `grid` spans."""
    (xx, xy), (yx, yy) = _jacobian(grid, source)
    return math.hypot(xx, xy), math.hypot(yx, yy)


def _jacobian(grid: GeoBox, source: PixelPlaces) -> npt.NDArray[np.float64]:
    """Derivative of source (column, row) by grid (column, row), in the middle of what they share.

    Where the middle does not exist in the source's CRS, or lies on a seam of it (180 degrees), that of the
    nearest place where the derivative is about as large as in most.
    """
    _, common = overlap(source, grid)
    shares = np.stack(np.meshgrid(_PLACES, _PLACES), axis=-1).reshape(-1, 1, 2)
    places = (common.col, common.row) + shares * (common.width, common.height)
    steps = places + np.array([[-0.5, 0], [0.5, 0], [0, -0.5], [0, 0.5]])
    there = to_pixels(grid, source, steps.reshape(-1, 2)).reshape(-1, 4, 2)
    found = np.stack([there[:, 1] - there[:, 0], there[:, 3] - there[:, 2]], axis=2)
    sizes = np.linalg.norm(found, axis=(1, 2))
    exists = np.isfinite(sizes)
    if not exists.any():
        raise AlignmentError(f"no pixel of the grid ({extent_text(grid)}) has a place in the source's CRS")
    usual = exists & (sizes <= _UNUSUAL * np.median(sizes[exists]))
    nearest = np.argmin(np.where(usual, np.abs(shares[:, 0] - 0.5).sum(axis=1), np.inf))
    jacobian: npt.NDArray[np.float64] = found[nearest]
    return jacobian


def _source_window(grid: GeoBox, source: PixelPlaces, block: Window, margin: int) -> _Needed | None:
    """The pixels of `source` that `block` of `grid` may need, or None where there are none."""
    x, y = np.meshgrid(np.linspace(0, block.width, _LATTICE), np.linspace(0, block.height, _LATTICE))
    lattice = np.stack([x.ravel() + block.col, y.ravel() + block.row], axis=1)
    points = to_pixels(grid, source, lattice)
    exists = np.isfinite(points).all(axis=1)
    if not exists.any():
        return None
    if not exists.all():  # what exists ends somewhere between two nodes
        across, down = _source_pixels(grid, source)
        margin += math.ceil(2 * max(block.width, block.height) / (_LATTICE - 1) * max(across, down))
        points = points[exists]
    height, width = source.shape
    left, top = np.floor(points.min(axis=0)) - margin
    right, bottom = np.ceil(points.max(axis=0)) + margin
    whole = bool(exists.all()) and left >= 0 and top >= 0 and right <= width and bottom <= height
    left, right = max(0, int(left)), min(width, int(right))
    top, bottom = max(0, int(top)), min(height, int(bottom))
    if left >= right or top >= bottom:
        return None
    return Window(top, left, bottom - top, right - left), whole


def _wkt(grid: PixelPlaces) -> str | None:
    return None if grid.crs is None else str(grid.crs.to_wkt())
