"""Backbones of computer vision as target branches: they see the patch around each pixel as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self, cast

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from geo_xmodal.networks.backbones import SIZE, AttentionName, Backbone, make_backbone
from geo_xmodal.networks.branch import Branch
from geo_xmodal.networks.limits import Kernel, NetworkOptions, Share, Width


class PatchOptions(NetworkOptions):
    """Options of every network that sees the patch around each pixel as an image.

    Attributes:
        patch: side of the patches, in pixels, odd.
        embedding: width of the embedding.
        dropout: share of the embedding that is dropped in training.
        linear_head: classify the embedding by a linear layer alone: with a frozen backbone, a linear probe.
    """

    patch: Kernel = 11
    embedding: Width = 64
    dropout: Share = Field(default=0.0)
    linear_head: bool = False

    @field_validator("patch")
    @classmethod
    def _odd(cls, patch: int) -> int:
        if patch % 2 == 0:
            raise ValueError(f"patch {patch} must be odd, so that it has a centre")
        return patch

    @property
    def margin(self) -> int:
        """Pixels on each side that a prediction looks at."""
        return self.patch // 2


class PatchBranchOptions(PatchOptions):
    """Options of a `PatchBranch` of a backbone: `attention` follows its last two stages."""

    attention: AttentionName = "none"


class PatchEncoder(nn.Module):
    """A backbone over whole patches and a linear layer: (n, bands, p, p) -> (n, embedding).

    Attributes:
        name: of the backbone, in `BACKBONES`.
        size: side to which patches are enlarged (bilinear) before it sees them; None leaves them.
        frozen: whether the backbone stays as it is: neither its weights nor its running means are learned.
    """

    name: ClassVar[str]
    size: ClassVar[int | None] = None
    frozen: bool = False
    backbone: nn.Module

    def __init__(self, bands: int, embedding: int, attention: AttentionName = "none") -> None:
        super().__init__()
        made = make_backbone(self.name, bands, size=self.size or SIZE, attention=attention)
        self.backbone, self.last = made, nn.Linear(made.features, embedding)

    def enlarged(self, patches: Tensor) -> Tensor:
        """Patches as the backbone sees them."""
        if self.size is None:
            return patches
        return F.interpolate(patches, (self.size, self.size), mode="bilinear", align_corners=False)

    def forward(self, patches: Tensor) -> Tensor:
        """Embeddings of patches."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            vectors = self.backbone(self.enlarged(patches))
        return cast(Tensor, self.last(vectors))

    def freeze(self) -> None:
        """Leave the backbone as it is from now on."""
        self.frozen = True
        self.backbone.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """As any module; a frozen backbone stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Take over weights that others trained, as `Backbone.start_from`; not the linear layer."""
        cast(Backbone, self.backbone).start_from(weights)


class PatchBranch(Branch):
    """A `PatchEncoder` at every pixel, then the head of `pixel_cnn`.

    Strides and padding leave no shortcut: a window is cut into one patch a pixel, so that training and
    mapping compute the same numbers; `tile` keeps the patches of a window few enough for memory.
    """

    tile = 32

    def __init__(self, bands: int, classes: int, options: PatchOptions) -> None:
        super().__init__()
        self.patch, self.bands, self.margin = options.patch, bands, options.margin
        self.features = options.embedding
        self.encoder = self.new_encoder(bands, options)
        before = (nn.BatchNorm2d(options.embedding), nn.ReLU(), nn.Dropout(options.dropout))
        classifier = nn.Conv2d(options.embedding, classes, 1)
        self.head = nn.Sequential(*(() if options.linear_head else before), classifier)

    def new_encoder(self, bands: int, options: PatchOptions) -> PatchEncoder:
        """What embeds a patch, with fresh weights."""
        made: Any = self.patch_encoder
        return cast(PatchEncoder, made(bands, options.embedding, cast(PatchBranchOptions, options).attention))

    def of_images(self, x: Tensor) -> Tensor:
        """(B, bands, H, W) standardised -> (B, features): what the backbone makes of a whole image."""
        return cast(Tensor, self.encoder.last(self.encoder.backbone(x)))

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Weights of the whole encoder, or of the backbone, as `PatchEncoder.start_from` takes them."""
        if weights.keys() == self.encoder_state().keys():
            super().start_from(weights)
        else:
            self.encoder.start_from(weights)

    def freeze(self) -> None:
        """Leave the backbone as it is from now on."""
        self.encoder.freeze()

    def pretrained(self) -> tuple[nn.Parameter, ...]:
        """Weights of the backbone."""
        return tuple(self.encoder.backbone.parameters())

    def encode(self, prepared: Tensor) -> Tensor:
        """The embedding of each pixel's patch."""
        height, width = prepared.shape[2] - 2 * self.margin, prepared.shape[3] - 2 * self.margin
        cut = F.unfold(prepared, self.patch).transpose(1, 2)
        patches = cut.reshape(-1, self.bands, self.patch, self.patch)
        embedding = self.encoder(patches).reshape(-1, height, width, self.features)
        return cast(Tensor, embedding.permute(0, 3, 1, 2))
