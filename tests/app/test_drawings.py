"""Labels that are drawn: what a change makes of them, what is refused, and who may change them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import shapely

import geo_xmodal as gx
from geo_xmodal.errors import GeoXmodalError, UsageError
from geo_xmodal_app import drawings, first_map, workspace
from geo_xmodal_app.drafts import ClassEdit
from geo_xmodal_app.drawings import Change, Drawing, DrawnPolygon, OutdatedError, Stroke, changed, drawing_id
from geo_xmodal_app.jobs import Queue
from geo_xmodal_app.sessions import LOCAL
from geo_xmodal_app.settings import VARIABLE, Settings
from geo_xmodal_app.workspace import SceneEntry
from tests import tiny

CLASSES = (ClassEdit(id=1, name="wood", color="#117733"), ClassEdit(id=2, name="lake", color="#2171b5"))
EMPTY = Drawing(scene="data:x", height=80, width=100, classes=CLASSES)


def box(label: int, left: float, top: float, right: float, bottom: float) -> DrawnPolygon:
    ring = tuple(shapely.box(left, top, right, bottom).exterior.coords)
    return DrawnPolygon(label=label, rings=(ring,))


def after(before: Drawing, added: DrawnPolygon | Stroke | None = None, **other: Any) -> Drawing:
    whole = {"classes": before.classes, "polygons": before.polygons, **other}
    return changed(before, Change(revision=before.revision, added=added, **whole))


def areas(drawing: Drawing) -> list[tuple[int, float]]:
    return [(one.label, round(one.shape.area, 2)) for one in drawing.polygons]


def test_what_is_added_takes_its_place_from_what_was_there() -> None:
    first = after(EMPTY, box(1, 10, 10, 30, 30))
    second = after(first, box(2, 20, 20, 40, 40))
    assert areas(second) == [(1, 300.0), (2, 400.0)]
    assert second.pixels == {1: 300, 2: 400}
    assert second.revision == 2
    assert after(second, polygons=first.polygons).polygons == first.polygons  # as undo sends it


def test_a_brush_paints_within_its_radius_and_an_eraser_takes_away() -> None:
    dab = after(EMPTY, Stroke(label=1, path=((50, 40),), radius=5))
    ((label, area),) = areas(dab)
    assert label == 1 and 0.95 < area / (np.pi * 25) < 1
    line = after(EMPTY, Stroke(label=1, path=((20, 40), (60, 40)), radius=5))
    assert line.polygons[0].shape.area == pytest.approx(400 + area, rel=0.01)
    cut = after(line, Stroke(label=0, path=((40, 20), (40, 60)), radius=3))
    assert [one.label for one in cut.polygons] == [1, 1]
    assert cut.places == {1: 2}
    assert not after(line, Stroke(label=0, path=((0, 40), (99, 40)), radius=20)).polygons


def test_what_lies_beside_the_scene_is_cut_off() -> None:
    made = after(EMPTY, box(1, 90, 70, 120, 100))
    assert areas(made) == [(1, 100.0)]


def test_a_polygon_that_crosses_itself_becomes_its_parts() -> None:
    bow = DrawnPolygon(label=1, rings=(((10, 10), (30, 30), (30, 10), (10, 30), (10, 10)),))
    assert areas(after(EMPTY, bow)) == [(1, 100.0), (1, 100.0)]


def test_what_a_change_gives_can_be_sent_again() -> None:
    made = EMPTY
    for at in range(6):
        made = after(made, Stroke(label=1 + at % 2, path=((10 + 7.3 * at, 20.1), (60.7, 70.9)), radius=4.5))
    again = after(made)
    assert again.polygons == made.polygons
    assert shapely.is_valid([one.shape for one in again.polygons]).all()
    total = shapely.union_all([one.shape for one in made.polygons]).area
    assert total == pytest.approx(sum(area for _, area in areas(made)), abs=0.05)  # they share no place


def test_a_new_class_gets_an_id_and_the_colour_of_its_name() -> None:
    made = after(EMPTY, new_class="meadow")
    assert (made.classes[-1].id, made.classes[-1].color) == (3, gx.added_class("meadow", ()).color)


def test_it_becomes_a_geopackage_with_class_names_and_the_crs_of_the_scene(tmp_path: Path) -> None:
    scene = gx.open_scene(tiny.write_scene(tmp_path / "tiny"))
    drawing = after(EMPTY, Stroke(label=1, path=((30, 30), (60, 45)), radius=6))
    out = drawings.write_package(after(drawing, box(2, 5, 5, 6, 6)), scene, tmp_path / "labels.gpkg")
    assert list(geopandas.read_file(out, layer="labels")["class"]) == ["wood", "lake"]
    assert geopandas.read_file(out, layer="labels").crs == "EPSG:32633"


def ring_of(*corners: tuple[float, float]) -> dict[str, Any]:
    return {"label": 1, "rings": [[*corners, corners[0]]]}


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"classes": [{"id": 1, "name": "a", "color": "#111111"}] * 2}, "same name"),
        ({"classes": [{"id": n, "name": str(n), "color": "#111111"} for n in (1, 2)]}, "same colour"),
        ({"classes": [{"id": 1, "name": "a\u202e", "color": "#111111"}]}, "cannot be shown"),
        ({"classes": [{"id": 300, "name": "a", "color": "#111111"}]}, "id"),
        ({"classes": [{"id": 1, "name": "a", "color": "url(x)"}]}, "color"),
        ({"polygons": [{"label": 9, "rings": [[[1, 1], [5, 1], [5, 5], [1, 1]]]}]}, "none of the classes"),
        ({"polygons": [ring_of((1, 1), (5, 5), (5, 1), (1, 5))]}, "crosses itself"),
        ({"polygons": [ring_of((1, 1), (500, 1), (5, 5))]}, "outside of the scene"),
        ({"polygons": [ring_of((1, 1), (1e308, 1), (5, 5))]}, "outside of the scene"),
        ({"polygons": [{"label": 1, "rings": [[[1, 1], [5, 5]]]}]}, "rings"),
        ({"added": ring_of((1, 1), (5000, 1), (5, 5))}, "outside of the scene"),
        ({"added": ring_of((101, 1), (110, 1), (110, 9))}, "nothing of it lies on the scene"),
        ({"added": {"label": 1, "path": [[5, 5]], "radius": 1e9}}, "radius"),
        ({"added": {"label": 1, "path": [], "radius": 3}}, "path"),
        ({"extra": 1}, "extra"),
    ],
)
def test_what_no_viewer_sends_is_refused(sent: dict[str, Any], message: str) -> None:
    whole = {"revision": 0, "classes": [one.model_dump() for one in CLASSES], "polygons": [], **sent}
    with pytest.raises((UsageError, ValueError), match=message):
        changed(EMPTY, Change.model_validate_json(json.dumps(whole)))


def test_numbers_that_are_not_finite_are_refused() -> None:
    for number in ("NaN", "Infinity", "1e999"):
        path = f'{{"label": 1, "path": [[{number}, 1]], "radius": 2}}'
        with pytest.raises(ValueError):
            Change.model_validate_json(f'{{"revision": 0, "classes": [], "polygons": [], "added": {path}}}')


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SceneEntry:
    """A scene in a data folder, for the session of scripts."""
    data = tmp_path / "data"
    tiny.write_scene(data / "tiny")
    monkeypatch.setenv(VARIABLE, Settings(work=tmp_path / "work", data=(data,)).model_dump_json())
    found = workspace.scene(LOCAL, "data:data/tiny")
    assert found is not None
    return found


def test_a_drawing_goes_on_where_it_was_and_another_tab_is_told(entry: SceneEntry) -> None:
    begun = drawings.begin(LOCAL, entry.id, entry.opened())
    assert [one.name for one in begun.classes] == ["Wheat", "Maize", "Water"]
    wanted = Change(revision=0, classes=begun.classes, polygons=(), added=box(4, 1, 1, 9, 9))
    made = drawings.change(LOCAL, drawing_id(entry.id), wanted)
    assert drawings.begin(LOCAL, entry.id, entry.opened()) == made
    with pytest.raises(OutdatedError, match="another tab"):
        drawings.change(LOCAL, drawing_id(entry.id), wanted)
    assert drawings.load(LOCAL, drawing_id(entry.id)) == made
    assert drawings.load("0" * 32, drawing_id(entry.id)) is None


def test_a_scene_without_classes_begins_with_two() -> None:
    names = [one.name for one in drawings.first_classes(())]
    assert names == ["class 1", "class 2"]


def refuse(*_: object) -> str:
    raise UsageError("too many jobs wait")


def test_the_commands_make_a_scene_of_the_labels(entry: SceneEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = entry.opened()
    begun = drawings.begin(LOCAL, entry.id, scene)
    with pytest.raises(GeoXmodalError, match="0 classes are drawn"):
        first_map.begin(LOCAL, entry, scene, begun)
    blocks = [box((1, 9)[at % 2], col, 5, col + 6, 20) for at, col in enumerate((5, 25, 45, 65))]
    drawn = begun.model_copy(update={"polygons": tuple(blocks)})
    lines = first_map.commands(LOCAL, entry, scene, drawn)
    assert lines[0] == (
        "geo-xmodal align tiny-drawn --reference=tiny/sar.tif --target-kind=sar --hsi=tiny/hsi.tif "
        "--name=tiny-drawn --copy --labels=labels.gpkg:class --classes=classes.toml"
    )
    assert lines[1] == (
        "geo-xmodal train --scene=tiny-drawn --out=tiny-drawn-auto --budget=30s "
        "--set=candidates=taught_forest,forest,linear"
    )
    assert lines[2].startswith("geo-xmodal map --model=tiny-drawn-auto --out=map.tif --scene=tiny-drawn")
    with monkeypatch.context() as patch:
        patch.setattr(Queue, "submit", refuse)
        with pytest.raises(UsageError, match="too many"):
            first_map.begin(LOCAL, entry, scene, drawn)
    assert not workspace.unmade(LOCAL)  # nothing is left of what could not be queued
    first_map.begin(LOCAL, entry, scene, drawn)
    way = first_map.go_on(LOCAL, drawn)
    assert way is not None and way.job is not None and way.map is None
    assert way.job.state == "queued"  # nothing works on the queue here
    item = workspace.making(LOCAL, f"yours:{way.steps.scene}")
    assert item is not None
    assert (item / first_map.CLASSES).read_text().count("[[classes]]") == 2
    assert (item / drawings.PACKAGE).is_file()
