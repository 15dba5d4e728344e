"""How much one sensor tells about another, asked before any training.

Joins scenes and correlation: pixels of a scene, or rows of two .npy files, go in; held-out estimates with
intervals and nulls come out, as values, JSON and a picture. Test pixels of a scene take no part. Of two .npy
files also what each objective is worth, and of random features what it costs.
"""

from __future__ import annotations

from geo_xmodal.correlation.timing import TimedSize
from geo_xmodal.dependence.classes import ClassCorrelation
from geo_xmodal.dependence.estimates import Nonlinear
from geo_xmodal.dependence.outputs import save_study
from geo_xmodal.dependence.study import Study, View, correlate_arrays, correlate_scene
from geo_xmodal.dependence.timing import TimingStudy, time_correlation
from geo_xmodal.dependence.two_views import TwoViewStudy, compare_objectives

__all__ = [
    "ClassCorrelation",
    "Nonlinear",
    "Study",
    "TimedSize",
    "TimingStudy",
    "TwoViewStudy",
    "View",
    "compare_objectives",
    "correlate_arrays",
    "correlate_scene",
    "save_study",
    "time_correlation",
]
