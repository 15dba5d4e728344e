from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

import geo_xmodal as gx
from geo_xmodal.commands.app import run
from geo_xmodal.errors import UsageError
from geo_xmodal.types import LandClass, Window
from tests import tiny

GRID = GeoBox((40, 60), Affine(10, 0, 500_000, 0, -10, 5_800_000), "EPSG:32633")
CLASSES = (LandClass(3, "Wheat", "#ddcc77"), LandClass(9, "Water & more", "#88ccee"))
DRAWN = [(3, shapely.box(2, 1, 12, 6)), (9, shapely.box(30, 20, 31, 21))]


def test_what_was_drawn_becomes_the_same_pixels(tmp_path: Path) -> None:
    made = gx.export_labels(DRAWN, GRID, CLASSES, tmp_path / "drawn.gpkg")
    source = gx.LabelsConfig(file="drawn.gpkg", column=gx.LABEL_COLUMN)
    ids = gx.read_labels(source, made, GRID, CLASSES, Window(0, 0, 40, 60))
    expected = np.zeros((40, 60), np.uint8)
    expected[1:6, 2:12] = 3
    expected[20, 30] = 9
    np.testing.assert_array_equal(ids, expected)


def test_it_has_the_crs_of_the_grid_and_the_colours_of_the_classes(tmp_path: Path) -> None:
    made = gx.export_labels(DRAWN, GRID, CLASSES, tmp_path / "drawn.gpkg")
    frame = geopandas.read_file(made, layer="labels")
    assert frame.crs.to_epsg() == 32633
    assert list(frame["class"]) == ["Wheat", "Water & more"]
    assert list(frame["class_id"]) == [3, 9]
    with closing(sqlite3.connect(made)) as database:
        (style,) = database.execute("SELECT styleQML FROM layer_styles").fetchone()
    assert "221,204,119,255" in style and "Water &amp; more" in style


def test_it_and_its_classes_make_a_scene(tmp_path: Path) -> None:
    folder = tiny.write_scene(tmp_path / "tiny")
    grid = gx.open_scene(folder).grid
    blocks = [shapely.box(col, row, col + 6, row + 6) for row in (5, 80) for col in (5, 40, 80)]
    drawn = [((3, 9)[at % 2], block) for at, block in enumerate(blocks)]
    labels = gx.export_labels(drawn, grid, CLASSES, tmp_path / "drawn.gpkg")
    listed = gx.write_classes(CLASSES, tmp_path / "classes.toml")
    made = gx.align_scene(
        tmp_path / "made",
        reference=folder / "sar.tif",
        modalities={"sar": folder / "sar.tif"},
        labels={"all": f"{labels}:{gx.LABEL_COLUMN}"},
        classes=listed,
    )
    assert made.classes == CLASSES
    assert (made.read_labels("all", Window(5, 5, 6, 6)) == 3).all()


@pytest.mark.parametrize(
    ("drawn", "name", "message"),
    [
        ([], "drawn.gpkg", "no polygon"),
        ([(4, shapely.box(0, 0, 1, 1))], "drawn.gpkg", "class 4, which has no name"),
        (DRAWN, "drawn.geojson", "ends in .gpkg"),
    ],
)
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, drawn: list[tuple[int, shapely.Polygon]], name: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        gx.export_labels(drawn, GRID, CLASSES, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_scene_of_one_sensor_can_be_made_to_draw_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    radar = tiny.write_scene(tmp_path / "tiny") / "sar.tif"
    asked = ["align", str(tmp_path / "made"), f"--reference={radar}", "--target-kind=sar"]
    assert run(asked) != 0
    assert "or --copy for a scene of one sensor" in capsys.readouterr().err
    assert run([*asked, "--copy"]) == 0
    assert list(gx.open_scene(tmp_path / "made").config.modalities) == ["sar"]
