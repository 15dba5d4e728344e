"""Methods side by side: the same pixels and seeds for all, each with its controls, tested in pairs."""

from geo_xmodal.comparison.compare import compare_methods
from geo_xmodal.comparison.request import CompareRequest, Study

__all__ = ["CompareRequest", "Study", "compare_methods"]
