"""Backbones of computer vision for any number of bands: feature maps by stage, and one vector an image."""

from geo_xmodal.networks.backbones.backbone import Backbone
from geo_xmodal.networks.backbones.registry import BACKBONES, SIZE, make_backbone

__all__ = ["BACKBONES", "SIZE", "Backbone", "make_backbone"]
