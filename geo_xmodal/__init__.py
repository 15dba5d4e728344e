"""geo_xmodal: land-cover maps from a poor sensor, trained with a rich one.

The public API is what this module names; each name is imported when it is first used, so that
`import geo_xmodal as gx` costs nothing and listing scenes loads no PyTorch.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # as type checkers know it; `typing` takes ten times as long as this module
if TYPE_CHECKING:
    from typing import Any

    from geo_xmodal.bundle import Bundle, Card, read_card
    from geo_xmodal.bundle import load as load_bundle
    from geo_xmodal.chips import LAYOUTS, ChipSet, ChipSurvey, is_chip_folder, open_chips
    from geo_xmodal.chips import survey as survey_chips
    from geo_xmodal.comparison import CompareRequest, compare_methods
    from geo_xmodal.correlation import CorrelationEstimate, estimate_correlation
    from geo_xmodal.dependence import Study, correlate_arrays, correlate_scene, save_study
    from geo_xmodal.errors import GeoXmodalError
    from geo_xmodal.evaluation import Evaluation, evaluate_map
    from geo_xmodal.export.class_map import ClassMap, read_class_map
    from geo_xmodal.export.onnx import ExportedNetwork, export_onnx
    from geo_xmodal.export.polygons import ExportedPolygons, export_polygons
    from geo_xmodal.export.qgis import ExportedProject, export_qgis
    from geo_xmodal.export.stac import ExportedItem, export_stac
    from geo_xmodal.kinds import KINDS, SensorKind, guess_kind
    from geo_xmodal.mapping import (
        Fit,
        MapInput,
        MapPlan,
        MapResult,
        check_fit,
        fit_input,
        map_input,
        map_scene,
        plan_map,
        read_assumptions,
        read_legend,
        save_picture,
        target_modality,
    )
    from geo_xmodal.methods import METHODS
    from geo_xmodal.models import ModelSummary, find_model, list_models
    from geo_xmodal.published import ImportReport, PublishedScene, import_scene, published_scenes
    from geo_xmodal.raster import (
        AlignedReader,
        Assumption,
        Band,
        RasterInfo,
        VectorSummary,
        WindowReader,
        aligned_reader,
        checked_values,
        create_raster,
        describe_raster,
        describe_vector,
        file_and_rest,
        infinite_values,
        label_values,
        layer_names,
        open_layer,
        open_raster,
        overlap,
        pixel_areas,
        pixel_size,
        read_labels,
        read_window,
        same_grid,
    )
    from geo_xmodal.scenes import (
        WITHIN_VARIABLE,
        LabelReport,
        LabelsConfig,
        LabelSummary,
        Scene,
        SceneConfig,
        SceneSummary,
        align_scene,
        label_report,
        legend_of,
        list_scenes,
        open_scene,
        open_scenes,
        read_config,
        write_config,
    )
    from geo_xmodal.simulate import SimulatedSensor, simulate_scene, simulate_sensor
    from geo_xmodal.training import DATA_SETTINGS, TrainRequest, compute_for, train_scene
    from geo_xmodal.version import VERSION as __version__  # noqa: N811 - the name that Python expects

__all__ = [
    "DATA_SETTINGS",
    "KINDS",
    "LAYOUTS",
    "METHODS",
    "WITHIN_VARIABLE",
    "AlignedReader",
    "Assumption",
    "Band",
    "Bundle",
    "Card",
    "ChipSet",
    "ChipSurvey",
    "ClassMap",
    "CompareRequest",
    "CorrelationEstimate",
    "Evaluation",
    "ExportedItem",
    "ExportedNetwork",
    "ExportedPolygons",
    "ExportedProject",
    "Fit",
    "GeoXmodalError",
    "ImportReport",
    "LabelReport",
    "LabelSummary",
    "LabelsConfig",
    "MapInput",
    "MapPlan",
    "MapResult",
    "ModelSummary",
    "PublishedScene",
    "RasterInfo",
    "Scene",
    "SceneConfig",
    "SceneSummary",
    "SensorKind",
    "SimulatedSensor",
    "Study",
    "TrainRequest",
    "VectorSummary",
    "WindowReader",
    "__version__",
    "align_scene",
    "aligned_reader",
    "check_fit",
    "checked_values",
    "compare_methods",
    "compute_for",
    "correlate_arrays",
    "correlate_scene",
    "create_raster",
    "describe_raster",
    "describe_vector",
    "estimate_correlation",
    "evaluate_map",
    "export_onnx",
    "export_polygons",
    "export_qgis",
    "export_stac",
    "file_and_rest",
    "find_model",
    "fit_input",
    "guess_kind",
    "import_scene",
    "infinite_values",
    "is_chip_folder",
    "label_report",
    "label_values",
    "layer_names",
    "legend_of",
    "list_models",
    "list_scenes",
    "load_bundle",
    "map_input",
    "map_scene",
    "open_chips",
    "open_layer",
    "open_raster",
    "open_scene",
    "open_scenes",
    "overlap",
    "pixel_areas",
    "pixel_size",
    "plan_map",
    "published_scenes",
    "read_assumptions",
    "read_card",
    "read_class_map",
    "read_config",
    "read_labels",
    "read_legend",
    "read_window",
    "same_grid",
    "save_picture",
    "save_study",
    "simulate_scene",
    "simulate_sensor",
    "survey_chips",
    "target_modality",
    "train_scene",
    "write_config",
]

_HOMES = {
    "bundle": ("Bundle", "Card", "read_card", "load_bundle"),
    "chips": ("LAYOUTS", "ChipSet", "ChipSurvey", "is_chip_folder", "open_chips", "survey_chips"),
    "comparison": ("CompareRequest", "compare_methods"),
    "correlation": ("CorrelationEstimate", "estimate_correlation"),
    "dependence": ("Study", "correlate_arrays", "correlate_scene", "save_study"),
    "errors": ("GeoXmodalError",),
    "evaluation": ("Evaluation", "evaluate_map"),
    "export.class_map": ("ClassMap", "read_class_map"),
    "export.onnx": ("ExportedNetwork", "export_onnx"),
    "export.polygons": ("ExportedPolygons", "export_polygons"),
    "export.qgis": ("ExportedProject", "export_qgis"),
    "export.stac": ("ExportedItem", "export_stac"),
    "kinds": ("KINDS", "SensorKind", "guess_kind"),
    "mapping": (
        "Fit",
        "MapInput",
        "MapPlan",
        "MapResult",
        "check_fit",
        "fit_input",
        "map_input",
        "map_scene",
        "plan_map",
        "read_assumptions",
        "read_legend",
        "save_picture",
        "target_modality",
    ),
    "methods": ("METHODS",),
    "models": ("ModelSummary", "find_model", "list_models"),
    "published": ("ImportReport", "PublishedScene", "import_scene", "published_scenes"),
    "raster": (
        "AlignedReader",
        "Assumption",
        "Band",
        "RasterInfo",
        "VectorSummary",
        "WindowReader",
        "aligned_reader",
        "checked_values",
        "create_raster",
        "describe_raster",
        "describe_vector",
        "file_and_rest",
        "infinite_values",
        "label_values",
        "layer_names",
        "open_layer",
        "open_raster",
        "overlap",
        "pixel_areas",
        "pixel_size",
        "read_labels",
        "read_window",
        "same_grid",
    ),
    "scenes": (
        "WITHIN_VARIABLE",
        "LabelReport",
        "LabelSummary",
        "LabelsConfig",
        "Scene",
        "SceneConfig",
        "SceneSummary",
        "align_scene",
        "label_report",
        "legend_of",
        "list_scenes",
        "open_scene",
        "open_scenes",
        "read_config",
        "write_config",
    ),
    "simulate": ("SimulatedSensor", "simulate_scene", "simulate_sensor"),
    "training": ("DATA_SETTINGS", "TrainRequest", "compute_for", "train_scene"),
    "version": ("__version__",),
}
_HOME = {name: f"geo_xmodal.{module}" for module, names in _HOMES.items() for name in names}
_RENAMED = {"load_bundle": "load", "survey_chips": "survey", "__version__": "VERSION"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), _RENAMED.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
