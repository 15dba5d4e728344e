"""Labels of any origin to class ids on the reference grid."""

from __future__ import annotations

import datetime
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import rasterio.features
import shapely
from odc.geo.geobox import GeoBox

from geo_xmodal.errors import LabelError, VectorError
from geo_xmodal.raster import vector
from geo_xmodal.raster.class_names import first_spellings, name_key, number_of, shown_name
from geo_xmodal.raster.control_points import WarpGcps
from geo_xmodal.raster.files import file_window, open_raster
from geo_xmodal.raster.geopackage import Stamp, stamp_of
from geo_xmodal.raster.grid import PixelPlaces, grid_over, pixel_offset, pixel_size, places_of, to_pixels
from geo_xmodal.raster.reader import aligned_reader
from geo_xmodal.small_files import shortened
from geo_xmodal.types import ClassArray, FloatArray, IntArray, LandClass, Window, windows_over
from geo_xmodal.wording import counted

BoolArray = npt.NDArray[np.bool_]

MAX_VALUES = 255
"""Different values that a label file may hold; more is a measurement, not a class map."""

MAX_LISTED = 10
"""Unknown values that a message names."""

COARSER = 1.5
"""A grid this many times coarser than the label raster takes the commonest label within each pixel."""

_MANY_IDS = 1 << 16
"""Above the ids that pixels are counted by; other values are sorted."""

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_RASTERIZABLE = (shapely.GeometryType.POINT, shapely.GeometryType.POLYGON)
_SNAP = 2.0**16
"""Vertices are rounded to this part of a pixel, so that shifting them by whole pixels is exact in float64."""

_ROOMY = 1.5
"""Area over outline (pixels) from which a polygon contains a pixel centre: a disk of radius 0.71 does."""

_MAX_PROBED = 2**24
"""Pixels of the box of a polygon that is searched for one whose centre the polygon contains."""


class LabelSource(Protocol):
    """Which values of a label file are labels, and of what: `[labels.NAME]` of a scene.toml has it."""

    @property
    def layer(self) -> str | None:
        """Layer of a vector file that has several."""

    @property
    def column(self) -> str | None:
        """Column of a vector that holds the class id or name."""

    @property
    def classes(self) -> Mapping[str, int] | None:
        """Value in the file (as text) to class id, where it holds no ids or names of the legend; 0: none."""

    @property
    def unlabelled(self) -> Collection[str] | None:
        """Values (as text) that mean unlabelled, in place of zero and negative numbers."""

    @property
    def warp_gcps(self) -> WarpGcps | None:
        """What follows the ground control points of a raster that has no other place."""

    @property
    def hints(self) -> vector.VectorHints:
        """What a person says of a vector file that does not say it itself."""


@dataclass(frozen=True)
class LabelValues:
    """The values that a label file holds, as text, and how many pixels or features have each.

    Attributes:
        what: What is counted: pixels of a raster, features of a vector.
        counts: Values that are labels, each name in its first spelling.
        unlabelled: Values that are taken as "unlabelled" (`LabelSource.unlabelled`).
        missing: Features without a value, pixels that are NaN; nodata is not counted.
        spellings: Name to all its spellings in the file, where there are several.
        outside: Value to those of `counts` that lie outside the grid; empty without a grid.
        placeless: Value to those of `counts` that have no geometry; empty without a grid.
    """

    what: Literal["pixels", "features"]
    counts: Mapping[str, int]
    unlabelled: Mapping[str, int]
    missing: int
    spellings: Mapping[str, tuple[str, ...]]
    outside: Mapping[str, int]
    placeless: Mapping[str, int]


class LabelPlace(NamedTuple):
    """Where labels lie: a file, and for a vector its layer (where it has several) and its column."""

    path: Path
    layer: str | None = None
    column: str | None = None


@dataclass(frozen=True)
class LabelledPoints:
    """Points of a vector file that lie in a window.

    Attributes:
        position: (n, 2) row and column of the pixel that holds each.
        label: (n,) class ids.
    """

    position: IntArray
    label: ClassArray


_NO_POINTS = LabelledPoints(np.empty((0, 2), np.int64), np.empty(0, np.uint8))


@dataclass(frozen=True)
class WindowLabels:
    """Labels of a window, and what became of the features behind them.

    Attributes:
        ids: (row, col) class ids, 0 = unlabelled.
        conflicts: Pixels that features of more than one class claim.
        small: Polygons that contain no pixel centre and label the pixel that they lie in.
        points: Points that are not in `ids` (`read_reference`).
    """

    ids: ClassArray
    conflicts: int = 0
    small: int = 0
    points: LabelledPoints = _NO_POINTS


def read_labels(
    source: LabelSource, path: Path | str, grid: GeoBox, classes: Sequence[LandClass], window: Window
) -> ClassArray:
    """Class ids of a window on the grid; a pixel has the same id whatever the window.

    A raster on another grid is brought onto this one by nearest neighbour, or where it is finer by the
    commonest label within the pixel. Polygons label the pixels whose centre they contain, points the pixel
    that contains them, and later features (in the order of their ids) overwrite earlier ones. A polygon
    that contains no pixel centre labels the pixel it lies in, unless another feature does.

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
    path = Path(path)
    if is_raster(path):
        return _raster_labels(source, path, grid, classes, window)
    return _burn(*_placed(*_features(source, path, grid, classes, window))[:2], grid, window)


def read_window_labels(
    source: LabelSource, path: Path, grid: GeoBox, classes: Sequence[LandClass], window: Window
) -> WindowLabels:
    """As `read_labels`, with counts of what polygons and points became; raises the same."""
    if is_raster(path):
        return WindowLabels(_raster_labels(source, path, grid, classes, window))
    return _window_labels(*_features(source, path, grid, classes, window), grid, window)


def count_conflicts(
    source: LabelSource, path: Path, grid: GeoBox, classes: Sequence[LandClass], window: Window
) -> int:
    """Number of pixels of a window that features of more than one class claim; 0 for a raster."""
    return read_window_labels(source, path, grid, classes, window).conflicts


def read_reference(
    source: LabelSource, path: Path, grid: GeoBox, classes: Sequence[LandClass], window: Window
) -> WindowLabels:
    """Labels as observations: rasters and polygons as `read_window_labels`, every point for itself."""
    if is_raster(path):
        return WindowLabels(_raster_labels(source, path, grid, classes, window))
    geometries, ids = _features(source, path, grid, classes, window)
    points = np.asarray(shapely.get_type_id(geometries) == shapely.GeometryType.POINT)
    position = _pixels_of(geometries[points])
    here = _inside(position, grid, window)
    found = LabelledPoints(position[here], ids[points][here].astype(np.uint8))
    return replace(_window_labels(geometries[~points], ids[~points], grid, window), points=found)


def label_values(
    path: Path | str,
    column: str | None = None,
    layer: str | None = None,
    unlabelled: Collection[str] | None = None,
    hints: vector.VectorHints = vector.NO_HINTS,
) -> dict[str, int]:
    """The values that a label file holds, as text, and how many pixels or features have each.

    Spellings of one name (capitals, spaces, composed and decomposed letters) are one value. Values that
    mean unlabelled (nothing, nodata, and `unlabelled`: by default zero and negative numbers) are left out.

    Raises:
        LabelError: More than `MAX_VALUES` values, or a raster with more than one band.
        RasterError, VectorError: The file cannot be read, or has no such column.
    """
    path = Path(path)
    return dict(survey_labels(path, column, layer, unlabelled, hints=hints).counts)


def survey_labels(
    path: Path,
    column: str | None = None,
    layer: str | None = None,
    unlabelled: Collection[str] | None = None,
    grid: GeoBox | None = None,
    warp_gcps: WarpGcps | None = None,
    hints: vector.VectorHints = vector.NO_HINTS,
) -> LabelValues:
    """What a label file holds: `label_values`, and what is left out of them and why.

    Args:
        path: The file.
        column: Of a vector.
        layer: Of a vector that has several.
        unlabelled: Values that mean unlabelled, in place of zero and negative numbers.
        grid: Tells which labels lie outside of it.
        warp_gcps: What follows the ground control points of a raster that has no other place.
        hints: What a vector file does not say itself.

    Raises:
        As `label_values`; AlignmentError: only one of file and grid has a CRS.
    """
    found: Counter[str] = Counter()
    outside: Counter[str] = Counter()
    placeless: Counter[str] = Counter()
    if is_raster(path):
        with open_raster(path) as dataset:
            _check_one_band(path, dataset.count)
            space = places_of(dataset, str(path), warp_gcps)
            for window in windows_over(dataset.height, dataset.width, 1024):
                block = dataset.read(1, window=file_window(window), masked=True)
                found += _value_counts(block.compressed(), path)
                if grid is not None:
                    outside += _value_counts(block[_pixels_outside(space, grid, window)].compressed(), path)
                _check_few(path, found)
    else:
        opened = vector.open_layer(path, layer, hints)
        values = vector.read_column(opened, opened.require(column))
        texts = [value if isinstance(value, str) else label_text(value, path) for value in values]
        found.update(texts)
        _check_few(path, found)
        if grid is not None:
            boxes = vector.read_boxes(opened, grid)
            nowhere: BoolArray = np.any(np.isnan(boxes), axis=1)
            within: BoolArray = np.all(
                (boxes[:, 2:] >= 0) & (boxes[:, :2] <= (grid.shape[1], grid.shape[0])), axis=1
            )
            beyond = ~within & ~nowhere
            placeless.update(text for text, none in zip(texts, nowhere, strict=True) if none)
            outside.update(text for text, far in zip(texts, beyond, strict=True) if far)
    names = first_spellings(found)
    first = {spelling: name for name, spellings in names.items() for spelling in spellings}
    labels = sorted(
        (name for name in names if not means_unlabelled(name, unlabelled)),
        key=lambda text: (number_of(text), text),
    )

    def in_first(counts: Counter[str], kept: Collection[str]) -> dict[str, int]:
        summed: Counter[str] = Counter()
        for text, count in counts.items():
            summed[first[text]] += count
        return {name: summed[name] for name in kept if summed[name]}

    return LabelValues(
        "pixels" if is_raster(path) else "features",
        in_first(found, labels),
        in_first(found, sorted(name for name in names if name and name not in set(labels))),
        sum(found[spelling] for spelling in names.get("", ())),
        {name: names[name] for name in labels if len(names[name]) > 1},
        in_first(outside, labels),
        in_first(placeless, labels),
    )


def means_unlabelled(text: str, values: Collection[str] | None) -> bool:
    """Whether a value is no label: empty, or among `values`, by default zero and negative numbers."""
    if values is None:
        return text == "" or number_of(text) <= 0
    return text == "" or name_key(text) in {name_key(value) for value in values}


def label_place(labels: Path | str, hints: vector.VectorHints = vector.NO_HINTS) -> LabelPlace:
    """`file`, `file:column` or `file:layer:column`, taken apart.

    A colon in the name of a file, a layer or a column that exists is its own.
    """
    path, rest = vector.file_and_rest(str(labels))
    if not rest:
        return LabelPlace(path)
    splits = [(rest[:place], rest[place + 1 :]) for place, letter in enumerate(rest) if letter == ":"]
    for layer, column in [(None, rest), *splits] if splits else ():
        with suppress(VectorError):
            if column in vector.open_layer(path, layer, hints).columns:
                return LabelPlace(path, layer, column)
    layer, column = splits[0] if splits else (None, rest)
    return LabelPlace(path, layer, column)


def label_stamp(path: Path) -> Stamp | None:
    """What tells a label file from the same file after a change; None where there is none."""
    return stamp_of(path) if path.is_file() else None


def is_raster(path: Path) -> bool:
    """Whether labels at `path` are a raster: by name, or by content where the name says nothing."""
    if path.suffix.lower() in (".tif", ".tiff"):
        return True
    if not path.is_file():  # a pipe never ends, and may never begin
        return False
    try:
        with path.open("rb") as file:
            return file.read(4) in _TIFF_MAGIC
    except OSError:
        return False


def _raster_labels(
    source: LabelSource, path: Path, grid: GeoBox, classes: Sequence[LandClass], window: Window
) -> ClassArray:
    if source.column is not None:
        raise LabelError(
            f"{path}: a raster has no column {source.column!r}; leave `column` out of scene.toml"
        )
    with open_raster(path) as dataset:
        _check_one_band(path, dataset.count)
        own = grid_over(places_of(dataset, str(path), source.warp_gcps))
        finer = max(pixel_size(grid)[:2]) > COARSER * max(pixel_size(own)[:2])
        # Without it the commonest value of a mostly unlabelled pixel would depend on whether 0 is declared.
        undeclared = dataset.nodata is None and means_unlabelled("0", source.unlabelled)
        nodata = 0.0 if undeclared else None
    reader = aligned_reader(
        path,
        grid=grid,
        kind="other",
        resampling="mode" if finer else "nearest",
        nodata=nodata,
        warp_gcps=source.warp_gcps,
    )
    block = reader.read(window)[0]
    known = np.isfinite(block)
    values, place, counts = _distinct(block[known])
    texts = [label_text(value, path) for value in values]
    found: Counter[str] = Counter()
    for text, count in zip(texts, counts, strict=True):
        found[text] += int(count)
    ids = _ids(found, "pixels", source, path, classes)
    out = np.zeros(block.shape, np.uint8)
    out[known] = np.array([ids[text] for text in texts], np.uint8)[place]
    return out


def _distinct(values: FloatArray) -> tuple[FloatArray, npt.NDArray[np.intp], IntArray]:
    """Distinct ones of values (n,) in rising order, which of them each is, and how many each are.

    As `numpy.unique`, in a tenth of the time where they are ids of classes: whole numbers, and none large.
    """
    if not len(values) or values.min() < 0 or values.max() >= _MANY_IDS or (values % 1).any():
        return np.unique(values, return_inverse=True, return_counts=True)
    codes = values.astype(np.intp)
    counts = np.bincount(codes)
    there = counts > 0
    return np.flatnonzero(there).astype(np.float32), (np.cumsum(there) - 1)[codes], counts[there]


def _features(
    source: LabelSource, path: Path, grid: GeoBox, classes: Sequence[LandClass], window: Window
) -> tuple[vector.ObjectArray, IntArray]:
    """Labelled points and polygons near a window, in pixels of the grid, and their class ids."""
    layer = vector.open_layer(path, source.layer, source.hints)
    values, geometries = vector.read_features(layer, layer.require(source.column), grid, window)
    texts = [label_text(value, path) for value in values]
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


def _window_labels(
    geometries: vector.ObjectArray, ids: IntArray, grid: GeoBox, window: Window
) -> WindowLabels:
    geometries, ids, small = _placed(geometries, ids)
    # A small polygon lies in one pixel, and so in one window.
    here = _inside(_pixels_of(geometries[:small]), grid, window)
    return WindowLabels(
        _burn(geometries, ids, grid, window),
        _conflicts(geometries, ids, small, grid, window),
        int(np.sum(here)),
    )


def _pixels_of(points: vector.ObjectArray) -> IntArray:
    """Row and column (n, 2) of the pixels that hold points."""
    pixels: IntArray = np.floor(shapely.get_coordinates(points)).astype(np.int64)[:, ::-1]
    return pixels


def _placed(geometries: vector.ObjectArray, ids: IntArray) -> tuple[vector.ObjectArray, IntArray, int]:
    """Polygons without a pixel centre as points, before all others, which then lie over them; how many."""
    small = _without_centre(geometries)
    points = shapely.point_on_surface(geometries[small])
    return (
        np.concatenate([points, geometries[~small]]),
        np.concatenate([ids[small], ids[~small]]),
        int(small.sum()),
    )


def _without_centre(geometries: vector.ObjectArray) -> BoolArray:
    """Which polygons contain the centre of no pixel."""
    small: BoolArray = np.asarray(shapely.get_type_id(geometries) == shapely.GeometryType.POLYGON)
    small[small] = shapely.area(geometries[small]) < _ROOMY * shapely.length(geometries[small])
    places = shapely.point_on_surface(geometries[small])
    centres = np.floor(shapely.get_coordinates(places)) + 0.5
    small[small] = ~shapely.contains_xy(geometries[small], *centres.T)
    small[small] = [not _has_centre(polygon) for polygon in geometries[small]]
    return small


def _has_centre(polygon: shapely.Polygon) -> bool:
    left, top, right, bottom = (round(value * _SNAP) / _SNAP for value in polygon.bounds)
    cols, rows = (
        math.floor(high - 0.5) - math.ceil(low - 0.5) + 1 for low, high in ((left, right), (top, bottom))
    )
    if rows < 1 or cols < 1:
        return False
    if rows * cols > _MAX_PROBED:
        return True
    box = Window(math.ceil(top - 0.5), math.ceil(left - 0.5), rows, cols)
    return bool(_rasterized(np.array([polygon]), np.ones(1, np.int64), box).any())


def _burn(geometries: vector.ObjectArray, ids: IntArray, grid: GeoBox, window: Window) -> ClassArray:
    out = _rasterized(geometries, ids, window)
    height, width = grid.shape
    out[: max(0, -window.row)] = 0
    out[max(0, height - window.row) :] = 0
    out[:, : max(0, -window.col)] = 0
    out[:, max(0, width - window.col) :] = 0
    return out


def _rasterized(geometries: vector.ObjectArray, ids: IntArray, window: Window) -> ClassArray:
    out = np.zeros((window.height, window.width), np.uint8)
    if len(geometries):
        origin = (window.col, window.row)
        shapes = shapely.transform(geometries, lambda xy: np.round(xy * _SNAP) / _SNAP - origin)
        burned = zip(shapes, ids.tolist(), strict=True)
        rasterio.features.rasterize(burned, out=out, all_touched=False, skip_invalid=False)
    return out


def _conflicts(
    geometries: vector.ObjectArray, ids: IntArray, small: int, grid: GeoBox, window: Window
) -> int:
    """Pixels with more than one class; the first `small` geometries claim only what no other does."""
    parts = [(geometries[small:], ids[small:]), (geometries[:small], ids[:small])]
    claims, beneath = (
        sum(
            ((_burn(shapes[of == one], of[of == one], grid, window) > 0) * 1 for one in np.unique(of)),
            np.zeros((window.height, window.width), np.int64),
        )
        for shapes, of in parts
    )
    return int(np.sum(np.where(claims > 0, claims, beneath) > 1))


def _inside(position: IntArray, grid: GeoBox, window: Window) -> BoolArray:
    """Which pixels (n, 2) lie in the grid and in the window."""
    first = np.maximum([window.row, window.col], 0)
    end = np.minimum([window.row + window.height, window.col + window.width], grid.shape)
    inside: BoolArray = np.all((position >= first) & (position < end), axis=1)
    return inside


def _pixels_outside(space: PixelPlaces, grid: GeoBox, window: Window) -> BoolArray:
    """Which pixels (row, col) of a window of a raster have their centre outside the grid."""
    offset = pixel_offset(space, grid)
    if offset is not None:  # nothing to transform
        outside = np.ones((window.height, window.width), bool)
        placed = Window(window.row + offset[0], window.col + offset[1], window.height, window.width)
        if common := placed.common(Window(0, 0, *grid.shape)):
            outside[common.seen_from(placed).slices] = False
        return outside
    rows, cols = np.mgrid[: window.height, : window.width].reshape(2, -1) + 0.5
    there = to_pixels(space, grid, np.stack([cols + window.col, rows + window.row], axis=1))
    height, width = grid.shape
    inside: BoolArray = np.all((there >= 0) & (there < (width, height)), axis=1)
    return ~inside.reshape(window.height, window.width)


def _value_counts(values: np.ma.MaskedArray[Any, Any], path: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for value, count in zip(*np.unique(values, return_counts=True), strict=True):
        found[label_text(value, path)] += int(count)
    return found


def label_text(value: Any, path: Path) -> str:
    """A value as it is compared: `3` for 3 and 3.0, a date as ISO 8601, empty where there is none."""
    if isinstance(value, str):
        return shown_name(value)
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        if not np.isfinite(value):
            return ""
        return str(int(value)) if value.is_integer() else np.format_float_positional(value, trim="-")
    if value is None or (isinstance(value, datetime.date) and value != value):  # pandas' NaT is a date
        return ""
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time()
        return value.date().isoformat() if midnight else value.isoformat()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    raise LabelError(
        f"{path}: the class column holds values of type {type(value).__name__}; "
        "expected names or numbers: choose another column"
    )


def class_table(source: LabelSource, classes: Sequence[LandClass]) -> dict[str, int]:
    """Class id of each value by its `name_key`: as the labels map it, else by class name, else by id."""
    table = {str(entry.id): entry.id for entry in classes}
    table |= {name_key(entry.name): entry.id for entry in classes}
    table |= {name_key(text): 0 for text in source.unlabelled or ()}
    return table | {name_key(text): id_ for text, id_ in (source.classes or {}).items()}


def _ids(
    found: Mapping[str, int], what: str, source: LabelSource, path: Path, classes: Sequence[LandClass]
) -> dict[str, int]:
    """Class id of each value that was found."""
    table = class_table(source, classes)
    ids = {
        text: table.get(name_key(text), 0 if means_unlabelled(text, source.unlabelled) else -1)
        for text in found
    }
    unknown = sorted((text for text in found if ids[text] < 0), key=lambda text: (number_of(text), text))
    if unknown:
        one = what.removesuffix("s")
        listed = ", ".join(
            f"{shortened(repr(text))} ({counted(found[text], one)})" for text in unknown[:MAX_LISTED]
        )
        more = f" and {len(unknown) - MAX_LISTED} more" if len(unknown) > MAX_LISTED else ""
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
    if len(found) > MAX_VALUES:
        raise LabelError(
            f"{path}: more than {MAX_VALUES} different values; expected class ids or names, not measurements"
        )
