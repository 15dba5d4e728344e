"""A backbone of computer vision for any number of bands: feature maps by stage, and one vector an image."""

from __future__ import annotations

import dataclasses
import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from torch import Tensor, nn

from geo_xmodal.networks.backbones.attention import ATTENTIONS

_COLOURS = 3
"""Bands of the images that published backbones were trained on."""


@dataclass(frozen=True)
class Encoded:
    """Images on their way through the stages.

    Attributes:
        map: (B, C, h, w) feature map.
        tokens: (B, n, C) what goes along beside the map, such as a class token.
    """

    map: Tensor
    tokens: Tensor | None = None


class Backbone(nn.Module, ABC):
    """Feature maps of an image by stage, and a vector of the whole image.

    Attributes:
        name: in `BACKBONES`.
        bands: of the images.
        taps: names of the stages whose maps `stages` returns, from fine to coarse.
        strides: by stage, pixels of the image for one element of its map.
        widths: by stage, channels of its map.
        features: width of the vector of an image.
        radii: by stage, pixels of the image on each side that an element of its map looks at; None where
            it looks at the whole image.
        attention: what follows the last two stages, by the index of the stage; empty without.
        smallest: side of the smallest image, in pixels.
        size: side of images, in pixels, that a position embedding is laid out for.
        net: the network behind it, as timm makes it, without a classifier.
        firsts: name of the layer that meets the bands, in `net` and in other layouts of the same weights.
        last: name of the classifier in published weights, which is left out.
    """

    firsts: ClassVar[tuple[str, ...]]
    last: ClassVar[str]
    smallest: ClassVar[int] = 1

    name: str
    bands: int
    taps: tuple[str, ...]
    strides: tuple[int, ...]
    widths: tuple[int, ...]
    features: int
    radii: tuple[int | None, ...]
    net: nn.Module

    def __init__(self, name: str, bands: int, size: int) -> None:
        super().__init__()
        self.name, self.bands, self.size = name, bands, size
        self.attention = nn.ModuleDict()

    def attend(self, attention: str) -> None:
        """Set attention of `ATTENTIONS` after the last two stages, with fresh weights; "none" leaves it."""
        if attention == "none":
            return
        last = len(self.strides) - 1
        for index in (last - 1, last):
            side = max(1, self.size // self.strides[index])
            self.attention[str(index)] = ATTENTIONS[attention](self.widths[index], side, index == last)
        self.radii = tuple(None if index >= last - 1 else one for index, one in enumerate(self.radii))

    @abstractmethod
    def begin(self, x: Tensor) -> Encoded:
        """What comes before the first stage: (B, bands, H, W) -> its input."""

    @abstractmethod
    def stage(self, index: int, before: Encoded) -> Encoded:
        """One stage."""

    def finish(self, encoded: Encoded) -> Encoded:
        """What comes after the last stage, such as a norm; nothing by default."""
        return encoded

    def pooled(self, encoded: Encoded) -> Tensor:
        """(B, features) the vector of an image; the mean of the last map by default."""
        return encoded.map.mean((2, 3))

    def stages(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps by stage.

        Args:
            x: (B, bands, H, W), standardised; sides of at least `smallest` pixels.

        Returns:
            Stage i of (B, widths[i], H / strides[i], W / strides[i]), rounded up.
        """
        return side_by_side([self], [x])[0][0]

    def forward(self, x: Tensor) -> Tensor:
        """(B, bands, H, W) -> (B, features), a vector an image."""
        return side_by_side([self], [x])[0][1]

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Take over weights that others trained.

        Weights may be named as timm names them, and in the other layouts that a backbone knows, all under one
        prefix (`backbone.`, `encoder.`, `module.`) or none; a classifier is left out. The layer that meets
        the bands is brought to their number as timm does for weights of three bands: repeated, or summed for
        one band.

        Attention that the file holds beside them is taken over, too; without, it keeps its fresh weights.

        Args:
            weights: by their names in the file.

        Raises:
            ValueError: they are of another architecture or layout, or of a number of bands that the layer
                cannot be brought from.
        """
        ends = [(name, first) for first in self.firsts for name in weights if name.endswith(first)]
        prefix = min((name.removesuffix(first) for name, first in ends), key=len, default="")
        beside = f"{prefix.removesuffix('net.')}attention."
        attention = _under(weights, beside)
        found = self._translated(
            {
                name: value
                for name, value in _under(weights, prefix).items()
                if not name.startswith((f"{self.last}.", "attention."))
            }
        )
        own, first = self.net.state_dict(), self.firsts[0]
        if first in found:
            found[first] = self._of_bands(found[first], own[first].shape[1])
        check_layout(self.name, own, found)
        if attention:
            check_layout("its attention", self.attention.state_dict(), attention)
            self.attention.load_state_dict(attention)
        self.net.load_state_dict(found)

    def _translated(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weights of another layout by the names of `net`; as they are by default."""
        return weights

    def _of_bands(self, first: Tensor, bands: int) -> Tensor:
        if first.ndim == 4 and first.shape[1] == bands:
            return first
        if first.ndim != 4 or first.shape[1] != _COLOURS:
            raise ValueError(
                f"weights of another number of bands: {self.firsts[0]} has shape {tuple(first.shape)}; "
                f"expected {bands} bands, as here, or {_COLOURS}, which are brought to any number"
            )
        return cast(Tensor, importlib.import_module("timm.models").adapt_input_conv(bands, first))


def side_by_side(
    backbones: Sequence[Backbone], images: Sequence[Tensor]
) -> list[tuple[tuple[Tensor, ...], Tensor]]:
    """Images of one place by one backbone, or by two side by side, stage by stage.

    Args:
        backbones: one, or one for each of two sensors. Where their attention crosses, it looks at the map of
            the other.
        images: (B, bands, H, W) for each.

    Returns:
        For each the maps, as `Backbone.stages` has them, and the vectors, as `Backbone.forward`.
    """
    going = [backbone.begin(x) for backbone, x in zip(backbones, images, strict=True)]
    maps: list[list[Tensor]] = [[] for _ in backbones]
    for index in range(len(backbones[0].strides)):
        going = [one.stage(index, before) for one, before in zip(backbones, going, strict=True)]
        others = [one.map for one in going][::-1] if len(going) > 1 else [None]
        for k, (backbone, other) in enumerate(zip(backbones, others, strict=True)):
            if str(index) in backbone.attention:
                seen = backbone.attention[str(index)](going[k].map, other)
                going[k] = dataclasses.replace(going[k], map=seen)
            maps[k].append(going[k].map)
    done = [backbone.finish(one) for backbone, one in zip(backbones, going, strict=True)]
    return [
        ((*maps[k][:-1], one.map), backbone.pooled(one))
        for k, (backbone, one) in enumerate(zip(backbones, done, strict=True))
    ]


def _under(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those below a prefix, by what follows it."""
    return {name.removeprefix(prefix): one for name, one in weights.items() if name.startswith(prefix)}


def check_layout(name: str, own: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """See that weights have the names and shapes of a network.

    Args:
        name: of the network, for messages.
        own: its weights.
        found: those that it is to take over.

    Raises:
        ValueError: They have not; the message names those that differ.
    """
    missing, more = sorted(own.keys() - found.keys()), sorted(found.keys() - own.keys())
    if missing or more:
        told = [
            f"{what} {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}"
            for what, names in (("it lacks", missing), ("it has", more))
            if names
        ]
        raise ValueError(f"weights of another architecture than {name}: {'; '.join(told)}")
    for key, value in own.items():
        if value.shape != found[key].shape:
            raise ValueError(
                f"weights of another architecture than {name}: {key} has shape {tuple(found[key].shape)}, "
                f"not {tuple(value.shape)}"
            )


def timm_model(name: str, **settings: Any) -> nn.Module:
    """A network of timm with fresh weights and without a classifier."""
    # timm is slow to import, and only backbones need it
    timm = importlib.import_module("timm")
    return cast(nn.Module, timm.create_model(name, pretrained=False, num_classes=0, **settings))


def applied(modules: Sequence[nn.Module], x: Tensor) -> Tensor:
    """Modules one after the other."""
    for module in modules:
        x = module(x)
    return x
