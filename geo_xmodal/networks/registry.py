"""Networks by name: what a bundle may ask for. Nothing from a file is ever imported or executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor, nn

from geo_xmodal.errors import BundleError
from geo_xmodal.networks.encoders import PixelEncoder

Width = Annotated[int, Field(ge=1, le=4096)]
Kernel = Annotated[int, Field(ge=1, le=31)]


class PixelCnnOptions(BaseModel):
    """Options of `pixel_cnn`, bounded so that a card cannot ask for absurd sizes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    contrasts: tuple[Kernel, ...] = Field((), max_length=16)
    widths: tuple[Width, ...] = Field((32, 64), max_length=16)
    kernels: tuple[Kernel, ...] = Field((5, 3), max_length=16)
    embedding: Width = 64
    dropout: float = Field(default=0.0, ge=0, lt=1)
    norm: Literal["batch", "none"] = "batch"

    @model_validator(mode="after")
    def _sizes_are_odd_and_paired(self) -> PixelCnnOptions:
        if len(self.widths) != len(self.kernels):
            raise ValueError(f"{len(self.widths)} widths but {len(self.kernels)} kernels")
        if even := [size for size in (*self.kernels, *self.contrasts) if size % 2 == 0]:
            raise ValueError(f"sizes {even} must be odd, so that a patch has a centre")
        return self

    @property
    def margin(self) -> int:
        """Pixels on each side that a prediction looks at."""
        return max(self.contrasts, default=1) // 2 + sum(kernel - 1 for kernel in self.kernels) // 2


class LinearOptions(BaseModel):
    """`linear` has no options."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PixelCnn(nn.Module):
    """`PixelEncoder`, then a linear classifier of its embedding."""

    def __init__(self, bands: int, classes: int, options: PixelCnnOptions) -> None:
        super().__init__()
        self.encoder = PixelEncoder(bands, **options.model_dump(exclude={"dropout"}))
        norm = nn.BatchNorm2d(options.embedding) if options.norm == "batch" else nn.Identity()
        self.head = nn.Sequential(
            norm, nn.ReLU(), nn.Dropout(options.dropout), nn.Conv2d(options.embedding, classes, 1)
        )
        self.margin = self.encoder.margin

    def forward(self, x: Tensor) -> Tensor:
        """(B, bands, H + 2m, W + 2m) standardised -> (B, classes, H, W) logits."""
        return cast(Tensor, self.head(self.encoder(x)))


class LinearPixels(nn.Conv2d):
    """One linear map from a pixel's bands to class logits."""

    margin = 0

    def __init__(self, bands: int, classes: int, options: LinearOptions) -> None:
        super().__init__(bands, classes, 1)


NETWORKS: Mapping[str, tuple[type[nn.Module], type[BaseModel]]] = {
    "linear": (LinearPixels, LinearOptions),
    "pixel_cnn": (PixelCnn, PixelCnnOptions),
}


@dataclass(frozen=True)
class NetworkSpec:
    """A network as a card names it."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


def build_network(spec: NetworkSpec, bands: int, classes: int) -> nn.Module:
    """A network with fresh weights.

    Raises:
        BundleError: if the name is unknown or an option is out of its bounds.
    """
    if spec.name not in NETWORKS:
        raise BundleError(f"unknown network '{spec.name}': this version knows {', '.join(sorted(NETWORKS))}")
    network, options = NETWORKS[spec.name]
    try:
        checked = options.model_validate(dict(spec.options))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "options"
        raise BundleError(f"network '{spec.name}': {where}: {first['msg']}") from None
    return network(bands, classes, checked)
