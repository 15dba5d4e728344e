"""What runs a network over tiles of one fixed shape: PyTorch or OpenVINO, in float32 or less."""

from __future__ import annotations

import importlib
import importlib.util
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast, get_args

import torch
from torch import Tensor, nn

from geo_xmodal.errors import UsageError
from geo_xmodal.mapping.quantizing import Ranges, quantize
from geo_xmodal.named_options import option
from geo_xmodal.networks import folded
from geo_xmodal.requests.mapping import Device as Device
from geo_xmodal.requests.mapping import Engine as Engine
from geo_xmodal.requests.mapping import Precision as Precision

RunTile = Callable[[Tensor], Tensor]
"""Standardised (1, band, tile + 2m, tile + 2m) -> logits (1, class, tile, tile), float32 on the CPU; with
PyTorch, any number of patches of any size."""

_KEPT_BYTES = 31 << 20

_NO_LOGIT = 1e4

_TRACING = threading.Lock()
"""TorchScript gives modules names of their own: two traces at a time find each other's, and fail."""


@dataclass(frozen=True)
class Runtime:
    """An engine, and how it computes; `Runtime.of` checks it.

    Attributes:
        engine: What runs the network.
        precision: Numbers that it computes with.
        device: Where it runs.
    """

    engine: Engine = "torch"
    precision: Precision = "float32"
    device: Device = "cpu"

    @classmethod
    def of(cls, engine: str | None = None, precision: str = "float32", device: str = "cpu") -> Runtime:
        """The runtime that is asked for.

        Args:
            engine: None for OpenVINO on a CPU where it is installed, else PyTorch.
            precision: `float32`; `bf16` where the processor computes with it; `int8` with OpenVINO.
            device: `cpu`, or `cuda` with PyTorch.

        Raises:
            UsageError: If one is unknown, not installed, or not to be had here.
        """
        _check_known("engine", engine or "torch", Engine)
        _check_known("precision", precision, Precision)
        _check_known("device", device, Device)
        if engine is None:
            engine = "openvino" if device == "cpu" and importlib.util.find_spec("openvino") else "torch"
        if engine == "openvino":
            _openvino()
        elif precision == "int8":
            raise UsageError(
                f"{option('precision', 'int8')} is for {option('engine', 'openvino')}: install it, or "
                "take bf16"
            )
        if device == "cuda":
            if engine == "openvino":
                raise UsageError(
                    f"{option('device', 'cuda')} is for {option('engine', 'torch')}: openvino runs on the "
                    "processor"
                )
            if not torch.cuda.is_available():
                raise UsageError(
                    f"{option('device', 'cuda')}: PyTorch finds no CUDA device here; leave it out for the CPU"
                )
        if precision == "bf16" and device == "cpu" and not _has_bf16():
            raise UsageError(
                f"{option('precision', 'bf16')}: this processor does not compute with it (neither "
                "AVX512_BF16 nor AMX): leave it out"
            )
        return cls(cast(Engine, engine), cast(Precision, precision), cast(Device, device))

    def __str__(self) -> str:
        """Name and version, and what differs from float32 on a CPU: another one may round differently."""
        version = torch.__version__ if self.engine == "torch" else _openvino().__version__
        words = [self.engine, version]
        words += [self.precision] if self.precision != "float32" else []
        words += [torch.cuda.get_device_name()] if self.device == "cuda" else []
        return " ".join(words)

    def suited(self, network: nn.Module) -> Runtime:
        """The runtime for a network: itself, but for trees, which run as they are.

        Raises:
            UsageError: It cannot be computed as is asked.
        """
        if self.precision == "int8" and getattr(network, "tiling", None) is not None:
            raise UsageError("precision int8: networks that map in tiles have no ranges for it: leave it out")
        if getattr(network, "traceable", True):
            return self
        if self.precision != "float32":
            raise UsageError(
                f"precision {self.precision}: trees compare numbers exactly, and map in float32: leave it out"
            )
        if self.device != "cpu":
            raise UsageError(f"device {self.device}: trees are walked on the processor: leave it out")
        return _PLAIN

    def prepare(
        self,
        network: nn.Module,
        shape: tuple[int, int, int, int],
        threads: int | None,
        ranges: Ranges | None = None,
    ) -> RunTile:
        """The network, ready to run on tiles of one shape.

        Args:
            network: A target branch; it is not changed.
            shape: (1, band, tile + 2m, tile + 2m).
            threads: Threads for each tile; None leaves the engine's own choice. For PyTorch this sets the
                calling thread's number for everything it runs from then on.
            ranges: What its convolutions see in training; int8 needs them.

        Raises:
            ModelMismatchError: If a range is missing.
        """
        if self.engine == "openvino":
            return _openvino_network(folded(network), shape, self.precision, threads, ranges or {})
        return _torch_network(folded(network), self.precision, self.device, threads)


_PLAIN = Runtime()


def _check_known(name: str, value: str, known: Any) -> None:
    if value not in get_args(known):
        raise UsageError(f"no {name} '{value}': choose one of {', '.join(get_args(known))}")


def _has_bf16() -> bool:
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def _torch_network(network: nn.Module, precision: Precision, device: Device, threads: int | None) -> RunTile:
    if threads is not None:
        torch.set_num_threads(threads)
    # The C library gives freed activations back to the kernel and gets them anew for each layer: the page
    # faults took half of all time. It stops doing so for blocks smaller than the largest it saw freed.
    torch.empty(_KEPT_BYTES, dtype=torch.uint8)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    fast: nn.Module = network.to(device, dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(x: Tensor) -> Tensor:
        x = x.to(device, dtype).contiguous(memory_format=torch.channels_last)
        return cast(Tensor, fast(x)).to("cpu", torch.float32)

    return run


class _Unrounded(nn.Module):
    """Logits within limits that none reaches: what follows the last convolution is float32 in OpenVINO."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.network(x)).clamp(-_NO_LOGIT, _NO_LOGIT)


def _openvino_network(
    network: nn.Module, shape: tuple[int, ...], precision: Precision, threads: int | None, ranges: Ranges
) -> RunTile:
    openvino = _openvino()
    # What `openvino.convert_model` does, without the usage statistics that it sends.
    network = _Unrounded(network) if precision == "bf16" else network
    front_end = openvino.frontend.FrontEndManager().load_by_framework("pytorch")
    decoder = importlib.import_module("openvino.frontend.pytorch.ts_decoder")
    with _TRACING:
        traced = decoder.TorchScriptPythonDecoder(network, example_input=torch.zeros(shape))
        model = front_end.convert(front_end.load(traced))
    model.reshape(list(shape))
    if precision == "int8":
        quantize(model, ranges)
    config: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # or several networks of one thread each share the first core
    }
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
            "engine openvino is not installed: pip install 'geo_xmodal[openvino]', or use "
            f"{option('engine', 'torch')}"
        ) from None
