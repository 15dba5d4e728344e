"""How long the viewer takes to draw a 10,000 x 10,000 class map, and to settle after a pan or a zoom.

`python -m tests.benchmarks.bench_viewer`: a COG as the package writes it, the app's server, and headless
Chromium that draws without a graphics card, all on this machine.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from playwright.sync_api import sync_playwright

from geo_xmodal.mapping.geotiff import RasterLayer, legend_tag, write_cog
from geo_xmodal.types import ClassArray, LandClass, Window, windows_over

REPOSITORY = Path(__file__).resolve().parents[2]
CHROMIUM = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
CLASSES = tuple(
    LandClass(number, f"class {number}", color)
    for number, color in enumerate(("#332288", "#117733", "#ddcc77", "#cc6677", "#88ccee", "#aa4499"), 1)
)
FIELD = 37
"""Pixels of a field's side; one pixel in twenty is another class, as in maps made pixel by pixel."""

DRAWN = "section.viewer[aria-busy=false]"


class Blocks:
    """Class ids window by window, the same whenever asked."""

    def __init__(self, side: int) -> None:
        self._side = side

    def __iter__(self) -> Iterator[tuple[Window, ClassArray]]:
        fields = np.random.default_rng(0).integers(1, 7, (self._side // FIELD + 2,) * 2, dtype=np.uint8)
        for window in windows_over(self._side, self._side, 1024):
            rows = (window.row + np.arange(window.height)) // FIELD
            cols = (window.col + np.arange(window.width)) // FIELD
            ids = fields[np.ix_(rows, cols)]
            rng = np.random.default_rng((window.row, window.col))
            noise = rng.integers(1, 7, ids.shape, dtype=np.uint8)
            yield window, np.where(rng.random(ids.shape) < 0.05, noise, ids)


def write_map(path: Path, side: int) -> None:
    """A class map of `side` x `side` pixels of 10 m."""
    grid = GeoBox((side, side), Affine(10, 0, 300_000, 0, -10, 5_900_000), "EPSG:32633")
    write_cog(path, grid, RasterLayer(0, "MODE", "class", CLASSES, legend_tag(CLASSES)), Blocks(side))


def seconds_until_drawn(page: Any) -> float:
    """From now until the map is drawn as it should be."""
    start = time.perf_counter()
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.wait_for_selector(DRAWN, timeout=120_000)
    return time.perf_counter() - start


def measure(address: str, moves: int) -> dict[str, list[float]]:
    """Seconds: a fresh browser's first picture, and moves of the map."""
    found: dict[str, list[float]] = {"page": [], "viewer": [], "pan": [], "zoom": []}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(CHROMIUM))
        for _ in range(3):
            page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
            start = time.perf_counter()
            page.goto(f"{address}/?scene=large")
            page.wait_for_selector("section.viewer", timeout=120_000)
            begun = time.perf_counter()
            page.wait_for_selector(DRAWN, timeout=120_000)
            found["page"].append(time.perf_counter() - start)
            found["viewer"].append(time.perf_counter() - begun)
        box = page.locator(".map").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for _ in range(moves):
            page.get_by_role("button", name="Zoom in").click()
            found["zoom"].append(seconds_until_drawn(page))
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x - 300, y - 150, steps=8)
            page.mouse.up()
            found["pan"].append(seconds_until_drawn(page))
        for _ in range(moves):
            page.get_by_role("button", name="Zoom out").click()
            found["zoom"].append(seconds_until_drawn(page))
        browser.close()
    return found


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=10_000)
    parser.add_argument("--moves", type=int, default=6)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_map(folder / "large.tif", options.side)
        print(f"{options.side} x {options.side} pixels, {(folder / 'large.tif').stat().st_size / 1e6:.0f} MB")
        command = [sys.executable, "-m", "tests.app.viewer.server", name, str(folder / "work")]
        with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            found = measure(server.stdout.readline().strip(), options.moves)
            server.terminate()
    words = {
        "page": "from the page's address to the map drawn",
        "viewer": "from the viewer's start to the map drawn",
        "pan": "settled after a pan",
        "zoom": "settled after a zoom",
    }
    for kind, seconds in found.items():
        print(f"{words[kind]:<42} median {statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s")


if __name__ == "__main__":
    main()
