"""Tables of points become scenes of single pixels, in which no place both trains and tests."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

import geo_xmodal as gx
from geo_xmodal.errors import GeoXmodalError, LabelError, SceneError, TableError, UsageError
from geo_xmodal.points.layout import groups_along_curve, lay_out
from geo_xmodal.samples import GatherOptions, gather
from geo_xmodal.selection import block_folds
from geo_xmodal.types import Window
from tests.points.tables import read_points, request, table, write_csv, write_parquet


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("points")
    gx.import_points(write_parquet(table(), folder / "table.parquet"), folder / "scene", request())
    return folder / "scene"


def values(scene: gx.Scene, sensor: str, points: pd.DataFrame) -> np.ndarray:
    rows, cols = scene.grid.shape
    read = scene.reader(sensor).read(Window(0, 0, int(rows), int(cols)))
    return read[:, points["row"], points["col"]].T


def test_every_point_is_a_pixel_with_its_own_values(scene: Path) -> None:
    opened, points, frame = gx.open_scene(scene), read_points(scene), table()
    rows = frame.iloc[points["sample"] - 1]
    assert opened.config.points.count == len(points) == (rows["class"] != "").sum() + 3 * opened_free(points)
    power = 10 ** (rows[["S1-VV", "S1-VH"]].to_numpy() / 10)
    assert np.allclose(values(opened, "sar", points), power, rtol=1e-5)
    assert np.allclose(values(opened, "msi", points), rows[["S2-B04", "S2-B08"]].to_numpy())
    whole = opened.reader("sar").read(Window(0, 0, *map(int, opened.grid.shape)))
    assert np.isfinite(whole).all(axis=0).sum() == len(points)


def opened_free(points: pd.DataFrame) -> int:
    """Places whose points without label train: three points each."""
    return points.loc[points["part"] == "unlabelled", "place"].nunique()


def test_no_place_both_trains_and_tests(scene: Path) -> None:
    points = read_points(scene)
    sides = points.groupby("place")["part"].agg(set)
    assert not any("test" in one and len(one) > 1 for one in sides)
    for side in ("train", "test"):
        assert set(points.loc[points["part"] == side, "class"]) == {"crop", "forest", "water"}


def test_labels_lie_where_the_table_says(scene: Path) -> None:
    opened, points = gx.open_scene(scene), read_points(scene)
    names = {land.id: land.name for land in opened.classes} | {0: ""}
    for side in ("train", "test"):
        ids = opened.read_labels(side, Window(0, 0, *map(int, opened.grid.shape)))
        own = points["part"] == side
        found = [names[int(one)] for one in ids[points["row"], points["col"]]]
        assert found == points["class"].where(own, "").tolist()


def test_places_are_blocks_and_lie_apart(scene: Path) -> None:
    about, points = gx.open_scene(scene).config.points, read_points(scene)
    block = (points[["row", "col"]] // about.pitch).apply(tuple, axis=1)
    assert (points.groupby(block)["place"].nunique() == 1).all()
    assert (points.groupby("place")[["row", "col"]].agg(np.ptp) < about.block).all(axis=None)
    assert about.pitch - about.block >= 20


def test_a_large_place_stays_one_block_and_neighbours_lie_together() -> None:
    place = np.repeat(np.arange(4), [100, 3, 3, 3])
    coordinates = np.array([[0.0, 0.0], [9.0, 9.0], [0.1, 0.1], [9.1, 9.0]])[place]
    layout = lay_out(place, coordinates)
    assert len(np.unique(layout.position, axis=0)) == len(place)
    squares = [np.unique(layout.position[place == k] // layout.pitch, axis=0) for k in range(4)]
    assert [len(one) for one in squares] == [1, 1, 1, 1]
    near, far = squares[0][0], squares[2][0]
    assert np.abs(near - far).sum() == 1  # the two in the south-west follow each other on the curve
    assert np.abs(squares[1][0] - squares[3][0]).sum() == 1


def test_too_many_places_are_refused_in_one_line() -> None:
    many = np.arange(600_000)
    with pytest.raises(TableError, match="take larger cells"):
        lay_out(many, np.random.default_rng(0).uniform(size=(len(many), 2)))


def test_points_of_no_place_are_grouped_with_their_neighbours() -> None:
    x = np.random.default_rng(1).permutation(256).astype(float)
    group = groups_along_curve(np.stack([x, np.zeros(256)], axis=1))
    assert np.bincount(group).tolist() == [64] * 4
    assert all(np.ptp(x[group == k]) == 63 for k in range(4))


@pytest.mark.parametrize("sep", [",", ";", "\t"])
def test_csv_makes_the_same_scene_as_parquet(scene: Path, tmp_path: Path, sep: str) -> None:
    gx.import_points(write_csv(table(), tmp_path / "t.csv", sep), tmp_path / "scene", request())
    assert read_points(tmp_path / "scene").equals(read_points(scene))


def test_a_geopackage_with_a_crs_is_divided_by_degrees(tmp_path: Path) -> None:
    frame = table()
    points = gpd.GeoDataFrame(
        frame.drop(columns=["lon", "lat"]),
        geometry=shapely.points(frame["lon"], frame["lat"]),
        crs="EPSG:4326",
    ).to_crs("EPSG:32631")
    points.to_file(tmp_path / "t.gpkg", engine="pyogrio")
    report = gx.import_points(tmp_path / "t.gpkg", tmp_path / "s", request(places=None, cells=0.1))
    assert report.places == 12
    assert read_points(tmp_path / "s")["x"].between(4e5, 7e5).all()


def test_geoparquet_gives_points_and_their_crs(tmp_path: Path) -> None:
    frame = table()
    points = gpd.GeoDataFrame(
        frame.drop(columns=["lon", "lat"]),
        geometry=shapely.points(frame["lon"], frame["lat"]),
        crs="EPSG:4326",
    ).to_crs("EPSG:32631")
    points.to_parquet(tmp_path / "t.parquet")
    report = gx.import_points(tmp_path / "t.parquet", tmp_path / "s", request(places=None, cells=0.1))
    assert report.places == 12


def test_a_series_becomes_bands_and_its_gaps_are_filled(tmp_path: Path) -> None:
    frame = table(unlabelled=0)
    times = pd.to_datetime(["2022-03-01", "2022-01-01", "2022-02-01"])
    long = pd.concat([frame.assign(id=np.arange(len(frame)), time=time) for time in times])
    month = {time: number for number, time in enumerate(sorted(times))}
    long["S1-VV"] = 100.0 + 10 * long["time"].map(month)
    long.loc[(long["time"] == times[2]) & (long["id"] == 4), "S1-VV"] = 65535
    long.loc[(long["time"] == times[1]) & (long["id"] == 5), "S1-VV"] = 65535
    asked = request(
        target=gx.SensorColumns(bands=("S1-VV",), scale="dn"),
        series=("id", "time"),
        no_data=(65535,),
        interpolate=True,
    )
    report = gx.import_points(write_parquet(long, tmp_path / "t.parquet"), tmp_path / "s", asked)
    opened, points = gx.open_scene(tmp_path / "s"), read_points(tmp_path / "s")
    assert opened.reader("sar").band_names == ("S1-VV 2022-01", "S1-VV 2022-02", "S1-VV 2022-03")
    number = values(opened, "sar", points) ** 0.5 * 10 ** (83 / 20)
    by_id = dict(zip(points["sample"], number, strict=True))
    assert np.allclose(by_id[4], [100, 110, 120])
    assert np.allclose(by_id[5], [110, 110, 120])  # at the end of a series, the nearest
    assert "2 missing values of 2 samples" in " ".join(report.notes)


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    frame = table(places=14)
    frame["S2-B99"] = np.nan
    frame.loc[0, "S1-VV"] = np.inf
    frame.loc[1, "S2-B04"] = 65535
    frame = pd.concat([frame, frame.iloc[[40]]], ignore_index=True)
    frame.loc[30, "class"] = "mire"
    report = gx.import_points(write_csv(frame, tmp_path / "t.csv"), tmp_path / "s", request(no_data=(65535,)))
    said = "\n".join(report.notes)
    for what in ("S2-B99 left out", "1 sample left out: no value", "points of mire", "the same as another"):
        assert what in said, said
    assert set(report.counts) == {"crop", "forest", "water"}
    assert "mire" not in read_points(tmp_path / "s")["class"].tolist()


def test_a_legend_names_codes(tmp_path: Path) -> None:
    frame = table(unlabelled=0)
    frame["class"] = frame["class"].map({"crop": 1100.0, "forest": 2000.0, "water": 3000.0})
    (tmp_path / "legend.csv").write_text("code,name\n1100,Crop\n2000,Forest\n3000,Water\n")
    asked = request(legend=tmp_path / "legend.csv")
    report = gx.import_points(write_parquet(frame, tmp_path / "t.parquet"), tmp_path / "s", asked)
    assert set(report.counts) == {"Crop", "Forest", "Water"}


def test_random_keeps_points_at_the_same_coordinates_together(tmp_path: Path) -> None:
    frame = table(unlabelled=0)
    twice = pd.concat([frame, frame.assign(**{"S1-VV": frame["S1-VV"] + 0.1})], ignore_index=True)
    gx.import_points(write_csv(twice, tmp_path / "t.csv"), tmp_path / "s", request(places=None, random=True))
    points = read_points(tmp_path / "s")
    assert (points.groupby(["x", "y"])["part"].nunique() == 1).all()
    assert gx.open_scene(tmp_path / "s").config.points.site == 1


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"label": "klass"}, TableError, "no column 'klass' for labels"),
        ({"target": gx.SensorColumns(bands=("X*",))}, UsageError, "no column is a band of the target"),
        ({"auxiliary": gx.SensorColumns(bands=("S*",))}, UsageError, "meant as a band of both"),
        ({"target": gx.SensorColumns(bands=("field",))}, UsageError, "no column is a band"),
        (
            {"places": None, "auxiliary": gx.SensorColumns(bands=("field",))},
            TableError,
            "'field' holds .*not num",
        ),
        ({"coordinates": ("lat", "lom")}, TableError, "no column 'lom'"),
        ({"places": None}, UsageError, "how are test points kept apart"),
        ({"places": None, "cells": 90.0}, TableError, "one place"),
        ({"min_per_class": 1000}, LabelError, "expected two classes"),
        (
            {"target": gx.SensorColumns(bands=("S2-B04",), scale="db"), "auxiliary": None},
            UsageError,
            "scale db",
        ),
        ({"series": ("field", "class")}, TableError, "rows at"),
    ],
)
def test_what_cannot_be_is_one_clear_line(
    tmp_path: Path, changes: dict[str, object], error: type[GeoXmodalError], match: str
) -> None:
    path = write_parquet(table(unlabelled=0), tmp_path / "t.parquet")
    with pytest.raises(error, match=match) as caught:
        gx.import_points(path, tmp_path / "s", request(**changes))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "has no columns"),
        (b"a,b\n", "has no rows|no column"),
        (b"class,class\n1,2\n", "2 columns are called 'class'"),
        (b"cl\xe9,b\n1,2\n", "no UTF-8"),
        (b"PAR1 and then nothing", "expected a table of points"),
        (b'"a,b\n', "expected a table"),
    ],
)
def test_broken_tables_are_refused(tmp_path: Path, content: bytes, match: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(TableError, match=match):
        gx.import_points(tmp_path / "t.csv", tmp_path / "s", request())


def test_text_among_numbers_names_the_column_or_value(tmp_path: Path) -> None:
    frame = table().astype({"S1-VV": object})
    frame.loc[3, "S1-VV"] = "n.a.x"
    with pytest.raises(TableError, match=r"n\.a\.x"):
        gx.import_points(write_csv(frame, tmp_path / "t.csv"), tmp_path / "s", request())


def test_nested_columns_are_refused_as_bands(tmp_path: Path) -> None:
    frame = table()
    frame["S1-list"] = [[1.0, 2.0]] * len(frame)
    with pytest.raises(TableError, match=r"'S1-list' holds list"):
        gx.import_points(write_parquet(frame, tmp_path / "t.parquet"), tmp_path / "s", request())


def test_coordinates_out_of_range_say_what_to_look_at(tmp_path: Path) -> None:
    frame = table()
    frame["lat"] += 5_000_000
    with pytest.raises(TableError, match="lie nowhere on Earth"):
        gx.import_points(
            write_csv(frame, tmp_path / "t.csv"), tmp_path / "s", request(places=None, cells=0.1)
        )


QUICK = {"epochs": "2", "least_steps": "2"}


def train(scene: Path, out: Path, method: str, **settings: str) -> gx.TrainedRun:
    known = gx.METHODS[method].Options.model_fields
    quick = {key: value for key, value in QUICK.items() if key in known}
    return gx.train_scene(
        gx.open_scene(scene), out, gx.TrainRequest(method=method, settings={**quick, **settings})
    )


@pytest.mark.parametrize("method", ["svm", "cnn", "hgr"])
def test_methods_train_and_test_on_single_pixels(scene: Path, tmp_path: Path, method: str) -> None:
    train(scene, tmp_path / "run", method, unlabelled="50")
    card = gx.read_card(tmp_path / "run" / "model")
    assert card.margin == 0
    assert card.resolution is None
    page = (tmp_path / "run" / "report.html").read_text()
    assert 'id="map"' not in page


@pytest.mark.parametrize("kind", ["sar", "lidar"])
def test_every_method_can_look_at_single_pixels(kind: str) -> None:
    for method in gx.METHODS.values():
        options = method.Options.model_validate(method.beneath(kind, single_pixels=True))
        assert (options.margin, options.auxiliary_margin) == (0, 0), method.name


def test_single_pixels_have_no_windows(scene: Path, tmp_path: Path) -> None:
    with pytest.raises(GeoXmodalError, match="holds single pixels, and the method looks at 7 x 7"):
        train(scene, tmp_path / "run", "cnn", kernels="5,3")


def test_a_scene_of_points_makes_no_map_and_its_model_maps_rasters(scene: Path, tmp_path: Path) -> None:
    train(scene, tmp_path / "run", "svm")
    card = gx.read_card(tmp_path / "run" / "model")
    with pytest.raises(SceneError, match="which make no map"):
        gx.target_modality(gx.open_scene(scene), card)


def test_labels_of_a_share_of_places_are_kept(scene: Path, tmp_path: Path) -> None:
    run = train(scene, tmp_path / "run", "svm", labelled="0.5", validation="0")
    points = read_points(scene)
    trained = points[points["part"] == "train"]
    notes = json.loads((tmp_path / "run" / "config.json").read_text())["data"]
    kept = notes["counts"]["labelled_target"] + notes["counts"]["labelled_pairs"]
    each = trained.groupby("place").size()
    assert kept < len(trained)
    assert kept in {a + b + c for a in each for b in each for c in each}
    assert run is not None


def test_no_block_of_cross_validation_divides_a_place(scene: Path) -> None:
    options = GatherOptions(margin=0, validation=0, unlabelled=50)
    data = gather(gx.open_scene(scene), options)
    position, label = data.labelled_pairs.position, data.labelled_pairs.label
    assert label is not None
    place = position // 32 @ (1000, 1)
    assert (position % 32 == 0).all() and len(np.unique(place)) < len(place)
    folds = block_folds(position, label, seed=3, repeats=4)
    assert folds.kind == "blocks"
    for train, test in zip(folds.train, folds.test, strict=True):
        assert not set(place[train]) & set(place[test])


def test_a_share_of_places_needs_places(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="scenes of points"):
        gx.train_scene(
            gx.open_scene("berlin"),
            tmp_path / "run",
            gx.TrainRequest(method="svm", settings={"labelled": "0.5"}),
        )
