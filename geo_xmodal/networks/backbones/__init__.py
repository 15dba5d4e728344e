"""Backbones of computer vision for any number of bands: feature maps by stage, and one vector an image."""

from geo_xmodal.networks.backbones.attention import AttentionName
from geo_xmodal.networks.backbones.backbone import Backbone, side_by_side
from geo_xmodal.networks.backbones.registry import BACKBONES, SIZE, make_backbone

__all__ = ["BACKBONES", "SIZE", "AttentionName", "Backbone", "make_backbone", "side_by_side"]
