"""From two GeoTIFFs without labels to a map, by drawing alone; in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio

import geo_xmodal as gx
from tests.app.journey import COLS, ROWS, Reader, cut_berlin
from tests.app.running import RunningServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class Drawer(Reader):
    """Somebody who draws."""

    def tool(self, name: str) -> None:
        self.press(name)
        self.page.locator(f"[data-tool={name.lower()}][aria-pressed=true]").wait_for()

    def pick(self, name: str) -> None:
        self.page.get_by_role("radio", name=f"Draw {name}", exact=True).check()

    def click(self, row: int, col: int) -> None:
        self.page.mouse.click(*self.place(row, col))

    def drag(self, *places: tuple[int, int]) -> None:
        self.page.mouse.move(*self.place(*places[0]))
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*self.place(*place), steps=3)
        self.page.mouse.up()

    def drawn(self, count: int | None = None) -> None:
        """Wait until so many areas are drawn and saved."""
        if count is None:
            super().drawn()
        else:
            words = "1 area, saved" if count == 1 else f"{count} areas, saved"
            self.page.get_by_text(words, exact=True).wait_for()

    def pixels(self, class_id: int) -> int:
        """About how many pixels of a class are drawn, as the list of classes says."""
        text = self.page.locator(f".drawn-classes [data-class='{class_id}'] output").inner_text()
        return 0 if text == "–" else int(text.removesuffix(" px").replace(",", ""))


def test_a_first_map_by_drawing_alone(
    page: Any, server: RunningServer, tmp_path: Path, open_page: Callable[..., Any]
) -> None:
    reader = Drawer(page)
    page.context.set_default_timeout(120_000)  # a busy machine is no fault
    files = cut_berlin(tmp_path)
    page.goto(f"{server.url}/scenes?new=drawn1")
    for file in (files.sar, files.hsi):
        reader.upload("Sensor (GeoTIFF)", file)
        reader.settle()
    name = page.get_by_label("Name of the scene")
    name.fill("field")
    name.press("Enter")
    reader.settle()
    reader.press("Make it and draw labels")

    page.get_by_label("Name of class 1", exact=True).wait_for()
    reader.drawn()
    reader.drawn(0)
    for number, called in ((1, "wood"), (2, "open land")):  # a class is renamed
        field = page.get_by_label(f"Name of class {number}", exact=True)
        field.fill(called)
        field.press("Tab")
        page.get_by_role("radio", name=f"Draw {called}", exact=True).wait_for()
    field = page.get_by_label("Name of a new class")
    field.fill("Wood")
    field.press("Enter")
    page.get_by_text("the same name").wait_for()  # and nothing came of it
    assert page.locator(".drawn-classes li").count() == 2

    reader.tool("Brush")
    reader.pick("wood")
    reader.drag((20, 30), (20, 60))
    reader.drawn(1)
    painted = reader.pixels(1)
    assert 6 * 30 * 0.9 < painted < 7 * 40
    reader.tool("Eraser")
    reader.drag((10, 45), (30, 45))
    reader.drawn(2)  # what was one area is two
    assert reader.pixels(1) < painted
    page.keyboard.press("Control+z")
    reader.drawn(1)
    assert reader.pixels(1) == painted
    reader.press("Redo")
    reader.drawn(2)

    reader.tool("Polygon")
    reader.pick("open land")
    corners = [(60, 30), (60, 50), (80, 50), (80, 30)]
    for place in corners:
        reader.click(*place)
        page.wait_for_timeout(350)  # two quick clicks are a double click
    page.mouse.dblclick(*reader.place(*corners[-1]))
    reader.drawn(3)
    assert reader.pixels(2) == pytest.approx(400, rel=0.15)
    reader.tool("Segment")
    page.get_by_text(" segments", exact=False).wait_for()
    reader.click(150, 100)
    reader.drawn(4)
    reader.tool("Point")
    reader.pick("wood")
    reader.click(120, 20)
    reader.drawn(5)
    reader.tool("Delete")
    reader.click(120, 20)
    reader.drawn(4)
    reader.tool("Brush")
    reader.click(120, 20)
    reader.drawn(5)
    open_land = reader.pixels(2)

    page.reload(wait_until="commit")
    reader.drawn(5)
    second = open_page(server, context=page.context)  # a second tab draws on
    second.goto(page.url, wait_until="commit")
    second.get_by_text("5 areas, saved").wait_for()
    second.get_by_role("button", name="Clear all").click()
    second.get_by_text("0 areas, saved").wait_for()
    second.get_by_role("button", name="Undo", exact=True).click()
    second.get_by_text("5 areas, saved").wait_for()
    second.close()
    reader.drawn()
    reader.tool("Point")
    reader.click(5, 5)
    page.get_by_text("changed in another tab").wait_for()  # and shown as it is now
    page.keyboard.press("Escape")
    reader.drawn(5)
    assert reader.pixels(2) == open_land

    reader.settle()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="GeoPackage").click()
    kept = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(kept)
    assert kept.name == "field-labels.gpkg"
    frame = geopandas.read_file(kept, layer="labels")
    assert frame.crs.to_epsg() == 32633 and set(frame["class"]) == {"wood", "open land"}
    pixel = abs(gx.describe_raster(files.sar).grid.affine.determinant)
    assert frame.dissolve("class").area["open land"] / pixel == pytest.approx(open_land, abs=2)

    assert "--labels=labels.gpkg:class" in page.locator("[data-testid=stCode]").inner_text()
    reader.press("Train on these labels")
    page.get_by_role("button", name="View the map").wait_for(timeout=400_000)
    reader.settle()
    reader.press("View the map")
    page.locator("[data-section=legend]").get_by_text("open land").first.wait_for()
    reader.drawn()
    assert reader.errors() == []
    (made,) = server.work.glob("sessions/*/maps/field-drawn-auto/map.tif")
    with rasterio.open(made) as dataset:
        ids = dataset.read(1)
    assert ids.shape == (ROWS, COLS) and set(np.unique(ids)) <= {0, 1, 2} and (ids > 0).any()
    (scene,) = server.work.glob("sessions/*/scenes/field-drawn/scene")
    assert [entry.name for entry in gx.open_scene(scene).classes] == ["wood", "open land"]
