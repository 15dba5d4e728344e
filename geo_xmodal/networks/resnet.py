"""`resnet50`: ResNet-50 around each pixel, as the HGR supplement's pair of encoders has it."""

from __future__ import annotations

import importlib
from typing import cast

from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from geo_xmodal.networks.branch import Branch
from geo_xmodal.networks.limits import Kernel, NetworkOptions, Share, Width


class ResNetOptions(NetworkOptions):
    """Options of `resnet50`."""

    patch: Kernel = 11
    embedding: Width = 64
    dropout: Share = Field(default=0.0)

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


class ResNetEncoder(nn.Module):
    """ResNet-50 with random weights over whole patches: (n, bands, p, p) -> (n, embedding).

    The supplement names the network (`HGRDecNetworkv_Res50.py`) and says nothing of its input: strides and
    pooling are the standard ones, and one linear layer brings 2048 features to the embedding whose
    correlation is maximised.
    """

    def __init__(self, bands: int, embedding: int) -> None:
        super().__init__()
        # timm is slow to import, and only this needs it
        timm = importlib.import_module("timm")
        self.backbone = timm.create_model("resnet50", pretrained=False, in_chans=bands, num_classes=embedding)

    def forward(self, patches: Tensor) -> Tensor:
        """Embeddings of patches."""
        return cast(Tensor, self.backbone(patches))


class ResNet50(Branch):
    """`ResNetEncoder` at every pixel, then the head of `pixel_cnn`.

    Strides and padding leave no shortcut: a window is cut into one patch a pixel, so that training and
    mapping compute the same numbers. It costs some 30 million multiply-adds a pixel where `pixel_cnn` takes
    a tenth of a million; `tile` keeps the patches of a window few enough for memory.
    """

    tile = 32
    choice = "resnet50 (the HGR supplement's; 300 times the work)"
    patch_encoder = ResNetEncoder

    def __init__(self, bands: int, classes: int, options: ResNetOptions) -> None:
        super().__init__()
        self.patch, self.bands, self.margin = options.patch, bands, options.margin
        self.features = options.embedding
        self.encoder = ResNetEncoder(bands, options.embedding)
        self.head = nn.Sequential(
            nn.BatchNorm2d(options.embedding), nn.ReLU(), nn.Dropout(options.dropout),
            nn.Conv2d(options.embedding, classes, 1),
        )  # fmt: skip

    def encode(self, prepared: Tensor) -> Tensor:
        """The embedding of each pixel's patch."""
        height, width = prepared.shape[2] - 2 * self.margin, prepared.shape[3] - 2 * self.margin
        cut = F.unfold(prepared, self.patch).transpose(1, 2)
        patches = cut.reshape(-1, self.bands, self.patch, self.patch)
        embedding = self.encoder(patches).reshape(-1, height, width, self.features)
        return cast(Tensor, embedding.permute(0, 3, 1, 2))
