"""What a map shows besides classes, as files: probabilities of all classes, and entropy."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio import Affine
from rio_cogeo import cog_validate

from geo_xmodal import bundle
from geo_xmodal.bundle import Bundle
from geo_xmodal.errors import OutputError
from geo_xmodal.mapping import Classifier, map_scene
from geo_xmodal.mapping.layers import Layers, pack_window, unpack_layer, unpack_sums
from geo_xmodal.networks import linear_model
from geo_xmodal.raster.ground import pixel_areas
from geo_xmodal.raster.reader import AlignedReader
from geo_xmodal.types import Window
from tests.mapping.conftest import WriteInput, card_of, scene_values, statistics, with_holes

ALL: dict[str, Any] = {"engine": "torch", "probability": True, "entropy": True, "class_probabilities": True}
RASTERS = ("map.tif", "map_probability.tif", "map_entropy.tif", "map_probabilities.tif")


@pytest.fixture
def reader(write_input: WriteInput) -> AlignedReader:
    return write_input(with_holes(scene_values((300, 420))))


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read()


def everything(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_they_are_what_the_classifier_says(
    cnn: Bundle, cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    result = map_scene(cnn_folder, reader, tmp_path / "out" / "map.tif", window=128, **ALL)
    expected = Classifier(cnn).probabilities(reader.read(Window(0, 0, 300, 420), cnn.model.margin))
    missing = np.isnan(expected[0])
    assert result.class_probabilities == tmp_path / "out" / "map_probabilities.tif"
    np.testing.assert_array_equal(
        read(result.class_probabilities), np.where(missing, 255, np.rint(100 * expected))
    )
    p = expected.astype(np.float64)
    entropy = 100 * -(p * np.log(np.maximum(p, 1e-30))).sum(axis=0) / np.log(4)
    assert result.entropy == tmp_path / "out" / "map_entropy.tif"
    (made,) = read(result.entropy)
    assert (made[missing] == 255).all() and missing.any()
    assert np.abs(made[~missing] - entropy[~missing]).max() < 0.51
    assert len(np.unique(made[~missing])) > 50


def test_entropy_is_0_for_one_sure_class_and_100_for_no_idea(write_input: WriteInput, tmp_path: Path) -> None:
    """Three classes; where the band is 0.5 they are equal, far from there one is sure."""
    model = linear_model(statistics(1), np.array([[0.0], [1.0], [-1.0]]), np.zeros(3))
    bundle.save(tmp_path / "model", model, card_of(model, (7, 3, 1)))
    values = np.full((1, 20, 30), 0.5, np.float32)
    values[:, :, 10:20], values[:, :, 20:] = 100, np.nan
    map_scene(tmp_path / "model", write_input(values), tmp_path / "map.tif", **ALL)
    (entropy,) = read(tmp_path / "map_entropy.tif")
    assert [set(np.unique(entropy[:, at : at + 10])) for at in (0, 10, 20)] == [{100}, {0}, {255}]
    probabilities = read(tmp_path / "map_probabilities.tif")
    assert probabilities[:, 5, 5].tolist() == [33, 33, 33]
    assert probabilities[:, 5, 15].tolist() == [0, 100, 0]
    assert probabilities[:, 5, 25].tolist() == [255, 255, 255]
    assert (read(tmp_path / "map.tif")[0, :, :10] == 7).all()  # of equal classes the first


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"entropy": True},
        {"class_probabilities": True},
        {"probability": True, "entropy": True, "class_probabilities": True},
    ],
)
def test_what_else_is_asked_changes_no_byte(
    asked: dict[str, bool], cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    map_scene(
        cnn_folder, reader, tmp_path / "plain" / "map.tif", window=128, engine="torch", probability=True
    )
    map_scene(cnn_folder, reader, tmp_path / "asked" / "map.tif", window=128, engine="torch", **asked)
    plain, made = everything(tmp_path / "plain"), everything(tmp_path / "asked")
    assert {name: made[name] for name in plain.keys() & made.keys()} == {
        name: plain[name] for name in plain.keys() & made.keys()
    }
    assert len(made) == 3 * (1 + sum(asked.values()))


def test_a_map_whose_name_is_that_of_a_layer_is_not_lost(
    cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    other = folder / "map_probability.tif"
    map_scene(cnn_folder, reader, other, engine="torch")
    before = everything(folder)
    with pytest.raises(
        OutputError, match=r"map_probability\.tif is in the way: the probability layer of map"
    ):
        map_scene(cnn_folder, reader, folder / "map.tif", engine="torch", probability=True)
    assert everything(folder) == before
    map_scene(cnn_folder, reader, folder / "map.tif", engine="torch")
    assert {name: everything(folder)[name] for name in before} == before


def test_a_kill_changes_no_byte(cnn_folder: Path, reader: AlignedReader, tmp_path: Path) -> None:
    map_scene(cnn_folder, reader, tmp_path / "whole" / "map.tif", window=100, **ALL)
    program = """
        import os, signal, sys
        from pathlib import Path
        from geo_xmodal.mapping import map_scene
        from geo_xmodal.raster.reader import aligned_reader

        folder = Path(sys.argv[1])

        def progress(done, total, message):
            if done == 7:
                os.kill(os.getpid(), signal.SIGKILL)

        reader = aligned_reader(folder / "input.tif", kind="sar")
        map_scene(folder / "model", reader, folder / "cut" / "map.tif", window=100, engine="torch",
                  probability=True, entropy=True, class_probabilities=True, progress=progress)
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    assert subprocess.run(command, env=environment, check=False).returncode == -9
    result = map_scene(cnn_folder, reader, tmp_path / "cut" / "map.tif", window=100, resume=True, **ALL)
    assert result.resumed == 7
    whole = everything(tmp_path / "whole")
    assert whole.keys() == {f"{name}{end}" for name in RASTERS for end in ("", ".aux.xml")} | {
        name.replace(".tif", ".qml") for name in RASTERS
    }
    assert everything(tmp_path / "cut") == whole


def test_they_are_valid_cogs_named_and_styled(
    cnn: Bundle, cnn_folder: Path, write_input: WriteInput, tmp_path: Path
) -> None:
    reader = write_input(with_holes(scene_values((700, 1100))))
    map_scene(cnn_folder, reader, tmp_path / "map.tif", **ALL)
    for name in RASTERS:
        valid, errors, doubts = cog_validate(tmp_path / name, strict=True)
        assert valid and not errors and not doubts
    with rasterio.open(tmp_path / "map_probabilities.tif") as dataset:
        assert dataset.descriptions == tuple(entry.name for entry in cnn.card.legend)
        assert dataset.nodatavals == (255,) * 4 and dataset.overviews(4)
        assert dataset.tags()["METHOD"] == "cnn"
        bands = dataset.read()
    root = ElementTree.parse(tmp_path / "map_probabilities.tif.aux.xml")
    told = {
        band.get("band"): float(band.findtext("Metadata/MDI[@key='STATISTICS_MEAN']") or "nan")
        for band in root.iter("PAMRasterBand")
    }
    assert told == {
        str(number): pytest.approx(band[band != 255].mean()) for number, band in enumerate(bands, start=1)
    }
    style = (tmp_path / "map_entropy.qml").read_text()
    assert "no idea" in style and "singlebandpseudocolor" in style


def test_overviews_are_the_commonest_class_and_the_mean(write_input: WriteInput, tmp_path: Path) -> None:
    """Blocks of 2 x 2 pixels: three of one class, one of another that changes place."""
    model = linear_model(statistics(1), np.array([[1.0], [-1.0]]), np.zeros(2))
    bundle.save(tmp_path / "model", model, card_of(model, (2, 5)))
    rng = np.random.default_rng(0)
    common = rng.integers(0, 2, (512, 512))
    odd = rng.integers(0, 4, (512, 512))
    first = np.where(np.arange(4) == odd[..., None], 1 - common[..., None], common[..., None])
    first = first.reshape(512, 512, 2, 2).transpose(0, 2, 1, 3).reshape(1024, 1024)
    values = np.where(first == 1, 1.5, -0.5).astype(np.float32)[None]
    map_scene(tmp_path / "model", write_input(values), tmp_path / "map.tif", **ALL)
    with rasterio.open(tmp_path / "map.tif", overview_level=0) as half:
        np.testing.assert_array_equal(half.read(1), np.where(common == 1, 2, 5))
    of_first = {1: 100 / (1 + np.exp(-2)), 0: 100 / (1 + np.exp(2))}
    with rasterio.open(tmp_path / "map_probabilities.tif", overview_level=0) as half:
        mean = np.where(common == 1, 3 * of_first[1] + of_first[0], of_first[1] + 3 * of_first[0]) / 4
        assert np.abs(half.read(1) - mean).max() <= 1


def test_a_window_holds_what_was_packed() -> None:
    ids = np.array([[1, 0, 5], [5, 5, 1]], np.uint8)
    probabilities = np.array([[[0.9, np.nan, 0.5], [0.1, 0.2, 1]], [[0.1, np.nan, 0.5], [0.9, 0.8, 0]]], "f4")
    window, layers = Window(7, 8, 2, 3), Layers(entropy=True, class_probabilities=True)
    grid = GeoBox((20, 20), Affine(0.5, 0, 10, 0, -0.5, 60), "EPSG:4326")
    areas = pixel_areas(grid)
    payload = pack_window(layers, areas, window, ids, probabilities.max(axis=0), probabilities)
    np.testing.assert_array_equal(unpack_layer(layers, payload, "classes", window), ids[None])
    np.testing.assert_array_equal(
        unpack_layer(layers, payload, "class_probabilities", window),
        [[[90, 255, 50], [10, 20, 100]], [[10, 255, 50], [90, 80, 0]]],
    )
    np.testing.assert_array_equal(
        unpack_layer(layers, payload, "entropy", window), [[[47, 255, 100], [47, 72, 0]]]
    )
    sums = unpack_sums(layers, payload)
    assert {value: int(sums.pixels[value]) for value in np.flatnonzero(sums.pixels)} == {0: 1, 1: 2, 5: 3}
    rows = areas.parts(Window(7, 0, 2, 1)).ravel()
    assert (sums.parts[1], sums.parts[5]) == (rows.sum(), rows[0] + 2 * rows[1])
    assert int(sums.percent[1]) == 190 and int(sums.percent[5]) == 220
    assert layers.bytes_per_pixel(classes=2) == 4


def test_rasters_of_an_older_map_of_that_name_are_taken_away(
    cnn_folder: Path, write_input: WriteInput, tmp_path: Path
) -> None:
    reader, out = write_input(scene_values((60, 70))), tmp_path / "out" / "map.tif"
    map_scene(cnn_folder, reader, out, probability=True, entropy=True)
    mine = out.with_name("map_probabilities.tif")
    mine.write_bytes(reader.path.read_bytes())  # not a map's
    map_scene(cnn_folder, reader, out, entropy=True)
    kept = {
        "map.tif",
        "map.tif.aux.xml",
        "map.qml",
        "map_entropy.tif",
        "map_entropy.tif.aux.xml",
        "map_entropy.qml",
    }
    assert {path.name for path in out.parent.iterdir()} == kept | {mine.name}
