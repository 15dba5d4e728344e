from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

import geo_xmodal as gx
from geo_xmodal import bundle
from geo_xmodal.bundle import Bundle
from geo_xmodal.errors import BundleError, UsageError
from geo_xmodal.mapping import Classifier, Runtime
from tests.mapping.conftest import card_of, scene_values, statistics, with_holes
from tests.small_trees import small_trees
from tests.tiny import write_raster

IDS = (1, 2, 5, 9)


@pytest.fixture(scope="module", params=["forest", "boosting"])
def trees(request: pytest.FixtureRequest) -> Bundle:
    model = small_trees(statistics(3), len(IDS), request.param)
    return Bundle(card_of(model, IDS), model)


def test_a_bundle_of_trees_comes_back_as_it_was(trees: Bundle, tmp_path: Path) -> None:
    bundle.save(tmp_path / "model", trees.model, trees.card)
    back = gx.load_bundle(tmp_path / "model")
    x = torch.randn(1, 3, 30, 31, generator=torch.Generator().manual_seed(0))
    assert torch.equal(back.model(x), trees.model(x))
    assert back.model.size == sum(table.numel() for table in trees.model.network.buffers()) - 6  # and context
    assert back.card.network.options["combine"] == ("sum" if len(trees.model.network.output) else "mean")


def test_any_window_has_the_same_bits_by_any_engine(trees: Bundle) -> None:
    values = with_holes(scene_values((90, 100)))
    m = trees.model.margin
    whole = Classifier(trees).probabilities(values)
    part = Classifier(trees, Runtime("openvino"), threads=1).probabilities(values[:, 17:80, 9:77])
    np.testing.assert_array_equal(part, whole[:, 17 : 80 - 2 * m, 9 : 77 - 2 * m])
    side = 2 * m + 1
    pixel = torch.from_numpy(values[None, :, 40 : 40 + side, 50 : 50 + side].copy())
    np.testing.assert_array_equal(trees.model.probabilities(pixel)[0, :, 0, 0], whole[:, 40, 50])


def test_maps_are_the_same_files_whatever_the_windows(trees: Bundle, tmp_path: Path) -> None:
    bundle.save(tmp_path / "model", trees.model, trees.card)
    source = write_raster(tmp_path / "sar.tif", with_holes(scene_values((70, 61))), nodata=np.nan)
    reader = gx.aligned_reader(source, kind="sar")
    maps = []
    for window, engine in ((64, "torch"), (23, "openvino")):
        out = tmp_path / f"{window}.tif"
        gx.map_scene(tmp_path / "model", reader, out, window=window, engine=engine, class_probabilities=True)
        with (
            rasterio.open(out) as ids,
            rasterio.open(out.with_name(f"{window}_probabilities.tif")) as probabilities,
        ):
            maps.append((ids.read(), probabilities.read()))
    assert len(np.unique(maps[0][0])) > 3
    for one, other in zip(*maps, strict=True):
        np.testing.assert_array_equal(one, other)


def test_trees_are_not_computed_in_fewer_bits(trees: Bundle) -> None:
    with pytest.raises(UsageError, match="precision int8: trees compare numbers exactly"):
        Classifier(trees, Runtime("openvino", "int8"))
    with pytest.raises(UsageError, match="device cuda: trees are walked on the processor"):
        Classifier(trees, Runtime("torch", "float32", "cuda"))


def test_damaged_trees_are_refused_by_the_name_of_their_file(trees: Bundle, tmp_path: Path) -> None:
    model = small_trees(statistics(3), len(IDS))
    model.network.child[0] = 0
    bundle.save(tmp_path / "model", model, card_of(model, IDS))
    with pytest.raises(BundleError, match=r"model\.safetensors: network 'trees': a node's children") as told:
        bundle.load(tmp_path / "model")
    assert "\n" not in str(told.value)
