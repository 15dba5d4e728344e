"""Methods side by side: the same pixels and seeds for all, each with its controls, tested in pairs."""

from geo_xmodal.comparison.compare import compare_methods
from geo_xmodal.comparison.request import CompareRequest, Study
from geo_xmodal.comparison.result import ComparedMethod, Comparison

__all__ = ["CompareRequest", "ComparedMethod", "Comparison", "Study", "compare_methods"]
