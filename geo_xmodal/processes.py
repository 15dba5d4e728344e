"""Several processes that train one model, each on its share of every batch: what they sum and agree on.

Alone, a process has the whole batch, and everything here gives back what it is given. Among several, each
computes its part of every sum over the batch, so that values and gradients, added up over the processes, are
those of the whole batch. Collective functions must be called by all processes in the same order: what is
decided from a batch is decided from the whole of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from geo_xmodal.errors import GeoXmodalError, ProcessError
from geo_xmodal.named_options import option

MAX_WAIT = timedelta(hours=1)
"""How long a process waits for the others: the first one tests and writes alone."""

_FAILURE = "geo_xmodal/failure"


def count() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def launched() -> int:
    """How many processes a launcher such as torchrun started together, joined or not."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1


def number() -> int:
    """Which one this is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first() -> bool:
    """Whether this is the one that writes files and speaks; a process alone is."""
    return number() == 0


def share(index: Tensor) -> Tensor:
    """This process's part of a batch that all have drawn alike."""
    return index[number() :: count()]


def total(value: Tensor) -> Tensor:
    """The sum over the processes; no gradient flows through it."""
    if count() == 1:
        return value.detach()
    whole = value.detach().clone(memory_format=torch.contiguous_format)
    with _collective():
        dist.all_reduce(whole)
    return whole


def whole_number(part: int) -> int:
    """A count in the whole batch, from that in this process's part."""
    return part if count() == 1 else int(total(torch.tensor(part)))


def mean(sums: Tensor, parts: Tensor | int) -> Tensor:
    """This process's part of a mean over the whole batch.

    Args:
        sums: A sum over this process's part of the batch.
        parts: What it is divided by, likewise: a number of rows, or the sum of their weights.

    Returns:
        What, added up over the processes, is the mean; 0 of nothing.
    """
    whole = total(torch.as_tensor(parts, dtype=sums.dtype, device=sums.device))
    return sums / torch.where(whole > 0, whole, 1)


def stacked(row: Tensor) -> Tensor:
    """(processes, ...): what each process has there, of one shape; no gradient flows through it."""
    rows = [torch.empty_like(row) for _ in range(count())]
    with _collective():
        dist.all_gather(rows, row.detach())
    return torch.stack(rows)


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        sizes = _sizes(len(rows))
        ctx.start, ctx.size = sum(sizes[: number()]), len(rows)
        most = max(sizes)
        padded = rows.new_zeros(most, *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in sizes]
        with _collective():
            dist.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return total(grad)[ctx.start : ctx.start + ctx.size]


def gathered(rows: Tensor) -> Tensor:
    """(n, ...) rows of this process to those of all, in the order of processes; gradients find their way."""
    if count() == 1:
        return rows
    whole: Tensor = _Gathered.apply(rows)  # type: ignore[no-untyped-call]
    return whole


def agreed(value: Tensor) -> Tensor:
    """What the first process has there."""
    if count() > 1:
        value = value.clone()
        with _collective():
            dist.broadcast(value, 0)
    return value


def told(value: Any) -> Any:
    """What the first process has there, as JSON; the others may give anything."""
    return json.loads(sent(json.dumps(value).encode() if is_first() else b"")) if count() > 1 else value


def sent(content: bytes) -> bytes:
    """The bytes that the first process has; the others may give any."""
    if count() == 1:
        return content
    size = int(agreed(torch.tensor(len(content))))
    if not size:
        return b""
    own = torch.frombuffer(bytearray(content), dtype=torch.uint8) if is_first() else None
    return agreed(torch.zeros(size, dtype=torch.uint8) if own is None else own).numpy().tobytes()


def said(text: str) -> list[str]:
    """What each process says."""
    if count() == 1:
        return [text]
    content = torch.frombuffer(bytearray(text.encode()) or bytearray(1), dtype=torch.uint8)
    sizes = _sizes(len(text.encode()))
    rows = gathered(content[: sizes[number()], None])
    parts = torch.split(rows[:, 0], sizes)
    return [part.numpy().tobytes().decode() for part in parts]


def same_state(network: nn.Module) -> None:
    """Give weights and buffers the values that they have in the first process."""
    if count() > 1:
        with _collective(), torch.no_grad():
            for value in (*network.parameters(), *network.buffers()):
                if value.numel():
                    dist.broadcast(value.data, 0)


def add_gradients(weights: list[nn.Parameter]) -> None:
    """Make each gradient the sum of those of all processes."""
    if count() == 1:
        return
    grads = [weight.grad for weight in weights if weight.grad is not None]
    alone = [grad.numel() >= _LARGE and grad.is_contiguous() for grad in grads]
    small = [grad for grad, is_alone in zip(grads, alone, strict=True) if not is_alone]
    with _collective():
        for grad, is_alone in zip(grads, alone, strict=True):
            if is_alone:
                dist.all_reduce(grad)
        if small:
            flat = torch.cat([grad.reshape(-1) for grad in small])
            dist.all_reduce(flat)
            for grad, whole in zip(small, torch.split(flat, [one.numel() for one in small]), strict=True):
                grad.copy_(whole.view_as(grad))


_LARGE = 1 << 16
"""Numbers of a gradient that is summed where it is: a message costs less than to copy it twice."""


def _sizes(rows: int) -> list[int]:
    sizes = torch.zeros(count(), dtype=torch.int64)
    sizes[number()] = rows
    found: list[int] = total(sizes).tolist()
    return found


@contextmanager
def together() -> Iterator[None]:
    """A part of the work that all processes do or fail in alike: an error of one is an error of all.

    Raises:
        GeoXmodalError: In the block, here or in another process.
    """
    failure: GeoXmodalError | None = None
    try:
        yield
    except GeoXmodalError as error:
        if count() == 1:
            raise
        failure = error
    messages = said("" if failure is None else failure.marked)
    where = next((place for place, message in enumerate(messages) if message), None)
    if where is None:
        return
    if failure is not None and where == number() == 0:
        raise failure
    same = all(message == messages[where] for message in messages)
    words = messages[where] if same else f"process {where} of {count()}: {messages[where]}"
    raise ProcessError(words, told=not is_first()) from failure


def check_alike(**what: str) -> None:
    """See that all processes are about to do the same.

    Args:
        what: Fingerprints, by words for what they are of.

    Raises:
        ProcessError: They are not, in all processes.
    """
    for name, found in what.items():
        others = said(found)
        odd = next((place for place, other in enumerate(others) if other != others[0]), None)
        if odd is not None:
            raise ProcessError(
                f"process {odd} of {count()} has other {name.replace('_', ' ')} than process 0: give all "
                "processes the same files, options and version",
                told=not is_first(),
            )


@contextmanager
def joined(device: str) -> Iterator[None]:
    """Be one of several processes in the block, where a launcher such as torchrun started several.

    Args:
        device: What the processes compute on: cpu or cuda.

    Raises:
        ProcessError: The others cannot be reached, or end before their time.
    """
    if launched() == 1 or dist.is_initialized():
        yield
        return
    if device == "mps":
        raise ProcessError(
            f"several processes cannot share an MPS device: use {option('device', 'cpu')}, or one process"
        )
    from accelerate.state import PartialState  # of use to several processes alone

    # tensors of both kinds travel on a GPU machine: decisions and files are in the processor's memory
    backend = "cuda:nccl,cpu:gloo" if device == "cuda" else "gloo"
    with _collective():
        PartialState(cpu=device == "cpu", backend=backend, timeout=MAX_WAIT)
    try:
        yield
    except BaseException as error:
        _tell_failure(error)
        raise
    finally:
        with suppress(RuntimeError):
            dist.destroy_process_group()
        PartialState._reset_state()


def _tell_failure(error: BaseException) -> None:
    """Leave word of why this process ends, for those that wait for it."""
    if isinstance(error, ProcessError):
        return
    with suppress(RuntimeError):
        words = error.marked if isinstance(error, GeoXmodalError) else f"{type(error).__name__}: {error}"
        _store().set(_FAILURE, json.dumps([number(), words]))


def _store() -> Any:
    return dist.distributed_c10d._get_default_store()


@contextmanager
def _collective() -> Iterator[None]:
    """Errors of what processes do together, in one line."""
    try:
        yield
    except RuntimeError as error:
        who, words = None, "it left no word: it may have been killed, or have lost the network"
        with suppress(RuntimeError, ValueError):
            if _store().check([_FAILURE]):
                who, words = json.loads(_store().get(_FAILURE))
        process = "another process" if who is None else f"process {who} of {count()}"
        # the first process has spoken for itself; it speaks for the others
        known = who is not None and (who == 0 or not is_first())
        raise ProcessError(f"{process} of this training ended: {words}", told=known) from error
