"""ResNet-18 and ResNet-50 (He et al. 2016, arXiv 1512.03385), by timm."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from geo_xmodal.networks.backbones.backbone import Backbone, Encoded, applied, timm_model


class ResNet(Backbone):
    """Four stages of strides 4 to 32, zero-padded.

    Strides of ResNet-50 lie in the 3 x 3 convolutions (as in torchvision), and residual branches start at
    zero (`zero_init_residual` of DeCUR's encoders).
    """

    firsts = ("conv1.weight",)
    last = "fc"

    def __init__(self, name: str, bands: int, size: int) -> None:
        super().__init__(name, bands, size)
        self.net = timm_model(name, in_chans=bands)
        self.taps, self.strides = ("layer1", "layer2", "layer3", "layer4"), (4, 8, 16, 32)
        self.features = cast(int, self.net.num_features)
        self.widths = tuple(self.features // share for share in (8, 4, 2, 1))
        self.radii = _radii([self._layer(k) for k in range(4)])

    def _layer(self, index: int) -> nn.Sequential:
        return cast(nn.Sequential, getattr(self.net, self.taps[index]))

    def begin(self, x: Tensor) -> Encoded:
        """Convolution and pooling of stride 2 each."""
        names = ("conv1", "bn1", "act1", "maxpool")
        return Encoded(applied([getattr(self.net, name) for name in names], x))

    def stage(self, index: int, before: Encoded) -> Encoded:
        """A layer of residual blocks."""
        return Encoded(self._layer(index)(before.map))


def _radii(layers: list[nn.Sequential]) -> tuple[int, ...]:
    """Half of what an element of each layer sees, after a stem of 7 x 7 and 3 x 3 of stride 2 each."""
    seen, jump, found = 11, 4, []
    for layer in layers:
        for module in layer.modules():
            if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
                seen += 2 * jump
                jump *= module.stride[0]
        found.append(seen // 2)
    return tuple(found)
