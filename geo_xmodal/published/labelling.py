"""Training and test labels of a published scene as class ids, and how many of each class there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from geo_xmodal.errors import LabelError
from geo_xmodal.published import finding
from geo_xmodal.published.catalogue import (
    Indexed,
    KnownCounts,
    Labels,
    Maps,
    PublishedScene,
    Source,
    Whole,
    layout_files,
)
from geo_xmodal.published.envi import open_envi
from geo_xmodal.published.finding import Folder
from geo_xmodal.published.images import has_coordinates, read_matrix
from geo_xmodal.published.matfile import read_variable
from geo_xmodal.published.regions import read_regions
from geo_xmodal.raster import grid_of, open_raster
from geo_xmodal.types import ClassArray

UNLABELLED = (-1, 0)


@dataclass(frozen=True)
class LabelMap:
    """Class ids (row, col), 0 = unlabelled; `grid` is None where the file has no coordinates."""

    origin: str
    values: ClassArray
    grid: GeoBox | None = None

    def counts(self, classes: int) -> tuple[int, ...]:
        """Pixels of class 1, 2, ..."""
        return tuple(int(count) for count in np.bincount(self.values.ravel(), minlength=classes + 1)[1:])


@dataclass(frozen=True)
class SceneLabels:
    """The labels that were found.

    Attributes:
        maps: `train` and `test`, or `all`.
        notes: What had to be decided in reading them.
    """

    maps: Mapping[str, LabelMap]
    notes: tuple[str, ...] = ()


def read_scene_labels(folder: Folder, scene: PublishedScene) -> SceneLabels | None:
    """The labels of a scene, from the first of its layouts that is there whole; None if none is.

    Raises:
        LabelError: A label file holds no class ids of the scene, or points that fit no map.
        SceneError: Several files of one name.
        RasterError: A file is not what its name says, or is damaged.
    """
    for layout in scene.labels:
        files = [_label_file(folder, stem, layout) for stem in layout_files(layout)]
        if all(files):
            return _read(folder, scene, layout)
    return None


def closest_counts(
    known: Sequence[KnownCounts], found: Mapping[str, tuple[int, ...]]
) -> tuple[KnownCounts | None, dict[str, tuple[int, ...]]]:
    """The split whose numbers are closest to those found, and its numbers for each of the maps."""
    if not known:
        return None, {}

    def expected(counts: KnownCounts) -> dict[str, tuple[int, ...]]:
        numbers = {"train": counts.train, "test": counts.test, "all": counts.total}
        return {split: numbers[split] for split in found}

    def distance(counts: KnownCounts) -> int:
        return sum(
            abs(one - other)
            for split, numbers in expected(counts).items()
            for one, other in zip(numbers, found[split], strict=True)
        )

    best = min(known, key=distance)
    return best, expected(best)


def _label_file(folder: Folder, stem: str, layout: Labels) -> Path | None:
    if isinstance(layout, Indexed) and stem == layout.index:
        return folder.find(stem, finding.MATLAB)
    endings = (finding.MATLAB, finding.GEOTIFF, finding.ENVI, finding.REGIONS)
    return next((file for kind in endings if (file := folder.find(stem, kind))), None)


def _read(folder: Folder, scene: PublishedScene, layout: Labels) -> SceneLabels:
    match layout:
        case Maps(train, test):
            return SceneLabels({"train": _map(folder, train, scene), "test": _map(folder, test, scene)})
        case Indexed(labels, index, train_name, test_name):
            return _indexed(folder, _map(folder, labels, scene), index, (train_name, test_name))
        case Whole(labels):
            note = "one set of labels without a split: divided in blocks, see [split] in scene.toml"
            return SceneLabels({"all": _map(folder, labels, scene)}, (note,))


def _map(folder: Folder, wanted: Source, scene: PublishedScene) -> LabelMap:
    stem = wanted.stems[0]
    classes = len(scene.classes)
    if file := folder.find(stem, finding.MATLAB):
        values, name = read_matrix(file, wanted.variable or stem)
        return LabelMap(f"{folder.shown(file)}: {name}", _class_ids(file, values, classes, None))
    if file := folder.find(stem, finding.GEOTIFF):
        return _from_raster(folder, file, open_raster(file), classes)
    if (file := folder.find(stem, finding.ENVI)) and (header := folder.header(file)):
        return _from_raster(folder, file, open_envi(file, header), classes)
    file = folder.find(stem, finding.REGIONS)
    assert file is not None  # the layout was chosen because its files are there
    return LabelMap(folder.shown(file), read_regions(file, scene.regions))


def _from_raster(folder: Folder, file: Path, opened: AbstractContextManager[Any], classes: int) -> LabelMap:
    with opened as dataset:
        if dataset.count != 1:
            raise LabelError(
                f"{file}: {dataset.count} bands, expected one of class ids; a picture is no label map"
            )
        grid = grid_of(dataset) if has_coordinates(dataset) else None
        return LabelMap(folder.shown(file), _class_ids(file, dataset.read(1), classes, dataset.nodata), grid)


def _class_ids(file: Path, values: npt.NDArray[Any], classes: int, nodata: float | None) -> ClassArray:
    if values.ndim != 2:
        raise LabelError(f"{file}: an array of {values.ndim} axes, expected rows x columns of class ids")
    found = [float(value) for value in np.unique(values)]
    unlabelled = [value for value in found if value in UNLABELLED or value == nodata]
    wrong = [value for value in found if value not in unlabelled and value not in range(1, classes + 1)]
    if wrong:
        shown = ", ".join(f"{value:g}" for value in wrong[:5])
        raise LabelError(f"{file}: values {shown}, expected class ids 1 to {classes} and 0 for unlabelled")
    if len(found) == len(unlabelled):
        raise LabelError(f"{file}: no pixel is labelled")
    return np.where(np.isin(values, unlabelled), 0, values).astype(np.uint8)


def _indexed(folder: Folder, labels: LabelMap, index: str, names: tuple[str, str]) -> SceneLabels:
    file = folder.find(index, finding.MATLAB)
    assert file is not None  # the layout was chosen because its files are there
    points = [_points(file, name) for name in names]
    bases = [base for base in (0, 1) if all(_on_labels(labels.values, some - base) for some in points)]
    if not bases:
        raise LabelError(
            f"{file}: its rows and columns are not those of labelled pixels of {labels.origin}, "
            f"{labels.values.shape[0]} x {labels.values.shape[1]}, counted from 0 or from 1"
        )
    maps = {}
    for split, some in zip(("train", "test"), points, strict=True):
        row, col = (some - bases[0]).T
        values = np.zeros_like(labels.values)
        values[row, col] = labels.values[row, col]
        maps[split] = LabelMap(f"{labels.origin}, {folder.shown(file)}", values)
    sure = f"{folder.shown(file)}: rows and columns are counted from {bases[0]}"
    return SceneLabels(maps, (sure + (", which 1 would fit as well" if len(bases) == 2 else ""),))


def _points(file: Path, name: str) -> npt.NDArray[np.int64]:
    points = read_variable(file, name)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points) or (points != np.floor(points)).any():
        raise LabelError(
            f"{file}: {name} has {' x '.join(map(str, points.shape))} numbers, "
            "expected a row and a column for each point"
        )
    return points.astype(np.int64)


def _on_labels(labels: ClassArray, points: npt.NDArray[np.int64]) -> bool:
    inside = (points >= 0).all() and (points < labels.shape).all()
    return bool(inside) and bool((labels[points[:, 0], points[:, 1]] > 0).all())
