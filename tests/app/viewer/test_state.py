"""What a browser may say, and what it may not."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_xmodal_app.viewer import Layer, Viewport, ViewState
from geo_xmodal_app.viewer.state import MAX_VERTICES, parse_state

GRID = Viewport(
    500, 300, (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_800_000.0), "UTM", 32633, "+proj=utm", "m", 1.0
)
LAYERS = (
    Layer("map", "Map", "/files/a", "classes"),
    Layer("other", "Other", "/files/b", "classes"),
    Layer("sar", "SAR", "/files/c", "continuous", bands=("VV", "VH")),
)
RING = [[500_000, 5_799_000], [501_000, 5_799_000], [501_000, 5_800_000], [500_000, 5_799_000]]


def parse(**raw: Any) -> ViewState:
    return parse_state(raw, LAYERS, GRID)


def test_a_place_is_found_again_from_its_coordinates() -> None:
    said = {
        "x": 501_234.5,
        "y": 5_799_876.5,
        "row": 9999,
        "col": "evil",
        "values": {"map": [4], "sar": [0.5, None], "x": [1]},
    }
    place = parse(place=said).place
    assert place is not None
    assert (place.row, place.col) == (12, 123)
    assert dict(place.values) == {"map": (4.0,), "sar": (0.5, None)}


def test_areas_become_multipolygons() -> None:
    area = parse(area={"type": "Polygon", "coordinates": [RING], "evil": 1}).area
    assert area == {"type": "MultiPolygon", "coordinates": [[RING]]}


def test_settings() -> None:
    state = parse(settings={"hidden": [1, 9], "threshold": 0.25, "compare": ["map", "other"]})
    assert (state.hidden, state.threshold, state.compare) == (frozenset({1, 9}), 0.25, ("map", "other"))
    assert not state.refused


@pytest.mark.parametrize(
    "raw",
    [
        {"place": {"x": math.nan, "y": 5_799_000}},
        {"place": {"x": 10**400, "y": 5_799_000}},
        {"place": {"x": True, "y": 5_799_000}},
        {"place": {"x": 499_999, "y": 5_799_000}},
        {"place": {"x": 501_000, "y": 5_799_000, "values": {"sar": [math.inf]}}},
        {"place": {"x": 501_000, "y": 5_799_000, "values": {"sar": list(range(5000))}}},
        {"place": {"x": 501_000, "y": 5_799_000, "values": {"sar": "1, 2"}}},
        {"place": [1, 2]},
        {"area": {"type": "Point", "coordinates": [500_000, 5_799_000]}},
        {"area": {"type": "Polygon", "coordinates": [RING[:3]]}},
        {"area": {"type": "Polygon", "coordinates": []}},
        {"area": {"type": "Polygon", "coordinates": [[[500_000]] * 4]}},
        {"area": {"type": "Polygon", "coordinates": [[[9e6, 9e6]] * 4]}},
        {"area": {"type": "Polygon", "coordinates": [RING * (MAX_VERTICES // 4 + 1)]}},
        {"area": {"type": "MultiPolygon", "coordinates": [[RING]] * 501}},
        {"area": "POLYGON"},
        {"settings": {"hidden": ["1"]}},
        {"settings": {"hidden": [256]}},
        {"settings": {"hidden": [True]}},
        {"settings": {"threshold": 2}},
        {"settings": {"compare": ["map", "sar"]}},
        {"settings": {"compare": ["map", "map"]}},
        {"settings": {"compare": ["map", "/etc/passwd"]}},
        {"settings": {"compare": [["map"], "other"]}},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_left_out_and_named(raw: dict[str, Any]) -> None:
    state = parse(**raw)
    assert (state.place, state.area, state.compare, state.hidden) == (None, None, None, frozenset())
    assert list(state.refused) == list(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["x", "y", "values", "type", "coordinates", "hidden", "compare"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(raw=JSON | st.dictionaries(st.sampled_from(["place", "area", "settings"]), JSON))
def test_nothing_that_a_browser_sends_breaks_the_page(raw: Any) -> None:
    assert isinstance(parse_state(raw, LAYERS, GRID), ViewState)


def test_the_browser_is_asked_for_no_paths(tmp_path: Path) -> None:
    state = parse(place={"x": 501_000, "y": 5_799_000, "url": str(tmp_path), "values": {"../map": [1]}})
    assert state.place is not None
    assert state.place.values == {}
