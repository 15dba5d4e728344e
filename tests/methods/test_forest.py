from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from geo_xmodal.errors import UsageError
from geo_xmodal.methods import METHODS
from geo_xmodal.methods.forest import ForestGrowth, fit_forest
from geo_xmodal.networks import NetworkSpec, TreeTensors, build_network
from geo_xmodal.training.request import options_for
from tests.training_data import make_training_data


def predicted(trees: TreeTensors, features: np.ndarray, classes: int) -> np.ndarray:
    network = build_network(NetworkSpec("trees", trees.sizes), features.shape[1], classes)
    network.fill(trees)  # type: ignore[operator]
    return network.predict(torch.from_numpy(features)).softmax(1).numpy()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("kind", "reference"), [("extra_trees", ExtraTreesRegressor), ("random_forest", RandomForestRegressor)]
)
def test_a_forest_on_soft_labels_is_scikit_learns(kind: str, reference: type) -> None:
    rng = np.random.default_rng(0)
    x, new = rng.normal(size=(2, 400, 5)).astype(np.float32)
    soft, weight = rng.dirichlet(np.ones(3), size=400), rng.random(400)
    growth = ForestGrowth(kind=kind, trees=10, max_depth=9, min_leaf=3, split_share=0.5)
    expected = reference(10, max_depth=9, min_samples_leaf=3, max_features=0.5, random_state=5)
    expected.fit(x, soft, sample_weight=weight)
    found = predicted(fit_forest(x, soft, weight, growth, 5), new, 3)
    np.testing.assert_allclose(found, expected.predict(new), atol=1e-3)


def test_threads_do_not_change_a_forest() -> None:
    rng = np.random.default_rng(0)
    x, soft = rng.normal(size=(200, 5)).astype(np.float32), np.eye(3)[rng.integers(3, size=200)]
    before = torch.get_num_threads()
    grown = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        grown.append(fit_forest(x, soft, np.ones(200), ForestGrowth(trees=8), 1))
    torch.set_num_threads(before)
    assert all(torch.equal(getattr(grown[0], name), getattr(grown[1], name)) for name in vars(grown[0]))


def test_classes_are_weighed_alike_or_as_they_are() -> None:
    data = make_training_data(10, labels=30, noise=3.0)
    forest = METHODS["forest"]
    few = data.labelled_target.take(np.flatnonzero(data.labelled_target.label != 2)[:40])
    some = data.labelled_pairs.take(np.flatnonzero(data.labelled_pairs.label == 2)[:6])
    uneven = dataclasses.replace(data, labelled_target=few, labelled_pairs=some)
    shares = []
    for balance in ("true", "false"):
        options = options_for(forest, {"trees": 50, "min_leaf": 5, "balance": balance}, "other")
        model = forest.learner(uneven, options, 0).pixel_model()
        patches = data.validation.target.cropped(model.margin).held
        shares.append(model.probabilities(torch.from_numpy(patches)).flatten(1).mean(0)[2])
    assert shares[0] > shares[1] + 0.06


def test_sizes_that_no_square_has_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"sizes=4.*must be odd, from 3 on"):
        options_for(METHODS["forest"], {"sizes": "4"}, "msi")
