"""`resnet18` and `resnet50`: ResNets around each pixel; ResNet-50 is the HGR supplement's pair of encoders.

The supplement names the network (`HGRDecNetworkv_Res50.py`) and says nothing of its input: strides and
pooling are the standard ones, and one linear layer brings 2048 features to the embedding whose correlation is
maximised.
"""

from __future__ import annotations

from geo_xmodal.networks.patch_branch import PatchBranch, PatchEncoder


class ResNet18Encoder(PatchEncoder):
    """ResNet-18 over whole patches."""

    name = "resnet18"


class ResNet18(PatchBranch):
    """`ResNet18Encoder` at every pixel."""

    choice = "resnet18"
    patch_encoder = ResNet18Encoder


class ResNet50Encoder(PatchEncoder):
    """ResNet-50 over whole patches."""

    name = "resnet50"


class ResNet50(PatchBranch):
    """`ResNet50Encoder` at every pixel: 30 million multiply-adds, where `pixel_cnn` takes 0.1 million."""

    choice = "resnet50 (the HGR supplement's; 300 times the work)"
    patch_encoder = ResNet50Encoder
