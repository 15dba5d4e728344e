from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.svm import LinearSVC

from geo_xmodal.correlation.linear_cca import fit_cca
from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods import METHODS
from geo_xmodal.networks import PixelModel
from geo_xmodal.patches import HeldPatches
from geo_xmodal.types import TrainingData
from tests.training_data import make_training_data


def solved(data: TrainingData, **settings: Any) -> PixelModel:
    method = METHODS["cca"]
    return method.learner(data, method.Options.model_validate({"C": 1.0, **settings}), 0).pixel_model()


def centres(patches: np.ndarray) -> np.ndarray:
    middle = patches.shape[-1] // 2
    return patches[:, :, middle, middle].astype(np.float64)


def decisions(model: PixelModel, pixels: np.ndarray) -> np.ndarray:
    x = torch.from_numpy(pixels.astype(np.float32))[:, :, None, None]
    return model(x).detach().flatten(1).numpy()


@pytest.mark.parametrize("train_on", ["target", "both"])
def test_it_is_cca_then_an_svm(train_on: str) -> None:
    data = make_training_data(labels=30)
    backwards = data.labelled_pairs.take(np.arange(len(data.labelled_pairs))[::-1])
    data = dataclasses.replace(data, labelled_pairs=backwards)
    labelled, unlabelled, target = data.labelled_pairs, data.unlabelled_pairs, data.labelled_target
    x = np.concatenate([centres(labelled.target.held), centres(unlabelled.target.held)])
    y = np.concatenate([group.auxiliary.held[:, :, 0, 0] for group in (labelled, unlabelled)])  # type: ignore[union-attr,index]
    pair = fit_cca(x, y.astype(np.float64), 2, 1e-3)
    features = pair.f(np.concatenate([centres(labelled.target.held), centres(target.target.held)]))
    label = np.concatenate([labelled.label, target.label])  # type: ignore[arg-type]
    if train_on == "both":
        features = np.concatenate([features, pair.g(labelled.auxiliary.held[:, :, 0, 0])])  # type: ignore[union-attr,index]
        label = np.concatenate([label, labelled.label])  # type: ignore[arg-type]
    reference = LinearSVC(class_weight="balanced", dual=False, max_iter=10_000).fit(features, label)
    pixels = centres(data.validation.target.held)
    expected = reference.decision_function(pair.f(pixels))
    observed = decisions(solved(data, components=2, train_on=train_on), pixels)
    np.testing.assert_allclose(observed, expected, atol=1e-3)


def test_all_components_are_a_re_mix_of_the_bands() -> None:
    """Without regularisation to speak of, the SVM on variates is the SVM on bands."""
    data = make_training_data(labels=60)
    pixels = np.random.default_rng(1).normal(size=(500, 4))
    svm = METHODS["svm"]
    bands = svm.learner(data, svm.Options.model_validate({"C": 1e4}), 0).pixel_model()
    np.testing.assert_allclose(
        decisions(solved(data, C=1e4), pixels), decisions(bands, pixels), rtol=0.02, atol=0.02
    )


def test_one_component_is_the_direction_that_the_auxiliary_sensor_knows() -> None:
    data = make_training_data(labels=60, pairs=2000)
    rng = np.random.default_rng(0)
    shared = rng.normal(size=2000)
    target = 0.5 * rng.normal(size=(2000, 4, 7, 7))
    target[:, 2, 3, 3] += shared
    auxiliary = 0.1 * rng.normal(size=(2000, 12, 1, 1))
    auxiliary[:, 5, 0, 0] += shared
    none = np.empty(0, np.int64)
    data = dataclasses.replace(
        data,
        unlabelled_pairs=dataclasses.replace(
            data.unlabelled_pairs,
            target=HeldPatches(target.astype(np.float32)),
            auxiliary=HeldPatches(auxiliary.astype(np.float32)),
        ),
        labelled_target=dataclasses.replace(data.labelled_pairs, auxiliary=None),
        labelled_pairs=data.labelled_pairs.take(none),
    )
    weight = solved(data, components=1).network.weight.detach()[:, :, 0, 0].numpy()
    assert np.linalg.matrix_rank(weight, tol=1e-4) == 1
    assert np.all(np.abs(weight[:, 2]) > 10 * np.abs(np.delete(weight, 2, axis=1)).max(axis=1))


def test_more_components_than_bands_are_all_of_them() -> None:
    data = make_training_data()
    several, every = (solved(data, components=n).network.weight for n in (99, 4))
    assert torch.equal(several, every)


def test_the_ridge_holds_back_directions_of_little_variance() -> None:
    data = make_training_data()
    weak, strong = (solved(data, ridge=r, components=1).network.weight for r in (1e-3, 1e3))
    assert not torch.allclose(weak, strong, rtol=0.05)


def test_it_says_when_there_are_no_pairs() -> None:
    with pytest.raises(TrainingDataError, match="0 pixels have both sensors, cca needs 2: use `svm`"):
        solved(make_training_data().without_auxiliary())
