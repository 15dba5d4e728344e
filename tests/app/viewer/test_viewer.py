"""The viewer in a real browser: colours on the screen, and what comes back to Python."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely
from PIL import Image
from rasterio.warp import transform

from geo_xmodal_app.viewer import safe_palette
from tests.app.viewer import scenes
from tests.app.viewer.conftest import NO_GL, TOOLS, Screen

Visit = Callable[..., Screen]
COLORS = {entry.id: entry.color for entry in scenes.CLASSES}
CENTRES = [(row, col) for row in range(25, 300, 50) for col in range(75, 500, 50)]
"""Middles of the squares of one class; the first column of squares lies under the tools."""


def colors_of(ids: np.ndarray) -> list[str]:
    return [COLORS[int(ids[place])] for place in CENTRES]


def shown(screen: Screen) -> list[str]:
    picture = screen.picture()
    return [screen.color(*place, picture) for place in CENTRES]


def test_colours_on_the_screen_are_the_classes_and_never_blended(screen: Screen) -> None:
    assert shown(screen) == colors_of(scenes.classes())
    screen.section("Background")
    screen.check("Grid", False)
    screen.settled()
    box = screen.map
    left, top = int(box["x"]) + TOOLS, int(box["y"])
    picture = screen.picture()[top : top + int(box["height"]), left : left + int(box["width"]) - TOOLS]
    seen = {f"#{r:02x}{g:02x}{b:02x}" for r, g, b in np.unique(picture.reshape(-1, 3), axis=0)}
    assert seen == {*COLORS.values(), "#f7f8f8"}
    # zoomed in, where pixels of the file are many pixels of the screen
    for _ in range(3):
        screen.page.get_by_role("button", name="Zoom in").click()
        screen.page.wait_for_timeout(250)  # the map glides
    screen.settled()
    picture = screen.picture()[top : top + int(box["height"]), left : left + int(box["width"]) - TOOLS]
    seen = {f"#{r:02x}{g:02x}{b:02x}" for r, g, b in np.unique(picture.reshape(-1, 3), axis=0)}
    assert seen <= {*COLORS.values()}
    screen.check("Grid")
    screen.page.get_by_role("button", name="Whole scene").click()
    screen.settled()
    assert shown(screen) == colors_of(scenes.classes())
    assert screen.outside == []


def test_a_click_reads_exact_values_and_names_are_text(screen: Screen) -> None:
    row, col = 117, 203
    screen.click(row + 0.5, col + 0.5)
    screen.wait(lambda: screen.state()["place"] is not None)
    place = screen.state()["place"]
    assert (place["row"], place["col"]) == (row, col)
    assert place["values"]["map"] == [scenes.classes()[row, col]]
    assert place["values"]["probability"] == [90]
    np.testing.assert_array_equal(np.float32(place["values"]["sar"]), scenes.power()[:, row, col])
    np.testing.assert_array_equal(np.float32(place["values"]["hsi"]), scenes.spectra()[:, row, col])
    card = screen.page.get_by_label("Values of the pixel", exact=True)
    words = card.inner_text()
    assert f"Row {row}, column {col}" in words
    assert scenes.EVIL in words  # the class's name, as text
    assert "90 %" in words
    assert f"{10 * np.log10(scenes.power()[0, row, col]):.1f} dB" in words
    (lon,), (lat,) = transform("EPSG:32633", "EPSG:4326", [place["x"]], [place["y"]])
    assert f"{lat:.5f}° N, {lon:.5f}° E" in words
    plot = card.get_by_role("img")
    assert "8 bands" in (plot.get_attribute("aria-label") or "")
    assert plot.locator("circle").count() == 8
    assert {"450", "940"} <= set(plot.locator("text").all_text_contents())
    assert screen.page.evaluate("window.hacked") is None
    assert screen.page.locator("section.viewer img").count() == 0
    screen.click(280, 480)  # where the radar has no data
    screen.wait(lambda: screen.state()["place"]["row"] == 280)
    assert screen.state()["place"]["values"]["sar"] == [None, None]
    assert screen.state()["place"]["values"]["probability"] == [40]
    screen.page.keyboard.press("Escape")
    card.wait_for(state="hidden")


def test_a_class_is_switched_off_and_doubtful_pixels_are_dimmed(visit: Visit) -> None:
    screen = visit()
    whole = shown(screen)
    entry = screen.page.locator("button.entry[data-class='9']")
    assert "500 ha" in entry.inner_text()
    assert "33.9 %" in entry.inner_text()
    entry.click()
    screen.wait(lambda: screen.state()["hidden"] == [9])
    without = ["#f7f8f8" if color == COLORS[9] else color for color in whole]
    screen.wait(lambda: shown(screen) == without)
    assert entry.get_attribute("aria-pressed") == "false"
    screen.page.get_by_role("button", name="Show all").click()
    slider = screen.page.get_by_label("Fade pixels whose probability is below")
    slider.fill("60")
    screen.wait(lambda: screen.state()["threshold"] == 0.6)
    bright = [col < scenes.DOUBTFUL_FROM for _, col in CENTRES]
    screen.wait(lambda: [now == before for now, before in zip(shown(screen), whole, strict=True)] == bright)
    slider.fill("40")  # the probability itself is not below
    screen.wait(lambda: screen.state()["threshold"] == 0.4)
    screen.wait(lambda: shown(screen) == whole)


def test_swipe_shows_one_layer_left_and_the_other_right(visit: Visit) -> None:
    screen = visit()
    screen.section("Swipe")
    screen.check("Compare two layers")
    screen.page.get_by_label("Layer on the left").select_option("other")
    screen.page.get_by_label("Layer on the right").select_option("map")
    bar = screen.page.get_by_label("Place of the swipe bar")
    for middle, presses in ((250, 0), (300, 10)):
        for _ in range(presses):
            bar.press("ArrowRight")
        screen.settled()
        found = shown(screen)
        edge = screen.map["x"] + screen.map["width"] * (0.5 + presses / 100)
        assert abs(screen.at(0, middle)[0] - edge) < 30
        left, right = colors_of(scenes.other_classes()), colors_of(scenes.classes())
        for place, color, one, other in zip(CENTRES, found, left, right, strict=True):
            assert color == (one if screen.at(*place)[0] < edge else other)
    # nothing of one layer shines through where the other has no class
    assert screen.color(25, 40) == "#f7f8f8"
    screen.check("Compare two layers", False)
    screen.settled()
    assert shown(screen) == colors_of(scenes.classes())


def test_the_right_side_of_a_swipe_goes_through_dates(visit: Visit) -> None:
    screen = visit()
    screen.section("Swipe")
    screen.page.get_by_label("Layer on the left").select_option("labels")
    dates = screen.page.get_by_label("Map on the right, by date")
    right = [place for place in CENTRES if place[1] > 300]
    for key, ids, words in (
        ("End", scenes.classes(), "2024-05-31: Land cover"),
        ("Home", scenes.other_classes(), f"2023-06-01: Second map {scenes.EVIL}"),
    ):
        dates.press(key)
        screen.page.locator("[data-section=swipe]").get_by_text(words, exact=True).wait_for()
        screen.settled()
        picture = screen.picture()
        shown_there = [screen.color(*place, picture) for place in right]
        assert shown_there == [COLORS[int(ids[place])] for place in right]
        assert dates.evaluate("one => one.getRootNode().activeElement === one")


def test_a_drawn_area_is_counted_exactly(visit: Visit) -> None:
    screen = visit()
    screen.section("Area")
    screen.page.get_by_role("button", name="Draw", exact=True).click()
    corners = [(60.3, 90.2), (80.1, 410.4), (250.2, 300.7)]
    for place in corners:
        screen.click(*place)
        screen.page.wait_for_timeout(350)  # two quick clicks are a double click
    screen.page.mouse.dblclick(*screen.at(*corners[-1]))
    screen.wait(lambda: screen.state()["area"] is not None)
    polygon = shapely.geometry.shape(screen.state()["area"])
    row, col = np.mgrid[: scenes.ROWS, : scenes.COLS]
    x, y = scenes.WEST + (col + 0.5) * scenes.PIXEL, scenes.NORTH - (row + 0.5) * scenes.PIXEL
    inside = shapely.contains_xy(polygon, x, y)
    assert 15_000 < inside.sum() < 30_000
    table = screen.page.locator("table.areas")
    table.wait_for()
    for id_, count in zip(*np.unique(scenes.classes()[inside], return_counts=True), strict=True):
        line = table.locator(f"tr[data-class='{id_}']").inner_text()
        hectares = count * scenes.HECTARES
        assert f"{hectares:.{0 if hectares >= 100 else 1}f} ha" in line
        assert f"{100 * count / inside.sum():.1f} %" in line
    assert f"{inside.sum():,} pixels" in table.inner_text()


def square(west: float, south: float, side: float) -> list[list[float]]:
    return [
        [west, south],
        [west + side, south],
        [west + side, south + side],
        [west, south + side],
        [west, south],
    ]


def test_a_loaded_area_is_checked_and_placed(screen: Screen, tmp_path: Path) -> None:
    screen.section("Area")
    # one square of class 4, a little smaller so that rounding of degrees takes no pixel
    ring = square(scenes.WEST + 501, scenes.NORTH - 499, 498)
    lon, lat = transform("EPSG:32633", "EPSG:4326", *zip(*ring, strict=True))
    geometry = {"type": "Polygon", "coordinates": [[list(point) for point in zip(lon, lat, strict=True)]]}
    collection = {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": {}, "geometry": geometry}],
    }
    named = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]},
             "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}}  # fmt: skip
    far = [[40, 10], [41, 10], [41, 11], [40, 10]]
    table = screen.page.locator("table.areas")
    for content in (collection, named):
        (tmp_path / "area.geojson").write_text(json.dumps(content))
        screen.page.locator("input[type=file]").set_input_files(tmp_path / "area.geojson")
        table.wait_for()
        assert "2,500 pixels" in table.inner_text()
        assert "25.0 ha" in table.locator("tr[data-class='4']").inner_text()
        screen.page.get_by_role("button", name="Clear").click()
        screen.wait(lambda: screen.state()["area"] is None)
    for content, words in (
        ("<html>", "no JSON"),
        (json.dumps({"type": "Point", "coordinates": [1, 2]}), "holds no polygon"),
        (json.dumps({"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0]]]}), "without proper rings"),
        (json.dumps({"type": "Polygon", "coordinates": [[[1e5, 1e5]] * 5]}), "beyond longitude and latitude"),
        (json.dumps({"type": "Polygon", "coordinates": [[[1, 1]] * 6000]}), "at most 5000"),
        (json.dumps({"type": "Polygon", "coordinates": [far]}), "far outside the scene"),
        (
            json.dumps({"type": "Polygon", "coordinates": [far]}),
            "far outside the scene",
        ),  # counts for no time
    ):
        (tmp_path / "bad.geojson").write_text(content)
        screen.page.locator("input[type=file]").set_input_files(tmp_path / "bad.geojson")
        screen.page.locator("[data-section=area] .problem", has_text=words).wait_for()
    assert screen.state()["area"] is None
    assert screen.page.get_by_text("Counting…").count() == 0
    screen.page.get_by_role("button", name="Clear").click()


def test_two_maps_are_compared(visit: Visit) -> None:
    screen = visit()
    screen.section("Compare maps")
    screen.page.get_by_label("From map").select_option("map")
    screen.page.get_by_label("To map").select_option("other")
    screen.check("Show where they disagree")
    screen.wait(lambda: screen.state()["compare"] == ["map", "other"])
    screen.page.locator(".matrix").wait_for()
    screen.settled()
    first, second = scenes.classes(), scenes.other_classes()
    picture = screen.picture()
    for place in CENTRES:
        expected = "#9aa5ab" if first[place] == second[place] else "#d55e00"
        assert screen.color(*place, picture) == expected
    matrix = screen.page.locator(".matrix tbody tr").all()
    for line, before in zip(matrix, (1, 4, 9), strict=True):
        cells = [float(cell.replace(",", "")) for cell in line.locator("td").all_inner_texts()]
        pixels = [np.sum((first == before) & (second == after)) for after in (1, 4, 9)]
        np.testing.assert_allclose(cells, np.array(pixels) * scenes.HECTARES, rtol=0, atol=0.501)
    some = first > 0
    share = np.mean(first[some] == second[some])
    assert (
        f"{100 * share:.1f} % of 147,500 pixels" in screen.page.locator("[data-section=compare]").inner_text()
    )
    screen.check("Show where they disagree", False)
    screen.wait(lambda: screen.state()["compare"] is None)
    screen.settled()
    assert shown(screen) == colors_of(first)


def test_sensors_are_stretched(visit: Visit) -> None:
    screen = visit()
    screen.check("Land cover", False)
    screen.check("SAR")
    screen.settled()
    picture = screen.picture()
    for col in (100, 250, 400):  # -20 dB is black in the west, 0 dB white in the east
        grey = int(screen.color(100, col, picture)[1:3], 16)
        assert abs(grey - 255 * col / (scenes.COLS - 1)) <= 2
    assert screen.color(285, 485, picture) == "#f7f8f8"
    screen.check("SAR", False)
    screen.check("HSI")
    screen.page.get_by_role("button", name="Settings of HSI").click()
    screen.page.get_by_role("button", name="False colour").click()
    picks = [screen.page.get_by_label(f"{name} of HSI", exact=True) for name in ("Red", "Green", "Blue")]
    screen.wait(lambda: [pick.input_value() for pick in picks] == ["6", "4", "2"])
    picks[1].select_option("0")
    screen.settled()
    assert picks[1].input_value() == "0"
    north, south = (int(screen.color(row, 200)[1:3], 16) for row in (20, 280))
    assert north < 25
    assert south > 230
    screen.page.get_by_label("Opacity of HSI").fill("0")
    screen.settled()
    assert screen.color(280, 225) == "#f7f8f8"


def test_a_stretch_is_filled_in_and_three_bands_come_back(visit: Visit) -> None:
    screen = visit()
    screen.check("Land cover", False)
    screen.check("SAR")
    screen.page.get_by_role("button", name="Settings of SAR").click()
    low, high = (screen.page.get_by_label(f"{end} value shown of VV") for end in ("Lowest", "Highest"))
    assert (low.input_value(), high.input_value()) == ("-20", "0")
    low.fill("-10")
    low.press("Enter")
    screen.page.get_by_role("button", name="Stretch as at first").wait_for()
    screen.settled()
    assert int(screen.color(100, 240)[1:3], 16) < 5  # -10.4 dB
    assert abs(int(screen.color(100, 375)[1:3], 16) - 127) < 6  # -5 dB
    screen.check("SAR", False)
    screen.check("HSI")
    screen.page.get_by_role("button", name="Settings of HSI").click()
    screen.page.get_by_role("button", name="One band").click()
    screen.page.get_by_role("button", name="Three bands").click()
    picks = [screen.page.get_by_label(f"{name} of HSI", exact=True) for name in ("Red", "Green", "Blue")]
    screen.wait(lambda: [pick.input_value() for pick in picks] == ["4", "2", "1"])


def test_gamma_brightens_and_a_stretch_reaches_from_lowest_to_highest(visit: Visit) -> None:
    screen = visit()
    screen.check("Land cover", False)
    screen.check("SAR")
    screen.page.get_by_role("button", name="Settings of SAR").click()
    plot = screen.page.get_by_role("img", name="Histogram of VV")
    plot.locator("rect").nth(63).wait_for(state="attached")
    screen.page.get_by_label("Gamma of SAR").fill("2")
    screen.settled()
    grey = int(screen.color(100, 250)[1:3], 16)
    assert abs(grey - 255 * (250 / (scenes.COLS - 1)) ** 0.5) <= 2
    screen.page.get_by_label("Highest value shown of VV").fill("-10")
    screen.page.get_by_label("Highest value shown of VV").press("Enter")
    screen.wait(lambda: plot.locator("rect.cut").count() in range(30, 34))  # half of them
    screen.page.get_by_role("button", name="Lowest to highest").click()
    high = screen.page.get_by_label("Highest value shown of VV")
    screen.wait(lambda: -1 < float(high.input_value()) <= 0)  # the overview lacks the easternmost column


def test_a_distance_is_that_on_the_ellipsoid(visit: Visit) -> None:
    screen = visit()
    screen.section("Measure")
    screen.page.get_by_role("button", name="Draw a line").click()
    corners = [(50, 100), (250, 400)]
    screen.click(*corners[0])
    screen.page.mouse.dblclick(*screen.at(*corners[1]))
    words = screen.page.locator(".length")
    screen.page.get_by_role("button", name="Draw a line").wait_for()
    x = [scenes.WEST + col * scenes.PIXEL for _, col in corners]
    y = [scenes.NORTH - row * scenes.PIXEL for row, _ in corners]
    lon, lat = transform("EPSG:32633", "EPSG:4326", x, y)
    geod = pyproj.Geod(ellps="WGS84")
    wanted = geod.inv(lon[0], lat[0], lon[1], lat[1])[2] / 1000
    pixel = 2 * scenes.PIXEL / 1000  # of the screen, about
    assert float(words.inner_text().split()[1]) == pytest.approx(wanted, abs=pixel)
    assert words.inner_text().endswith(" km")
    random = np.random.default_rng(0)
    start = np.column_stack([random.uniform(-180, 180, 50), random.uniform(-85, 85, 50)])
    stop = start + random.uniform(-4, 4, (50, 2)) * np.repeat([1e-4, 1], 25)[:, None]
    found = screen.page.evaluate(
        """async (pairs) => {
            const { geodesic } = await import("/viewer-js/ellipsoid.js");
            return pairs.map(([one, two]) => geodesic(one, two));
        }""",
        np.stack([start, stop], 1).tolist(),
    )
    metres = geod.inv(*start.T, *stop.T)[2]
    np.testing.assert_allclose(found, metres, rtol=2e-5, atol=1e-4)


def test_an_own_basemap_is_asked_by_the_browser_once_it_is_switched_on(visit: Visit) -> None:
    screen = visit()
    screen.section("Background")
    screen.section("Your own basemap")
    address = screen.page.get_by_label("Address of your own basemap")
    keep = screen.page.get_by_role("button", name="Keep and load the page again")
    address.fill("https://own.example.net/{z}/{x}.png")
    keep.click()
    screen.page.get_by_text("expected {z}, {x} and {y}").wait_for()
    address.fill("https://own.example.net/{z}/{x}/{y}.png")
    assert "Your browser will ask own.example.net" in screen.page.locator(".basemap-form").inner_text()
    with screen.page.expect_navigation():
        keep.click()
    screen.settled()
    assert screen.outside == []
    screen.section("Background")
    screen.page.get_by_label("Your own basemap (own.example.net)").click()
    screen.wait(lambda: screen.outside != [])
    assert all(re.fullmatch(r"https://own\.example\.net/\d+/\d+/\d+\.png", one) for one in screen.outside)


def test_keyboard_alone(visit: Visit) -> None:
    screen = visit()
    page = screen.page
    page.locator(".map").focus()
    page.keyboard.press("Enter")
    screen.wait(lambda: screen.state()["place"] is not None)
    place = screen.state()["place"]
    assert (place["row"], place["col"]) == (scenes.ROWS // 2, scenes.COLS // 2)
    page.keyboard.press("Escape")
    assert not page.get_by_label("Values of the pixel", exact=True).is_visible()
    page.get_by_label(f"Second map {scenes.EVIL}", exact=True).focus()
    page.keyboard.press("Space")
    screen.settled()
    assert shown(screen) == colors_of(scenes.classes())  # below the first map
    up = page.get_by_role("button", name=f"Move Second map {scenes.EVIL} up")
    up.focus()
    page.keyboard.press("Enter")
    screen.settled()
    assert shown(screen) == colors_of(scenes.other_classes())
    assert page.locator(".layers > li").first.get_attribute("data-layer") == "other"
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("*")].map(node => node.shadowRoot).filter(Boolean)
        .flatMap(root => [...root.querySelectorAll("button, input:not([hidden]), select")])
        .filter(node => !node.textContent.trim())
        .filter(node => !node.getAttribute("aria-label") && !node.closest("label"))
        .map(node => node.outerHTML)"""
    )
    assert unnamed == []


def test_colours_for_colour_blind_readers(screen: Screen) -> None:
    screen.check("Colours for colour-blind readers")
    screen.settled()
    safe = {entry.id: entry.color for entry in safe_palette(scenes.CLASSES)}
    assert shown(screen) == [safe[int(scenes.classes()[place])] for place in CENTRES]
    screen.check("Colours for colour-blind readers", False)
    screen.settled()


def test_png_has_map_legend_and_scale_bar(screen: Screen) -> None:
    with screen.page.expect_download() as download:
        screen.page.get_by_role("button", name="Save as PNG").click()
    with Image.open(io.BytesIO(Path(download.value.path()).read_bytes())) as image:
        picture = np.array(image.convert("RGB"))
    width = int(screen.map["width"])
    assert picture.shape[1] > width + 200  # room for the legend
    for part in (picture[:, : width + 16], picture[:, width + 20 :]):
        seen = {f"#{r:02x}{g:02x}{b:02x}" for r, g, b in np.unique(part.reshape(-1, 3), axis=0)}
        assert set(COLORS.values()) <= seen
    below = picture[int(screen.map["height"]) + 32 :, :200]
    assert (below == (0x1C, 0x21, 0x26)).all(axis=2).any()


def test_scene_without_crs(visit: Visit) -> None:
    screen = visit("pixels")
    assert shown(screen) == colors_of(scenes.classes())
    screen.click(112.5, 401.5)
    screen.wait(lambda: screen.state()["place"] is not None)
    place = screen.state()["place"]
    assert (place["row"], place["col"], place["values"]["map"]) == (112, 401, [scenes.classes()[112, 401]])
    assert "no CRS" in screen.page.locator(".readout").inner_text()
    screen.section("Area")
    screen.page.get_by_role("button", name="Current view").click()
    table = screen.page.locator("table.areas")
    table.wait_for()
    assert "150,000 pixels" in table.inner_text()
    assert "ha" not in table.locator("tbody").inner_text().replace(scenes.EVIL, "")


def test_the_scale_bar_of_degrees_in_rows_and_columns_is_true(visit: Visit) -> None:
    screen = visit("degrees")
    assert shown(screen) == colors_of(scenes.classes())
    row, col = scenes.ROWS / 2, scenes.COLS / 2  # the middle of the view
    west, east = (scenes.DEGREES @ (col + side, row) for side in (-0.5, 0.5))
    metres_of_column = pyproj.Geod(ellps="WGS84").inv(*west, *east)[2]
    columns_of_pixel = 1 / (screen.at(0, 1)[0] - screen.at(0, 0)[0])
    scale = screen.page.locator(".readout .scale")
    words, unit = scale.inner_text().split()
    length = float(words) * {"m": 1, "km": 1000}[unit]
    width = scale.locator(".bar").bounding_box()["width"]
    assert length == pytest.approx(width * columns_of_pixel * metres_of_column, rel=0.02)
    described = screen.page.locator(".map").get_attribute("aria-description")
    lines = [float(value) for value in re.findall(r"([\d.]+)°", described)]
    (west, south), (east, north) = scenes.DEGREES @ (0, scenes.ROWS), scenes.DEGREES @ (scenes.COLS, 0)
    assert [line for line in lines if west <= line <= east] and [
        line for line in lines if south < line < north
    ]
    assert all(west - 1 < line < east + 1 or south - 1 < line < north + 1 for line in lines)


def test_a_file_that_cannot_be_read_is_named(visit: Visit) -> None:
    screen = visit("broken")
    problem = screen.page.locator(".layers .problem")
    problem.wait_for()
    assert "cannot be read" in problem.inner_text()
    screen.check("Probability")
    screen.settled()
    assert screen.color(100, 100) != screen.color(100, 400)  # the other layer is drawn all the same


def test_the_basemap_is_asked_only_when_wanted_and_fails_quietly(visit: Visit) -> None:
    screen = visit()
    assert screen.outside == []
    screen.section("Background")
    # the box unticks itself as soon as nothing answers
    screen.page.get_by_label("Basemap (OpenStreetMap, needs internet)", exact=True).click()
    screen.page.get_by_text("the plain grid is shown instead").wait_for()
    assert shown(screen) == colors_of(scenes.classes())


def test_without_webgl_a_still_picture_is_shown(visit: Visit, scene_folder: Path) -> None:
    still = scene_folder / "still.png"
    Image.fromarray(scenes.classes()).save(still)
    try:
        screen = visit("utm", *NO_GL)
        screen.page.get_by_text("without WebGL").wait_for()
        picture = screen.page.locator(".still img")
        assert picture.evaluate("node => node.naturalWidth") == scenes.COLS
        assert "475 ha" in screen.page.locator(".still .legend").inner_text()
    finally:
        still.unlink()


def test_nothing_is_wider_than_the_screen(screen: Screen) -> None:
    for width, least in ((1366, 800), (800, 600)):
        screen.page.set_viewport_size({"width": width, "height": 768})
        screen.page.wait_for_timeout(300)
        box = screen.page.locator("section.viewer").bounding_box()
        assert box["x"] + box["width"] <= width
        assert screen.map["width"] >= least


def test_what_was_set_survives_a_rerun_of_the_page(visit: Visit) -> None:
    screen = visit()
    page = screen.page
    page.get_by_role("button", name="Move SAR up").click()
    page.get_by_role("button", name="Settings of HSI").click()
    page.get_by_label("Green of HSI", exact=True).select_option("0")
    for _ in range(2):
        page.get_by_role("button", name="Zoom in").click()
        page.wait_for_timeout(250)  # the map glides
    screen.settled()

    def seen() -> tuple[list[str | None], str, np.ndarray]:
        order = [row.get_attribute("data-layer") for row in page.locator(".layers > li").all()]
        box = screen.map
        left, top = int(box["x"]) + 300, int(box["y"])
        return (
            order,
            page.get_by_label("Green of HSI").input_value(),
            screen.picture()[top:, left : left + 200],
        )

    before = seen()
    screen.click(120, 200)
    screen.wait(lambda: screen.state()["place"] is not None)  # the page ran again
    page.keyboard.press("Escape")
    screen.settled()
    after = seen()
    assert after[:2] == before[:2]
    assert before[0].index("sar") == 3
    assert before[1] == "0"
    assert np.mean((before[2] != after[2]).any(axis=2)) < 0.05  # the mark of the click


def test_a_lost_context_says_what_to_do(visit: Visit) -> None:
    screen = visit()
    screen.page.evaluate(
        """() => [...document.querySelectorAll("*")].map(node => node.shadowRoot).filter(Boolean)
        .flatMap(root => [...root.querySelectorAll(".map canvas")])
        .forEach(canvas => (canvas.getContext("webgl2") ?? canvas.getContext("webgl"))
            ?.getExtension("WEBGL_lose_context").loseContext())"""
    )
    screen.page.get_by_role("alert").filter(has_text="lost WebGL").wait_for()
    screen.page.get_by_role("button", name="Load again").click()
    screen.page.wait_for_selector("section.viewer[aria-busy=false]", timeout=120_000)
    screen.settled()
    assert shown(screen) == colors_of(scenes.classes())
