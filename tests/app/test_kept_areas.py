"""Areas that were drawn and saved: what a download holds, and that a map takes it."""

from __future__ import annotations

from pathlib import Path

import geopandas
import pytest
import shapely

import geo_xmodal as gx
from geo_xmodal.errors import UsageError
from geo_xmodal_app.kept_areas import Area
from geo_xmodal_app.sessions import LOCAL
from geo_xmodal_app.settings import VARIABLE, Settings
from geo_xmodal_app.sources import area_files, kept_areas


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, Settings(work=tmp_path).model_dump_json())


def area(*polygons: list[tuple[float, float]]) -> Area:
    grid = gx.open_scene("berlin").grid
    a, b, c, d, e, f = tuple(grid.affine)[:6]
    placed = [[(a * x + b * y + c, d * x + e * y + f) for x, y in polygon] for polygon in polygons]
    return Area({"type": "MultiPolygon", "coordinates": [[ring] for ring in placed]}, grid)


SQUARE = [(10.5, 10.5), (30.5, 10.5), (30.5, 30.5), (10.5, 30.5), (10.5, 10.5)]
BOW = [(50.5, 50.5), (60.5, 60.5), (60.5, 50.5), (50.5, 60.5), (50.5, 50.5)]


def test_what_was_drawn_comes_back_and_can_be_mapped_within() -> None:
    scene = gx.open_scene("berlin")
    drawn = area(SQUARE, BOW)
    drawn.save(LOCAL, "../<b>Ufer</b>")
    drawn.save(LOCAL, "../<b>Ufer</b>")
    first, second = kept_areas(LOCAL)
    assert first.name == "b-Ufer-b.gpkg" and second.name == "b-Ufer-b-2.gpkg"
    assert area_files(LOCAL)[first.id].path == first.path
    assert gx.layer_names(first.path) == ("labels",)
    frame = geopandas.read_file(first.path, layer="labels")
    assert frame.crs.to_epsg() == 32633
    pixel = abs(scene.grid.affine.determinant)
    assert frame.area.sum() == pytest.approx((400 + 50) * pixel)  # the bow's halves
    assert shapely.is_valid(frame.geometry.values).all()
    card = gx.read_card(gx.list_models()[0].folder)
    fitted = gx.fit_input(scene.reader(scene.target), card, area=str(first.path))
    assert fitted.reader.grid.shape == (51, 51)


def test_a_line_is_no_area() -> None:
    with pytest.raises(UsageError, match="covers nothing"):
        area([(1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (1.0, 1.0)]).save(LOCAL, "line")
