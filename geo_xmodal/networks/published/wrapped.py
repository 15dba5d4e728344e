"""A network of another library, or laid out like one: what its file holds by the names that it has."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from geo_xmodal.errors import UsageError
from geo_xmodal.networks.backbones.backbone import check_layout


class Wrapped(nn.Module):
    """A network whose published file has other names, or more weights, than it has.

    Attributes:
        net: the network.
        features: width of a vector.
        fresh: names of weights that a file need not hold.
    """

    net: nn.Module
    features: int
    fresh: tuple[str, ...] = ()
    position = "pos_embed"

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Take over weights by their names in the published file; ValueError if they are others."""
        own = self.net.state_dict()
        found = dict(self.named(weights))
        found |= {name: own[name] for name in self.fresh if name in own and name not in found}
        check_layout(type(self).__name__.strip("_"), own, found)
        self.net.load_state_dict(found)

    def named(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The weights by the names of the network, without those that it has no use for."""
        return weights

    def resampled(self, position: Tensor) -> Tensor:
        """A position embedding (1, 1 + tokens, width) for the network's own number of tokens."""
        side = round((cast(Tensor, self.net.get_parameter(self.position)).shape[1] - 1) ** 0.5)
        resample = importlib.import_module("timm.layers").resample_abs_pos_embed
        return cast(Tensor, resample(position, [side, side], num_prefix_tokens=1))


def module_of(package: str, name: str, network: str) -> Any:
    """A module of an optional package, imported when its network is asked for.

    Precision stays as it is: importing terratorch lowers that of all products of matrices in the process.

    Args:
        package: that holds it, which is the name of an extra of this one.
        name: of the module.
        network: that it holds, for messages.

    Raises:
        UsageError: The package is not installed.
    """
    precision = torch.get_float32_matmul_precision()
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UsageError(
            f"{package}, which holds the network of {network}, is not installed: "
            f"pip install 'geo_xmodal[{package}]'"
        ) from None
    finally:
        torch.set_float32_matmul_precision(precision)
