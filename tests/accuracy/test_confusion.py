from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from geo_xmodal.accuracy import ConfusionMatrix
from geo_xmodal.errors import LabelError

IDS = (3, 7, 200)


def matrix_of(reference: np.ndarray, predicted: np.ndarray) -> ConfusionMatrix:
    matrix = ConfusionMatrix(len(IDS))
    matrix.add(reference, predicted, IDS)
    return matrix


def test_rows_are_reference_and_columns_are_map():
    matrix = matrix_of(np.uint8([[3, 3, 7], [200, 0, 7]]), np.uint8([[3, 7, 7], [3, 7, 0]]))
    assert matrix.counts.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert matrix.unmapped.tolist() == [0, 1, 0]
    assert matrix.n == 4
    assert matrix.counts.dtype == np.int64


def test_indices_count_as_ids_do():
    matrix = ConfusionMatrix(3)
    matrix.add_indices(np.array([0, 0, 1, 2, -1, 1]), np.array([0, 1, 1, 0, 1, -1]))
    assert matrix.counts.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert matrix.unmapped.tolist() == [0, 1, 0]


def test_an_empty_chunk_changes_nothing():
    matrix = matrix_of(np.zeros((0, 4), np.uint8), np.zeros((0, 4), np.uint8))
    assert matrix.n == 0


@pytest.mark.parametrize(
    ("what", "reference", "predicted"), [("reference", [9, 3], [3, 3]), ("map", [3, 3], [3, 255])]
)
def test_an_id_outside_the_class_list_is_named(what, reference, predicted):
    with pytest.raises(LabelError, match=rf"^{what} has class id (9|255) at 1 labelled pixels.*3, 7, 200"):
        matrix_of(np.uint8(reference), np.uint8(predicted))


def test_strange_ids_on_unlabelled_pixels_do_not_matter():
    assert matrix_of(np.uint8([0, 3]), np.uint8([99, 3])).n == 1


def test_negative_ids_are_no_class():
    with pytest.raises(LabelError, match="class id -2"):
        matrix_of(np.int16([-2, 3]), np.int16([3, 3]))


@pytest.mark.parametrize(
    ("reference", "predicted", "message"),
    [
        (np.zeros(3, np.uint8), np.zeros(4, np.uint8), "shape"),
        (np.ones(3), np.ones(3, np.uint8), "whole numbers"),
    ],
)
def test_what_cannot_be_counted_is_refused(reference, predicted, message):
    with pytest.raises(ValueError, match=message):
        matrix_of(reference, predicted)


@pytest.mark.parametrize("index", [-2, 3])
def test_indices_outside_the_matrix_are_refused(index):
    with pytest.raises(ValueError, match="expected -1 to 2"):
        ConfusionMatrix(3).add_indices(np.array([0]), np.array([index]))


@pytest.mark.parametrize("ids", [(1, 2), (1, 2, 2), (0, 1, 2)])
def test_ids_must_name_each_class_once(ids):
    with pytest.raises(ValueError, match="3 different class ids"):
        ConfusionMatrix(3).add(np.uint8([1]), np.uint8([1]), ids)


@pytest.mark.parametrize("counts", [[[1, 2]], [[1.5]], [[-1]]])
def test_counts_that_are_no_matrix_are_refused(counts):
    with pytest.raises(ValueError, match="confusion counts must be"):
        ConfusionMatrix.from_counts(counts)


def test_matrices_of_different_size_do_not_add():
    with pytest.raises(ValueError, match="2 and 3"):
        ConfusionMatrix(2) + ConfusionMatrix(3)


@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(0, 40)), elements=st.sampled_from((0, *IDS))),
    st.integers(0, 40),
    st.randoms(use_true_random=False),
)
def test_chunks_in_any_cut_give_the_same_counts(reference, cut, random):
    predicted = np.array([random.choice((0, *IDS)) for _ in reference], np.uint8)
    whole = matrix_of(reference, predicted)
    parts = matrix_of(reference[:cut], predicted[:cut]) + matrix_of(reference[cut:], predicted[cut:])
    assert (parts.counts == whole.counts).all()
    assert (parts.unmapped == whole.unmapped).all()
    assert whole.n + whole.unmapped.sum() == np.count_nonzero(reference)
