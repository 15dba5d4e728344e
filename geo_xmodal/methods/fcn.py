"""`fcn`: the fully convolutional network of DeCUR's appendix on the target sensor (Wang et al. 2024, B.2)."""

from __future__ import annotations

from geo_xmodal.methods.segmentation import SegmentationMethod, SegmentationOptions


class FcnOptions(SegmentationOptions):
    """Options of `fcn`; the appendix has `backbone=resnet50`, AdamW with 0.0001 and a batch of 256."""

    network_name = "fcn"


class Fcn(SegmentationMethod):
    """A backbone with the head of an FCN."""

    name = "fcn"
    summary = "fully convolutional network on windows of the target sensor (DeCUR's appendix); no auxiliary"
    Options = FcnOptions
