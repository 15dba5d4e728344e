"""Files for the journey, cut from a sample scene, and pages as its reader sees them."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from PIL import Image
from rasterio.windows import Window

import geo_xmodal as gx
from geo_xmodal_app import workspace
from geo_xmodal_app.sessions import LOCAL
from geo_xmodal_app.uploads import Purpose, uploads
from tests.waiting import wait_until

ROWS, COLS = 200, 140
"""Of the radar; the HSI covers them, with pixels more than twice as large."""


@dataclass(frozen=True)
class Files:
    sar: Path
    hsi: Path
    labels: Path


def cut(source: Path, out: Path, window: Window, values: npt.NDArray[Any] | None = None) -> Path:
    with rasterio.open(source) as dataset:
        profile = dataset.profile | {
            "width": int(window.width),
            "height": int(window.height),
            "transform": dataset.window_transform(window),
        }
        pixels = dataset.read(window=window) if values is None else values
        with rasterio.open(out, "w", **profile) as copy:
            copy.write(pixels)
            for band, name in enumerate(dataset.descriptions, 1):
                copy.set_band_description(band, name or "")
                copy.update_tags(band, **dataset.tags(band))
    return out


def cut_berlin(folder: Path) -> Files:
    """The north-west of berlin: two GeoTIFFs of different grids, and labels of training and test together."""
    scene = gx.open_scene("berlin").folder
    window = Window(0, 0, COLS, ROWS)
    with rasterio.open(scene / "train.tif") as train, rasterio.open(scene / "test.tif") as test:
        first, second = train.read(window=window), test.read(window=window)
    labels = np.where(first > 0, first, second)
    return Files(
        sar=cut(scene / "sar.tif", folder / "radar.tif", window),
        hsi=cut(scene / "hsi.tif", folder / "hyper.tif", Window(0, 0, 66, 96)),
        labels=cut(scene / "train.tif", folder / "labels.tif", window, labels),
    )


def put_upload(purpose: Purpose, name: str, path: Path, session: str = LOCAL) -> str:
    """A file as the browser would send it in one slice, for the session of scripts or another; its id."""
    content = path.read_bytes()
    begun = uploads().begin(session, purpose, name, len(content))
    with uploads().writing(session, begun.id, 0) as write:
        write(content)
    return uploads().finish(session, begun.id).id


def put_map(session: str, name: str, radar: Path, **about: str) -> Path:
    """A map of a session that was made elsewhere; its folder."""
    asked = {"input": radar.stem, "model": "berlin-sar-hgr", "command": "geo-xmodal map", **about}
    item = workspace.new_item(session, "maps", name, asked)
    reader = gx.aligned_reader(radar, kind="sar")
    gx.map_scene(gx.find_model("berlin-sar-hgr"), reader, item / "map.tif")
    return item


def put_run(session: str, metrics: dict[str, object]) -> str:
    """A finished run of a session that was made elsewhere; its id."""
    item = workspace.new_item(
        session, "runs", "berlin-hgr", {"scene": "sample:berlin", "command": "geo-xmodal"}
    )
    run = item / "run"
    (run / "model").mkdir(parents=True)
    (run / "report.html").write_text("<h1>Report</h1>")
    (run / "log.jsonl").write_text(
        json.dumps({"stage": "a", "epoch": 1, "loss": {"label": 0.5}, "validation": {"oa": 0.5}}) + "\n"
    )
    (run / "metrics.json").write_text(json.dumps(metrics))
    return item.name


@dataclass
class Reader:
    """Somebody at the app's pages."""

    page: Any

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def upload(self, label: str, path: Path) -> None:
        field = self.page.locator(".field", has_text=label).locator("input[type=file]")
        field.set_input_files(path)
        self.page.get_by_text(f"{path.name}:").filter(has_text="complete").wait_for()

    def errors(self) -> list[str]:
        return [
            text.strip()
            for text in self.page.locator("[data-testid=stAlertContainer]").all_inner_texts()
            if "Taken for granted:" not in text
        ]

    def settle(self) -> None:
        """Wait until the page has done what was asked of it, and runs no more."""
        self.page.wait_for_timeout(100)  # in which what was chosen is sent
        wait_until(self._rests)
        self.page.locator("[data-test-script-state=notRunning]").wait_for(timeout=200_000)

    def _rests(self) -> bool:
        self.page.wait_for_timeout(20)
        return bool(self.page.script_runs.over)

    def drawn(self) -> None:
        """Wait until the map rests."""
        self.page.wait_for_timeout(500)
        self.page.locator("section.viewer[aria-busy=false]").wait_for(timeout=200_000)
        self.page.wait_for_timeout(500)

    def place(self, row: float, col: float) -> tuple[float, float]:
        """Where a pixel of the scene is on the screen, as long as the whole scene is shown."""
        box = self.page.locator(".map").bounding_box()
        scale = min((box["width"] - 24) / COLS, (box["height"] - 24) / ROWS)
        x = box["x"] + box["width"] / 2 + (col + 0.5 - COLS / 2) * scale
        return x, box["y"] + box["height"] / 2 + (row + 0.5 - ROWS / 2) * scale

    def colors(self, places: list[tuple[int, int]]) -> list[str]:
        """Colours on the screen at pixels of the scene."""
        with Image.open(io.BytesIO(self.page.screenshot())) as image:
            picture = np.array(image.convert("RGB"))
        found = []
        for place in places:
            x, y = self.place(*place)
            red, green, blue = picture[int(y), int(x)]
            found.append(f"#{red:02x}{green:02x}{blue:02x}")
        return found
