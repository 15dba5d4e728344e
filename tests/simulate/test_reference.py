from __future__ import annotations

import numpy as np
import pytest

from geo_xmodal.simulate.reference import LabelledPolygons, choose_training, scaled_counts
from geo_xmodal.types import ClassArray, Window

CLASSES = np.zeros((200, 120), np.uint8)
CLASSES[:, :40], CLASSES[:90, 40:80], CLASSES[90:, 40:80], CLASSES[:, 84:] = 1, 2, 3, 1


def _read(window: Window) -> ClassArray:
    rows, cols = window.slices
    assert 0 <= rows.start < rows.stop <= 200 and 0 <= cols.start < cols.stop <= 120
    return CLASSES[rows, cols]


def test_counts_are_in_proportion_but_never_too_few() -> None:
    assert scaled_counts((443, 170), 0.25, 12) == (111, 42)
    assert scaled_counts((443, 22), 0.01, 12) == (12, 12)


def test_training_pixels_are_as_many_as_asked_of_their_class_and_in_the_strip() -> None:
    strip = Window(3, 2, 190, 90)
    chosen = choose_training(_read, strip, (1, 2, 3), (60, 45, 12), seed=1)
    assert np.bincount(chosen.label).tolist() == [0, 60, 45, 12]
    rows, cols = chosen.position.T
    assert np.array_equal(CLASSES[rows, cols], chosen.label)
    assert len(np.unique(rows * 1000 + cols)) == 117
    assert rows.min() >= 3 and rows.max() < 193 and cols.min() >= 2 and cols.max() < 92


def test_training_pixels_come_in_small_clumps_spread_out() -> None:
    chosen = choose_training(_read, Window(0, 0, 200, 120), (1,), (100,), seed=1)
    distance = np.abs(chosen.position[:, None] - chosen.position[None]).max(axis=2)
    np.fill_diagonal(distance, 99)
    assert np.mean(distance.min(axis=1) == 1) > 0.9
    assert np.ptp(chosen.position[:, 0]) > 120
    assert ((distance <= 2).sum(axis=1)).max() <= 14


def test_a_class_that_is_not_there_gives_no_pixels() -> None:
    chosen = choose_training(_read, Window(0, 0, 80, 30), (1, 2), (10, 10), seed=1)
    assert np.bincount(chosen.label, minlength=3).tolist() == [0, 10, 0]


def test_polygons_give_the_shares_asked_and_whole_polygons() -> None:
    random = np.random.default_rng(0)
    polygon = np.arange(300)[:, None] // 5 * 60 + np.arange(300) // 5
    classes = random.choice(np.array([0, 1, 2], np.uint8), 3600, p=(0.1, 0.6, 0.3))[polygon]
    rank = random.integers(0, 256, 3600).astype(np.uint8)[polygon]
    polygons = LabelledPolygons(0.4, {1: 0.75, 2: 0.25})
    for part in np.array_split(np.arange(300), 4):
        polygons.count(classes[part], rank[part])
    polygons.settle()
    kept = polygons.keep(classes, rank)
    assert (kept == 1).mean() == pytest.approx(0.30, abs=0.01)
    assert (kept == 2).mean() == pytest.approx(0.10, abs=0.01)
    whole = [len(np.unique(kept[polygon == k])) for k in range(0, 3600, 37)]
    assert set(whole) == {1}


def test_a_class_that_is_too_rare_is_labelled_whole() -> None:
    classes = np.ones((50, 50), np.uint8)
    classes[:2] = 2
    polygons = LabelledPolygons(0.5, {1: 0.5, 2: 0.5})
    rank = np.random.default_rng(0).integers(0, 256, (50, 50)).astype(np.uint8)
    polygons.count(classes, rank)
    polygons.settle()
    assert np.all(polygons.keep(classes, rank)[:2] == 2)
