"""How much one sensor tells about another, asked before any training.

Joins scenes and correlation: pixels of a scene, or rows of two .npy files, go in; held-out estimates with
intervals and nulls come out, as values, JSON and a picture. Test pixels of a scene take no part.
"""

from __future__ import annotations

from geo_xmodal.dependence.classes import ClassCorrelation
from geo_xmodal.dependence.estimates import Nonlinear
from geo_xmodal.dependence.outputs import save_study
from geo_xmodal.dependence.study import Study, View, correlate_arrays, correlate_scene

__all__ = [
    "ClassCorrelation",
    "Nonlinear",
    "Study",
    "View",
    "correlate_arrays",
    "correlate_scene",
    "save_study",
]
