"""The legend of a class map, whichever program made it, and its pixels as class ids."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Resampling

from geo_xmodal.errors import RasterError
from geo_xmodal.mapping.attribute_table import read_class_names
from geo_xmodal.mapping.geotiff import has_legend, read_legend
from geo_xmodal.raster import file_window, means_unlabelled, name_key, open_raster
from geo_xmodal.scenes import free_id, palette, read_map_classes
from geo_xmodal.types import ClassArray, IntArray, LandClass, Window, windows_over
from geo_xmodal.wording import counted

NO_DATA = 0
_WINDOW = 2048


@dataclass(frozen=True)
class MapLegend:
    """Classes of a map.

    Attributes:
        classes: With ids from 1 up.
        zero: Id of the class that the file calls 0, where 0 is a class.
        zeros: Pixels with value 0 that are taken as no data, though the file does not say so.
        notes: What was taken for granted, a line each.
    """

    classes: tuple[LandClass, ...]
    zero: int | None = None
    zeros: int = 0
    notes: tuple[str, ...] = ()

    def value(self, class_id: int) -> int:
        """What the file calls a class."""
        return 0 if class_id == self.zero else class_id


class ClassMapReader:
    """An open class map of any program; used inside the block of `open_class_map`."""

    def __init__(self, path: Path, dataset: rasterio.DatasetReader) -> None:
        self.path, self.dataset = path, dataset

    def values(self, window: Window) -> np.ma.MaskedArray[tuple[int, int], np.dtype[np.uint8]]:
        """Values (row, col) as the file has them, masked where it has no data.

        Raises:
            RasterError: One is no whole number from 0 to 255.
        """
        return self._checked(self.dataset.read(1, window=file_window(window), masked=True))

    def ids(self, window: Window, legend: MapLegend) -> ClassArray:
        """Class ids (row, col), 0 = no data."""
        return _as_ids(self.values(window), legend)

    def small(self, max_side: int, legend: MapLegend) -> ClassArray:
        """Class ids in little, by mode, at most `max_side` rows and columns."""
        height, width = self.dataset.shape
        step = max(1, -(-max(height, width) // max_side))
        shape = (-(-height // step), -(-width // step))
        block = self.dataset.read(1, out_shape=shape, masked=True, resampling=Resampling.mode)
        return _as_ids(self._checked(block), legend)

    def counts(self) -> IntArray:
        """Pixels with each value 0-255 (256,); those without data are not counted."""
        found = np.zeros(256, np.int64)
        for window in windows_over(self.dataset.height, self.dataset.width, _WINDOW):
            found += np.bincount(self.values(window).compressed(), minlength=256)
        return found

    def _checked(
        self, block: np.ma.MaskedArray[tuple[int, int], np.dtype[np.uint8]]
    ) -> np.ma.MaskedArray[tuple[int, int], np.dtype[np.uint8]]:
        if block.dtype == np.uint8:
            return block
        block = np.ma.masked_invalid(block)
        found = block.compressed()
        wrong = found[(found < 0) | (found > 255) | (found != np.rint(found))]
        if len(wrong):
            raise RasterError(
                f"{self.path}: holds the value {wrong[0]:g}, expected class ids: whole numbers from 0 to "
                "255; give a class map, or reclassify it"
            )
        return np.ma.MaskedArray(block.filled(0).astype(np.uint8), block.mask)


@contextmanager
def open_class_map(path: Path) -> Iterator[ClassMapReader]:
    """A class map: one band of whole numbers.

    Raises:
        RasterError: It cannot be read, or has several bands.
    """
    with open_raster(path) as dataset:
        if dataset.count != 1:
            raise RasterError(
                f"{path}: {dataset.count} bands, expected one band of class ids (a picture of a map is none)"
            )
        yield ClassMapReader(path, dataset)


def legend_of_map(
    opened: ClassMapReader, classes: Path | None = None, unlabelled: Collection[str] | None = None
) -> MapLegend:
    """The legend that a map carries, else one for the values that it holds.

    Names come from `classes`, else from the raster attribute table or category names beside the file;
    colours from `classes`, else from its colour table.

    Args:
        opened: The map.
        classes: TOML file with `[[classes]]`, whose ids are the values of the map.
        unlabelled: Values that mean "no data" in place of 0.

    Raises:
        RasterError: The map holds no data, or values that `classes` lacks.
        SceneError: `classes` cannot be read.
    """
    if classes is None and has_legend(opened.dataset):
        return MapLegend(read_legend(opened.dataset))
    path, dataset, counts = opened.path, opened.dataset, opened.counts()
    values = [int(value) for value in np.flatnonzero(counts) if not means_unlabelled(str(value), unlabelled)]
    if not values:
        raise RasterError(
            f"{path}: no pixel has data, and no legend says its classes: nothing to compare or show"
        )
    notes: tuple[str, ...] = ()
    if classes is not None:
        given = {entry.id: entry for entry in read_map_classes(classes)}
        lacking = [value for value in values if value not in given]
        if lacking:
            raise RasterError(
                f"{path}: value {lacking[0]} ({counted(int(counts[lacking[0]]), 'pixel')}) is not in "
                f"{classes}, which has {', '.join(map(str, given))}: add a [[classes]] entry with that id"
            )
        legend = tuple(LandClass(entry.id, entry.name, entry.color) for entry in given.values())
    else:
        names = {value: name for value, name in read_class_names(path).items() if value in values}
        colors = color_names(dataset) or dict(zip(values, palette(len(values)), strict=True))
        source = "the table beside it" if names else "their values"
        notes = (f"{path.name}: no legend in it: classes are named by {source}; a class list names them",)
        legend = tuple(
            LandClass(value, name, colors[value]) for value, name in _unlike(values, names).items()
        )
    if NO_DATA not in values:
        named = tuple(one for one in legend if one.id != NO_DATA)
        return MapLegend(named, None, int(counts[NO_DATA]), notes)
    zero = free_id(one.id for one in legend)
    return MapLegend(tuple(LandClass(one.id or zero, one.name, one.color) for one in legend), zero, 0, notes)


def color_names(dataset: rasterio.DatasetReader) -> dict[int, str]:
    """Value to `#rrggbb` in the colour table of a raster; empty where it has none."""
    try:
        table = dataset.colormap(1)
    except ValueError:  # rasterio's word for "there is none"
        return {}
    return {value: f"#{red:02x}{green:02x}{blue:02x}" for value, (red, green, blue, _) in table.items()}


def _unlike(values: Collection[int], names: Mapping[int, str]) -> dict[int, str]:
    """A name for each value; a name that comes twice says its value."""
    found = {value: names.get(value) or f"class {value}" for value in values}
    keys = [name_key(name) for name in found.values()]
    return {
        value: f"{name} ({value})" if keys.count(name_key(name)) > 1 else name
        for value, name in found.items()
    }


def _as_ids(values: np.ma.MaskedArray[tuple[int, int], np.dtype[np.uint8]], legend: MapLegend) -> ClassArray:
    ids: ClassArray = values.filled(NO_DATA)
    if legend.zero is not None:
        ids[(ids == NO_DATA) & ~np.ma.getmaskarray(values)] = legend.zero
    return ids
