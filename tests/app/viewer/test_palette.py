"""Colours for readers who see fewer of them."""

from __future__ import annotations

import pytest

from geo_xmodal.types import LandClass
from geo_xmodal_app.viewer import confusions, safe_palette


def legend(*colors: str) -> tuple[LandClass, ...]:
    return tuple(LandClass(number, f"class {number}", color) for number, color in enumerate(colors, 1))


def test_red_and_green_are_told_apart_by_most_but_not_by_all() -> None:
    found = confusions(legend("#a05000", "#5a6e00", "#0000ff"))
    assert [(one.first, one.second) for one in found] == [("class 1", "class 2")]
    assert found[0].vision in ("deuteranopia", "protanopia")
    assert str(found[0]) == f"class 1 and class 2 look alike to readers with {found[0].vision}."


def test_twins_look_alike_to_everybody() -> None:
    (found,) = confusions(legend("#336699", "#346699", "#ffffff"))
    assert found.vision == "normal"
    assert "most readers" in str(found)


def test_colours_made_for_all_raise_no_warning() -> None:
    okabe_ito = legend("#000000", "#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00")
    assert confusions(okabe_ito) == ()
    assert confusions(()) == ()


@pytest.mark.parametrize("count", [1, 2, 8, 13])
def test_safe_colours_are_told_apart_by_all(count: int) -> None:
    classes = legend(*["#33aa33", "#aa3333", "#3333aa"] * 5)[:count]
    safe = safe_palette(classes)
    assert [(entry.id, entry.name) for entry in safe] == [(entry.id, entry.name) for entry in classes]
    assert len({entry.color for entry in safe}) == count
    assert confusions(safe) == ()


def test_safe_colours_stay_near_their_own() -> None:
    water, forest = safe_palette(legend("#2060ff", "#208020"))
    assert water.rgb[2] > forest.rgb[2]


def test_as_many_classes_as_there_can_be() -> None:
    assert len({entry.color for entry in safe_palette(legend(*["#808080"] * 120))}) == 120
