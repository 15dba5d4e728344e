"""Maps and models as STAC Items: what they say, where they point, and whether the schemas accept them."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
from pystac.extensions.classification import ClassificationExtension
from pystac.extensions.label import LabelExtension
from pystac.extensions.mlm import MLMExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import RasterExtension
from pystac.validation import JsonSchemaSTACValidator
from stac_model.schema import MLModelProperties

import geo_xmodal as gx
from geo_xmodal.commands import app
from geo_xmodal.errors import RasterError, UsageError
from geo_xmodal.raster.grid import grid_of
from tests.conftest import REPOSITORY
from tests.rasters import CRS_OF_A_SITE, CRS_OF_MARS, point_scale
from tests.tiny import write_raster

SAMPLE = REPOSITORY / "sample_scenes" / "berlin" / "sar.tif"
SIDE = 48
LAYERS = {"probability": True, "entropy": True, "class_probabilities": True}
DATE = "2024-05-01/2024-06-30"


def mapped(folder: Path, **place: Any) -> Path:
    """A map of a corner of the sample scene, put at another place if one is given."""
    with rasterio.open(SAMPLE) as dataset:
        pixels = dataset.read(window=((0, SIDE), (0, SIDE)))
        corner = {"west": dataset.transform.c, "north": dataset.transform.f, "pixel": dataset.transform.a}
        corner |= {"crs": dataset.crs}
    source = write_raster(folder / "sar.tif", pixels, **corner | place)
    reader = gx.aligned_reader(source, kind="sar")
    gx.map_scene(gx.find_model("berlin-sar-hgr"), reader, folder / "map.tif", **LAYERS)
    return folder / "map.tif"


@pytest.fixture(scope="module")
def map_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mapped(tmp_path_factory.mktemp("map"))


def exported(source: Path, out: Path, **options: Any) -> pystac.Item:
    item = pystac.Item.from_file(gx.export_stac(source, out, **options).out)
    assert isinstance(item, pystac.Item)
    return item


def test_map_item_says_where_and_what(map_file: Path, tmp_path: Path) -> None:
    item = exported(map_file, tmp_path / "items", date=DATE)
    with rasterio.open(map_file) as dataset:
        ids, transform, grid = dataset.read(1), dataset.transform, grid_of(dataset)
        west, south, east, north = rasterio.warp.transform_bounds(dataset.crs, "EPSG:4326", *dataset.bounds)
    projection = ProjectionExtension.ext(item)
    assert projection.code == "EPSG:32633"
    assert projection.shape == [SIDE, SIDE]
    assert projection.transform == list(transform)[:6]
    assert item.bbox == pytest.approx([west, south, east, north], abs=1e-6)
    asset = item.assets["map"]
    band = (RasterExtension.ext(asset).bands or [])[0]
    assert band.nodata == 0 and band.spatial_resolution == pytest.approx(13.89 / point_scale(grid))
    classes = ClassificationExtension.ext(asset).classes or []
    assert [(one.value, one.description, one.color_hint) for one in classes][:2] == [
        (0, "no data", None),
        (1, "Forest", "1B7837"),
    ]
    overview = (LabelExtension.ext(item).label_overviews or [])[0]
    counts = {one.name: one.count for one in overview.counts or []}
    assert counts["Residential Area"] == (ids == 2).sum() > 0
    assert sum(counts.values()) == ids.size


def test_assets_are_found_from_where_the_item_lies(map_file: Path, tmp_path: Path) -> None:
    item = exported(map_file, tmp_path / "a" / "b.json", date=DATE)
    assert {"map", *LAYERS} <= item.assets.keys()
    bands = {name: RasterExtension.ext(item.assets[name]).bands or [] for name in LAYERS}
    assert {name: len(found) for name, found in bands.items()} == {**LAYERS, "class_probabilities": 8}
    assert {(band.nodata, band.unit) for found in bands.values() for band in found} == {(255, "%")}
    for asset in item.assets.values():
        assert not Path(asset.href).is_absolute()
        assert (tmp_path / "a" / asset.href).resolve().is_file()


def test_model_item_says_what_goes_in_and_comes_out(tmp_path: Path) -> None:
    folder = gx.find_model("berlin-sar-hgr")
    card = gx.read_card(folder)
    item = exported(folder, tmp_path, date="2024-05-01")
    model = MLMExtension.ext(item)
    assert item.id == model.mlm_name == "berlin-sar-hgr"
    assert item.geometry is None
    assert model.architecture == "pixel_cnn"
    assert model.input[0].bands == list(card.statistics.bands)
    assert model.input[0].input.shape == [-1, 4, -1, -1]
    function = model.input[0].pre_processing_function
    assert function is not None
    assert [one["mean"] for one in function.expression] == list(card.statistics.mean)
    classes = model.output[0].classes or []
    assert [one.value for one in classes] == [entry.id for entry in card.classes]
    weights = gx.load_bundle(folder).model.parameters()
    assert model.total_parameters == sum(weight.numel() for weight in weights)
    assert (tmp_path / item.assets["weights"].href).resolve() == folder / "model.safetensors"


def test_model_of_a_run_has_the_name_of_the_run(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "spring 2024"
    run.mkdir(parents=True)
    (run / "model").symlink_to(gx.find_model("berlin-sar-hgr"))
    assert gx.export_stac(run, tmp_path / "out", date="2024-05-01").id == "spring 2024"


def test_stac_model_accepts_the_model_item(tmp_path: Path) -> None:
    item = exported(gx.find_model("berlin-sar-hgr"), tmp_path, date="2024-05-01")
    values = {key[4:]: value for key, value in item.properties.items() if key.startswith("mlm:")}
    checked = MLModelProperties.model_validate(values)
    assert checked.input[0].input.shape == [-1, 4, -1, -1]


def test_published_schemas_accept_the_items(map_file: Path, tmp_path: Path) -> None:
    folder = os.environ.get("GEO_XMODAL_STAC_SCHEMAS")
    if folder is None:
        pytest.skip("extension schemas are on the net: GEO_XMODAL_STAC_SCHEMAS names a folder with them")
    validator = JsonSchemaSTACValidator()
    for path in Path(folder).glob("*.json"):
        schema = json.loads(path.read_text(encoding="utf-8"))
        validator.schema_cache[schema["$id"].rstrip("#")] = schema
    for source in (map_file, gx.find_model("berlin-sar-hgr")):
        content = json.loads(gx.export_stac(source, tmp_path, date=DATE).out.read_text(encoding="utf-8"))
        for extension in content["stac_extensions"]:
            assert extension in validator.schema_cache, f"{folder} lacks {extension}"
            validator.validate_extension(content, pystac.STACObjectType.ITEM, "1.1.0", extension)


def test_map_without_crs_has_no_geometry(tmp_path: Path) -> None:
    map_file = mapped(tmp_path, crs=None, west=0, north=SIDE, pixel=1)
    made = gx.export_stac(map_file, tmp_path, date=DATE)
    item = json.loads(made.out.read_text(encoding="utf-8"))
    assert item["geometry"] is None and "bbox" not in item
    assert item["properties"]["proj:code"] is None
    assert "no CRS" in made.warnings[0]


@pytest.mark.parametrize("crs", [CRS_OF_MARS, CRS_OF_A_SITE])
def test_map_of_no_place_on_earth_has_no_geometry(crs: str, tmp_path: Path) -> None:
    made = gx.export_stac(mapped(tmp_path, crs=crs, west=0, north=SIDE, pixel=1), tmp_path, date=DATE)
    item = json.loads(made.out.read_text(encoding="utf-8"))
    assert item["geometry"] is None and "bbox" not in item
    assert item["properties"]["proj:wkt2"] and "no geometry" in made.warnings[0]


def test_map_across_the_date_line_is_split(tmp_path: Path) -> None:
    map_file = mapped(tmp_path, crs="EPSG:32660", west=833_000, north=1_000, pixel=100)
    item = exported(map_file, tmp_path, date=DATE)
    assert item.geometry is not None and item.geometry["type"] == "MultiPolygon"
    assert item.bbox is not None
    west, _, east, _ = item.bbox
    assert west > 179 and east < -179


def test_dates(map_file: Path, tmp_path: Path) -> None:
    day = exported(map_file, tmp_path, date="2024-06-01")
    assert day.datetime == datetime(2024, 6, 1, tzinfo=UTC)
    both = exported(map_file, tmp_path, date=DATE)
    assert both.datetime is None
    assert both.common_metadata.end_datetime == datetime(2024, 6, 30, 23, 59, 59, tzinfo=UTC)
    moment = exported(map_file, tmp_path, date="2024-06-01T12:00:00+02:00")
    assert moment.datetime == datetime(2024, 6, 1, 10, tzinfo=UTC)


def test_without_a_date_the_file_s_time_is_taken_and_told(map_file: Path, tmp_path: Path) -> None:
    os.utime(map_file, (1_700_000_000, 1_700_000_000))
    made = gx.export_stac(map_file, tmp_path)
    assert pystac.Item.from_file(made.out).datetime == datetime.fromtimestamp(1_700_000_000, UTC)
    assert "no date is known" in made.warnings[0]


@pytest.mark.parametrize("date", ["yesterday", "2024-13-01", "2024-06-01/", "2024-06-30/2024-06-01"])
def test_wrong_dates_are_told(map_file: Path, tmp_path: Path, date: str) -> None:
    with pytest.raises(UsageError, match=r"^date '.*': (expected|ends before)"):
        gx.export_stac(map_file, tmp_path, date=date)
    assert list(tmp_path.iterdir()) == []


def test_raster_that_is_no_map_is_told(tmp_path: Path) -> None:
    raster = write_raster(tmp_path / "raster.tif", np.ones((2, 4, 4), np.uint8))
    with pytest.raises(RasterError, match="2 bands"):
        gx.export_stac(raster, tmp_path / "out")
    with pytest.raises(RasterError, match=r"nothing\.tif"):
        gx.export_stac(tmp_path / "nothing.tif", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_map_of_another_program_is_named_by_a_class_list(tmp_path: Path) -> None:
    raster = write_raster(tmp_path / "raster.tif", np.array([[1, 2], [2, 2]], np.uint8), nodata=0)
    made = gx.export_stac(raster, tmp_path / "by_value.json", date="2024-06-01")
    assert any("named by their values" in line for line in made.warnings)
    classes = tmp_path / "classes.toml"
    entry = "[[classes]]\nid = {}\nname = '{}'\ncolor = '#0000ff'\n"
    classes.write_text(entry.format(1, "Lake") + entry.format(2, "Bog"))
    words = ["export", "--to", "stac", "--map", str(raster), "--date", "2024-06-01"]
    out = tmp_path / "named.json"
    assert app.run([*words, "--out", str(out), "--classes", str(classes)]) == 0
    item = json.loads(out.read_text())
    named = item["assets"]["map"]["classification:classes"]
    assert [one["description"] for one in named if one["value"]] == ["Lake", "Bog"]


def test_command(map_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["export", "--to", "stac", "--out", str(tmp_path / "it.json"), "--json"]
    assert app.run([*words, "--map", str(map_file), "--date", "2024-06-01"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "map"
    assert app.run([*words, "--map", str(tmp_path)]) == 2
    assert "expected a GeoTIFF" in capsys.readouterr().err
    assert app.run([*words, "--map", str(map_file), "--model", "berlin-sar-hgr"]) == 2
    assert "either --map or --model" in capsys.readouterr().err
