"""How good a finished map is: a classified GeoTIFF against reference labels of any CRS and resolution."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from odc.geo.geobox import GeoBox

from geo_xmodal.accuracy import (
    AreaEstimates,
    Calibration,
    ConfusionMatrix,
    Estimate,
    GroundAreas,
    Picture,
    Report,
    area_estimates,
    metrics,
    render_report,
)
from geo_xmodal.errors import LabelError, OutputError, RasterError
from geo_xmodal.mapping import quicklook
from geo_xmodal.mapping.geotiff import open_band
from geo_xmodal.mapping.layers import NO_PROBABILITY
from geo_xmodal.mapping.map_legends import ClassMapReader, MapLegend, legend_of_map, open_class_map
from geo_xmodal.mapping.outputs import layer_file
from geo_xmodal.named_options import option
from geo_xmodal.outputs import files_together, held
from geo_xmodal.raster import (
    SQUARE_METRES,
    AssignedCrs,
    Floats,
    LabelledPoints,
    LabelValues,
    VectorHints,
    WarpGcps,
    class_table,
    crs_of_file,
    describe_raster,
    file_and_rest,
    file_window,
    grid_of,
    label_place,
    name_key,
    number_of,
    pixel_areas,
    pixel_size,
    read_reference,
    survey_labels,
)
from geo_xmodal.scenes import (
    LabelsConfig,
    Reclass,
    check_reclass,
    conflict_text,
    free_id,
    palette,
    reclassed,
)
from geo_xmodal.types import ClassArray, IntArray, LandClass, Progress, Window, windows_over
from geo_xmodal.wording import counted

_WINDOW = 1024
_MAX_LISTED = 10
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
    map_file: Path | str,
    reference: Path | str,
    out: Path | str | None = None,
    *,
    layer: str | None = None,
    sampled: bool = False,
    classes: Path | str | None = None,
    reclass: Reclass | None = None,
    unlabelled: Collection[str] | None = None,
    assign_crs: AssignedCrs | None = None,
    coordinates: tuple[str, str] | None = None,
    warp_gcps: WarpGcps | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Compare a map with reference labels, window by window.

    The reference is brought onto the map's grid as training labels are, but every point counts for itself.
    A class of the reference that the map's legend lacks counts as never mapped. Where
    `<map>_probability.tif` lies beside the map, its calibration is measured too.

    Args:
        map_file: one band of class ids, as `map_scene` writes it, or of another program.
        reference: a raster of class ids, or a vector file as `file.gpkg:column` or
            `file.gpkg:layer:column`, whose column holds class ids or names.
        out: folder for metrics.json and report.html; None writes nothing.
        layer: of a vector file that has several.
        sampled: the reference is a random sample stratified by the map's classes, so that areas and
            accuracies can be estimated with intervals (Olofsson et al. 2014). Dense labels are no sample.
        classes: TOML file with `[[classes]]`, which names the values of a map of another program.
        reclass: value in the reference to the name or id of its class, so that values are merged and renamed;
            a value with an empty name is no reference.
        unlabelled: values of reference and map that are no class, in place of 0 and negative numbers; empty
            where 0 is a class.
        assign_crs: authority and code (`EPSG:32633`) of the CRS of a vector reference that has none, or its
            path to it.
        coordinates: columns of x and y of a CSV, where their names do not tell.
        warp_gcps: what follows the ground control points of a reference raster that has no other place:
            `polynomial` or `tps` (a thin plate spline).
        progress: told of every window.

    Raises:
        RasterError, VectorError: if a file cannot be read, or the map is not a classified one.
        AlignmentError: if map and reference cannot be brought onto one grid.
        LabelError: if no reference pixel lies on the map, or no class is in both.
        SceneError: if `classes` is no class list.
        OutputError: if `out` cannot be written, or holds a training run.
    """
    out = None if out is None else Path(out)
    map_file = Path(map_file)
    if out is not None and (out / "config.json").exists():
        raise OutputError(
            f"{out} holds a training run, whose metrics.json would be lost: choose another folder"
        )
    crs = crs_of_file(assign_crs, file_and_rest(str(reference))[0])
    place = label_place(reference, VectorHints(crs, coordinates))
    values = None if unlabelled is None else tuple(unlabelled)
    source = LabelsConfig(
        file=place.path.name,
        column=place.column,
        layer=layer or place.layer,
        unlabelled=values,
        warp_gcps=warp_gcps,
        crs=crs,
        coordinates=coordinates,
    )
    with contextlib.ExitStack() as stack:
        opened = stack.enter_context(open_class_map(map_file))
        beside = layer_file(map_file, "probability")
        probability = stack.enter_context(open_band(beside)) if beside.is_file() else None
        shape = opened.dataset.shape
        if probability is not None and probability.shape != shape:
            raise RasterError(
                f"{probability.name}: {probability.shape[0]} x {probability.shape[1]} pixels, its map has "
                f"{shape[0]} x {shape[1]}: the two do not belong together, map again"
            )
        legend = legend_of_map(opened, None if classes is None else Path(classes), values)
        compared = _compared(legend, source, place.path, reclass or {})
        grid = grid_of(opened.dataset)
        counts = _count(opened, probability, compared, legend, place.path, grid, progress)
        small = opened.small(_PICTURE, legend)
    counts, compared = counts.of(present := counts.present(len(legend.classes))), compared.of(present)
    if not counts.confusion.n:
        raise LabelError(_nothing_to_compare(map_file, place.path, counts.unmapped))
    scores: dict[str, Any] = dict(
        metrics(counts.confusion, compared.classes, counts.calibration, split="reference")
    )
    scores["per_class"] = [{**one, "id": legend.value(one["id"])} for one in scores["per_class"]]
    scores |= {"unmapped": counts.unmapped, "map": str(map_file), "reference": str(reference)}
    notes = [*legend.notes, *_notes(legend, compared, counts)]
    if counts.points:
        scores["points"] = dataclasses.asdict(counts.points)
    if notes:
        scores["notes"] = notes
    areas, unit = None, "ha" if pixel_areas(grid).unit == "m" else "square units"
    if sampled:
        mapped = [int(counts.mapped[land.id]) for land in compared.classes]
        _check_sample(counts.confusion, compared.classes, mapped, place.path)
        areas = area_estimates(counts.confusion, compared.classes, mapped, counts.ground.of(compared.classes))
        scores["areas"] = _area_json(areas, unit, legend)
    evaluation = Evaluation(compared.classes, scores, areas)
    if out is not None:
        shown = quicklook(small, compared.classes, _PICTURE)
        page = render_report(_report(map_file, place.path, grid, evaluation, counts, unit, sampled, shown))
        text = json.dumps(scores, indent=2, ensure_ascii=False)
        _write_all(out, {"metrics.json": text + "\n", "report.html": page})
    return evaluation


@dataclass(frozen=True)
class _Compared:
    """The classes of map and reference together, and how values of the reference become them."""

    classes: tuple[LandClass, ...]
    source: LabelsConfig
    survey: LabelValues

    def of(self, present: Sequence[int]) -> _Compared:
        """With some of the classes, by their places."""
        return dataclasses.replace(self, classes=tuple(self.classes[place] for place in present))


def _compared(legend: MapLegend, source: LabelsConfig, reference: Path, reclass: Reclass) -> _Compared:
    """The map's classes, and after them those that only the reference has."""
    found = survey_labels(
        reference,
        source.column,
        source.layer,
        source.unlabelled,
        warp_gcps=source.warp_gcps,
        hints=source.hints,
    )
    check_reclass(reclass, {str(reference): found})
    survey, names = reclassed(found, reclass)
    values = {} if legend.zero is None else {"0": legend.zero}
    values |= {value: 0 for value, name in reclass.items() if not name}
    table = class_table(source.model_copy(update={"classes": values}), legend.classes)
    known = {value: table[name_key(name)] for value, name in names.items() if name_key(name) in table}
    unknown = [text for text in names if text not in known]
    if unknown and not known:
        listed = ", ".join(
            f"{text!r} ({survey.counts[text]} {survey.what})" for text in unknown[:_MAX_LISTED]
        )
        classes = ", ".join(f"{legend.value(entry.id)} {entry.name}" for entry in legend.classes)
        raise LabelError(
            f"{reference}: no class in common with the map: the reference has {listed}, the map {classes}; "
            f"name the map's classes as the reference does ({option('classes', 'FILE')}), or say which they "
            f"are ({option('reclass', 'VALUE=CLASS')})"
        )
    values |= {value: id_ for value, id_ in known.items() if names[value] != value}
    ids = [entry.id for entry in legend.classes]
    extra: dict[str, LandClass] = {}
    colors = reversed(palette(len(ids) + len(unknown)))
    for text in unknown:
        name = names[text]
        if name not in extra:
            own = number_of(name)
            id_ = int(own) if own in range(1, 256) and own not in ids else free_id(ids, str(reference))
            ids.append(id_)
            extra[name] = LandClass(id_, f"class {name}" if name.isdecimal() else name, next(colors))
        values[text] = extra[name].id
    classes_of_both = (*legend.classes, *extra.values())
    return _Compared(classes_of_both, source.model_copy(update={"classes": values or None}), survey)


@dataclass(frozen=True)
class _Points:
    """Reference points: how many, on how many pixels, and pixels with several, or with several classes."""

    n: int = 0
    pixels: int = 0
    shared: int = 0
    conflicting: int = 0

    def __bool__(self) -> bool:
        return self.n > 0


@dataclass(frozen=True)
class _Counts:
    """What one pass over the map gives; `mapped` has the pixels of each id 0-255 in the whole map."""

    confusion: ConfusionMatrix
    calibration: Calibration | None
    mapped: IntArray
    ground: _Ground
    points: _Points
    conflicts: int

    @property
    def unmapped(self) -> int:
        return int(self.confusion.unmapped.sum())

    def present(self, mapped: int) -> list[int]:
        """Places of the classes that count: the map's, and those of the reference that lie on the map."""
        seen = self.confusion.counts.sum(axis=1) + self.confusion.unmapped
        return [place for place in range(len(seen)) if place < mapped or seen[place]]

    def of(self, places: Sequence[int]) -> _Counts:
        """With some of the classes."""
        confusion = ConfusionMatrix.from_counts(
            self.confusion.counts[np.ix_(places, places)], self.confusion.unmapped[places]
        )
        return dataclasses.replace(self, confusion=confusion)


def _notes(legend: MapLegend, compared: _Compared, counts: _Counts) -> Iterator[str]:
    """What a user should know of the comparison, a line each."""
    survey, points = compared.survey, counts.points
    if legend.zeros:
        yield (
            f"map: {counted(legend.zeros, 'pixel')} with value 0 taken as no data; if it is a class, set "
            "unlabelled to nodata"
        )
    one = survey.what.removesuffix("s")
    for name, spellings in survey.spellings.items():
        yield f"reference: {' and '.join(map(repr, spellings))} are one class, {name!r}"
    if survey.missing:
        yield f"reference: {counted(survey.missing, one)} without a class (NULL or NaN) left out"
    for value, count in survey.unlabelled.items():
        keep = "; if it is a class, set unlabelled to nodata" if value == "0" else ""
        yield f"reference: {counted(count, one)} with value {value!r} taken as unlabelled{keep}"
    references = counts.confusion.counts.sum(axis=1)
    for place, entry in enumerate(compared.classes):
        if place >= len(legend.classes):
            yield (
                f"reference class {entry.name!r} is not in the map's legend: never mapped, "
                f"{int(references[place]):,} of {counts.confusion.n:,} counted as wrong"
            )
        elif not references[place]:
            yield f"class {entry.name!r} of the map has no reference: it is in no average of recalls"
    if points.shared:
        yield (
            f"reference: {counted(points.n, 'point')} on {counted(points.pixels, 'pixel')}; more than one "
            f"point on {counted(points.shared, 'pixel')}, of different classes on {points.conflicting:,}; "
            "every point counts"
        )
    if counts.conflicts:
        yield f"reference: {conflict_text(counts.conflicts)}"


def _check_sample(
    confusion: ConfusionMatrix, classes: Sequence[LandClass], mapped: Sequence[int], reference: Path
) -> None:
    units = confusion.counts.sum(axis=0)
    for land, count, pixels in zip(classes, units.tolist(), mapped, strict=True):
        if count > pixels:
            raise LabelError(
                f"{reference}: {counted(count, 'sample point')} on {counted(pixels, 'pixel')} of class "
                f"{land.name!r}: a sample draws a pixel once at most; leave {option('sampled')} "
                f"out, or give the "
                "points that were drawn"
            )


class _Ground:
    """Areas of what is mapped (256,), and of labelled pixels by the ids of reference and map (256, 256)."""

    def __init__(self, grid: GeoBox) -> None:
        self.pixels = pixel_areas(grid)
        self.mapped: IntArray = np.zeros(256, np.int64)
        self.units, self.squares = np.zeros((2, 256 * 256))

    def map(self, predicted: ClassArray, window: Window) -> IntArray:
        """Count a window of the map; returns the pixels of each id."""
        pixels, parts = self.pixels.count(predicted, window)
        self.mapped += parts
        return pixels

    def compare(self, reference: ClassArray, predicted: ClassArray, sizes: Floats) -> None:
        """Count labelled pixels or points, of any shape, whose pixels have so many parts."""
        known = reference > 0
        pairs = reference[known].astype(np.int64) * 256 + predicted[known]
        self.units += np.bincount(pairs, sizes[known], 256 * 256)
        self.squares += np.bincount(pairs, sizes[known] ** 2, 256 * 256)

    def of(self, classes: Sequence[LandClass]) -> GroundAreas:
        """In hectares, or square units where there is no place on the ground, in the order of a legend."""
        ids = np.array([land.id for land in classes])
        part = self.pixels.quantum / (SQUARE_METRES if self.pixels.unit == "m" else 1)
        units, squares = (one.reshape(256, 256)[np.ix_(ids, ids)] for one in (self.units, self.squares))
        return GroundAreas(self.mapped[ids] * part, units * part, squares * part**2)


def _count(
    opened: ClassMapReader,
    probability: rasterio.DatasetReader | None,
    compared: _Compared,
    legend: MapLegend,
    reference: Path,
    grid: GeoBox,
    progress: Progress | None,
) -> _Counts:
    classes = compared.classes
    ids = [land.id for land in classes]
    confusion = ConfusionMatrix(len(classes))
    calibration = None if probability is None else Calibration()
    mapped, ground = np.zeros(256, np.int64), _Ground(grid)
    points, conflicts = np.zeros(4, np.int64), 0
    height, width = opened.dataset.shape
    windows = list(windows_over(height, width, _WINDOW))
    for done, window in enumerate(windows, start=1):
        predicted = opened.ids(window, legend)
        mapped += ground.map(predicted, window)
        sizes = np.broadcast_to(ground.pixels.parts(window), predicted.shape)
        found = read_reference(compared.source, reference, grid, classes, window)
        conflicts += found.conflicts
        points += _point_counts(found.points, window)
        rows, cols = (found.points.position - (window.row, window.col)).T
        percent = None if probability is None else _read(probability, window)
        for label, given, size, sure in (
            (found.ids, predicted, sizes, percent),
            (
                found.points.label,
                predicted[rows, cols],
                sizes[rows, cols],
                None if percent is None else percent[rows, cols],
            ),
        ):
            confusion.add(label, given, ids)
            ground.compare(label, given, size)
            if calibration is not None and sure is not None:
                known = (label > 0) & (given > 0) & (sure != NO_PROBABILITY)
                calibration.add(sure[known] / 100.0, given[known] == label[known])
        if progress is not None:
            progress(done, len(windows), "comparing")
    return _Counts(confusion, calibration, mapped, ground, _Points(*points.tolist()), conflicts)


def _point_counts(points: LabelledPoints, window: Window) -> tuple[int, int, int, int]:
    """Points, pixels with any, with several, and with several classes."""
    flat = points.position[:, 0] * (window.col + window.width) + points.position[:, 1]
    _, several = np.unique(flat, return_counts=True)
    pairs = np.unique(np.stack([flat, points.label.astype(np.int64)]), axis=1)
    _, classes = np.unique(pairs[0], return_counts=True)
    return len(flat), len(several), int((several > 1).sum()), int((classes > 1).sum())


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
    picture: npt.NDArray[np.uint8],
) -> Report:
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
        notes=tuple(evaluation.metrics.get("notes", ())),
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


def _area_json(areas: AreaEstimates, unit: str, legend: MapLegend) -> dict[str, Any]:
    return {
        "unit": unit,
        "overall_accuracy": _estimate_json(areas.overall_accuracy),
        "classes": [
            {
                "id": legend.value(one.id),
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
    """All files or none."""
    with held(folder), files_together(folder) as beside:
        for name, text in files.items():
            (beside / name).write_text(text, encoding="utf-8")
