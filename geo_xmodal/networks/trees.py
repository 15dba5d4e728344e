"""`trees`: decision trees as tensors, a forest (Breiman 2001) or boosted (Chen and Guestrin 2016).

A tree is walked, never called: its nodes are rows of tables, and whatever a file put there is checked before
the first pixel. Comparisons are exact, so all windows, threads and engines give the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from geo_xmodal.errors import BundleError
from geo_xmodal.networks.context import MAX_FEATURES, Context, ContextOptions

MAX_TREES = 100_000
MAX_NODES = 1 << 27
"""Of all trees together."""
MAX_TREE_NODES = 1 << 20
MAX_DEPTH = 64

_BLOCK = 4096
"""Pixels that walk through a tree at a time: a tile of a map, whose numbers stay in the processor's cache."""

_SPARSE_FROM, _SPARSE_EVERY = 12, 4
"""Levels after which only the pixels that are not at a leaf yet go on, and how often they are picked out."""

_FEATURE_BITS, _NODE_BITS = 12, 20
assert 1 << _FEATURE_BITS == MAX_FEATURES and 1 << _NODE_BITS == MAX_TREE_NODES

_LEAF_KEY = torch.iinfo(torch.int32).max
_LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True)
class TreeTensors:
    """Trees, their nodes one after the other; a node's children follow it, side by side.

    Attributes:
        roots: (trees,) int32, the first node of each tree.
        feature: (nodes,) int16, what a node looks at; -1 for a leaf.
        threshold: (nodes,) float32: values up to it go to the first child, others to the second.
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
        self._tables: list[_Table] | None = None
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

    def forward(self, x: Tensor) -> Tensor:
        """(B, bands, H + 2m, W + 2m) standardised -> (B, classes, H, W) logits."""
        features = self.context(x)
        batch, _, height, width = features.shape
        logits = self.predict(features.permute(1, 0, 2, 3).flatten(1))
        return logits.reshape(self.classes, batch, height, width).transpose(0, 1)

    @torch.no_grad()
    def predict(self, features: Tensor) -> Tensor:
        """Logits of pixels whose context features are known.

        Args:
            features: (features, n).

        Returns:
            (classes, n): logarithms of the mean probability, or sums.
        """
        if self._tables is None or self._tables[0].words.device != features.device:
            self._tables = self._packed(features.device)
        parts = [self._predict_block(part) for part in torch.split(features, _BLOCK, dim=1)]
        return torch.cat(parts, dim=1)

    def _predict_block(self, features: Tensor) -> Tensor:
        keys = _keys(features).flatten()
        pixels = features.shape[1]
        tables = cast(list[_Table], self._tables)
        if self.combine == "mean":
            total = torch.zeros(pixels, self.classes, device=features.device)
            for table in tables:
                total += self.values[table.leaf[_walk(table, keys, pixels)]]
            return (total.T / len(tables)).clamp(min=_LEAST_PROBABILITY).log()
        sums = self.base[:, None].repeat(1, pixels)
        for table, output in zip(tables, self.output.tolist(), strict=True):
            sums[output] += self.values[table.leaf[_walk(table, keys, pixels)], 0]
        return sums

    def _packed(self, device: torch.device) -> list[_Table]:
        """Every tree's nodes as words of 64 bits: a threshold, a feature, a child."""
        here = torch.arange(len(self.feature))
        feature, child = self.feature.cpu().long(), self.child.cpu().long()
        is_leaf = feature < 0
        key = torch.where(is_leaf, _LEAF_KEY, _keys(self.threshold.cpu()).long())
        leaf = torch.where(is_leaf, child, 0)
        ends = [*self.roots.tolist()[1:], len(feature)]
        tables = []
        for start, end, depth in zip(self.roots.tolist(), ends, self._depths(), strict=True):
            rows = slice(start, end)
            to = torch.where(is_leaf[rows], here[rows], child[rows]) - start
            words = (key[rows] << 32) | (feature[rows].clamp(min=0) << _NODE_BITS) | to
            tables.append(_Table(words.to(device), leaf[rows].to(device), depth))
        return tables

    def _depths(self) -> list[int]:
        """Levels below each root."""
        deepest = _levels(self.roots, self.feature, self.child)
        of_tree = torch.searchsorted(self.roots.cpu(), torch.arange(len(deepest)), right=True) - 1
        depths = torch.zeros(len(self.roots), dtype=torch.long)
        return cast(list[int], depths.scatter_reduce_(0, of_tree, deepest, "amax").tolist())

    def _apply(self, fn: Any, recurse: bool = True) -> Trees:
        self._tables = None
        return cast(Trees, super()._apply(fn, recurse))  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class _Table:
    """A tree, ready to be walked."""

    words: Tensor
    leaf: Tensor
    depth: int


def _walk(table: _Table, keys: Tensor, pixels: int) -> Tensor:
    """The node at which each pixel ends; `keys` holds the features, one after the other."""
    row = torch.arange(pixels, device=keys.device)
    node = torch.zeros_like(row)
    place, value, word = torch.empty_like(row), torch.empty_like(keys[:pixels]), torch.empty_like(row)
    for level in range(min(table.depth, _SPARSE_FROM)):
        if level:
            torch.index_select(table.words, 0, node, out=word)
        else:
            word[:] = table.words[0]
        _step(word, row, keys, pixels, node, place, value)
    going = row
    for level in range(_SPARSE_FROM, table.depth):
        if (level - _SPARSE_FROM) % _SPARSE_EVERY == 0:
            going = going[table.words[node[going]] >> 32 != _LEAF_KEY]
            if not len(going):
                break
        word, at = table.words[node[going]], torch.empty_like(going)
        _step(word, going, keys, pixels, at, torch.empty_like(going), torch.empty_like(keys[: len(going)]))
        node[going] = at
    return node


def _step(
    word: Tensor, row: Tensor, keys: Tensor, pixels: int, node: Tensor, place: Tensor, value: Tensor
) -> None:
    """One level down: `node` becomes the child; `word` is lost."""
    torch.bitwise_right_shift(word, _NODE_BITS, out=place)
    place.bitwise_and_(MAX_FEATURES - 1).mul_(pixels).add_(row)
    torch.index_select(keys, 0, place, out=value)
    torch.bitwise_and(word, MAX_TREE_NODES - 1, out=node)
    node.add_(value > word.bitwise_right_shift_(32))


def _keys(values: Tensor) -> Tensor:
    """Whole numbers (int32) in the order of the floats; 0 and -0 are the same."""
    bits = (values.float() + 0.0).contiguous().view(torch.int32)
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)


def _levels(roots: Tensor, feature: Tensor, child: Tensor) -> Tensor:
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
    trees._tables = None
    if trees.roots.device.type != "meta" and (problem := _problem(trees)) is not None:
        raise BundleError(f"network 'trees': {problem}: the file is damaged; get the model again")


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
    if (_levels(roots, feature, child) > MAX_DEPTH).any():
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
