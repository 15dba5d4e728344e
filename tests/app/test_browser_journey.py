"""From two GeoTIFFs and labels to a map on the screen and back to a file, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import rasterio

from tests.app.journey import COLS, ROWS, Reader, cut_berlin
from tests.app.running import RunningServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NAMES = {"1": "Forest & <b>wood</b>", "8": "Water"}
"""Of classes, as the reader of the page writes them."""


def make_scene(reader: Reader, folder: Path) -> None:
    files = cut_berlin(folder)
    reader.press("New scene")
    reader.upload("Sensor (GeoTIFF)", files.sar)
    reader.settle()
    reader.upload("Sensor (GeoTIFF)", files.hsi)
    reader.settle()
    reader.upload("Labels (GeoTIFF, ", files.labels)
    reader.page.get_by_text("3. The scene").wait_for()
    reader.settle()
    assert reader.errors() == []
    reader.page.get_by_label("Name of the scene").fill("corner")
    for value, name in NAMES.items():
        field = reader.page.get_by_label(f"{value} · ", exact=False)
        field.fill(name)
        field.press("Enter")
        reader.settle()
    reader.press("Make the scene")
    reader.page.get_by_role("button", name="Train on it").wait_for()


def test_from_two_geotiffs_to_a_map_and_back(
    page: Any, server: RunningServer, tmp_path: Path, open_page: Callable[..., Any]
) -> None:
    reader = Reader(page)
    reader.press("Choose or make a scene")
    make_scene(reader, tmp_path)
    assert "corner" in page.url

    reader.press("Train on it")
    page.get_by_role("button", name="Start training").wait_for()
    page.get_by_text("Expert options").click()
    for label, value in {"epochs": "2", "candidates": "forest,linear"}.items():
        field = page.get_by_label(label, exact=True)
        field.fill(value)
        field.press("Enter")
        reader.settle()
    shown = page.locator("[data-testid=stCode]").inner_text()
    assert "--epochs=2" in shown and "--set=candidates=forest,linear" in shown
    reader.press("Start training")
    page.get_by_text("Train auto on corner").wait_for()
    page.reload(wait_until="commit")  # the job goes on
    page.get_by_role("button", name="Map with this model").wait_for()
    second = open_page(server, context=page.context)  # a second tab sees the same run
    second.goto(page.url, wait_until="commit")
    second.get_by_role("button", name="Map with this model").wait_for()
    second.close()
    report = page.frame_locator("iframe[title='Report of the run']")
    report.get_by_text("Overall accuracy").first.wait_for()
    assert page.locator("iframe[title='Report of the run']").get_attribute("sandbox") == ""

    reader.press("Map with this model")
    page.get_by_role("button", name="Start mapping").click()
    page.get_by_role("button", name="Open in the viewer").click()
    reader.drawn()

    (name,) = parse_qs(urlsplit(page.url).query)["map"]
    # other sessions of this server may have one of that name
    made = max(server.work.glob(f"sessions/*/maps/{name}/map.tif"), key=lambda path: path.stat().st_mtime)
    with rasterio.open(made) as dataset:
        ids, colors = dataset.read(1), dataset.colormap(1)
    assert ids.shape == (ROWS, COLS)
    legend = {value: "#{:02x}{:02x}{:02x}".format(*colors[value][:3]) for value in np.unique(ids)}
    inner = same_around(ids)[:40]
    assert reader.colors(inner) == [legend[ids[place]] for place in inner]

    row, col = inner[0]
    page.mouse.click(*reader.place(row, col))
    card = page.get_by_label("Values of the pixel", exact=True)
    card.get_by_text(f"Row {row}, column {col}").wait_for()
    names = {int(value): name for value, name in NAMES.items()}
    wanted = names.get(int(ids[row, col]), f"class {ids[row, col]}")
    assert wanted in card.inner_text()
    page.keyboard.press("Escape")

    page.locator("summary", has_text="Swipe").click()
    page.get_by_label("Compare two layers", exact=True).set_checked(True)
    page.get_by_label("Layer on the left").select_option(label="SAR")
    page.get_by_label("Layer on the right").select_option(label=next_title(page))
    reader.drawn()
    seen = dict(zip(inner, reader.colors(inner), strict=True))
    right = [place for place in inner if place[1] > COLS * 0.55]
    left = [place for place in inner if place[1] < COLS * 0.45]
    assert right and all(seen[place] == legend[ids[place]] for place in right)
    assert left and all(seen[place] not in legend.values() for place in left)

    page.goto(f"{server.url}/files?map={made.parent.name}")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Classes").click()
    kept = tmp_path / "mine.tif"
    waiting.value.save_as(kept)
    with rasterio.open(kept) as dataset:
        np.testing.assert_array_equal(dataset.read(1), ids)
        assert dataset.crs.to_epsg() == 32633
        assert "wood" in dataset.tags()["CLASSES"]


def next_title(page: Any) -> str:
    """Title of the class map among the layers."""
    options = page.get_by_label("Layer on the right").locator("option").all_inner_texts()
    return next(title for title in options if title.startswith("corner-") and "probability" not in title)


def same_around(ids: np.ndarray) -> list[tuple[int, int]]:
    """Pixels that have their class two pixels around, spread over the map; clear of the tools at its left."""
    same = np.ones((ids.shape[0] - 4, ids.shape[1] - 4), bool)
    for down in range(5):
        for right in range(5):
            same &= ids[down : down + same.shape[0], right : right + same.shape[1]] == ids[2:-2, 2:-2]
    rows, cols = np.nonzero(same)
    places = [
        (int(row) + 2, int(col) + 2) for row, col in zip(rows, cols, strict=True) if col > 4 and row > 4
    ]
    step = max(1, len(places) // 60)
    return places[::step]
