"""GeoPackages of class polygons, styled for QGIS; the same polygons give the same bytes."""

from __future__ import annotations

import datetime
import errno
import os
import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import geopandas
import numpy as np
import pandas
import pyogrio
import shapely
from odc.geo.geobox import GeoBox

from geo_xmodal.export.outlines import Polygons
from geo_xmodal.mapping import qml
from geo_xmodal.raster import Points
from geo_xmodal.small_files import real_path
from geo_xmodal.types import LandClass

CLASS_COLUMN = "class_id"
"""The column that the style goes by."""

_NEVER = "1970-01-01T00:00:00Z"
"""The time that the file says it was changed at: a real one would change the bytes of the same export."""

_CONFIG = {"OGR_CURRENT_DATE": _NEVER, "OGR_SQLITE_SYNCHRONOUS": "OFF"}
"""SQLite need not wait for the disk: the file is put in its place when it is whole."""

_READ_BY_ALL = {"VERSION": "1.2"}
"""Of GeoPackage: GDAL before 3.7, as in QGIS 3.22, warns of later ones."""


class ClassPackage:
    """A GeoPackage with one layer of polygons and its style.

    Args:
        path: The file, which is not there yet.
        layer: Name of the layer.
        grid: Whose CRS the layer has.

    Attributes:
        count: Polygons written so far.
    """

    def __init__(self, path: Path, layer: str, grid: GeoBox) -> None:
        self._path, self._layer = path, layer
        self._crs = None if grid.crs is None else grid.crs.proj.to_wkt()
        self.count = 0

    @contextmanager
    def writing(self, legend: Sequence[LandClass]) -> Iterator[None]:
        """Within it `add` writes polygons; at its end the style is written and the file checked.

        Raises:
            OSError: The file does not hold what was written; `geo_xmodal.outputs.output_errors` says why.
        """
        before = {name: pyogrio.get_gdal_config_option(name) for name in _CONFIG}
        pyogrio.set_gdal_config_options(_CONFIG)
        try:
            with warnings.catch_warnings():
                # a grid without CRS is legal here
                warnings.filterwarnings("ignore", message="'crs' was not provided", category=UserWarning)
                yield
                pyogrio.write_dataframe(
                    self._style(legend), self._path, layer="layer_styles", driver="GPKG", append=True
                )
        finally:
            pyogrio.set_gdal_config_options(before)
        self._check_whole()

    def add(self, frame: geopandas.GeoDataFrame) -> None:
        """Write polygons with their columns, `CLASS_COLUMN` among them."""
        pyogrio.write_dataframe(
            frame if self._crs is None else frame.set_crs(self._crs),
            self._path,
            layer=self._layer,
            driver="GPKG",
            geometry_type="Polygon",
            append=self.count > 0,
            dataset_options=_READ_BY_ALL,
        )
        self.count += len(frame)

    def _check_whole(self) -> None:
        """GDAL does not report a full disk that took the spatial index, or the last pages."""
        queries = (
            ("PRAGMA quick_check", "ok"),
            (f'SELECT count(*) FROM "{self._layer}"', self.count),
            (f'SELECT count(*) FROM "rtree_{self._layer}_geom_rowid"', self.count),
            ("SELECT count(*) FROM layer_styles", 1),
        )
        try:
            with closing(
                sqlite3.connect(f"{real_path(self._path).as_uri()}?mode=ro&immutable=1", uri=True)
            ) as database:
                whole = all(database.execute(query).fetchone()[0] == wanted for query, wanted in queries)
        except sqlite3.Error:
            whole = False
        if not whole:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(self._path))

    def _style(self, legend: Sequence[LandClass]) -> pandas.DataFrame:
        """The table in which QGIS keeps the styles of a GeoPackage, with the layer's own."""
        row = {
            "f_table_catalog": "",
            "f_table_schema": "",
            "f_table_name": self._layer,
            "f_geometry_column": "geom",
            "styleName": self._layer,
            "styleQML": qml.categorized_polygons(legend, CLASS_COLUMN).decode(),
            "styleSLD": "",
            "useAsDefault": True,
            "description": "",
            "owner": "",
            "ui": "",
            "update_time": datetime.date.fromisoformat(_NEVER[:10]),
        }
        return pandas.DataFrame([row])


def placed(polygons: Polygons, grid: GeoBox) -> Polygons:
    """Polygons in pixels (col, row) to the grid's CRS; a vertex always becomes the same coordinates."""
    a, b, c, d, e, f = tuple(grid.affine)[:6]

    def place(points: Points) -> Points:
        x, y = points.T
        return np.stack([a * x + b * y + c, d * x + e * y + f], axis=1)

    return np.asarray(shapely.orient_polygons(shapely.transform(polygons, place)))
