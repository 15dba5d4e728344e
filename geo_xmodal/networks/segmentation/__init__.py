"""Networks that label every pixel of an image, made of backbones: FCN, SegFormer, and CMX for two sensors."""

from geo_xmodal.networks.segmentation.cmx import Cmx
from geo_xmodal.networks.segmentation.fcn import Fcn
from geo_xmodal.networks.segmentation.segformer import SegFormer, SegFormerOptions
from geo_xmodal.networks.segmentation.segmenter import Segmenter, SegmenterOptions

__all__ = ["Cmx", "Fcn", "SegFormer", "SegFormerOptions", "Segmenter", "SegmenterOptions"]
