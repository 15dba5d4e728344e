"""What a model looks at: bands, groups of bands, places, and what two sensors share."""

from geo_xmodal.explain.explain import explain_model
from geo_xmodal.explain.explanation import Explanation

__all__ = ["Explanation", "explain_model"]
