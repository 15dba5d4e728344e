"""How good a finished map is: a classified GeoTIFF against reference labels of any CRS and resolution."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox

from geo_xmodal.accuracy import (
    AreaEstimates,
    Calibration,
    ConfusionMatrix,
    Estimate,
    Picture,
    Report,
    area_estimates,
    metrics,
    render_report,
)
from geo_xmodal.errors import LabelError, OutputError, RasterError
from geo_xmodal.mapping import quicklook, read_legend
from geo_xmodal.mapping.geotiff import open_band
from geo_xmodal.mapping.layers import NO_PROBABILITY
from geo_xmodal.mapping.outputs import layer_file
from geo_xmodal.outputs import folder_beside
from geo_xmodal.scenes.config import LabelsConfig
from geo_xmodal.scenes.grid import grid_of, pixel_size
from geo_xmodal.scenes.labels import label_place, read_labels
from geo_xmodal.scenes.raster import describe_raster, file_window
from geo_xmodal.types import ClassArray, IntArray, LandClass, Progress, Window, windows_over

_WINDOW = 1024
_PICTURE = 1200
"""Longest side of the map's picture in the report, in pixels."""


@dataclass(frozen=True)
class Evaluation:
    """What the comparison gave.

    Attributes:
        classes: the legend, in the order of the confusion matrix.
        metrics: the content of metrics.json.
        areas: estimates with intervals, where the reference is a probability sample.
    """

    classes: tuple[LandClass, ...]
    metrics: dict[str, Any]
    areas: AreaEstimates | None = None


def evaluate_map(
    map_file: Path,
    reference: Path | str,
    out: Path | None = None,
    *,
    layer: str | None = None,
    sampled: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Compare a map with reference labels, window by window.

    The reference is brought onto the map's grid as training labels are. Where `<map>_probability.tif` lies
    beside the map, its calibration is measured too.

    Args:
        map_file: one band of uint8 class ids, 0 = no data, as `map_scene` writes it.
        reference: a raster of class ids, or a vector file as `file.gpkg:column`, whose
            column holds class ids or names.
        out: folder for metrics.json and report.html; None writes nothing.
        layer: of a vector file that has several.
        sampled: the reference is a random sample stratified by the map's classes, so that areas and
            accuracies can be estimated with intervals (Olofsson et al. 2014). Dense labels are no sample.
        progress: told of every window.

    Raises:
        RasterError, VectorError: if a file cannot be read, or the map is not a classified one.
        AlignmentError: if map and reference cannot be brought onto one grid.
        LabelError: if no reference pixel lies on the map, or classes do not fit.
        OutputError: if `out` cannot be written, or holds a training run.
    """
    if out is not None and (out / "config.json").exists():
        raise OutputError(
            f"{out} holds a training run, whose metrics.json would be lost: choose another folder"
        )
    place = label_place(reference)
    labels, column = place.path, place.column
    source = LabelsConfig(file=labels.name, column=column, layer=layer or place.layer)
    with contextlib.ExitStack() as stack:
        dataset = stack.enter_context(open_band(map_file))
        classes = read_legend(dataset)
        beside = layer_file(map_file, "probability")
        probability = stack.enter_context(open_band(beside)) if beside.is_file() else None
        if probability is not None and probability.shape != dataset.shape:
            raise RasterError(
                f"{probability.name}: {probability.shape[0]} x {probability.shape[1]} pixels, its map has "
                f"{dataset.shape[0]} x {dataset.shape[1]}: the two do not belong together, map again"
            )
        grid = grid_of(dataset)
        counts = _count(dataset, probability, source, labels, grid, classes, progress)
    if not counts.confusion.n:
        raise LabelError(_nothing_to_compare(map_file, labels, counts.unmapped))
    scores: dict[str, Any] = dict(metrics(counts.confusion, classes, counts.calibration, split="reference"))
    scores |= {"unmapped": counts.unmapped, "map": str(map_file), "reference": str(reference)}
    areas, unit = None, _area_unit(grid)
    if sampled:
        mapped = [int(counts.mapped[land.id]) for land in classes]
        areas = area_estimates(counts.confusion, classes, mapped, unit.pixel)
        scores["areas"] = _area_json(areas, unit.name)
    evaluation = Evaluation(classes, scores, areas)
    if out is not None:
        page = render_report(_report(map_file, labels, grid, evaluation, counts, unit.name, sampled))
        text = json.dumps(scores, indent=2, ensure_ascii=False)
        _write_all(out, {"metrics.json": text + "\n", "report.html": page})
    return evaluation


@dataclass(frozen=True)
class _Counts:
    """What one pass over the map gives; `mapped` has the pixels of each id 0-255 in the whole map."""

    confusion: ConfusionMatrix
    calibration: Calibration | None
    mapped: IntArray

    @property
    def unmapped(self) -> int:
        return int(self.confusion.unmapped.sum())


class _AreaUnit(NamedTuple):
    name: str
    pixel: float


def _area_unit(grid: GeoBox) -> _AreaUnit:
    row, col, unit = pixel_size(grid)
    return _AreaUnit("ha", row * col / 10_000) if unit == "m" else _AreaUnit("square units", row * col)


def _count(
    dataset: rasterio.DatasetReader,
    probability: rasterio.DatasetReader | None,
    source: LabelsConfig,
    reference: Path,
    grid: GeoBox,
    classes: Sequence[LandClass],
    progress: Progress | None,
) -> _Counts:
    ids = [land.id for land in classes]
    confusion = ConfusionMatrix(len(classes))
    calibration = None if probability is None else Calibration()
    mapped = np.zeros(256, np.int64)
    windows = list(windows_over(dataset.height, dataset.width, _WINDOW))
    for done, window in enumerate(windows, start=1):
        predicted = _read(dataset, window)
        mapped += np.bincount(predicted.ravel(), minlength=256)
        labels = read_labels(source, reference, grid, classes, window)
        confusion.add(labels, predicted, ids)
        if probability is not None and calibration is not None:
            percent = _read(probability, window)
            known = (labels > 0) & (predicted > 0) & (percent != NO_PROBABILITY)
            calibration.add(percent[known] / 100.0, predicted[known] == labels[known])
        if progress is not None:
            progress(done, len(windows), "comparing")
    return _Counts(confusion, calibration, mapped)


def _read(dataset: rasterio.DatasetReader, window: Window) -> ClassArray:
    block: ClassArray = dataset.read(1, window=file_window(window))
    return block


def _report(
    map_file: Path,
    labels: Path,
    grid: GeoBox,
    evaluation: Evaluation,
    counts: _Counts,
    area_unit: str,
    sampled: bool,
) -> Report:
    picture = quicklook(map_file, max_side=_PICTURE)
    row, _, unit = pixel_size(grid)
    crs = describe_raster(map_file).crs
    design = "a random sample stratified by the map's classes" if sampled else "no probability sample"
    return Report(
        title=f"Accuracy of {map_file.name}",
        classes=evaluation.classes,
        runs=(evaluation.metrics,),
        description={
            "Map": str(map_file),
            "Reference": f"{labels}, {design}",
            "Grid": f"{grid.shape[0]} x {grid.shape[1]} pixels, CRS {crs or 'unknown'}",
        },
        unmapped=counts.unmapped,
        reliability=counts.calibration.curve if counts.calibration is not None else (),
        map=Picture(picture, map_file.name, row * grid.shape[0] / len(picture) if unit == "m" else None),
        mapped_pixels={land.id: int(counts.mapped[land.id]) for land in evaluation.classes},
        areas=evaluation.areas,
        area_unit=area_unit,
    )


def _nothing_to_compare(map_file: Path, reference: Path, unmapped: int) -> str:
    if unmapped:
        return f"{map_file}: no data at any of the {unmapped:,} labelled pixels of {reference}: check the map"
    return f"{reference}: no labelled pixel lies on {map_file}: check place, CRS and class values of both"


def _area_json(areas: AreaEstimates, unit: str) -> dict[str, Any]:
    return {
        "unit": unit,
        "overall_accuracy": _estimate_json(areas.overall_accuracy),
        "classes": [
            {
                "id": one.id,
                "name": one.name,
                "mapped_area": one.mapped_area,
                "area": _estimate_json(one.area),
                "users_accuracy": _estimate_json(one.users_accuracy),
                "producers_accuracy": _estimate_json(one.producers_accuracy),
            }
            for one in areas.classes
        ],
    }


def _estimate_json(estimate: Estimate) -> dict[str, Any]:
    return {"value": estimate.value, "se": estimate.se, "interval": estimate.interval}


def _write_all(folder: Path, files: Mapping[str, str]) -> None:
    """All files or none: written in a folder beside, then moved."""
    with folder_beside(folder) as beside:
        for name, text in files.items():
            (beside / name).write_text(text, encoding="utf-8")
        if folder.is_dir():
            for name in files:
                (beside / name).replace(folder / name)
        else:
            beside.rename(folder)
