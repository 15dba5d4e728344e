from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import sklearn.metrics as reference_metrics
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from geo_xmodal.accuracy import Calibration, ConfusionMatrix, Metrics, metrics
from geo_xmodal.types import LandClass


def classes_of(count: int) -> list[LandClass]:
    return [LandClass(10 * k + 1, f"class {k}", "#336699") for k in range(count)]


def metrics_of(counts: list[list[int]] | np.ndarray, **options: object) -> Metrics:
    return metrics(ConfusionMatrix.from_counts(counts), classes_of(len(counts)), **options)


def test_known_answers():
    # Two classes: 8 of 10 and 15 of 20 right; the map gives 13 and 17.
    found = metrics_of([[8, 2], [5, 15]])
    assert found["oa"] == pytest.approx(23 / 30)
    assert found["aa"] == pytest.approx((0.8 + 0.75) / 2)
    chance = (10 * 13 + 20 * 17) / 900
    assert found["kappa"] == pytest.approx((23 / 30 - chance) / (1 - chance))
    assert found["miou"] == pytest.approx((8 / 15 + 15 / 22) / 2)
    assert found["macro_f1"] == pytest.approx((16 / 23 + 30 / 37) / 2)
    assert found["per_class"][0] == {
        "id": 1,
        "name": "class 0",
        "precision": pytest.approx(8 / 13),
        "recall": pytest.approx(0.8),
        "f1": pytest.approx(16 / 23),
        "iou": pytest.approx(8 / 15),
        "support": 10,
    }
    assert found["confusion"] == [[8, 2], [5, 15]]
    assert (found["n"], found["split"], found["ece"]) == (30, "test", None)


def test_the_keys_are_those_of_metrics_json():
    assert list(metrics_of([[1]])) == [
        "oa", "aa", "kappa", "miou", "macro_f1", "ece", "per_class", "confusion", "n", "split",
    ]  # fmt: skip


def test_a_class_without_reference_is_out_of_aa_and_counts_as_zero_in_miou():
    found = metrics_of([[3, 0, 1], [0, 4, 0], [0, 0, 0]])
    invented = found["per_class"][2]
    assert (invented["recall"], invented["precision"], invented["f1"], invented["iou"]) == (None, 0, 0, 0)
    assert found["aa"] == pytest.approx((0.75 + 1) / 2)
    assert found["miou"] == pytest.approx((0.75 + 1 + 0) / 3)


def test_a_class_that_occurs_nowhere_is_out_of_every_mean():
    with_ghost = metrics_of([[3, 1, 0], [2, 4, 0], [0, 0, 0]])
    without = metrics_of([[3, 1], [2, 4]])
    for measure in ("oa", "aa", "kappa", "miou", "macro_f1"):
        assert with_ghost[measure] == without[measure]
    ghost = with_ghost["per_class"][2]
    assert {ghost[key] for key in ("precision", "recall", "f1", "iou")} == {None}


def test_a_class_never_mapped_has_no_precision():
    assert metrics_of([[0, 2], [0, 3]])["per_class"][0]["precision"] is None


def test_nothing_counted_leaves_everything_undefined():
    found = metrics_of([[0, 0], [0, 0]])
    assert [found[key] for key in ("oa", "aa", "kappa", "miou", "macro_f1")] == [None] * 5


@pytest.mark.parametrize(
    ("counts", "kappa"),
    [
        ([[5, 0], [0, 5]], 1.0),
        ([[0, 5], [5, 0]], -1.0),
        ([[2, 2], [2, 2]], 0.0),
        ([[4, 0], [6, 0]], 0.0),  # one class mapped everywhere
        ([[7, 0], [0, 0]], None),  # chance agreement is certain
    ],
)
def test_kappa_at_its_edges(counts, kappa):
    assert metrics_of(counts)["kappa"] == kappa


def test_kappa_is_exact_where_int64_products_overflow():
    small = metrics_of([[40, 10], [5, 45]])["kappa"]
    assert metrics_of(np.array([[40, 10], [5, 45]]) * 10**9)["kappa"] == pytest.approx(small)


def test_the_calibration_error_is_passed_on():
    calibration = Calibration()
    calibration.add(np.array([0.9, 0.9]), np.array([True, False]))
    assert metrics_of([[1, 1], [0, 0]], calibration=calibration, split="validation")["ece"] == pytest.approx(
        0.4
    )


def test_classes_must_be_those_of_the_matrix():
    with pytest.raises(ValueError, match="2 classes for a matrix of 3"):
        metrics(ConfusionMatrix(3), classes_of(2))


@given(hnp.arrays(np.int64, st.integers(1, 6).map(lambda k: (k, k)), elements=st.integers(0, 9)))
def test_agrees_with_scikit_learn_for_any_counts(counts):
    found = metrics_of(counts)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    if not counts.sum():
        return
    pairs = [(i, j) for (i, j), count in np.ndenumerate(counts) for _ in range(count)]
    truth, said = np.array(pairs).T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of the absent classes that are tested here
        assert found["oa"] == pytest.approx(reference_metrics.accuracy_score(truth, said))
        assert found["aa"] == pytest.approx(reference_metrics.balanced_accuracy_score(truth, said))
        assert found["miou"] == pytest.approx(reference_metrics.jaccard_score(truth, said, average="macro"))
        assert found["macro_f1"] == pytest.approx(reference_metrics.f1_score(truth, said, average="macro"))
        kappa = reference_metrics.cohen_kappa_score(truth, said)
        precision, recall, f1, support = reference_metrics.precision_recall_fscore_support(
            truth, said, labels=range(len(counts)), zero_division=np.nan
        )
    assert (found["kappa"] is None and np.isnan(kappa)) or found["kappa"] == pytest.approx(kappa, abs=1e-12)
    for key, values in (("precision", precision), ("recall", recall), ("f1", f1), ("support", support)):
        mine = [np.nan if one[key] is None else one[key] for one in found["per_class"]]
        np.testing.assert_allclose(mine, values)
