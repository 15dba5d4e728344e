"""Networks made ready to map: each batch norm is part of the convolution before it, and Tanh is a sigmoid."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from geo_xmodal.networks.branch import Branch

_Place = tuple[nn.Module, str]
"""A module's owner, and its name there."""


_MINUS_ONE = torch.tensor(-1.0)


class TanhOfHalf(nn.Module):
    """tanh(x / 2) = 2 sigmoid(x) - 1: on CPUs PyTorch computes a sigmoid six times as fast as a tanh."""

    def forward(self, x: Tensor) -> Tensor:
        """Element by element; `x` is lost."""
        if x.dtype != torch.float32:  # rounded to few bits, a sigmoid less one half has fewer still
            return (x / 2).tanh_()
        return torch.add(_MINUS_ONE, x.sigmoid_(), alpha=2)


def folded(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode, with less to do at every pixel; the same numbers but for rounding.

    A batch norm that follows a convolution in an `nn.Sequential` is gone into its weights. A Tanh that does
    is a `TanhOfHalf`, of twice those weights. Nothing is traced: torch.fx patches `nn.Module` for all
    threads while it traces, and workers run networks of their own meanwhile.
    """
    made = copy.deepcopy(network).eval().requires_grad_(False)
    chains = [[module] for module in made.modules() if isinstance(module, nn.Sequential)]
    chains += [list(module.joints()) for module in made.modules() if isinstance(module, Branch)]
    for chain in chains:
        places = [(owner, name) for owner in chain for name in owner._modules]
        _drop_dropout(places)
        _fold_batch_norms(places)
        _fold_tanhs(places)
    return made


def _drop_dropout(places: Sequence[_Place]) -> None:
    for owner, name in places:
        if isinstance(owner._modules[name], nn.Dropout):
            owner._modules[name] = nn.Identity()


def _fold_batch_norms(places: Sequence[_Place]) -> None:
    for (owner, name), (after, follower) in itertools.pairwise(places):
        first, second = owner._modules[name], after._modules[follower]
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            owner._modules[name] = fuse_conv_bn_eval(first, second)
            after._modules[follower] = nn.Identity()


def _fold_tanhs(places: Sequence[_Place]) -> None:
    acting = [(owner, name) for owner, name in places if not isinstance(owner._modules[name], nn.Identity)]
    for (owner, name), (after, follower) in itertools.pairwise(acting):
        convolution, tanh = owner._modules[name], after._modules[follower]
        if isinstance(convolution, nn.Conv2d) and isinstance(tanh, nn.Tanh):
            with torch.no_grad():
                for weight in convolution.parameters():
                    weight.mul_(2)
            after._modules[follower] = TanhOfHalf()
