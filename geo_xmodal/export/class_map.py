"""A finished map as exports take it: checked, counted, and with a legend even if another program made it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox

from geo_xmodal.errors import RasterError
from geo_xmodal.mapping import read_legend
from geo_xmodal.mapping.attribute_table import NO_CLASS, MapCounts
from geo_xmodal.mapping.geotiff import has_legend, open_band
from geo_xmodal.mapping.map_legends import ClassMapReader, MapLegend, legend_of_map
from geo_xmodal.mapping.outputs import layer_file
from geo_xmodal.raster import PixelAreas, crs_name, file_window, grid_of, pixel_areas
from geo_xmodal.types import ClassArray, IntArray, LandClass, Progress, Window, windows_over
from geo_xmodal.wording import counted

_WINDOW = 2048


@dataclass(frozen=True)
class ClassMap:
    """A map on disk.

    Attributes:
        path: The class ids.
        probability: Top-1 probability in percent, where it lies beside the map.
        grid: Where its pixels lie.
        legend: Its classes; for a map without a legend, the values that it holds.
        tags: What the file says of itself; text of whoever wrote it.
        nodata: The value besides 0 that means "no data", or 0.
        counts: Pixels and sums of percent of each class id; those without data are counted under 0.
        percents: (256,) pixels with each percent; None without probability.
        nowhere: Pixels with a class that have no place on the ground, so that no area counts them.
        notes: What was taken for granted, a line each.
    """

    path: Path
    probability: Path | None
    grid: GeoBox
    legend: tuple[LandClass, ...]
    tags: Mapping[str, str]
    nodata: int
    counts: MapCounts
    percents: IntArray | None
    nowhere: int = 0
    notes: tuple[str, ...] = ()

    @property
    def crs_name(self) -> str:
        """`EPSG:n`, or the name of the CRS or its projection; empty without CRS."""
        return "" if self.grid.crs is None else crs_name(self.grid.crs)


class MapReader:
    """The two layers of a map, window by window; used inside its `with` block."""

    def __init__(
        self, classes: rasterio.DatasetReader, probability: rasterio.DatasetReader | None, nodata: int
    ) -> None:
        self._classes, self._probability, self._nodata = classes, probability, nodata

    def read(self, window: Window) -> tuple[ClassArray, ClassArray | None]:
        """Class ids (row, col), 0 = no data, and percent (row, col), 255 = unknown, where there is any."""
        place = file_window(window)
        ids: ClassArray = self._classes.read(1, window=place)
        if self._nodata != NO_CLASS:
            ids[ids == self._nodata] = NO_CLASS
        if self._probability is None:
            return ids, None
        percent: ClassArray = self._probability.read(1, window=place)
        return ids, percent


def read_class_map(
    path: Path | str, progress: Progress | None = None, classes: Path | str | None = None
) -> ClassMap:
    """Check a map, and count what it holds, window by window.

    Args:
        path: A map of this package, or of another program.
        progress: Told of every window.
        classes: TOML file with `[[classes]]` that names the values of a map.

    Raises:
        RasterError: It cannot be read, is no class map, or its parts contradict each other.
        SceneError: `classes` cannot be read.
    """
    path, classes = Path(path), None if classes is None else Path(classes)
    beside = layer_file(path, "probability")
    probability = beside if beside.is_file() else None
    with open_map(path, probability) as (reader, dataset):
        grid, tags = grid_of(dataset), dataset.tags()
        counts, percents, nowhere = _count(reader, grid, progress)
        legend = _legend(dataset, path, counts.pixels, classes)
        nodata = nodata_of(dataset)
    notes = list(legend.notes)
    if legend.zeros:
        notes.append(
            f"{path.name}: {counted(legend.zeros, 'pixel')} with value 0 taken as no data; if it is a class, "
            "give it another value first"
        )
    return ClassMap(
        path, probability, grid, legend.classes, tags, nodata, counts, percents, nowhere, tuple(notes)
    )


@contextlib.contextmanager
def open_map(path: Path, probability: Path | None) -> Iterator[tuple[MapReader, rasterio.DatasetReader]]:
    """The layers of a map, open for reading, and the dataset of its class ids.

    Raises:
        RasterError: As `read_class_map`.
    """
    with contextlib.ExitStack() as stack:
        classes = stack.enter_context(open_band(path))
        percent = None if probability is None else stack.enter_context(open_band(probability))
        if percent is not None and (
            percent.shape != classes.shape or not percent.transform.almost_equals(classes.transform, 1e-6)
        ):
            raise RasterError(
                f"{probability}: lies on another grid than {path.name}: the two do not belong together, "
                "map again"
            )
        yield MapReader(classes, percent, nodata_of(classes)), classes


def nodata_of(dataset: rasterio.DatasetReader) -> int:
    """The value that means "no data": what the file says, else 0."""
    return NO_CLASS if dataset.nodata is None else int(dataset.nodata)


def _count(
    reader: MapReader, grid: GeoBox, progress: Progress | None
) -> tuple[MapCounts, IntArray | None, int]:
    pixels, parts, percent_sum, percents = np.zeros((4, 256), np.int64)
    areas = pixel_areas(grid)
    known, nowhere = False, 0
    windows = list(windows_over(int(grid.shape[0]), int(grid.shape[1]), _WINDOW))
    for done, window in enumerate(windows, start=1):
        ids, percent = reader.read(window)
        for total, found in zip((pixels, parts), areas.count(ids, window), strict=True):
            total += found
        nowhere += _without_place(ids, areas, window)
        if percent is not None:
            known = True
            percent_sum += np.bincount(ids.ravel(), percent.ravel(), 256).astype(np.int64)
            percents += np.bincount(percent.ravel(), minlength=256)
        if progress is not None:
            progress(done, len(windows), "counting")
    percent_sum[NO_CLASS] = 0
    counts = MapCounts(pixels, percent_sum if known else None, areas.hectares(parts))
    return counts, percents if known else None, nowhere


def _without_place(ids: ClassArray, areas: PixelAreas, window: Window) -> int:
    """Pixels of a class whose area is 0: their CRS has no such place."""
    if areas.unit != "m":
        return 0
    gone = areas.parts(window) == 0
    return int(np.count_nonzero((ids != NO_CLASS) & gone)) if gone.any() else 0


def _legend(dataset: rasterio.DatasetReader, path: Path, pixels: IntArray, classes: Path | None) -> MapLegend:
    """The map's own legend, or one for the values that it holds."""
    present = [int(value) for value in np.flatnonzero(pixels) if value != NO_CLASS]
    if classes is None and has_legend(dataset):
        legend = read_legend(dataset)
        unknown = sorted(set(present) - {entry.id for entry in legend})
        if unknown:
            raise RasterError(
                f"{path}: value {unknown[0]} is not in its legend ({len(legend)} classes): "
                "the file was changed, map again"
            )
        return MapLegend(legend)
    return legend_of_map(ClassMapReader(path, dataset), classes)
