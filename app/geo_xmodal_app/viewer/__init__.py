"""The map: an OpenLayers viewer of the scene's own files, in the scene's own coordinates.

`view` shows layers and gives back what its reader did; `class_areas` and `change_matrix` count exactly.
"""

from geo_xmodal_app.viewer.areas import ChangeMatrix, ClassArea, change_matrix, class_areas
from geo_xmodal_app.viewer.component import (
    Comparison,
    DrawnAreas,
    band_presets,
    last_state,
    legend_of_areas,
    view,
)
from geo_xmodal_app.viewer.layer import Layer, Place, Viewport, ViewState
from geo_xmodal_app.viewer.palette import Confusion, confusions, safe_palette

__all__ = [
    "ChangeMatrix",
    "ClassArea",
    "Comparison",
    "Confusion",
    "DrawnAreas",
    "Layer",
    "Place",
    "ViewState",
    "Viewport",
    "band_presets",
    "change_matrix",
    "class_areas",
    "confusions",
    "last_state",
    "legend_of_areas",
    "safe_palette",
    "view",
]
