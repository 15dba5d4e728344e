"""Sets of chips: many small rasters with dense labels, or without, as people have them on disk.

`open_chips` finds a set by its `chips.toml`, or as a copy of a known one; `ChipSet` reads any sensor and the
labels of any chip.
"""

from geo_xmodal.chips.canvas import ChipsReader, numbers_of, on_grid, placed
from geo_xmodal.chips.chip_set import MAX_SIDE, Chip, ChipSet
from geo_xmodal.chips.config import ChipsConfig, ChipSplit, parse_chips_config, read_chips_config
from geo_xmodal.chips.layouts import LAYOUTS, Layout
from geo_xmodal.chips.opening import is_chip_folder, open_chips
from geo_xmodal.chips.source import ChipMember, ChipPicture, ChipSource, chip_assumptions, chips_for
from geo_xmodal.chips.stacked import StackedChips
from geo_xmodal.chips.survey import ChipSurvey, survey

__all__ = [
    "LAYOUTS",
    "MAX_SIDE",
    "Chip",
    "ChipMember",
    "ChipPicture",
    "ChipSet",
    "ChipSource",
    "ChipSplit",
    "ChipSurvey",
    "ChipsConfig",
    "ChipsReader",
    "Layout",
    "StackedChips",
    "chip_assumptions",
    "chips_for",
    "is_chip_folder",
    "numbers_of",
    "on_grid",
    "open_chips",
    "parse_chips_config",
    "placed",
    "read_chips_config",
    "survey",
]
