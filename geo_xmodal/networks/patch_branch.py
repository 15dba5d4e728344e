"""Backbones of computer vision as target branches: they see the patch around each pixel as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, cast

from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from geo_xmodal.networks.backbones import SIZE, AttentionName, make_backbone
from geo_xmodal.networks.branch import Branch
from geo_xmodal.networks.limits import Kernel, NetworkOptions, Share, Width


class PatchBranchOptions(NetworkOptions):
    """Options of a `PatchBranch`."""

    patch: Kernel = 11
    embedding: Width = 64
    dropout: Share = Field(default=0.0)
    attention: AttentionName = "none"

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


class PatchEncoder(nn.Module):
    """A backbone over whole patches and a linear layer: (n, bands, p, p) -> (n, embedding).

    Attributes:
        name: of the backbone, in `BACKBONES`.
        size: side to which patches are enlarged (bilinear) before it sees them; None leaves them.
    """

    name: ClassVar[str]
    size: ClassVar[int | None] = None

    def __init__(self, bands: int, embedding: int, attention: AttentionName = "none") -> None:
        super().__init__()
        self.backbone = make_backbone(self.name, bands, size=self.size or SIZE, attention=attention)
        self.last = nn.Linear(self.backbone.features, embedding)

    def forward(self, patches: Tensor) -> Tensor:
        """Embeddings of patches."""
        if self.size is not None:
            patches = F.interpolate(patches, (self.size, self.size), mode="bilinear", align_corners=False)
        return cast(Tensor, self.last(self.backbone(patches)))

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Take over weights that others trained, as `Backbone.start_from`; not the linear layer."""
        self.backbone.start_from(weights)


class PatchBranch(Branch):
    """A `PatchEncoder` at every pixel, then the head of `pixel_cnn`.

    Strides and padding leave no shortcut: a window is cut into one patch a pixel, so that training and
    mapping compute the same numbers; `tile` keeps the patches of a window few enough for memory.
    """

    tile = 32
    patch_encoder: ClassVar[type[PatchEncoder]]

    def __init__(self, bands: int, classes: int, options: PatchBranchOptions) -> None:
        super().__init__()
        self.patch, self.bands, self.margin = options.patch, bands, options.margin
        self.features = options.embedding
        self.encoder = self.patch_encoder(bands, options.embedding, options.attention)
        self.head = nn.Sequential(
            nn.BatchNorm2d(options.embedding), nn.ReLU(), nn.Dropout(options.dropout),
            nn.Conv2d(options.embedding, classes, 1),
        )  # fmt: skip

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Weights of the whole encoder, or of the backbone, as `PatchEncoder.start_from` takes them."""
        if weights.keys() == self.encoder_state().keys():
            super().start_from(weights)
        else:
            self.encoder.start_from(weights)

    def encode(self, prepared: Tensor) -> Tensor:
        """The embedding of each pixel's patch."""
        height, width = prepared.shape[2] - 2 * self.margin, prepared.shape[3] - 2 * self.margin
        cut = F.unfold(prepared, self.patch).transpose(1, 2)
        patches = cut.reshape(-1, self.bands, self.patch, self.patch)
        embedding = self.encoder(patches).reshape(-1, height, width, self.features)
        return cast(Tensor, embedding.permute(0, 3, 1, 2))
