"""Values that a kind cannot have are refused wherever a scene is read, and what was assumed goes along."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from geo_xmodal.dependence.pixels import pair_of
from geo_xmodal.errors import RasterError, UsageError
from geo_xmodal.raster.reader import aligned_reader
from geo_xmodal.raster.value_check import checked_sample, checked_values, sampled_values
from geo_xmodal.samples.groups import GatherOptions, gather
from geo_xmodal.scenes.align import align_scene
from geo_xmodal.scenes.scene import open_scene
from geo_xmodal.types import lattice
from tests.rasters import utm_grid, write_raster
from tests.tiny import write_scene

FEW = GatherOptions(margin=1, unlabelled=50, unlabelled_target=50)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scene.toml written by hand, without `scale`, of radar in decibels."""
    folder = write_scene(tmp_path / "scene")
    with rasterio.open(folder / "sar.tif", "r+") as dataset:
        dataset.write(10 * np.log10(dataset.read()))
    return folder


def test_a_scene_of_decibels_does_not_train_and_is_not_correlated(folder: Path) -> None:
    scene = open_scene(folder)
    with pytest.raises(UsageError, match=r'sar.tif: band 1 .* holds decibels.*scale = "db" in scene.toml'):
        gather(scene, FEW)
    with pytest.raises(UsageError, match="holds decibels"):
        pair_of(scene, "hsi", "sar", samples=100, block=None, seed=0, progress=None)


def test_a_scene_that_says_decibels_trains_on_power(folder: Path, tmp_path: Path) -> None:
    text = (folder / "scene.toml").read_text().replace('kind = "sar"', 'kind = "sar"\nscale = "db"')
    (folder / "scene.toml").write_text(text)
    data = gather(open_scene(folder), FEW)
    expected = gather(open_scene(write_scene(tmp_path / "linear")), FEW)
    power, linear = (one.labelled_pairs.target.held for one in (data, expected))
    assert power is not None and linear is not None
    np.testing.assert_allclose(power, linear, rtol=1e-5)
    assert data.target.unit == "linear power" and not data.target.scaled


def test_what_was_assumed_goes_with_the_scene_to_training(tmp_path: Path) -> None:
    folder = write_scene(tmp_path / "scene")
    tagged = write_raster(tmp_path / "msi.tif", np.full((2, 96, 96), 700, np.uint16), utm_grid(96, 96))
    with rasterio.open(folder / "sar.tif") as dataset:
        crs, transform = dataset.crs, dataset.transform
    with rasterio.open(tagged, "r+") as dataset:
        dataset.crs, dataset.transform = crs, transform
        dataset.scales = (1e-3, 1e-3)
    scene = align_scene(
        tmp_path / "aligned",
        reference=folder / "sar.tif",
        modalities={"sar": folder / "sar.tif", "msi": tagged},
        labels={"train": folder / "train.tif", "test": folder / "test.tif"},
    )
    assert sampled_values(scene.reader("msi")) == pytest.approx(0.7)
    told = [str(one) for one in checked_values(scene.reader("msi"))]
    assert told == ["msi.tif: scale and offset tags are applied: values are stored x 0.001 + 0"]
    assert gather(scene, FEW).notes["assumptions"] == told


def test_a_small_corner_with_data_is_found(tmp_path: Path) -> None:
    values = np.full((1, 1500, 1500), np.nan, np.float32)
    values[0, 1450:, 1380:] = 5
    reader = aligned_reader(write_raster(tmp_path / "x.tif", values, utm_grid(1500, 1500)))
    found = sampled_values(reader)
    assert found.size and (found == 5).all()


def test_a_lattice_lies_inside_and_covers_small_grids() -> None:
    for shape in ((5, 3), (64, 64), (255, 256), (1000, 77)):
        seen = np.zeros(shape, int)
        for window in lattice(shape):
            rows, cols = window.slices
            assert 0 <= rows.start < rows.stop <= shape[0] and 0 <= cols.start < cols.stop <= shape[1]
            seen[window.slices] += 1
        assert seen.max() == 1
        if max(shape) <= 256:
            assert seen.all()


@pytest.mark.parametrize("kind", ["hsi", "msi", "lidar", "other"])
def test_values_that_tell_nothing_are_not_read(kind: str, tmp_path: Path) -> None:
    """244 bands on another grid take half a minute."""
    path = write_raster(tmp_path / "a.tif", np.ones((2, 60, 50), np.float32), utm_grid())
    reader = aligned_reader(path, kind=kind)  # type: ignore[arg-type]
    path.unlink()
    assert checked_values(reader) == reader.assumptions
    with pytest.raises(RasterError):
        checked_sample(reader)
