"""Trees in an ONNX graph: the operator TreeEnsembleRegressor of ai.onnx.ml, after the context features."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from geo_xmodal.networks import Trees, TreeTensors
from geo_xmodal.networks.trees import MIN_PROBABILITY

DOMAIN, DOMAIN_VERSION = "ai.onnx.ml", 3
"""Operators of trees; ONNX Runtime reads them since 1.9 (2021)."""


def append_trees(
    proto: Any, onnx: ModuleType, output: str, trees: Trees, offsets: Tensor | None = None
) -> None:
    """Let a graph that ends with context features end with class probabilities.

    Args:
        proto: the `onnx.ModelProto` whose one output is (B, features, H, W).
        onnx: the package.
        output: name of that output, and afterwards of the probabilities (B, classes, H, W).
        trees: the network.
        offsets: (classes, 1, 1), what is added to logits for other class shares; None for nothing.
    """
    helper, graph = onnx.helper, proto.graph
    features = "trees_seen"
    for node in graph.node:
        node.output[:] = [features if name == output else name for name in node.output]
        node.input[:] = [features if name == output else name for name in node.input]
    whole = {
        "trees_any": [-1],
        "trees_start": [0],
        "trees_end": [3],
        "trees_classes": [trees.classes],
        "trees_features": [trees.context.features],
    }
    for name, values in whole.items():
        graph.initializer.append(onnx.numpy_helper.from_array(np.array(values, np.int64), name))
    wanted = "trees_probabilities" if offsets is None else "trees_wanted"
    last = graph.output[0].type.tensor_type.shape.dim
    sizes = [last[axis].dim_param or last[axis].dim_value for axis in range(4)]
    graph.node.extend(
        [
            helper.make_node("Transpose", [features], ["trees_last"], perm=[0, 2, 3, 1]),
            helper.make_node("Concat", ["trees_any", "trees_features"], ["trees_table"], axis=0),
            helper.make_node("Reshape", ["trees_last", "trees_table"], ["trees_rows"]),
            _ensemble(onnx, trees),
            *_probabilities(onnx, trees, graph),
            *([] if offsets is None else _with_shares(onnx, offsets, graph)),
            helper.make_node("Shape", ["trees_last"], ["trees_shape"]),
            helper.make_node("Slice", ["trees_shape", "trees_start", "trees_end"], ["trees_places"]),
            helper.make_node("Concat", ["trees_places", "trees_classes"], ["trees_whole"], axis=0),
            helper.make_node(
                "Reshape",
                [wanted, "trees_whole"],
                ["trees_image"],
            ),
            helper.make_node("Transpose", ["trees_image"], [output], perm=[0, 3, 1, 2]),
        ]
    )
    graph.ClearField("output")
    shape = [sizes[0], trees.classes, sizes[2], sizes[3]]
    graph.output.append(helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, shape))
    proto.opset_import.append(helper.make_opsetid(DOMAIN, DOMAIN_VERSION))


def _probabilities(onnx: ModuleType, trees: Trees, graph: Any) -> list[Any]:
    helper = onnx.helper
    if trees.combine == "sum":
        graph.initializer.append(onnx.numpy_helper.from_array(trees.base.numpy(), "trees_base"))
        return [
            helper.make_node("Add", ["trees_sums", "trees_base"], ["trees_logits"]),
            helper.make_node("Softmax", ["trees_logits"], ["trees_probabilities"], axis=1),
        ]
    for name, value in (("trees_least", MIN_PROBABILITY), ("trees_count", len(trees.roots))):
        graph.initializer.append(onnx.numpy_helper.from_array(np.array(value, np.float32), name))
    graph.initializer.append(onnx.numpy_helper.from_array(np.array([1], np.int64), "trees_axis"))
    return [
        helper.make_node("Div", ["trees_sums", "trees_count"], ["trees_mean"]),
        helper.make_node("Clip", ["trees_mean", "trees_least"], ["trees_clipped"]),
        helper.make_node("ReduceSum", ["trees_clipped", "trees_axis"], ["trees_total"], keepdims=1),
        helper.make_node("Div", ["trees_clipped", "trees_total"], ["trees_probabilities"]),
    ]


def _with_shares(onnx: ModuleType, offsets: Tensor, graph: Any) -> list[Any]:
    helper = onnx.helper
    graph.initializer.append(onnx.numpy_helper.from_array(offsets.flatten().exp().numpy(), "trees_ratio"))
    graph.initializer.append(onnx.numpy_helper.from_array(np.array([1], np.int64), "trees_classes_axis"))
    return [
        helper.make_node("Mul", ["trees_probabilities", "trees_ratio"], ["trees_odds"]),
        helper.make_node("ReduceSum", ["trees_odds", "trees_classes_axis"], ["trees_odds_total"], keepdims=1),
        helper.make_node("Div", ["trees_odds", "trees_odds_total"], ["trees_wanted"]),
    ]


def _ensemble(onnx: ModuleType, network: Trees) -> Any:
    """The operator, with all nodes as its attributes."""
    trees: TreeTensors = network.tensors
    starts = trees.roots.long()
    sizes = torch.diff(starts, append=torch.tensor([len(trees.feature)]))
    tree = torch.repeat_interleave(torch.arange(len(starts)), sizes).numpy()
    node = np.arange(len(tree)) - starts.numpy()[tree]
    is_leaf = (trees.feature < 0).numpy()
    child = np.where(is_leaf, 0, trees.child.numpy() - starts.numpy()[tree])
    leaves = np.flatnonzero(is_leaf)
    values = trees.values.float().numpy()[trees.child.numpy()[leaves]]
    row, column = np.nonzero(values) if values.any() else (np.zeros(1, int), np.zeros(1, int))
    target = trees.output.numpy()[tree[leaves][row]] if network.combine == "sum" else column
    return onnx.helper.make_node(
        "TreeEnsembleRegressor",
        ["trees_rows"],
        ["trees_sums"],
        domain=DOMAIN,
        n_targets=network.classes,
        aggregate_function="SUM",
        post_transform="NONE",
        nodes_treeids=tree.tolist(),
        nodes_nodeids=node.tolist(),
        nodes_featureids=np.where(is_leaf, 0, trees.feature.numpy()).tolist(),
        nodes_values=trees.threshold.tolist(),
        nodes_modes=np.where(is_leaf, "LEAF", "BRANCH_LT").tolist(),
        nodes_truenodeids=child.tolist(),
        nodes_falsenodeids=np.where(is_leaf, 0, child + 1).tolist(),
        target_treeids=tree[leaves][row].tolist(),
        target_nodeids=node[leaves][row].tolist(),
        target_ids=target.tolist(),
        target_weights=values[row, column].tolist(),
    )
