"""Labels that somebody drew, as a GeoPackage that `align_scene` takes and QGIS shows in their colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import geopandas
import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from pyogrio.errors import DataLayerError, DataSourceError

from geo_xmodal.errors import UsageError
from geo_xmodal.export.geopackage import CLASS_COLUMN, ClassPackage, placed
from geo_xmodal.outputs import folder_beside
from geo_xmodal.types import LandClass

LABEL_LAYER, LABEL_COLUMN = "labels", "class"
"""Layer of the file, and the column of it that holds class names."""


def export_labels(
    polygons: Sequence[tuple[int, shapely.Polygon]],
    grid: GeoBox,
    classes: Sequence[LandClass],
    out: Path | str,
) -> Path:
    """Write labelled polygons as a GeoPackage with a style.

    Columns: `class` (the name) and `class_id`. `align_scene(labels={"all": "FILE:class"})` reads it; where
    polygons share a pixel, the last has it.

    Args:
        polygons: Class id and polygon in columns and rows of the grid; (0, 0) is the corner of the first
            pixel.
        grid: Where the polygons lie; the file has its CRS.
        classes: The classes of the polygons; others are only in the style.
        out: The file, `.gpkg`; replaced if it is there.

    Returns:
        The file.

    Raises:
        UsageError: No polygon, a class that is not among `classes`, or a name that does not end in `.gpkg`.
        OutputError: The file cannot be written.
    """
    out = Path(out)
    names = {entry.id: entry.name for entry in classes}
    unknown = sorted({id_ for id_, _ in polygons} - names.keys())
    if out.suffix.lower() != ".gpkg":
        raise UsageError(f"{out}: labels go to a GeoPackage: give a name that ends in .gpkg")
    if not polygons or unknown:
        found = f"class {unknown[0]}, which has no name" if unknown else "no polygon"
        raise UsageError(f"{out}: {found}; expected polygons of {', '.join(names.values()) or 'classes'}")
    ids = [id_ for id_, _ in polygons]
    shapes = np.array([shape for _, shape in polygons], object)
    frame = geopandas.GeoDataFrame(
        {LABEL_COLUMN: [names[id_] for id_ in ids], CLASS_COLUMN: np.array(ids, np.int32)},
        geometry=placed(shapes, grid),
    )
    # in a folder of its own, as SQLite puts files beside, and GDAL wants the name to end in .gpkg
    with folder_beside(out, DataSourceError, DataLayerError) as folder:
        package = ClassPackage(folder / out.name, LABEL_LAYER, grid)
        with package.writing(classes):
            package.add(frame)
        (folder / out.name).replace(out)
    return out
