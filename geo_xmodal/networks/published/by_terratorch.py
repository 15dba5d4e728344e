"""Networks that terratorch holds: Prithvi and TerraMind."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from geo_xmodal.networks.published.catalogue import Published
from geo_xmodal.networks.published.wrapped import Wrapped, module_of

TRAINED_ON = 224
"""Side of the images, in pixels, that position embeddings of TerraMind's files are laid out for."""


class Prithvi(Wrapped):
    """Prithvi's encoder, for one date; the vector is the mean of its tokens, normalised.

    Files hold a decoder, and (`tl`) weights for date and place, which the network may go without: both are
    left out. Positions are made of the size of the image, as they are not learned: a token of a small image
    has the position that it had in a corner of a large one.
    """

    fresh = ("pos_embed",)

    def __init__(self, published: Published, side: int) -> None:
        super().__init__()
        made = _terratorch("prithvi_mae", "Prithvi").PrithviViT
        settings = dict(published.settings)
        token = settings.pop("patch_size")
        self.net = made(
            img_size=side,
            patch_size=(1, token, token),
            num_frames=1,
            in_chans=len(published.sensor.bands),
            **settings,
        )
        self.features = settings["embed_dim"]

    def forward(self, images: Tensor) -> Tensor:
        """(B, bands, side, side) -> (B, features)."""
        return cast(Tensor, cast(Any, self.net).forward_features(images)[-1][:, 1:].mean(1))

    def named(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Those of the encoder; the first Prithvi's files have its names without a prefix."""
        return {
            name.removeprefix("encoder."): value
            for name, value in weights.items()
            if not ("decoder" in name or "_dec." in name or name.endswith(("mask_token", "pos_embed")))
            and not name.removeprefix("encoder.").startswith(("temporal_embed_", "location_embed_"))
        }


class TerraMind(Wrapped):
    """TerraMind's encoder of one product; the vector is the mean of its tokens, normalised.

    A file holds the embeddings of all products, and a decoder: what is not of this product's encoder is left
    out. A band that is missing is fed as 0, its mean, which is as if its weights were not there.
    """

    def __init__(self, published: Published, side: int) -> None:
        super().__init__()
        self.side = side
        made = _terratorch("terramind.model.terramind_vit", "TerraMind").TerraMindViT
        norm = _terratorch("terramind.model.tm_utils", "TerraMind").LayerNorm
        settings = dict(published.settings)
        gated = bool(settings.pop("gated_mlp"))
        self.product = f"untok_{published.sensor.product}@224"
        self.net = made(
            img_size=TRAINED_ON,
            modalities=[self.product],
            qkv_bias=not gated,
            proj_bias=not gated,
            mlp_bias=not gated,
            norm_layer=functools.partial(norm, eps=1e-6, bias=False),
            act_layer=nn.SiLU if gated else nn.GELU,
            gated_mlp=gated,
            **settings,
        )
        self.fresh = tuple(
            name for name, _ in self.net.named_buffers()
        )  # positions, and norms' missing biases
        self.features = settings["dim"]

    def forward(self, images: Tensor) -> Tensor:
        """(B, bands, side, side) -> (B, features)."""
        return cast(Tensor, self.net(images)[-1].mean(1))

    def named(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Those of the encoder and of the product's embedding."""
        kept = (f"encoder_embeddings.{self.product}.", "encoder.", "encoder_norm.")
        return {name: value for name, value in weights.items() if name.startswith(kept)}


def _terratorch(name: str, network: str) -> Any:
    # terratorch imports lightly, which asks a server for its newest version unless it is told that it did
    os.environ.setdefault("LIGHTLY_DID_VERSION_CHECK", "True")
    return module_of("terratorch", f"terratorch.models.backbones.{name}", network)
