"""`vit_s16`: a small Vision Transformer (ViT-S/16) around each pixel."""

from __future__ import annotations

from geo_xmodal.networks.patch_branch import PatchBranch, PatchEncoder


class VitEncoder(PatchEncoder):
    """ViT-S/16 over whole patches.

    Patches of a few pixels are smaller than one of its tokens: they are enlarged to four by four tokens.
    """

    name = "vit_s16"
    size = 64


class VitS16(PatchBranch):
    """`VitEncoder` at every pixel: some 370 million multiply-adds."""

    tile = 8
    choice = "vit_s16 (a small Vision Transformer; 4000 times the work)"
    patch_encoder = VitEncoder
