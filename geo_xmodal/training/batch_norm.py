"""Batch norm over a batch that several processes share: means and variances are of the whole of it.

PyTorch's own (`SyncBatchNorm`) is for CUDA alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from geo_xmodal import processes
from geo_xmodal.errors import TrainingDataError

_ORDINARY = (nn.BatchNorm1d.forward, nn.BatchNorm2d.forward, nn.BatchNorm3d.forward)


@contextmanager
def over_whole_batches(network: nn.Module) -> Iterator[None]:
    """Let batch norms of a network, in training, see the batch of all processes; a process alone has it.

    Raises:
        TrainingDataError: The network has batch norms of another kind, whose code is its own.
    """
    if processes.count() == 1:
        yield
        return
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    for norm in norms:
        if type(norm).forward not in _ORDINARY:
            raise TrainingDataError(
                f"the network has a {type(norm).__name__}, which sees the pixels of one process alone: train "
                "it in one process"
            )
        norm.forward = partial(_normalised, norm)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


def _normalised(norm: _BatchNorm, x: Tensor) -> Tensor:
    if not norm.training and norm.track_running_stats:
        return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
    full = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
    y, mean, var, n = _WholeBatch.apply(full, norm.weight, norm.bias, norm.eps)  # type: ignore[no-untyped-call]
    if norm.track_running_stats:
        _track(norm, mean, var, n)
    normalised: Tensor = y.to(x.dtype)
    return normalised


@torch.no_grad()
def _track(norm: _BatchNorm, mean: Tensor, var: Tensor, n: Tensor) -> None:
    seen, running_mean, running_var = norm.num_batches_tracked, norm.running_mean, norm.running_var
    assert seen is not None and running_mean is not None and running_var is not None
    seen.add_(1)
    momentum = 1 / float(seen) if norm.momentum is None else norm.momentum
    running_mean.lerp_(mean, momentum)
    running_var.lerp_(var * n / (n - 1), momentum)


class _WholeBatch(torch.autograd.Function):
    """(x - mean) / sqrt(var + eps) * weight + bias, with mean and var over all rows of all processes.

    The passes are over whole rows: PyTorch's own backward goes channel by channel, ten times as slow where
    a channel has few pixels, as in a small patch.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mean, var, n = _moments(x)
        inverse = (var + eps).rsqrt()
        scale = inverse if weight is None else inverse * weight
        shift = -mean * scale if bias is None else bias - mean * scale
        ctx.save_for_backward(x, mean, inverse, scale, n)
        ctx.affine = weight is not None
        ctx.mark_non_differentiable(mean, var, n)
        return torch.addcmul(_spread(shift, x), x, _spread(scale, x)), mean, var, n

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor, *others: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, inverse, scale, n = ctx.saved_tensors
        centred, dims = x - _spread(mean, x), _dims(x)
        own = torch.stack([(grad * centred).sum(dims) * inverse, grad.sum(dims)])
        # mean and variance are of x, too: what the whole batch asks of them
        slope, level = processes.total(own) * scale / n
        dx = centred.mul_(_spread(slope * inverse, x)).add_(_spread(level, x))
        dx = torch.addcmul(dx.neg_(), grad, _spread(scale, x))
        return dx, *(own if ctx.affine else (None, None)), None


def _moments(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, variance and number of values of each channel over all processes."""
    channels, rows = x.shape[1], x.numel() // x.shape[1]
    own = x.new_zeros(2 * channels + 1)
    if rows:
        mean, var = torch.batch_norm_update_stats(x, None, None, 0.0)
        own = torch.cat([mean, var, x.new_tensor([rows])])
    means, variances, counts = torch.split(processes.stacked(own), [channels, channels, 1], 1)
    n = counts.sum()
    if n <= 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {x.shape}")
    mean = (counts * means).sum(0) / n
    var = (counts * (variances + (means - mean).square())).sum(0) / n
    return mean, var, n


def _dims(x: Tensor) -> tuple[int, ...]:
    return tuple(dim for dim in range(x.ndim) if dim != 1)


def _spread(values: Tensor, x: Tensor) -> Tensor:
    """(channels,) to a shape that meets every value of `x`."""
    return values.view(1, -1, *(1 for _ in x.shape[2:]))
