"""A fitted model over a whole scene: windows, workers, GeoTIFF, picture.

Each name is imported when it is first used: to check an input or read a legend takes no PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geo_xmodal.mapping.engine import Classifier, best_of
    from geo_xmodal.mapping.geotiff import read_assumptions, read_legend
    from geo_xmodal.mapping.inputs import Fit, check_fit, target_modality
    from geo_xmodal.mapping.mapper import MapResult, map_scene
    from geo_xmodal.mapping.model import Model, Prediction, load_model
    from geo_xmodal.mapping.picture import quicklook, save_picture
    from geo_xmodal.mapping.plan import MapPlan, plan_map
    from geo_xmodal.mapping.predict import evaluate_windows, preview, scene_shares
    from geo_xmodal.mapping.runtimes import Device, Engine, Precision, Runtime
    from geo_xmodal.mapping.shares import NAMED_SHARES, Shares, known_shares, read_shares
    from geo_xmodal.mapping.sources import MapInput, fit_input, map_input

__all__ = [
    "NAMED_SHARES",
    "Classifier",
    "Device",
    "Engine",
    "Fit",
    "MapInput",
    "MapPlan",
    "MapResult",
    "Model",
    "Precision",
    "Prediction",
    "Runtime",
    "Shares",
    "best_of",
    "check_fit",
    "evaluate_windows",
    "fit_input",
    "known_shares",
    "load_model",
    "map_input",
    "map_scene",
    "plan_map",
    "preview",
    "quicklook",
    "read_assumptions",
    "read_legend",
    "read_shares",
    "save_picture",
    "scene_shares",
    "target_modality",
]

_HOME = {
    "NAMED_SHARES": "shares",
    "Classifier": "engine",
    "Device": "runtimes",
    "Engine": "runtimes",
    "Fit": "inputs",
    "MapInput": "sources",
    "MapPlan": "plan",
    "MapResult": "mapper",
    "Model": "model",
    "Precision": "runtimes",
    "Prediction": "model",
    "Runtime": "runtimes",
    "Shares": "shares",
    "best_of": "engine",
    "check_fit": "inputs",
    "evaluate_windows": "predict",
    "fit_input": "sources",
    "known_shares": "shares",
    "load_model": "model",
    "map_input": "sources",
    "map_scene": "mapper",
    "plan_map": "plan",
    "preview": "predict",
    "quicklook": "picture",
    "read_assumptions": "geotiff",
    "read_legend": "geotiff",
    "read_shares": "shares",
    "save_picture": "picture",
    "scene_shares": "predict",
    "target_modality": "inputs",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
