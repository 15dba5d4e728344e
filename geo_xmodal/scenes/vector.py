"""The one door for vector files: GeoPackage and GeoJSON, opened with the driver named, read by bounding box.

GDAL picks a driver by content, so that a file called `x.gpkg` may be a virtual layer that reads other
files (OGR VRT) or the network. Here the content is checked first, and GDAL is told the driver.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyogrio
import pyproj
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyogrio.errors import DataLayerError, DataSourceError

from geo_xmodal.errors import VectorError
from geo_xmodal.scenes.grid import to_pixels
from geo_xmodal.types import Window

LARGEST_GEOJSON = 256 * 2**20
"""Bytes; a GeoJSON is parsed whole at every opening, a GeoPackage is read by window."""

MOST_VERTICES = 20_000_000
"""Vertices read at once; more than any hand-made label set, less than memory."""

_GEOJSON = "GeoJSON:"
_SQLITE_MAGIC = b"SQLite format 3\0"
_APPLICATION_IDS = (b"GPKG", b"GP10", b"GP11")
_SAFE_VIRTUAL_TABLES = ("rtree", "fts3", "fts4", "fts5")
_EDGE_STEPS = 256
"""Pieces that an edge as long as the whole layer is cut into before it is brought into another CRS."""

_FILTER_MARGIN = 16
"""Pixels around a window where features are looked for: edges straight in one CRS bulge in another."""

_BOX_OUTLINE = np.array([[0, 0], [0.5, 0], [1, 0], [1, 0.5], [1, 1], [0.5, 1], [0, 1], [0, 0.5]])
"""Corners and middles of the sides of a box of side 1 (x, y)."""

Bounds = tuple[float, float, float, float]
ObjectArray = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Layer:
    """One layer of a vector file that may be read.

    Attributes:
        path: The file.
        source: What GDAL is given: driver and path.
        stamp: Time of change and size of the file when it was opened.
        name: Layer name.
        columns: Attribute columns.
        space: One unit pixel at the origin of the layer's CRS (None where the file does not say).
    """

    path: Path
    source: str
    stamp: tuple[int, int]
    name: str
    columns: tuple[str, ...]
    space: GeoBox

    def require(self, column: str | None) -> str:
        """`column` if the layer has it.

        Raises:
            VectorError: No column was named, or the layer has none of that name.
        """
        if column in self.columns:
            return str(column)
        wrong = "no column of class ids or names is named" if column is None else f"no column {column!r}"
        known = ", ".join(self.columns) or "none"
        raise VectorError(f"{self.path}: {wrong}; columns of layer {self.name!r}: {known}")


def open_layer(path: Path | str, layer: str | None = None) -> Layer:
    """Check a vector file and find its layer; `layer` may be left out where only one has geometries.

    Raises:
        VectorError: Missing, not a GeoPackage or GeoJSON, not safe to open, or no such layer.
    """
    path = Path(path)
    stat = _checked(path)
    return _open_layer(path, layer, (stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=8)
def _open_layer(path: Path, layer: str | None, stamp: tuple[int, int]) -> Layer:
    source = _source(path)
    try:
        spatial = [str(name) for name, kind in pyogrio.list_layers(source) if kind is not None]
        name = _choose(path, spatial, layer)
        info = pyogrio.read_info(source, layer=name)
    except (DataSourceError, DataLayerError) as error:
        raise VectorError(f"{path}: cannot be opened: {_one_line(error)}") from None
    space = GeoBox((1, 1), Affine.identity(), _crs(path, info["crs"]))
    return Layer(path, source, stamp, name, tuple(str(column) for column in info["fields"]), space)


def read_column(layer: Layer, column: str) -> ObjectArray:
    """Every value of `column`, in the order of feature ids; missing ones are None or NaN."""
    frame = _read(layer, columns=[column], read_geometry=False)
    return np.asarray(frame[column].astype(object))


def read_boxes(layer: Layer, grid: GeoBox) -> npt.NDArray[np.float64]:
    """Left, top, right and bottom of every feature (n, 4) in pixels of `grid`.

    In the order of `read_column`; NaN without geometry, infinite where the grid's CRS ends.

    Raises:
        VectorError: The file cannot be read, or only one of file and grid has a CRS.
    """
    _check_comparable(layer, grid)
    try:
        ids, bounds = pyogrio.read_bounds(layer.source, layer=layer.name)
    except (DataSourceError, DataLayerError, ValueError) as error:
        raise VectorError(f"{layer.path}: cannot be read: {_one_line(error)}") from None
    low, high = np.split(bounds.T[np.argsort(ids, kind="stable"), None], 2, axis=2)
    outlines = (low + (high - low) * _BOX_OUTLINE).reshape(-1, 2)
    pixels = to_pixels(layer.space, grid, outlines).reshape(-1, len(_BOX_OUTLINE), 2)
    boxes = np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1)
    boxes[~np.isfinite(boxes)] = np.inf
    boxes[~np.isfinite(bounds).all(axis=0)[np.argsort(ids, kind="stable")]] = np.nan
    return boxes


def read_features(layer: Layer, column: str, grid: GeoBox, window: Window) -> tuple[ObjectArray, ObjectArray]:
    """Values and geometries, in pixels of `grid`, of the features near `window`, in the order of feature ids.

    Raises:
        VectorError: More than `MOST_VERTICES` vertices, or only one of file and grid has a CRS.
    """
    _check_comparable(layer, grid)
    frame = _near(layer, column, _bounds(layer, grid, window))
    geometries = np.asarray(frame.geometry.array)
    vertices = int(shapely.get_num_coordinates(geometries).sum())
    if vertices > MOST_VERTICES:
        raise VectorError(
            f"{layer.path}: {vertices} vertices in one window, more than {MOST_VERTICES}; "
            "simplify the polygons or cut them into smaller ones"
        )
    in_pixels = shapely.transform(geometries, partial(to_pixels, layer.space, grid))
    return np.asarray(frame[column].astype(object)), in_pixels


def read_polygons(layer: Layer, grid: GeoBox, most_vertices: int = MOST_VERTICES) -> ObjectArray:
    """Every polygon of a layer, valid and without parts, in pixels of `grid`.

    Edges that are straight in the layer's CRS are followed where they bulge on the grid.

    Raises:
        VectorError: There is none, or something that is no polygon, or more than `most_vertices` vertices;
            or only one of file and grid has a CRS.
    """
    _check_comparable(layer, grid)
    frame = _read(layer, columns=[], force_2d=True)
    shapes = np.asarray(frame.geometry.array)
    shapes = shapes[~(shapely.is_missing(shapes) | shapely.is_empty(shapes))]
    others = sorted({str(shape.geom_type) for shape in shapes} - {"Polygon", "MultiPolygon"})
    if others or not len(shapes):
        found = f"{', '.join(others)}s" if others else "nothing"
        raise VectorError(f"{layer.path}: layer {layer.name!r} holds {found}, expected polygons")
    if layer.space.crs != grid.crs:
        left, bottom, right, top = shapely.total_bounds(shapes)
        shapes = shapely.segmentize(shapes, max(right - left, top - bottom, 1e-9) / _EDGE_STEPS)
    vertices = int(shapely.get_num_coordinates(shapes).sum())
    if vertices > most_vertices:
        raise VectorError(
            f"{layer.path}: {vertices} vertices, expected at most {most_vertices}: simplify the polygons, "
            f"for example with: ogr2ogr -simplify 10 -f GPKG simple.gpkg {layer.path.name}"
        )
    pixels = shapely.transform(shapes, partial(to_pixels, layer.space, grid))
    if not np.isfinite(shapely.get_coordinates(pixels)).all():
        raise VectorError(
            f"{layer.path}: layer {layer.name!r} reaches beyond the CRS of the grid; cut it first"
        )
    parts = shapely.get_parts(shapely.make_valid(shapely.get_parts(pixels)))
    return np.asarray(parts[shapely.get_dimensions(parts) == 2])


def _check_comparable(layer: Layer, grid: GeoBox) -> None:
    if (grid.crs is None) != (layer.space.crs is None):
        raise VectorError(
            f"{layer.path}: CRS of layer {layer.name!r} is {_name(layer.space)}, of the grid {_name(grid)}; "
            "give both their CRS (ogr2ogr -a_srs EPSG:..., gdal_edit.py -a_srs EPSG:...), or neither"
        )


def _near(layer: Layer, column: str, bounds: Bounds | None) -> Any:
    if not layer.source.startswith(_GEOJSON):
        return _read(layer, columns=[column], bbox=bounds, force_2d=True)
    frame = _whole(layer, column)
    return frame if bounds is None else frame[shapely.intersects(shapely.box(*bounds), frame.geometry.array)]


@lru_cache(maxsize=2)
def _whole(layer: Layer, column: str) -> Any:
    """A GeoJSON has no index and would be parsed anew for every window."""
    return _read(layer, columns=[column], force_2d=True)


def _read(layer: Layer, **options: Any) -> Any:
    try:
        frame = pyogrio.read_dataframe(layer.source, layer=layer.name, fid_as_index=True, **options)
    except (DataSourceError, DataLayerError, ValueError) as error:
        raise VectorError(f"{layer.path}: cannot be read: {_one_line(error)}") from None
    return frame.sort_index()  # a spatial index returns features in its own order


def _checked(path: Path) -> os.stat_result:
    try:
        stat = path.stat()
    except OSError as error:
        raise VectorError(f"{path}: cannot be opened: {error.strerror}") from None
    if not path.is_file():
        raise VectorError(f"{path}: not a regular file, expected a GeoPackage or a GeoJSON")
    return stat


def _source(path: Path) -> str:
    resolved = path.resolve()
    try:
        with resolved.open("rb") as file:
            head = file.read(1024)
    except OSError as error:
        raise VectorError(f"{path}: cannot be opened: {error.strerror}") from None
    if ":" in resolved.as_posix()[2:]:
        raise VectorError(f"{path}: a colon in the path means something else to GDAL; rename it")
    if head.startswith(_SQLITE_MAGIC):
        _check_geopackage(resolved, head)
        return f"GPKG:{resolved}"
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        size = resolved.stat().st_size
        if size > LARGEST_GEOJSON:
            raise VectorError(
                f"{path}: GeoJSON of {size / 2**20:.0f} MiB, more than {LARGEST_GEOJSON / 2**20:.0f}; "
                f"{_convert(path)}"
            )
        return f"{_GEOJSON}{resolved}"
    raise VectorError(f"{path}: neither a GeoPackage nor a GeoJSON (nor a GeoTIFF); {_convert(path)}")


def _convert(path: Path) -> str:
    return f"convert it: ogr2ogr -f GPKG {path.stem}.gpkg {path.name}"


def _check_geopackage(path: Path, head: bytes) -> None:
    if head[68:72] not in _APPLICATION_IDS:
        raise VectorError(f"{path}: an SQLite database but not a GeoPackage; {_convert(path)}")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
            tables = database.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    except sqlite3.Error as error:
        raise VectorError(f"{path}: a damaged GeoPackage: {error}") from None
    for name, sql in tables:
        # Virtual tables of GDAL and SpatiaLite read any file or URL that they name.
        module = re.match(r"\s*CREATE\s+VIRTUAL\s+TABLE\b.*?\bUSING\s+\W?(\w+)", str(sql), re.I | re.S)
        if module and module[1].lower() not in _SAFE_VIRTUAL_TABLES:
            raise VectorError(
                f"{path}: table {name!r} is a {module[1]} virtual table, which may read other files; "
                "export the layer to a new GeoPackage"
            )


def _choose(path: Path, spatial: Sequence[str], layer: str | None) -> str:
    if layer is None and len(spatial) == 1:
        return spatial[0]
    if layer in spatial:
        return str(layer)
    wrong = f"no layer {layer!r}" if layer is not None else f"{len(spatial)} layers, and none is chosen"
    choose = f" (choose one as {path.name}:LAYER:COLUMN)" if layer is None and spatial else ""
    raise VectorError(f"{path}: {wrong}; layers with geometries: {', '.join(spatial) or 'none'}{choose}")


def _crs(path: Path, text: str | None) -> pyproj.CRS | None:
    if text is None:
        return None
    try:
        crs = pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError as error:
        raise VectorError(f"{path}: its CRS is not understood: {_one_line(error)}") from None
    # GeoPackage's "undefined" systems (srs_id -1 and 0) come out as placeholders, not as a CRS.
    return None if crs.name.lower().startswith("undefined") else crs


def _bounds(layer: Layer, grid: GeoBox, window: Window) -> Bounds | None:
    """Bounds of `window` in the layer's CRS; None (read everything) where it has no finite image there."""
    near = window.padded(_FILTER_MARGIN)
    outline = shapely.segmentize(
        shapely.box(near.col, near.row, near.col + near.width, near.row + near.height),
        max(near.height, near.width) / 16,
    )
    points = to_pixels(grid, layer.space, shapely.get_coordinates(outline))
    if not np.isfinite(points).all():
        return None
    (left, bottom), (right, top) = points.min(axis=0), points.max(axis=0)
    return float(left), float(bottom), float(right), float(top)


def _name(space: GeoBox) -> str:
    return "missing" if space.crs is None else repr(space.crs.proj.name)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
