"""`mit_b0`: the smallest encoder of SegFormer around each pixel."""

from __future__ import annotations

from geo_xmodal.networks.patch_branch import PatchBranch, PatchEncoder


class MitB0Encoder(PatchEncoder):
    """MiT-B0 over whole patches, enlarged to 64 x 64: its first stage alone takes 32 x 32 to a single key."""

    name = "mit_b0"
    size = 64


class MitB0(PatchBranch):
    """`MitB0Encoder` at every pixel: some 40 million multiply-adds."""

    tile = 16
    choice = "mit_b0 (the encoder of SegFormer; 400 times the work)"
    patch_encoder = MitB0Encoder
