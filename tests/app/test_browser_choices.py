"""Every list of every page keeps what is chosen, the second time too; in a real browser.

`test_fields` has a third time, for each kind of field.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import geo_xmodal as gx
from geo_xmodal_app.sessions import session_path
from tests.app.journey import Reader
from tests.app.running import COOKIE, RunningServer
from tests.tiny import write_scene

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TIMES = 2

MAPS = ("first", "second", "third")
ADDRESSES = {
    "train?scene=sample:berlin&method=cnn": 8,
    "map?scene=sample:berlin": 3,
    "scenes": 1,
    "files": 2,
    "project": 1,
    "view?map=first": 3,
    "validate?map=first": 1,
}
"""Address of a page to the lists that it has at least."""


@pytest.fixture(scope="module")
def tall_page(shared_page: Any, server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A page of a session with maps and runs, so tall that nothing has to be scrolled."""
    session = next(one["value"] for one in shared_page.context.cookies() if one["name"] == COOKIE)
    folder = session_path(server.work, session)
    made = tmp_path_factory.mktemp("map") / "map.tif"
    scene = gx.open_scene("berlin")
    gx.map_scene(gx.find_model("berlin-sar-hgr"), scene.reader("sar"), made)
    for name in MAPS:
        item = folder / "maps" / name
        item.mkdir(parents=True)
        shutil.copy(made, item / "map.tif")
        (item / "about.json").write_text(json.dumps({"scene": "sample:berlin", "command": "geo-xmodal map"}))
        run = folder / "runs" / name / "run"
        shutil.copytree(gx.find_model("berlin-sar-hgr"), run / "model")
        (run.parent / "about.json").write_text(json.dumps({"command": "geo-xmodal train"}))
    shared_page.set_viewport_size({"width": 1366, "height": 2600})
    return shared_page


def hold_every_choice(page: Any, least: int) -> None:
    """Choose in every list of the page, the last first, as what is above decides what is below."""
    reader = Reader(page)
    reader.settle()
    for folded in reversed(
        page.locator("details:not([open]) > summary").all()
    ):  # what is open counts no more
        folded.click()
    lists = page.locator("[data-testid=stSelectbox]")
    assert lists.count() >= least
    held = 0
    for number in reversed(range(lists.count())):
        field = lists.nth(number)
        for turn in range(TIMES):
            picked = pick_another(page, field)
            if picked is None:
                break
            reader.settle()
            shown = field.evaluate("one => one.innerText + (one.querySelector('input')?.value ?? '')")
            assert picked in shown, f"choice {turn + 1} in list {number + 1} was undone: {shown!r}"
            held += 1
    assert held >= TIMES


def pick_another(page: Any, field: Any) -> str | None:
    """Choose what is not chosen, with the mouse; None where there is nothing else."""
    field.locator("[role=combobox], [data-baseweb=select]").first.click()
    options = page.locator("[role=listbox] [role=option]")
    options.first.wait_for()
    other = page.locator("[role=listbox] [role=option]:not([aria-selected=true])").last
    if not other.count():
        page.keyboard.press("Escape")
        return None
    text = other.inner_text().strip()
    other.click()
    return str(text)


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_choice_is_kept(tall_page: Any, server: RunningServer, address: str) -> None:
    tall_page.goto(f"{server.url}/{address}")
    tall_page.locator("[data-testid=stSelectbox]").first.wait_for()
    hold_every_choice(tall_page, ADDRESSES[address])


def test_every_choice_about_a_new_scene_is_kept(
    tall_page: Any, server: RunningServer, tmp_path: Path
) -> None:
    folder = write_scene(tmp_path)
    reader = Reader(tall_page)
    tall_page.goto(f"{server.url}/scenes?new=1")
    for label, name in (("Sensor (", "sar.tif"), ("Sensor (", "hsi.tif"), ("Labels (", "test.tif")):
        reader.upload(label, folder / name)
        reader.settle()
    tall_page.get_by_text("3. The scene").wait_for()
    hold_every_choice(tall_page, 7)
