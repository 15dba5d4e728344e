"""How good a finished map is: a classified GeoTIFF against reference labels of any CRS and resolution."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling

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
from geo_xmodal.mapping import NO_PROBABILITY, probability_path, read_legend
from geo_xmodal.scenes import LabelsConfig, grid_of, label_values, open_raster, pixel_size, read_labels
from geo_xmodal.types import ClassArray, IntArray, LandClass, Progress, Window, windows_over

_WINDOW = 1024
_PICTURE = 1200
"""Longest side of the map's picture in the report, in pixels."""

_SQUARE_METRES_A_HECTARE = 10_000.0


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
    reference: Path,
    out: Path | None = None,
    *,
    column: str | None = None,
    layer: str | None = None,
    sampled: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Compare a map with reference labels, window by window.

    The reference is brought onto the map's grid as training labels are. Where `<map>_probability.tif` lies
    beside the map, its calibration is measured too.

    Args:
        map_file: one band of uint8 class ids, 0 = no data, as `map_scene` writes it.
        reference: a raster of class ids, or a vector file with `column`.
        out: folder for metrics.json and report.html; None writes nothing.
        column: of a vector file, holds class ids or names.
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
        raise OutputError(f"{out} holds a training run, whose metrics.json would be lost: choose another folder")
    source = LabelsConfig(file=reference.name, column=column, layer=layer)
    with contextlib.ExitStack() as stack:
        dataset = stack.enter_context(_open_bands(map_file))
        grid = grid_of(dataset)
        classes = _legend(dataset, reference, source)
        beside = probability_path(map_file)
        probability = stack.enter_context(_open_bands(beside)) if beside.is_file() else None
        if probability is not None and probability.shape != dataset.shape:
            raise RasterError(
                f"{beside}: {probability.shape[0]} x {probability.shape[1]} pixels, its map has "
                f"{dataset.shape[0]} x {dataset.shape[1]}: the two do not belong together, map again"
            )
        counts = _count(dataset, probability, source, reference, grid, classes, progress)
        picture = _picture(dataset) if out is not None else None
    if not counts.confusion.n:
        raise LabelError(_nothing_to_compare(map_file, reference, int(counts.confusion.unmapped.sum())))
    row, col, unit = pixel_size(grid)
    area_unit = "ha" if unit == "m" else "square units"
    areas = None
    if sampled:
        pixel_area = row * col / (_SQUARE_METRES_A_HECTARE if unit == "m" else 1.0)
        mapped = [int(counts.mapped[land.id]) for land in classes]
        areas = area_estimates(counts.confusion, classes, mapped, pixel_area)
    scores: dict[str, Any] = dict(metrics(counts.confusion, classes, counts.calibration, split="reference"))
    scores["unmapped"] = int(counts.confusion.unmapped.sum())
    scores["map"], scores["reference"] = str(map_file), str(reference)
    if areas is not None:
        scores["areas"] = _area_json(areas, area_unit)
    if out is not None and picture is not None:
        metres = max(row, col) * max(grid.shape) / max(picture.shape) if unit == "m" else None
        report = Report(
            title=f"Accuracy of {map_file.name}",
            classes=classes,
            runs=(scores,),
            description=_description(map_file, reference, grid, sampled),
            unmapped=scores["unmapped"],
            reliability=counts.calibration.curve if counts.calibration is not None else (),
            map=Picture(picture, map_file.name, metres),
            mapped_pixels={land.id: int(counts.mapped[land.id]) for land in classes},
            areas=areas,
            area_unit=area_unit,
        )
        page = render_report(report)
        _write_all(
            out, {"metrics.json": json.dumps(scores, indent=2, ensure_ascii=False) + "\n", "report.html": page}
        )
    return Evaluation(classes, scores, areas)


@dataclass(frozen=True)
class _Counts:
    confusion: ConfusionMatrix
    calibration: Calibration | None
    mapped: IntArray


@contextlib.contextmanager
def _open_bands(path: Path) -> Any:
    with open_raster(path) as dataset:
        if dataset.count != 1 or dataset.dtypes[0] != "uint8":
            raise RasterError(
                f"{path}: {dataset.count} bands of {dataset.dtypes[0]}, expected one band of uint8 class ids, "
                "as geo-xmodal map writes it"
            )
        yield dataset


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
    windows = list(windows_over(*grid.shape, _WINDOW))
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
    there = rasterio.windows.Window(window.col, window.row, window.width, window.height)
    block: ClassArray = dataset.read(1, window=there)
    return block


def _legend(
    dataset: rasterio.DatasetReader, reference: Path, source: LabelsConfig
) -> tuple[LandClass, ...]:
    """The map's own legend; a map of another program has none, and its classes are then known by id only."""
    legend = read_legend(dataset)
    if legend:
        return legend
    found = set(np.flatnonzero(_class_counts(dataset)).tolist()) - {0}
    for value in label_values(reference, source.column, source.layer):
        if not value.isdecimal() or not 0 < int(value) <= 255:
            raise LabelError(
                f"{dataset.name}: has no class names, so {value!r} in {reference} cannot be matched: "
                "give a reference with class ids 1 to 255"
            )
        found.add(int(value))
    if not found:
        raise LabelError(f"{dataset.name} and {reference}: no pixel has a class")
    return tuple(LandClass(one, f"class {one}", _grey(one)) for one in sorted(found))


def _class_counts(dataset: rasterio.DatasetReader) -> IntArray:
    counts = np.zeros(256, np.int64)
    for window in windows_over(dataset.height, dataset.width, _WINDOW):
        counts += np.bincount(_read(dataset, window).ravel(), minlength=256)
    return counts


def _grey(class_id: int) -> str:
    # A step of 97 keeps neighbouring ids apart: it has no common factor with 200.
    return f"#{(97 * class_id % 200 + 30):02x}" * 1 + f"{(97 * class_id % 200 + 30):02x}" * 2


def _picture(dataset: rasterio.DatasetReader) -> ClassArray:
    reduction = max(1.0, max(dataset.shape) / _PICTURE)
    shape = tuple(max(1, round(side / reduction)) for side in dataset.shape)
    picture: ClassArray = dataset.read(1, out_shape=shape, resampling=Resampling.mode)
    return picture


def _nothing_to_compare(map_file: Path, reference: Path, unmapped: int) -> str:
    if unmapped:
        return f"{map_file}: no data at any of the {unmapped:,} labelled pixels of {reference}: check the map"
    return f"{reference}: no labelled pixel lies on {map_file}: check place, CRS and class values of both"


def _description(map_file: Path, reference: Path, grid: GeoBox, sampled: bool) -> dict[str, str]:
    return {
        "Map": str(map_file),
        "Reference": str(reference),
        "Grid": f"{grid.shape[0]} x {grid.shape[1]} pixels, CRS {grid.crs if grid.crs is not None else 'unknown'}",
        "Reference is": "a random sample stratified by the map's classes" if sampled else "no probability sample",
    }


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
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            beside.chmod(0o755)
            for name, text in files.items():
                (beside / name).write_text(text, encoding="utf-8")
            if folder.is_dir():
                for name in files:
                    (beside / name).replace(folder / name)
            else:
                beside.rename(folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror}; choose another --out") from None
