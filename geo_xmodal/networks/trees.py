"""`trees`: decision trees as tensors, a forest (Breiman 2001) or boosted (Chen and Guestrin 2016).

Trees are data, not code: their nodes are rows of tables, and whatever a file put there is checked before the
first pixel. XGBoost's predictor walks them, whoever grew them. Comparisons are exact and sums have one order,
so all windows and threads give the same numbers.
"""

from __future__ import annotations

import itertools
import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from geo_xmodal.errors import BundleError
from geo_xmodal.networks.context import Context, ContextOptions
from geo_xmodal.types import FloatArray

MAX_TREES = 100_000
MAX_NODES = 1 << 27
"""Of all trees together."""
MAX_TREE_NODES = 1 << 22
MAX_DEPTH = 64

MIN_PROBABILITY = 1e-6
"""Of a class that no tree speaks for."""

_NODES_AT_ONCE = 1 << 16
"""Of the trees that pixels are taken through at a time: a large forest as a whole takes thrice as long."""


@dataclass(frozen=True)
class TreeTensors:
    """Trees, their nodes one after the other; a node's children follow it, side by side.

    Attributes:
        roots: (trees,) int32, the first node of each tree.
        feature: (nodes,) int16, what a node looks at; -1 for a leaf.
        threshold: (nodes,) float32: values below it go to the first child, others to the second.
        child: (nodes,) int32, the first child; for a leaf its row of `values`.
        values: (leaves, classes) float16 probabilities, or (leaves, 1) float32 what a leaf adds.
        output: (trees,) int16, the class that a tree adds to; none where leaves hold probabilities.
        base: (classes,) float32, the logits that trees add to; none likewise.
    """

    roots: Tensor
    feature: Tensor
    threshold: Tensor
    child: Tensor
    values: Tensor
    output: Tensor
    base: Tensor

    @property
    def combine(self) -> Literal["mean", "sum"]:
        """How the network puts trees together."""
        return "sum" if len(self.output) else "mean"

    @property
    def sizes(self) -> dict[str, Any]:
        """The options of `trees` that say how much there is."""
        return {
            "trees": len(self.roots),
            "nodes": len(self.feature),
            "leaves": len(self.values),
            "combine": self.combine,
        }


class TreesOptions(ContextOptions):
    """Options of `trees`: which context features they see, and how much there is of each table."""

    trees: int = Field(ge=1, le=MAX_TREES)
    nodes: int = Field(ge=1, le=MAX_NODES)
    leaves: int = Field(ge=1, le=MAX_NODES)
    combine: Literal["mean", "sum"] = "mean"

    @model_validator(mode="after")
    def _leaves_are_nodes(self) -> TreesOptions:
        if not self.trees <= self.leaves <= self.nodes:
            raise ValueError(f"{self.trees:,} trees cannot have {self.leaves:,} leaves, {self.nodes:,} nodes")
        return self


class Trees(nn.Module):
    """Context features of a pixel, then all trees.

    Attributes:
        traceable: no engine but PyTorch walks trees, and none computes them with fewer bits.
        margin: pixels on each side that a prediction looks at.
    """

    traceable: ClassVar[bool] = False

    def __init__(self, bands: int, classes: int, options: TreesOptions) -> None:
        super().__init__()
        try:
            self.context = Context(bands, options)
        except ValueError as error:
            raise BundleError(f"network 'trees': {error}") from None
        self.margin = self.context.margin
        self.classes = classes
        self.combine = options.combine
        mean = options.combine == "mean"
        self.register_buffer("roots", torch.zeros(options.trees, dtype=torch.int32))
        self.register_buffer("feature", torch.full((options.nodes,), -1, dtype=torch.int16))
        self.register_buffer("threshold", torch.zeros(options.nodes))
        self.register_buffer("child", torch.zeros(options.nodes, dtype=torch.int32))
        width, dtype = (classes, torch.float16) if mean else (1, torch.float32)
        self.register_buffer("values", torch.zeros(options.leaves, width, dtype=dtype))
        self.register_buffer("output", torch.zeros(0 if mean else options.trees, dtype=torch.int16))
        self.register_buffer("base", torch.zeros(0 if mean else classes))
        self._walker: _Walker | None = None
        self.register_load_state_dict_post_hook(_check_loaded)  # type: ignore[no-untyped-call]

    roots: Tensor
    feature: Tensor
    threshold: Tensor
    child: Tensor
    values: Tensor
    output: Tensor
    base: Tensor

    def fill(self, tensors: TreeTensors) -> None:
        """Take over trees of the sizes that the options say.

        Raises:
            BundleError: They are no trees.
        """
        self.load_state_dict({name: getattr(tensors, name) for name in TreeTensors.__annotations__})

    @property
    def tensors(self) -> TreeTensors:
        """The trees."""
        return TreeTensors(*(getattr(self, name).cpu() for name in TreeTensors.__annotations__))

    def forward(self, x: Tensor) -> Tensor:
        """(B, bands, H + 2m, W + 2m) standardised -> (B, classes, H, W) logits."""
        features = self.context(x)
        batch, _, height, width = features.shape
        logits = self.predict(features.permute(0, 2, 3, 1).flatten(0, 2))
        return logits.reshape(batch, height, width, self.classes).permute(0, 3, 1, 2)

    @torch.no_grad()
    def predict(self, features: Tensor) -> Tensor:
        """Logits of pixels whose context features are known.

        Args:
            features: (n, features).

        Returns:
            (n, classes): logarithms of the mean probability, or sums.
        """
        if self._walker is None:
            raise BundleError("network 'trees' has no trees yet: fill it first")
        sums = torch.from_numpy(self._walker(features.cpu().numpy())).to(features.device)
        if self.combine == "sum":
            return sums + self.base
        return (sums / len(self.roots)).clamp(min=MIN_PROBABILITY).log()


class _Walker:
    """XGBoost's predictor over trees of ours: faster than those of scikit-learn and ONNX Runtime.

    One walker serves all copies of a network, and threads at a time; it is made when first asked.
    """

    def __init__(self, trees: Trees) -> None:
        self._trees = trees.tensors
        self._features, self._classes = trees.context.features, trees.classes
        self._groups = _groups([*trees.roots.tolist(), len(trees.feature)])
        self._making = threading.Lock()
        self._booster: Any = None

    def __deepcopy__(self, memo: dict[int, Any]) -> _Walker:
        return self

    def __call__(self, features: FloatArray) -> FloatArray:
        """(n, features) to (n, classes): the sum of all trees, a few at a time, which the cache holds."""
        with self._making:
            if self._booster is None:
                self._booster = booster(self._trees, self._features, self._classes)
        rows = np.ascontiguousarray(features, np.float32)
        sums = np.zeros((len(rows), self._classes), np.float32)
        for some in self._groups:
            sums += self._booster.inplace_predict(
                rows, iteration_range=some, predict_type="margin", validate_features=False
            )
        return sums


def _groups(starts: Sequence[int]) -> list[tuple[int, int]]:
    """Trees that are walked together, from and to; `starts` are the first node of each tree, and the end."""
    first, groups = 0, []
    for tree in range(1, len(starts)):
        if tree == len(starts) - 1 or starts[tree + 1] - starts[first] > _NODES_AT_ONCE:
            groups.append((first, tree))
            first = tree
    return groups


def booster(trees: TreeTensors, features: int, classes: int, cover: FloatArray | None = None) -> Any:
    """The trees as an XGBoost model, in its format of version 3.2; with one class, their sum.

    Args:
        trees: What it walks.
        features: Context features of a pixel.
        classes: What the trees' values are of.
        cover: (nodes,), what comes to each node: SHAP values are averages over it. Nothing else needs it.
    """
    from xgboost import Booster  # slow to import

    vector = trees.combine == "mean"
    outputs = [0] * len(trees.roots) if vector else trees.output.tolist()
    covers = np.zeros(len(trees.feature), np.float32) if cover is None else cover
    softmaxes = not vector and classes > 1
    softmax = {"name": "multi:softprob", "softmax_multiclass_param": {"num_class": str(classes)}}
    squares = {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}}
    model = {
        "cats": {"enc": [], "feature_segments": _NONE, "sorted_idx": _NONE},
        "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(len(trees.roots))},
        "iteration_indptr": list(range(len(trees.roots) + 1)),
        "tree_info": outputs,
        "trees": [
            _xgboost_tree(index, tree, features, classes if vector else 1)
            for index, tree in enumerate(_single_trees(trees, covers))
        ],
    }
    learner = {
        "attributes": {},
        "feature_names": [],
        "feature_types": [],
        "gradient_booster": {"model": model, "name": "gbtree"},
        "learner_model_param": {
            "base_score": "[" + ",".join(["0"] * classes) + "]",
            "boost_from_average": "0",
            "num_class": str(classes) if softmaxes else "0",
            "num_feature": str(features),
            "num_target": str(classes) if vector else "1",
        },
        "objective": softmax if softmaxes else squares,
    }
    made = Booster({"nthread": 1})
    made.load_model(bytearray(_ubjson({"learner": learner, "version": [3, 2, 0]})))
    made.set_param({"nthread": 1})
    return made


_NONE = np.zeros(0, np.int32)


@dataclass(frozen=True)
class _Tree:
    """A tree's nodes, counted from its root; `value` is of its leaves, in their order."""

    feature: npt.NDArray[np.int32]
    threshold: FloatArray
    child: npt.NDArray[np.int32]
    value: FloatArray
    cover: FloatArray


def _single_trees(trees: TreeTensors, cover: FloatArray) -> Iterator[_Tree]:
    roots = trees.roots.tolist()
    for start, end in itertools.pairwise([*roots, len(trees.feature)]):
        feature = trees.feature[start:end].numpy().astype(np.int32)
        child = trees.child[start:end].numpy()
        value = trees.values[torch.from_numpy(child[feature < 0]).long()].float().numpy()
        threshold = trees.threshold[start:end].numpy()
        yield _Tree(feature, threshold, child - np.int32(start), value, cover[start:end])


def _xgboost_tree(index: int, tree: _Tree, features: int, width: int) -> dict[str, Any]:
    nodes, is_leaf = len(tree.feature), tree.feature < 0
    inner = np.flatnonzero(~is_leaf).astype(np.int32)
    parents = np.full(nodes, -1 if width > 1 else 2**31 - 1, np.int32)
    parents[tree.child[inner]] = parents[tree.child[inner] + 1] = inner
    right = tree.child + 1
    condition = np.where(is_leaf, 0, tree.threshold).astype(np.float32)
    leaves: dict[str, Any] = {}
    if width > 1:
        right[is_leaf] = np.arange(len(tree.value))
        leaves = {"leaf_weights": tree.value.ravel()}
    else:
        right[is_leaf] = -1
        condition[is_leaf] = tree.value[:, 0]
    return {
        "base_weights": np.zeros(nodes * width, np.float32),
        "categories": _NONE,
        "categories_nodes": _NONE,
        "categories_segments": _NONE.astype(np.int64),
        "categories_sizes": _NONE.astype(np.int64),
        "default_left": np.zeros(nodes, np.uint8),
        "id": index,
        **leaves,
        "left_children": np.where(is_leaf, -1, tree.child).astype(np.int32),
        "loss_changes": np.zeros(nodes, np.float32),
        "parents": parents,
        "right_children": right.astype(np.int32),
        "split_conditions": condition,
        "split_indices": np.where(is_leaf, 0, tree.feature).astype(np.int32),
        "split_type": np.zeros(nodes, np.uint8),
        "sum_hessian": tree.cover.astype(np.float32),
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(features),
            "num_nodes": str(nodes),
            "size_leaf_vector": str(width),
        },
    }


_UBJSON_TYPES = {"float32": b"d", "int32": b"l", "int64": b"L", "uint8": b"U"}


def _ubjson(value: Any) -> bytes:
    """Universal Binary JSON, which XGBoost reads many times as fast as text."""
    if isinstance(value, str):
        return b"S" + _ubjson_text(value)
    if isinstance(value, int):
        return b"l" + struct.pack(">i", value)
    if isinstance(value, np.ndarray):
        head = b"[$" + _UBJSON_TYPES[value.dtype.name] + b"#L" + struct.pack(">q", len(value))
        return head + value.astype(value.dtype.newbyteorder(">")).tobytes()
    if isinstance(value, list):
        return b"[#L" + struct.pack(">q", len(value)) + b"".join(map(_ubjson, value))
    return b"{" + b"".join(_ubjson_text(key) + _ubjson(part) for key, part in value.items()) + b"}"


def _ubjson_text(text: str) -> bytes:
    return b"L" + struct.pack(">q", len(text)) + text.encode("ascii")


def node_levels(roots: Tensor, feature: Tensor, child: Tensor) -> Tensor:
    """(nodes,) levels below the root, walked down; `MAX_DEPTH + 1` where none leads to."""
    feature, child = feature.cpu(), child.cpu().long()
    levels = torch.full((len(feature),), MAX_DEPTH + 1)
    at = roots.cpu().long()
    for level in range(MAX_DEPTH + 1):
        levels[at] = level
        first = child[at[feature[at] >= 0]]
        at = torch.cat([first, first + 1])
        if not len(at):
            break
    return levels


def _check_loaded(module: nn.Module, incompatible: Any) -> None:
    """See that what was loaded are trees; a hook of torch.

    Raises:
        BundleError: They are none; walking them could end nowhere.
    """
    trees = cast(Trees, module)
    trees._walker = None
    if trees.roots.device.type == "meta":
        return
    if (problem := _problem(trees)) is not None:
        raise BundleError(f"network 'trees': {problem}: the file is damaged; get the model again")
    trees._walker = _Walker(trees)


def _problem(trees: Trees) -> str | None:
    """What is wrong with the tables, in words; None where nothing is."""
    roots, feature, child = trees.roots.cpu().long(), trees.feature.cpu().long(), trees.child.cpu().long()
    nodes = len(feature)
    sizes = torch.diff(roots, append=torch.tensor([nodes]))
    if roots[0] != 0 or (sizes < 1).any() or (sizes > MAX_TREE_NODES).any():
        return f"roots do not part {nodes:,} nodes into trees of 1 to {MAX_TREE_NODES:,}"
    if (feature < -1).any() or (feature >= trees.context.features).any():
        return f"a node looks at feature {_outside(feature, -1, trees.context.features)} of " + str(
            trees.context.features
        )
    here, inner = torch.arange(nodes), feature >= 0
    end = torch.repeat_interleave(roots + sizes, sizes)
    if ((child <= here) | (child + 1 >= end))[inner].any():
        return "a node's children do not follow it in its tree"
    parents = torch.bincount(torch.cat([child[inner], child[inner] + 1, roots]), minlength=nodes)
    if (parents != 1).any():
        return "a node is not the child of one other"
    if (node_levels(roots, feature, child) > MAX_DEPTH).any():
        return f"a tree is deeper than {MAX_DEPTH} levels"
    if ((child < 0) | (child >= len(trees.values)))[~inner].any():
        return f"a leaf has a row of values that is not among {len(trees.values):,}"
    if ((trees.output < 0) | (trees.output >= trees.classes)).any():
        return f"a tree adds to class {_outside(trees.output, 0, trees.classes)} of {trees.classes}"
    if not all(part.isfinite().all() for part in (trees.threshold, trees.values, trees.base)):
        return "values are not finite"
    if trees.combine == "mean" and ((trees.values < 0) | (trees.values > 1)).any():
        return "probabilities of leaves are not between 0 and 1"
    return None


def _outside(values: Tensor, low: int, end: int) -> int:
    return int(values[(values < low) | (values >= end)][0])
