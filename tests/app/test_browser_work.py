"""What is done on the pages beside the journey: each in a real browser, all in one session of it."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio
from rasterio.warp import transform_geom

import geo_xmodal as gx
from geo_xmodal_app import workspace
from geo_xmodal_app.settings import VARIABLE, Settings
from geo_xmodal_app.uploads import uploads
from tests import tiny
from tests.app.journey import COLS, ROWS, Reader, cut_berlin, put_map
from tests.app.running import COOKIE, RunningServer
from tests.rasters import vrt_that_reads, write_sparse
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def session(shared_page: Any, server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The session of the browser, whose folder this process may write to as well."""
    monkeypatch.setenv(VARIABLE, Settings(work=server.work).model_dump_json())
    return next(str(one["value"]) for one in shared_page.context.cookies() if one["name"] == COOKIE)


@pytest.fixture
def reader(shared_page: Any) -> Reader:
    return Reader(shared_page)


@pytest.fixture
def maps(session: str, tmp_path: Path) -> tuple[str, str]:
    """Two maps of one place: the second is water in its lower half."""
    found = workspace.find_map(session, "first")
    if found is None:
        first = put_map(session, "first", cut_berlin(tmp_path).sar)
        second = workspace.new_item(session, "maps", "second", workspace.about(first))
        shutil.copy(first / "map.tif", second / "map.tif")
        with rasterio.open(second / "map.tif", "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
            ids = dataset.read(1)
            ids[ROWS // 2 :] = 8
            dataset.write(ids, 1)
    return "first", "second"


def ids_of(session: str, name: str) -> np.ndarray:
    entry = workspace.find_map(session, name)
    assert entry is not None
    with rasterio.open(entry.classes) as dataset:
        found: np.ndarray = dataset.read(1)
    return found


def test_a_job_is_cancelled_and_resumed(reader: Reader, server: RunningServer, session: str) -> None:
    item = workspace.new_item(session, "scenes", "tiny", {"command": "geo-xmodal align"})
    tiny.write_scene(item / "scene")
    page = reader.page
    page.goto(f"{server.url}/train?scene=yours:tiny&method=cnn")
    epochs = page.get_by_label("epochs", exact=True)
    epochs.fill("9000")
    epochs.press("Enter")
    page.get_by_text("--epochs=9000").wait_for()
    reader.press("Start training")
    page.get_by_text(re.compile(r"[1-9]\d* of 9000")).wait_for()
    pattern = f"sessions/{session}/runs/tiny-cnn/run/log.jsonl"
    wait_until(lambda: list(server.work.glob(pattern)))  # the first epoch is told of before it has ended
    reader.press("Cancel")
    page.get_by_role("button", name="Resume", exact=True).wait_for()
    (log,) = server.work.glob(pattern)
    done = len(log.read_text().splitlines())
    reader.press("Resume")
    page.get_by_text(re.compile(r"[1-9]\d* of 9000")).wait_for()
    assert [json.loads(line)["epoch"] for line in log.read_text().splitlines()[:done]][-1] >= done
    assert len(log.read_text().splitlines()) >= done  # nothing was done twice
    reader.press("Cancel")
    page.get_by_role("button", name="Resume", exact=True).wait_for()


def fetched(reader: Reader, label: str, out: Path) -> Path:
    with reader.page.expect_download() as waiting:
        reader.page.get_by_role("link", name=label).click()
    waiting.value.save_as(out)
    return out


def test_a_map_is_exported_and_opened(
    reader: Reader, server: RunningServer, session: str, maps: tuple[str, str], tmp_path: Path
) -> None:
    page = reader.page
    page.goto(f"{server.url}/files?map={maps[0]}")
    reader.press("Make the GeoPackage")
    page.get_by_role("link", name="GeoPackage").wait_for()
    reader.press("Make the QGIS folder")
    package = fetched(reader, "GeoPackage", tmp_path / "map.gpkg")
    info = pyogrio.read_info(package)
    assert info["crs"] == "EPSG:32633"
    assert info["features"] > 10
    archive = fetched(reader, "QGIS folder (zip)", tmp_path / "qgis.zip")
    with zipfile.ZipFile(archive) as found:
        assert found.testzip() is None
        names = found.namelist()
        assert any(name.endswith((".qgz", ".qgs")) for name in names)
        raster = found.extract(next(name for name in names if name.endswith(".tif")), tmp_path)
    with rasterio.open(raster) as dataset:
        np.testing.assert_array_equal(dataset.read(1), ids_of(session, maps[0]))
    assert reader.errors() == []


def test_an_uploaded_model_makes_a_map(
    reader: Reader, server: RunningServer, session: str, tmp_path: Path
) -> None:
    model = gx.find_model("berlin-sar-hgr")
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        for name in ("model.safetensors", "card.json"):
            archive.write(model / name, name)
    radar = cut_berlin(tmp_path).sar
    page = reader.page
    page.goto(f"{server.url}/map")
    page.get_by_role("button", name="Upload a model").click()
    reader.upload("Model (zip)", tmp_path / "mine.zip")
    (mine,) = [one for one in workspace.models(session) if one.id.startswith("upload:")]
    page.goto(f"{server.url}/map?model={mine.id}&file=none")
    page.get_by_role("button", name="Upload a GeoTIFF").click()
    reader.upload("GeoTIFF", radar)
    (id_,) = [
        path.name
        for path in server.work.glob(f"sessions/{session}/uploads/*")
        if (path / "data.tif").is_file()
    ]
    page.goto(f"{server.url}/map?model={mine.id}&file=upload:{id_}")
    page.get_by_role("button", name="Start mapping").click()
    page.get_by_role("button", name="Open in the viewer").wait_for()
    assert ids_of(session, page.url.partition("map=")[2]).shape == (ROWS, COLS)


def test_vector_labels_make_a_scene(
    reader: Reader, server: RunningServer, session: str, tmp_path: Path
) -> None:
    scene = tiny.write_scene(tmp_path / "tiny")
    features = []
    for number, name in enumerate(("wheat", "maize")):
        for east in range(2):
            west, north = tiny.WEST + 30 + 400 * east, tiny.NORTH - 30 - 450 * number
            ring = [
                [west, north],
                [west + 350, north],
                [west + 350, north - 350],
                [west, north - 350],
                [west, north],
            ]
            geometry = transform_geom(tiny.CRS, "EPSG:4326", {"type": "Polygon", "coordinates": [ring]})
            features.append({"type": "Feature", "properties": {"crop": name}, "geometry": geometry})
    fields = tmp_path / "fields.geojson"
    fields.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    for upload in uploads().uploads(session):
        uploads().remove(session, upload.id)
    page = reader.page
    page.goto(f"{server.url}/scenes?new=1")
    reader.upload("Sensor (GeoTIFF)", (scene / "sar.tif").rename(tmp_path / "radar.tif"))
    reader.settle()
    reader.upload("Sensor (GeoTIFF)", (scene / "hsi.tif").rename(tmp_path / "hyper.tif"))
    reader.settle()
    reader.upload("Labels (GeoTIFF, ", fields)
    page.get_by_text("--labels=fields.geojson:crop").wait_for()
    field = page.get_by_label("maize · ", exact=False)
    field.fill("Sweet corn")
    field.press("Enter")
    reader.settle()
    reader.press("Make the scene")
    page.get_by_role("button", name="Train on it").wait_for()
    assert not [line for line in reader.errors() if line.startswith("error")]  # holes are only noted
    made = workspace.scene(session, page.url.partition("scene=")[2].replace("%3A", ":"))
    assert made is not None
    config = gx.read_config(made.folder)
    assert {entry.name for entry in config.classes} == {"Sweet corn", "wheat"}
    assert config.split is not None and config.split.kind == "blocks"


def test_two_maps_are_compared(
    reader: Reader, server: RunningServer, session: str, maps: tuple[str, str]
) -> None:
    page = reader.page
    page.goto(f"{server.url}/view?map={maps[0]}&other={maps[1]}")
    reader.drawn()
    page.locator("summary", has_text="Compare maps").click()
    page.get_by_label("From map").select_option(f"map-{maps[0]}")
    page.get_by_label("To map").select_option(f"map-{maps[1]}")
    page.get_by_label("Show where they disagree").set_checked(True)
    page.locator(".matrix").wait_for()
    page.get_by_text("What changed").wait_for()
    first, second = (ids_of(session, name) for name in maps)
    both = (first > 0) & (second > 0)
    share = np.mean(first[both] == second[both])
    page.get_by_text(f"{share:.1%} of {both.sum():,} pixels have the same class").wait_for()


def test_an_area_is_drawn_and_counted(
    reader: Reader, server: RunningServer, session: str, maps: tuple[str, str]
) -> None:
    page = reader.page
    page.goto(f"{server.url}/view?map={maps[0]}")
    reader.drawn()
    page.locator("summary", has_text=re.compile("^Area$")).click()
    page.get_by_role("button", name="Draw", exact=True).click()
    corners = [(40, 30), (40, 100), (150, 100), (150, 30)]
    for place in corners:
        page.mouse.click(*reader.place(*place))
        page.wait_for_timeout(350)  # two quick clicks are a double click
    page.mouse.dblclick(*reader.place(*corners[-1]))
    table = page.locator("table.areas")
    table.wait_for()
    page.get_by_text("In the area that was drawn").wait_for()
    counted = int(re.search(r"([\d,]+) pixels", table.inner_text())[1].replace(",", ""))  # type: ignore[index]
    assert abs(counted - 110 * 70) < 2 * (110 + 70)
    inside = np.unique(ids_of(session, maps[0])[42:148, 32:98])
    for id_ in inside[inside > 0]:
        assert table.locator(f"tr[data-class='{id_}']").count() == 1


def test_hostile_files_are_refused_on_the_page(
    reader: Reader, server: RunningServer, session: str, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret of the server")
    whole = tiny.write_scene(tmp_path / "tiny") / "sar.tif"
    (tmp_path / "vrt.tif").write_text(vrt_that_reads(secret))
    (tmp_path / "cut.tif").write_bytes(whole.read_bytes()[:-3000])
    write_sparse(tmp_path / "bomb.tif", 200_000, 4)
    for upload in uploads().uploads(session):
        uploads().remove(session, upload.id)
    page = reader.page
    page.goto(f"{server.url}/scenes?new=1")
    for name in ("cut.tif", "bomb.tif"):
        reader.upload("Sensor (GeoTIFF)", tmp_path / name)
        page.get_by_role("alert").filter(has_text=name).wait_for()
        reader.settle()
    page.locator(".field", has_text="Sensor (GeoTIFF)").locator("input[type=file]").set_input_files(
        tmp_path / "vrt.tif"
    )
    page.get_by_role("status").filter(has_text="vrt.tif").filter(has_text="not a GeoTIFF").wait_for()
    lines = [line for line in reader.errors() if "cut.tif" in line or "bomb.tif" in line]
    assert len(lines) == 2
    assert all(line.startswith("error\n\n") and line.count("\n") == 2 for line in lines)  # its icon, one line
    shown = page.locator("body").inner_text()
    assert "secret" not in shown
    assert str(server.work) not in shown


def test_a_map_is_shown_by_a_link_until_that_is_withdrawn(
    shared_page: Any, server: RunningServer, maps: tuple[str, str], chromium: Any
) -> None:
    page = shared_page
    page.goto(f"{server.url}/project?item=map:{maps[0]}")
    page.get_by_role("button", name="Make a link").click()
    link = page.locator("code", has_text="/shared?link=").first.inner_text()
    visitor = chromium.new_context()
    visitor.set_default_timeout(200_000)
    other = visitor.new_page()
    other.goto(link)
    other.locator("section.viewer[aria-busy=false]").wait_for()
    assert other.locator(".layers").inner_text().split() == [maps[0]]
    assert other.locator("button.entry").count() == 8
    page.get_by_role("button", name="Withdraw").click()
    page.locator("code", has_text="/shared?link=").wait_for(state="detached")
    other.reload()
    other.get_by_text("this link leads nowhere").wait_for()
    visitor.close()
