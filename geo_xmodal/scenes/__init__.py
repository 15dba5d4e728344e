"""One grid, many sensors: what a scene is, and how its files are opened, aligned, labelled and split.

`open_scene` gives a `Scene`; `Scene.reader` gives any of its sensors on the reference grid, window by window;
`align_scene` makes a scene of files of any CRS and resolution. Every raster goes through `open_raster`.
"""

from geo_xmodal.scenes.align import align_scene
from geo_xmodal.scenes.config import LabelsConfig, SceneConfig, read_config, write_config
from geo_xmodal.scenes.grid import overlap, pixel_size
from geo_xmodal.scenes.label_summary import LabelReport, LabelSummary, label_report
from geo_xmodal.scenes.labels import label_values, read_labels
from geo_xmodal.scenes.legend import legend_of
from geo_xmodal.scenes.raster import RasterInfo, RasterLimits, describe_raster, open_raster
from geo_xmodal.scenes.reader import AlignedReader, aligned_reader
from geo_xmodal.scenes.scene import Scene, SceneSummary, list_scenes, open_scene
from geo_xmodal.scenes.vector import open_layer
from geo_xmodal.scenes.window_reader import Assumption, Band, WindowReader

__all__ = [
    "AlignedReader",
    "Assumption",
    "Band",
    "LabelReport",
    "LabelSummary",
    "LabelsConfig",
    "RasterInfo",
    "RasterLimits",
    "Scene",
    "SceneConfig",
    "SceneSummary",
    "WindowReader",
    "align_scene",
    "aligned_reader",
    "describe_raster",
    "label_report",
    "label_values",
    "legend_of",
    "list_scenes",
    "open_layer",
    "open_raster",
    "open_scene",
    "overlap",
    "pixel_size",
    "read_config",
    "read_labels",
    "write_config",
]
