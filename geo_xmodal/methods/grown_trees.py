"""Trees as libraries grow them, made the tensors that the network `trees` holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from geo_xmodal.networks import TreeTensors
from geo_xmodal.types import FloatArray


@dataclass(frozen=True)
class GrownTree:
    """One tree, its nodes in any order from the root on.

    Attributes:
        left: (nodes,) child for values below the threshold; negative for a leaf.
        right: (nodes,) child for the others.
        feature: (nodes,), what a node looks at.
        threshold: (nodes,) float32.
        value: (nodes, width), what a leaf holds.
    """

    left: npt.NDArray[Any]
    right: npt.NDArray[Any]
    feature: npt.NDArray[Any]
    threshold: FloatArray
    value: npt.NDArray[np.floating]


def forest_tensors(trees: Sequence[GrownTree]) -> TreeTensors:
    """Trees whose leaves hold the probability of every class."""
    tables = _tables(trees)
    # Half the bytes: leaves of several pixels are known to fewer digits than these have.
    tables["values"] = tables["values"].clamp(0, 1).half()
    return TreeTensors(**tables, output=torch.zeros(0, dtype=torch.int16), base=torch.zeros(0))


def boosted_tensors(trees: Sequence[GrownTree], output: Sequence[int], base: FloatArray) -> TreeTensors:
    """Trees whose leaves hold what is added to one class.

    Args:
        trees: with values of width 1.
        output: the class that each adds to.
        base: (classes,) what they add to.
    """
    return TreeTensors(
        **_tables(trees),
        output=torch.tensor(output, dtype=torch.int16),
        base=torch.from_numpy(np.asarray(base, np.float32)),
    )


def _tables(trees: Sequence[GrownTree]) -> dict[str, torch.Tensor]:
    roots, features, thresholds, children, values = [], [], [], [], []
    nodes = leaves = 0
    for tree in trees:
        order, first = _by_level(tree)
        is_leaf = tree.left[order] < 0
        roots.append(nodes)
        features.append(np.where(is_leaf, -1, tree.feature[order]))
        thresholds.append(np.where(is_leaf, 0, tree.threshold[order]))
        children.append(np.where(is_leaf, np.cumsum(is_leaf) - 1 + leaves, first + nodes))
        values.append(tree.value[order[is_leaf]])
        nodes, leaves = nodes + len(order), leaves + int(is_leaf.sum())
    return {
        "roots": torch.tensor(roots, dtype=torch.int32),
        "feature": torch.from_numpy(np.concatenate(features).astype(np.int16)),
        "threshold": torch.from_numpy(np.concatenate(thresholds).astype(np.float32)),
        "child": torch.from_numpy(np.concatenate(children).astype(np.int32)),
        "values": torch.from_numpy(np.concatenate(values).astype(np.float32)),
    }


def _by_level(tree: GrownTree) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The nodes level by level, children side by side, and where the first child of each comes."""
    level = np.zeros(1, np.int64)
    order, first = [], []
    placed = 1
    while len(level):
        inner = tree.left[level] >= 0
        order.append(level)
        first.append(np.where(inner, placed + 2 * (np.cumsum(inner) - 1), -1))
        parents = level[inner]
        level = np.stack([tree.left[parents], tree.right[parents]], 1).ravel().astype(np.int64)
        placed += len(level)
    return np.concatenate(order), np.concatenate(first)
