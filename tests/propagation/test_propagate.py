from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import make_moons

from geo_xmodal.errors import LabelError
from geo_xmodal.propagation import neighbour_graph, propagate
from tests.propagation import paper


def two_moons(n: int = 1000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, truth, and one label in the middle of each moon."""
    features, truth = make_moons(n, noise=0.06, random_state=0)
    label = np.full(n, -1)
    for one, middle in enumerate([(0.0, 1.0), (1.0, -0.5)]):
        label[((features - middle) ** 2).sum(axis=1).argmin()] = one
    return features, truth, label


def some_labels(n: int, classes: int, share: float = 0.1, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    label = np.where(random.random(n) < share, random.integers(classes, size=n), -1)
    label[:classes] = np.arange(classes)
    return label


@pytest.mark.parametrize("copies", [1, 4], ids=["all different", "copies"])
def test_all_neighbours_and_a_sigma_are_the_papers_dense_loop(copies: int) -> None:
    random = np.random.default_rng(0)
    features = np.repeat(random.normal(size=(120 // copies, 5)), copies, axis=0).astype(np.float32)
    label = some_labels(120, 3)
    graph = neighbour_graph(features, k=119, sigma=1.5, search="exact")
    expected = paper.loop(paper.similarities(features.astype(np.float64), 1.5), label, 3)
    np.testing.assert_allclose(propagate(graph, label, 3).soft, expected, atol=1e-5)


@pytest.mark.parametrize("sigma", [None, 1.0])
def test_the_paper_s_loop_on_the_same_graph_ends_where_the_solver_does(sigma: float | None) -> None:
    features = np.random.default_rng(1).normal(size=(400, 6))
    label = some_labels(400, 4)
    graph = neighbour_graph(features, k=8, sigma=sigma)
    dense = graph.weights.toarray()[np.ix_(graph.node, graph.node)]
    result = propagate(graph, label, 4)
    assert result.converged
    assert result.reached.all()
    np.testing.assert_allclose(result.soft, paper.loop(dense, label, 4), atol=1e-5)


def test_between_two_labels_on_a_line_shares_fall_evenly() -> None:
    # exp(-100) to the next sample, exp(-400) to the one after: faint, and yet the ratio alone counts.
    label = np.full(11, -1)
    label[[0, 10]] = 0, 1
    result = propagate(neighbour_graph(np.arange(11.0)[:, None], k=2, sigma=0.1), label, 2)
    np.testing.assert_allclose(result.soft[:, 1], np.linspace(0, 1, 11), atol=1e-6)


def test_one_label_a_moon_is_enough() -> None:
    features, truth, label = two_moons()
    result = propagate(neighbour_graph(features), label, 2)
    assert (result.soft.argmax(axis=1) == truth).mean() > 0.99


def test_shares_sum_to_one_and_labels_stay() -> None:
    features, _, label = two_moons()
    soft = propagate(neighbour_graph(features), label, 3).soft
    assert soft.dtype == np.float32
    assert soft.shape == (1000, 3)
    assert (soft >= 0).all()
    np.testing.assert_allclose(soft.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(soft[label >= 0], np.eye(3)[label[label >= 0]])
    assert (soft[:, 2] == 0).all()  # a class without labels


@given(st.data())
def test_samples_in_another_order_have_the_same_shares(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 25))
    features = np.array(data.draw(st.lists(st.tuples(*[st.integers(-3, 3)] * 2), min_size=n, max_size=n)))
    label = np.array(data.draw(st.lists(st.integers(-1, 2), min_size=n, max_size=n)))
    label[0] = 1
    order = np.array(data.draw(st.permutations(range(n))))
    k = data.draw(st.integers(1, 4))
    one = propagate(neighbour_graph(features, k), label, 3)
    other = propagate(neighbour_graph(features[order], k), label[order], 3)
    np.testing.assert_array_equal(one.soft[order], other.soft)
    np.testing.assert_array_equal(one.reached[order], other.reached)


def test_where_no_label_reaches_nothing_is_claimed() -> None:
    random = np.random.default_rng(0)
    features = np.concatenate([random.normal(size=(40, 2)), 1000 + random.normal(size=(30, 2))])
    label = np.full(70, -1)
    label[:2] = 0, 1
    result = propagate(neighbour_graph(features, k=5), label, 2)
    np.testing.assert_array_equal(result.reached, np.arange(70) < 40)
    assert (result.soft[40:] == 0).all()
    np.testing.assert_allclose(result.soft[:40].sum(axis=1), 1, atol=1e-6)


def test_where_a_label_reaches_too_faintly_nothing_is_claimed() -> None:
    # exp(-900) is 0 in double precision, exp(-400) is not: the second group hangs on the first by a thread.
    features = np.concatenate([np.linspace(0, 1, 10), np.linspace(21, 22, 10), np.linspace(60, 61, 10)])
    label = np.full(30, -1)
    label[0] = 0
    result = propagate(neighbour_graph(features[:, None], k=29, sigma=1.0), label, 1)
    np.testing.assert_array_equal(result.reached, np.arange(30) < 10)
    np.testing.assert_array_equal(result.soft[:, 0], result.reached)


def test_copies_of_a_sample_have_the_same_shares() -> None:
    features, _, label = two_moons(300)
    once = neighbour_graph(features)
    copied = neighbour_graph(np.repeat(features, 5, axis=0))
    all_copies_labelled = propagate(copied, np.repeat(label, 5), 2)
    np.testing.assert_allclose(
        all_copies_labelled.soft, np.repeat(propagate(once, label, 2).soft, 5, axis=0), atol=1e-5
    )
    one_copy_labelled = np.full((300, 5), -1)
    one_copy_labelled[:, 2] = label
    soft = propagate(copied, one_copy_labelled.ravel(), 2).soft.reshape(300, 5, 2)
    np.testing.assert_array_equal(soft[:, [0]].repeat(3, axis=1), soft[:, [1, 3, 4]])
    assert (soft[label == 0, 0, 0] < 1).all(), "copies of a labelled sample lean to their neighbours too"
    assert (soft[label == 0, 0, 0] > 0.5).all()


def test_all_labelled_there_is_nothing_to_do() -> None:
    features, truth, _ = two_moons(50)
    result = propagate(neighbour_graph(features), truth, 2)
    np.testing.assert_array_equal(result.soft, np.eye(2)[truth])
    assert result.reached.all()
    assert result.converged
    assert result.iterations == 0


def test_labels_of_one_class_go_everywhere() -> None:
    features, _, _ = two_moons(200)
    label = np.full(200, -1)
    label[:3] = 1
    result = propagate(neighbour_graph(features), label, 2)
    np.testing.assert_array_equal(result.soft, np.tile([0, 1], (200, 1)))


def test_a_single_sample_keeps_its_label() -> None:
    np.testing.assert_array_equal(propagate(neighbour_graph([[1.0]]), np.array([1]), 2).soft, [[0, 1]])


def test_a_labelled_copy_decides_for_samples_without_neighbours() -> None:
    result = propagate(neighbour_graph(np.ones((3, 2))), np.array([1, -1, -1]), 2)
    np.testing.assert_array_equal(result.soft, [[0, 1]] * 3)


def test_a_rare_class_is_found_with_equal_labels() -> None:
    random = np.random.default_rng(0)
    truth = np.repeat([0, 1], [950, 50])
    features = random.normal(size=(1000, 4)) + 1.5 * truth[:, None]
    label = np.full(1000, -1)
    label[:5], label[-5:] = 0, 1
    graph = neighbour_graph(features)
    plain = propagate(graph, label, 2)
    right = (plain.soft.argmax(axis=1) == truth).mean()
    assert right > 0.95
    balanced = propagate(graph, label, 2, balance="labelled")
    assert (balanced.soft.argmax(axis=1) == truth).mean() < 0.8, "equal labels say nothing of frequencies"


def test_balance_is_class_mass_normalisation() -> None:
    features, _, _ = two_moons(300)
    label = some_labels(300, 2)
    graph = neighbour_graph(features)
    free, counts = label < 0, np.bincount(label[label >= 0])
    plain = propagate(graph, label, 2).soft[free].astype(np.float64)
    scaled = plain * (counts / counts.sum()) / plain.mean(axis=0)
    balanced = propagate(graph, label, 2, balance="labelled").soft
    np.testing.assert_allclose(balanced[free], scaled / scaled.sum(axis=1, keepdims=True), atol=1e-6)
    np.testing.assert_array_equal(balanced[~free], np.eye(2)[label[~free]])


def test_too_few_steps_are_told() -> None:
    features, _, label = two_moons()
    result = propagate(neighbour_graph(features), label, 2, max_iterations=3)
    assert not result.converged
    assert result.iterations == 3
    total = result.soft.sum(axis=1)
    np.testing.assert_allclose(total, result.reached, atol=1e-6)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (np.full(20, -1), "none of 20 samples has a label"),
        (np.full(20, 3), "from 0 to 2"),
        (np.full(20, -2), "got -2 to -2"),
        (np.zeros(19, dtype=int), r"20 integers.*\(19,\)"),
        (np.zeros(20), "20 integers.*float64"),
    ],
)
def test_labels_that_do_not_fit_are_refused(label: np.ndarray, message: str) -> None:
    features, _, _ = two_moons(20)
    with pytest.raises(LabelError, match=message):
        propagate(neighbour_graph(features), label, 3)
