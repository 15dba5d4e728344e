"""Which pixels of a scene train, and their values: `gather` makes `TrainingData` of a `Scene`."""

from geo_xmodal.samples.groups import GatherOptions, gather, warnings_of
from geo_xmodal.samples.patches import block_side, blocks_with, read_patches
from geo_xmodal.samples.pools import availability, drawn, unlabelled_pools
from geo_xmodal.samples.statistics import HIGH_PERCENTILE, LOW_PERCENTILE, band_statistics

__all__ = [
    "HIGH_PERCENTILE",
    "LOW_PERCENTILE",
    "GatherOptions",
    "availability",
    "band_statistics",
    "block_side",
    "blocks_with",
    "drawn",
    "gather",
    "read_patches",
    "unlabelled_pools",
    "warnings_of",
]
