"""Encoders that others trained, with the bands and units that each expects; files are the user's own."""

from geo_xmodal.networks.published.branch import PublishedBranch, PublishedEncoder, PublishedOptions
from geo_xmodal.networks.published.catalogue import PUBLISHED, Published

__all__ = ["PUBLISHED", "Published", "PublishedBranch", "PublishedEncoder", "PublishedOptions"]
