"""A map as polygons in a GeoPackage: strip by strip, joined across them, neighbours with common vertices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
from pyogrio.errors import DataLayerError, DataSourceError

from geo_xmodal.errors import UsageError
from geo_xmodal.export.class_map import ClassMap, open_map, read_class_map
from geo_xmodal.export.geopackage import ClassPackage, placed
from geo_xmodal.export.outlines import Polygons
from geo_xmodal.export.regions import Regions
from geo_xmodal.export.shapes import Finished, finished_polygons, finished_simplified
from geo_xmodal.export.smallest import STEPS, Smallest, check_sizes, joined_regions
from geo_xmodal.mapping.attribute_table import printable
from geo_xmodal.outputs import folder_beside
from geo_xmodal.raster import pixel_areas, pixel_size
from geo_xmodal.types import IntArray, Progress

LAYER = "land_cover"
_BATCH = 50_000


@dataclass(frozen=True)
class ExportedPolygons:
    """A GeoPackage of polygons.

    Attributes:
        out: The file.
        layer: Name of its layer.
        polygons: How many there are.
        merged_pixels: Pixels that took a neighbour's class.
        warnings: Lines that the user should see.
    """

    out: Path
    layer: str
    polygons: int
    merged_pixels: int
    warnings: tuple[str, ...] = ()


def export_polygons(
    map_file: Path | str,
    out: Path | str,
    *,
    mmu: float = 0.0,
    sieve: int = 0,
    simplify: float = 0.0,
    strip_rows: int | None = None,
    classes: Path | str | None = None,
    progress: Progress | None = None,
) -> ExportedPolygons:
    """Write a map as polygons: the connected components of each class (pixels that share an edge).

    Columns: `class_id`, `class_name`, `pixels`, `area_ha` (of the pixels, on the ellipsoid; missing without
    CRS) and `mean_probability` (0 to 1, over the pixels that had the class before small areas joined; missing
    where the map has no probability beside it). Polygons are in the order of their last rows, and share
    their vertices with their neighbours. The map is read in strips; the result does not depend on them.

    Args:
        map_file: A class map; its probability is taken from beside it.
        out: The file, `.gpkg`.
        mmu: Minimum mapping unit, in hectares: smaller areas join the neighbour with the longest border.
        sieve: The same, in pixels; the larger of the two counts.
        simplify: Size of the detail that outlines lose, in metres (without CRS, in units of the grid): about
            the root of the area of the triangles that go (`shapely.coverage_simplify`). Common borders stay
            common. Vertices on the lines of a raster of 1024 pixels stay.
        strip_rows: Rows that are read together; None for about 2 million pixels.
        classes: TOML file with `[[classes]]` that names the values of a map of another program.
        progress: Told after each strip.

    Raises:
        UsageError: A number without meaning, or hectares for a map without CRS.
        RasterError: The map cannot be read, or has more than `geo_xmodal.export.smallest.MAX_REGIONS` areas.
        OutputError: The file cannot be written.
    """
    map_file, out = Path(map_file), Path(out)
    _check(out, mmu, sieve, simplify, strip_rows)
    made = read_class_map(map_file, None, None if classes is None else Path(classes))
    height, width = (int(side) for side in made.grid.shape)
    with open_map(made.path, made.probability) as (reader, _):
        found, changed = joined_regions(
            reader,
            pixel_areas(made.grid),
            (height, width),
            Smallest(mmu, sieve),
            str(made.path),
            strip_rows=strip_rows,
            progress=progress,
        )
        if simplify > 0:
            row, col, _unit = pixel_size(made.grid)
            tolerance = simplify / (row * col) ** 0.5
            shapes = finished_simplified(found, reader, (height, width), tolerance)
        else:
            shapes = finished_polygons(found, reader, (height, width))
        # in a folder of its own, as SQLite puts files beside, and GDAL wants the name to end in .gpkg
        with folder_beside(out, DataSourceError, DataLayerError) as folder:
            count = _write(folder / out.name, made, found.regions, shapes, progress)
            (folder / out.name).replace(out)
    return ExportedPolygons(out, LAYER, count, changed, made.notes)


def _check(out: Path, mmu: float, sieve: int, simplify: float, strip_rows: int | None) -> None:
    if out.suffix.lower() != ".gpkg":
        raise UsageError(f"{out}: polygons go to a GeoPackage: give a name that ends in .gpkg")
    check_sizes(mmu=mmu, sieve=sieve, simplify=simplify)
    if strip_rows is not None and strip_rows < 1:
        raise UsageError(f"strips of {strip_rows} rows: give at least 1")


def _write(
    path: Path,
    made: ClassMap,
    regions: Regions,
    shapes: Iterator[Finished],
    progress: Progress | None,
) -> int:
    """The layer and its style; QGIS takes the latter from the file itself."""
    package = ClassPackage(path, LAYER, made.grid)
    with package.writing(made.legend):
        for numbers, polygons in _batches(shapes, progress):
            package.add(_frame(made, regions, numbers, polygons))
    return package.count


def _batches(shapes: Iterator[Finished], progress: Progress | None) -> Iterator[tuple[IntArray, Polygons]]:
    """Polygons in batches of one size, whatever strips they come from; at least one batch."""
    numbers, polygons = np.empty(0, np.int64), np.empty(0, object)
    written = False
    for share, more, more_polygons in shapes:
        numbers, polygons = np.concatenate([numbers, more]), np.concatenate([polygons, more_polygons])
        while len(numbers) >= _BATCH:
            yield numbers[:_BATCH], polygons[:_BATCH]
            numbers, polygons, written = numbers[_BATCH:], polygons[_BATCH:], True
        if progress is not None:
            progress(STEPS + int(STEPS * share), 2 * STEPS, "writing polygons")
    if len(numbers) or not written:
        yield numbers, polygons


def _frame(
    made: ClassMap,
    regions: Regions,
    numbers: IntArray,
    polygons: Polygons,
) -> geopandas.GeoDataFrame:
    """A batch of polygons with their columns; `numbers` count from 1."""
    names = {entry.id: printable(entry.name) for entry in made.legend}
    index = numbers - 1
    area = pixel_areas(made.grid).hectares(regions.parts[index])
    ids, pixels, own = regions.class_id[index], regions.pixels[index], regions.own[index]
    probability = np.full(len(index), np.nan)
    known = own > 0
    probability[known] = np.round(regions.percent[index][known] / (100 * own[known]), 4)
    columns = {
        "class_id": ids.astype(np.int32),
        "class_name": np.array([names[int(id_)] for id_ in ids], object),
        "pixels": pixels,
        "area_ha": np.full(len(index), np.nan) if area is None else area,
        "mean_probability": probability,
    }
    return geopandas.GeoDataFrame(columns, geometry=placed(polygons, made.grid))
