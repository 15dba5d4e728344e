"""A fitted model over a whole scene: windows, workers, GeoTIFF, picture."""

from geo_xmodal.mapping.engine import Classifier, Engine
from geo_xmodal.mapping.geotiff import read_legend
from geo_xmodal.mapping.inputs import WindowReader, check_fit, target_modality
from geo_xmodal.mapping.mapper import MapResult, map_scene
from geo_xmodal.mapping.picture import quicklook, save_picture
from geo_xmodal.mapping.predict import evaluate_windows, preview

__all__ = [
    "Classifier",
    "Engine",
    "MapResult",
    "WindowReader",
    "check_fit",
    "evaluate_windows",
    "map_scene",
    "preview",
    "quicklook",
    "read_legend",
    "save_picture",
    "target_modality",
]
