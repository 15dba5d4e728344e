"""What computes the steps of a training: a device, a precision, and what turns losses into gradients.

Accelerate does what is the same for everybody: devices, autocast, backward, clipping. It is imported when
training begins, as it is of no use before.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor, nn

from geo_xmodal import processes
from geo_xmodal.errors import UsageError
from geo_xmodal.named_options import option
from geo_xmodal.requests.common import TrainingDevice as Device
from geo_xmodal.requests.common import TrainingPrecision as Precision

if TYPE_CHECKING:
    from accelerate import Accelerator


_ASKED_EVERY = 20
"""Steps from one word about the loss to the next, where a word costs time."""


@dataclass(frozen=True)
class Compute:
    """On what a run computes, as far as its numbers depend on it.

    Attributes:
        device: The kind of device.
        precision: Of activations: weights, their gradients and what is minimised are float32 always.
    """

    device: Literal["cpu", "cuda", "mps"] = "cpu"
    precision: Precision = "float32"

    def describe(self) -> dict[str, Any]:
        """For config.json and the mark of a run."""
        several = {"processes": processes.count()} if processes.count() > 1 else {}
        return {"device": self.device, "precision": self.precision, **several}


ON_PROCESSOR = Compute()


def compute_for(device: str, precision: str) -> Compute:
    """What is asked for, on this machine.

    `auto` is a CUDA device where there is one, else the processor: MPS lacks some of the operations of
    correlation objectives and is taken only when it is named.

    Raises:
        UsageError: There is no such device here, or no such precision.
    """
    if device not in get_args(Device):
        raise UsageError(f"{option('device', device)}: choose one of {', '.join(get_args(Device))}")
    if precision not in get_args(Precision):
        raise UsageError(f"{option('precision', precision)}: choose one of {', '.join(get_args(Precision))}")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        device = "cuda" if there["cuda"] else "cpu"
    if not there[device]:
        found = ", ".join(name for name, is_there in there.items() if is_there)
        raise UsageError(
            f"{option('device', device)}: PyTorch {torch.__version__} finds no such device on this "
            f"machine, only "
            f"{found}: use {option('device', 'auto')}, or install a PyTorch and a driver for it"
        )
    return Compute(device, precision)  # type: ignore[arg-type]


class Engine:
    """Steps of one run on a device.

    Attributes:
        device: Where batches and weights go.
    """

    def __init__(self, compute: Compute) -> None:
        self._accelerator = _accelerator(compute)
        self.device: torch.device = self._accelerator.device

    def seed(self, seed: int) -> None:
        """Seed what is drawn next: noise, dropout."""
        # torch.manual_seed takes 0.2 ms to ask for every kind of device
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed)
        elif self.device.type == "mps":
            torch.mps.manual_seed(seed)

    def asks(self, step: int) -> bool:
        """Whether the loss is asked for after this step: a GPU, or others, would have to be waited for."""
        alone = self.device.type == "cpu" and processes.count() == 1
        return alone or (step + 1) % _ASKED_EVERY == 0

    def autocast(self) -> AbstractContextManager[Any]:
        """Activations have the precision of the run in the block."""
        context: AbstractContextManager[Any] = self._accelerator.autocast()
        return context

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss to those of its weights."""
        self._accelerator.backward(loss)

    def clip(self, weights: Iterable[nn.Parameter], norm: float) -> None:
        """Shorten all gradients together to a norm, if they are longer."""
        self._accelerator.clip_grad_norm_(weights, norm)


def _accelerator(compute: Compute) -> Accelerator:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    precision = "bf16" if compute.precision == "bf16" else "no"
    # its state is that of the process, for one device and precision, and the run before may have had others
    if AcceleratorState._shared_state:
        state = AcceleratorState()
        if (state.device.type, state.mixed_precision) != (compute.device, precision):
            AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(cpu=compute.device == "cpu", mixed_precision=precision)


@contextmanager
def repeatable(compute: Compute) -> Iterator[None]:
    """The same bytes again from the same steps, also on a GPU, where it has a way to."""
    if compute.device != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


class Means:
    """Means over the steps of an epoch, by name; a device, or others, are waited for when they are asked."""

    def __init__(self) -> None:
        self.steps = 0
        self._sums: dict[str, float] = {}
        self._waiting: list[dict[str, Tensor]] = []

    def add(self, terms: dict[str, Tensor]) -> None:
        """One more step."""
        self._waiting.append({name: value.detach() for name, value in terms.items()})
        self.steps += 1

    def __call__(self) -> dict[str, float]:
        """The means over the steps so far; a term that some steps lack counts 0 there."""
        for terms in self._waiting:
            values = processes.total(torch.stack(list(terms.values()))).tolist()
            for name, value in zip(terms, values, strict=True):
                self._sums[name] = self._sums.get(name, 0.0) + value
        self._waiting.clear()
        return {name: value / self.steps for name, value in self._sums.items()}
