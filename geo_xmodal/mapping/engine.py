"""A model at work: a window of raw values in, class ids and their probability out."""

from __future__ import annotations

import copy
import importlib
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from geo_xmodal.bundle import Bundle
from geo_xmodal.errors import ModelMismatchError, UsageError
from geo_xmodal.networks import folded
from geo_xmodal.types import ClassArray, FloatArray, windows_over

Engine = Literal["torch", "openvino"]
"""What runs the network."""

TILE = 128
"""Side of the tiles that a window is computed in, unless the network asks for others: their activations stay
in the processor's cache."""

_KEPT_BYTES = 31 << 20

_TRACING = threading.Lock()
"""TorchScript gives modules names of their own: two traces at a time find each other's, and fail."""

_Network = Callable[[Tensor], Tensor]
"""Standardised (1, band, tile + 2m, tile + 2m) -> logits (1, class, tile, tile)."""


class Classifier:
    """A bundle's model, made ready for mapping.

    Whatever the size of a window, the network sees tiles of one fixed shape, cut from the window's first
    row and column on. So a pixel has the same numbers, to the bit, in any two
    windows that start a whole number of tiles apart, and the same but for rounding in any others.

    Args:
        bundle: The model; it is not changed.
        engine: What runs the network.
        threads: Threads for each tile; None leaves the engine's own choice. For torch this sets the calling
            thread's number for everything it runs from then on.

    Raises:
        UsageError: If the engine is unknown or not installed.
    """

    def __init__(self, bundle: Bundle, engine: Engine = "torch", threads: int | None = None) -> None:
        self.bands = bundle.model.bands
        self.margin = bundle.model.margin
        self.engine = engine
        self._ids = np.array([entry.id for entry in bundle.card.legend], np.uint8)
        self._standardize = copy.deepcopy(bundle.model.standardize).eval()
        self.tile: int = getattr(bundle.model.network, "tile", TILE)
        side = self.tile + 2 * self.margin
        self._tile = np.full((1, self.bands, side, side), np.nan, np.float32)
        network = folded(bundle.model.network).requires_grad_(False)
        build = _ENGINES[check_engine(engine)]
        self._network = build(network, self._tile.shape, threads)

    def classify(
        self, values: FloatArray, where: npt.NDArray[np.bool_] | None = None
    ) -> tuple[ClassArray, FloatArray]:
        """Class and top-1 probability of every pixel of a window.

        Args:
            values: (band, h + 2m, w + 2m) raw values, NaN where there is no data, `m` = `margin`.
            where: (h, w), the pixels that are asked for; None for all. Others may be left at 0 / NaN.

        Returns:
            Class ids (h, w), 0 where any band is missing at the pixel itself; and the probability of that
            class (h, w), NaN there. Of equal probabilities the first class of the legend wins. A missing
            neighbour counts as the training mean.

        Raises:
            ModelMismatchError: If `values` has another number of bands, or no pixel inside the margin.
        """
        m = self.margin
        if values.ndim != 3 or values.shape[0] != self.bands or min(values.shape[1:]) <= 2 * m:
            raise ModelMismatchError(
                f"window of shape {values.shape}; the model expects ({self.bands}, > {2 * m}, > {2 * m})"
            )
        height, width = values.shape[1] - 2 * m, values.shape[2] - 2 * m
        centre = values[:, m : m + height, m : m + width]
        valid: npt.NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(centre), axis=0)
        if where is not None:
            valid = valid & where
        ids = np.zeros((height, width), np.uint8)
        probability = np.full((height, width), np.nan, np.float32)
        for tile in windows_over(height, width, self.tile):
            inside = valid[tile.slices]
            if not inside.any():
                continue
            rows, cols = tile.height + 2 * m, tile.width + 2 * m
            part = values[:, tile.row : tile.row + rows, tile.col : tile.col + cols]
            best, top = self._classify_tile(part)
            ids[tile.slices] = np.where(inside, self._ids[best[: tile.height, : tile.width]], 0)
            probability[tile.slices] = np.where(inside, top[: tile.height, : tile.width], np.nan)
        return ids, probability

    def _classify_tile(self, part: FloatArray) -> tuple[npt.NDArray[np.int64], FloatArray]:
        _, rows, cols = part.shape
        self._tile[0, :, :rows, :cols] = part  # the rest, an earlier tile's, reaches no pixel of this one
        with torch.inference_mode():
            logits = self._network(self._standardize(torch.from_numpy(self._tile)))
            top, best = logits.softmax(dim=1).max(dim=1)
        return best[0].numpy(), top[0].numpy()


def check_engine(engine: str) -> Engine:
    """The engine, if it is known and installed.

    Raises:
        UsageError: If it is not.
    """
    if engine not in _ENGINES:
        raise UsageError(f"no engine '{engine}': choose one of {', '.join(_ENGINES)}")
    if engine == "openvino":
        _openvino()
    return cast(Engine, engine)


def engine_version(engine: Engine) -> str:
    """Name and version of what runs the network: another one may round differently."""
    version = torch.__version__ if engine == "torch" else _openvino().__version__
    return f"{engine} {version}"


def _torch_network(network: nn.Module, shape: tuple[int, ...], threads: int | None) -> _Network:
    if threads is not None:
        torch.set_num_threads(threads)
    # The C library gives freed activations back to the kernel and gets them anew for each layer: the page
    # faults took half of all time. It stops doing so for blocks smaller than the largest it saw freed.
    torch.empty(_KEPT_BYTES, dtype=torch.uint8)
    fast = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in its stubs
    return lambda x: cast(Tensor, fast(x.contiguous(memory_format=torch.channels_last)))


def _openvino_network(network: nn.Module, shape: tuple[int, ...], threads: int | None) -> _Network:
    openvino = _openvino()
    # What `openvino.convert_model` does, without the usage statistics that it sends.
    front_end = openvino.frontend.FrontEndManager().load_by_framework("pytorch")
    decoder = importlib.import_module("openvino.frontend.pytorch.ts_decoder")
    with _TRACING:
        traced = decoder.TorchScriptPythonDecoder(network, example_input=torch.zeros(shape))
        model = front_end.convert(front_end.load(traced))
    model.reshape(list(shape))
    config: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1}
    if threads is not None:
        config["INFERENCE_NUM_THREADS"] = threads
    request = openvino.Core().compile_model(model, "CPU", config).create_infer_request()

    def run(x: Tensor) -> Tensor:
        return torch.from_numpy(request.infer([x.numpy()], share_inputs=True)[0])

    return run


def _openvino() -> ModuleType:
    try:
        return importlib.import_module("openvino")  # an optional extra, and slow to import
    except ImportError:
        raise UsageError(
            "engine openvino is not installed: pip install 'geo_xmodal[openvino]', or use --engine torch"
        ) from None


_ENGINES: dict[str, Callable[[nn.Module, tuple[int, ...], int | None], _Network]] = {
    "torch": _torch_network,
    "openvino": _openvino_network,
}
