"""What the pages tell of a file that was uploaded."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas
import pytest
import shapely

from geo_xmodal.errors import VectorError
from geo_xmodal_app.inspection import inspect_labels


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
