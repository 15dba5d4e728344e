"""Networks by name: what a bundle may ask for. Nothing from a file is ever imported or executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from torch import nn

from geo_xmodal.errors import BundleError
from geo_xmodal.networks.limits import NetworkOptions
from geo_xmodal.networks.pixel_cnn import PixelCnn, PixelCnnOptions
from geo_xmodal.networks.resnet import ResNet50, ResNetOptions
from geo_xmodal.networks.tanh_cnn import TanhCnn, TanhCnnOptions
from geo_xmodal.networks.x_modalnet import XModalNet, XModalNetOptions
from geo_xmodal.small_files import first_problem


class LinearOptions(NetworkOptions):
    """`linear` has no options."""


class LinearPixels(nn.Conv2d):
    """One linear map from a pixel's bands to class logits."""

    margin = 0

    def __init__(self, bands: int, classes: int, options: LinearOptions) -> None:
        super().__init__(bands, classes, 1)


NETWORKS: Mapping[str, tuple[type[nn.Module], type[NetworkOptions]]] = {
    "linear": (LinearPixels, LinearOptions),
    "pixel_cnn": (PixelCnn, PixelCnnOptions),
    "resnet50": (ResNet50, ResNetOptions),
    "tanh_cnn": (TanhCnn, TanhCnnOptions),
    "x_modalnet": (XModalNet, XModalNetOptions),
}


@dataclass(frozen=True)
class NetworkSpec:
    """A network as a card names it."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def margin(self) -> int:
        """Pixels on each side that a prediction looks at.

        Raises:
            BundleError: if the name is unknown or an option is out of its bounds.
        """
        return _checked(self)[1].margin


def build_network(spec: NetworkSpec, bands: int, classes: int) -> nn.Module:
    """A network with fresh weights.

    Raises:
        BundleError: if the name is unknown or an option is out of its bounds.
    """
    network, options = _checked(spec)
    return network(bands, classes, options)


def _checked(spec: NetworkSpec) -> tuple[type[nn.Module], NetworkOptions]:
    if spec.name not in NETWORKS:
        raise BundleError(f"unknown network '{spec.name}': this version knows {', '.join(sorted(NETWORKS))}")
    network, options = NETWORKS[spec.name]
    try:
        return network, options.model_validate(dict(spec.options))
    except ValidationError as error:
        raise BundleError(f"network '{spec.name}': {first_problem(error)}") from None
