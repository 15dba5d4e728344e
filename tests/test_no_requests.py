"""No file of a user causes a request, whatever it names: a listener on loopback hears nothing.

The QGIS plugin reads no file itself: it runs the commands that are run here. QGIS does: it opens what is
chosen before the plugin sees it, and follows what a VRT or a sidecar names (docs/qgis-plugin.md says so).
"""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import shapely

import geo_xmodal as gx
from geo_xmodal import bundle
from geo_xmodal.commands.app import run
from geo_xmodal.errors import GeoXmodalError
from geo_xmodal_app import unpacking
from geo_xmodal_app.inspection import inspect_labels, inspect_raster
from tests.fuzz.readers import card, label_raster, model
from tests.rasters import utm_grid, write_raster
from tests.tiny import SCENE


class Listener:
    """A port that answers nothing, and tells whether anybody came."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._socket.setblocking(False)
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def heard(self) -> bool:
        """Whether a connection waits; it is taken away."""
        try:
            self._socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


def vrt(source: str) -> str:
    return (
        '<VRTDataset rasterXSize="30" rasterYSize="40"><VRTRasterBand dataType="Float32" band="1">'
        f"<SimpleSource><SourceFilename>{source}</SourceFilename><SourceBand>1</SourceBand>"
        '<SrcRect xOff="0" yOff="0" xSize="30" ySize="40"/><DstRect xOff="0" yOff="0" xSize="30" ySize="40"/>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )  # fmt: skip


def wms(address: str) -> str:
    return (
        f'<GDAL_WMS><Service name="TMS"><ServerUrl>{address}/${{z}}/${{x}}/${{y}}.png</ServerUrl></Service>'
        "<DataWindow><UpperLeftX>0</UpperLeftX><UpperLeftY>9</UpperLeftY><LowerRightX>9</LowerRightX>"
        "<LowerRightY>0</LowerRightY><SizeX>64</SizeX><SizeY>64</SizeY></DataWindow><BandsCount>3</BandsCount>"
        "</GDAL_WMS>"
    )  # fmt: skip


def geojson(address: str, kind: str) -> dict[str, Any]:
    box = shapely.geometry.mapping(shapely.box(400_010, 4_999_700, 400_200, 4_999_900))
    crs = {
        "link": {"type": "link", "properties": {"href": f"{address}/crs.wkt", "type": "ogcwkt"}},
        "name": {"type": "name", "properties": {"name": f"{address}/crs.wkt"}},
        "grids": {"type": "name", "properties": {"name": f"+proj=longlat +nadgrids={address}/x +type=crs"}},
    }[kind]
    feature = {"type": "Feature", "properties": {"class": "a"}, "geometry": box}
    return {"type": "FeatureCollection", "crs": crs, "features": [feature]}


def geopackage(path: Path, statements: str) -> None:
    boxes = [shapely.box(400_010, 4_999_700, 400_100, 4_999_900)]
    frame = geopandas.GeoDataFrame({"class": ["a"]}, geometry=boxes, crs="EPSG:32633")
    frame.to_file(path, driver="GPKG", layer="l")
    with sqlite3.connect(path) as database:
        database.executescript(statements)


@pytest.fixture
def files(tmp_path: Path, listener: Listener) -> Path:
    """A folder of files that name the listener wherever their formats let them."""
    place, url = tmp_path / "files", f"/vsicurl/{listener.address}/x.tif"
    place.mkdir()
    grid = utm_grid(40, 30)
    values = np.random.default_rng(0).normal(size=(2, 40, 30)).astype(np.float32)
    good = write_raster(place / "sidecars.tif", values, grid, blockxsize=16, blockysize=16)
    for ending in (".ovr", ".msk", ".aux.xml"):
        good.with_name(f"{good.name}{ending}").write_text(vrt(url))
    (place / "sidecars.tfw").write_text(url)
    (place / "vrt.tif").write_text(vrt(url))
    (place / "wms.tif").write_text(wms(listener.address))
    (place / "address.tif").write_text(url)
    for kind in ("link", "name", "grids"):
        (place / f"{kind}.geojson").write_text(json.dumps(geojson(listener.address, kind)))
    schema = "PRAGMA writable_schema = ON; INSERT INTO sqlite_master VALUES ('table', 'v', 'v', 0, '{}');"
    for module in ("VirtualText", "VirtualOGR", "VirtualShape"):
        made = f"CREATE VIRTUAL/**/TABLE v USING/**/{module}(''{url}'', UTF-8, 0)"
        shown = "CREATE VIEW x AS SELECT ROWNO fid, (SELECT geom FROM l) geom, COL001 class FROM v;"
        contents = (
            "INSERT INTO gpkg_contents (table_name, data_type, srs_id) VALUES ('x', 'features', 32633);"
            "INSERT INTO gpkg_geometry_columns VALUES ('x', 'geom', 'POLYGON', 32633, 0, 0);"
        )
        geopackage(place / f"{module}.gpkg", shown + contents + schema.format(made))
    grids = f"+proj=longlat +nadgrids={listener.address}/x +type=crs"
    for name, definition in (("grids", grids), ("crs", f"{listener.address}/crs.wkt")):
        changed = f"UPDATE gpkg_spatial_ref_sys SET organization = 'none', definition = '{definition}'"
        geopackage(place / f"{name}.gpkg", changed)
    spot = "<Point><coordinates>13.73,45.14</coordinates></Point>"
    link = f"<NetworkLink><Link><href>{listener.address}/x.kml</href></Link></NetworkLink>"
    icon = f"<Style><IconStyle><Icon><href>{listener.address}/x.png</href></Icon></IconStyle></Style>"
    (place / "links.kml").write_text(f"<kml>{link}<Placemark>{icon}<class>a</class>{spot}</Placemark></kml>")
    dtd = f'<!DOCTYPE kml SYSTEM "{listener.address}/x.dtd" [<!ENTITY e SYSTEM "{listener.address}/e">]>'
    with zipfile.ZipFile(place / "dtd.kmz", "w") as packed:
        packed.writestr("doc.kml", f"{dtd}<kml><Placemark><name>&e;</name>{spot}</Placemark></kml>")
    (place / "tiles.txt").write_text(f"{listener.address}/x.tif\n")
    (place / "vsi.txt").write_text(f"{url}\n")
    return place


@pytest.fixture
def scenes(tmp_path: Path, files: Path, listener: Listener) -> list[Path]:
    """Scene folders whose scene.toml names the listener, or whose files do."""
    made = []
    named = (f"/vsicurl/{listener.address}/x.tif", f"{listener.address}/x.tif", "vrt.tif", "wms.tif")
    for number, file in enumerate(named):
        folder = tmp_path / f"scene{number}"
        folder.mkdir()
        for path in files.glob("*.tif*"):
            (folder / path.name).write_bytes(path.read_bytes())
        for name in ("train", "test"):
            label_raster(folder / f"{name}.tif")
        (folder / "sar.tif").write_bytes((files / "sidecars.tif").read_bytes())
        changed = SCENE.replace('file = "hsi.tif"', f'file = "{file}"')
        if number == 3:
            changed = SCENE.replace("train.tif", "wms.tif").replace("hsi.tif", "sidecars.tif")
        (folder / "scene.toml").write_text(changed)
        made.append(folder)
    return made


def bundles(tmp_path: Path, listener: Listener) -> Iterator[Path]:
    """A sound model, and one whose card names addresses for the network."""
    bundle.save(tmp_path / "model", model(), card())
    yield tmp_path / "model"
    bundle.save(tmp_path / "named", model(), card())
    content = json.loads((tmp_path / "named" / "card.json").read_text())
    content["network"] = {"name": f"{listener.address}/net.py", "options": {}}
    (tmp_path / "named" / "card.json").write_text(json.dumps(content))
    yield tmp_path / "named"


def command(*words: object) -> None:
    """A command ends well, or says in a line what is wrong."""
    assert run([str(word) for word in words]) in (0, 2), words


def tried(read: Callable[..., object], *arguments: object) -> None:
    """A reader of the pages: what it refuses, it refuses in words."""
    try:
        read(*arguments)
    except GeoXmodalError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("trap", ["vrt.tif", "wms.tif", "link.geojson"])
def test_the_traps_are_sprung_by_who_opens_them_carelessly(
    trap: str, files: Path, listener: Listener
) -> None:
    """What makes the silence below mean something."""
    program = (
        "import sys, warnings, rasterio, pyogrio; warnings.simplefilter('ignore')\n"
        "path = sys.argv[1]\n"
        "try:\n"
        "    if path.endswith('json'): pyogrio.read_info(path)\n"
        "    else: rasterio.open(path).read()\n"
        "except Exception: pass\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(files / trap)],
        env={"GDAL_HTTP_TIMEOUT": "1", "GDAL_HTTP_MAX_RETRY": "0"},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert listener.heard()


def test_no_command_asks_for_what_a_raster_or_a_vector_names(
    tmp_path: Path, files: Path, listener: Listener
) -> None:
    good = files / "sidecars.tif"
    labels = label_raster(tmp_path / "labels.tif")
    trained = next(bundles(tmp_path, listener))
    for number, path in enumerate(sorted(files.iterdir())):
        out = tmp_path / f"out{number}"
        command("info", path)
        if path.suffix == ".tif":
            command("align", out / "a", "--reference", path, "--target-kind", "sar", "--lidar", good)
            command("align", out / "b", "--reference", good, "--target-kind", "sar", "--lidar", path)
            command("evaluate", "--map", path, "--reference", labels)
            for target in ("qgis", "gpkg", "stac"):
                command("export", "--map", path, "--to", target, "--out", out / target)
        command("align", out / "c", "--reference", good, "--target-kind", "sar", "--labels", f"{path}:class")
        command("evaluate", "--map", labels, "--reference", f"{path}:class")
        mapping = ("map", "--model", trained, "--engine", "torch")
        command(*mapping, "--input", path, "--out", out / "map.tif")
        command(*mapping, "--input", good, "--area", path, "--out", out / "cut.tif")
        command("correlate", "--x", path, "--y", path)
        command("simulate", out / "s", "--from", good, "--srf", path)
        assert not listener.heard(), path.name
    # what is sound was read: the silence is not that of commands that do nothing
    assert len(list(tmp_path.glob("out*/map.tif"))) == 1


def test_no_command_asks_for_what_a_scene_or_a_model_names(
    tmp_path: Path, files: Path, scenes: list[Path], listener: Listener
) -> None:
    for number, scene in enumerate(scenes):
        command("info", scene)
        command("train", "--scene", scene, "--method", "svm", "--out", tmp_path / f"run{number}")
        command("correlate", "--scene", scene, "--between", "hsi", "sar", "--out", tmp_path / f"c{number}")
        assert not listener.heard(), scene.name
    for number, folder in enumerate(bundles(tmp_path, listener)):
        command("info", folder)
        words = ("map", "--model", folder, "--engine", "torch", "--input", files / "sidecars.tif")
        command(*words, "--out", tmp_path / f"map{number}.tif")
        assert not listener.heard(), folder.name
    command("import", "berlin", files, "--out", tmp_path / "imported")
    assert not listener.heard()


def test_no_page_asks_for_what_a_file_names(
    tmp_path: Path, files: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "_check_model", lambda folder, out: gx.load_bundle(folder))
    for path in sorted(files.iterdir()):
        tried(inspect_raster, path, path.name)
        tried(inspect_labels, path, path.name)
        tried(gx.open_layer, path)
        assert not listener.heard(), path.name
    for folder in bundles(tmp_path, listener):
        packed = tmp_path / f"{folder.name}.zip"
        with zipfile.ZipFile(packed, "w") as archive:
            for file in sorted(folder.iterdir()):
                archive.write(file, file.name)
        tried(unpacking.unpack_bundle, packed, tmp_path / f"{folder.name}-out", packed.name)
        assert not listener.heard(), packed.name
