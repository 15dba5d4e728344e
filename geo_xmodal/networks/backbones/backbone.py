"""A backbone of computer vision for any number of bands: feature maps by stage, and one vector an image."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from torch import Tensor, nn

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

    def _run(self, x: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        encoded, maps = self.begin(x), []
        for index in range(len(self.strides)):
            encoded = self.stage(index, encoded)
            maps.append(encoded.map)
        done = self.finish(encoded)
        return (*maps[:-1], done.map), self.pooled(done)

    def stages(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps by stage.

        Args:
            x: (B, bands, H, W), standardised; sides of at least `smallest` pixels.

        Returns:
            Stage i of (B, widths[i], H / strides[i], W / strides[i]), rounded up.
        """
        return self._run(x)[0]

    def forward(self, x: Tensor) -> Tensor:
        """(B, bands, H, W) -> (B, features), a vector an image."""
        return self._run(x)[1]

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Take over weights that others trained.

        Weights may be named as timm names them, and in the other layouts that a backbone knows, all under one
        prefix (`backbone.`, `encoder.`, `module.`) or none; a classifier is left out. The layer that meets
        the bands is brought to their number as timm does for weights of three bands: repeated, or summed for
        one band.

        Args:
            weights: by their names in the file.

        Raises:
            ValueError: they are of another architecture or layout, or of a number of bands that the layer
                cannot be brought from.
        """
        own = self.net.state_dict()
        found = self._named(weights)
        first = self.firsts[0]
        if first in found:
            found[first] = self._of_bands(found[first], own[first].shape[1])
        check_layout(self.name, own, found)
        self.net.load_state_dict(found)

    def _named(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights by the names of `net`: without the prefix of the first layer, and the classifier."""
        prefixes = [
            name.removesuffix(first) for first in self.firsts for name in weights if name.endswith(first)
        ]
        prefix = min(prefixes, key=len, default="")
        named = {
            name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)
        }
        return self._translated(
            {name: value for name, value in named.items() if not name.startswith(f"{self.last}.")}
        )

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
