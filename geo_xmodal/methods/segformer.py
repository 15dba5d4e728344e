"""`segformer`: SegFormer on the target sensor (Xie et al. 2021, arXiv 2105.15203)."""

from __future__ import annotations

from pydantic import Field

from geo_xmodal.methods.segmentation import SegmentationMethod, SegmentationOptions


class SegFormerOptions(SegmentationOptions):
    """Options of `segformer`; the paper has AdamW with 0.00006, and ten times that for the decoder."""

    network_name = "segformer"
    network_settings = (*SegmentationOptions.network_settings, "width", "dropout")

    backbone: str = Field("mit_b0", description="backbone: mit_b0 ... mit_b5, resnet18, resnet50, vit_s16")
    width: int = Field(128, ge=1, le=4096, description="channels of the decoder")
    dropout: float = Field(0.1, ge=0, lt=1, description="share of the decoder's channels dropped in training")


class SegFormer(SegmentationMethod):
    """MiT with an MLP decoder."""

    name = "segformer"
    summary = "SegFormer on windows of the target sensor; no auxiliary"
    Options = SegFormerOptions
