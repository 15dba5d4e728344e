"""What `align`, `info` and `train` say of labels: every feature is a pixel somewhere, or has a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely

from geo_xmodal.commands.app import run
from geo_xmodal.errors import LabelError
from geo_xmodal.samples.groups import GatherOptions, gather, warnings_of
from geo_xmodal.scenes.align import align_scene
from geo_xmodal.scenes.config import read_config
from geo_xmodal.scenes.label_summary import TAG, label_report
from geo_xmodal.scenes.scene import Scene, open_scene
from geo_xmodal.scenes.splits import DEFAULT_BUFFER
from geo_xmodal.types import Window
from tests.rasters import utm_grid, write_raster

SIDE = 120
GRID = utm_grid(SIDE, SIDE)
WHOLE = Window(0, 0, SIDE, SIDE)


def square(row: float, col: float, side: float) -> shapely.Polygon:
    (left, top), (right, bottom) = (GRID.affine @ (x, y) for x, y in ((col, row), (col + side, row + side)))
    return shapely.box(left, bottom, right, top)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).random((1, SIDE, SIDE), np.float32)
    return write_raster(tmp_path / "msi.tif", values, GRID)


def aligned(folder: Path, target: Path, shapes: list[Any], values: list[Any], **options: Any) -> Scene:
    frame = geopandas.GeoDataFrame({"class": values}, geometry=shapes, crs="EPSG:32633")
    frame.to_file(folder / "labels.gpkg", driver="GPKG")
    labels = {"all": f"{folder / 'labels.gpkg'}:class"}
    return align_scene(folder / "scene", reference=target, modalities={}, labels=labels, **options)


def test_every_feature_is_pixels_or_has_a_reason(tmp_path: Path, target: Path) -> None:
    grove = [square(row, col, 10) for row in (0, 40, 80) for col in (0, 40, 80)]
    lake = [square(row, col, 10) for row in (20, 60, 100) for col in (0, 40, 80)]
    extra = [
        square(5, 5, 10),
        square(11.1, 105.1, 0.2),
        square(900, 0, 5),
        None,
        square(30, 100, 2),
        square(0, 100, 2),
    ]
    classes = ["Grove"] * 9 + ["lake"] * 9 + ["lake", "Hut", "lake", "lake", None, "0"]
    classes[10] = "LAKE"
    scene = aligned(tmp_path, target, grove + lake + extra, classes)
    report = label_report(scene)
    (summary,) = report.sources.values()
    found = {one.name: (one.found, one.outside, one.placeless, one.pixels) for one in summary.classes}
    # The first grove lost a quarter to the lake that was drawn over it.
    assert found == {"Grove": (9, 0, 0, 875), "Hut": (1, 0, 0, 1), "lake": (12, 1, 1, 1000)}
    assert (summary.missing, summary.unlabelled, summary.conflicts, summary.small) == (1, {"0": 1}, 25, 1)
    assert summary.spellings == {"lake": ("lake", "LAKE")}
    sides = {side: scene.read_labels(side, WHOLE) for side in ("train", "test")}
    for side, ids in sides.items():
        assert report.pixels[side] == {
            one.id: count for one in scene.classes if (count := int((ids == one.id).sum()))
        }
    assert report.between == 1876 - sum(int((ids > 0).sum()) for ids in sides.values())
    text = "\n".join(report.notes())
    for line in (
        "labels.gpkg: 'lake' and 'LAKE' are one class, 'lake'",
        "1 feature without a class",
        "1 feature with value '0' taken as unlabelled; if it is a class, set unlabelled to nodata",
        "1 feature of class 'lake' outside the grid",
        "1 feature of class 'lake' without geometry",
        "1 polygon smaller than a pixel",
        "25 pixels claimed by more than one class",
    ):
        assert line in text


def test_a_class_without_pixels_is_a_warning(tmp_path: Path, target: Path) -> None:
    shapes = [square(0, 0, 40), square(60, 0, 40), square(5, 5, 0.2)]
    report = label_report(aligned(tmp_path, target, shapes, ["a", "b", "under"]))
    assert (
        "labels.gpkg: WARNING: class 'under' has no pixel on the grid (1 feature in the file)"
        in report.notes()
    )
    assert any(
        note.startswith("WARNING: no train pixel of class") and "'under'" in note for note in report.notes()
    )


def test_conflicts_of_before_align_are_told_by_training(tmp_path: Path, target: Path) -> None:
    shapes = [square(0, 0, 60), square(60, 60, 60), square(50, 50, 20)]
    scene = aligned(tmp_path, target, shapes, ["a", "b", "a"])
    data = gather(scene, GatherOptions(margin=1))
    assert data.notes["label_conflicts"] == 100
    assert (
        "training labels: 100 pixels claimed by more than one class: the last feature has them"
        in warnings_of(data)
    )


def test_the_split_that_align_writes_keeps_default_windows_apart(tmp_path: Path, target: Path) -> None:
    shapes = [square(row, col, 20) for row in range(0, 120, 30) for col in range(0, 120, 30)]
    scene = aligned(tmp_path, target, shapes, ["a", "b"] * 8)
    split = read_config(scene.folder).split
    assert split is not None and split.buffer == DEFAULT_BUFFER
    assert "buffer" in (scene.folder / "scene.toml").read_text()
    assert label_report(scene).overlap_share == 0


def test_labels_of_a_small_place_overlap_and_it_is_said(tmp_path: Path, target: Path) -> None:
    shapes = [square(row, col, 10) for row in (0, 12) for col in (0, 12)]
    scene = aligned(tmp_path, target, shapes, ["a", "b", "b", "a"])
    share = label_report(scene).overlap_share
    assert share
    assert any(f"around {share:.1%} of the test pixels" in note for note in label_report(scene).notes())


def test_a_class_zero_is_kept_on_demand(tmp_path: Path, target: Path) -> None:
    shapes = [square(row, col, 20) for row in range(0, 120, 30) for col in range(0, 120, 30)]
    scene = aligned(tmp_path, target, shapes, [0, 1] * 8, unlabelled=("nodata",))
    assert {land.name: land.id for land in scene.classes} == {"class 0": 2, "class 1": 1}
    assert np.bincount(scene.read_labels("all", WHOLE).ravel())[1:].tolist() == [3200, 3200]


def test_labels_that_miss_the_grid_are_named_by_training(tmp_path: Path, target: Path) -> None:
    scene = aligned(tmp_path, target, [square(0, 0, 50), square(60, 60, 50)], ["a", "b"])
    away = geopandas.GeoDataFrame(
        {"class": ["a", None]}, geometry=[square(900, 900, 9), square(0, 0, 9)], crs="EPSG:32633"
    )
    away.to_file(scene.folder / "away.gpkg", driver="GPKG")
    config = (scene.folder / "scene.toml").read_text()
    (scene.folder / "scene.toml").write_text(
        config.replace('file = "labels_all.tif"', 'file = "away.gpkg"\ncolumn = "class"')
    )
    with pytest.raises(
        LabelError, match=r"1 feature without a class.*; .*1 feature of class 'a' outside the grid"
    ):
        gather(open_scene(scene.folder), GatherOptions())


@pytest.mark.parametrize("tag", ["", "{", '{"source": 3}', "[]", json.dumps({"classes": "x" * 9})])
def test_a_tag_of_somebody_else_is_no_summary(tmp_path: Path, target: Path, tag: str) -> None:
    scene = aligned(tmp_path, target, [square(0, 0, 50), square(60, 60, 50)], ["a", "b"])
    with rasterio.open(scene.folder / "labels_all.tif", "r+") as dataset:
        dataset.update_tags(**{TAG: tag})
    (summary,) = label_report(scene).sources.values()
    assert [(one.name, one.found, one.pixels) for one in summary.classes] == [
        ("a", 2500, 2500),
        ("b", 2500, 2500),
    ]


def test_the_commands_say_it(tmp_path: Path, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = [None, *["a", "b"] * 8]
    shapes = [
        square(0, 100, 9),
        *(square(row, col, 20) for row in range(0, 120, 30) for col in range(0, 120, 30)),
    ]
    frame = geopandas.GeoDataFrame({"class": values}, geometry=shapes, crs="EPSG:32633")
    frame.iloc[:9].to_file(tmp_path / "two.gpkg", layer="roads", driver="GPKG")
    frame.to_file(tmp_path / "two.gpkg", layer="sites", driver="GPKG")
    other = write_raster(tmp_path / "other.tif", np.ones((1, SIDE, SIDE), np.float32), GRID)
    words = ["align", tmp_path / "out", "--reference", target, "--other", other, "--labels"]
    assert command(*words, f"{tmp_path / 'two.gpkg'}:class") == 2
    error = capsys.readouterr().err
    assert "layers with geometries: roads, sites (choose one as two.gpkg:LAYER, of labels as two" in error
    assert command(*words, f"{tmp_path / 'two.gpkg'}:sites:class", "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert [one["found"]["all"] for one in made["label_counts"]] == [{"count": 8, "what": "features"}] * 2
    assert "two.gpkg: 1 feature without a class (NULL or NaN) left out" in made["notes"]
    assert command("info", tmp_path / "out", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["label_counts"] == made["label_counts"] and told["notes"] == made["notes"]


def command(*words: object) -> int:
    return run([str(word) for word in words])
