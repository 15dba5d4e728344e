from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.ensemble import ExtraTreesClassifier

from geo_xmodal.errors import BundleError
from geo_xmodal.methods.forest import ForestGrowth, fit_forest
from geo_xmodal.networks import NetworkSpec, TreeTensors, build_network
from geo_xmodal.networks.trees import MAX_DEPTH, Trees

STUMPS = TreeTensors(
    roots=torch.tensor([0, 3], dtype=torch.int32),
    feature=torch.tensor([0, -1, -1, 1, -1, -1], dtype=torch.int16),
    threshold=torch.tensor([0.5, 0, 0, 1e-30, 0, 0]),
    child=torch.tensor([1, 0, 1, 4, 2, 3], dtype=torch.int32),
    values=torch.tensor([[1, 0], [0, 1], [0.5, 0.5], [0, 1]], dtype=torch.float16),
    output=torch.zeros(0, dtype=torch.int16),
    base=torch.zeros(0),
)


def network(tensors: TreeTensors, bands: int = 2, classes: int = 2) -> Trees:
    made = build_network(NetworkSpec("trees", tensors.sizes), bands, classes)
    assert isinstance(made, Trees)
    made.fill(tensors)
    return made


def test_two_stumps_by_hand() -> None:
    pixels = torch.tensor([[0.4999999, 0.0], [0.5, 0.0], [0.4, 1e-30], [9.0, -9.0]])
    probabilities = network(STUMPS).predict(pixels).softmax(1)
    expected = torch.tensor([[0.75, 0.25], [0.25, 0.75], [0.5, 0.5], [0.25, 0.75]])
    assert torch.allclose(probabilities, expected, atol=1e-5)


def test_sums_start_from_a_base() -> None:
    added = dataclasses.replace(
        STUMPS,
        values=torch.tensor([[1.0], [2.0], [10.0], [20.0]]),
        output=torch.tensor([1, 0], dtype=torch.int16),
        base=torch.tensor([100.0, 200.0]),
    )
    logits = network(added).predict(torch.tensor([[0.0, 1.0], [1.0, -1.0]]))
    assert torch.equal(logits, torch.tensor([[120.0, 201.0], [110.0, 202.0]]))


def test_deep_trees_are_scikit_learns_whatever_is_asked_at_a_time() -> None:
    rng = np.random.default_rng(0)
    x, label = rng.normal(size=(600, 6)).astype(np.float32), rng.integers(4, size=600)
    tensors = fit_forest(x, np.eye(4)[label], np.ones(600), ForestGrowth(trees=5, max_depth=40), 7)
    made = network(tensors, 6, 4)
    new = rng.normal(size=(5000, 6)).astype(np.float32)
    whole = made.predict(torch.from_numpy(new))
    parts = [made.predict(torch.from_numpy(part)) for part in np.array_split(new, 7)]
    assert torch.equal(torch.cat(parts), whole)
    reference = ExtraTreesClassifier(5, max_depth=40, random_state=7, max_features="sqrt").fit(x, label)
    alike = whole.argmax(1).numpy() == reference.predict(new)
    assert alike.mean() > 0.3  # other random numbers, the same kind of trees
    known = made.predict(torch.from_numpy(x)).argmax(1).numpy()
    assert (known == label).all()


DAMAGE: list[tuple[str, dict[str, Any]]] = [
    ("do not follow it", {"child": [0, 0, 1, 4, 2, 3]}),
    ("do not follow it", {"child": [2, 0, 1, 4, 2, 3]}),
    ("do not follow it", {"child": [4, 0, 1, 4, 2, 3]}),
    ("do not follow it", {"child": [2**31 - 1, 0, 1, 4, 2, 3]}),
    (
        "not the child of one",
        {
            "roots": [0],
            "feature": [0, 0, 0, -1, -1, -1, -1],
            "threshold": [0] * 7,
            "child": [1, 3, 3, 0, 1, 2, 3],
        },
    ),
    ("row of values", {"child": [1, 4, 1, 4, 2, 3]}),
    ("row of values", {"child": [1, -1, 1, 4, 2, 3]}),
    ("feature 2 of 2", {"feature": [0, -1, -1, 2, -1, -1]}),
    ("feature -2 of 2", {"feature": [0, -1, -1, 1, -2, -1]}),
    ("roots", {"roots": [1, 3]}),
    ("roots", {"roots": [0, 0]}),
    ("roots", {"roots": [0, 6]}),
    ("not finite", {"threshold": [float("nan"), 0, 0, 0, 0, 0]}),
    ("not finite", {"values": [[1, 0], [0, 1], [float("inf"), 0], [0, 1]]}),
    ("between 0 and 1", {"values": [[1, 0], [0, 1], [2, 0], [0, 1]]}),
]


@pytest.mark.parametrize(("words", "changed"), DAMAGE)
def test_what_is_no_tree_is_refused(words: str, changed: dict[str, list[Any]]) -> None:
    parts = {
        name: torch.tensor(values, dtype=getattr(STUMPS, name).dtype) for name, values in changed.items()
    }
    with pytest.raises(BundleError, match=words):
        network(dataclasses.replace(STUMPS, **parts))


def test_a_chain_without_end_is_refused() -> None:
    levels = MAX_DEPTH + 1
    child = torch.arange(2 * levels + 1, dtype=torch.int32) + 1
    feature = torch.where(torch.arange(2 * levels + 1) % 2 == 0, 0, -1).to(torch.int16)
    feature[-1] = -1
    chain = dataclasses.replace(
        STUMPS,
        roots=torch.zeros(1, dtype=torch.int32),
        feature=feature,
        threshold=torch.zeros(len(child)),
        child=torch.where(feature < 0, 0, child),
    )
    with pytest.raises(BundleError, match=f"deeper than {MAX_DEPTH}"):
        network(chain)
