"""What became of labels on the grid: nothing that a label file holds is left out in silence."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from odc.geo.geobox import GeoBox
from pydantic import TypeAdapter, ValidationError

from geo_xmodal.raster import (
    LabelValues,
    class_table,
    count_conflicts,
    is_raster,
    name_key,
    open_raster,
    read_window_labels,
    survey_labels,
)
from geo_xmodal.scenes.config import LabelsConfig, scene_file
from geo_xmodal.scenes.labelled import SIDES, Labelled, labelled_pixels, labelled_windows
from geo_xmodal.scenes.splits import DEFAULT_MARGIN, overlap_share
from geo_xmodal.small_files import shortened
from geo_xmodal.types import ClassArray, LandClass, Window, windows_over
from geo_xmodal.wording import counted

TAG = "GEO_XMODAL_LABELS"
"""TIFF tag of an aligned label raster, which says what the labels were before."""

_WINDOW = 1024
_LIKE_MISSING = frozenset(
    ("nan", "nat", "none", "null", "na", "n/a", "<na>", "unlabelled", "unlabeled", "no data")
)
_MAX_TAG = 1 << 20


@dataclass(frozen=True)
class ClassLabels:
    """One class: pixels or features in the file, those without a place on the grid, pixels on the grid."""

    id: int
    name: str
    found: int
    outside: int
    placeless: int
    pixels: int


@dataclass(frozen=True)
class LabelSummary:
    """What a label file held, and what it became on the grid.

    Attributes:
        source: Name of the file.
        what: What `found` counts.
        classes: In the order of the legend.
        missing: Features without a class, pixels that are NaN.
        unlabelled: Values that were taken as "unlabelled", and how often they came.
        spellings: Name to the spellings that were taken as this name.
        conflicts: Pixels that features of more than one class claim; the last feature has them.
        small: Polygons that contain no pixel centre and label the pixel they lie in.
    """

    source: str
    what: Literal["pixels", "features"]
    classes: tuple[ClassLabels, ...]
    missing: int
    unlabelled: Mapping[str, int]
    spellings: Mapping[str, tuple[str, ...]]
    conflicts: int
    small: int

    def notes(self) -> tuple[str, ...]:
        """What a user should know, one line each."""
        return tuple(f"{self.source}: {line}" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        for name, spellings in self.spellings.items():
            yield f"{' and '.join(map(repr, spellings))} are one class, {name!r}"
        one = self.what.removesuffix("s")
        if self.missing:
            yield f"{counted(self.missing, one)} without a class (NULL or NaN) left out"
        for value, count in self.unlabelled.items():
            keep = "; if it is a class, set unlabelled to nodata" if value == "0" else ""
            yield f"{counted(count, one)} with value {shortened(repr(value))} taken as unlabelled{keep}"
        for entry in self.classes:
            if name_key(entry.name) in _LIKE_MISSING:
                yield f"{entry.name!r} is text, and so a class; if it means unlabelled, say so (unlabelled)"
            if entry.outside:
                yield f"{counted(entry.outside, one)} of class {entry.name!r} outside the grid left out"
            if entry.placeless:
                yield f"{counted(entry.placeless, one)} of class {entry.name!r} without geometry left out"
        if self.small:
            yield (
                f"{counted(self.small, 'polygon')} smaller than a pixel, or between pixel centres: "
                "each labels the pixel it lies in, where nothing else does"
            )
        if self.conflicts:
            yield conflict_text(self.conflicts)
        for entry in self.classes:
            if entry.found and not entry.pixels:
                yield (
                    f"WARNING: class {entry.name!r} has no pixel on the grid "
                    f"({counted(entry.found, one)} in the file)"
                )


@dataclass(frozen=True)
class LabelFile:
    """A file of labels: what is said of it, where it lies, and which values it holds."""

    source: LabelsConfig
    path: Path
    survey: LabelValues


class LabelTally:
    """Reads the labels of a grid window by window, and counts what they become.

    Of several files, all rasters or all vectors, a later one lies over an earlier one.
    """

    def __init__(self, files: Sequence[LabelFile], grid: GeoBox, classes: Sequence[LandClass]) -> None:
        self._files, self._grid, self._classes = files, grid, classes
        self._pixels = np.zeros(256, np.int64)
        self._conflicts = self._small = 0

    def read(self, window: Window) -> ClassArray:
        """Class ids (row, col) as `geo_xmodal.raster.read_labels`; each pixel should be read once."""
        ids = np.zeros((window.height, window.width), np.uint8)
        for file in self._files:
            found = read_window_labels(file.source, file.path, self._grid, self._classes, window)
            self._conflicts += found.conflicts
            self._conflicts += int(((ids > 0) & (found.ids > 0) & (ids != found.ids)).sum())
            self._small += found.small
            ids = np.where(found.ids > 0, found.ids, ids)
        self._pixels += np.bincount(ids.ravel(), minlength=256)
        return ids

    def summary(self) -> LabelSummary:
        """What came of the windows that were read."""
        found, outside, placeless = (Counter[int](), Counter[int](), Counter[int]())
        unlabelled: Counter[str] = Counter()
        spellings: dict[str, tuple[str, ...]] = {}
        for file in self._files:
            survey, table = file.survey, class_table(file.source, self._classes)
            found += _of_class(survey.counts, table)
            outside += _of_class(survey.outside, table)
            placeless += _of_class(survey.placeless, table)
            unlabelled.update(survey.unlabelled)
            for name, ways in survey.spellings.items():
                spellings[name] = tuple(dict.fromkeys((*spellings.get(name, ()), *ways)))
        return LabelSummary(
            ", ".join(file.path.name for file in self._files),
            self._files[0].survey.what,
            tuple(
                ClassLabels(
                    one.id,
                    one.name,
                    found[one.id],
                    outside[one.id],
                    placeless[one.id],
                    int(self._pixels[one.id]),
                )
                for one in self._classes
            ),
            sum(file.survey.missing for file in self._files),
            dict(unlabelled),
            spellings,
            self._conflicts,
            self._small,
        )


def _of_class(counts: Mapping[str, int], table: Mapping[str, int]) -> Counter[int]:
    """Counts of values as counts of the classes that they become."""
    summed: Counter[int] = Counter()
    for text, count in counts.items():
        summed[table.get(name_key(text), 0)] += count
    return summed


def summarise_labels(
    source: LabelsConfig, path: Path, grid: GeoBox, classes: Sequence[LandClass]
) -> LabelSummary:
    """What a scene's labels become, or what those became that `align` made it of; reads all of them.

    Raises:
        As `geo_xmodal.raster.read_labels`.
    """
    if is_raster(path) and (kept := _kept_summary(path)) is not None:
        return kept
    survey = survey_labels(
        path, source.column, source.layer, source.unlabelled, grid, source.warp_gcps, source.hints
    )
    tally = LabelTally([LabelFile(source, path, survey)], grid, classes)
    for window in windows_over(grid.shape[0], grid.shape[1], _WINDOW):
        tally.read(window)
    return tally.summary()


@dataclass(frozen=True)
class LabelReport:
    """Which labels a scene has.

    Attributes:
        sources: Name in scene.toml (`train`, `test`, `all`) to what the file held.
        pixels: `train` and `test` to class id to pixels.
        between: Pixels that a split leaves out of both.
        overlap_share: Share of test windows that share pixels with a training window, for a method that
            looks `DEFAULT_MARGIN` pixels around; None without test or training pixels.
    """

    sources: Mapping[str, LabelSummary]
    pixels: Mapping[str, Mapping[int, int]]
    between: int
    overlap_share: float | None
    classes: tuple[LandClass, ...]

    def notes(self) -> tuple[str, ...]:
        """What a user should know, one line each."""
        return tuple(self._lines())

    def _lines(self) -> Iterator[str]:
        for summary in self.sources.values():
            yield from summary.notes()
        if self.between:
            yield f"{counted(self.between, 'labelled pixel')} between training and test belong to neither"
        for split, counts in self.pixels.items():
            lacking = [repr(one.name) for one in self.classes if not counts.get(one.id)]
            if lacking and counts:
                yield f"WARNING: no {split} pixel of class {', '.join(lacking)}"
        if self.overlap_share:
            yield overlap_text(self.overlap_share, DEFAULT_MARGIN)


def label_report(scene: Labelled) -> LabelReport:
    """Pixels per class and side of a scene, and what its label files held besides; reads all labels.

    Raises:
        LabelError: Labels hold values outside the scene's classes.
        RasterError, VectorError, AlignmentError: They cannot be read.
    """
    given = dict(scene.config.labels.given())
    sources: dict[str, LabelSummary] = {
        name: summarise_labels(source, scene_file(scene.folder, source.file), scene.grid, scene.classes)
        for name, source in given.items()
    }
    sides = {side: labelled_pixels(scene, side) for side in SIDES} if given else {}
    pixels: dict[str, dict[int, int]] = {
        side: {int(id_): int(n) for id_, n in zip(*np.unique(found.label, return_counts=True), strict=True)}
        for side, found in sides.items()
    }
    between = 0
    if scene.config.split is not None:
        (one,) = sources.values()
        between = sum(entry.pixels for entry in one.classes) - sum(map(len, sides.values()))
    share = None
    if sides and all(map(len, sides.values())):
        share = overlap_share(sides["train"].position, sides["test"].position, DEFAULT_MARGIN)
    return LabelReport(sources, pixels, between, share, tuple(scene.classes))


def overlap_text(share: float, margin: int) -> str:
    """A share of test windows that overlap training windows, as a warning."""
    return (
        f"windows of {2 * margin + 1} x {2 * margin + 1} pixels around {share:.1%} of the test "
        "pixels share pixels with windows around training pixels, so that accuracy may look too good; a fair "
        f"test needs labels further apart: a [split] with buffer = {2 * margin}, or training and test "
        "labels from separate places"
    )


def scene_conflicts(scene: Labelled) -> int:
    """Pixels that features of more than one class claim in the training labels; also before `align`."""
    source = scene.label_source("train" if scene.config.split is None else "all")
    path = scene_file(scene.folder, source.file)
    if is_raster(path):
        kept = _kept_summary(path)
        return 0 if kept is None else kept.conflicts
    return sum(
        count_conflicts(source, path, scene.grid, scene.classes, window)
        for window, _ in labelled_windows(scene, "train")
    )


def summary_tag(summary: LabelSummary) -> dict[str, str]:
    """A summary as a TIFF tag."""
    return {TAG: json.dumps(dataclasses.asdict(summary))}


def conflict_text(pixels: int) -> str:
    """A count of conflicts as a line."""
    return f"{counted(pixels, 'pixel')} claimed by more than one class: the last feature has them"


def _kept_summary(path: Path) -> LabelSummary | None:
    with open_raster(path) as dataset:
        tag = dataset.tags().get(TAG, "")
    if not tag or len(tag) > _MAX_TAG:
        return None
    try:
        return _SUMMARY.validate_json(tag)
    except ValidationError:
        return None  # a tag of somebody else


_SUMMARY = TypeAdapter(LabelSummary)
