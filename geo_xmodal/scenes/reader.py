"""One sensor's file as it looks on the reference grid: the same values whatever window is read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.enums import Resampling as GdalResampling
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as FileWindow

from geo_xmodal.errors import AlignmentError, RasterError
from geo_xmodal.scenes.config import Resampling
from geo_xmodal.scenes.grid import extent_text, grid_of, overlap, pixel_offset, to_pixels
from geo_xmodal.scenes.raster import band_names, open_raster, read_window
from geo_xmodal.types import FloatArray, Kind, Window

_BLOCK = 256
_BLOCK_VALUES = 2**24
"""Source values held for one block of warped pixels (64 MB as float32)."""

_TOLERANCE = 0.001
"""Source pixels by which GDAL's fast transform between two CRSs may be off."""

_LATTICE = 17
_MARGIN = 4

_DOWN = 1.05
"""Source pixels a grid pixel, above which values are averaged."""

_TURNED = math.sin(math.radians(5))
"""GDAL averages over the upright box between two opposite corners, which shrinks as a grid turns."""


@dataclass(frozen=True)
class AlignedReader:
    """How to read a raster on a grid; holds no open file, so it travels to workers as it is.

    A file whose pixels are the grid's is read as it is. Any other is warped in blocks that are anchored to
    the grid, with the scale of the resampling kernel fixed (GDAL guesses it from each window otherwise), so
    that a pixel has the same value, to the bit, whatever window it is read in.

    Attributes:
        path: The file.
        grid: The grid to read it on.
        source: The file's own grid.
        bands: 1-based bands of the file, in the order they are read.
        band_names: One name a band.
        nodata: Value that means "no data" in the file, or None.
        kind: What the sensor measures.
        resampling: How values are brought onto the grid; None where the file's pixels are the grid's.
        decibel: The file holds decibels; what is read is linear power.
    """

    path: Path
    grid: GeoBox
    source: GeoBox
    bands: tuple[int, ...]
    band_names: tuple[str, ...]
    nodata: float | None
    kind: Kind
    resampling: Resampling | None
    decibel: bool = False

    def read(self, window: Window, margin: int = 0) -> FloatArray:
        """Values (band, row, col) of `window` with `margin` pixels more on every side.

        NaN outside the grid, outside the file, at the file's nodata value or mask, and where the file
        holds NaN or infinity. Memory is bounded by the window.

        Raises:
            RasterError: The file is gone, has changed its grid, or cannot be decoded there.
        """
        window = window.padded(margin)
        out = np.full((len(self.bands), window.height, window.width), np.nan, np.float32)
        inside = _intersection(window, Window(0, 0, *self.grid.shape))
        if inside is None:
            return out
        with open_raster(self.path) as dataset:
            if grid_of(dataset) != self.source or max(self.bands) > dataset.count:
                raise RasterError(f"{self.path}: has changed since it was opened; open the scene again")
            for part, values in self._parts(dataset, inside):
                rows, cols = Window(
                    part.row - window.row, part.col - window.col, part.height, part.width
                ).slices
                out[:, rows, cols] = values
        return out

    def valid(self, window: Window, margin: int = 0) -> npt.NDArray[np.bool_]:
        """Where (row, col) every band of `window` has data."""
        return np.asarray(np.isfinite(self.read(window, margin)).all(axis=0))

    def _parts(self, dataset: rasterio.DatasetReader, inside: Window) -> Iterator[tuple[Window, FloatArray]]:
        if self.resampling is None:
            yield from self._copied(dataset, inside)
            return
        side = self._block_side()
        for row in range(inside.row // side * side, inside.row + inside.height, side):
            for col in range(inside.col // side * side, inside.col + inside.width, side):
                height, width = self.grid.shape
                block = Window(row, col, min(side, height - row), min(side, width - col))
                part = _intersection(block, inside)
                values = self._warped(dataset, block)
                if part is not None and values is not None:
                    rows, cols = Window(part.row - row, part.col - col, part.height, part.width).slices
                    yield part, values[:, rows, cols]

    def _copied(self, dataset: rasterio.DatasetReader, inside: Window) -> Iterator[tuple[Window, FloatArray]]:
        offset = pixel_offset(self.source, self.grid)
        if offset is None:
            raise AlignmentError(f"{self.path}: its pixels are not the grid's; a resampling is needed")
        part = _intersection(inside, Window(*offset, *self.source.shape))
        if part is not None:
            there = FileWindow(part.col - offset[1], part.row - offset[0], part.width, part.height)
            yield part, self._linear(dataset, there)

    def _block_side(self) -> int:
        """Depends on the grids and bands only, or a pixel would depend on the window it is read in."""
        across, down = _source_pixels(self.grid, self.source)
        side = math.sqrt(_BLOCK_VALUES / len(self.bands)) / max(across, down, 1)
        return max(1, min(_BLOCK, int(side)))

    def _warped(self, dataset: rasterio.DatasetReader, block: Window) -> FloatArray | None:
        across, down = _source_pixels(self.grid, self.source)
        there = _source_window(self.grid, self.source, block, _MARGIN + math.ceil(2 * max(across, down)))
        if there is None:
            return None
        frame = {
            "driver": "GTiff",
            "height": there.height,
            "width": there.width,
            "count": len(self.bands),
            "dtype": "float32",
            "nodata": math.nan,
            "crs": _wkt(self.source),
            "transform": self.source.translate_pix(there.col_off, there.row_off).affine,
        }
        onto = {
            "crs": _wkt(self.grid),
            "transform": self.grid.translate_pix(block.col, block.row).affine,
            "height": block.height,
            "width": block.width,
            "resampling": GdalResampling[self.resampling],
            "tolerance": _TOLERANCE,
            "XSCALE": 1 / across,
            "YSCALE": 1 / down,
            "UNIFIED_SRC_NODATA": "NO",
        }
        try:
            with MemoryFile() as memory:
                with memory.open(**frame) as part:
                    part.write(self._linear(dataset, there))
                with memory.open(driver="GTiff") as part, WarpedVRT(part, **onto) as warped:
                    return np.asarray(warped.read())
        except RasterioError as error:
            where = extent_text(self.grid)
            raise AlignmentError(f"{self.path}: cannot be warped to the grid ({where}): {error}") from error

    def _linear(self, dataset: rasterio.DatasetReader, there: FileWindow) -> FloatArray:
        """Float32 values with NaN for no data; decibels become power here, before anything is averaged."""
        raw = read_window(dataset, self.bands, there)
        missing = _equals(raw, self.nodata)
        with np.errstate(over="ignore", invalid="ignore"):
            power = np.power(10.0, raw.astype(np.float64) / 10) if self.decibel else raw
            values: FloatArray = power.astype(np.float32)
        values[missing | ~np.isfinite(values)] = np.nan
        if MaskFlags.per_dataset in dataset.mask_flag_enums[0]:
            values[:, dataset.read_masks(1, window=there) == 0] = np.nan
        return values


def aligned_reader(
    path: Path | str,
    *,
    grid: GeoBox | None = None,
    kind: Kind = "other",
    bands: Sequence[int] | None = None,
    invalid_bands: Sequence[int] = (),
    nodata: float | None = None,
    resampling: Resampling | None = None,
    decibel: bool = False,
) -> AlignedReader:
    """A reader of the raster at `path` on `grid` (its own grid if None).

    Without `resampling`, values are averaged where the grid is coarser than the file, and interpolated
    bilinearly where it is finer or turned.

    Raises:
        RasterError: The file cannot be opened, or lacks a band that is asked for.
        AlignmentError: The file and the grid do not overlap, or cannot be compared.
    """
    with open_raster(path) as dataset:
        source = grid_of(dataset)
        chosen = _chosen_bands(dataset, path, bands, invalid_bands)
        names = band_names(dataset)
        if grid is None:
            grid = source
        elif source.crs is None and grid.crs is not None:
            turned = " but ground control points: orthorectify it" if dataset.gcps[0] else ": set it"
            raise AlignmentError(
                f"{path}: has no CRS{turned} (the grid has one: {extent_text(grid)}), "
                "for example with: gdal_edit.py -a_srs EPSG:32633 FILE"
            )
        declared = dataset.nodata
    return AlignedReader(
        path=Path(path),
        grid=grid,
        source=source,
        bands=chosen,
        band_names=tuple(names[band - 1] for band in chosen),
        nodata=declared if nodata is None else nodata,
        kind=kind,
        resampling=_chosen_resampling(Path(path), source, grid, resampling),
        decibel=decibel,
    )


def _chosen_bands(
    dataset: rasterio.DatasetReader, path: Path | str, bands: Sequence[int] | None, invalid: Sequence[int]
) -> tuple[int, ...]:
    absent = sorted(band for band in {*(bands or ()), *invalid} if not 1 <= band <= dataset.count)
    if absent:
        raise RasterError(f"{path}: has bands 1 to {dataset.count}, asked for {', '.join(map(str, absent))}")
    if bands is None:
        alpha = {band for band, color in enumerate(dataset.colorinterp, 1) if color == ColorInterp.alpha}
        bands = [band for band in range(1, dataset.count + 1) if band not in alpha]
    chosen = tuple(band for band in bands if band not in set(invalid))
    if not chosen:
        raise RasterError(f"{path}: no band is left of {dataset.count} after the invalid bands")
    return chosen


def _chosen_resampling(
    path: Path, source: GeoBox, grid: GeoBox, wanted: Resampling | None
) -> Resampling | None:
    try:
        share, _ = overlap(source, grid)
    except AlignmentError as error:
        raise AlignmentError(f"{path}: {error}") from None
    if share == 0:
        raise AlignmentError(
            f"{path}: does not overlap the grid: the file covers {extent_text(source)}, "
            f"the grid {extent_text(grid)}"
        )
    if pixel_offset(source, grid) is not None:
        return None
    if grid.crs is None:
        raise AlignmentError(
            f"{path}: neither the file nor the grid has a CRS, and their pixels differ: the file has "
            f"{extent_text(source)}, the grid {extent_text(grid)}; give both a CRS, or the same pixels"
        )
    if wanted is not None:
        return wanted
    (xx, xy), (yx, yy) = _jacobian(grid, source)
    across, down = math.hypot(xx, xy), math.hypot(yx, yy)
    turn = max(min(abs(xx), abs(xy)) / across, min(abs(yx), abs(yy)) / down)
    return "average" if math.sqrt(across * down) > _DOWN and turn < _TURNED else "bilinear"


@lru_cache(maxsize=64)
def _source_pixels(grid: GeoBox, source: GeoBox) -> tuple[float, float]:
    """How many source columns and rows a pixel of `grid` spans."""
    (xx, xy), (yx, yy) = _jacobian(grid, source)
    return math.hypot(xx, xy), math.hypot(yx, yy)


def _jacobian(grid: GeoBox, source: GeoBox) -> npt.NDArray[np.float64]:
    """Derivative of source (column, row) by grid (column, row), in the middle of what they share."""
    _, common = overlap(source, grid)
    x, y = common.col + common.width / 2, common.row + common.height / 2
    steps = np.array([[x - 0.5, y], [x + 0.5, y], [x, y - 0.5], [x, y + 0.5]])
    left, right, up, down = to_pixels(grid, source, steps)
    return np.stack([right - left, down - up], axis=1)


def _source_window(grid: GeoBox, source: GeoBox, block: Window, margin: int) -> FileWindow | None:
    """The pixels of `source` that `block` of `grid` may need, or None where there are none."""
    x, y = np.meshgrid(np.linspace(0, block.width, _LATTICE), np.linspace(0, block.height, _LATTICE))
    lattice = np.stack([x.ravel() + block.col, y.ravel() + block.row], axis=1)
    points = to_pixels(grid, source, lattice)
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return None
    height, width = source.shape
    left, top = np.floor(points.min(axis=0)) - margin
    right, bottom = np.ceil(points.max(axis=0)) + margin
    left, right = max(0, int(left)), min(width, int(right))
    top, bottom = max(0, int(top)), min(height, int(bottom))
    return FileWindow(left, top, right - left, bottom - top) if left < right and top < bottom else None


def _intersection(a: Window, b: Window) -> Window | None:
    row, col = max(a.row, b.row), max(a.col, b.col)
    height = min(a.row + a.height, b.row + b.height) - row
    width = min(a.col + a.width, b.col + b.width) - col
    return Window(row, col, height, width) if height > 0 and width > 0 else None


def _equals(raw: npt.NDArray[Any], nodata: float | None) -> npt.NDArray[np.bool_]:
    """Where `raw` holds `nodata`, compared in the file's dtype; nowhere if that cannot hold it."""
    if nodata is None or not math.isfinite(nodata):
        return np.zeros(raw.shape, np.bool_)
    if np.issubdtype(raw.dtype, np.integer):
        limits = np.iinfo(raw.dtype)
        if nodata != int(nodata) or not limits.min <= nodata <= limits.max:
            return np.zeros(raw.shape, np.bool_)
        return np.asarray(raw == int(nodata))
    with np.errstate(over="ignore"):
        return np.asarray(raw == np.asarray(nodata).astype(raw.dtype))


def _wkt(grid: GeoBox) -> str | None:
    return None if grid.crs is None else str(grid.crs.to_wkt())
