"""`pixel_cnn`: the branch of `hgr` and of its controls."""

from __future__ import annotations

from typing import Literal, cast

from pydantic import Field, model_validator
from torch import Tensor, nn

from geo_xmodal.networks.branch import Branch
from geo_xmodal.networks.encoders import PixelEncoder
from geo_xmodal.networks.limits import Kernel, NetworkOptions, Share, Width, check_convolutions, reach


class PixelCnnOptions(NetworkOptions):
    """Options of `pixel_cnn`."""

    contrasts: tuple[Kernel, ...] = Field((), max_length=16)
    widths: tuple[Width, ...] = Field((32, 64), max_length=16)
    kernels: tuple[Kernel, ...] = Field((5, 3), max_length=16)
    embedding: Width = 64
    dropout: Share = 0.0
    norm: Literal["batch", "none"] = "batch"

    @model_validator(mode="after")
    def _sizes_are_odd_and_paired(self) -> PixelCnnOptions:
        check_convolutions(self.widths, self.kernels, self.contrasts)
        return self

    @property
    def margin(self) -> int:
        """Pixels on each side that a prediction looks at."""
        return max(self.contrasts, default=1) // 2 + reach(self.kernels)


class PixelCnn(Branch):
    """`PixelEncoder`, then a linear classifier of its embedding."""

    choice = "pixel_cnn"

    def __init__(self, bands: int, classes: int, options: PixelCnnOptions) -> None:
        super().__init__()
        self.encoder = PixelEncoder(bands, **options.model_dump(exclude={"dropout"}))
        norm = nn.BatchNorm2d(options.embedding) if options.norm == "batch" else nn.Identity()
        self.head: nn.Sequential = nn.Sequential(
            norm, nn.ReLU(), nn.Dropout(options.dropout), nn.Conv2d(options.embedding, classes, 1)
        )
        self.margin = options.margin
        self.features = options.embedding

    def joints(self) -> tuple[nn.Sequential, ...]:
        """The encoder's convolutions, then the head."""
        return self.encoder.convolutions, self.head

    def prepare(self, x: Tensor) -> Tensor:
        """Bands and their local contrasts."""
        return cast(Tensor, self.encoder.contrast(x))

    def encode(self, prepared: Tensor) -> Tensor:
        """The embedding of each pixel."""
        return cast(Tensor, self.encoder.convolutions(prepared))
