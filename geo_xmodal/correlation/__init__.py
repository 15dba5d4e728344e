"""Maximal correlation: objectives to train with, estimators to measure with. Pure tensors, no files."""

from __future__ import annotations

from geo_xmodal.correlation.corrnet_reference import fit_corrnet
from geo_xmodal.correlation.decoupled import Decoupling
from geo_xmodal.correlation.discrete import DiscreteHGR, exact_hgr
from geo_xmodal.correlation.estimate import CorrelationEstimate, estimate_correlation
from geo_xmodal.correlation.features import FeatureError, full_precision
from geo_xmodal.correlation.linear_cca import FunctionPair
from geo_xmodal.correlation.objective import Objective
from geo_xmodal.correlation.registry import OBJECTIVES, objective
from geo_xmodal.correlation.self_supervised import redundancy
from geo_xmodal.correlation.soft_hgr import SoftHGR, soft_hgr
from geo_xmodal.correlation.two_view import TwoViewResult, corrnet_benchmark, two_view_benchmark

__all__ = [
    "OBJECTIVES",
    "CorrelationEstimate",
    "Decoupling",
    "DiscreteHGR",
    "FeatureError",
    "FunctionPair",
    "Objective",
    "SoftHGR",
    "TwoViewResult",
    "corrnet_benchmark",
    "estimate_correlation",
    "exact_hgr",
    "fit_corrnet",
    "full_precision",
    "objective",
    "redundancy",
    "soft_hgr",
    "two_view_benchmark",
]
