"""Networks made ready to map: each batch norm is part of the convolution before it."""

from __future__ import annotations

import copy
import itertools

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from geo_xmodal.networks.branch import Branch


def folded(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode, without the batch norms that follow a convolution in an `nn.Sequential`.

    The same numbers but for rounding, with a pass over the data less for each. Nothing is traced: torch.fx
    patches `nn.Module` for all threads while it traces, and workers run networks of their own meanwhile.
    """
    made = copy.deepcopy(network).eval()
    chains = [[module] for module in made.modules() if isinstance(module, nn.Sequential)]
    if isinstance(made, Branch):
        chains.append(list(made.joints()))
    for chain in chains:
        places = [(owner, name) for owner in chain for name in owner._modules]
        for (owner, name), (after, follower) in itertools.pairwise(places):
            first, second = owner._modules[name], after._modules[follower]
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                owner._modules[name] = fuse_conv_bn_eval(first, second)
                after._modules[follower] = nn.Identity()
    return made
