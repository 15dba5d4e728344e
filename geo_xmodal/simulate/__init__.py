"""Scenes whose truth is known: land, sensors and labels that resemble the published benchmarks."""

from geo_xmodal.simulate.presets import PRESETS
from geo_xmodal.simulate.scene import simulate_scene

__all__ = ["PRESETS", "simulate_scene"]
