"""One grid, many sensors: what a scene is, and how its files are opened, aligned, labelled and split.

`open_scene` gives a `Scene`; `Scene.reader` gives any of its sensors on the reference grid, window by window;
`align_scene` makes a scene of files of any CRS and resolution. Every raster goes through `open_raster`.
"""

from geo_xmodal.scenes.align import align_scene
from geo_xmodal.scenes.config import SceneConfig, read_config, write_config
from geo_xmodal.scenes.raster import RasterInfo, RasterLimits, describe_raster, open_raster
from geo_xmodal.scenes.reader import AlignedReader, aligned_reader
from geo_xmodal.scenes.scene import Scene, SceneSummary, list_scenes, open_scene

__all__ = [
    "AlignedReader",
    "RasterInfo",
    "RasterLimits",
    "Scene",
    "SceneConfig",
    "SceneSummary",
    "align_scene",
    "aligned_reader",
    "describe_raster",
    "list_scenes",
    "open_raster",
    "open_scene",
    "read_config",
    "write_config",
]
