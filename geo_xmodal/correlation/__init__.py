"""Maximal correlation: objectives to train with, estimators to measure with. Pure tensors, no files."""

from __future__ import annotations

from geo_xmodal.correlation.features import FeatureError
from geo_xmodal.correlation.objective import Objective
from geo_xmodal.correlation.registry import OBJECTIVES, objective
from geo_xmodal.correlation.soft_hgr import SoftHGR, soft_hgr

__all__ = [
    "OBJECTIVES",
    "FeatureError",
    "Objective",
    "SoftHGR",
    "objective",
    "soft_hgr",
]
