"""What a scene is: one grid, many sensors, classes, labels and their split.

`open_scene` gives a `Scene`; `Scene.reader` gives any of its sensors on the reference grid, window by window;
`align_scene` makes a scene of files of any CRS and resolution.
"""

from geo_xmodal.scenes.align import align_scene, scene_name
from geo_xmodal.scenes.config import (
    CONFIG_NAME,
    ClassConfig,
    InsideFile,
    LabelsConfig,
    LabelsTable,
    ModalityConfig,
    Name,
    PointsConfig,
    SceneConfig,
    check_target,
    parse_config,
    read_classes,
    read_config,
    read_map_classes,
    scene_file,
    write_classes,
    write_config,
)
from geo_xmodal.scenes.known_legends import KNOWN_LEGENDS
from geo_xmodal.scenes.label_summary import (
    LabelReport,
    LabelSummary,
    conflict_text,
    label_report,
    overlap_text,
    scene_conflicts,
    summarise_labels,
)
from geo_xmodal.scenes.labelled import SIDES, LabelledPixels, Side, labelled_pixels, labelled_windows
from geo_xmodal.scenes.layers import sensor_layer, write_layers
from geo_xmodal.scenes.legend import added_class, color_table, free_id, legend_of, palette
from geo_xmodal.scenes.reclass import Reclass, check_reclass, read_reclass, reclassed
from geo_xmodal.scenes.scene import WITHIN_VARIABLE, Scene, SceneSummary, list_scenes, open_scene
from geo_xmodal.scenes.scene_set import (
    Member,
    SceneSet,
    Sensor,
    find_modality,
    join_scenes,
    meet,
    open_scenes,
)
from geo_xmodal.scenes.splits import (
    DEFAULT_BUFFER,
    Partition,
    block_split,
    overlap_share,
    validation_split,
)

__all__ = [
    "CONFIG_NAME",
    "DEFAULT_BUFFER",
    "KNOWN_LEGENDS",
    "SIDES",
    "WITHIN_VARIABLE",
    "ClassConfig",
    "InsideFile",
    "LabelReport",
    "LabelSummary",
    "LabelledPixels",
    "LabelsConfig",
    "LabelsTable",
    "Member",
    "ModalityConfig",
    "Name",
    "Partition",
    "PointsConfig",
    "Reclass",
    "Scene",
    "SceneConfig",
    "SceneSet",
    "SceneSummary",
    "Sensor",
    "Side",
    "added_class",
    "align_scene",
    "block_split",
    "check_reclass",
    "check_target",
    "color_table",
    "conflict_text",
    "find_modality",
    "free_id",
    "join_scenes",
    "label_report",
    "labelled_pixels",
    "labelled_windows",
    "legend_of",
    "list_scenes",
    "meet",
    "open_scene",
    "open_scenes",
    "overlap_share",
    "overlap_text",
    "palette",
    "parse_config",
    "read_classes",
    "read_config",
    "read_map_classes",
    "read_reclass",
    "reclassed",
    "scene_conflicts",
    "scene_file",
    "scene_name",
    "sensor_layer",
    "summarise_labels",
    "validation_split",
    "write_classes",
    "write_config",
    "write_layers",
]
