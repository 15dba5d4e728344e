"""What segmentation networks share: backbones, one a sensor, a head, and the tiles that they map in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from geo_xmodal.networks.backbones import BACKBONES, Backbone, make_backbone
from geo_xmodal.networks.limits import NetworkOptions
from geo_xmodal.networks.tiling import Tiling

STRIDE = 32
"""Pixels for one element of the coarsest map of backbones with stages."""


class SegmenterOptions(NetworkOptions):
    """Options of a segmentation network.

    Attributes:
        backbone: of each sensor, in `BACKBONES`.
        tile: side of the tiles that it maps in, a power of two.
        overlap: pixels that the image of a tile reaches beyond it on each side.
        blend: how many of them are predicted, too, and averaged with the neighbouring tile's.
        sensors: bands of each sensor, where the input holds those of several one after the other; empty for
            one sensor.
    """

    backbone: Annotated[str, Field(max_length=50)] = "resnet18"
    tile: Annotated[int, Field(ge=32, le=1024)] = 128
    overlap: Annotated[int, Field(ge=0, le=512)] = 32
    blend: Annotated[int, Field(ge=0, le=512)] = 0
    sensors: Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(max_length=8)] = ()

    @model_validator(mode="after")
    def _fits(self) -> SegmenterOptions:
        if self.backbone not in BACKBONES:
            raise ValueError(f"unknown backbone '{self.backbone}': choose one of {', '.join(BACKBONES)}")
        if self.tile & (self.tile - 1):
            raise ValueError(f"tile {self.tile} must be a power of two, so that tiles divide windows evenly")
        if self.blend > min(self.overlap, self.tile // 2):
            raise ValueError(
                f"blend {self.blend} must be at most overlap ({self.overlap}) and half of tile ({self.tile})"
            )
        if (self.tile + 2 * self.overlap) % STRIDE:
            raise ValueError(
                f"tile + 2 overlap is {self.tile + 2 * self.overlap}, and must be a multiple of {STRIDE}: "
                f"choose overlap {-(-self.overlap // (STRIDE // 2)) * (STRIDE // 2)}"
            )
        return self

    @property
    def margin(self) -> int:
        """Pixels on each side of an image that are only context."""
        return self.overlap - self.blend

    @property
    def tiling(self) -> Tiling:
        """The tiles that it maps in."""
        return Tiling(self.tile, self.margin, self.blend)


class Segmenter(nn.Module, ABC):
    """Backbones and a head: (B, bands, H, W) standardised -> (B, classes, H - 2m, W - 2m) logits.

    Attributes:
        margin: `m`, pixels of an image on each side that are only context.
        tiling: the tiles that it maps in.
        encoders: a backbone for each sensor, in the order of the bands.
        head: what makes logits of their maps.
    """

    two_sensors: ClassVar[bool] = False
    """Whether it fuses exactly two sensors."""
    head: nn.Module

    def __init__(self, bands: int, options: SegmenterOptions) -> None:
        super().__init__()
        self.sensors = options.sensors or (bands,)
        if sum(self.sensors) != bands:
            raise ValueError(f"sensors of {self.sensors} bands, together {sum(self.sensors)}, not {bands}")
        if self.two_sensors and len(self.sensors) != 2:
            raise ValueError(f"{type(self).__name__} fuses two sensors, not {len(self.sensors)}")
        self.margin, self.tiling = options.margin, options.tiling
        self.encoders = nn.ModuleList(
            make_backbone(options.backbone, count, size=options.tiling.image) for count in self.sensors
        )

    @abstractmethod
    def maps(self, images: Sequence[Tensor]) -> Sequence[Tensor]:
        """Feature maps that the head is given, of one image a sensor."""

    def forward(self, x: Tensor) -> Tensor:
        """Class logits of the inner pixels of images."""
        maps = self.maps(torch.split(x, list(self.sensors), dim=1))
        logits = F.interpolate(self.head(maps), x.shape[2:], mode="bilinear", align_corners=False)
        m = self.margin
        return logits[:, :, m : x.shape[2] - m, m : x.shape[3] - m]

    def start_from(self, weights: Mapping[str, Tensor], sensor: int = 0) -> None:
        """Take over weights of a sensor's backbone that others trained, as `Backbone.start_from`.

        Raises:
            ValueError: They are not for this backbone.
        """
        cast(Backbone, self.encoders[sensor]).start_from(weights)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of a backbone's maps, from fine to coarse."""
        return cast(Backbone, self.encoders[0]).widths


def resized(x: Tensor, like: Tensor) -> Tensor:
    """A map brought to the rows and columns of another one, bilinearly."""
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=False)
