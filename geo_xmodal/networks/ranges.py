"""What the convolutions of a network are fed: the ranges that eight-bit numbers have to cover."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from geo_xmodal.networks.folding import folded
from geo_xmodal.networks.pixel_model import PixelModel
from geo_xmodal.types import FloatArray


def input_ranges(model: PixelModel, parts: Iterable[FloatArray]) -> Mapping[str, tuple[float, float]]:
    """Smallest and largest value that each convolution of the folded network sees.

    Args:
        model: A fitted model; it is not changed.
        parts: (n, band, 2m + 1, 2m + 1) raw values of training pixels, as many at a time as memory takes.

    Returns:
        Name of the convolution -> range, 0 included: zeros stand where a neighbour is missing.
    """
    network = folded(model.network)
    seen: dict[str, tuple[float, float]] = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_pre_hook(partial(_look, partial(_widen, seen, name)))
    with torch.inference_mode():
        for part in parts:
            network(model.standardize(torch.from_numpy(part)))
    return seen


def _look(widen: Callable[[Tensor], None], module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    widen(inputs[0])


def _widen(seen: dict[str, tuple[float, float]], name: str, x: Tensor) -> None:
    low, high = seen.get(name, (0.0, 0.0))
    seen[name] = min(low, float(x.min())), max(high, float(x.max()))
