"""Scenes whose truth is known, and sensors simulated from a real HSI.

`simulate_scene` makes land, sensors and labels that resemble the published benchmarks; `simulate_sensor`
makes an MSI and a coarser HSI from an HSI, as X-ModalNet did.
"""

from geo_xmodal.simulate.point_spread import degrade
from geo_xmodal.simulate.presets import PRESETS
from geo_xmodal.simulate.response import SpectralResponse, gaussian_response, simulate_msi
from geo_xmodal.simulate.response_files import read_response
from geo_xmodal.simulate.scene import simulate_scene
from geo_xmodal.simulate.sensor import SimulatedSensor, simulate_sensor

__all__ = [
    "PRESETS",
    "SimulatedSensor",
    "SpectralResponse",
    "degrade",
    "gaussian_response",
    "read_response",
    "simulate_msi",
    "simulate_scene",
    "simulate_sensor",
]
