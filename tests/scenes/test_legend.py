from __future__ import annotations

import colorsys

import pytest

from geo_xmodal.errors import LabelError
from geo_xmodal.scenes.legend import PALETTE, added_class, colors_of, legend_of, palette
from geo_xmodal.types import LandClass


def test_whole_numbers_are_the_ids():
    classes, ids = legend_of(["7", "1", "255", "1"], "x.tif")
    assert [(entry.id, entry.name) for entry in classes] == [
        (1, "class 1"),
        (7, "class 7"),
        (255, "class 255"),
    ]
    assert ids == {"1": 1, "7": 7, "255": 255}


def test_zero_gets_a_free_id_and_the_others_keep_theirs():
    classes, ids = legend_of(["0", "1", "3"], "x.tif")
    assert [(entry.id, entry.name) for entry in classes] == [(1, "class 1"), (2, "class 0"), (3, "class 3")]
    assert ids == {"0": 2, "1": 1, "3": 3}


def test_spellings_of_a_name_are_one_class():
    classes, ids = legend_of(["Forest", "Water", "forest", "WATER "], "x.gpkg")
    assert [entry.name for entry in classes] == ["Forest", "Water"]
    assert ids == {"Forest": 1, "forest": 1, "Water": 2, "WATER ": 2}


def test_numbers_written_in_two_ways_are_not_merged():
    classes, ids = legend_of(["1", "01", "2"], "x.gpkg")
    assert [entry.name for entry in classes] == ["1", "01", "2"] and len(set(ids.values())) == 3


def test_names_are_numbered_in_order():
    classes, ids = legend_of(["Forest", "Water", "Forest"], "x.gpkg")
    assert ids == {"Forest": 1, "Water": 2}
    assert [entry.name for entry in classes] == ["Forest", "Water"]


@pytest.mark.parametrize("values", [["1", "256"], ["1.5", "2"], ["10", "Forest"]])
def test_values_that_are_no_ids_become_names(values: list[str]):
    classes, ids = legend_of(values, "x.tif")
    assert ids == {values[0]: 1, values[1]: 2}
    assert [entry.name for entry in classes] == values


@pytest.mark.parametrize(
    ("count", "found"), [(0, "0 different labels,"), (1, r"1 different labels \(0\)"), (256, "256 ")]
)
def test_too_few_or_too_many(count: int, found: str):
    with pytest.raises(LabelError, match=rf"x\.tif: {found}.* expected 2 to 255"):
        legend_of([str(value) for value in range(count)], "x.tif")


def test_colours_differ():
    assert palette(4) == PALETTE[:4]
    assert len(set(palette(255))) == 255


@pytest.mark.parametrize(
    "value", ["1" * 5000, "1" * 4000, "٣" * 5000, "x" * 100_000, "\ud800"], ids=lambda value: f"{value[:1]!a}"
)
def test_values_that_cannot_name_a_class(value: str):
    with pytest.raises(LabelError, match=r"x\.gpkg: a label that cannot name a class: name: ") as caught:
        legend_of([value, "2"], "x.gpkg")
    assert repr(value)[:8] in str(caught.value)
    assert len(str(caught.value)) < 700 and "\n" not in str(caught.value)


def test_values_too_few_or_too_many_are_shown_in_short():
    with pytest.raises(LabelError) as caught:
        legend_of(["x" * 100_000], "x.gpkg")
    assert len(str(caught.value)) < 700


def test_colours_follow_what_names_tell() -> None:
    names = ["Water", "Soil", "Forest", "something else", "Ponds", "Building shadow", "Buildings"]
    colors = colors_of(names)
    hues = [colorsys.rgb_to_hls(*(int(one[at : at + 2], 16) / 255 for at in (1, 3, 5)))[0] for one in colors]
    assert hues[0] == pytest.approx(0.58, abs=0.04) and hues[4] == pytest.approx(hues[0], abs=0.02)  # blue
    assert hues[1] == pytest.approx(0.08, abs=0.04)  # brown
    assert hues[2] == pytest.approx(0.38, abs=0.06)  # green
    assert colors[3] == PALETTE[0]
    many = colors_of(["water"] * 40 + ["other"] * 40)
    assert len(set(many)) == 80


def test_an_added_class_has_the_colour_of_its_name_and_an_id_that_is_free():
    lake = added_class("Lake", [])
    assert (lake.id, lake.name, lake.color) == (1, "Lake", colors_of(["Lake"])[0])
    river = added_class("River", [lake, LandClass(3, "x", "#000000")])
    assert river.id == 2
    assert river.color not in (lake.color, "#000000")
