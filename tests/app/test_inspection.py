"""What the pages tell of a file that was uploaded."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely

from geo_xmodal.errors import VectorError
from geo_xmodal_app.inspection import inspect_labels, inspect_raster, shared
from tests.tiny import PIXEL, write_raster


def test_coverage_counts_pixels_with_data(tmp_path: Path) -> None:
    """A file over the whole target whose data are a strip of a quarter; the target has data in three."""
    target, strip = np.ones((1, 80, 80), np.float32), np.full((1, 40, 40), np.nan, np.float32)
    target[:, 60:], strip[:, :, :10] = np.nan, 1
    first = inspect_raster(write_raster(tmp_path / "sar.tif", target), "sar.tif")
    other = inspect_raster(write_raster(tmp_path / "hsi.tif", strip, pixel=2 * PIXEL), "hsi.tif")
    share, wrong = shared(first, other)
    assert wrong is None and share == pytest.approx(0.25, abs=0.01)
    empty = inspect_raster(write_raster(tmp_path / "none.tif", np.full_like(strip, np.nan)), "none.tif")
    assert "holds no data inside sar.tif" in str(shared(first, empty)[1])


def test_labels_that_would_read_another_file_tell_nothing_of_it(tmp_path: Path) -> None:
    secret, path = tmp_path / "secret.txt", tmp_path / "leak.gpkg"
    secret.write_text("the secret\n" * 20)
    geopandas.GeoDataFrame({"class": ["a"]}, geometry=[shapely.box(0, 0, 1, 1)], crs=4326).to_file(
        path, layer="l"
    )
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute(
            "INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) "
            "VALUES ('table', 'v', 'v', 0, ?)",
            (f"CREATE VIRTUAL/**/TABLE v USING/**/VirtualText('{secret}', UTF-8, 0)",),
        )
        database.execute("CREATE VIEW x AS SELECT ROWNO fid, (SELECT geom FROM l) geom, COL001 class FROM v")
        for table in ("gpkg_contents", "gpkg_geometry_columns"):
            database.execute(f"UPDATE {table} SET table_name = 'x'")
        database.commit()
    with pytest.raises(VectorError, match="layer 'x' is a view, expected a table") as caught:
        inspect_labels(path, "leak.gpkg")
    assert "the secret" not in str(caught.value)
