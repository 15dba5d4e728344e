"""Exact class areas and change matrices, counted from the file by windows, in hectares on the ellipsoid.

Memory is bounded by one window, whatever the file's size. Results are kept by file (path, size, time of
change) and area, so that a page that runs again does not count again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.features import geometry_mask
from rasterio.windows import Window as FileWindow
from shapely.geometry import shape

import geo_xmodal as gx
from geo_xmodal.errors import UsageError
from geo_xmodal.types import LandClass, Window, windows_over

_WINDOW = 2048
_IDS = 256

Counts = npt.NDArray[np.int64]
Hectares = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class ClassArea:
    """One class in an area.

    Attributes:
        id: Class id; 0 for pixels without class.
        pixels: Pixels whose centre lies in the area.
        hectares: On the ellipsoid; None where the grid has no place on one.
        share: Of the area that has a class, of the pixels where areas are not known; 0 for pixels without.
    """

    id: int
    pixels: int
    hectares: float | None
    share: float


@dataclass(frozen=True)
class ChangeMatrix:
    """Two class maps of one grid, pixel by pixel.

    Attributes:
        before: Class ids of the rows.
        after: Class ids of the columns.
        pixels: Rows of pixel counts, one row a class of `before`.
        hectares: The same in hectares on the ellipsoid; None where the grid has no place on one.
        agreeing: Pixels that have the same class in both.
        compared: Pixels that have a class in both.
        left_out: Pixels that have none in at least one.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    pixels: tuple[tuple[int, ...], ...]
    hectares: tuple[tuple[float, ...], ...] | None
    agreeing: int
    compared: int
    left_out: int


def class_areas(
    path: Path, classes: Sequence[LandClass], area: Mapping[str, Any] | None = None
) -> tuple[ClassArea, ...]:
    """Areas of each class, and of pixels without one, in a class map or a polygon of it.

    Args:
        path: One band of class ids.
        classes: The legend, whose order is kept; ids of the file that it lacks follow.
        area: Polygon or MultiPolygon (GeoJSON geometry) in the map's CRS (in its affine space without CRS);
            None for the whole map. A pixel counts when its centre lies inside.

    Raises:
        RasterError: The file cannot be read, or holds other numbers than class ids.
        UsageError: The area is no polygon, or lies outside the map.
    """
    pixels, hectares = _counted(*_identity(path), _text(area))
    return _areas(pixels, hectares, [entry.id for entry in classes])


def change_matrix(
    before: Path, after: Path, classes: Sequence[LandClass], area: Mapping[str, Any] | None = None
) -> ChangeMatrix:
    """Which class of one map became which class of the other.

    Args:
        before: One band of class ids.
        after: The same on the same grid.
        classes: The legend of both, whose order is kept; ids of the files that it lacks follow.
        area: As for `class_areas`.

    Raises:
        RasterError: A file cannot be read, or holds other numbers than class ids.
        UsageError: The grids differ; the area is no polygon, or lies outside the maps.
    """
    pixels, hectares = _crossed(*_identity(before), *_identity(after), _text(area))
    known = [entry.id for entry in classes]
    rows = _present(pixels[1:, 1:].sum(axis=1), known)
    cols = _present(pixels[1:, 1:].sum(axis=0), known)
    table = pixels[np.ix_(rows, cols)]
    compared = int(pixels[1:, 1:].sum())
    return ChangeMatrix(
        tuple(rows),
        tuple(cols),
        tuple(tuple(int(value) for value in row) for row in table),
        None
        if hectares is None
        else tuple(tuple(float(value) for value in row) for row in hectares[np.ix_(rows, cols)]),
        int(np.trace(pixels[1:, 1:])),
        compared,
        int(pixels.sum()) - compared,
    )


def _areas(pixels: Counts, hectares: Hectares | None, known: Sequence[int]) -> tuple[ClassArea, ...]:
    amounts = pixels if hectares is None else hectares
    with_class = float(amounts[1:].sum()) or 1.0
    ids = [*known, *(int(value) for value in np.flatnonzero(pixels) if value not in {0, *known}), 0]
    return tuple(
        ClassArea(
            id_,
            int(pixels[id_]),
            None if hectares is None else float(hectares[id_]),
            float(amounts[id_]) / with_class if id_ else 0.0,
        )
        for id_ in ids
    )


def _present(totals: Counts, known: Sequence[int]) -> list[int]:
    """Ids from 1 that are there, those of the legend first."""
    found = {int(value) + 1 for value in np.flatnonzero(totals)}
    return [id_ for id_ in known if id_ in found] + sorted(found - set(known))


def _identity(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0  # the reader says what is wrong with it
    return str(path), status.st_size, status.st_mtime_ns


def _text(area: Mapping[str, Any] | None) -> str | None:
    return None if area is None else json.dumps(area, sort_keys=True)


@lru_cache(maxsize=256)
def _counted(path: str, _size: int, _changed: int, area: str | None) -> tuple[Counts, Hectares | None]:
    """Pixels and hectares of each class id."""
    with gx.open_raster(path) as dataset:
        _check_ids(dataset, path)
        tally = _Tally(_IDS, gx.describe_raster(path).grid)
        for window, inside in _windows(dataset, area):
            tally.add(dataset.read(1, window=_file_window(window)), window, inside)
    return tally.pixels, tally.hectares


@lru_cache(maxsize=64)
def _crossed(
    before: str, _size: int, _changed: int, after: str, _size2: int, _changed2: int, area: str | None
) -> tuple[Counts, Hectares | None]:
    with gx.open_raster(before) as first, gx.open_raster(after) as second:
        _check_ids(first, before)
        _check_ids(second, after)
        if (first.shape, first.transform, first.crs) != (second.shape, second.transform, second.crs):
            raise UsageError(
                f"{Path(before).name} has {first.height} x {first.width} pixels in {first.crs}, "
                f"{Path(after).name} {second.height} x {second.width} in {second.crs}: "
                "maps are compared on one grid; map the same scene twice"
            )
        tally = _Tally(_IDS * _IDS, gx.describe_raster(before).grid)
        for window, inside in _windows(first, area):
            where = _file_window(window)
            pairs = first.read(1, window=where).astype(np.int64) * _IDS + second.read(1, window=where)
            tally.add(pairs, window, inside)
    hectares = tally.hectares
    return tally.pixels.reshape(_IDS, _IDS), None if hectares is None else hectares.reshape(_IDS, _IDS)


class _Tally:
    """Pixels and hectares of each value from 0, window by window."""

    def __init__(self, size: int, grid: GeoBox) -> None:
        self.pixels, self._parts = np.zeros((2, size), np.int64)
        self._areas = gx.pixel_areas(grid)

    def add(
        self, values: npt.NDArray[np.integer], window: Window, inside: npt.NDArray[np.bool_] | None
    ) -> None:
        """Count the values (row, col) of a window that lie inside; None: all do."""
        size = len(self.pixels)
        counted = values if inside is None else np.where(inside, values.astype(np.int64), size)
        pixels, parts = self._areas.count(counted, window, size if inside is None else size + 1)
        self.pixels += pixels[:size]
        self._parts += parts[:size]

    @property
    def hectares(self) -> Hectares | None:
        """On the ellipsoid; None where the grid has no place on one."""
        return self._areas.hectares(self._parts)


def _check_ids(dataset: Any, path: str) -> None:
    if dataset.count != 1 or dataset.dtypes[0] != "uint8":
        raise UsageError(
            f"{Path(path).name}: {dataset.count} band(s) of {dataset.dtypes[0]}, expected one band of uint8 "
            "class ids"
        )


def _windows(dataset: Any, area: str | None) -> Iterator[tuple[Window, npt.NDArray[np.bool_] | None]]:
    """Windows over an area, and which of their pixels (row, col) lie in it; None: all."""
    if area is None:
        yield from ((window, None) for window in windows_over(dataset.height, dataset.width, _WINDOW))
        return
    polygon = shape(json.loads(area))
    if polygon.geom_type not in ("Polygon", "MultiPolygon") or polygon.is_empty:
        raise UsageError(f"an area of type {polygon.geom_type}, expected a polygon")
    corners = [~dataset.transform @ point for point in _box(polygon.bounds)]
    cols, rows = zip(*corners, strict=True)
    left, right = max(math.floor(min(cols)), 0), min(math.ceil(max(cols)), dataset.width)
    top, bottom = max(math.floor(min(rows)), 0), min(math.ceil(max(rows)), dataset.height)
    if left >= right or top >= bottom:
        raise UsageError("the area lies outside the map: draw it on the map, or load one in its place")
    for part in windows_over(bottom - top, right - left, _WINDOW):
        window = Window(part.row + top, part.col + left, part.height, part.width)
        transform = dataset.transform @ Affine.translation(window.col, window.row)
        yield window, geometry_mask([polygon], (window.height, window.width), transform, invert=True)


def _box(bounds: tuple[float, float, float, float]) -> list[tuple[float, float]]:
    left, bottom, right, top = bounds
    return [(left, bottom), (right, bottom), (right, top), (left, top)]


def _file_window(window: Window) -> FileWindow:
    return FileWindow(window.col, window.row, window.width, window.height)
