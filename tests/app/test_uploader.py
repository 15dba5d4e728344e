"""The upload field in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geo_xmodal_app.sessions import sessions_path
from geo_xmodal_app.upload_routes import SLICE_BYTES
from tests.app.running import RunningServer, start_script
from tests.tiny import write_raster


@pytest.fixture(scope="module")
def field_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = start_script(tmp_path_factory.mktemp("work"), Path(__file__).with_name("uploader_page.py"))
    yield running
    running.stop()


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    """A GeoTIFF of more than one slice."""
    side = int((1.5 * SLICE_BYTES) ** 0.5)
    pixels = np.random.default_rng(0).integers(0, 255, (side, side), np.uint8)
    return write_raster(tmp_path / "<img src=x onerror=alert(1)>.tif", pixels)


@pytest.fixture
def opened(open_page: Callable[..., Any], field_server: RunningServer) -> Any:
    page = open_page(field_server)
    page.goto(field_server.url)
    page.get_by_text("nothing yet").wait_for()
    return page


def stored(running: RunningServer) -> list[Path]:
    return list(sessions_path(running.work).rglob("*.tif"))


def test_a_file_arrives_whole(opened: Any, field_server: RunningServer, raster: Path) -> None:
    before = stored(field_server)
    opened.get_by_label("A raster").set_input_files(raster)
    opened.get_by_text(f"whole: {raster.name}, {raster.stat().st_size} bytes").wait_for()
    (new,) = set(stored(field_server)) - set(before)
    assert new.read_bytes() == raster.read_bytes()
    opened.get_by_role("button", name="again").click()
    opened.get_by_text("the page ran again").wait_for()
    assert opened.get_by_text("whole: ").count() == 1
    assert opened.locator("img[src=x]").count() == 0


def test_files_picked_during_an_upload_wait_for_their_turn(opened: Any, raster: Path) -> None:
    others = [write_raster(raster.with_name(f"{name}.tif"), np.eye(30, dtype=np.uint8)) for name in "abc"]
    opened.get_by_label("A raster").set_input_files([raster, others[0]])
    opened.get_by_label("A raster").set_input_files(others[1:])
    for one in (raster, *others):
        opened.get_by_text(f"whole: {one.name}, ").wait_for()


def test_a_wrong_file_is_refused_in_one_line(opened: Any, tmp_path: Path) -> None:
    evil = tmp_path / "evil.tif"
    evil.write_text('<VRTDataset rasterXSize="1" rasterYSize="1"></VRTDataset>')
    opened.get_by_label("A raster").set_input_files(evil)
    status = opened.get_by_role("status").filter(has_text="evil.tif").filter(has_text="not a GeoTIFF")
    status.wait_for()  # that it comes, first, is told there too
    assert "\n" not in status.inner_text()
    assert opened.get_by_text("nothing yet").count() == 1


def test_a_cut_upload_goes_on_after_a_reload(opened: Any, field_server: RunningServer, raster: Path) -> None:
    """The second slice never arrives; after a reload, only what is missing is sent."""
    opened.route("**/upload/*", lambda route: second_slice_fails(route))
    opened.get_by_label("A raster").set_input_files(raster)
    opened.get_by_text("the server does not answer").wait_for()
    opened.unroute("**/upload/*")
    opened.reload()
    opened.get_by_text("nothing yet").wait_for()
    offsets: list[str] = []
    opened.on("request", lambda request: offsets.append(request.headers.get("upload-offset", "")))
    opened.get_by_label("A raster").set_input_files(raster)
    opened.get_by_text("whole: ").wait_for()
    assert [offset for offset in offsets if offset] == [str(SLICE_BYTES)]
    newest = max(stored(field_server), key=lambda path: path.stat().st_mtime)
    assert newest.read_bytes() == raster.read_bytes()


def second_slice_fails(route: Any) -> None:
    if route.request.headers.get("upload-offset") == str(SLICE_BYTES):
        route.abort()
    else:
        route.continue_()


def test_cancel_leaves_nothing(opened: Any, field_server: RunningServer, raster: Path) -> None:
    before = set(sessions_path(field_server.work).glob("*/uploads/*"))
    opened.route("**/upload/*", lambda route: second_slice_fails(route))
    opened.get_by_label("A raster").set_input_files(raster)
    opened.get_by_text("the server does not answer").wait_for()
    opened.get_by_role("button", name="Cancel").click()
    opened.get_by_text("cancelled").wait_for()
    assert set(sessions_path(field_server.work).glob("*/uploads/*")) == before


def test_a_second_tab_is_the_same_session(
    opened: Any, open_page: Callable[..., Any], field_server: RunningServer
) -> None:
    second = open_page(field_server, context=opened.context)
    second.goto(field_server.url)
    second.get_by_text("nothing yet").wait_for()
    (cookie,) = [one for one in opened.context.cookies() if one["name"] == "gx_session"]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert "gx_session" not in opened.evaluate("document.cookie")
