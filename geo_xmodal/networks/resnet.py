"""`resnet50`: ResNet-50 around each pixel, as the HGR supplement's pair of encoders has it."""

from __future__ import annotations

from geo_xmodal.networks.patch_branch import PatchBranch, PatchEncoder


class ResNetEncoder(PatchEncoder):
    """ResNet-50 over whole patches.

    The supplement names the network (`HGRDecNetworkv_Res50.py`) and says nothing of its input: strides and
    pooling are the standard ones, and one linear layer brings 2048 features to the embedding whose
    correlation is maximised.
    """

    name = "resnet50"
    first = "conv1.weight"
    last = "fc"


class ResNet50(PatchBranch):
    """`ResNetEncoder` at every pixel: some 30 million multiply-adds, where `pixel_cnn` takes 0.1 million."""

    choice = "resnet50 (the HGR supplement's; 300 times the work)"
    patch_encoder = ResNetEncoder
