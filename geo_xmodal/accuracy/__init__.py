"""How good a map is: counts and numbers in, measures and a page out. No rasters, no tensors, no files."""

from __future__ import annotations

from geo_xmodal.accuracy.areas import AreaEstimates, ClassArea, Estimate, GroundAreas, area_estimates
from geo_xmodal.accuracy.calibration import Calibration, ReliabilityBin
from geo_xmodal.accuracy.choices import has_choice, scores_with
from geo_xmodal.accuracy.comparison import PairedTest, gain_tests, least_signed_rank, paired_tests
from geo_xmodal.accuracy.confusion import ConfusionMatrix
from geo_xmodal.accuracy.gain import PairedGain, compare, gains_by_seed, paired_gain, spread
from geo_xmodal.accuracy.metrics import MEASURES, ClassMetrics, Metrics, metrics
from geo_xmodal.accuracy.report import Curve, Groups, Picture, Report, curves_from_log, render_report

__all__ = [
    "MEASURES",
    "AreaEstimates",
    "Calibration",
    "ClassArea",
    "ClassMetrics",
    "ConfusionMatrix",
    "Curve",
    "Estimate",
    "GroundAreas",
    "Groups",
    "Metrics",
    "PairedGain",
    "PairedTest",
    "Picture",
    "ReliabilityBin",
    "Report",
    "area_estimates",
    "compare",
    "curves_from_log",
    "gain_tests",
    "gains_by_seed",
    "has_choice",
    "least_signed_rank",
    "metrics",
    "paired_gain",
    "paired_tests",
    "render_report",
    "scores_with",
    "spread",
]
