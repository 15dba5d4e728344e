"""How every page looks and is reached: light and dark, wide and narrow, by touch and by screen readers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from geo_xmodal_app import workspace
from geo_xmodal_app.settings import VARIABLE, Settings
from tests import tiny
from tests.app.conftest import guarded_pages
from tests.app.journey import Reader, cut_berlin, put_map, put_run, put_upload
from tests.app.running import COOKIE, RunningServer
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

AXE = Path(__file__).parents[2] / "app" / "node_modules" / "axe-core" / "axe.min.js"
WIDE, NARROW = {"width": 1366, "height": 768}, {"width": 390, "height": 844}
PAGES = {
    "/": "Choose or make a scene",
    "/scenes": "New scene",
    "/scenes?scene=sample:berlin": "Train on it",
    "/scenes?new=1": "All scenes",
    "/draw?scene=yours:tiny": "Undo",
    "/train?scene=yours:tiny&method=cnn": "Start training",
    "/train?run=berlin-hgr": "Map with this model",
    "/map?scene=sample:berlin": "Start mapping",
    "/map?map=town": "Open in the viewer",
    "/view?map=town&scene=yours:tiny": "Zoom in",
    "/validate?map=town": "Draw the points",
    "/files?map=town": "Make the GeoPackage",
}
"""Address to a button that is there once the page is."""

_SERIOUS = """() => axe.run(document, {
    resultTypes: ["violations"], preload: false, iframes: false
}).then(found => found.violations
    .filter(one => ["serious", "critical"].includes(one.impact))
    .flatMap(one => one.nodes.map(
        node => [one.id, node.html.slice(0, 200), node.target.join(" ").slice(0, 200)])))"""
_EVERYTHING = """
const everything = root => [...root.querySelectorAll("*")].flatMap(
    node => [node, ...(node.shadowRoot ? everything(node.shadowRoot) : [])]);
"""
_ESCAPED = f"""() => {{ {_EVERYTHING}
    return everything(document).flatMap(node => ["aria-label", "title", "alt", "placeholder"].map(
        name => node.getAttribute(name) ?? "")).filter(words => /\\\\\\\\[^\\\\w\\\\s]/.test(words)) }}"""
_PICTURES = f"""() => {{ {_EVERYTHING}
    return everything(document).filter(node => node.matches("img")).filter(
        node => !node.alt || !node.src.startsWith("data:")).map(node => node.outerHTML.slice(0, 200)) }}"""
_SCROLLS = """() => [document.documentElement, document.querySelector("[data-testid=stMain]")].some(
    node => node.scrollWidth > node.clientWidth)"""

_FADING = """() => document.querySelector("[data-stale=true]") !== null || document.getAnimations().some(
    one => one.playState === "running" && one.effect.getComputedTiming().iterations !== Infinity)"""

KNOWN: dict[str, str] = {}
"""Rule and part of an element of Streamlit's own that breaks it, to why it cannot be mended from here."""


@pytest.fixture(scope="module")
def visitor(
    chromium: Any, server: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reader]:
    """Somebody with a telephone, who has a scene, a run, and a map of an upload."""
    with guarded_pages(chromium) as start, pytest.MonkeyPatch.context() as patch:
        page = start(server, has_touch=True)
        page.goto(server.url)
        patch.setenv(VARIABLE, Settings(work=server.work).model_dump_json())
        (session,) = [one["value"] for one in page.context.cookies() if one["name"] == COOKIE]
        folder = tmp_path_factory.mktemp("looks")
        radar = cut_berlin(folder).sar
        upload = put_upload("raster", "radar.tif", radar, session)
        put_map(session, "town", radar, file=f"upload:{upload}", kind="sar")
        gain = {"target_only": {"oa": {"mean": 0.05, "se": 0.01}}}
        put_run(session, {"oa": 0.71, "aa": 0.64, "kappa": 0.5, "miou": None, "gain": gain})
        tiny.write_scene(workspace.new_item(session, "scenes", "tiny", {"command": "geo-xmodal"}) / "scene")
        yield Reader(page)


def opened(visitor: Reader, server: RunningServer, address: str, size: dict[str, int]) -> Any:
    page = visitor.page
    page.set_viewport_size(size)
    page.goto(server.url + address)
    page.get_by_role("button", name=PAGES[address], exact=True).wait_for()
    visitor.settle()
    if page.locator("section.viewer").count():
        visitor.drawn()
    return page


def look(page: Any, scheme: str, size: dict[str, int]) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size(size)
    wait_until(
        lambda: page.evaluate("getComputedStyle(document.querySelector('.stApp')).colorScheme") == scheme
    )


def test_every_page_is_seen_by_everybody(visitor: Reader, server: RunningServer) -> None:
    if not AXE.is_file():
        message = "axe-core is missing: make setup"
        pytest.fail(message) if os.environ.get("GEO_XMODAL_REQUIRE_SYSTEM") == "1" else pytest.skip(message)
    looks = [("light", WIDE), ("dark", NARROW)]
    if os.environ.get("GEO_XMODAL_EVERY_LOOK") == "1":
        looks += [("dark", WIDE), ("light", NARROW)]
    faults: list[object] = []
    for address in PAGES:
        page = opened(visitor, server, address, WIDE)
        page.locator("details.section").evaluate_all("nodes => nodes.forEach(node => { node.open = true })")
        page.evaluate(AXE.read_text(encoding="utf-8"))
        for scheme, size in looks:
            look(page, scheme, size)
            where = (address, scheme, size["width"])
            faults += [(*where, *one) for one in serious(page)]
            rests(page, _SCROLLS)
        faults += [(address, "escaped", words) for words in page.evaluate(_ESCAPED)]
        faults += [(address, "picture", words) for words in page.evaluate(_PICTURES)]
    look(page, "light", WIDE)
    assert not faults, "\n".join(map(str, faults))


def serious(page: Any) -> list[Any]:
    """What axe finds, once more where it looked while parts of the page that ran again were pale."""
    found: list[Any] = []
    for _ in range(3):
        rests(page, _FADING)
        found = [one for one in page.evaluate(_SERIOUS) if not known(*one[:2])]
        if not found:
            break
    return found


def rests(page: Any, still: str) -> None:
    wait_until(lambda: not page.evaluate(still))


def known(rule: str, html: str) -> bool:
    return any(rule == one.partition(" ")[0] and one.partition(" ")[2] in html for one in KNOWN)


def test_what_has_the_focus_is_seen(visitor: Reader, server: RunningServer) -> None:
    page = opened(visitor, server, "/", WIDE)
    faults = []
    for _ in range(14):
        page.keyboard.press("Tab")
        faults += page.evaluate(
            """() => { const node = document.activeElement, style = getComputedStyle(node);
            const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
            return seen || node === document.body ? [] : [node.outerHTML.slice(0, 200), style.boxShadow] }"""
        )
    assert not faults


def test_no_table_covers_a_button(visitor: Reader, server: RunningServer) -> None:
    page = opened(visitor, server, "/scenes?scene=sample:berlin", WIDE)
    page.locator("[data-testid=stDataFrame]").first.hover()
    page.locator("[data-testid=stElementToolbar]").first.wait_for()
    covered = page.evaluate(
        """() => [...document.querySelectorAll("[data-testid^=stBaseButton]")].filter(button => {
            const box = button.getBoundingClientRect();
            const shares = [0.03, 0.5, 0.97];
            const hit = (x, y) =>
                document.elementFromPoint(box.left + x * box.width, box.top + y * box.height);
            const seen = box.width && box.bottom < innerHeight;
            if (button.closest("[data-testid=stElementToolbar]")) return false;
            return seen && shares.some(x => shares.some(y => !button.contains(hit(x, y))));
        }).map(button => button.innerText)"""
    )
    assert covered == []


def test_a_mapped_upload_lies_under_its_map(visitor: Reader, server: RunningServer) -> None:
    page = opened(visitor, server, "/view?map=town&scene=yours:tiny", WIDE)
    before = visitor.colors([(100, 70)])
    page.get_by_label("radar.tif", exact=True).check()
    page.get_by_label("town", exact=True).uncheck()
    visitor.drawn()
    (after,) = visitor.colors([(100, 70)])
    assert [after] != before and after != "#f7f8f8"


class Fingers:
    """Fingers on a screen."""

    def __init__(self, page: Any) -> None:
        self._session = page.context.new_cdp_session(page)

    def move(self, *steps: list[tuple[float, float]]) -> None:
        """Put down, move and lift; each step is where the fingers are."""
        for number, places in enumerate(steps):
            kind = "touchMove" if number else "touchStart"
            for count in range(1 if not number else len(places), len(places) + 1):
                self._send(kind if count == 1 or number else "touchStart", places[:count])
        self._send("touchEnd", [])

    def _send(self, kind: str, places: list[tuple[float, float]]) -> None:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def spread(x: float, y: float) -> list[list[tuple[float, float]]]:
    """Two fingers that part."""
    return [[(x - apart, y), (x + apart, y)] for apart in (20, 30, 45, 60, 80)]


def test_the_viewer_is_used_by_touch(visitor: Reader, server: RunningServer) -> None:
    page = opened(visitor, server, "/view?map=town&scene=yours:tiny", NARROW)
    fingers = Fingers(page)
    x, y = middle(page)
    page.touchscreen.tap(x, y)
    card = page.get_by_label("Values of the pixel", exact=True)
    card.get_by_text("Row ").wait_for()
    place = card.get_by_text("Row ").inner_text()
    page.get_by_role("button", name="Close the values of the pixel").tap()
    seen = changing(visitor, ".readout .scale .bar", "getBoundingClientRect().width")
    fingers.move(*spread(*middle(page)))
    seen()
    page.get_by_role("button", name="Whole scene").tap()
    visitor.drawn()
    x, y = middle(page)
    fingers.move(*[[(x + by, y)] for by in range(0, 100, 20)])
    visitor.drawn()
    wait_until(lambda: tapped(page, card), 60)
    wait_until(lambda: card.get_by_text("Row ").inner_text() != place)


def tapped(page: Any, card: Any) -> bool:
    """Whether a tap shows a pixel's values; one that stops a map that still glides does not."""
    page.touchscreen.tap(*middle(page))
    page.wait_for_timeout(1000)
    return bool(card.is_visible())


def middle(page: Any) -> tuple[float, float]:
    """Of the map, which lies elsewhere once a button was scrolled to."""
    page.locator(".map").scroll_into_view_if_needed()
    box = page.locator(".map").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def changing(visitor: Reader, selector: str, what: str) -> Callable[[], None]:
    """Remembers something of an element; what it gives back waits until that is another."""
    node = visitor.page.locator(selector)
    before = node.evaluate(f"node => node.{what}")
    return lambda: wait_until(lambda: node.evaluate(f"node => node.{what}") != before)


def test_labels_are_drawn_by_touch(visitor: Reader, server: RunningServer) -> None:
    page = opened(visitor, server, "/draw?scene=yours:tiny", NARROW)
    page.get_by_role("button", name="Brush", exact=True).tap()
    page.locator("[data-tool=brush][aria-pressed=true]").wait_for()
    x, y = middle(page)
    fingers = Fingers(page)
    fingers.move(*[[(x + by, y)] for by in range(0, 60, 15)])
    page.get_by_text("1 area, saved", exact=True).wait_for()
    seen = changing(visitor, ".readout .scale .bar", "getBoundingClientRect().width")
    fingers.move(*spread(x, y + 80))  # is no stroke
    seen()
    visitor.drawn()
    page.get_by_role("button", name="Point", exact=True).tap()
    page.locator(".map").scroll_into_view_if_needed()
    page.touchscreen.tap(x, y + 120)
    page.get_by_text("2 areas, saved", exact=True).wait_for()
    assert all(
        min(one.bounding_box().values()) >= 24 for one in page.locator(".tools button, [data-tool]").all()
    )
