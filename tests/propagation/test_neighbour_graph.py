from __future__ import annotations

import warnings

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from geo_xmodal.errors import TrainingDataError, UsageError
from geo_xmodal.propagation import NeighbourGraph, neighbour_graph

GRID = hnp.arrays(np.float32, st.tuples(st.integers(1, 30), st.integers(1, 3)), elements=st.integers(-3, 3))


def clusters(n: int, d: int = 16, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    centres = random.normal(size=(8, d))
    return (centres[random.integers(8, size=n)] + 0.3 * random.normal(size=(n, d))).astype(np.float32)


def of_samples(graph: NeighbourGraph) -> np.ndarray:
    """(n, n) similarities of samples that are all different."""
    return graph.weights.toarray()[np.ix_(graph.node, graph.node)]


def edges(graph: NeighbourGraph) -> set[tuple[int, int]]:
    """Pairs of samples, all different, that are joined."""
    sample = np.argsort(graph.node)
    row, column = graph.weights.nonzero()
    return set(zip(sample[row].tolist(), sample[column].tolist(), strict=True))


def self_tuned(features: np.ndarray, k: int) -> np.ndarray:
    """exp(-d^2 / (s_i s_j)) between neighbours, with scikit-learn's exact search in double precision."""
    n = len(features)
    distance, index = NearestNeighbors(n_neighbors=k).fit(features.astype(np.float64)).kneighbors()
    scale = distance[:, -1]
    weights = np.zeros((n, n))
    for i in range(n):
        weights[i, index[i]] = np.exp(-(distance[i] ** 2) / (scale[i] * scale[index[i]]))
    return np.maximum(weights, weights.T)


def same(a: NeighbourGraph, b: NeighbourGraph) -> bool:
    return (
        np.array_equal(a.weights.indptr, b.weights.indptr)
        and np.array_equal(a.weights.indices, b.weights.indices)
        and np.array_equal(a.weights.data, b.weights.data)
        and np.array_equal(a.node, b.node)
    )


@pytest.mark.parametrize("k", [1, 5, 15])
def test_neighbours_and_scales_are_those_of_an_exact_search(k: int) -> None:
    features = clusters(400)
    np.testing.assert_allclose(of_samples(neighbour_graph(features, k)), self_tuned(features, k), rtol=1e-4)


def test_a_sigma_is_the_papers_equation_1_on_the_neighbours() -> None:
    graph = neighbour_graph([[0.0, 0.0], [3.0, 4.0], [3.0, 5.0]], k=1, sigma=10.0)
    near, far = np.exp(-1 / 100), np.exp(-25 / 100)
    np.testing.assert_allclose(of_samples(graph), [[0, far, 0], [far, 0, near], [0, near, 0]])


def test_small_distances_far_from_the_origin_are_kept() -> None:
    features = (1000 + np.random.default_rng(0).normal(scale=0.05, size=(300, 8))).astype(np.float32)
    np.testing.assert_allclose(of_samples(neighbour_graph(features, 5)), self_tuned(features, 5), rtol=1e-3)


def test_tiny_features_have_similarities_too() -> None:
    graph = neighbour_graph(clusters(50).astype(np.float64) * 1e-30)
    assert np.isfinite(graph.weights.data).all()
    assert graph.weights.nnz > 0


@given(GRID, st.integers(1, 6), st.sampled_from([None, 1.5]))
def test_similarities_are_symmetric_without_a_diagonal(
    features: np.ndarray, k: int, sigma: float | None
) -> None:
    graph = neighbour_graph(features, k, sigma=sigma)
    dense = graph.weights.toarray()
    np.testing.assert_array_equal(dense, dense.T)
    assert (np.diag(dense) == 0).all()
    assert ((graph.weights.data > 0) & (graph.weights.data <= 1)).all()
    distinct = len(np.unique(features, axis=0))
    assert graph.weights.shape == (distinct, distinct)
    assert ((dense > 0).sum(axis=1) >= min(k, distinct - 1)).all()


def test_similarities_of_zero_join_nothing() -> None:
    assert neighbour_graph(clusters(50), sigma=1e-3).weights.nnz == 0


@given(GRID)
def test_samples_share_a_node_where_and_only_where_they_are_equal(features: np.ndarray) -> None:
    node = neighbour_graph(features, 3).node
    equal = (features[:, None] == features[None]).all(axis=2)
    np.testing.assert_array_equal(node[:, None] == node[None], equal)


def test_minus_zero_is_zero() -> None:
    assert len(np.unique(neighbour_graph([[0.0, 1.0], [-0.0, 1.0], [2.0, 2.0]]).node)) == 2


def test_copies_do_not_eat_the_neighbours() -> None:
    once = clusters(100)
    copied = neighbour_graph(np.repeat(once, 20, axis=0), 5)
    plain = neighbour_graph(once, 5)
    np.testing.assert_array_equal(copied.weights.toarray(), plain.weights.toarray())
    np.testing.assert_array_equal(copied.node, np.repeat(plain.node, 20))


def test_the_approximate_search_finds_nearly_all_neighbours() -> None:
    features = clusters(4000)
    exact, found = (
        edges(neighbour_graph(features, 10, search=search)) for search in ("exact", "approximate")
    )
    assert len(exact & found) > 0.95 * len(exact)
    assert len(exact & found) > 0.95 * len(found)


def test_few_samples_are_searched_exactly() -> None:
    features = clusters(500)
    assert same(neighbour_graph(features), neighbour_graph(features, search="exact"))


@pytest.mark.parametrize("search", ["exact", "approximate"])
def test_the_graph_does_not_depend_on_threads(search: str) -> None:
    # Large enough that a division of k-means among threads does move clusters.
    features = clusters(20_000 if search == "approximate" else 3000, d=64)
    before = faiss.omp_get_max_threads()
    graphs = []
    try:
        for threads in (1, 2, 7):
            faiss.omp_set_num_threads(threads)
            graphs.append(neighbour_graph(features, 5, search=search))
            assert faiss.omp_get_max_threads() == threads
    finally:
        faiss.omp_set_num_threads(before)
    assert all(same(graphs[0], other) for other in graphs[1:])


@pytest.mark.parametrize("search", ["exact", "approximate"])
def test_samples_in_another_order_have_the_same_graph(search: str) -> None:
    features = clusters(2000)
    order = np.random.default_rng(1).permutation(len(features))
    one = neighbour_graph(features, search=search)
    other = neighbour_graph(features[order], search=search)
    assert same(NeighbourGraph(one.weights, one.node[order]), other)


def test_a_seed_decides_the_approximate_search_alone() -> None:
    features = clusters(3000)
    one, same_seed, other = (neighbour_graph(features, search="approximate", seed=seed) for seed in (0, 0, 1))
    assert same(one, same_seed)
    assert not same(one, other)
    assert same(neighbour_graph(features, seed=0), neighbour_graph(features, seed=2**40))


@pytest.mark.parametrize("search", ["exact", "approximate"])
@pytest.mark.parametrize("n", [2, 3, 10])
def test_with_few_samples_all_others_are_neighbours(n: int, search: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graph = neighbour_graph(clusters(n), k=15, sigma=10.0, search=search)
    assert graph.weights.nnz == n * (n - 1)


@pytest.mark.parametrize("features", [np.ones((1, 4)), np.ones((5, 4))])
def test_without_different_samples_there_are_no_similarities(features: np.ndarray) -> None:
    graph = neighbour_graph(features)
    assert sparse.issparse(graph.weights)
    assert graph.weights.shape == (1, 1)
    assert graph.weights.nnz == 0
    np.testing.assert_array_equal(graph.node, np.zeros(len(features)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1e20, 1e300])
def test_features_without_distances_are_refused(bad: float) -> None:
    features = clusters(20).astype(np.float64)
    features[[3, 7], 5] = bad
    with pytest.raises(TrainingDataError, match=r"2 of 20 samples.*the first is sample 3"):
        neighbour_graph(features)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (4,), (2, 2, 2)])
def test_features_that_are_no_table_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(TrainingDataError, match="features"):
        neighbour_graph(np.zeros(shape))


@pytest.mark.parametrize("options", [{"k": 0}, {"sigma": 0.0}, {"sigma": -1.0}, {"sigma": np.nan}])
def test_options_without_a_meaning_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        neighbour_graph(clusters(20), **options)
