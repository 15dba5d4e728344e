"""Networks by name: what a bundle may ask for. Nothing from a file is ever imported or executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import ValidationError
from torch import nn

from geo_xmodal.errors import BundleError
from geo_xmodal.extensions import Registry
from geo_xmodal.networks.average import Average, AverageOptions
from geo_xmodal.networks.branch import Branch
from geo_xmodal.networks.limits import NetworkOptions
from geo_xmodal.networks.mit import MitB0
from geo_xmodal.networks.patch_branch import PatchBranchOptions
from geo_xmodal.networks.pixel_cnn import PixelCnn, PixelCnnOptions
from geo_xmodal.networks.published import PublishedBranch, PublishedOptions
from geo_xmodal.networks.resnet import ResNet18, ResNet50
from geo_xmodal.networks.segmentation import Cmx, Fcn, SegFormer, SegFormerOptions, SegmenterOptions
from geo_xmodal.networks.shared_specific import SharedSpecific, SharedSpecificOptions
from geo_xmodal.networks.tanh_cnn import TanhCnn, TanhCnnOptions
from geo_xmodal.networks.trees import Trees, TreesOptions
from geo_xmodal.networks.vit import VitS16
from geo_xmodal.networks.x_modalnet import XModalNet, XModalNetOptions
from geo_xmodal.small_files import first_problem


class LinearOptions(NetworkOptions):
    """`linear` has no options."""


class LinearPixels(nn.Conv2d):
    """One linear map from a pixel's bands to class logits."""

    margin = 0

    def __init__(self, bands: int, classes: int, options: LinearOptions) -> None:
        super().__init__(bands, classes, 1)


def _is_network(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and all(isinstance(one, type) for one in value)
        and issubclass(value[0], nn.Module)
        and issubclass(value[1], NetworkOptions)
    )


NETWORKS: Registry[tuple[type[nn.Module], type[NetworkOptions]]] = Registry(
    "networks",
    {
        "average": (Average, AverageOptions),
        "cmx": (Cmx, SegFormerOptions),
        "fcn": (Fcn, SegmenterOptions),
        "linear": (LinearPixels, LinearOptions),
        "mit_b0": (MitB0, PatchBranchOptions),
        "pixel_cnn": (PixelCnn, PixelCnnOptions),
        "published": (PublishedBranch, PublishedOptions),
        "resnet18": (ResNet18, PatchBranchOptions),
        "resnet50": (ResNet50, PatchBranchOptions),
        "segformer": (SegFormer, SegFormerOptions),
        "shared_specific": (SharedSpecific, SharedSpecificOptions),
        "tanh_cnn": (TanhCnn, TanhCnnOptions),
        "trees": (Trees, TreesOptions),
        "vit_s16": (VitS16, PatchBranchOptions),
        "x_modalnet": (XModalNet, XModalNetOptions),
    },
    _is_network,
    "a pair of classes: a torch Module (or Branch) and its NetworkOptions",
)
"""By name; installed packages may add some (`geo_xmodal.extensions`)."""


def branch_choices() -> tuple[str, ...]:
    """Names of the networks that users may choose as target branch; imports what packages add."""
    return tuple(name for name in NETWORKS if _is_choice(name))


def branch_help() -> str:
    """What users may choose as target branch, in words; imports nothing that packages add."""
    own = ", ".join(branch_class(name).choice for name in NETWORKS.own if _is_choice(name))
    return f"network: {own}, or one that a package adds"


def branch_class(name: str) -> type[Branch]:
    """The target branch of a name.

    Raises:
        BundleError: No network has that name, or it is none that users choose.
    """
    if name not in NETWORKS or not _is_choice(name):
        raise BundleError(f"'{name}' is no target branch: choose one of {', '.join(branch_choices())}")
    return cast(type[Branch], NETWORKS[name][0])


def _is_choice(name: str) -> bool:
    network = NETWORKS[name][0]
    return issubclass(network, Branch) and bool(network.choice)


@dataclass(frozen=True)
class NetworkSpec:
    """A network as a card names it."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def chosen(cls, name: str, settings: Mapping[str, Any]) -> NetworkSpec:
        """The network `name` with those of the settings of a target branch that are its own.

        Raises:
            BundleError: if the name is unknown.
        """
        return cls(name, _options_of(name).chosen(settings))

    @property
    def margin(self) -> int:
        """Pixels on each side that a prediction looks at.

        Raises:
            BundleError: if the name is unknown or an option is out of its bounds.
        """
        return _checked(self)[1].margin


def checked_branch(name: str) -> str:
    """`branch_class` for a validator of options: the name itself.

    Raises:
        ValueError: It is none that users choose.
    """
    try:
        branch_class(name)
    except BundleError as error:
        raise ValueError(str(error)) from None
    return name


def check_spec(spec: NetworkSpec) -> None:
    """See, for a validator of options, that there is such a network.

    Raises:
        ValueError: There is not; the message is that of the option.
    """
    try:
        _checked(spec)
    except BundleError as error:
        raise ValueError(str(error).split(": ", 2)[-1].removeprefix("Value error, ")) from None


def build_network(spec: NetworkSpec, bands: int, classes: int) -> nn.Module:
    """A network with fresh weights.

    Raises:
        BundleError: if the name is unknown, or an option is out of its bounds or does not fit the bands.
    """
    network, options = _checked(spec)
    try:
        return network(bands, classes, options)
    except ValueError as error:
        raise BundleError(f"network '{spec.name}': {error}") from None


def _options_of(name: str) -> type[NetworkOptions]:
    if name not in NETWORKS:
        raise BundleError(f"unknown network '{name}': this version knows {', '.join(sorted(NETWORKS))}")
    return NETWORKS[name][1]


def _checked(spec: NetworkSpec) -> tuple[type[nn.Module], NetworkOptions]:
    options = _options_of(spec.name)
    try:
        return NETWORKS[spec.name][0], options.model_validate(dict(spec.options))
    except ValidationError as error:
        raise BundleError(f"network '{spec.name}': {first_problem(error)}") from None
