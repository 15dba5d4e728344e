"""Networks that map in tiles: the same bits however the map is cut."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from geo_xmodal import bundle
from geo_xmodal.bundle import Bundle
from geo_xmodal.errors import ModelMismatchError, UsageError
from geo_xmodal.mapping import Classifier, Runtime, map_scene
from geo_xmodal.mapping.model import Model
from geo_xmodal.mapping.seen import read_seen, scene_window
from geo_xmodal.networks import NetworkSpec, PixelModel
from geo_xmodal.types import FloatArray, Window
from tests.mapping.conftest import WriteInput, card_of, scene_values, statistics, with_holes

CROPPED = {"tile": 32, "overlap": 16}
BLENDED = CROPPED | {"blend": 8}


@functools.lru_cache
def tiled(blended: bool) -> Bundle:
    torch.manual_seed(0)
    spec = NetworkSpec("segformer", {"width": 8, **(BLENDED if blended else CROPPED)})
    model = PixelModel(spec, statistics(3), 4)
    with torch.no_grad():
        model.network.head.classifier[-1].weight *= 30  # type: ignore[union-attr, index, operator]
    return Bundle(card_of(model, (1, 2, 5, 9)), model.eval())


@functools.lru_cache
def scene(side: int = 100) -> FloatArray:
    return with_holes(scene_values((side, side - 20)))


def classify(classifier: Classifier, values: FloatArray, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Of a window of an array, with nothing around the array."""
    seen = classifier.tiling.seen(window)
    padded = np.pad(values, ((0, 0), (100, 100), (100, 100)), constant_values=np.nan)
    part = padded[(slice(None), *seen.moved(100, 100).slices)]
    return classifier.classify(part, None, window)


@pytest.mark.parametrize("blended", [False, True])
def test_any_window_has_the_bits_of_the_whole(blended: bool) -> None:
    classifier = Classifier(tiled(blended))
    values = scene()
    ids, probability = classify(classifier, values, Window(0, 0, 100, 80))
    assert len(np.unique(ids)) > 2 and (ids == 0).any()
    for window in (Window(0, 0, 1, 1), Window(31, 5, 50, 41), Window(64, 32, 32, 32), Window(90, 60, 10, 20)):
        part, part_probability = classify(classifier, values, window)
        np.testing.assert_array_equal(part, ids[window.slices])
        np.testing.assert_array_equal(part_probability, probability[window.slices])


def test_blending_is_the_mean_of_two_tiles_where_they_overlap() -> None:
    blended = tiled(True)
    values = scene_values((64, 64))
    found = np.zeros((2, 4))
    tiling = blended.model.tiling
    place = (40, 31)  # at the border of the first and the second tile of the second row
    for k, tile in enumerate(tiling.tiles(Window(*place, 1, 1))):
        image = tile.padded(tiling.crop)
        padded = np.pad(values, ((0, 0), (64, 64), (64, 64)), constant_values=np.nan)
        part = torch.from_numpy(padded[(slice(None), *image.moved(64, 64).slices)].copy())[None]
        inside = Window(*place, 1, 1).seen_from(tile)
        weight = tiling.taper()[inside.row, inside.col]
        assert weight == pytest.approx(0.53125 if k == 0 else 0.46875)
        found[k] = weight * blended.model.probabilities(part)[0, :, inside.row, inside.col]
    classifier = Classifier(blended)
    _, probability = classify(classifier, values, Window(*place, 1, 1))
    assert probability[0, 0] == pytest.approx(found.sum(0).max(), abs=1e-5)


def test_an_array_and_a_file_are_mapped_alike_in_windows_of_any_size(
    tmp_path: Path, write_input: WriteInput
) -> None:
    trained, values = tiled(True), scene()
    bundle.save(tmp_path / "model", trained.model, trained.card)
    reader = write_input(values)
    maps = []
    for window in (512, 64, 40):
        map_scene(tmp_path / "model", reader, tmp_path / f"{window}.tif", window=window, engine="torch")
        with rasterio.open(tmp_path / f"{window}.tif") as file:
            maps.append(file.read(1))
    np.testing.assert_array_equal(maps[1], maps[0])
    np.testing.assert_array_equal(maps[2], maps[0])
    np.testing.assert_array_equal(Model(trained).predict(values).classes, maps[0])


def test_a_window_of_an_area_has_the_tiles_of_the_scene(
    tmp_path: Path, write_input: WriteInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    from geo_xmodal.mapping.area import AreaReader

    reader = write_input(scene())
    area = AreaReader(reader, Window(10, 7, 60, 50), tmp_path / "area.gpkg")
    everywhere = np.ones((500, 500), bool)
    monkeypatch.setattr(AreaReader, "inside", lambda self, there: everywhere[: there.height, : there.width])
    classifier = Classifier(tiled(False))
    there = Window(5, 3, 30, 20)
    assert scene_window(area, there) == there.moved(10, 7)
    expected = classifier.classify(
        read_seen(classifier, reader, there.moved(10, 7)), None, there.moved(10, 7)
    )
    found = classifier.classify(read_seen(classifier, area, there), None, scene_window(area, there))
    np.testing.assert_array_equal(found[1], expected[1])


def test_the_second_engine_gives_the_same_but_for_rounding() -> None:
    pytest.importorskip("openvino", reason="the openvino extra")
    window = Window(0, 0, 32, 32)
    of_torch = classify(Classifier(tiled(False)), scene(), window)[1]
    of_openvino = classify(Classifier(tiled(False), Runtime("openvino")), scene(), window)[1]
    np.testing.assert_allclose(of_openvino, of_torch, atol=1e-4)


def test_what_tiles_cannot_do_is_said() -> None:
    with pytest.raises(UsageError, match="int8"):
        Classifier(tiled(False), Runtime("openvino", "int8"))
    with pytest.raises(ModelMismatchError, match="give the window"):
        Classifier(tiled(False)).classify(scene())
    with pytest.raises(ModelMismatchError, match=r"the model expects \(3, 64, 64\)"):
        Classifier(tiled(False)).classify(scene(), None, Window(0, 0, 8, 8))
