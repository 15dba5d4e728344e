"""`tanh_cnn`: the target stream that X-ModalNet's baselines share; `hgr` uses it where it does better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from geo_xmodal.networks.branch import Branch
from geo_xmodal.networks.encoders import LocalContrast
from geo_xmodal.networks.limits import Kernel, NetworkOptions, Share, Width, check_convolutions, reach

_DENSE = 128
"""Features of the layer between convolutions and embedding (X-ModalNet, Table 2)."""


class TanhCnnOptions(NetworkOptions):
    """Options of `tanh_cnn`."""

    contrasts: tuple[Kernel, ...] = Field((), max_length=16)
    widths: tuple[Width, ...] = Field((32, 64), max_length=16)
    kernels: tuple[Kernel, ...] = Field((5, 3), max_length=16)
    dense: tuple[Width, ...] = Field((128, 64), min_length=1, max_length=16)
    dropout: Share = 0.0
    batch_norm: bool = True

    @model_validator(mode="after")
    def _sizes_are_odd_and_paired(self) -> TanhCnnOptions:
        check_convolutions(self.widths, self.kernels, self.contrasts)
        return self

    @classmethod
    def chosen(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """As of every network; the embedding is the last layer."""
        return {**super().chosen(settings), "dense": (_DENSE, settings["embedding"])}

    @property
    def margin(self) -> int:
        """Pixels on each side that a prediction looks at."""
        return max(self.contrasts, default=1) // 2 + reach(self.kernels)


class TanhCnn(Branch):
    """Local contrasts if asked for, valid convolutions, layers over each pixel's features; linear logits.

    Every layer is followed by batch norm, dropout and Tanh, in this order (X-ModalNet, section 4.2 and
    Table 2). `encoder` holds one `TanhLayer` a layer, in order, so that a method can decode or join any.
    """

    choice = "tanh_cnn"

    def __init__(self, bands: int, classes: int, options: TanhCnnOptions) -> None:
        super().__init__()
        self.contrast = LocalContrast(bands, options.contrasts)
        self.encoder = tanh_layers(
            self.contrast.features,
            (*options.widths, *options.dense),
            (*options.kernels, *(1 for _ in options.dense)),
            options.dropout,
            options.batch_norm,
        )
        self.features = options.dense[-1]
        self.head = nn.Conv2d(self.features, classes, 1)
        self.margin = options.margin

    def prepare(self, x: Tensor) -> Tensor:
        """Bands and their local contrasts."""
        return cast(Tensor, self.contrast(x))

    def encode(self, prepared: Tensor) -> Tensor:
        """The code of each pixel, in -1..1."""
        return cast(Tensor, self.encoder(prepared))


class TanhLayer(nn.Sequential):
    """A valid convolution, batch norm, dropout and Tanh: (B, before, H + k - 1, ..) -> (B, width, H, ..).

    A kernel of 1 is a fully-connected layer over each pixel's features.
    """

    def __init__(self, before: int, width: int, kernel: int, dropout: float, batch_norm: bool) -> None:
        super().__init__(
            nn.Conv2d(before, width, kernel, bias=not batch_norm),
            nn.BatchNorm2d(width) if batch_norm else nn.Identity(),
            nn.Dropout(dropout),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Features of this layer."""
        convolution, *after = self
        x = convolved(cast(nn.Conv2d, convolution), x)
        for layer in after:
            x = layer(x)
        return x


def convolved(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """A valid convolution; in training a matrix product where the kernel covers all of `x`.

    The same sums in half the time: in training, patch by patch, that is what most layers see.
    """
    if convolution.training and x.shape[2:] == convolution.weight.shape[2:]:
        return F.linear(x.flatten(1), convolution.weight.flatten(1), convolution.bias)[:, :, None, None]
    return cast(Tensor, convolution(x))


def tanh_layers(
    before: int, widths: tuple[int, ...], kernels: tuple[int, ...], dropout: float, batch_norm: bool
) -> nn.Sequential:
    """`TanhLayer` after `TanhLayer`; `before` features come in."""
    layers = []
    for width, kernel in zip(widths, kernels, strict=True):
        layers.append(TanhLayer(before, width, kernel, dropout, batch_norm))
        before = width
    return nn.Sequential(*layers)
