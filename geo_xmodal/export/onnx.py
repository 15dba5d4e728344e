"""A model as an ONNX file: raw values in, class probabilities out, and all that its user must know within.

The graph is the whole pixel model: standardisation, network, softmax. Around the window it pads with the
training mean, as a map does beyond the edge of a scene, so that what comes out has the size of what goes in;
a user who cuts tiles keeps the inner part of each, `margin` pixels away from its edges.
"""

from __future__ import annotations

import importlib
import json
import logging
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geo_xmodal.bundle import Bundle, Card, load
from geo_xmodal.class_shares import ClassShares
from geo_xmodal.errors import GeoXmodalError, OutputError, UsageError
from geo_xmodal.export.onnx_trees import append_trees
from geo_xmodal.kinds import KINDS
from geo_xmodal.mapping import Shares, known_shares
from geo_xmodal.networks import Trees
from geo_xmodal.outputs import held, new_file
from geo_xmodal.types import BandStatistics, FloatArray
from geo_xmodal.version import VERSION

OPSET = 18
"""What torch's exporter writes without a conversion; ONNX Runtime reads it since 1.14 (2023)."""

INPUT, OUTPUT = "bands", "probability"
_BATCH, _HEIGHT, _WIDTH = "batch", "height", "width"

_TILE_SUGGESTED = 256
_MAX_TILE = 8192

_TIE = 1e-3
"""Two classes this close in probability may change places: the runtimes round differently."""

_TREES_TIE = 0.05
"""The same of trees: a feature that is rounded otherwise sends a pixel the other way in a few of them."""

_CHECKED = ((1, 48, 64), (2, 31, 17))
"""Batch, rows and columns of the windows on which the file is compared with the model."""


@dataclass(frozen=True)
class ExportedNetwork:
    """A model as an ONNX file.

    Attributes:
        out: The file.
        opset: Version of its operators.
        tile: Rows and columns that it takes; None for any.
        margin: Pixels at each edge of a tile that lack their surroundings.
        max_difference: Largest difference in probability from the model in torch.
        pixels: How many pixels that was measured on; all had the same class.
    """

    out: Path
    opset: int
    tile: int | None
    margin: int
    max_difference: float
    pixels: int


def export_onnx(
    folder: Path | str, out: Path | str, *, tile: int | None = None, shares: Shares | None = None
) -> ExportedNetwork:
    """Write a model as ONNX, and compare it with the model before it counts as written.

    Args:
        folder: A bundle or a run folder.
        out: The file, `.onnx`.
        tile: Fix rows and columns to this many, for programs that ask the file for the size of its tiles.
        shares: What its maps should be right about, as for `map_scene`; class shares that are estimated from
            what is mapped cannot be part of a file.

    Raises:
        UsageError: `out` is no `.onnx`, `tile` is too small or large, or the packages are missing.
        BundleError: There is no usable model.
        ClassSharesError: Class shares are to be estimated, or do not fit the model.
        OutputError: The network has no ONNX form, or does not compute the same, or cannot be written.
    """
    folder, out = Path(folder), Path(out)
    if out.suffix.lower() != ".onnx":
        raise UsageError(f"{out}: a network is an ONNX file: give a name that ends in .onnx")
    bundle = load(folder)
    if bundle.model.tiling is not None:
        raise OutputError(
            f"{folder}: '{bundle.card.network.name}' maps in tiles of the scene's grid, which programs that "
            "run ONNX cut otherwise: map with geo_xmodal, or export a model on pixels"
        )
    wanted = known_shares(bundle.card, shares)
    smallest = 2 * bundle.model.margin + 1
    if tile is not None and not smallest <= tile <= _MAX_TILE:
        raise UsageError(
            f"tile {tile}: the model looks {bundle.model.margin} pixels far: "
            f"choose {smallest} to {_MAX_TILE} pixels"
        )
    onnx, runtime = _package("onnx"), _package("onnxruntime")
    _package("onnxscript")
    whole = _WholeModel(bundle, wanted).eval().requires_grad_(False)
    trees = whole.network if isinstance(whole.network, Trees) else None
    if trees is None:
        proto = _graph(whole, bundle)
    else:  # torch exports what it can trace
        proto = _graph(_Features(whole), bundle)
        append_trees(proto, onnx, OUTPUT, trees, whole.offsets)
    if tile is not None:
        _fix_size(proto, tile)
    onnx.helper.set_model_props(proto, _metadata(bundle, tile, wanted))
    onnx.checker.check_model(proto, full_check=True)
    content = proto.SerializeToString(deterministic=True)
    tie = _TIE if trees is None else _TREES_TIE
    difference, pixels = _compare(whole, runtime, content, bundle.card.statistics, tile, tie)
    with held(out), new_file(out) as beside:
        beside.write_bytes(content)
    return ExportedNetwork(out, OPSET, tile, bundle.model.margin, difference, pixels)


class _WholeModel(nn.Module):
    """(B, band, H, W) raw values, NaN where there is no data -> (B, class, H, W) probabilities."""

    offsets: Tensor | None

    def __init__(self, bundle: Bundle, shares: ClassShares | None) -> None:
        super().__init__()
        offsets = None if shares is None else shares.offsets
        self.register_buffer("offsets", None if offsets is None else torch.tensor(offsets)[:, None, None])
        self.standardize = bundle.model.standardize
        self.network = bundle.model.network
        self.margin = bundle.model.margin

    def forward(self, x: Tensor) -> Tensor:
        """Class probabilities of every pixel."""
        logits = cast(Tensor, self.network(self.padded(x)))
        return (logits if self.offsets is None else logits + self.offsets).softmax(dim=1)

    def padded(self, x: Tensor) -> Tensor:
        """Standardised values with a margin of the training mean."""
        return F.pad(self.standardize(x), (self.margin,) * 4)


class _Features(nn.Module):
    """(B, band, H, W) raw values -> (B, features, H, W), what trees see."""

    def __init__(self, whole: _WholeModel) -> None:
        super().__init__()
        self.whole = whole
        self.context = cast(Trees, whole.network).context

    def forward(self, x: Tensor) -> Tensor:
        """Context features of every pixel."""
        return cast(Tensor, self.context(self.whole.padded(x)))


def _package(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)  # an optional extra, and slow to import
    except ImportError:
        raise UsageError(f"{name} is not installed: pip install 'geo_xmodal[onnx]'") from None


def _graph(whole: nn.Module, bundle: Bundle) -> Any:
    """The model as an `onnx.ModelProto`, of any batch, rows and columns, without traces of this machine."""
    example = torch.zeros(2, bundle.model.bands, 2 * bundle.model.margin + 9, 2 * bundle.model.margin + 11)
    sizes = {0: torch.export.Dim(_BATCH), 2: torch.export.Dim(_HEIGHT), 3: torch.export.Dim(_WIDTH)}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # notices of deprecation between torch and its own exporter
            program = torch.onnx.export(
                whole,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes={"x": sizes},
                verbose=False,
            )
    except Exception as error:
        raise OutputError(
            f"network '{bundle.card.network.name}' (method {bundle.card.method}) has no ONNX form: "
            f"{_first_line(error)}: map with geo-xmodal, or train a method whose network has one"
        ) from error
    proto = program.model_proto if program is not None else None
    if proto is None or next(one.version for one in proto.opset_import if not one.domain) != OPSET:
        raise OutputError(
            f"torch wrote no ONNX of operator set {OPSET}: use the torch that is tested with this"
        )
    proto.producer_name, proto.producer_version = "geo_xmodal", VERSION
    for part in (*proto.graph.node, *proto.graph.value_info, *proto.graph.input, *proto.graph.output):
        part.ClearField("metadata_props")  # the stack traces of its export
        part.ClearField("doc_string")
    return proto


def _fix_size(proto: Any, tile: int) -> None:
    for value in (*proto.graph.input, *proto.graph.output):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param in (_HEIGHT, _WIDTH):
                dimension.dim_value = tile
    proto.graph.ClearField("value_info")  # shapes between them, which nothing needs


def _metadata(bundle: Bundle, tile: int | None, shares: ClassShares | None) -> dict[str, str]:
    """What programs read (first, as the QGIS plugin Deepness names it), and what people need."""
    card, margin = bundle.card, bundle.model.margin
    side = tile or max(_TILE_SUGGESTED, 4 * margin)
    values: dict[str, Any] = {
        "model_type": "Segmentor",
        "class_names": {str(index): entry.name for index, entry in enumerate(card.classes)},
        "tile_size": side,
        "tiles_overlap": math.ceil(100 * 2 * margin / side),
        # Deepness gives (value / 255 - mean) / std to a model: with these, the raw values
        "standardization_mean": [0.0] * bundle.model.bands,
        "standardization_std": [1 / 255] * bundle.model.bands,
        "seg_thresh": 0.0,
        "seg_small_segment": 0,
    }
    if card.resolution is not None and card.resolution_unit == "m":
        values["resolution"] = 100 * sum(card.resolution) / 2  # centimetres
    values |= {
        "bands": list(card.statistics.bands),
        "input": _input(card),
        "band_statistics": card.target.statistics.model_dump(),
        "classes": [entry.model_dump() for entry in card.classes],
        "class_shares": None if shares is None else {"choice": shares.choice, "shares": shares.wanted},
        "margin": margin,
        "pixel_size": card.resolution,
        "pixel_size_unit": card.resolution_unit,
        "card": card.model_dump(),
    }
    return {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}


def _input(card: Card) -> dict[str, Any]:
    """What the network wants of each value: its unit, which values are known to it, and what is no data."""
    kind, statistics = KINDS[card.target.kind], card.statistics
    return {
        "kind": kind.name,
        "sensor": card.target.sensor,
        "unit": kind.unit or "as in the files that it was trained on",
        "decibels": False,
        "range": {
            name: [low, high]
            for name, low, high in zip(statistics.bands, statistics.low, statistics.high, strict=True)
        },
        "outside_range": "cut to it",
        "no_data": "NaN in each band that has no value; it is taken as the mean of training",
        "zero_is_no_data": kind.zero_is_no_data,
        "layout": "float32, (batch, band, row, col), bands in the order of `bands`",
    }


def _compare(
    whole: nn.Module,
    runtime: ModuleType,
    content: bytes,
    statistics: BandStatistics,
    tile: int | None,
    tie: float,
) -> tuple[float, int]:
    """Largest difference in probability, and the number of pixels compared."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise OutputError(
            f"onnxruntime {runtime.__version__} cannot load it: {_first_line(error)}"
        ) from error
    largest, pixels = 0.0, 0
    for batch, height, width in _CHECKED:
        x = _example(statistics, (batch, tile or height, tile or width))
        with torch.inference_mode():
            expected = whole(torch.from_numpy(x)).numpy()
        found = session.run([OUTPUT], {INPUT: x})[0]
        largest = max(largest, float(np.abs(found - expected).max()))
        pixels += x.shape[0] * x.shape[2] * x.shape[3]
        differ = found.argmax(axis=1) != expected.argmax(axis=1)
        clear = np.diff(np.sort(expected, axis=1)[:, -2:], axis=1)[:, 0] > tie
        if not np.isfinite(found).all() or (differ & clear).any():
            raise OutputError(
                f"in onnxruntime {runtime.__version__} {(differ & clear).sum()} of {differ.size} pixels have "
                f"another class than in torch (probabilities differ by up to {largest:.3g}): nothing was "
                "written; use versions of torch and onnxruntime that are tested together"
            )
    return largest, pixels


def _example(statistics: BandStatistics, size: tuple[int, int, int]) -> FloatArray:
    """(batch, band, row, col) values as the sensor has them and a little beyond, some of them missing."""
    rng = np.random.default_rng(0)
    batch, height, width = size
    low, high = (np.array(values)[:, None, None] for values in (statistics.low, statistics.high))
    share = rng.uniform(-0.1, 1.1, (batch, len(statistics.bands), height, width))
    values: FloatArray = (low + share * (high - low)).astype(np.float32)
    values[rng.random(values.shape) < 0.01] = np.nan
    return values


def _first_line(error: BaseException) -> str:
    while not isinstance(error, GeoXmodalError) and error.__cause__ is not None:
        error = error.__cause__
    return next(iter(str(error).splitlines()), type(error).__name__)
