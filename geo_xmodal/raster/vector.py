"""The one door for vector files: GeoPackage, GeoJSON, shapefile, KML, CSV of points, and zips of these.

They are read by bounding box, by SQLite and by parsers of text and records, and never by GDAL, whose drivers
follow what a file names: other files, views over virtual tables, addresses. Whatever else is wrong with a
file (damaged pages, text of another encoding, a CRS that PROJ refuses) is one kind of error here.
"""

from __future__ import annotations

import csv
import os
import sqlite3
import struct
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj.exceptions import ProjError

from geo_xmodal.errors import AlignmentError, GeoXmodalError, VectorError
from geo_xmodal.named_options import option
from geo_xmodal.raster import geojson, geopackage, kml, point_tables, shapefile, zipped
from geo_xmodal.raster.crs_texts import given_crs
from geo_xmodal.raster.features import MAX_COORDINATE, Bounds, Contents, Numbers, Source
from geo_xmodal.raster.features import ObjectArray as ObjectArray
from geo_xmodal.raster.files import content_digest
from geo_xmodal.raster.grid import to_pixels
from geo_xmodal.small_files import real_path, shortened
from geo_xmodal.types import Window

VECTOR_SUFFIXES = (".gpkg", ".geojson", ".json", ".shp", ".kml", ".kmz", ".csv", ".tsv", ".zip")
"""How names of vector files end; what such a file is, its content tells."""

MAX_PARSED = 256 * 2**20
"""Bytes of a file that is parsed whole at every opening; a GeoPackage is read by window."""

_EXPECTED = "a GeoPackage, GeoJSON, shapefile, KML, CSV of points, or a zip of one"

MAX_VERTICES = 20_000_000
"""Vertices read at once; more than any hand-made label set, less than memory."""

_EDGE_STEPS = 256
"""Pieces that an edge as long as the whole layer is cut into before it is brought into another CRS."""

_FILTER_MARGIN = 16
"""Pixels around a window where features are looked for: edges straight in one CRS bulge in another."""

_BOX_OUTLINE = np.array([[0, 0], [0.5, 0], [1, 0], [1, 0.5], [1, 1], [0.5, 1], [0, 1], [0, 0.5]])
"""Corners and middles of the sides of a box of side 1 (x, y)."""


@dataclass(frozen=True)
class VectorHints:
    """What a person says of a vector file that does not say it itself.

    Attributes:
        crs: Authority and code (`EPSG:32633`) of its CRS, where it has none.
        coordinates: Columns of x and y of a CSV; None takes those whose names tell.
    """

    crs: str | None = None
    coordinates: tuple[str, str] | None = None


NO_HINTS = VectorHints()

AssignedCrs = str | Mapping[Path | str, str]
"""A CRS for files that have none: of all, or of each by its path."""


def crs_of_file(assigned: AssignedCrs | None, path: Path) -> str | None:
    """The CRS that is assigned to a file, if one is."""
    if assigned is None or isinstance(assigned, str):
        return assigned
    known = {real_path(Path(key)): crs for key, crs in assigned.items()}
    return known.get(real_path(path))


@dataclass(frozen=True)
class Layer:
    """One layer of a vector file that may be read.

    Attributes:
        path: The file.
        source: The layer as its format is read.
        name: Layer name.
        columns: Attribute columns.
        space: One unit pixel at the origin of the layer's CRS (None where the file does not say).
    """

    path: Path
    source: Source
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


def open_layer(path: Path | str, layer: str | None = None, hints: VectorHints = NO_HINTS) -> Layer:
    """Check a vector file and find its layer; `layer` may be left out where only one has geometries.

    A zip holds shapefiles, each of which is a layer, or one file of another format.

    Raises:
        VectorError: Missing, no vector file that is read here, damaged, in use, or no such layer.
        UsageError: The CRS in `hints` is not known.
    """
    path = Path(path)
    with _one_kind(path):
        _check_file(path)
        return _open_layer(path, layer, _stamp_of(path), hints)


def layer_names(path: Path | str) -> tuple[str, ...]:
    """Names of the layers of a vector file that have geometries.

    Raises:
        VectorError: Missing, no vector file that is read here, damaged, or in use.
    """
    path = Path(path)
    with _one_kind(path):
        _check_file(path)
        return _layer_names(path, _stamp_of(path))


def table_columns(path: Path | str) -> tuple[str, ...]:
    """All columns of a text table of points, those of coordinates too; none of any other format.

    Raises:
        VectorError: Missing, or its first line is no list of columns.
    """
    path = Path(path)
    with _one_kind(path):
        _check_file(path)
        if not _is_table(path, _head(path)):
            return ()
        return point_tables.header(path)[0]


def vector_digest(path: Path) -> dict[str, str]:
    """As `content_digest`, of a vector file of any format with all that is read beside it.

    Raises:
        RasterError: It cannot be read.
    """
    found = content_digest(path)
    for side in _side_files(path):
        found |= {f"{side.suffix} {name}": value for name, value in content_digest(side).items()}
    log = geopackage.side_files(path)[1]
    if log.is_file() and log.stat().st_size:
        found |= {f"log {name}": value for name, value in content_digest(log).items()}
    return found


def _stamp_of(path: Path) -> geopackage.Stamp:
    """Time of change and size of a file, and of what is read beside it."""
    sides = [side.stat() for side in _side_files(path)]
    return (*geopackage.stamp_of(path), *(part for one in sides for part in (one.st_mtime_ns, one.st_size)))


def _side_files(path: Path) -> list[Path]:
    if path.suffix.lower() != ".shp":
        return []
    found = [shapefile.beside(path, suffix) for suffix in shapefile.PARTS[1:]]
    return [side for side in found if side is not None]


def file_and_rest(text: str) -> tuple[Path, str]:
    """`file` or `file:rest`, taken apart; a colon in the name of a file that exists is its own."""
    colons = [place for place, letter in enumerate(text) if letter == ":"]
    if os.path.lexists(text):
        return Path(text), ""
    end = next((place for place in reversed(colons) if os.path.lexists(text[:place])), None)
    if end is None:
        folder = max(text.rfind("/"), text.rfind("\\")) + 1
        end = next((place for place in colons if place > folder), None)
    return (Path(text), "") if end is None else (Path(text[:end]), text[end + 1 :])


@lru_cache(maxsize=8)
def _open_layer(path: Path, layer: str | None, stamp: tuple[int, ...], hints: VectorHints) -> Layer:
    contents = _contents(path, stamp, partial(_choose, path, layer), hints)
    crs = given_crs(hints.crs) if contents.crs is None and hints.crs is not None else contents.crs
    space = GeoBox((1, 1), Affine.identity(), crs)
    return Layer(path, contents.source, contents.name, contents.columns, space)


@contextmanager
def _one_kind(path: Path) -> Iterator[None]:
    """Whatever a library says of a user's file, as one line that names the file."""
    try:
        yield
    except AlignmentError as error:  # no way from its CRS to the grid's
        raise VectorError(f"{path}: its CRS cannot be used: {error}") from None
    except GeoXmodalError:
        raise
    except OSError as error:
        if error.filename is None or Path(error.filename) != path:
            raise
        raise VectorError(f"{path}: cannot be opened: {error.strerror}") from None
    except sqlite3.Error as error:
        raise VectorError(f"{path}: a damaged GeoPackage: {_one_line(error)}") from None
    except UnicodeError as error:
        raise VectorError(f"{path}: not UTF-8 ({_one_line(error)}); save it in that encoding") from None
    except RecursionError:
        raise VectorError(f"{path}: cannot be read: lists or objects nest too deeply") from None
    except ProjError as error:
        raise VectorError(f"{path}: its CRS cannot be used: {_one_line(error)}") from None
    except (shapely.errors.ShapelyError, ValueError, OverflowError, struct.error, csv.Error) as error:
        raise VectorError(f"{path}: cannot be read: {_one_line(error)}") from None


def read_column(layer: Layer, column: str) -> ObjectArray:
    """Every value of `column`, in the order of feature ids; missing ones are None or NaN."""
    with _one_kind(layer.path):
        return layer.source.values(column)


def read_geometries(layer: Layer) -> ObjectArray:
    """Every geometry in the layer's own coordinates, in the order of `read_column`; None without one."""
    with _one_kind(layer.path):
        return layer.source.features(None, None).geometries


def read_boxes(layer: Layer, grid: GeoBox) -> Numbers:
    """Left, top, right and bottom of every feature (n, 4) in pixels of `grid`.

    In the order of `read_column`; NaN without geometry, infinite where the grid's CRS ends.

    Raises:
        VectorError: The file cannot be read, or only one of file and grid has a CRS.
    """
    _check_comparable(layer, grid)
    with _one_kind(layer.path):
        bounds = shapely.bounds(layer.source.features(None, None).geometries)
        low, high = bounds[:, None, :2], bounds[:, None, 2:]
        outlines = (low + (high - low) * _BOX_OUTLINE).reshape(-1, 2)
        pixels = to_pixels(layer.space, grid, outlines).reshape(-1, len(_BOX_OUTLINE), 2)
    boxes = np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1)
    boxes[~np.isfinite(boxes)] = np.inf
    boxes[np.isnan(bounds).any(axis=1)] = np.nan
    return boxes


def read_features(
    layer: Layer, column: str | None, grid: GeoBox, window: Window
) -> tuple[ObjectArray, ObjectArray]:
    """Values and geometries, in pixels of `grid`, of the features near `window`, in the order of feature ids.

    Without `column` no values are read.

    Raises:
        VectorError: More than `MAX_VERTICES` vertices, or only one of file and grid has a CRS.
    """
    _check_comparable(layer, grid)
    with _one_kind(layer.path):
        features = layer.source.features(column, _bounds(layer, grid, window))
        vertices = int(shapely.get_num_coordinates(features.geometries).sum())
        if vertices > MAX_VERTICES:
            raise VectorError(
                f"{layer.path}: {vertices} vertices in one window, more than {MAX_VERTICES}; "
                "simplify the polygons or cut them into smaller ones"
            )
        if features.broken:
            warnings.warn(_left_out(layer), stacklevel=1)
        return features.values, shapely.transform(features.geometries, partial(_to_pixels, layer, grid))


def read_polygons(layer: Layer, grid: GeoBox, most_vertices: int = MAX_VERTICES) -> ObjectArray:
    """Every polygon of a layer, valid and without parts, in pixels of `grid`.

    Edges that are straight in the layer's CRS are followed where they bulge on the grid.

    Raises:
        VectorError: There is none, or something that is no polygon, or more than `most_vertices` vertices;
            or only one of file and grid has a CRS.
    """
    _check_comparable(layer, grid)
    with _one_kind(layer.path):
        features = layer.source.features(None, None)
        if features.broken:
            warnings.warn(_left_out(layer), stacklevel=1)
        return _polygons(layer, features.geometries, grid, most_vertices)


def _polygons(layer: Layer, shapes: ObjectArray, grid: GeoBox, most_vertices: int) -> ObjectArray:
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
    pixels = shapely.transform(shapes, partial(_to_pixels, layer, grid))
    if not np.isfinite(shapely.get_coordinates(pixels)).all():
        raise VectorError(
            f"{layer.path}: layer {layer.name!r} reaches beyond the CRS of the grid; cut it first"
        )
    parts = shapely.get_parts(shapely.make_valid(shapely.get_parts(pixels)))
    areas = np.asarray(parts[(shapely.get_dimensions(parts) == 2) & ~shapely.is_empty(parts)])
    if not len(areas):
        raise VectorError(
            f"{layer.path}: the polygons of layer {layer.name!r} enclose nothing: their outlines are lines"
        )
    return areas


@lru_cache(maxsize=8)
def _left_out(layer: Layer) -> str:
    """What is wrong with the geometries of a layer that cannot be; the same line whatever is read of it."""
    broken = layer.source.features(None, None).broken
    first = min(broken)
    return (
        f"{layer.path}: {len(broken)} of its geometries cannot be read and are left out; "
        f"the first is of feature {first}: {broken[first]}"
    )


def _check_comparable(layer: Layer, grid: GeoBox) -> None:
    if (grid.crs is None) != (layer.space.crs is None):
        say = f"say which CRS it is in ({option('assign_crs', 'EPSG:...')})"
        both = "give both their CRS (ogr2ogr -a_srs EPSG:..., gdal_edit.py -a_srs EPSG:...), or neither"
        raise VectorError(
            f"{layer.path}: CRS of layer {layer.name!r} is {_name(layer.space)}, of the grid {_name(grid)}; "
            f"{say if layer.space.crs is None else both}"
        )


def _check_file(path: Path) -> None:
    if not path.is_file():
        path.stat()
        raise VectorError(f"{path}: not a regular file, expected {_EXPECTED}")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1024)


def _contents(
    path: Path, stamp: geopackage.Stamp, choose: Callable[[Sequence[str]], str], hints: VectorHints
) -> Contents:
    head = _head(path)
    if head.startswith(geopackage.SQLITE_MAGIC):
        return geopackage.read_contents(path, stamp, choose)
    if head.startswith(zipped.MAGIC):
        return _in_zip(path, zipped.unpacked(path, stamp), choose, hints)
    contents = _parsed(path, head, stamp, hints)
    choose([contents.name])
    return contents


def _parsed(path: Path, head: bytes, stamp: geopackage.Stamp, hints: VectorHints) -> Contents:
    """The one layer of a file that is read as a whole."""
    reads = (
        (head.startswith(shapefile.MAGIC), shapefile.read_contents),
        (kml.looks_like(head), kml.read_contents),
        (geojson.looks_like(head), geojson.read_contents),
        (_is_table(path, head), partial(point_tables.read_contents, coordinates=hints.coordinates)),
    )
    read = next((read for it_is, read in reads if it_is), None)
    if read is None:
        raise VectorError(f"{path}: not {_EXPECTED} (nor a GeoTIFF); {geopackage.how_to_convert(path)}")
    size = sum(one.stat().st_size for one in (path, *_side_files(path)))
    if size > MAX_PARSED:
        raise VectorError(
            f"{path}: {size / 2**20:.0f} MiB, more than the {MAX_PARSED / 2**20:.0f} that are read of its "
            f"format; {geopackage.how_to_convert(path)}"
        )
    return read(path, stamp)


def _in_zip(
    path: Path, files: zipped.Unpacked, choose: Callable[[Sequence[str]], str], hints: VectorHints
) -> Contents:
    with zipped.naming(path, files):
        if files.shapefiles:
            inner = files.files[f"{choose(files.stems)}.shp"]
            contents = _contents(inner, _stamp_of(inner), _first, hints)
        else:
            (inner,) = files.files.values()
            contents = _contents(inner, _stamp_of(inner), choose, hints)
    return replace(contents, source=zipped.ZippedSource(path, contents.source, files))


def _layer_names(path: Path, stamp: geopackage.Stamp) -> tuple[str, ...]:
    head = _head(path)
    if head.startswith(geopackage.SQLITE_MAGIC):
        return geopackage.layer_names(path, stamp)
    if head.startswith(zipped.MAGIC):
        files = zipped.unpacked(path, stamp)
        if files.shapefiles:
            return tuple(files.stems)
        (inner,) = files.files.values()
        with zipped.naming(path, files):
            return _layer_names(inner, _stamp_of(inner))
    if _is_table(path, head):
        return (path.stem,)
    return (_open_layer(path, None, stamp, NO_HINTS).name,)


def _first(layers: Sequence[str]) -> str:
    return layers[0]


def _is_table(path: Path, head: bytes) -> bool:
    """Whether a file is a text table, by its name: nothing in it says so."""
    other = head.startswith((geopackage.SQLITE_MAGIC, zipped.MAGIC)) or geojson.looks_like(head)
    return path.suffix.lower() in point_tables.SUFFIXES and not other


def _choose(path: Path, layer: str | None, spatial: Sequence[str]) -> str:
    if layer is None and len(spatial) == 1:
        return spatial[0]
    if layer in spatial:
        return str(layer)
    wrong = f"no layer {layer!r}" if layer is not None else f"{len(spatial)} layers, and none is chosen"
    one = f"{path.name}:LAYER"
    choose = f" (choose one as {one}, of labels as {one}:COLUMN)" if layer is None and spatial else ""
    raise VectorError(f"{path}: {wrong}; layers with geometries: {', '.join(spatial) or 'none'}{choose}")


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


def _to_pixels(layer: Layer, grid: GeoBox, places: Numbers) -> Numbers:
    """Pixels of `grid`; infinite where its CRS ends, or so far away that parts of a pixel are lost."""
    pixels = to_pixels(layer.space, grid, places)
    return np.where(np.abs(pixels) < MAX_COORDINATE, pixels, np.inf)


def _name(space: GeoBox) -> str:
    return "missing" if space.crs is None else repr(space.crs.proj.name)


def _one_line(error: Exception) -> str:
    return shortened(str(error))
