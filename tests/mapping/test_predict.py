from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio

from geo_xmodal.bundle import Bundle
from geo_xmodal.mapping import Classifier, best_of, evaluate_windows, map_scene, preview
from geo_xmodal.types import Window, windows_over
from tests.mapping.conftest import WriteInput, scene_values, with_holes


def test_labelled_pixels_get_what_the_map_says(
    cnn: Bundle, cnn_folder: Path, write_input: WriteInput, tmp_path: Path
) -> None:
    reader = write_input(with_holes(scene_values((300, 420))))
    rng = np.random.default_rng(0)
    labels = np.where(rng.random((300, 420)) < 0.01, rng.integers(1, 10, (300, 420)), 0).astype(np.uint8)
    labels[:128, :128] = 0
    map_scene(cnn_folder, reader, tmp_path / "map.tif", window=128, probability=True)
    windows = list(windows_over(300, 420, 128))
    found = list(evaluate_windows(cnn, reader, [(window, labels[window.slices]) for window in windows]))
    assert len(found) == len(windows) - 1
    with rasterio.open(tmp_path / "map.tif") as dataset:
        ids = dataset.read(1)
    legend = np.array([land.id for land in cnn.card.legend], np.uint8)
    expected = [window.slices for window in windows[1:]]
    unmapped = 0
    for (reference, probabilities), part in zip(found, expected, strict=True):
        predicted, probability = best_of(probabilities, legend)
        where = labels[part] > 0
        np.testing.assert_array_equal(reference, labels[part][where])
        np.testing.assert_array_equal(predicted, ids[part][where])
        np.testing.assert_array_equal(np.isnan(probability), predicted == 0)
        unmapped += (predicted == 0).sum()
    assert unmapped > 10


def test_windows_without_labels_are_not_read(cnn: Bundle, write_input: WriteInput) -> None:
    reader = write_input(scene_values((50, 50)))
    reader.path.unlink()
    assert list(evaluate_windows(cnn, reader, [(Window(0, 0, 50, 50), np.zeros((50, 50), np.uint8))])) == []


def test_preview_is_the_middle_of_the_map(cnn: Bundle, write_input: WriteInput) -> None:
    reader = write_input(with_holes(scene_values((700, 130))))
    whole, _ = Classifier(cnn).classify(reader.read(Window(0, 0, 700, 130), cnn.model.margin))
    window, ids = preview(cnn, reader)
    assert window == Window(0, 0, 700, 130)
    np.testing.assert_array_equal(ids, whole)
    window, ids = preview(cnn, reader, max_side=100)
    assert window == Window(300, 15, 100, 100)
    assert (ids == whole[window.slices]).mean() > 0.999
