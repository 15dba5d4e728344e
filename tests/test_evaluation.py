"""A finished map against reference labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio import Affine
from sklearn.metrics import accuracy_score, balanced_accuracy_score, cohen_kappa_score

from geo_xmodal.errors import (
    AlignmentError,
    LabelError,
    OutputError,
    RasterError,
    SceneError,
    VectorError,
)
from geo_xmodal.evaluation import evaluate_map
from geo_xmodal.mapping.geotiff import legend_tag
from geo_xmodal.raster.grid import grid_of
from geo_xmodal.types import LandClass
from tests import tiny
from tests.rasters import outline_area

LEGEND = (
    LandClass(1, "Wheat", "#ddcc77"),
    LandClass(4, "Maize", "#117733"),
    LandClass(9, "Water", "#88ccee"),
)


def write_map(path: Path, ids: npt.ArrayLike, **where: Any) -> Path:
    tiny.write_raster(path, np.asarray(ids, np.uint8), nodata=0, **where)
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(**legend_tag(LEGEND))
    return path


def points(path: Path, places: list[tuple[int, int]], classes: list[Any], crs: str = tiny.CRS) -> Path:
    """A GeoPackage with a point at the centre of each (row, col)."""
    geometry = [
        shapely.Point(tiny.WEST + (col + 0.5) * tiny.PIXEL, tiny.NORTH - (row + 0.5) * tiny.PIXEL)
        for row, col in places
    ]
    frame = geopandas.GeoDataFrame({"class": classes}, geometry=geometry, crs=tiny.CRS)
    frame.to_crs(crs).to_file(path, driver="GPKG")
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_map(tmp_path / "map.tif", [[1, 1, 4], [4, 9, 0]])


def test_known_counts(small: Path, tmp_path: Path) -> None:
    reference = tiny.write_raster(tmp_path / "labels.tif", np.array([[1, 4, 4], [0, 9, 9]], np.uint8))
    result = evaluate_map(small, reference)
    assert result.metrics["confusion"] == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert (result.metrics["n"], result.metrics["unmapped"]) == (4, 1)
    assert result.metrics["oa"] == 3 / 4
    assert result.metrics["aa"] == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert [one["name"] for one in result.metrics["per_class"]] == ["Wheat", "Maize", "Water"]
    assert result.metrics["ece"] is None
    assert result.areas is None
    assert "areas" not in result.metrics


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_measures_are_those_of_scikit_learn(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    folder = tmp_path_factory.mktemp("random")
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(2, 40, 2))
    mapped, labels = rng.choice(tiny.IDS, shape), rng.choice((0, *tiny.IDS), shape)
    labels.flat[:2] = 1, 4
    result = evaluate_map(
        write_map(folder / "map.tif", mapped),
        tiny.write_raster(folder / "labels.tif", labels.astype(np.uint8)),
    ).metrics
    known = labels > 0
    assert result["n"] == known.sum()
    assert result["oa"] == pytest.approx(accuracy_score(labels[known], mapped[known]))
    assert result["kappa"] == pytest.approx(cohen_kappa_score(labels[known], mapped[known]))
    assert result["aa"] == pytest.approx(balanced_accuracy_score(labels[known], mapped[known]))


def test_a_map_larger_than_a_window_is_counted_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    mapped, labels = (rng.choice(tiny.IDS, (1100, 1500)).astype(np.uint8) for _ in range(2))
    told: list[tuple[int, int]] = []
    result = evaluate_map(
        write_map(tmp_path / "map.tif", mapped),
        tiny.write_raster(tmp_path / "labels.tif", labels),
        progress=lambda done, total, message: told.append((done, total)),
    )
    assert result.metrics["n"] == labels.size
    assert result.metrics["oa"] == pytest.approx((mapped == labels).mean())
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("crs", [tiny.CRS, "EPSG:4326", "EPSG:3857"])
@pytest.mark.parametrize(
    "classes", [[1, 4, 4, 9], ["Wheat", "Maize", "Maize", "Water"]], ids=["ids", "names"]
)
def test_points_in_any_crs_with_ids_or_names(
    small: Path, tmp_path: Path, crs: str, classes: list[Any]
) -> None:
    reference = points(tmp_path / "points.gpkg", [(0, 0), (0, 1), (1, 0), (1, 1)], classes, crs)
    result = evaluate_map(small, f"{reference}:class")
    assert result.metrics["confusion"] == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]


def test_a_colon_in_the_name_of_a_file_is_part_of_the_name(small: Path, tmp_path: Path) -> None:
    reference = tiny.write_raster(tmp_path / "labels:old.tif", np.ones((2, 3), np.uint8))
    assert evaluate_map(small, reference).metrics["n"] == 5


def test_a_finer_raster_reference_in_a_wider_place(small: Path, tmp_path: Path) -> None:
    wide = np.zeros((4, 5), np.uint8)
    wide[1:3, 1:4] = [[1, 4, 4], [4, 9, 9]]
    reference = tiny.write_raster(
        tmp_path / "labels.tif",
        np.kron(wide, np.ones((5, 5), np.uint8)),
        west=tiny.WEST - tiny.PIXEL,
        north=tiny.NORTH + tiny.PIXEL,
        pixel=tiny.PIXEL / 5,
    )
    assert evaluate_map(small, reference).metrics["confusion"] == [[1, 0, 0], [1, 2, 0], [0, 0, 1]]


def test_calibration_is_measured_where_probabilities_lie_beside(small: Path, tmp_path: Path) -> None:
    tiny.write_raster(
        tmp_path / "map_probability.tif", np.array([[90, 90, 90], [90, 255, 255]], np.uint8), nodata=255
    )
    reference = tiny.write_raster(tmp_path / "labels.tif", np.array([[1, 1, 4], [1, 9, 9]], np.uint8))
    # Four known pixels of probability 0.9, three of them right.
    assert evaluate_map(small, reference).metrics["ece"] == pytest.approx(0.9 - 0.75)


def test_probabilities_of_another_map_are_refused(small: Path, tmp_path: Path) -> None:
    tiny.write_raster(tmp_path / "map_probability.tif", np.full((5, 5), 50, np.uint8))
    reference = tiny.write_raster(tmp_path / "labels.tif", np.ones((2, 3), np.uint8))
    with pytest.raises(RasterError, match=r"5 x 5 pixels, its map has 2 x 3"):
        evaluate_map(small, reference)


def test_areas_only_from_a_sample_by_design(tmp_path: Path) -> None:
    ids = np.repeat(np.array([[1], [4]], np.uint8), 50, axis=1).repeat(50, axis=0)
    a_map = write_map(tmp_path / "map.tif", ids)
    places = [(row, col) for row in (10, 20, 60, 70) for col in (10, 20, 30, 40)]
    classes = [4, *[1] * 7, *[4] * 8]
    reference = points(tmp_path / "sample.gpkg", places, classes)
    result = evaluate_map(a_map, f"{reference}:class", sampled=True)
    assert result.areas is not None
    wheat, maize, _ = result.metrics["areas"]["classes"]
    # Half of the map is wheat; one of eight sample units there is maize.
    assert result.metrics["areas"]["unit"] == "ha"
    with rasterio.open(a_map) as dataset:
        half = outline_area(grid_of(dataset)) / 2 / 10_000
    assert half == pytest.approx(25, rel=1e-3)
    assert wheat["mapped_area"] == pytest.approx(half, rel=1e-5)
    assert wheat["area"]["value"] == pytest.approx(half * 7 / 8, rel=1e-5)
    assert maize["area"]["value"] == pytest.approx(half + half / 8, rel=1e-5)
    assert wheat["area"]["se"] == pytest.approx(half * np.sqrt(7 / 8 / 8 / 7), rel=1e-4)
    assert wheat["area"]["interval"][0] < half * 7 / 8 < wheat["area"]["interval"][1]


def test_areas_of_degrees_are_those_of_the_ellipsoid(tmp_path: Path) -> None:
    """One class in the south and one in the north, half of the pixels each."""
    ids = np.repeat(np.array([[4], [1]], np.uint8), 80, axis=1).repeat(80, axis=0)
    place = {"crs": "EPSG:4326", "west": 10.0, "north": 70.0, "pixel": 0.25}
    a_map = write_map(tmp_path / "map.tif", ids, **place)
    sample = np.where(np.indices(ids.shape).sum(0) % 9, 0, ids)
    reference = tiny.write_raster(tmp_path / "sample.tif", sample, **place)
    result = evaluate_map(a_map, reference, sampled=True)
    south, north, _ = result.metrics["areas"]["classes"]
    for found, (low, high) in ((south, (30, 50)), (north, (50, 70))):
        band = GeoBox((1, 1), Affine(20, 0, 10, 0, low - high, high), "EPSG:4326")
        assert found["mapped_area"] == pytest.approx(outline_area(band) / 10_000, rel=1e-6)
        assert found["area"]["value"] == pytest.approx(found["mapped_area"])


def test_the_folder_holds_metrics_and_a_page(small: Path, tmp_path: Path) -> None:
    reference = tiny.write_raster(tmp_path / "labels.tif", np.array([[1, 4, 4], [0, 9, 9]], np.uint8))
    out = tmp_path / "deep" / "accuracy"
    result = evaluate_map(small, reference, out)
    assert sorted(path.name for path in out.iterdir()) == ["metrics.json", "report.html"]
    assert json.loads((out / "metrics.json").read_text()) == result.metrics
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Maize" in page and "75.0" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert out.stat().st_mode & 0o777 == 0o755
    before = (out / "metrics.json").read_bytes(), page
    evaluate_map(small, reference, out)
    assert ((out / "metrics.json").read_bytes(), (out / "report.html").read_text(encoding="utf-8")) == before
    assert [path.name for path in out.parent.iterdir()] == ["accuracy"]


def test_a_training_run_is_not_overwritten(small: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").touch()
    with pytest.raises(OutputError, match="training run"):
        evaluate_map(small, small, tmp_path)


def test_an_output_that_cannot_be_written_leaves_nothing(small: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="choose another"):
        evaluate_map(small, small, small / "accuracy")
    assert [path.name for path in tmp_path.iterdir()] == ["map.tif"]


def test_what_is_no_class_map_is_refused(tmp_path: Path) -> None:
    plain = tiny.write_raster(tmp_path / "plain.tif", np.ones((2, 3), np.uint8))
    bands = tiny.write_raster(tmp_path / "bands.tif", np.ones((2, 2, 3), np.float32))
    with pytest.raises(RasterError, match="2 bands, expected one band of class ids"):
        evaluate_map(bands, plain)
    heights = tiny.write_raster(tmp_path / "heights.tif", np.full((2, 3), 312.5, np.float32))
    with pytest.raises(RasterError, match=r"heights\.tif: holds the value 312\.5, expected class ids"):
        evaluate_map(heights, plain)
    empty = tiny.write_raster(tmp_path / "empty.tif", np.zeros((2, 3), np.uint8))
    with pytest.raises(RasterError, match="no pixel has data"):
        evaluate_map(empty, plain)


OTHER = [[1, 1, 2], [2, 0, 7]]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_maps_of_other_programs_are_named_by_their_values(tmp_path: Path, dtype: str) -> None:
    a_map = tiny.write_raster(tmp_path / "other.tif", np.array(OTHER, dtype))
    reference = tiny.write_raster(tmp_path / "labels.tif", np.array([[1, 2, 2], [0, 1, 7]], np.uint8))
    result = evaluate_map(a_map, reference, tmp_path / "out")
    assert [land.name for land in result.classes] == ["class 1", "class 2", "class 7"]
    assert result.metrics["confusion"] == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert (result.metrics["n"], result.metrics["unmapped"]) == (4, 1)
    assert "map: 1 pixel with value 0 taken as no data; if it is a class" in result.metrics["notes"][1]
    assert "1 pixel with value 0" in (tmp_path / "out" / "report.html").read_text()


def test_zero_is_a_class_on_demand_in_map_and_reference(tmp_path: Path) -> None:
    a_map = tiny.write_raster(tmp_path / "other.tif", np.array(OTHER, np.uint8), nodata=255)
    labels = np.array([[1, 0, 2], [2, 0, 255]], np.uint8)
    reference = tiny.write_raster(tmp_path / "labels.tif", labels, nodata=255)
    result = evaluate_map(a_map, reference, tmp_path / "out", unlabelled=())
    by_id = {one["id"]: (one["name"], one["support"]) for one in result.metrics["per_class"]}
    assert by_id == {0: ("class 0", 2), 1: ("class 1", 1), 2: ("class 2", 2), 7: ("class 7", 0)}
    assert result.metrics["n"] == 5 and result.metrics["oa"] == 4 / 5
    classes = tmp_path / "classes.toml"
    classes.write_text(
        "".join(
            f"[[classes]]\nid = {id_}\nname = '{name}'\ncolor = '#00000{id_}'\n"
            for id_, name in ((0, "Sea"), (1, "Oak"), (2, "Ash"), (7, "Elm"))
        )
    )
    words = points(tmp_path / "points.gpkg", [(1, 1), (0, 0), (1, 2)], ["sea", "OAK", "Ash"])
    named = evaluate_map(a_map, f"{words}:class", classes=classes, unlabelled=("nodata",))
    assert {one["name"]: one["recall"] for one in named.metrics["per_class"]} == {
        "Sea": 1.0, "Oak": 1.0, "Ash": 0.0, "Elm": None,
    }  # fmt: skip
    assert [one["id"] for one in named.metrics["per_class"] if one["name"] == "Sea"] == [0]


def test_a_class_list_must_hold_the_values_of_the_map(tmp_path: Path) -> None:
    a_map = tiny.write_raster(tmp_path / "other.tif", np.array(OTHER, np.uint8))
    classes = tmp_path / "classes.toml"
    entry = "[[classes]]\nid = {}\nname = '{}'\ncolor = '#000000'\n"
    classes.write_text(entry.format(1, "Oak") + entry.format(2, "Ash"))
    with pytest.raises(RasterError, match=r"value 7 \(1 pixel\) is not in .*classes\.toml"):
        evaluate_map(a_map, a_map, classes=classes)
    classes.write_text(entry.format(1, "Oak") + entry.format(7, " oak"))
    with pytest.raises(SceneError, match="name Oak, oak is used more than once"):
        evaluate_map(a_map, a_map, classes=classes)


PAM = """<PAMDataset><PAMRasterBand band="1"><CategoryNames>
<Category>none</Category><Category>Oak</Category><Category>Ash</Category></CategoryNames>
<GDALRasterAttributeTable><FieldDefn index="0"><Name>v</Name><Type>0</Type><Usage>5</Usage></FieldDefn>
<FieldDefn index="1"><Name>n</Name><Type>2</Type><Usage>2</Usage></FieldDefn>
<Row index="0"><F>7</F><F>Elm</F></Row></GDALRasterAttributeTable></PAMRasterBand></PAMDataset>"""


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (PAM, ["Oak", "Ash", "Elm"]),
        (PAM.replace("Ash", "Oak"), ["Oak (1)", "Oak (2)", "Elm"]),
        (f"<!DOCTYPE x [<!ENTITY e 'e'>]>{PAM}", ["class 1", "class 2", "class 7"]),
        (PAM[:-9], ["class 1", "class 2", "class 7"]),
    ],
    ids=["names", "twice", "entities", "cut"],
)
def test_names_lie_beside_a_map(tmp_path: Path, text: str, names: list[str]) -> None:
    a_map = tiny.write_raster(tmp_path / "other.tif", np.array(OTHER, np.uint8))
    (tmp_path / "other.tif.aux.xml").write_text(text)
    assert [land.name for land in evaluate_map(a_map, a_map).classes] == names


def test_a_class_that_only_the_reference_has_is_counted_as_wrong(small: Path, tmp_path: Path) -> None:
    sample = points(
        tmp_path / "points.gpkg",
        [(0, 0), (0, 1), (1, 0), (1, 1), (900, 900)],
        ["wheat", "Bog", "Maize", "Bog", "Dune"],
    )
    result = evaluate_map(small, f"{sample}:class")
    assert [one["name"] for one in result.metrics["per_class"]] == ["Wheat", "Maize", "Water", "Bog"]
    assert result.metrics["confusion"] == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 0]]
    assert result.metrics["oa"] == 2 / 4
    notes = "\n".join(result.metrics["notes"])
    assert "reference class 'Bog' is not in the map's legend: never mapped, 2 of 4 counted as wrong" in notes
    assert "class 'Water' of the map has no reference" in notes and "Dune" not in notes


def test_every_point_counts_whatever_their_order(tmp_path: Path) -> None:
    ids = np.repeat(np.array([[1], [4]], np.uint8), 50, axis=1).repeat(50, axis=0)
    a_map = write_map(tmp_path / "map.tif", ids)
    places = [(row, 7) for row in range(0, 60, 3) for _ in range(2)]
    classes = [value for row in range(0, 60, 3) for value in ((1, 4) if row % 2 else (1, 1))]
    scores = []
    for name, step in (("forth", 1), ("back", -1)):
        sample = points(tmp_path / f"{name}.gpkg", places[::step], classes[::step])
        scores.append(evaluate_map(a_map, f"{sample}:class", sampled=True).metrics)
    assert scores[0]["n"] == len(places)
    assert scores[0]["oa"] == pytest.approx(
        np.mean([ids[place] == value for place, value in zip(places, classes, strict=True)])
    )
    assert scores[0]["points"] == {"n": 40, "pixels": 20, "shared": 20, "conflicting": 10}
    assert (
        "40 points on 20 pixels; more than one point on 20 pixels, of different classes on 10; every"
        in scores[0]["notes"][-1]
    )
    assert {**scores[0], "reference": ""} == {**scores[1], "reference": ""}


def test_a_sample_of_more_points_than_pixels_is_none(small: Path, tmp_path: Path) -> None:
    sample = points(tmp_path / "points.gpkg", [(1, 1), (1, 1)], ["Water", "Water"])
    assert evaluate_map(small, f"{sample}:class").metrics["n"] == 2
    with pytest.raises(LabelError, match="2 sample points on 1 pixel of class 'Water'"):
        evaluate_map(small, f"{sample}:class", sampled=True)


def test_polygons_and_points_of_one_layer_all_count(small: Path, tmp_path: Path) -> None:
    polygon = shapely.box(
        tiny.WEST, tiny.NORTH - tiny.PIXEL, tiny.WEST + 2 * tiny.PIXEL, tiny.NORTH
    )  # the first two pixels
    point = shapely.Point(tiny.WEST + 1, tiny.NORTH - 1)
    path = tmp_path / "mixed.gpkg"
    frame = geopandas.GeoDataFrame({"class": ["Wheat", "Maize"]}, geometry=[polygon, point], crs=tiny.CRS)
    frame.to_file(path, driver="GPKG")
    result = evaluate_map(small, f"{path}:class").metrics
    assert result["confusion"] == [[2, 0, 0], [1, 0, 0], [0, 0, 0]]


def test_references_that_do_not_fit_are_refused(small: Path, tmp_path: Path) -> None:
    far = tiny.write_raster(tmp_path / "far.tif", np.ones((2, 3), np.uint8), west=0.0)
    with pytest.raises(AlignmentError, match=r"far\.tif"):
        evaluate_map(small, far)
    empty = tiny.write_raster(tmp_path / "empty.tif", np.zeros((2, 3), np.uint8))
    with pytest.raises(LabelError, match=r"empty\.tif: no labelled pixel lies on"):
        evaluate_map(small, empty)
    strange = tiny.write_raster(tmp_path / "strange.tif", np.full((2, 3), 7, np.uint8))
    with pytest.raises(LabelError, match="7"):
        evaluate_map(small, strange)
    hidden = tiny.write_raster(tmp_path / "hidden.tif", np.array([[0, 0, 0], [0, 0, 9]], np.uint8))
    with pytest.raises(LabelError, match="no data at any of the 1 labelled pixels"):
        evaluate_map(small, hidden)
    sample = points(tmp_path / "points.gpkg", [(0, 0)], [1])
    with pytest.raises((VectorError, LabelError), match="clas"):
        evaluate_map(small, f"{sample}:klass")
    with pytest.raises((VectorError, LabelError), match=r"points\.gpkg"):
        evaluate_map(small, sample)


def test_one_feature_and_one_pixel_are_no_plural(tmp_path: Path) -> None:
    a_map = tiny.write_raster(tmp_path / "other.tif", np.array([[1, 1, 2], [2, 2, 0]], np.uint8))
    with rasterio.open(a_map) as dataset:
        places = [shapely.Point(dataset.xy(row, col)) for row, col in ((0, 0), (0, 0), (1, 0), (1, 1))]
        frame = geopandas.GeoDataFrame({"class": [1, 2, 2, None]}, geometry=places, crs=dataset.crs)
    frame.to_file(tmp_path / "points.gpkg")
    notes = evaluate_map(a_map, f"{tmp_path / 'points.gpkg'}:class").metrics["notes"]
    assert any("1 feature without a class" in line for line in notes), notes
    assert any("3 points on 2 pixels; more than one point on 1 pixel, of different" in line for line in notes)
