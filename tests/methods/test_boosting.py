from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import xgboost
from distributed import LocalCluster

from geo_xmodal.errors import ClusterError, TrainingDataError, UsageError
from geo_xmodal.methods import METHODS
from geo_xmodal.methods.boosting import fit_boosting
from geo_xmodal.methods.boosting_cluster import fit_on_cluster
from geo_xmodal.methods.boosting_steps import BoostingGrowth
from geo_xmodal.networks import NetworkSpec, TreeTensors, build_network
from geo_xmodal.training.request import options_for
from tests.training_data import make_training_data

GROWTH = BoostingGrowth(rounds=6, max_depth=3, row_share=1, split_share=1, learning_rate=0.3)


def logits(trees: TreeTensors, features: np.ndarray, classes: int) -> np.ndarray:
    network = build_network(NetworkSpec("trees", trees.sizes), features.shape[1], classes)
    network.fill(trees)  # type: ignore[operator]
    return network.predict(torch.from_numpy(features)).numpy()  # type: ignore[operator]


def problem(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(500, 4)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(int) + (x[:, 1] + x[:, 2] > 1)


def test_sure_labels_give_what_xgboosts_own_softmax_gives() -> None:
    x, label = problem()
    settings = {
        "objective": "multi:softprob", "num_class": 3, "max_depth": 3, "learning_rate": 0.3,
        "base_score": [0.0, 0.0, 0.0],
    }  # fmt: skip
    own = xgboost.train(settings, xgboost.DMatrix(x, label), 6)
    expected = own.inplace_predict(x, predict_type="margin")
    found = logits(fit_boosting(x, np.eye(3)[label], np.ones(500), GROWTH, 0), x, 3)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_probabilities_are_learned_as_weighted_rows_are() -> None:
    x, label = problem()
    soft = np.eye(3)[label] * 0.7 + 0.1
    found = logits(fit_boosting(x, soft, np.ones(500), GROWTH, 0), x, 3)
    many = np.repeat(x, 3, axis=0)
    sure = np.tile(np.eye(3), (500, 1))
    growth = GROWTH.model_copy(update={"min_weight": 1.0})
    expected = logits(fit_boosting(many, sure, soft.ravel(), growth, 0), x, 3)
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_threads_do_not_change_what_grows() -> None:
    x, label = problem()
    growth = GROWTH.model_copy(update={"row_share": 0.7, "split_share": 0.5})
    before, grown = torch.get_num_threads(), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        grown.append(fit_boosting(x, np.eye(3)[label] * 0.7 + 0.1, np.full(500, 0.37), growth, 4))
    torch.set_num_threads(before)
    assert all(torch.equal(getattr(grown[0], name), getattr(grown[1], name)) for name in vars(grown[0]))


def test_patience_stops_by_held_out_pixels() -> None:
    (x, label), (other, truth) = problem(), problem(1)
    growth = GROWTH.model_copy(update={"rounds": 60, "patience": 3, "learning_rate": 1.0})
    noisy = np.where(np.random.default_rng(0).random(500) < 0.3, 2, label)
    stopped = fit_boosting(x, np.eye(3)[noisy], np.ones(500), growth, 0, (other, truth))
    assert len(stopped.roots) < 60 * 3
    data = make_training_data(10)
    none = dataclasses.replace(data, validation=data.validation.take(np.empty(0, np.int64)))
    boosting = METHODS["boosting"]
    with pytest.raises(TrainingDataError, match="patience=3 stops by validation pixels"):
        boosting.learner(none, boosting.Options(patience=3), 0)


def test_a_cluster_grows_what_one_machine_grows() -> None:
    x, label = problem()
    soft, weight = np.eye(3)[label], np.ones(500)
    expected = logits(fit_boosting(x, soft, weight, GROWTH, 0), x, 3)
    parts = [(x[rows], soft[rows], weight[rows]) for rows in (slice(0, 300), slice(300, 500))]
    quiet = {"dashboard_address": None, "silence_logs": False}
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=False, **quiet) as cluster:
        grown = fit_on_cluster(iter(parts), GROWTH, 0, cluster.scheduler_address)
    found = logits(grown, x, 3)
    assert (found.argmax(1) == expected.argmax(1)).mean() > 0.97


def test_a_cluster_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match="patience stops by pixels of this machine"):
        options_for(METHODS["boosting"], {"scheduler": "tcp://x:1", "patience": "3"}, "msi")
    x, label = problem()
    with pytest.raises(ClusterError, match="no Dask scheduler answers at nowhere:"):
        fit_on_cluster(iter([(x, np.eye(3)[label], np.ones(500))]), GROWTH, 0, "nowhere://127.0.0.1:1")
