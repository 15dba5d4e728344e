"""`segformer`: SegFormer (Xie et al. 2021, arXiv 2105.15203): a transformer with stages, an MLP decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from geo_xmodal.networks.backbones import Backbone
from geo_xmodal.networks.limits import Share, Width
from geo_xmodal.networks.segmentation.segmenter import Segmenter, SegmenterOptions, resized


class SegFormerOptions(SegmenterOptions):
    """Options of `segformer` and `cmx`.

    Attributes:
        width: channels of the decoder; the paper has 256 for B0 and B1, 768 for larger ones.
        dropout: share of the decoder's channels dropped in training; the authors' code has 0.1.
    """

    backbone: Annotated[str, Field(max_length=50)] = "mit_b0"
    width: Width = 256
    dropout: Share = 0.1


class MlpDecoder(nn.Module):
    """SegFormer's decoder (its equation 4): maps to one width, to the finest size, joined, and classified.

    (B, C_i, h_i, w_i) for each stage -> (B, classes, h_0, w_0). The layer that joins them is followed by
    batch norm and ReLU, as in the authors' code; the paper does not say.
    """

    def __init__(self, widths: Sequence[int], classes: int, width: int, dropout: float) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Conv2d(one, width, 1) for one in widths)
        self.fusion = nn.Sequential(
            nn.Conv2d(len(widths) * width, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.classifier = nn.Sequential(nn.Dropout2d(dropout), nn.Conv2d(width, classes, 1))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Class logits at the size of the first map."""
        found = [project(one) for project, one in zip(self.projections, maps, strict=True)]
        joined = self.fusion(torch.cat([resized(one, found[0]) for one in found[::-1]], dim=1))
        return cast(Tensor, self.classifier(joined))


class SegFormer(Segmenter):
    """A backbone's maps of all stages, and `MlpDecoder`; several sensors' maps are concatenated by stage."""

    def __init__(self, bands: int, classes: int, options: SegFormerOptions) -> None:
        super().__init__(bands, options)
        widths = [len(self.sensors) * width for width in self.widths]
        self.head = MlpDecoder(widths, classes, options.width, options.dropout)

    def maps(self, images: Sequence[Tensor]) -> list[Tensor]:
        """The maps of all stages."""
        of_sensors = [
            cast(Backbone, encoder).stages(image)
            for encoder, image in zip(self.encoders, images, strict=True)
        ]
        return [torch.cat(same, dim=1) for same in zip(*of_sensors, strict=True)]
