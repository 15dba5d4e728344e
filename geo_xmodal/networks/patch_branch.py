"""Backbones of computer vision as target branches: they see the patch around each pixel as a picture."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import ClassVar, cast

from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from geo_xmodal.networks.branch import Branch
from geo_xmodal.networks.limits import Kernel, NetworkOptions, Share, Width

_COLOURS = 3
"""Bands of the pictures that published backbones were trained on."""


class PatchBranchOptions(NetworkOptions):
    """Options of a `PatchBranch`."""

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


class PatchEncoder(nn.Module):
    """A backbone of timm over whole patches: (n, bands, p, p) -> (n, embedding), by its last linear layer.

    Attributes:
        name: what timm calls the backbone.
        size: side to which patches are enlarged (bilinear) before it sees them; None leaves them.
        first: its layer that meets the bands.
        last: its last linear layer.
    """

    name: ClassVar[str]
    size: ClassVar[int | None] = None
    first: ClassVar[str]
    last: ClassVar[str]

    def __init__(self, bands: int, embedding: int) -> None:
        super().__init__()
        # timm is slow to import, and only backbones need it
        timm = importlib.import_module("timm")
        sized = {} if self.size is None else {"img_size": self.size}
        self.backbone: nn.Module = timm.create_model(
            self.name, pretrained=False, in_chans=bands, num_classes=embedding, **sized
        )

    def forward(self, patches: Tensor) -> Tensor:
        """Embeddings of patches."""
        if self.size is not None:
            patches = F.interpolate(patches, (self.size, self.size), mode="bilinear", align_corners=False)
        return cast(Tensor, self.backbone(patches))

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Take over weights that others trained; the last layer, whose features are ours, stays as it is.

        Weights may be named as timm and torchvision name them, all under one prefix (`backbone.`, `encoder.`,
        `module.`) or none, and a classifier is left out. The layer that meets the bands is brought to their
        number as timm does for weights of three bands: repeated, or summed for one band.

        Args:
            weights: by their names in the file.

        Raises:
            ValueError: they are of another architecture or layout, or of a number of bands that the layer
                cannot be brought from.
        """
        own = {name: value for name, value in self.backbone.state_dict().items() if not self._in_last(name)}
        found = self._named(weights)
        if (first := found.get(self.first)) is not None:
            found[self.first] = self._of_bands(first, own[self.first].shape[1])
        missing, more = sorted(own.keys() - found.keys()), sorted(found.keys() - own.keys())
        if missing or more:
            told = [
                f"{what} {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}"
                for what, names in (("it lacks", missing), ("it has", more))
                if names
            ]
            raise ValueError(f"weights of another architecture than {self.name}: {'; '.join(told)}")
        for name, value in own.items():
            if value.shape != found[name].shape:
                raise ValueError(
                    f"weights of another architecture than {self.name}: {name} has shape "
                    f"{tuple(found[name].shape)}, not {tuple(value.shape)}"
                )
        self.backbone.load_state_dict(found, strict=False)

    def _in_last(self, name: str) -> bool:
        return name.startswith(f"{self.last}.")

    def _named(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights by the backbone's names: without the prefix of its first layer, and the last one."""
        prefixes = [name.removesuffix(self.first) for name in weights if name.endswith(self.first)]
        prefix = min(prefixes, key=len, default="")
        named = {
            name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)
        }
        return {name: value for name, value in named.items() if not self._in_last(name)}

    def _of_bands(self, first: Tensor, bands: int) -> Tensor:
        if first.ndim == 4 and first.shape[1] == bands:
            return first
        if first.ndim != 4 or first.shape[1] != _COLOURS:
            raise ValueError(
                f"weights of another number of bands: {self.first} has shape {tuple(first.shape)}; expected "
                f"{bands} bands, as here, or {_COLOURS}, which are brought to any number"
            )
        adapt = importlib.import_module("timm.models").adapt_input_conv
        return cast(Tensor, adapt(bands, first))


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
        self.encoder = self.patch_encoder(bands, options.embedding)
        self.head = nn.Sequential(
            nn.BatchNorm2d(options.embedding), nn.ReLU(), nn.Dropout(options.dropout),
            nn.Conv2d(options.embedding, classes, 1),
        )  # fmt: skip

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Weights of the backbone, as `PatchEncoder.start_from` takes them."""
        self.encoder.start_from(weights)

    def encode(self, prepared: Tensor) -> Tensor:
        """The embedding of each pixel's patch."""
        height, width = prepared.shape[2] - 2 * self.margin, prepared.shape[3] - 2 * self.margin
        cut = F.unfold(prepared, self.patch).transpose(1, 2)
        patches = cut.reshape(-1, self.bands, self.patch, self.patch)
        embedding = self.encoder(patches).reshape(-1, height, width, self.features)
        return cast(Tensor, embedding.permute(0, 3, 1, 2))
