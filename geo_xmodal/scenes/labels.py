"""Labels of any origin to class ids on the reference grid."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio.features
import shapely
from odc.geo.geobox import GeoBox

from geo_xmodal.errors import LabelError, VectorError
from geo_xmodal.scenes import vector
from geo_xmodal.scenes.config import LabelsConfig
from geo_xmodal.scenes.grid import grid_of, pixel_size
from geo_xmodal.scenes.raster import file_window, open_raster
from geo_xmodal.scenes.reader import aligned_reader
from geo_xmodal.types import ClassArray, IntArray, LandClass, Window, windows_over

MOST_VALUES = 255
"""Different values that a label file may hold; more is a measurement, not a class map."""

MOST_LISTED = 10
"""Unknown values that a message names."""

COARSER = 1.5
"""A grid this many times coarser than the label raster takes the commonest label within each pixel."""

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_RASTERIZABLE = (shapely.GeometryType.POINT, shapely.GeometryType.POLYGON)
_SNAP = 2.0**16
"""Vertices are rounded to this part of a pixel, so that shifting them by whole pixels is exact in float64."""


def read_labels(
    source: LabelsConfig, path: Path, grid: GeoBox, classes: Sequence[LandClass], window: Window
) -> ClassArray:
    """Class ids of a window on the grid; a pixel has the same id whatever the window.

    A raster on another grid is brought onto this one by nearest neighbour, or where it is finer by the
    commonest label within the pixel. Polygons label the pixels whose centre they contain, points the pixel
    that contains them, and later features (in the order of their ids) overwrite earlier ones.

    Args:
        source: What scene.toml says of the labels.
        path: Where the file lies.
        grid: The reference grid.
        classes: The legend.
        window: Which pixels; may reach beyond the grid.

    Returns:
        (row, col) uint8, 0 = unlabelled.

    Raises:
        LabelError: The file holds values outside the class list.
        RasterError, VectorError, AlignmentError: The file cannot be read, or not be brought onto the grid.
    """
    if is_raster(path):
        return _raster_labels(source, path, grid, classes, window)
    geometries, ids = _features(source, path, grid, classes, window)
    return _burn(geometries, ids, grid, window)


def count_conflicts(
    source: LabelsConfig, path: Path, grid: GeoBox, classes: Sequence[LandClass], window: Window
) -> int:
    """Number of pixels of a window that features of more than one class claim; 0 for a raster."""
    if is_raster(path):
        return 0
    geometries, ids = _features(source, path, grid, classes, window)
    claims = sum(
        (_burn(geometries[ids == one], ids[ids == one], grid, window) > 0) * 1 for one in np.unique(ids)
    )
    return int(np.sum(claims > 1))


def label_values(path: Path, column: str | None = None, layer: str | None = None) -> dict[str, int]:
    """The values that a label file holds, as text, and how many pixels or features have each.

    Values that mean unlabelled (nothing, zero, negative numbers, nodata) are left out.

    Raises:
        LabelError: More than `MOST_VALUES` values, or a raster with more than one band.
        RasterError, VectorError: The file cannot be read, or has no such column.
    """
    found: Counter[str] = Counter()
    if is_raster(path):
        with open_raster(path) as dataset:
            _check_one_band(path, dataset.count)
            for window in windows_over(dataset.height, dataset.width, 1024):
                block = dataset.read(1, window=file_window(window), masked=True).compressed()
                for value, count in zip(*np.unique(block, return_counts=True), strict=True):
                    found[_text(value)] += int(count)
                _check_few(path, found)
    else:
        opened = vector.open_layer(path, layer)
        found.update(_text(value) for value in vector.read_column(opened, opened.require(column)))
        _check_few(path, found)
    labelled = (text for text in found if not _unlabelled(text))
    return {text: found[text] for text in sorted(labelled, key=lambda text: (_number(text), text))}


def path_and_column(labels: Path | str) -> tuple[Path, str | None]:
    """`file.gpkg:column` as file and column; a colon in the name of a file that exists is its own."""
    path = Path(labels)
    file, colon, column = str(labels).rpartition(":")
    if path.exists() or not colon or not file or "/" in column or "\\" in column:
        return path, None
    return Path(file), column


def is_raster(path: Path) -> bool:
    """Whether labels at `path` are a raster: by name, or by content where the name says nothing."""
    if path.suffix.lower() in (".tif", ".tiff"):
        return True
    try:
        with path.open("rb") as file:
            return file.read(4) in _TIFF_MAGIC
    except OSError:
        return False


def _raster_labels(
    source: LabelsConfig, path: Path, grid: GeoBox, classes: Sequence[LandClass], window: Window
) -> ClassArray:
    if source.column is not None:
        raise LabelError(
            f"{path}: a raster has no column {source.column!r}; leave `column` out of scene.toml"
        )
    with open_raster(path) as dataset:
        _check_one_band(path, dataset.count)
        finer = max(pixel_size(grid)[:2]) > COARSER * max(pixel_size(grid_of(dataset))[:2])
        # Without it the commonest value of a mostly unlabelled pixel would depend on whether 0 is declared.
        nodata = 0.0 if dataset.nodata is None else None
    reader = aligned_reader(
        path, grid=grid, kind="other", resampling="mode" if finer else "nearest", nodata=nodata
    )
    block = reader.read(window)[0]
    values, place, counts = np.unique(block, return_inverse=True, return_counts=True)
    texts = [_text(value) for value in values]
    found: Counter[str] = Counter()
    for text, count in zip(texts, counts, strict=True):
        found[text] += int(count)
    ids = _ids(found, "pixels", source, path, classes)
    return np.array([ids[text] for text in texts], np.uint8)[place.reshape(block.shape)]


def _features(
    source: LabelsConfig, path: Path, grid: GeoBox, classes: Sequence[LandClass], window: Window
) -> tuple[vector.ObjectArray, IntArray]:
    """Labelled points and polygons near a window, in pixels of the grid, and their class ids."""
    layer = vector.open_layer(path, source.layer)
    values, geometries = vector.read_features(layer, layer.require(source.column), grid, window)
    texts = [_text(value) for value in values]
    ids = _ids(Counter(texts), "features", source, path, classes)
    geometries, owner = _parts(geometries)
    of_type = np.isin(shapely.get_type_id(geometries), _RASTERIZABLE)
    if not of_type.all():
        other = shapely.GeometryType(shapely.get_type_id(geometries[~of_type][0])).name.lower()
        raise VectorError(
            f"{path}: {int((~of_type).sum())} geometries are neither points nor polygons but e.g. {other}; "
            "give lines a width first (a buffer makes them polygons)"
        )
    of_feature = np.array([ids[text] for text in texts], np.int64)[owner]
    labelled = of_feature > 0
    return geometries[labelled], of_feature[labelled]


def _parts(geometries: vector.ObjectArray) -> tuple[vector.ObjectArray, IntArray]:
    """Single geometries out of multi-geometries and collections, and the index of each one's feature."""
    owner = np.arange(len(geometries))
    while (shapely.get_type_id(geometries) > shapely.GeometryType.POLYGON).any():
        geometries, index = shapely.get_parts(geometries, return_index=True)
        owner = owner[index]
    whole = ~(shapely.is_missing(geometries) | shapely.is_empty(geometries))
    # A vertex that the scene's CRS cannot express lies far from the scene.
    whole &= np.isfinite(shapely.bounds(geometries)).all(axis=1)
    return geometries[whole], owner[whole]


def _burn(geometries: vector.ObjectArray, ids: IntArray, grid: GeoBox, window: Window) -> ClassArray:
    out = np.zeros((window.height, window.width), np.uint8)
    if len(geometries):
        origin = (window.col, window.row)
        shapes = shapely.transform(geometries, lambda xy: np.round(xy * _SNAP) / _SNAP - origin)
        burned = zip(shapes, ids.tolist(), strict=True)
        rasterio.features.rasterize(burned, out=out, all_touched=False, skip_invalid=False)
    height, width = grid.shape
    out[: max(0, -window.row)] = 0
    out[max(0, height - window.row) :] = 0
    out[:, : max(0, -window.col)] = 0
    out[:, max(0, width - window.col) :] = 0
    return out


def _text(value: Any) -> str:
    """A value as it is compared: `3` for 3 and 3.0, empty where there is none."""
    if isinstance(value, str):
        return value.strip()
    if value is None or value != value:
        return ""
    number = float(value)
    return str(int(number)) if number.is_integer() else f"{number:g}"


def _number(text: str) -> float:
    """The number that `text` means; infinite where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.inf


def _unlabelled(text: str) -> bool:
    return text == "" or _number(text) <= 0


def _ids(
    found: Mapping[str, int], what: str, source: LabelsConfig, path: Path, classes: Sequence[LandClass]
) -> dict[str, int]:
    """Class id of each value that was found: as scene.toml maps it, else by class name, else by id."""
    table = {str(entry.id): entry.id for entry in classes}
    table |= {entry.name.casefold(): entry.id for entry in classes}
    table |= {text.strip().casefold(): id_ for text, id_ in (source.classes or {}).items()}
    ids = {text: table.get(text.casefold(), 0 if _unlabelled(text) else -1) for text in found}
    unknown = sorted((text for text in found if ids[text] < 0), key=lambda text: (_number(text), text))
    if unknown:
        listed = ", ".join(f"{text!r} ({found[text]} {what})" for text in unknown[:MOST_LISTED])
        more = f" and {len(unknown) - MOST_LISTED} more" if len(unknown) > MOST_LISTED else ""
        known = ", ".join(f"{entry.id} {entry.name}" for entry in classes)
        raise LabelError(
            f"{path}: values outside the class list: {listed}{more}; classes are {known}; "
            "add them to [[classes]], or map them (to 0 for unlabelled) in the `classes` table of the labels"
        )
    return ids


def _check_one_band(path: Path, count: int) -> None:
    if count != 1:
        raise LabelError(
            f"{path}: {count} bands, expected one band of class ids (a picture of a map is no label)"
        )


def _check_few(path: Path, found: Mapping[str, int]) -> None:
    if len(found) > MOST_VALUES:
        raise LabelError(
            f"{path}: more than {MOST_VALUES} different values; expected class ids or names, not measurements"
        )
