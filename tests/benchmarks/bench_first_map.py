"""A first map of a scene by drawing alone, in headless Chromium: clicks and seconds until it is seen.

    python -m tests.benchmarks.bench_first_map /data/scenes/muufl

Prints one line of JSON a step: what was done, clicks so far, seconds since the page was asked for. Where
things lie in muufl was read off the image of the LiDAR's height, as a person would; its labels are not used.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

import geo_xmodal as gx
from tests.app.conftest import CHROMIUM
from tests.app.running import start_server

PLACES = {
    "trees": [(200, 85), (120, 160), (280, 110)],
    "mostly grass": [(90, 40), (240, 60)],
    "road": [(155, 60), (20, 190)],
    "building": [(20, 110), (85, 170), (205, 50)],
}
"""Class to rows and columns of muufl where the brush is clicked."""

PATIENCE = 1_800_000
"""Milliseconds; what is measured is told, not asserted."""


class Person:
    """Counts what somebody does on a page."""

    def __init__(self, page: Any, shape: tuple[int, int]) -> None:
        self.page, self._shape = page, shape
        self.clicks, self._start = 0, time.monotonic()

    def click(self, target: Any) -> None:
        target.click()
        self.clicks += 1

    def click_at(self, row: int, col: int) -> None:
        box, (rows, cols) = self.page.locator(".map").bounding_box(), self._shape
        scale = min((box["width"] - 24) / cols, (box["height"] - 24) / rows)
        x = box["x"] + box["width"] / 2 + (col + 0.5 - cols / 2) * scale
        self.page.mouse.click(x, box["y"] + box["height"] / 2 + (row + 0.5 - rows / 2) * scale)
        self.clicks += 1

    def tell(self, step: str) -> None:
        seconds = round(time.monotonic() - self._start, 1)
        print(json.dumps({"step": step, "clicks": self.clicks, "seconds": seconds}), flush=True)


def draw(scene: Path, url: str, browser: Any, picture: Path | None) -> None:
    """Draw, train, map and look."""
    page = browser.new_context(viewport={"width": 1366, "height": 900}).new_page()
    page.context.set_default_timeout(PATIENCE)
    shape = gx.open_scene(scene).grid.shape
    person = Person(page, (int(shape[0]), int(shape[1])))
    page.goto(f"{url}/draw?scene=data:{scene.name}")
    page.locator("section.viewer[aria-busy=false]").wait_for()
    person.tell("the image is seen")
    person.click(page.get_by_role("button", name="Brush", exact=True))
    drawn = 0
    for name, places in PLACES.items():
        person.click(page.get_by_role("radio", name=f"Draw {name}", exact=True))
        for place in places:
            person.click_at(*place)
            drawn += 1
    page.get_by_text(f"{drawn} areas, saved").wait_for()
    page.locator("[data-test-script-state=notRunning]").wait_for()
    person.tell(f"{drawn} areas of {len(PLACES)} classes are drawn")
    person.click(page.get_by_role("button", name="Train on these labels"))
    shown = page.get_by_role("button", name="View the map")
    shown.wait_for()
    person.tell("the map is there")
    person.click(shown)
    page.locator("[data-section=legend] .entry").first.wait_for()
    page.locator("section.viewer[aria-busy=false]").wait_for()
    person.tell("the map is seen")
    if picture is not None:
        page.screenshot(path=picture)


def main() -> None:
    """Measure it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scene", type=Path, help="folder of muufl")
    parser.add_argument("--picture", type=Path, help="PNG of what is seen at last")
    asked = parser.parse_args()
    print(json.dumps({"cores": os.cpu_count(), "load before": os.getloadavg()}))
    with tempfile.TemporaryDirectory() as work, sync_playwright() as playwright:
        server = start_server(Path(work), "--data", str(asked.scene))
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(CHROMIUM))
        try:
            draw(asked.scene, server.url, browser, asked.picture)
        finally:
            browser.close()
            server.stop()
    print(json.dumps({"load after": os.getloadavg()}))


if __name__ == "__main__":
    main()
