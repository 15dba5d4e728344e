"""Precomputed features as target and as auxiliary sensor, from files to a map, through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio import Affine

import geo_xmodal as gx
from geo_xmodal.commands.app import run
from geo_xmodal.dependence.pixels import pair_of
from tests import tiny

NAMES = tuple(f"A{band:02d}" for band in range(64))
SMALL = (*tiny.QUICK, "--set", "contrasts=", "--set", "kernels=3", "--set", "widths=32")
"""A network that is quick on 64 bands."""

BOTTOM_UP = Affine(10, 0, tiny.WEST, 0, 10, tiny.NORTH - tiny.SIDE * 10)


def write_features(path: Path, noise: float = 0.1) -> Path:
    """AlphaEarth's layout, stored bottom-up: a direction for each class, with noise, in signed squares."""
    rng = np.random.default_rng(3)
    directions = rng.normal(size=(64, len(tiny.IDS)))
    vectors = directions[:, np.searchsorted(tiny.IDS, tiny.truth())]
    vectors = vectors + rng.normal(0, noise * 8, vectors.shape)
    vectors /= np.linalg.norm(vectors, axis=0)
    stored = np.rint(np.sign(vectors) * np.sqrt(np.abs(vectors)) * 127.5).clip(-127, 127).astype(np.int8)
    stored[:, :4, :4] = -128
    tiny.write_raster(path, stored[:, ::-1], transform=BOTTOM_UP, nodata=-128)
    with rasterio.open(path, "r+") as dataset:
        dataset.descriptions = NAMES
    return path


@pytest.fixture
def files(tmp_path: Path) -> Path:
    scene = tiny.write_scene(tmp_path / "files")
    write_features(scene / "alphaearth_2024.tif")
    return scene


def ok(*arguments: object) -> None:
    assert run([str(one) for one in arguments]) == 0


def aligned(files: Path, out: Path, *options: object) -> Path:
    labels = ("--train-labels", files / "train.tif", "--test-labels", files / "test.tif")
    ok("align", out, *options, *labels, "--classes", files / "scene.toml")
    return out


def test_features_as_target_map_a_file_of_theirs(files: Path, tmp_path: Path) -> None:
    features = files / "alphaearth_2024.tif"
    scene = aligned(files, tmp_path / "scene", "--reference", features, "--hsi", files / "hsi.tif")
    opened = gx.open_scene(scene)
    assert opened.modality("embedding").kind == "embedding"
    assert opened.grid.affine.e < 0
    ok("train", "--scene", scene, *SMALL, "--out", tmp_path / "run")
    ok("map", "--model", tmp_path / "run", "--input", features, "--out", tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as made:
        found = made.read(1)
        assert made.transform == BOTTOM_UP
    found = found[::-1]
    assert (found[:4, :4] == 0).all()
    known = found > 0
    assert known.sum() == tiny.SIDE**2 - 16
    assert (found == tiny.truth())[known].mean() > 0.9
    pair = pair_of(opened, "embedding", "hsi", samples=200, block=None, seed=0, progress=None)
    assert pair.views(pair.positions, (1,))[0].shape == (200, 64)


def test_a_radar_map_needs_no_features_that_helped_in_training(files: Path, tmp_path: Path) -> None:
    features = files / "alphaearth_2024.tif"
    scene = aligned(files, tmp_path / "scene", "--reference", files / "sar.tif", "--embedding", features)
    ok("train", "--scene", scene, *tiny.QUICK, "--out", tmp_path / "run")
    card = gx.read_card(tmp_path / "run")
    assert (card.target.kind, card.auxiliary) == ("sar", "embedding")
    features.unlink()
    ok("map", "--model", tmp_path / "run", "--scene", scene, "--out", tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as made:
        assert set(np.unique(made.read(1))) <= {0, *tiny.IDS}


def metrics(run_folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run_folder / "metrics.json").read_text(encoding="utf-8"))
    return found


def test_a_forest_maps_features_of_the_pixel_alone_without_another_sensor(
    files: Path, tmp_path: Path
) -> None:
    features = files / "alphaearth_2024.tif"
    scene = aligned(files, tmp_path / "scene", "--reference", features)
    ok("train", "--scene", scene, "--method", "forest", "--set", "trees=20", "--out", tmp_path / "run")
    assert metrics(tmp_path / "run")["oa"] > 0.9
    assert gx.read_card(tmp_path / "run").margin == 0


def test_a_model_of_one_version_refuses_another(
    tmp_path: Path, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(0, 1, (128, tiny.SIDE, tiny.SIDE)).astype(np.float32)
    for version in ("1.0", "1.1"):
        path = tiny.write_raster(tmp_path / f"tile-{version}.tif", values)
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(TESSERA_DATASET_VERSION=version)
    options = (
        "--reference",
        tmp_path / "tile-1.0.tif",
        "--target-kind",
        "embedding",
        "--sar",
        files / "sar.tif",
    )
    scene = aligned(files, tmp_path / "scene", *options)
    ok("train", "--scene", scene, "--method", "svm", "--out", tmp_path / "run")
    assert gx.read_card(tmp_path / "run").target.sensor == "tile-1.0.tif [TESSERA 1.0]"
    words = ("map", "--model", tmp_path / "run", "--out", tmp_path / "map.tif", "--input")
    ok(*words, tmp_path / "tile-1.0.tif")
    capsys.readouterr()
    assert run([str(one) for one in (*words, tmp_path / "tile-1.1.tif")]) == 2
    assert "features of TESSERA 1.1, the model was made for TESSERA 1.0" in capsys.readouterr().err
