from __future__ import annotations

import numpy as np
import pytest

from geo_xmodal.correlation.retrieval import chance_recall, recall_at, repeated
from geo_xmodal.correlation.two_view import TwoViews

ROWS = np.arange(40)


def test_equal_features_are_found_and_scale_does_not_matter() -> None:
    f = np.random.default_rng(0).standard_normal((40, 5))
    assert recall_at(f, 3 * f, ROWS, ROWS) == {1: 1, 5: 1, 10: 1}


def test_recall_counts_partners_by_rank() -> None:
    angles = np.deg2rad([0, 10, 20, 90])
    g = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    f = g[[2, 1, 0, 3]]  # query 0 looks like item 2: its partner, item 0, is third
    assert recall_at(f, g, np.arange(4), np.arange(4), ranks=(1, 2, 3)) == {1: 0.5, 2: 0.5, 3: 1}


def test_features_that_are_all_alike_find_nothing() -> None:
    for constant in (0.0, 1.0):
        f = np.full((40, 3), constant)
        assert recall_at(f, f, ROWS, ROWS) == {1: 0, 5: 0, 10: 0}


def test_one_of_several_captions_is_enough_and_an_image_counts_once() -> None:
    images = np.repeat(np.eye(8), 5, axis=0)
    captions = np.random.default_rng(0).standard_normal((40, 8))
    captions[::5] = 9 * images[::5]  # one caption of five says what is seen
    whole = np.repeat(np.arange(8), 5)
    assert recall_at(images, captions, whole, ROWS)[1] == 1
    # the other captions find an image in eight by chance, the good ones always
    assert recall_at(captions, images, ROWS, whole)[1] > 0.2
    assert recall_at(captions, images, ROWS, whole, ranks=(8,))[8] == 1


def test_chance_is_what_random_features_reach() -> None:
    rng = np.random.default_rng(0)
    whole = np.repeat(np.arange(8), 5)
    for queries, items in ((ROWS, ROWS), (whole, ROWS), (ROWS, whole)):
        found = []
        for _ in range(60):
            f, g = (rng.standard_normal((40, 6))[numbers] for numbers in (queries, items))
            found.append(recall_at(f, g, queries, items))
        for k, expected in chance_recall(queries, items).items():
            assert np.mean([one[k] for one in found]) == pytest.approx(expected, abs=0.05)
    assert chance_recall(ROWS, ROWS)[5] == pytest.approx(5 / 40)
    assert chance_recall(ROWS, whole)[10] == 1


def test_rows_that_repeat_a_view_stay_on_one_side() -> None:
    rng = np.random.default_rng(0)
    image, text = np.repeat(np.arange(20), 5), np.arange(100)
    text[3] = text[96]  # the first and the last image have a caption in common
    views = TwoViews(rng.standard_normal((20, 3))[image], rng.standard_normal((100, 2))[text], None)
    for seed in range(5):
        test = views.split(share=0.3, groups=None, seed=seed).test
        assert 20 <= test.sum() <= 30
        assert all(len(set(test[image == one])) == 1 for one in range(20))
        assert test[3] == test[96]


def test_equal_rows_have_equal_numbers() -> None:
    numbers = repeated(np.array([[1.0, 2], [0, 0], [1, 2]]))
    assert numbers[0] == numbers[2] != numbers[1] and set(numbers) == {0, 1}
