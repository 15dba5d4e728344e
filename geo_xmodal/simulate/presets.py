"""What `simulate` with `like` can make."""

from __future__ import annotations

from geo_xmodal.simulate.berlin import BERLIN
from geo_xmodal.simulate.houston import HOUSTON
from geo_xmodal.simulate.preset import Preset

PRESETS: dict[str, Preset] = {preset.name: preset for preset in (BERLIN, HOUSTON)}
"""Kinds of scenes by name."""
