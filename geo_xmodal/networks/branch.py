"""What every target branch is made of: a part without weights, an encoder, a classifier of its embedding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, cast

from torch import Tensor, nn

from geo_xmodal.types import BandStatistics


class Branch(nn.Module, ABC):
    """A dense network in three parts, so that methods can reach the embedding between them.

    Attributes:
        margin: pixels on each side that a prediction looks at.
        features: width of the embedding.
        head: (B, features, H, W) -> (B, classes, H, W) logits.
        tile: side of the tiles, in pixels, that a map is computed in.
        choice: what users are told of it where they choose a branch; empty where a method brings its own.
        patch_encoder: for a network that sees the patch of each pixel as a picture of its own, what embeds
            patches of another sensor beside it: made of features and embedding, it takes (n, features, p, p)
            to (n, embedding).
    """

    tile = 64
    choice: ClassVar[str] = ""
    patch_encoder: ClassVar[type[nn.Module] | None] = None
    margin: int
    features: int
    head: nn.Module

    def prepare(self, x: Tensor) -> Tensor:
        """What has no weights and comes first: done once for training pixels; nothing by default."""
        return x

    @abstractmethod
    def encode(self, prepared: Tensor) -> Tensor:
        """(B, bands or what `prepare` makes of them, H + 2m, W + 2m) -> (B, features, H, W)."""

    def of_images(self, x: Tensor) -> Tensor:
        """(B, bands, H, W) standardised -> (B, features): the mean over an image, by default."""
        return self.encode(self.prepare(x)).mean((2, 3))

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Take over weights of all but the head, by their names here: an encoder that was pretrained.

        Raises:
            ValueError: they are not for this network, its options or its bands.
        """
        own = self.encoder_state()
        if missing := sorted(own.keys() ^ weights.keys()):
            raise ValueError(
                f"weights of another network than {type(self).__name__} with its options: {len(own)} weights "
                f"are expected, {len(weights)} are there, and {missing[0]} is in one alone"
            )
        for name, value in own.items():
            if value.shape != weights[name].shape:
                raise ValueError(
                    f"weights of another number of bands or features: {name} has shape "
                    f"{tuple(weights[name].shape)}, not {tuple(value.shape)}"
                )
        self.load_state_dict(dict(weights), strict=False)

    def encoder_state(self) -> dict[str, Tensor]:
        """Weights and buffers of all but the head, by name."""
        return {name: value for name, value in self.state_dict().items() if not name.startswith("head.")}

    @property
    def wanted(self) -> str:
        """What to do for weights that it cannot be without; empty where fresh ones will do."""
        return ""

    def fit_input(self, statistics: BandStatistics, kind: str) -> str:
        """Take what it needs of how bands become input; nothing by default.

        Args:
            statistics: of the sensor's bands.
            kind: of the sensor.

        Returns:
            What was taken for granted about the values, empty if nothing was.

        Raises:
            ValueError: it is not for these bands, or not for this kind.
        """
        return ""

    def freeze(self) -> None:
        """Leave weights that others trained as they are from now on.

        Raises:
            ValueError: it has no backbone.
        """
        raise ValueError(f"{type(self).__name__} has no backbone that could be frozen; choose one as encoder")

    def pretrained(self) -> tuple[nn.Parameter, ...]:
        """Weights that others may have trained: those of a backbone; none by default."""
        return ()

    def joints(self) -> tuple[nn.Sequential, ...]:
        """Sequences that follow each other with nothing between, as encoder and head may; none by default."""
        return ()

    def forward(self, x: Tensor) -> Tensor:
        """(B, bands, H + 2m, W + 2m) standardised -> (B, classes, H, W) logits."""
        return cast(Tensor, self.head(self.encode(self.prepare(x))))
