"""Nothing that a user uploads makes the server ask an address; held by a listener on loopback."""

from __future__ import annotations

import json
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely

import geo_xmodal as gx
from geo_xmodal.errors import GeoXmodalError
from geo_xmodal_app.inspection import inspect_labels, inspect_raster
from geo_xmodal_app.settings import VARIABLE, Settings
from geo_xmodal_app.sources import area_files, source_files
from geo_xmodal_app.uploads import Purpose
from tests.app.journey import put_upload
from tests.tiny import write_raster


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[socket.socket]:
    (tmp_path / "work").mkdir()
    monkeypatch.setenv(VARIABLE, Settings(work=tmp_path / "work").model_dump_json())
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def asked(server: socket.socket) -> bool:
    with suppress(BlockingIOError):
        server.accept()[0].close()
        return True
    return False


def geojson(path: Path, url: str) -> Path:
    ring = [[0, 0], [1, 0], [1, 1], [0, 0]]
    feature = {"type": "Feature", "properties": {"class": "a"},
               "geometry": {"type": "Polygon", "coordinates": [ring]}}  # fmt: skip
    link = {"type": "link", "properties": {"href": f"{url}/crs", "type": "proj4"}}
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": link, "features": [feature]}))
    return path


def geojson_named(path: Path, url: str) -> Path:
    content = json.loads(geojson(path, url).read_text())
    content["crs"] = {"type": "name", "properties": {"name": f"{url}/crs"}}
    path.write_text(json.dumps(content))
    return path


def geopackage(path: Path, url: str) -> Path:
    frame = geopandas.GeoDataFrame({"class": ["a"]}, geometry=[shapely.box(0, 0, 1, 1)], crs=32633)
    frame.to_file(path, layer="l", driver="GPKG")
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE gpkg_spatial_ref_sys SET definition = ? WHERE srs_id = 32633", (f"{url}/c",))
        database.commit()
    return path


def virtual_raster(path: Path, url: str) -> Path:
    path.write_text(
        f'<VRTDataset rasterXSize="4" rasterYSize="4"><SRS>{url}/crs</SRS><VRTRasterBand dataType="Byte" '
        f'band="1"><SimpleSource><SourceFilename>/vsicurl/{url}/a.tif</SourceFilename></SimpleSource>'
        "</VRTRasterBand></VRTDataset>"
    )
    return path


def tagged_raster(path: Path, url: str) -> Path:
    write_raster(path, np.eye(30, dtype=np.float32))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(ns="xml:VRT")
        dataset.update_tags(OVERVIEW_FILE=f"/vsicurl/{url}/o.tif", SRS=f"{url}/crs", href=f"{url}/x")
    return path


@pytest.mark.parametrize(
    ("make", "name", "purpose"),
    [
        (geojson, "a.geojson", "labels"),
        (geojson, "a.geojson", "area"),
        (geojson_named, "a.geojson", "labels"),
        (geopackage, "a.gpkg", "labels"),
        (geopackage, "a.gpkg", "area"),
        (virtual_raster, "a.tif", "raster"),
        (virtual_raster, "a.tif", "labels"),
        (tagged_raster, "a.tif", "raster"),
        (tagged_raster, "a.tif", "labels"),
    ],
)
def test_a_file_makes_no_request(
    listener: socket.socket, tmp_path: Path, make: Callable[[Path, str], Path], name: str, purpose: Purpose
) -> None:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    path = make(tmp_path / name, url)
    with suppress(GeoXmodalError):
        put_upload(purpose, name, path)
    kept = [*source_files("local").values(), *area_files("local").values()]
    for one in (path, *(file.path for file in kept)):
        for look in (inspect_raster, inspect_labels, gx.describe_raster, gx.layer_names, gx.open_layer):
            with suppress(GeoXmodalError):
                look(one, *([name] if look in (inspect_raster, inspect_labels) else []))
    assert not asked(listener)
