"""Which pixels train, and their values: `gather` makes `TrainingData` of scenes, or of a set of chips."""

from geo_xmodal.samples.chip_groups import chip_places, windows_of_chips
from geo_xmodal.samples.chip_windows import UNLABELLED, ChipSamples, ChipWindows
from geo_xmodal.samples.groups import gather, warnings_of
from geo_xmodal.samples.options import DataOptions, GatherOptions
from geo_xmodal.samples.patches import block_side, blocks_with, read_patches
from geo_xmodal.samples.pools import availability, drawn, unlabelled_pools
from geo_xmodal.samples.statistics import HIGH_PERCENTILE, LOW_PERCENTILE, band_statistics, centre_statistics
from geo_xmodal.samples.storage import Storage, storage_for
from geo_xmodal.samples.values import STORED
from geo_xmodal.samples.windows import ReadPatches, WindowSource, gather_windows

__all__ = [
    "HIGH_PERCENTILE",
    "LOW_PERCENTILE",
    "STORED",
    "UNLABELLED",
    "ChipSamples",
    "ChipWindows",
    "DataOptions",
    "GatherOptions",
    "ReadPatches",
    "Storage",
    "WindowSource",
    "availability",
    "band_statistics",
    "block_side",
    "blocks_with",
    "centre_statistics",
    "chip_places",
    "drawn",
    "gather",
    "gather_windows",
    "read_patches",
    "storage_for",
    "unlabelled_pools",
    "warnings_of",
    "windows_of_chips",
]
