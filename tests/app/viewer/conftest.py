"""A server with the viewer's page, a browser that reaches nothing else, and places on the screen."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.app.viewer import scenes

REPOSITORY = Path(__file__).resolve().parents[3]
NO_GL = ("--disable-gpu", "--disable-3d-apis")
TOOLS = 60
"""Pixels at the left of the map that its tools cover."""


@dataclass
class Screen:
    """A page with the viewer on it."""

    page: Any
    outside: list[str] = field(default_factory=list)

    @property
    def map(self) -> dict[str, float]:
        """Where the map is."""
        box: dict[str, float] = self.page.locator(".map").bounding_box()
        return box

    def at(self, row: float, col: float) -> tuple[float, float]:
        """Pixel of the window where a place of the scene is, as long as the whole scene is shown."""
        box = self.map
        rows, cols = scenes.ROWS, scenes.COLS
        scale = min((box["width"] - 24) / cols, (box["height"] - 24) / rows)
        x = box["x"] + box["width"] / 2 + (col - cols / 2) * scale
        return x, box["y"] + box["height"] / 2 + (row - rows / 2) * scale

    def picture(self) -> npt.NDArray[np.uint8]:
        """The window (row, col, 3)."""
        with Image.open(io.BytesIO(self.page.screenshot())) as image:
            return np.array(image.convert("RGB"))

    def color(self, row: float, col: float, picture: npt.NDArray[np.uint8] | None = None) -> str:
        """Colour on the screen of a place of the scene."""
        x, y = self.at(row, col)
        red, green, blue = (self.picture() if picture is None else picture)[int(y), int(x)]
        return f"#{red:02x}{green:02x}{blue:02x}"

    def click(self, row: float, col: float) -> None:
        """Click a place of the scene."""
        self.page.mouse.click(*self.at(row, col))

    def state(self) -> dict[str, Any]:
        """What came back to Python."""
        text = self.page.locator("[data-testid=stText]", has_text="STATE").inner_text()
        said: dict[str, Any] = json.loads(text.removeprefix("STATE "))
        return said

    def wait(self, right: Callable[[], bool], seconds: float = 120) -> None:
        """Wait until something is as it should be, at most so long."""
        end = time.monotonic() + seconds
        while not right():
            assert time.monotonic() < end, f"not within {seconds} s; state {self.state()}"
            self.page.wait_for_timeout(50)

    def section(self, title: str) -> None:
        """Open a part of the panel."""
        self.page.locator("summary", has_text=re.compile(f"^{title}$")).click()

    def check(self, label: str, on: bool = True) -> None:
        """Tick a box, or untick it."""
        box = self.page.get_by_label(label, exact=True)
        if box.is_checked() != on:
            box.click()
        self.wait(lambda: box.is_checked() == on)  # the panel may be drawn anew meanwhile

    def settled(self) -> None:
        """Wait until the map is drawn as it should be."""
        self.page.wait_for_timeout(50)
        self.page.wait_for_selector("section.viewer[aria-busy=false]", timeout=120_000)


@pytest.fixture(scope="session")
def scene_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenes.write_scene(tmp_path_factory.mktemp("viewer"))


@pytest.fixture(scope="package")
def address(scene_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a running server with the page."""
    if not (REPOSITORY / "app/geo_xmodal_app/static/lib/ol.js").exists():
        message = "no browser libraries: run `make setup`"
        pytest.fail(message) if os.environ.get("GEO_XMODAL_REQUIRE_SYSTEM") == "1" else pytest.skip(message)
    work = tmp_path_factory.mktemp("viewer-work")
    with (
        (work / "errors").open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "tests.app.viewer.server", str(scene_folder), str(work)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as server,
    ):
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        assert address, f"the server did not start: {(work / 'errors').read_text()[-2000:]}"
        yield address
        server.terminate()


@pytest.fixture
def launch(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Chromium as other tests use it, or one with other options."""
    started = []

    def start(*options: str) -> Any:
        if not options:
            return chromium
        kind = chromium.browser_type
        started.append(kind.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", *options]))
        return started[-1]

    yield start
    for browser in started:
        browser.close()


@pytest.fixture(scope="module")
def screen(address: str, chromium: Any) -> Iterator[Screen]:
    """A page that the tests of a module share: each leaves it as it found it."""
    opened = open_screen(chromium, address, "utm")
    yield opened
    opened.page.close()


@pytest.fixture
def visit(address: str, launch: Callable[..., Any]) -> Iterator[Callable[..., Screen]]:
    """Open a page of the test's own: `visit(scene, *options of Chromium)`."""
    opened: list[Screen] = []

    def go(scene: str = "utm", *options: str) -> Screen:
        opened.append(open_screen(launch(*options), address, scene, drawn=not options))
        return opened[-1]

    yield go
    for screen in opened:
        screen.page.close()


def open_screen(browser: Any, address: str, scene: str, drawn: bool = True) -> Screen:
    """Open the page, and wait for its map; whatever asks for another address is refused and remembered."""
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    screen = Screen(page)

    def guard(route: Any) -> None:
        url = route.request.url
        if url.startswith((address, "blob:", "data:")):
            route.continue_()
        else:
            screen.outside.append(url)
            route.abort()

    page.route("**/*", guard)
    page.goto(f"{address}/?scene={scene}")
    if drawn:
        page.wait_for_selector("section.viewer[aria-busy=false]", timeout=120_000)
        page.locator("[data-testid=stText]", has_text="STATE").wait_for()
    return screen
