from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.enums import ColorInterp, Compression
from rio_cogeo import cog_validate

from geo_xmodal import bundle
from geo_xmodal.bundle import Bundle, ClassEntry
from geo_xmodal.errors import OutputError, RasterError
from geo_xmodal.mapping import map_scene, read_legend
from geo_xmodal.mapping.geotiff import RasterLayer, write_cog
from geo_xmodal.raster.grid import grid_of
from geo_xmodal.types import LandClass, Window
from tests import tiny
from tests.mapping.conftest import WriteInput, scene_values, with_holes


@pytest.fixture
def made(cnn: Bundle, cnn_folder: Path, write_input: WriteInput, tmp_path: Path) -> Path:
    reader = write_input(with_holes(scene_values((700, 1100))))
    map_scene(cnn_folder, reader, tmp_path / "map.tif", probability=True)
    return tmp_path / "map.tif"


def test_both_are_valid_cogs_with_overviews(made: Path) -> None:
    for name in ("map.tif", "map_probability.tif"):
        valid, errors, doubts = cog_validate(made.with_name(name), strict=True)
        assert valid and not errors and not doubts
        with rasterio.open(made.with_name(name)) as dataset:
            assert dataset.overviews(1)
            assert dataset.dtypes == ("uint8",) and dataset.count == 1
            assert dataset.compression == Compression.deflate
            assert dataset.crs.to_epsg() == 32633
            assert dataset.transform == Affine(10, 0, 500_000, 0, -10, 5_000_000)
            assert dataset.tags()["AREA_OR_POINT"] == "Area"


def test_colours_nodata_and_description_survive(made: Path) -> None:
    with rasterio.open(made) as dataset:
        assert dataset.nodata == 0
        assert dataset.colorinterp == (ColorInterp.palette,)
        assert dataset.descriptions == ("land-cover class",)
        palette = dataset.colormap(1)
    assert palette[0][3] == 0
    assert palette[1] == (0x1B, 0x78, 0x37, 255)
    assert palette[9] == (0xFE, 0xE0, 0x8B, 255)
    with rasterio.open(made.with_name("map_probability.tif")) as dataset:
        assert dataset.nodata == 255
        assert dataset.colorinterp == (ColorInterp.gray,)
        assert dataset.descriptions == ("probability of the class, percent",)


def test_overviews_hold_classes_by_mode_and_mean_probability(made: Path) -> None:
    with rasterio.open(made) as dataset:
        assert set(np.unique(dataset.read(1, out_shape=(350, 550)))) <= {0, 1, 2, 5, 9}
    with rasterio.open(made.with_name("map_probability.tif")) as full:
        percent = full.read(1)[100:700, 200:1000].reshape(300, 2, 400, 2).astype(float)
    with rasterio.open(made.with_name("map_probability.tif"), overview_level=0) as half:
        small = half.read(1)[50:350, 100:500]
    percent[percent == 255] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        mean = np.nanmean(percent, axis=(1, 3))
    known = np.isfinite(mean)
    assert known.mean() > 0.9
    assert np.abs(small[known] - mean[known]).max() <= 0.51


def test_tags_say_what_the_map_is(cnn: Bundle, cnn_folder: Path, made: Path) -> None:
    card = bundle.read_card(cnn_folder)
    with rasterio.open(made) as dataset:
        tags = dataset.tags()
        assert read_legend(dataset) == card.legend
    assert json.loads(tags["CLASSES"])[2] == {"id": 5, "name": "Class & <5>", "color": "#4575b4"}
    assert tags["METHOD"] == "cnn"
    assert tags["MODEL_SHA256"] == card.weights_sha256 and len(card.weights_sha256) == 64
    assert tags["TRAINED_ON"] == "a place"
    assert tags["SIMULATED"] == "yes"
    assert tags["TARGET"] == "radar (sar)"
    assert tags["MARGIN"] == str(cnn.model.margin)
    assert tags["TIFFTAG_SOFTWARE"].startswith("geo_xmodal ")


def test_gdal_finds_the_class_names(made: Path, tmp_path: Path) -> None:
    rasterio.shutil.copy(made, tmp_path / "seen.vrt", driver="VRT")
    names = [node.text for node in ElementTree.parse(tmp_path / "seen.vrt").iter("Category")]
    assert names == [
        "no data",
        "Class & <1>",
        "Class & <2>",
        None,
        None,
        "Class & <5>",
        *[None] * 3,
        "Class & <9>",
    ]


def test_names_with_control_characters_do_no_harm(
    cnn: Bundle, write_input: WriteInput, tmp_path: Path
) -> None:
    odd = ClassEntry(id=1, name="a\x00b\x07\n\u00e9\U0001f333", color="#000000")
    card = cnn.card.model_copy(update={"classes": (odd, *cnn.card.classes[1:]), "scene": "x\x00\x1by"})
    bundle.save(tmp_path / "odd", cnn.model, card)
    map_scene(tmp_path / "odd", write_input(scene_values((20, 20))), tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as dataset:
        assert read_legend(dataset)[0].name == odd.name
        assert dataset.tags()["TRAINED_ON"] == "x  y"
    names = [node.text for node in ElementTree.parse(tmp_path / "map.tif.aux.xml").iter("Category")]
    assert names[1] == "a b  \u00e9\U0001f333"


def test_a_map_without_legend_is_one_line(write_input: WriteInput) -> None:
    reader = write_input(scene_values((5, 5)))
    with rasterio.open(reader.path) as dataset, pytest.raises(RasterError, match=r"input.tif: no legend"):
        read_legend(dataset)


GOOD = {"id": 1, "name": "One", "color": "#00ff00"}


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        ("{not json", "JSON"),
        ("[]", "at least 1"),
        ('{"id": 1}', "array"),
        (json.dumps([{**GOOD, "id": 0}]), "0.id"),
        (json.dumps([{**GOOD, "id": 256}]), "0.id"),
        (json.dumps([{**GOOD, "id": "../1"}]), "0.id"),
        (json.dumps([{**GOOD, "color": "red"}]), "0.color"),
        (json.dumps([{**GOOD, "color": "#00ff0"}]), "0.color"),
        (json.dumps([{**GOOD, "name": "x" * 201}]), "0.name"),
        (json.dumps([{**GOOD, "more": 1}]), "0.more"),
        (json.dumps([GOOD, GOOD]), "class id 1 comes twice"),
        (json.dumps([GOOD] * 256), "at most 255"),
        ("[" * 30_000, "JSON"),
        (json.dumps([GOOD] * 30_000), "characters, at most 1048576"),
    ],
)
def test_a_legend_that_means_harm_is_one_line(tag: str, why: str, tmp_path: Path) -> None:
    path = tiny.write_raster(tmp_path / "map.tif", np.ones((4, 4), np.uint8))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(CLASSES=tag)
    with rasterio.open(path) as dataset, pytest.raises(RasterError, match=r"map.tif: no legend") as caught:
        read_legend(dataset)
    assert why in str(caught.value) and "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


class Fickle:
    """Blocks that change once they are written, as lost ones would."""

    def __init__(self) -> None:
        self.value = 0

    def __iter__(self):  # type: ignore[no-untyped-def]
        self.value += 1
        yield Window(0, 0, 5, 5), np.full((5, 5), self.value, np.uint8)


def test_what_is_not_in_the_file_is_noticed(write_input: WriteInput, tmp_path: Path) -> None:
    with rasterio.open(write_input(scene_values((5, 5))).path) as dataset:
        grid = grid_of(dataset)
    layer = RasterLayer(0, "MODE", "classes", (LandClass(1, "one", "#000000"),), {})
    with pytest.raises(OutputError, match=r"map.tif: the file does not hold what was written"):
        write_cog(tmp_path / "map.tif", grid, layer, Fickle())


@pytest.mark.skipif(shutil.which("mount") is None, reason="no mount command")
@pytest.mark.parametrize("size", [20_000, 300_000, 600_000, 740_000])
def test_full_disk_is_never_taken_for_a_map(
    size: int, write_input: WriteInput, small_disk: Callable[[int], Path]
) -> None:
    """The tiled file does not fit, or the COG beside it, by much or little; GDAL does not always say so."""
    reader = write_input(np.zeros((1, 600, 600), np.float32))
    values = np.random.default_rng(0).integers(0, 256, (600, 600)).astype(np.uint8)
    layer = RasterLayer(0, "MODE", "noise", (), {})
    folder = small_disk(size)
    with pytest.raises(OutputError, match=r"cannot write map.tif: no room left on the disk"):
        write_cog(folder / "map.tif", reader.grid, layer, [(Window(0, 0, 600, 600), values)])
