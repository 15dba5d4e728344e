"""`fcn`: the fully convolutional network of DeCUR's appendix, on one sensor or several.

Wang et al. 2024 (DeCUR, arXiv 2309.05300), appendix B.2, after Long et al. 2015: the last three feature maps
of each sensor's backbone are concatenated over sensors and upsampled to the input; a 1 x 1 convolution makes
class scores of each of the three, which are added. A convolution of 1 x 1 and a bilinear interpolation can
be exchanged: here scores are computed on the coarse maps, and added at the finest of the three. The authors'
code has a hidden layer in each of the three; the paper has none, and neither has this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from geo_xmodal.networks.backbones import Backbone
from geo_xmodal.networks.segmentation.segmenter import Segmenter, SegmenterOptions, resized

_MAPS = 3


class FcnHead(nn.Module):
    """Sum of linear class scores of several maps: (B, C_i, h_i, w_i) each -> (B, classes, h_0, w_0)."""

    def __init__(self, widths: Sequence[int], classes: int) -> None:
        super().__init__()
        self.scores = nn.ModuleList(nn.Conv2d(width, classes, 1) for width in widths)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Scores at the size of the first map."""
        found = [score(one) for score, one in zip(self.scores, maps, strict=True)]
        return torch.stack([resized(one, found[0]) for one in found]).sum(0)


class Fcn(Segmenter):
    """`FcnHead` over the last three maps of all sensors' backbones."""

    def __init__(self, bands: int, classes: int, options: SegmenterOptions) -> None:
        super().__init__(bands, options)
        self.head = FcnHead([len(self.sensors) * width for width in self.widths[-_MAPS:]], classes)

    def maps(self, images: Sequence[Tensor]) -> list[Tensor]:
        """The last three maps, each of all sensors one after the other."""
        of_sensors = [
            cast(Backbone, encoder).stages(image)[-_MAPS:]
            for encoder, image in zip(self.encoders, images, strict=True)
        ]
        return [torch.cat(same, dim=1) for same in zip(*of_sensors, strict=True)]
